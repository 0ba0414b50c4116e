"""Fixtures that several rooms share."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples at every run, so that the same sources have the same answer; `--hypothesis-profile=search` draws new
# ones, to look for what nobody thought of. No limits of time: these machines are shared.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("same")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real tables: GLASSNET_DATA, or shared/data beside the checkout. Not part of the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("GLASSNET_DATA", beside))
    if folder.is_dir():
        return folder
    reason = "the folder of real tables is missing: set GLASSNET_DATA to it"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True, scope="session")
def heed_ctrl_c() -> None:
    """Shells start what runs in the background with Ctrl-C ignored; the tests of Ctrl-C press it themselves."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def kernel_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where compiled kernels are kept: a folder of this run, which its processes share; never the user's own.

    GLASSNET_CACHE_DIR, where it is set, names a folder to keep instead: the next run then has nothing to compile.
    """
    with pytest.MonkeyPatch.context() as patch:
        if "GLASSNET_CACHE_DIR" not in os.environ:
            own = tmp_path_factory.getbasetemp()  # pytest-xdist gives each process a folder in that of the run
            folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "kernels"
            patch.setenv("GLASSNET_CACHE_DIR", str(folder))
        yield Path(os.environ["GLASSNET_CACHE_DIR"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need the real tables, so that they can be asked for by name."""
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real_data)
