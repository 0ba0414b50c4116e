import numpy as np
import pandas as pd
import polars as pl
import pytest

from glassnet.errors import DataError, OptionError
from glassnet.maths.activations import ACTIVATIONS, custom_activation
from glassnet.views import (
    plot_activation,
    plot_activations,
    plot_curves_grid,
    plot_learning_rate,
    plot_loss,
    plot_loss_comparison,
    plot_metric,
)


def history():
    """Four epochs; validation in every other one, lowest at epoch 2; the third loss is not a number."""
    losses, validation, rates = [4.0, 3.0, float("nan"), 1.0], {2: 2.5, 4: 2.75}, [0.1, 0.1, 0.05, 0.05]
    rows = []
    for epoch, (loss, rate) in enumerate(zip(losses, rates, strict=True), start=1):
        row = {"epoch": epoch, "step": 10 * epoch, "loss": loss, "learning_rate": rate, "seconds": 0.1 * epoch}
        if epoch in validation:
            row |= {"validation_loss": validation[epoch], "validation_accuracy": 0.2 * epoch}
        rows.append(row)
    return rows


def line(ax, label):
    return next(each for each in ax.lines if each.get_label() == label)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_the_loss_curves_hold_the_finite_values_of_the_history_at_their_epochs():
    ax = plot_loss(history())
    np.testing.assert_array_equal(line(ax, "training").get_xydata(), [[1, 4.0], [2, 3.0], [4, 1.0]])
    np.testing.assert_array_equal(line(ax, "validation").get_xydata(), [[2, 2.5], [4, 2.75]])
    assert texts(ax) == ["training", "validation"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")


def test_the_lowest_validation_loss_is_marked_and_named():
    ax = plot_loss(history())
    assert ax.get_title() == "Lowest validation loss 2.5 at epoch 2"
    assert [2, 2.5] in [each.get_xydata().tolist()[0] for each in ax.lines if len(each.get_xdata()) == 1]


def test_without_validation_the_lowest_training_loss_is_marked():
    ax = plot_loss([{"epoch": 1, "loss": 5.0}, {"epoch": 1200, "loss": 4.0}, {"epoch": 1300, "loss": 4.5}])
    assert ax.get_title() == "Lowest loss 4 at epoch 1,200"
    assert texts(ax) == ["training"]


@pytest.mark.parametrize(("last", "scale"), [(1.0, "linear"), (0.99, "log"), (-0.5, "linear"), (0.0, "linear")])
def test_the_axis_is_logarithmic_beyond_a_factor_of_100_and_only_for_positive_losses(last, scale):
    ax = plot_loss([{"epoch": 1, "loss": 100.0}, {"epoch": 2, "loss": last}])
    assert ax.get_yscale() == scale


def test_a_history_as_a_data_frame_draws_the_same_curves():
    for frame in (pd.DataFrame(history()), pl.DataFrame(history())):
        ax = plot_loss(frame)
        np.testing.assert_array_equal(line(ax, "validation").get_xydata(), [[2, 2.5], [4, 2.75]])


def test_one_epoch_is_drawn_as_dots():
    ax = plot_loss([{"epoch": 1, "loss": 0.5, "validation_loss": 0.6}])
    assert line(ax, "training").get_marker() == "o"
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"history must hold at least one epoch, got \[\]"),
        ({"loss": [1, 2]}, "history must be a list of dicts, one an epoch"),
        ([{"epoch": 1, "loss": float("inf")}], "history holds no finite loss"),
    ],
)
def test_a_history_without_losses_is_refused(rows, message):
    with pytest.raises(DataError, match=message):
        plot_loss(rows)


def test_a_metric_measured_on_validation_rows_alone_is_drawn():
    for name in ("accuracy", "validation_accuracy"):
        ax = plot_metric(history(), name)
        np.testing.assert_allclose(line(ax, "validation").get_xydata(), [[2, 0.4], [4, 0.8]])
        assert ax.get_ylabel() == "accuracy"
        assert texts(ax) == ["validation"]


def test_an_unknown_metric_is_refused_with_those_there_are():
    with pytest.raises(OptionError, match=r"name must be one of 'accuracy', 'loss', got 'acuracy'\. Did you mean 'acc"):
        plot_metric(history(), "acuracy")


def test_the_learning_rate_is_drawn_in_steps():
    ax = plot_learning_rate(history())
    np.testing.assert_array_equal(line(ax, "learning rate").get_ydata(), [0.1, 0.1, 0.05, 0.05])
    assert line(ax, "learning rate").get_drawstyle() == "steps-post"


def test_a_history_of_lbfgs_has_no_learning_rate_to_draw():
    with pytest.raises(DataError, match="history holds no learning rate. L-BFGS searches the length of each step"):
        plot_learning_rate([{"epoch": 1, "loss": 1.0}])


def test_the_sigmoid_and_its_slope_are_drawn_from_minus_6_to_6():
    ax = plot_activation("sigmoid")
    x, y = line(ax, "sigmoid").get_data()
    assert (x[0], x[-1]) == (-6, 6)
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-x)), rtol=1e-12)
    np.testing.assert_allclose(line(ax, "slope").get_ydata(), y * (1 - y), rtol=1e-12)
    assert texts(ax) == ["sigmoid", "slope"]


def test_an_activation_of_ones_own_is_drawn():
    ax = plot_activation(custom_activation(lambda Z: Z**2, lambda Z: 2 * Z, "square"))
    x, y = line(ax, "square").get_data()
    np.testing.assert_allclose(y, x**2)
    np.testing.assert_allclose(line(ax, "slope").get_ydata(), 2 * x)


def test_an_unknown_activation_is_refused():
    with pytest.raises(OptionError, match="activation must be one of .* got 'sigmoidd'. Did you mean 'sigmoid'?"):
        plot_activation("sigmoidd")


def test_all_activations_have_a_panel_with_two_lines_through_the_right_values():
    figure = plot_activations()
    assert [ax.get_title() for ax in figure.axes] == list(ACTIVATIONS)
    relu = figure.axes[list(ACTIVATIONS).index("relu")]
    value, slope = relu.lines[2:]
    np.testing.assert_allclose(value.get_ydata(), np.maximum(value.get_xdata(), 0))
    np.testing.assert_allclose(slope.get_ydata(), slope.get_xdata() > 0)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["value", "slope"]


def test_chosen_activations_have_a_panel_each_and_none_is_refused():
    assert len(plot_activations(["tanh", "relu"]).axes) == 2
    with pytest.raises(OptionError, match=r"names must hold at least one activation, got \[\]"):
        plot_activations([])
    with pytest.raises(OptionError, match="figure must be a matplotlib Figure, or None, got 1"):
        plot_activations(["tanh"], figure=1)


def test_a_grid_of_curves_has_one_scale_and_a_panel_for_each_training():
    other = [{"epoch": 1, "loss": 0.01}, {"epoch": 2, "loss": 0.02}]
    figure = plot_curves_grid({"plain": history(), "other": other})
    plain, second = figure.axes
    assert [plain.get_title(), second.get_title()] == ["plain", "other"]
    assert plain.get_ylim() == second.get_ylim()
    assert plain.get_yscale() == second.get_yscale() == "log"
    np.testing.assert_array_equal(line(second, "training").get_ydata(), [0.01, 0.02])


def test_a_comparison_names_each_training_with_its_lowest_validation_loss():
    ax = plot_loss_comparison({"plain": history(), "_other": [{"epoch": 1, "loss": 3.5}]})
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["plain: 2.5", "_other: 3.5", "validation", "training"]
    np.testing.assert_array_equal(line(ax, "plain").get_ydata(), [2.5, 2.75])


def test_a_comparison_of_nothing_or_of_what_was_not_measured_is_refused():
    with pytest.raises(DataError, match="histories must be a dict from name to history, with at least one, got {}"):
        plot_loss_comparison({})
    with pytest.raises(DataError, match=r"histories\['plain'\] holds no finite r2"):
        plot_curves_grid({"plain": history()}, name="r2")


def test_a_grid_of_curves_marks_the_epoch_kept_and_tells_how_far_a_line_leaves():
    other = [{"epoch": 1, "loss": 0.5, "validation_loss": 0.6}, {"epoch": 2, "loss": 0.4, "validation_loss": 1.75}]
    figure = plot_curves_grid({"other": other}, kept={"other": 1}, limits=(0.0, 1.0))
    (ax,) = figure.axes
    assert ax.get_ylim() == (0, 1)
    assert ax.lines[-1].get_xydata().tolist() == [[1, 0.6]]
    assert texts(ax) == ["up to 1.75"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training", "validation", "epoch kept"]
    (ax,) = plot_curves_grid({"other": other}, kept={"other": 2}, limits=(0.0, 1.0)).axes
    assert ax.lines[-1].get_xydata().tolist() == [[2, 1]]  # at the edge


def test_a_logarithmic_axis_has_plain_numbers():
    ax = plot_loss([{"epoch": 1, "loss": 10.0}, {"epoch": 2, "loss": 0.001}])
    ax.figure.draw_without_rendering()
    written = {label.get_text() for label in ax.get_yticklabels()}
    assert {"0.001", "0.1", "10"} <= written
