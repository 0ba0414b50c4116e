import numpy as np
import pytest

from glassnet.errors import DataError, OptionError
from glassnet.maths.optimisers import gradient_descent
from glassnet.views import plot_descent, plot_descent_1d, plot_descent_values

START = np.array([[0.5488], [0.7152]])  # the article's


def bowl(x):
    """The article's x² + y², which takes a column."""
    return (x**2).sum()


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def test_the_articles_path_is_drawn_with_its_start_and_end():
    path = gradient_descent(lambda x: 2 * x, START, 0.25, 3)
    ax = plot_descent(bowl, path, resolution=20)
    # Each step halves the point.
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [START[:, 0] / 2**n for n in range(4)])
    assert {"start", "end"} <= set(texts(ax))
    assert ax.get_title() == "3 steps, f = 0.0127"  # 0.8127 / 64
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    assert ax.get_aspect() == 1
    ax.figure.draw_without_rendering()


def test_contours_are_those_of_the_function():
    ax = plot_descent(lambda p: p[0], [[0.0, 0.0], [1.0, 0.0]], limits=((0, 1), (0, 1)), resolution=11)
    lines = next(part for part in ax.collections if getattr(part, "filled", True) is False)
    for level, path in zip(lines.levels, lines.get_paths(), strict=True):
        np.testing.assert_allclose(path.vertices[:, 0], level)  # f is x itself, so its contours are upright


def test_long_paths_keep_few_dots():
    path = gradient_descent(lambda x: 2 * x, START, 0.01, 1000)
    ax = plot_descent(bowl, path, resolution=5)
    assert len(ax.lines[0].get_xdata()) == 1001
    assert len(ax.lines[1].get_xdata()) == 59  # every 17th of 1001


def test_a_diverging_path_is_drawn_until_it_is_far_out():
    path = gradient_descent(lambda x: 2 * x, np.array([1.0, 1.0]), 5.5, 1000)  # each step multiplies by -10
    ax = plot_descent(bowl, path, resolution=5)
    assert len(ax.lines[0].get_xdata()) == 10  # 1 to 1e9
    assert ax.get_title() == "Diverges: beyond 1e+09 after 9 steps"
    ax.figure.draw_without_rendering()


def test_a_path_of_one_point_and_a_flat_function_are_drawn():
    ax = plot_descent(lambda p: 1.0, [[1.0, 2.0]], resolution=5)
    assert ax.get_title() == "0 steps, f = 1"
    assert texts(ax) == ["start"]


def test_a_function_that_is_undefined_in_places_leaves_them_blank():
    plot_descent(lambda p: np.log(p[0]) ** 2, [[0.5, 0.0], [1.0, 0.0]], resolution=10).figure.draw_without_rendering()


@pytest.mark.parametrize(
    ("path", "options", "kind", "message"),
    [
        (np.ones((3, 3)), {}, DataError, r"path must be of shape \(steps \+ 1, 2\), got \(3, 3\)"),
        ([[np.nan, 0.0]], {}, DataError, r"path must start at numbers within ±1e\+09, got \[nan, 0\.0\]"),
        ([[0.0, 0.0]], {"resolution": 1}, OptionError, "resolution must be a whole number of at least 2, got 1"),
    ],
)
def test_paths_in_the_plane_that_cannot_be_drawn_are_refused(path, options, kind, message):
    with pytest.raises(kind, match=message):
        plot_descent(bowl, path, **options)


def test_paths_on_a_line_walk_along_the_curve():
    paths = {"slow": [2.0, 1.0, 0.5], "fast": np.array([[-1.0], [0.0]])}
    ax = plot_descent_1d(lambda x: x**2, paths)
    places, heights = ax.lines[0].get_data()
    np.testing.assert_allclose(heights, places**2)
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), [[2, 4], [1, 1], [0.5, 0.25]])
    np.testing.assert_array_equal(ax.lines[4].get_xydata(), [[-1, 1], [0, 0]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["slow", "fast"]


def test_one_path_or_a_list_of_paths_needs_no_names():
    for paths, count in (([2.0, 1.0], 1), (np.array([2.0, 1.0]), 1), ([[2.0, 1.0], [0.5]], 2)):
        ax = plot_descent_1d(lambda x: x**2, paths, limits=(-3, 3))
        assert len(ax.lines) == 1 + 3 * count
        assert ax.get_legend() is None
        assert ax.get_xlim() == (-3, 3)


def test_the_curve_may_leave_the_picture_above_the_paths():
    ax = plot_descent_1d(lambda x: x**4, [1.0, 0.5], limits=(-10, 10))
    assert 1.0 < ax.get_ylim()[1] < 2.0


def test_a_diverging_path_on_a_line_is_cut():
    path = gradient_descent(lambda x: 2 * x, np.array(1.0), 5.5, 1000)
    ax = plot_descent_1d(lambda x: x**2, {"too fast": path}, limits=(-50, 50))
    assert len(ax.lines[1].get_xdata()) == 10
    ax.figure.draw_without_rendering()


def test_paths_on_a_line_that_cannot_be_drawn_are_refused():
    with pytest.raises(DataError, match="paths must hold at least one path, got {}"):
        plot_descent_1d(bowl, {})
    with pytest.raises(DataError, match=r"paths\['a'\] must be of shape \(steps \+ 1,\), got \(2, 2\)"):
        plot_descent_1d(bowl, {"a": np.ones((2, 2))})


def test_steps_can_be_numbered_and_the_rate_stands_in_the_title():
    ax = plot_descent(bowl, [[1.0, 0.0], [-2.0, 0.0], [4.0, 0.0]], resolution=10, learning_rate=1.5, numbered=True)
    assert {"0", "1", "2"} <= set(texts(ax))
    assert ax.get_title() == "Learning rate 1.5\n2 steps, f = 16"


def test_contours_of_a_bowl_have_round_heights():
    ax = plot_descent(bowl, [[3.0, 3.0], [0.0, 0.0]], limits=((-4, 4), (-4, 4)), resolution=81)
    lines = next(part for part in ax.collections if getattr(part, "filled", True) is False)
    np.testing.assert_allclose(lines.levels, (0.5 * np.arange(1, 12)) ** 2)  # below 4² + 4² = 32


def test_the_values_of_a_descent_are_drawn_by_step():
    ax = plot_descent_values(bowl, [[1.0, 0.0], [2.0, 0.0], [2.0, 2.0]], name="height")
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[0, 1], [1, 4], [2, 8]])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("step", "height", "linear")
    assert plot_descent_values(bowl, [20.0, 1.0]).get_yscale() == "log"
    with pytest.raises(DataError, match="f must be defined somewhere on the path"):
        plot_descent_values(lambda x: np.nan, [1.0])
