"""The average of the weights along the way, which predicts better than the weights of any one step.

Steps of mini-batches jump about the bottom of the valley that they have found; their average lies in it. An exponential
average forgets the way there. Source: Polyak and Juditsky (1992); Izmailov et al., "Averaging Weights Leads to Wider
Optima" (2018); the form with a decay is that of Tarvainen and Valpola (2017).
"""

from __future__ import annotations

from glassnet.maths.elementary import Array, maximum

__all__ = ["averaged", "share_of_step"]


def averaged(M: Array, P: Array, share: Array) -> Array:
    """M + share · (P - M): the average M, moved by a share of the way to the parameters P."""
    return M + share * (P - M)


def share_of_step(step: Array, memory: float) -> Array:
    """max(1 - memory, 1 / (step + 1)), the share of step 1, 2, …: a plain mean of the first ones, the start included.

    memory : in [0, 1); the average reaches back about 1 / (1 - memory) steps.
    """
    return maximum(1.0 - memory, 1.0 / (step + 1.0))
