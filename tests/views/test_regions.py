import numpy as np
import pytest
from matplotlib.colors import to_rgb

from glassnet.errors import DataError, OptionError
from glassnet.views import plot_fit, plot_points, plot_region_grid, plot_regions
from glassnet.views.palette import colour

X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
Y = np.array(["left", "right", "left", "right"])


def halves(P):
    return np.where(P[:, 0] < 0.5, "left", "right")


def legend_names(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_points_are_drawn_by_class_with_colour_and_marker():
    ax = plot_points(X, Y, names=["a [$]", "b [$]"])
    left, right = ax.collections
    np.testing.assert_array_equal(left.get_offsets(), X[[0, 2]])
    np.testing.assert_array_equal(right.get_offsets(), X[[1, 3]])
    assert tuple(right.get_facecolor()[0][:3]) == to_rgb(colour(1))
    assert len(left.get_paths()[0].vertices) != len(right.get_paths()[0].vertices)
    assert legend_names(ax) == ["left", "right"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a [$]", "b [$]")
    ax.figure.draw_without_rendering()


def test_the_order_of_classes_can_be_given_with_classes_that_do_not_occur():
    ax = plot_points(X, Y, classes=np.array(["right", "nowhere", "left"]))
    assert [len(part.get_offsets()) for part in ax.collections] == [2, 0, 2]
    assert legend_names(ax) == ["right", "nowhere", "left"]


def test_names_that_matplotlib_would_leave_out_or_read_as_formulas_are_written():
    ax = plot_points(X, np.array(["_hidden", "a $ b $ c", "_hidden", "x" * 60]))
    assert legend_names(ax) == ["_hidden", "a $ b $ c", "x" * 27 + "…"]
    ax.figure.draw_without_rendering()


def test_labels_of_several_kinds_are_classes_too():
    ax = plot_points(X, np.array([1, "a", None, 1], dtype=object))
    assert legend_names(ax) == ["1", "None", "a"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X[:, :1], Y), {}, r"X must be of shape \(n, 2\), got \(4, 1\)"),
        ((X, Y[:3]), {}, r"labels must hold one label for each of the 4 rows, got \(3,\)"),
        ((X, Y), {"classes": ["left"]}, "labels must be among the classes 'left', got 'right'"),
        ((X, Y), {"names": ["a"]}, r"names must hold the names of two columns, got \['a'\]"),
    ],
)
def test_points_that_cannot_be_drawn_are_refused(arguments, options, message):
    with pytest.raises(DataError, match=message):
        plot_points(*arguments, **options)


def test_each_place_of_the_plane_has_the_colour_of_its_class():
    ax = plot_regions(halves, X, Y, resolution=10)
    image = np.asarray(ax.images[0].get_array())
    assert image.shape == (10, 10, 3)
    for column, i in ((0, 0), (9, 1)):
        expected = 0.7 + 0.3 * np.array(to_rgb(colour(i)))  # white, three tenths of the colour
        np.testing.assert_allclose(image[:, column], np.tile(expected, (10, 1)))
    assert legend_names(ax) == ["left", "right"]
    assert ax.get_xlim() == pytest.approx((-0.07, 1.07))


def test_the_border_runs_where_the_prediction_changes():
    for probabilities in (None, lambda P: np.column_stack([1 - P[:, 0], P[:, 0]])):
        ax = plot_regions(halves, X, Y, resolution=100, probabilities=probabilities)
        borders = [part for part in ax.collections if hasattr(part, "levels")]
        corners = np.vstack([path.vertices for border in borders for path in border.get_paths()])
        np.testing.assert_allclose(corners[:, 0], 0.5, atol=1.14 / 99)


def test_unsure_places_are_fainter():
    ax = plot_regions(halves, X, Y, resolution=11, probabilities=lambda P: np.column_stack([1 - P[:, 0], P[:, 0]]))
    row = np.asarray(ax.images[0].get_array())[5]
    strength = (1 - row[:, 0]) / (1 - to_rgb(colour(0))[0])
    # The sixth place is the border itself, x = 0.5, with no confidence beyond chance.
    assert strength[0] == pytest.approx(0.42)
    assert (1 - row[5]).max() == pytest.approx(0.06 * (1 - np.array(to_rgb(colour(1)))).max())


def test_a_model_that_predicts_one_class_everywhere_has_no_border():
    ax = plot_regions(lambda P: np.full(len(P), "left"), X, Y, resolution=10)
    assert not [part for part in ax.collections if hasattr(part, "levels")]


def test_points_on_one_line_still_get_a_plane():
    ax = plot_regions(halves, X * [1, 0], Y, resolution=10)
    assert ax.get_ylim() == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: plot_regions(halves, np.ones((4, 3)), Y), DataError, r"X must be of shape \(n, 2\), got \(4, 3\)"),
        (lambda: plot_regions(halves, X, Y, resolution=1), OptionError, "resolution must be a whole number of at"),
        (lambda: plot_regions(halves, X, Y, classes=["left"]), DataError, r"predict\(X\) must be among the classes"),
        (lambda: plot_regions(lambda P: P, X, Y), DataError, r"predict\(X\) must hold one label for each of the 9"),
        (
            lambda: plot_regions(halves, X, Y, probabilities=lambda P: np.ones((len(P), 3))),
            DataError,
            "probabilities must return one column for each of the 2 classes, got .*. Pass classes= in the order",
        ),
    ],
)
def test_regions_that_cannot_be_drawn_are_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_a_fit_shows_points_curve_and_band():
    x = np.array([0.0, 1.0, 2.0])
    ax = plot_fit(
        x[:, None], 2 * x, lambda P: 2 * P[:, 0], band=lambda P: (2 * P[:, 0] - 1, 2 * P[:, 0] + 1), names=("t", "h")
    )
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), np.column_stack([x, 2 * x]))
    places, curve = ax.lines[0].get_data()
    np.testing.assert_allclose(curve, 2 * places)
    assert (places[0], places[-1]) == pytest.approx((-0.14, 2.14))
    assert legend_names(ax) == ["data", "network", "interval"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("t", "h")


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((3, 2)), np.ones(3), r"x must be of shape \(n,\), got \(3, 2\)"),
        (np.ones(3), np.ones(2), r"y must be of shape \(3,\), got \(2,\)"),
        (np.array([1.0, np.nan]), np.ones(2), "x must be finite, got nan"),
    ],
)
def test_a_fit_that_cannot_be_drawn_is_refused(x, y, message):
    with pytest.raises(DataError, match=message):
        plot_fit(x, y, lambda P: P[:, 0])


def test_a_grid_of_regions_has_a_titled_panel_for_each_model_over_the_same_points():
    figure = plot_region_grid([("one", halves), ("two", halves, lambda P: np.tile([0.9, 0.1], (len(P), 1)))], X, Y)
    assert [ax.get_title() for ax in figure.axes] == ["one", "two"]
    for ax in figure.axes:
        assert sum(len(part.get_offsets()) for part in ax.collections if not hasattr(part, "levels")) == 4
        assert ax.get_legend() is None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["left", "right"]
    figure.draw_without_rendering()


def test_a_grid_without_models_is_refused():
    with pytest.raises(DataError, match=r"parts must hold at least one \(title, predict\), got \[\]"):
        plot_region_grid([], X, Y)


def test_rows_with_missing_values_are_left_out_and_counted():
    points = np.vstack([X, [[np.nan, 0.5], [0.5, np.nan], [0.5, 0.5]]])
    labels = np.array([*Y, "left", "right", None], dtype=object)
    ax = plot_regions(halves, points, labels, resolution=10)
    assert ax.get_title() == "3 rows with missing values left out"
    assert legend_names(ax) == ["left", "right"]
    assert ax.get_xlim() == pytest.approx((-0.07, 1.07))
    one = plot_regions(halves, points[:5], labels[:5], resolution=10)
    assert one.get_title() == "1 row with missing values left out"
    assert plot_regions(halves, X, Y, resolution=10).get_title() == ""
    figure = plot_region_grid([("a", halves)], points, labels, resolution=10)
    assert figure.axes[0].get_title() == "a"
    assert figure.legends[0].get_title().get_text() == "3 rows with missing values left out\n\nclass"


def test_infinite_values_and_rows_that_all_miss_something_are_refused():
    with pytest.raises(DataError, match="X must be finite, got inf"):
        plot_regions(halves, [[np.inf, 0.0]], ["left"])
    with pytest.raises(DataError, match=r"X must hold at least one row without missing values, got \(1, 2\)"):
        plot_regions(halves, [[np.nan, 0.0]], ["left"])
