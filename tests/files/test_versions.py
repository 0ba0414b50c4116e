"""Files of older formats go through a step for each format until they are as today's reader knows them."""

import json
import struct

import numpy as np
import pytest

from glassnet.errors import ModelFileError
from glassnet.files import model_format, versions
from glassnet.files.model_format import FORMAT_VERSION, read_header, read_model, write_model


def test_there_is_a_step_from_each_older_format_to_the_next():
    assert set(versions.STEPS) == set(range(1, FORMAT_VERSION))


def rename_width(header, arrays):
    """From 1 to 2: "width" is called "units", and the array has a new name."""
    header["units"] = header.pop("width")
    return header, {name.replace("old", "new"): array for name, array in arrays.items()}


def double_units(header, arrays):
    """From 2 to 3: units are counted in halves."""
    header["units"] *= 2
    return header, arrays


@pytest.fixture
def third_format(monkeypatch):
    """As if there had been two formats before the one of today."""
    monkeypatch.setattr(versions, "STEPS", {1: rename_width, 2: double_units})
    for module in (versions, model_format):
        monkeypatch.setattr(module, "FORMAT_VERSION", 3)


def a_file(path, header, n=2):
    table = {"__metadata__": {"glassnet": json.dumps({"format": "glassnet", "written_by": "0.1.0", **header})}}
    text = json.dumps(table | {"old": {"dtype": "F64", "shape": [n], "data_offsets": [0, 8 * n]}}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + np.arange(float(n)).tobytes())
    return path


@pytest.mark.parametrize(
    ("header", "units", "name"),
    [
        ({"format_version": 1, "width": 5}, 10, "new"),
        ({"format_version": 2, "units": 5}, 10, "old"),
        ({"format_version": 3, "units": 5}, 5, "old"),
    ],
)
def test_a_file_goes_through_all_steps_from_its_own_format_on(tmp_path, third_format, header, units, name):
    path = a_file(tmp_path / "m", header)
    header, arrays = read_model(path)
    assert header["units"] == units
    assert header["format_version"] == 3
    assert {name: array.tolist() for name, array in arrays.items()} == {name: [0.0, 1.0]}
    assert read_header(path) == header


def test_an_old_file_that_is_not_as_its_format_says_is_damaged(tmp_path, third_format):
    path = a_file(tmp_path / "m", {"format_version": 1})
    for read in (read_model, read_header):
        with pytest.raises(ModelFileError, match="is damaged: KeyError: 'width'"):
            read(path)


def test_a_file_of_today_is_refused_by_the_reader_of_yesterday(tmp_path, third_format, monkeypatch):
    write_model(tmp_path / "m", {"written_by": "2.0.0"}, {})
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match="its format is 3, this one reads up to 1"):
        read_model(tmp_path / "m")
