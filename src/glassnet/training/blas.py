"""How many threads BLAS may use while a network trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from glassnet.network import Network

__all__ = ["blas_threads_for", "takes_all_threads"]

# Multiplications of a matrix product below which a second thread does not pay: waking it and waiting for it cost more,
# and where other processes want the cores a small network trained several times slower with two threads than with one.
WORTH_A_THREAD = 2**26


def takes_all_threads(network: Network, batch_size: int) -> bool:
    """Whether the steps of this network are large enough for BLAS to use as many threads as it likes."""
    return max((batch_size * W.size for W in network.coefs), default=0) >= WORTH_A_THREAD


@contextmanager
def blas_threads_for(network: Network, batch_size: int) -> Iterator[None]:
    """Let BLAS use one thread while the steps of this network are small; leave it alone when they are large."""
    if takes_all_threads(network, batch_size):
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
