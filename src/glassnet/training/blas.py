"""How many threads BLAS may use while a network trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from glassnet.network import Network

__all__ = ["blas_threads_for"]

# Multiplications of a matrix product below which a second thread does not pay: waking it and waiting for it cost more,
# and where other processes want the cores a small network trained several times slower with two threads than with one.
WORTH_A_THREAD = 2**26


@contextmanager
def blas_threads_for(network: Network, batch_size: int) -> Iterator[None]:
    """Let BLAS use one thread while the steps of this network are small; leave it alone when they are large."""
    largest = max((batch_size * W.size for W in network.coefs), default=0)
    if largest >= WORTH_A_THREAD:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
