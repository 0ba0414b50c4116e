"""The forward pass of a network as statements of Python, from what its layers say of themselves."""

from __future__ import annotations

from typing import Any

from glassnet.export.sources import Sources
from glassnet.maths import columns, embeddings, layers, members, numbers
from glassnet.maths.activations import ACTIVATIONS
from glassnet.maths.elementary import exp
from glassnet.maths.losses import softmax
from glassnet.network import Network

__all__ = ["network_lines"]

LOSS_OUTPUTS = {
    **{"cross_entropy": softmax, "poisson": exp},
    **dict.fromkeys(("binary_cross_entropy", "multilabel"), ACTIVATIONS["sigmoid"].forward),
}


def network_lines(network: Network, sources: Sources) -> tuple[list[str], dict[str, list[float]]]:
    """The statements of a function of X and P that returns the outputs, and the edges of bins by the names they use.

    P : parameters by the names of the network's blocks.   sources : takes the formulas that are called.
    """
    writer = Writer(sources)
    description = network.describe()
    writer.chain([{**layer, "at": str(i)} for i, layer in enumerate(description["layers"])], "X", "A")
    found = description["loss"]["name"]
    if found in LOSS_OUTPUTS:
        writer.lines.append(f"A = {sources.add(LOSS_OUTPUTS[found])}(A)")
    mean = "" if network.members is None else ".mean(axis=-3)"
    return [*writer.lines, f"return A{mean}"], writer.edges


class Writer:
    """Statements, one layer after the other.

    lines : the statements.   edges : of bins, by the place of their layer, such as "0.age.0".
    """

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.lines: list[str] = []
        self.edges: dict[str, list[float]] = {}

    def chain(self, descriptions: list[dict[str, Any]], source: str, target: str) -> None:
        """Layers one behind the other, the first of `source`, all others of `target`, which each assigns."""
        if not descriptions or descriptions[0]["kind"] == "Dropout":
            self.lines.append(f"{target} = {source}")
            source = target
        for description in descriptions:
            write = getattr(self, f"_{description['kind'].lower()}")
            write(description, source, target)
            source = target

    def _activated(self, name: str, Z: str) -> str:
        return Z if name == "identity" else f"{self.sources.add(ACTIVATIONS[name].forward)}({Z})"

    def _dense(self, description: dict[str, Any], source: str, target: str) -> None:
        at = description["at"]
        Z = f"{self.sources.add(layers.dense)}({source}, {_parameter(at, 'W')}, {_parameter(at, 'b')})"
        self.lines.append(f"{target} = {self._activated(description['activation'], Z)}")

    def _ensembledense(self, description: dict[str, Any], source: str, target: str) -> None:
        at = description["at"]
        W = _parameter(at, "W")
        if description["shared"]:
            W = f"{self.sources.add(members.written_out)}({W}, {_parameter(at, 'r')}, {_parameter(at, 's')})"
        Z = f"{self.sources.add(layers.dense)}({source}, {W}, {_parameter(at, 'b')})"
        self.lines.append(f"{target} = {self._activated(description['activation'], Z)}")

    def _activation(self, description: dict[str, Any], source: str, target: str) -> None:
        self.lines.append(f"{target} = {self._activated(description['activation'], source)}")

    def _dropout(self, description: dict[str, Any], source: str, target: str) -> None:
        """Nothing is dropped in prediction."""

    def _layernorm(self, description: dict[str, Any], source: str, target: str) -> None:
        at, name = description["at"], self.sources.add(layers.layer_norm)
        arguments = f"{source}, {_parameter(at, 'scale')}, {_parameter(at, 'shift')}, {description['epsilon']!r}"
        self.lines.append(f"{target} = {name}({arguments})[0]")

    def _embedding(self, description: dict[str, Any], source: str, target: str) -> None:
        codes = f"{self.sources.add(embeddings.levels_of)}({source}[..., 0], {description['levels']})"
        self.lines.append(
            f"{target} = {self.sources.add(embeddings.embed)}({codes}, {_parameter(description['at'], 'E')})"
        )

    def _piecewiselinear(self, description: dict[str, Any], source: str, target: str) -> None:
        self.sources.add(numbers.bin_table)
        self.edges[description["at"]] = description["edges"]
        name = self.sources.add(numbers.piecewise_linear)
        self.lines.append(f"{target} = {name}({source}, BINS[{description['at']!r}])")

    def _columns(self, description: dict[str, Any], source: str, target: str) -> None:
        """Each branch on its columns, and their outputs side by side."""
        self.lines.append("parts = []")
        for name, branch in description["branches"].items():
            inside = [
                {**layer, "at": f"{description['at']}.{name}.{number}"} for number, layer in enumerate(branch["layers"])
            ]
            self.lines.append(f"B = {source}[..., {branch['columns']}]  # {_in_comment(name)}")
            if inside:
                self.chain(inside, "B", "B")
            self.lines.append("parts.append(B)")
        self.lines.append(f"{target} = {self.sources.add(columns.side_by_side)}(parts)")


def _parameter(at: str, name: str) -> str:
    return f"P[{f'{at}.{name}'!r}]"


def _in_comment(name: str) -> str:
    return name.encode("unicode_escape").decode()
