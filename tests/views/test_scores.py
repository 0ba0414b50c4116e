import numpy as np
import pytest
from matplotlib.figure import Figure

from glassnet.errors import DataError
from glassnet.views import plot_confusion, plot_predicted_against_true


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_cells_show_counts_and_shares_of_their_row():
    ax = plot_confusion([[1200, 300], [1, 999]], ["no", "yes"])
    assert texts(ax) == ["1,200\n80%", "300\n20%", "1\n<1%", "999\n>99%"]
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.8, 0.2], [0.001, 0.999]])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["no", "yes"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["no", "yes"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert ax.get_title() == "2,199 of 2,500 right (88.0%)"


def test_a_class_without_rows_has_zeros_and_no_shares():
    ax = plot_confusion([[0, 0], [1, 3]], ["none", "some"])
    assert texts(ax) == ["0", "0", "1\n25%", "3\n75%"]
    assert plot_confusion([[0, 0], [0, 0]], [0, 1]).get_title() == "0 of 0 right"


def test_weights_that_are_no_whole_numbers_are_written_too():
    assert texts(plot_confusion([[0.5]], ["only"])) == ["0.5\n100%"]


def test_26_classes_show_counts_alone():
    ax = plot_confusion(np.arange(26 * 26).reshape(26, 26), list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    assert texts(ax) == [str(n) for n in range(26 * 26)]


def test_crowded_cells_show_a_colour_bar_instead_of_numbers():
    ax = plot_confusion(np.eye(26), range(26), Figure(figsize=(3, 3)).add_subplot())
    assert texts(ax) == []
    assert [other.get_ylabel() for other in ax.figure.axes if other is not ax] == ["share of the true class"]


def test_long_names_are_turned_and_short_ones_are_not():
    turned = plot_confusion(np.eye(3), ["a rather long name", "b", "c"])
    assert {label.get_rotation() for label in turned.get_xticklabels()} == {45.0}
    level = plot_confusion(np.eye(3), ["a", "b", "c"])
    assert {label.get_rotation() for label in level.get_xticklabels()} == {0.0}


@pytest.mark.parametrize(
    ("matrix", "labels", "message"),
    [
        ([[1, 2]], ["a"], r"matrix must be a square matrix of counts of at least 0, got \(1, 2\)"),
        ([[-1]], ["a"], "matrix must be a square matrix of counts of at least 0"),
        ([[1, 0], [0, 1]], ["a"], "labels must hold 2 names, one for each row of the matrix, got 1"),
        ([1, 2], ["a", "b"], r"matrix must be of shape \(n, n\), got \(2,\)"),
    ],
)
def test_matrices_that_cannot_be_drawn_are_refused(matrix, labels, message):
    with pytest.raises(DataError, match=message):
        plot_confusion(matrix, labels)


def test_predicted_against_true_shows_the_points_the_line_and_both_scores():
    # Errors 1, 0, -1: squares 2, of a spread of 2; the root of 2 / 3 is 0.816.
    ax = plot_predicted_against_true([1.0, 2.0, 3.0], [2.0, 2.0, 2.0], name="price [$]")
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), [[1, 2], [2, 2], [3, 2]])
    x, y = ax.lines[0].get_data()
    np.testing.assert_array_equal(x, y)
    assert ax.get_title() == "R² = 0.000   RMSE = 0.816"
    assert ax.get_xlim() == ax.get_ylim() == pytest.approx((0.92, 3.08))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("true price [$]", "predicted price [$]")


def test_true_values_without_spread_have_no_r2():
    assert plot_predicted_against_true([2.0, 2.0], [2.0, 4.0]).get_title() == "RMSE = 1.41"


def test_many_points_are_drawn_as_their_density():
    y = np.random.default_rng(0).normal(size=5001)
    ax = plot_predicted_against_true(y, y)
    assert ax.collections[0].get_array().sum() == 5001
    assert len(ax.figure.axes) == 2
    ax.figure.draw_without_rendering()


def test_true_and_predicted_of_different_lengths_are_refused():
    with pytest.raises(DataError, match=r"y_pred must be of shape \(2,\), got \(3,\)"):
        plot_predicted_against_true([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="y_true must be finite, got nan"):
        plot_predicted_against_true([np.nan], [1.0])


def test_a_prediction_far_outside_is_left_out_of_the_picture_and_counted_in_the_title():
    y = np.arange(100.0)
    predicted = y.copy()
    predicted[7] = 1e4
    ax = plot_predicted_against_true(y, predicted)
    assert ax.get_title().endswith("\n1 point outside")
    assert ax.get_xlim() == ax.get_ylim() == pytest.approx((-3.96, 102.96))  # 0 to 99, and 4 % on both sides
    predicted[8] = -1e4
    assert plot_predicted_against_true(y, predicted).get_title().endswith("\n2 points outside")


def test_predictions_a_little_outside_and_many_far_outside_are_shown():
    y = np.arange(100.0)
    near = plot_predicted_against_true(y, np.where(y == 7, 140.0, y))
    assert "outside" not in near.get_title()
    assert near.get_xlim()[1] > 140
    far = plot_predicted_against_true(y, y + 1000)  # three may be left out, the others may not
    assert far.get_title().endswith("\n3 points outside")
    assert far.get_xlim()[1] > 1096


def test_at_least_995_of_1000_points_are_shown():
    y = np.arange(1000.0)
    ax = plot_predicted_against_true(y, np.where(y < 50, 1e6, y))
    assert ax.get_title().endswith("\n5 points outside")


def test_large_numbers_have_their_thousands_apart():
    ax = plot_predicted_against_true([0.0, 40_000.0], [0.0, 40_000.0])
    ax.figure.draw_without_rendering()
    assert [label.get_text() for label in ax.get_xticklabels()][1:-1] == ["0", "10,000", "20,000", "30,000", "40,000"]


def test_the_colour_bar_of_a_density_has_plain_numbers():
    y = np.repeat(np.arange(10.0), 1000)
    ax = plot_predicted_against_true(y, y)
    ax.figure.draw_without_rendering()
    written = [label.get_text() for label in ax.figure.axes[1].get_yticklabels(which="both")]
    assert any(written)
    assert not any("$" in text for text in written)
