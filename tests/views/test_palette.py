import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import glassnet.views
from glassnet.errors import DataError, OptionError
from glassnet.views import plot_loss, save_picture
from glassnet.views.palette import (
    CATEGORIES,
    MARKERS,
    axes,
    colour,
    finite_numbers,
    label_ends,
    marker,
    number,
    shorten,
)

PNG = b"\x89PNG\r\n\x1a\n"


def history():
    return [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]


def test_every_exported_name_exists_and_can_be_called():
    for name in glassnet.views.__all__:
        assert callable(getattr(glassnet.views, name)), name
    assert glassnet.views.__dir__() == glassnet.views.__all__


def test_a_name_that_is_not_exported_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'plot_nothing'"):
        glassnet.views.plot_nothing  # noqa: B018


def test_pictures_never_load_pyplot_and_texts_never_load_matplotlib():
    program = """
import sys
from glassnet.views import describe_network
assert "matplotlib" not in sys.modules
from glassnet.views import plot_loss, plot_activations
plot_loss([{"epoch": 1, "loss": 2.0}]).figure.savefig(__import__("io").BytesIO())
plot_activations(["tanh"])
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_new_axes_belongs_to_no_window_and_a_given_one_is_used_and_returned():
    assert axes(None).figure.canvas.manager is None
    ax = Figure().add_subplot()
    assert plot_loss(history(), ax) is ax


def test_something_that_is_no_axes_is_refused():
    with pytest.raises(OptionError, match="ax must be the Axes of a matplotlib figure, or None, got 'left'"):
        plot_loss(history(), "left")


def test_colours_and_markers_pair_up_differently_for_72_classes():
    pairs = {(colour(i), marker(i)) for i in range(len(CATEGORIES) * len(MARKERS))}
    assert len(pairs) == 72
    assert colour(0) == "#0072B2"
    assert colour(8) == colour(0)
    assert marker(9) == marker(0)


def test_the_first_colours_differ_in_brightness_so_that_two_classes_survive_a_grey_print():
    grey = [np.dot(to_rgb(colour(i)), (0.299, 0.587, 0.114)) for i in range(2)]
    assert abs(grey[0] - grey[1]) > 0.25


def test_long_names_are_cut_and_lines_joined():
    assert shorten("a\n b", 10) == "a b"
    assert shorten("x" * 10, 10) == "x" * 10
    assert shorten("x" * 11, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (0.12345, "0.123"), (-2500.0, "-2,500"), (5e9, "5e+09"), (3.0, "3")]
)
def test_numbers_for_people(value, text):
    assert number(value) == text


def test_names_beside_lines_that_end_together_are_pushed_apart():
    ax = axes(None)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    label_ends(ax, [(1, 0.50, "lower", "k"), (1, 0.51, "upper", "k"), (1, 0.9, "far", "k")])
    lower, upper, far = ax.texts
    height = ax.get_window_extent().height * 72 / ax.figure.dpi
    distance = (0.51 - 0.50) * height + upper.xyann[1] - lower.xyann[1]
    assert distance == pytest.approx(1.35 * 9.5)
    assert lower.xyann[1] == pytest.approx(-upper.xyann[1])  # both move, by the same
    assert far.xyann[1] == pytest.approx(0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([["a", "b"]], r"X must be numbers of shape \(n, 2\)"),
        ([1.0, 2.0], r"X must be of shape \(n, 2\), got \(2,\)"),
        (np.empty((0, 2)), r"X must hold at least one row, got \(0, 2\)"),
        ([[1.0, np.inf]], r"X must be finite, got inf"),
    ],
)
def test_numbers_that_cannot_be_drawn_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        finite_numbers("X", values, (None, 2))


def test_a_picture_is_saved_from_axes_or_figure_into_folders_that_are_made(tmp_path):
    ax = plot_loss(history())
    for picture in (ax, ax.figure):
        path = save_picture(picture, tmp_path / "new" / "folder" / "loss.png")
        assert path.read_bytes().startswith(PNG)
        assert [p.name for p in path.parent.iterdir()] == ["loss.png"]


def test_axes_of_a_part_of_a_figure_save_the_whole_figure(tmp_path):
    whole = Figure(figsize=(4, 2), layout="constrained")
    left, right = whole.subfigures(1, 2)
    right.add_subplot()
    ax = plot_loss(history(), left.add_subplot())
    assert save_picture(ax, tmp_path / "whole.png").read_bytes().startswith(PNG)


def test_the_ending_says_the_format(tmp_path):
    ax = plot_loss(history())
    assert save_picture(ax, tmp_path / "loss.PDF").read_bytes().startswith(b"%PDF")
    assert b"<svg" in save_picture(ax, str(tmp_path / "loss.svg")).read_bytes()


def test_an_ending_that_cannot_be_written_is_refused_and_nothing_is_made(tmp_path):
    with pytest.raises(OptionError, match=r"path must end in one of .*\.png.*, got '.*loss\.txt'"):
        save_picture(plot_loss(history()), tmp_path / "folder" / "loss.txt")
    assert not list(tmp_path.iterdir())


def test_a_dollar_in_a_title_of_ours_is_a_dollar_and_formulas_still_work_in_titles_of_the_caller():
    figure = glassnet.views.plot_curves_grid({"price $ of $": history()})
    assert not figure.axes[0].title.get_parse_math()
    assert plot_loss(history()).title.get_parse_math()


def test_an_existing_picture_stays_when_drawing_fails(tmp_path):
    path = save_picture(plot_loss(history()), tmp_path / "loss.png")
    before = path.read_bytes()
    broken = plot_loss(history())
    broken.set_title(r"$\frac{$")  # a formula that cannot be set
    with pytest.raises(ValueError, match="frac"):
        save_picture(broken, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["loss.png"]


def test_something_that_is_no_picture_is_refused(tmp_path):
    with pytest.raises(OptionError, match="picture must be a matplotlib Axes or Figure, got 3"):
        save_picture(3, tmp_path / "three.png")
