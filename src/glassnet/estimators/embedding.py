"""What `embedding=` asks for at the head of the network: categories of many levels and numbers as embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from glassnet.errors import OptionError, require_choice, require_number
from glassnet.maths.columns import Columns
from glassnet.maths.embeddings import Embedding
from glassnet.maths.layers import Dense, Layer
from glassnet.maths.numbers import PiecewiseLinear, quantile_edges
from glassnet.network import Network
from glassnet.tables.encoder import TableEncoder

__all__ = ["embedding_settings", "embeddings_of", "input_layers"]

DEFAULTS = {"above": 32, "width": 8, "numbers": "none", "bins": 48}
IN_BINS = "piecewise_linear"
NUMBERS = ("none", IN_BINS)
MOST_IN_BINS = 100  # columns of numbers; in a wider table there are enough of them as they are, and few rows for each
SPREAD = 0.1  # of the levels at the start: what training finds then stands out from it, at the same accuracy as 1
PLAIN = "columns"  # name of the branch of all columns that are no codes


def embedding_settings(value: Any) -> Any:
    """ "none", or the full dict of options. Raises OptionError for what is neither "auto", "none" nor such a dict."""
    if isinstance(value, str) and value in ("auto", "none"):
        return dict(DEFAULTS) if value == "auto" else value
    if not isinstance(value, Mapping) or not set(value) <= set(DEFAULTS):
        raise OptionError(
            'must be "auto", "none" or a dict of options',
            argument="embedding",
            value=value,
            remedy=f"Options and their defaults: {DEFAULTS}.",
        )
    options = {**DEFAULTS, **value}
    require_choice("embedding['numbers']", options["numbers"], NUMBERS)
    for name in ("above", "width", "bins"):
        rule = "must be a whole number of at least 1"
        require_number(f"embedding[{name!r}]", options[name], rule, lambda n: n >= 1, whole=True)
        options[name] = int(options[name])
    return options


def input_layers(encoder: TableEncoder, embedding: Any, matrix: np.ndarray) -> list[Layer]:
    """The layer before the first dense one: an embedding for each column of codes, and of numbers where that is asked.

    matrix : the encoded rows of training, in which bins are found. No layer at all where nothing is embedded.
    """
    if embedding == "none":
        return []
    names, branches = encoder.feature_names_out(), {}
    if embedding["numbers"] == IN_BINS and len(encoder.number_columns_) <= MOST_IN_BINS:
        for column in encoder.number_columns_:
            edges = quantile_edges(matrix[:, column], embedding["bins"])
            if len(edges) > 2:  # two different numbers are yes and no
                line = Dense(embedding["width"], "identity", "piecewise_linear")
                branches[names[column]] = ([column], [PiecewiseLinear(edges), line])
    for found in encoder.code_columns_:
        layer = Embedding(found["n_codes"] - 1, embedding["width"], SPREAD)
        branches[found["name"]] = ([found["column"]], [layer])
    taken = {columns[0] for columns, _ in branches.values()}
    plain = [column for column in range(encoder.width) if column not in taken]
    if not branches:
        return []
    first: dict[str, Any] = {PLAIN if PLAIN not in branches else f"{PLAIN} as they are": (plain, [])} if plain else {}
    return [Columns(first | branches)]


def embeddings_of(network: Network, encoder: TableEncoder) -> dict[str, np.ndarray]:
    """Copies of the tables E of a network that `input_layers` begins, by the name of the table's column."""
    found = network.parameters(0)
    return {coded["name"]: found[f"{coded['name']}.0.E"].copy() for coded in encoder.code_columns_}
