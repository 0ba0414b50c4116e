"""What the bits of a training depend on beside its settings: the rows, the libraries and the processor."""

from __future__ import annotations

import platform
from importlib import metadata

import numpy as np

from glassnet.files import digest
from glassnet.network import Network
from glassnet.training.backend import Rows
from glassnet.training.blas import takes_all_threads

__all__ = ["digest_of", "machine_of"]


def digest_of(*parts: np.ndarray | Rows | str | None) -> str:
    """The digest of arrays, rows and texts, see `files.digest`."""
    return digest.digest_of(*(digest.digest_of(*part) if isinstance(part, Rows) else part for part in parts))


def machine_of(kind: str, network: Network, batch_size: int) -> dict[str, str]:
    """Versions and processor that the bits of the engine `kind`, "reference" or "compiled", depend on, by name.

    A product of large matrices is NumPy's alone, on as many threads as its BLAS takes, and each adds up a part.
    """
    facts = {"numpy": f"{np.__version__} with {_blas()}", "processor": _processor()}
    if kind == "compiled":
        from glassnet.engine.compiler import host_features

        facts |= {name: metadata.version(name) for name in ("scipy", "numba", "llvmlite")}
        facts["processor"] += f", LLVM: {digest_of(host_features())[:16]}"
    elif takes_all_threads(network, batch_size):
        facts["threads of BLAS"] = str(_blas_threads())
    return facts


def _blas() -> str:
    """The library that NumPy was built with, and its version."""
    found = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'BLAS')} {found.get('version', '')}".strip()


def _processor() -> str:
    """Its kind, and the features by which NumPy and its BLAS choose among their loops."""
    try:
        from numpy._core._multiarray_umath import __cpu_features__ as features  # type: ignore[import-not-found]
    except ImportError:  # NumPy calls it private
        features = {}
    return " ".join([platform.machine(), *sorted(name for name, there in features.items() if there)])


def _blas_threads() -> int:
    from threadpoolctl import threadpool_info

    return max((found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"), default=1)
