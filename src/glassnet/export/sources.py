"""The source of functions, and of all that they call: so that a module can stand alone, with the very formulas."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from glassnet.export import special
from glassnet.maths import elementary

__all__ = ["Sources"]

INSTEAD = {elementary.erf: special.erf}  # what NumPy does not have
PLAIN = (int, float, str, tuple, dict)


class Sources:
    """Functions of glassnet, each once and in the order of first use, with the constants and NumPy's names they need.

    after : sources that come before these in the module; what they have is not copied again.
    numpy_names : what is to be imported from numpy.   constants : {name: value}.   functions : {name: source}.
    """

    def __init__(self, after: Sources | None = None) -> None:
        self.numpy_names: set[str] = set()
        self.constants: dict[str, Any] = {}
        self.functions: dict[str, str] = {}
        self._found: dict[str, Any] = {} if after is None else dict(after._found)

    def add(self, function: Callable[..., Any]) -> str:
        """The name by which the module knows a function, which is copied unless it is there already.

        The elementary functions are NumPy's own.
        """
        function = INSTEAD.get(function, function)
        name = function.__name__
        if function.__module__ == elementary.__name__:
            self.numpy_names.add(name)
            return name
        if name not in self._found:
            self._found[name] = function
            source = self.functions[name] = textwrap.dedent(inspect.getsource(function)).strip()
            self._add_names(source, function.__globals__)
        elif self._found[name] is not function:
            raise AssertionError(f"two functions of one name, {name}")
        return name

    def _add_names(self, source: str, known: dict[str, Any]) -> None:
        """What a function calls, and its constants; annotations are never evaluated."""
        for name in _names_in(ast.parse(source)):
            value = known.get(name)
            if isinstance(value, ModuleType) or value is None:
                continue
            if inspect.isfunction(value):
                self.add(value)
            elif isinstance(value, PLAIN):
                self.constants[name] = value


def _names_in(node: ast.AST) -> Iterator[str]:
    """Names that the code of a function refers to, those in annotations left out, in order."""
    if isinstance(node, ast.Name):
        yield node.id
    annotations = [getattr(node, field, None) for field in ("annotation", "returns")]
    for child in ast.iter_child_nodes(node):
        if child not in annotations:
            yield from _names_in(child)
