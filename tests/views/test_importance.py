"""Bars of importance: their order, their lengths, what is left out."""

import numpy as np
import pytest

from glassnet.errors import DataError
from glassnet.views import plot_importance


def test_bars_stand_in_order_with_their_lengths_and_whiskers():
    ax = plot_importance(["a", "b", "c"], [0.1, 0.5, -0.02], [0.01, 0.02, 0.0], label="fall of accuracy")
    assert [text.get_text() for text in ax.get_yticklabels()] == ["b", "a", "c"]
    assert [bar.get_width() for bar in ax.patches] == [0.5, 0.1, -0.02]
    assert ax.yaxis_inverted()  # the first on top
    assert ax.get_xlabel() == "fall of accuracy"
    segments = ax.collections[0].get_segments()
    assert np.ptp(segments[0][:, 0]) == pytest.approx(0.04)  # one standard deviation to either side


def test_less_important_columns_are_left_out_and_counted():
    ax = plot_importance([f"column {i}" for i in range(30)], np.arange(30.0), most=20)
    assert len(ax.patches) == 20
    assert ax.get_title() == "10 less important columns are not shown"
    assert ax.get_yticklabels()[0].get_text() == "column 29"


def test_names_are_shortened_and_start_no_formula():
    ax = plot_importance(["a $very$ " + "long " * 20], [1.0])
    assert len(ax.get_yticklabels()[0].get_text()) <= 28
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize(("means", "stds"), [([1.0], None), ([1.0, np.nan], None), ([1.0, 2.0], [0.1])])
def test_arrays_that_do_not_fit_are_refused(means, stds):
    with pytest.raises(DataError):
        plot_importance(["a", "b"], means, stds)
