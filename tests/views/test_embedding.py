"""Levels in the plane: their places, their names, what the axes say."""

import numpy as np
import pytest

from glassnet.errors import DataError
from glassnet.views import plot_embedding


def offsets(ax):
    return np.asarray(ax.collections[0].get_offsets())


def test_levels_on_a_line_keep_their_distances_along_the_first_component():
    direction = np.array([3.0, 4.0, 0.0]) / 5
    ax = plot_embedding(np.outer([0.0, 1.0, 3.0], direction) + np.array([7, 8, 9]), ["a", "b", "c"], name="place")
    places = offsets(ax)
    assert np.abs(np.diff(places[:, 0])) == pytest.approx([1, 2])
    assert places[:, 1] == pytest.approx(0)
    assert ax.get_xlabel() == "component 1, 100% of the variance"
    assert ax.get_ylabel() == "component 2, 0% of the variance"
    assert ax.get_title() == "place"


def test_the_shares_are_those_of_the_variance():
    ax = plot_embedding([[3.0, 0], [-3, 0], [0, 1], [0, -1]], list("abcd"))  # variances 18 : 2
    assert "90%" in ax.get_xlabel()
    assert "10%" in ax.get_ylabel()


def test_the_levels_furthest_from_the_middle_are_named():
    E = np.array([[-10.0], [0.0], [1.0], [9.0]])
    ax = plot_embedding(E, ["far left", "zero", "one", "far $right$"], most=2)
    assert {text.get_text() for text in ax.texts} == {"far left", "far $right$"}
    ax.figure.draw_without_rendering()  # a dollar starts no formula


def test_a_name_gives_way_to_one_that_stands_there_already():
    ax = plot_embedding([[10.0, 0], [9.99, 0], [-10, 5], [-10, -5]], ["first", "hidden", "above", "below"])
    assert {text.get_text() for text in ax.texts} == {"first", "above", "below"}


def test_levels_that_are_all_the_same_are_one_point():
    ax = plot_embedding(np.ones((3, 4)), ["a", "b", "c"])
    assert not offsets(ax).any()
    assert "0%" in ax.get_xlabel()


@pytest.mark.parametrize(("E", "labels"), [([[1.0, 2.0]], ["a", "b"]), ([[np.nan]], ["a"]), (np.zeros((0, 2)), [])])
def test_arrays_that_do_not_fit_are_refused(E, labels):
    with pytest.raises(DataError):
        plot_embedding(E, labels)
