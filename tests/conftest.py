"""Fixtures that several rooms share."""

import os
import signal
from pathlib import Path

import pytest


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need the real tables, so that they can be asked for by name."""
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real_data)
