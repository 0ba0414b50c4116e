"""What `embedding=` asks for: categories of many levels as learned embeddings, at the head of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from glassnet.errors import OptionError, require_number
from glassnet.maths.columns import Columns
from glassnet.maths.embeddings import Embedding
from glassnet.maths.layers import Layer
from glassnet.network import Network
from glassnet.tables.encoder import TableEncoder

__all__ = ["embedding_settings", "embeddings_of", "input_layers"]

DEFAULTS = {"above": 32, "width": 8}
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
    for name, number in value.items():
        rule = "must be a whole number of at least 1"
        require_number(f"embedding[{name!r}]", number, rule, lambda n: n >= 1, whole=True)
    return {**DEFAULTS, **{name: int(number) for name, number in value.items()}}


def input_layers(encoder: TableEncoder, embedding: Any) -> list[Layer]:
    """The layer before the first dense one: an embedding for each column of codes; none where there are no codes."""
    coded = {found["column"]: found for found in encoder.code_columns_}
    if not coded:
        return []
    branches: dict[str, tuple[Any, list[Layer]]] = {}
    plain = [column for column in range(encoder.width) if column not in coded]
    if plain:
        names = {found["name"] for found in coded.values()}
        branches[PLAIN if PLAIN not in names else f"{PLAIN} as they are"] = (plain, [])
    for column, found in coded.items():
        branches[found["name"]] = ([column], [Embedding(found["n_codes"] - 1, embedding["width"], SPREAD)])
    return [Columns(branches)]


def embeddings_of(network: Network, encoder: TableEncoder) -> dict[str, np.ndarray]:
    """Copies of the tables E of a network that `input_layers` begins, by the name of the table's column."""
    found = network.parameters(0)
    return {coded["name"]: found[f"{coded['name']}.0.E"].copy() for coded in encoder.code_columns_}
