"""Text columns that hold dates → date columns, for formats without types of their own (CSV, JSON lines)."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

__all__ = ["with_dates"]

# First value → how to parse them all. Day/month/year with slashes is left as text: 01/02/2020 is two dates, and a small
# file to predict could be read otherwise than the file of training.
PATTERNS: tuple[tuple[str, Callable[[pl.Series], pl.Series]], ...] = (
    (r"^\d{4}[-/]\d\d[-/]\d\d$", lambda texts: texts.str.to_date(strict=True)),
    (r"^\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d", lambda texts: _moments(texts)),
    (r"^\d\d?\.\d\d?\.\d{4}$", lambda texts: texts.str.to_date("%d.%m.%Y", strict=True)),
    (r"^\d\d?\.\d\d?\.\d{4} \d\d:\d\d$", lambda texts: texts.str.to_datetime("%d.%m.%Y %H:%M", strict=True)),
    (r"^\d\d?\.\d\d?\.\d{4} \d\d:\d\d:\d\d$", lambda texts: texts.str.to_datetime("%d.%m.%Y %H:%M:%S", strict=True)),
    (r"^\d\d:\d\d:\d\d$", lambda texts: texts.str.to_time("%H:%M:%S", strict=True)),
)


def with_dates(frame: pl.DataFrame) -> pl.DataFrame:
    """Turn each text column in which every present value is a date, a moment or a time of day into that type.

    Understood: 2024-12-31, 2024/12/31, either with a time (space or T; zone or not), 31.12.2024, 31.12.2024 23:59[:59],
    23:59:59. One column keeps to one form.
    """
    return frame.with_columns(_parsed(series) for series in frame if series.dtype == pl.String)


def _parsed(series: pl.Series) -> pl.Series:
    first = series.drop_nulls().head(1)
    for pattern, parse in PATTERNS:
        if first.str.contains(pattern).any():
            try:
                return parse(series)
            except pl.exceptions.PolarsError:
                return series
    return series


def _moments(texts: pl.Series) -> pl.Series:
    """ISO moments; those with a zone come out in UTC."""
    zoned = texts.drop_nulls().head(1).str.contains(r"(Z|[+-]\d\d:?\d\d)$").any()
    return texts.str.to_datetime(strict=True, time_unit="us", time_zone="UTC" if zoned else None)
