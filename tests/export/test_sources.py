"""Sources of functions: copied, they compute the same without glassnet."""

import numpy as np
import pytest

from glassnet.export.sources import Sources
from glassnet.maths import activations, losses
from glassnet.maths.calibration import temper_labels

Z = np.linspace(-4, 4, 41)


def executed(sources):
    """A namespace with the functions, and nothing else but NumPy."""
    namespace = {"np": np, **{name: getattr(np, name) for name in sources.numpy_names}, **sources.constants}
    text = "\n\n".join(["from __future__ import annotations", *sources.functions.values()])
    exec(text, namespace)
    return namespace


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_a_copied_activation_computes_the_same(name):
    function, sources = activations.ACTIVATIONS[name].forward, Sources()
    name = sources.add(function)
    found = executed(sources)[name](Z)
    np.testing.assert_allclose(found, function(Z), rtol=1e-14)


def test_what_a_function_calls_comes_along_with_its_constants():
    sources = Sources()
    assert sources.add(temper_labels) == "temper_labels"
    assert list(sources.functions) == ["temper_labels", "sigmoid", "log_odds"]
    assert sources.constants == {"_TINY": 1e-38, "_ROUNDING": 6e-8}
    assert sources.numpy_names == {"exp", "where"}
    Y = np.array([[0.2, 0.9]])
    np.testing.assert_array_equal(executed(sources)["temper_labels"](Y, 2.0), temper_labels(Y, 2.0))


def test_a_function_is_copied_once_and_not_again_behind_others():
    first = Sources()
    first.add(losses.softmax)
    first.add(losses.softmax)
    second = Sources(after=first)
    assert second.add(losses.softmax) == "softmax"
    assert second.functions == {}


def test_two_functions_of_one_name_cannot_stand_in_one_module():
    def relu(Z):
        return Z

    sources = Sources()
    sources.add(activations.relu)
    with pytest.raises(AssertionError, match="two functions of one name, relu"):
        sources.add(relu)
