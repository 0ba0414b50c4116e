"""Moments with a zone are read on the clocks of that zone, from any library alike."""

from __future__ import annotations

import datetime
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import glassnet
from glassnet import GlassNetRegressor, TableEncoder
from glassnet.errors import ColumnError, ModelFileError
from glassnet.tables.frames import table_of
from glassnet.tables.zones import Moments, name_of_zone, wall_time, zone_of

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
# One hour ahead of UTC in winter, two in summer.
UTC_TIMES = ["2024-01-15T23:30", "NaT", "2024-07-15T22:30", "2024-03-31T00:59", "2024-03-31T01:00"]
BERLIN_TIMES = ["2024-01-16T00:30", "NaT", "2024-07-16T00:30", "2024-03-31T01:59", "2024-03-31T03:00"]


def moments(texts: list[str]) -> np.ndarray:
    return np.array(texts, "M8[us]")


def tables() -> dict[str, object]:
    """The same five moments on Berlin's clocks."""
    zoned = pd.Series(moments(UTC_TIMES)).dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    python = [None if moment is pd.NaT else moment.to_pydatetime().astimezone(BERLIN) for moment in zoned]
    frame = pd.DataFrame({"at": zoned})
    return {
        "pandas": frame,
        "pandas of Arrow": frame.convert_dtypes(dtype_backend="pyarrow"),
        "pandas objects": pd.DataFrame({"at": pd.Series(python, dtype=object)}),
        "polars": pl.from_pandas(frame),
        "Arrow": pa.Table.from_pandas(frame),
        "dict": {"at": python},
    }


# --- names of zones ---


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        (None, None),
        (BERLIN, "Europe/Berlin"),
        ("America/New_York", "America/New_York"),
        (datetime.UTC, "UTC"),
        ("Etc/UTC", "UTC"),
        ("+00:00", "UTC"),
        (datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)), "-03:30"),
        ("+0545", "+05:45"),
        ("pytz.FixedOffset(-330)", "-05:30"),
        ("Mars/Olympus", "UTC"),  # no known name
        ("../../etc/passwd", "UTC"),
    ],
)
def test_zones_have_one_name(zone, name):
    assert name_of_zone(zone) == name


# --- clocks ---


def test_clocks_of_a_zone_go_forward_in_summer():
    np.testing.assert_array_equal(wall_time(moments(UTC_TIMES), "Europe/Berlin"), moments(BERLIN_TIMES))


def test_clocks_of_a_zone_are_those_of_python():
    instants = np.random.default_rng(0).integers(0, 2**51, 300).astype("M8[us]")  # 1970 to 2041
    for name in ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"):
        python = [
            moment.replace(tzinfo=datetime.UTC).astimezone(zoneinfo.ZoneInfo(name)) for moment in instants.tolist()
        ]
        expected = moments([moment.replace(tzinfo=None).isoformat() for moment in python])
        np.testing.assert_array_equal(wall_time(instants, name), expected)


def test_offsets_are_added_and_far_moments_stay():
    noon = moments(["2024-01-01T12:00", "NaT"])
    np.testing.assert_array_equal(wall_time(noon, "-03:30"), moments(["2024-01-01T08:30", "NaT"]))
    far = np.array([2**62, -(2**62)], "M8[us]")  # 146,000 years: calendars go on
    assert (np.abs(wall_time(far, "Europe/Berlin") - far) < np.timedelta64(3, "h")).all()
    furthest = np.array([2**63 - 1, -(2**63) + 1], "M8[us]")
    np.testing.assert_array_equal(wall_time(furthest, "Europe/Berlin"), furthest)
    with pytest.raises(ValueError, match="'Mars/Olympus' is no known time zone"):
        wall_time(noon, "Mars/Olympus")


def test_rows_of_a_column_keep_its_zone():
    column = Moments.of(moments(UTC_TIMES), "Europe/Berlin")
    for some in (column[[0, 2]], column[1:3], column[column == column[0]]):
        assert zone_of(some) == "Europe/Berlin"
    assert zone_of(np.asarray(column)) is None


# --- tables ---


@pytest.mark.parametrize("name", tables())
def test_the_hour_is_that_of_the_zone_in_every_library(name):
    column = table_of(tables()[name]).columns[0]
    assert zone_of(column) == "Europe/Berlin"
    np.testing.assert_array_equal(np.asarray(column), moments(UTC_TIMES))
    encoder, naive = TableEncoder(dtype="float64"), TableEncoder(dtype="float64")
    local = pd.DataFrame({"at": moments(BERLIN_TIMES)})
    np.testing.assert_array_equal(encoder.fit_transform(tables()[name]), naive.fit_transform(local))
    assert encoder.columns_[0]["zone"] == "Europe/Berlin"
    assert naive.columns_[0]["zone"] is None


def test_another_zone_in_prediction_is_read_on_the_clocks_of_training():
    encoder = TableEncoder().fit(tables()["polars"])
    expected = encoder.transform(tables()["polars"])
    for zone in ("Asia/Tokyo", "UTC"):
        other = tables()["polars"].with_columns(pl.col("at").dt.convert_time_zone(zone))
        np.testing.assert_array_equal(encoder.transform(other), expected)


def test_mixed_zones_are_those_of_utc():
    mixed = {"at": [datetime.datetime(2024, 1, 1, 12, tzinfo=zone) for zone in (BERLIN, datetime.UTC)]}
    column = table_of(mixed).columns[0]
    assert zone_of(column) is None
    np.testing.assert_array_equal(column, moments(["2024-01-01T11:00", "2024-01-01T12:00"]))


def test_a_zone_may_not_come_or_go_but_utc():
    zoned, plain = tables()["pandas"], pd.DataFrame({"at": moments(BERLIN_TIMES)})
    utc = pd.DataFrame({"at": zoned["at"].dt.tz_convert("UTC")})
    with pytest.raises(ColumnError) as caught:
        TableEncoder().fit(zoned).transform(plain[1:])
    assert str(caught.value) == (
        "row 2: column 'at' holds moments without a zone where they had the zone Europe/Berlin in training, got "
        "'2024-07-16T00:30:00.000000'. Give them a zone; any will do."
    )
    with pytest.raises(ColumnError) as caught:
        TableEncoder().fit(plain).transform(zoned)
    assert str(caught.value) == (
        "row 1: column 'at' holds moments of the zone Europe/Berlin where they had none in training, got "
        "'2024-01-16T00:30:00.000000'. Give them without a zone, or train with one."
    )
    naive_utc = pd.DataFrame({"at": moments(UTC_TIMES)})
    np.testing.assert_array_equal(TableEncoder().fit(utc).transform(naive_utc), TableEncoder().fit_transform(utc))
    np.testing.assert_array_equal(TableEncoder().fit(naive_utc).transform(utc), TableEncoder().fit_transform(utc))
    TableEncoder().fit(zoned).transform(pd.DataFrame({"at": moments(["NaT", "NaT"])}))  # nothing that could be wrong


def test_a_model_file_keeps_the_zone(tmp_path):
    X = tables()["polars"]
    model = GlassNetRegressor(max_epochs=1, random_state=0).fit(X, [1.0, 2.0, 3.0, 4.0, 5.0])
    model.save(tmp_path / "m.glassnet")
    loaded = glassnet.load(tmp_path / "m.glassnet")
    assert loaded.columns_[0]["zone"] == "Europe/Berlin"
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    content = (tmp_path / "m.glassnet").read_bytes()
    (tmp_path / "m.glassnet").write_bytes(content.replace(b"Europe/Berlin", b"Europe/Bexlin"))
    with pytest.raises(ModelFileError):
        glassnet.load(tmp_path / "m.glassnet")
