import mpmath
import numpy as np
import pytest
from mpmath import mp
from scipy import stats

from glassnet.errors import DataError, OptionError
from glassnet.maths.losses import (
    LOSSES,
    Elementwise,
    Quantile,
    SoftmaxCrossEntropy,
    custom_loss,
    log_softmax,
    loss_named,
    softmax,
)
from glassnet.maths.slopes import numeric_gradient

rng = np.random.default_rng(0)
SCORES = rng.normal(size=(6, 3))
NUMBERS = rng.normal(size=(6, 3))
PROBABILITIES = rng.dirichlet(np.ones(3), size=6)
YES_NO = (rng.random((6, 3)) < 0.5).astype(float)
COUNTS = rng.poisson(2.0, size=(6, 3)).astype(float)

# One of each, with targets that suit; the quantile loss takes one target for its three outputs.
CASES = {
    "cross_entropy": (SoftmaxCrossEntropy(), PROBABILITIES),
    "binary_cross_entropy": (loss_named("binary_cross_entropy"), YES_NO),
    "multilabel": (loss_named("multilabel"), YES_NO),
    "squared_error": (loss_named("squared_error"), NUMBERS),
    "absolute_error": (loss_named("absolute_error"), NUMBERS),
    "huber": (loss_named("huber", delta=0.7), NUMBERS),
    "quantile": (Quantile((0.1, 0.5, 0.8)), NUMBERS[:, :1]),
    "poisson": (loss_named("poisson"), COUNTS),
}
ALL = sorted(CASES)


def rows_of(name, Z, T, **options):
    return loss_named(name, **options).rows(np.asarray(Z, float), np.asarray(T, float))


def slope_of(name, Z, T, **options):
    return loss_named(name, **options).gradient(np.asarray(Z, float), np.asarray(T, float))


def test_every_loss_has_a_case_here():
    assert sorted(LOSSES) == ALL


# --- softmax ---


def test_softmax_of_the_article():
    # e⁴ : 1 : 1, so 1 / (1 + 2e⁻⁴) and e⁻⁴ / (1 + 2e⁻⁴); the article prints eight places.
    Y = softmax(np.array([[5.0, 1.0, 1.0]]))
    np.testing.assert_allclose(Y, [[0.96466316, 0.01766842, 0.01766842]], atol=5e-9)
    with mpmath.workdps(50):
        small = float(mp.exp(-4) / (1 + 2 * mp.exp(-4)))
    np.testing.assert_allclose(Y[0, 1:], small, rtol=1e-15)


def test_softmax_rows_are_positive_with_sum_one():
    Y = softmax(SCORES)
    assert (Y > 0).all()
    np.testing.assert_allclose(Y.sum(axis=-1), 1.0, rtol=1e-15)


def test_softmax_does_not_see_a_constant_added_to_a_row():
    np.testing.assert_allclose(softmax(SCORES + 100.0), softmax(SCORES), rtol=1e-13)


def test_softmax_of_two_scores_is_the_sigmoid_of_their_difference():
    # e^a / (e^a + e^b) = σ(a - b); with a - b = log 3 it is 3/4.
    np.testing.assert_allclose(softmax(np.array([[np.log(3.0), 0.0]])), [[0.75, 0.25]], rtol=1e-15)


def test_log_softmax_is_the_logarithm_and_stays_finite_where_softmax_is_zero():
    np.testing.assert_allclose(np.exp(log_softmax(SCORES)), softmax(SCORES), rtol=1e-14)
    np.testing.assert_array_equal(log_softmax(np.array([[0.0, -2000.0]])), [[0.0, -2000.0]])


# --- values by hand ---


def test_cross_entropy_of_the_article():
    # -log(1 / (1 + 2e⁻⁴)) = log(1 + 2e⁻⁴)
    with mpmath.workdps(50):
        expected = float(mp.log(1 + 2 * mp.exp(-4)))
    np.testing.assert_allclose(rows_of("cross_entropy", [[5, 1, 1]], [[1, 0, 0]]), [expected], rtol=1e-14)


def test_cross_entropy_of_equal_scores_is_the_logarithm_of_the_number_of_classes():
    np.testing.assert_allclose(rows_of("cross_entropy", np.ones((2, 4)), np.eye(4)[:2]), np.log(4.0), rtol=1e-15)


def test_cross_entropy_slope_is_y_minus_t():
    # Scores log 1, log 2, log 5: Y = (1, 2, 5) / 8.
    Z = np.log([[1.0, 2.0, 5.0]])
    np.testing.assert_allclose(
        slope_of("cross_entropy", Z, [[0, 1, 0]]), [[1 / 8, 2 / 8 - 1, 5 / 8]], rtol=1e-14, atol=0
    )


def test_cross_entropy_of_rows_of_probabilities():
    # Y = (1/4, 3/4), T = (1/2, 1/2): ½ log 4 + ½ log 4/3.
    Z = np.log([[1.0, 3.0]])
    np.testing.assert_allclose(
        rows_of("cross_entropy", Z, [[0.5, 0.5]]), [0.5 * np.log(4) + 0.5 * np.log(4 / 3)], rtol=1e-14
    )


@pytest.mark.parametrize("name", ["binary_cross_entropy", "multilabel"])
def test_binary_cross_entropy_by_hand(name):
    # Y = σ(log 3) = 3/4: -log(3/4) for yes, -log(1/4) for no, and slopes Y - T.
    Z = [[np.log(3.0)], [np.log(3.0)]]
    np.testing.assert_allclose(rows_of(name, Z, [[1], [0]]), [np.log(4 / 3), np.log(4)], rtol=1e-14)
    np.testing.assert_allclose(slope_of(name, Z, [[1], [0]]), [[-0.25], [0.75]], rtol=1e-14)


def test_a_row_of_several_outputs_counts_their_mean():
    # Squared errors 1, 4, 9 have the mean 14/3, and slopes 2(Z - T)/3.
    np.testing.assert_allclose(rows_of("squared_error", [[1, 2, 3]], [[0, 0, 0]]), [14 / 3], rtol=1e-15)
    np.testing.assert_allclose(slope_of("squared_error", [[1, 2, 3]], [[0, 0, 0]]), [[2 / 3, 4 / 3, 2]], rtol=1e-15)


def test_absolute_error_by_hand():
    np.testing.assert_array_equal(rows_of("absolute_error", [[1.5], [-2.0]], [[1.0], [1.0]]), [0.5, 3.0])
    np.testing.assert_array_equal(
        slope_of("absolute_error", [[1.5], [-2.0], [1.0]], [[1.0], [1.0], [1.0]]), [[1.0], [-1.0], [0.0]]
    )


def test_huber_by_hand():
    # δ = 2. Residual 1: ½. Residual 2, at the seam: 2. Residual -5: 2 (5 - 1) = 8.
    Z, T = [[1.0], [2.0], [-5.0]], np.zeros((3, 1))
    np.testing.assert_array_equal(rows_of("huber", Z, T, delta=2.0), [0.5, 2.0, 8.0])
    np.testing.assert_array_equal(slope_of("huber", Z, T, delta=2.0), [[1.0], [2.0], [-2.0]])


def test_quantile_by_hand():
    # T = 1. A score of 0 is 1 too low: q. A score of 3 is 2 too high: 2 (1 - q).
    loss = Quantile((0.25, 0.75))
    T = np.ones((2, 1))
    Z = np.array([[0.0, 0.0], [3.0, 3.0]])
    np.testing.assert_array_equal(loss.rows(Z, T), [(0.25 + 0.75) / 2, (1.5 + 0.5) / 2])
    np.testing.assert_array_equal(loss.gradient(Z, T), [[-0.125, -0.375], [0.375, 0.125]])


def test_poisson_by_hand():
    # e^(log 2) - 3 log 2, slope 2 - 3.
    np.testing.assert_allclose(rows_of("poisson", [[np.log(2.0)]], [[3]]), [2.0 - 3.0 * np.log(2.0)], rtol=1e-14)
    np.testing.assert_allclose(slope_of("poisson", [[np.log(2.0)]], [[3]]), [[-1.0]], rtol=1e-14)


def test_outputs_by_hand():
    Z = np.array([[np.log(3.0)]])
    np.testing.assert_allclose(loss_named("binary_cross_entropy").output(Z), [[0.75]], rtol=1e-15)
    np.testing.assert_allclose(loss_named("multilabel").output(Z), [[0.75]], rtol=1e-15)
    np.testing.assert_allclose(loss_named("poisson").output(Z), [[3.0]], rtol=1e-15)
    np.testing.assert_allclose(SoftmaxCrossEntropy().output(np.array([[0.0, np.log(3.0)]])), [[0.25, 0.75]], rtol=1e-15)
    for name in ("squared_error", "absolute_error", "huber", "quantile"):
        np.testing.assert_array_equal(loss_named(name).output(Z), Z)


# --- numeric slopes ---


@pytest.mark.parametrize("name", ALL)
def test_the_gradient_is_the_numeric_slope(name):
    loss, T = CASES[name]
    residuals = np.abs(SCORES - T)
    assert residuals.min() > 2e-3  # none of these scores is closer to a kink than the differences reach
    assert np.abs(residuals - 0.7).min() > 2e-3

    def total(z):
        return float(loss.rows(z.reshape(SCORES.shape), T).sum())

    numeric = numeric_gradient(total, SCORES.ravel()).reshape(SCORES.shape)
    np.testing.assert_allclose(loss.gradient(SCORES, T), numeric, rtol=1e-8, atol=1e-11)


def test_a_wrong_slope_is_seen():
    wrong = custom_loss(lambda Z, T: (Z - T) ** 2, lambda Z, T: Z - T)  # the factor 2 is missing

    def total(z):
        return float(wrong.rows(z.reshape(SCORES.shape), NUMBERS).sum())

    numeric = numeric_gradient(total, SCORES.ravel()).reshape(SCORES.shape)
    assert not np.allclose(wrong.gradient(SCORES, NUMBERS), numeric, rtol=1e-3)
    np.testing.assert_allclose(2.0 * wrong.gradient(SCORES, NUMBERS), numeric, rtol=1e-8, atol=1e-11)


# --- identities ---


def test_binary_cross_entropy_is_softmax_with_a_second_score_of_zero():
    z, t = SCORES[:, :1], YES_NO[:, :1]
    both_z, both_t = np.hstack([np.zeros_like(z), z]), np.hstack([1 - t, t])
    np.testing.assert_allclose(
        rows_of("binary_cross_entropy", z, t), rows_of("cross_entropy", both_z, both_t), rtol=1e-14
    )
    np.testing.assert_allclose(
        slope_of("binary_cross_entropy", z, t)[:, 0], slope_of("cross_entropy", both_z, both_t)[:, 1], rtol=1e-13
    )


def test_binary_cross_entropy_is_the_textbook_formula():
    Y = 1 / (1 + np.exp(-SCORES))
    textbook = -(YES_NO * np.log(Y) + (1 - YES_NO) * np.log(1 - Y)).mean(axis=1)
    np.testing.assert_allclose(rows_of("multilabel", SCORES, YES_NO), textbook, rtol=1e-13)


def test_cross_entropy_is_the_textbook_formula():
    textbook = -(PROBABILITIES * np.log(softmax(SCORES))).sum(axis=1)
    np.testing.assert_allclose(rows_of("cross_entropy", SCORES, PROBABILITIES), textbook, rtol=1e-13)


def test_the_slopes_of_a_softmax_row_have_sum_zero():
    np.testing.assert_allclose(slope_of("cross_entropy", SCORES, PROBABILITIES).sum(axis=1), 0.0, atol=1e-15)


def test_a_wide_huber_is_half_the_squared_error():
    np.testing.assert_allclose(
        rows_of("huber", SCORES, NUMBERS, delta=1e6), 0.5 * rows_of("squared_error", SCORES, NUMBERS), rtol=1e-14
    )
    np.testing.assert_allclose(
        slope_of("huber", SCORES, NUMBERS, delta=1e6), 0.5 * slope_of("squared_error", SCORES, NUMBERS), rtol=1e-14
    )


def test_a_narrow_huber_is_delta_times_the_absolute_error():
    # δ (|R| - ½ δ): exactly δ²/2 below δ |R|.
    narrow = rows_of("huber", SCORES, NUMBERS, delta=1e-3)
    np.testing.assert_allclose(narrow, 1e-3 * rows_of("absolute_error", SCORES, NUMBERS) - 0.5e-6, rtol=1e-12)


def test_the_median_is_half_the_absolute_error_and_q_with_its_mirror_the_whole():
    z, t = SCORES[:, :1], NUMBERS[:, :1]
    absolute = rows_of("absolute_error", z, t)
    np.testing.assert_allclose(Quantile((0.5,)).rows(z, t), 0.5 * absolute, rtol=1e-15)
    np.testing.assert_allclose(Quantile((0.2,)).rows(z, t) + Quantile((0.8,)).rows(z, t), absolute, rtol=1e-14)


def test_the_quantile_error_is_smallest_at_the_quantile():
    # Of the numbers 1 … 9, the 0.3-quantile is the third: 0.3 · 9 = 2.7 lie below it at most, 3 up to it.
    T = np.arange(1.0, 10.0)[:, None]
    totals = [Quantile((0.3,)).rows(np.full((9, 1), z), T).sum() for z in T[:, 0]]
    assert int(np.argmin(totals)) == 2


def test_poisson_is_scipys_likelihood_without_the_constant():
    from scipy.special import gammaln

    expected = (-stats.poisson.logpmf(COUNTS, np.exp(SCORES)) - gammaln(COUNTS + 1)).mean(axis=1)
    np.testing.assert_allclose(rows_of("poisson", SCORES, COUNTS), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_a_leading_member_axis_equals_member_by_member(name):
    loss, T = CASES[name]
    Z = np.stack([SCORES, 2.0 * SCORES + 0.1, -SCORES])
    assert loss.rows(Z, T).shape == (3, 6)
    for member in range(3):
        np.testing.assert_array_equal(loss.rows(Z, T)[member], loss.rows(Z[member], T))
        np.testing.assert_array_equal(loss.gradient(Z, T)[member], loss.gradient(Z[member], T))
        np.testing.assert_array_equal(loss.output(Z)[member], loss.output(Z[member]))


# --- the edge of the domain ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_huge_scores_of_classes_are_finite(size, dtype):
    Z = np.array([[size, -size, 0.0], [-size, size, 0.0]], dtype)
    T = np.array([[1, 0, 0], [1, 0, 0]], dtype)
    loss = SoftmaxCrossEntropy()
    np.testing.assert_allclose(loss.rows(Z, T), [0.0, 2 * size], rtol=1e-6)
    np.testing.assert_array_equal(loss.gradient(Z, T), [[0, 0, 0], [-1, 1, 0]])
    np.testing.assert_array_equal(loss.output(Z), [[1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e4, 1e30, np.inf])
def test_huge_scores_of_yes_and_no_are_finite_where_they_are_right(size, dtype):
    Z = np.array([[size], [-size]], dtype)
    loss = loss_named("binary_cross_entropy")
    if np.isfinite(size):
        np.testing.assert_allclose(loss.rows(Z, np.array([[1], [0]], dtype)), [0.0, 0.0], atol=1e-30)
        np.testing.assert_allclose(loss.rows(Z, np.array([[0], [1]], dtype)), [size, size], rtol=1e-6)
    np.testing.assert_array_equal(loss.gradient(Z, np.array([[0], [1]], dtype)), [[1], [-1]])
    np.testing.assert_array_equal(loss.output(Z), [[1], [0]])


def test_a_class_that_cannot_be_costs_infinity_only_where_it_is_true():
    Z = np.array([[0.0, -np.inf], [0.0, -np.inf]])
    T = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(SoftmaxCrossEntropy().rows(Z, T), [0.0, np.inf])


@pytest.mark.parametrize("size", [1e4, 1e30, -1e30])
def test_numbers_far_off_have_finite_losses_and_slopes(size):
    Z, T = np.array([[size]]), np.zeros((1, 1))
    sign = np.sign(size)
    np.testing.assert_allclose(rows_of("absolute_error", Z, T), [abs(size)])
    np.testing.assert_allclose(rows_of("huber", Z, T), [abs(size) - 0.5])
    np.testing.assert_array_equal(slope_of("huber", Z, T), [[sign]])
    np.testing.assert_allclose(slope_of("squared_error", Z, T), [[2 * size]])
    np.testing.assert_allclose(slope_of("quantile", Z, T), [[0.5 * sign]])


def test_a_poisson_score_far_below_gives_no_events():
    Z = np.array([[-1e30], [-np.inf]])
    np.testing.assert_array_equal(loss_named("poisson").output(Z), [[0.0], [0.0]])
    np.testing.assert_array_equal(slope_of("poisson", Z, [[2], [2]]), [[-2.0], [-2.0]])


@pytest.mark.parametrize("name", ALL)
def test_nan_in_a_score_stays_in_its_row(name):
    loss, T = CASES[name]
    Z = SCORES.copy()
    Z[2, 1] = np.nan
    rows, gradient, output = loss.rows(Z, T), loss.gradient(Z, T), loss.output(Z)
    others = [0, 1, 3, 4, 5]
    assert np.isnan(rows[2])
    assert np.isnan(gradient[2, 1])
    assert np.isnan(output[2, 1])
    np.testing.assert_array_equal(rows[others], loss.rows(SCORES, T)[others])
    np.testing.assert_array_equal(gradient[others], loss.gradient(SCORES, T)[others])


@pytest.mark.parametrize("name", ALL)
def test_float32_stays_float32(name):
    loss, T = CASES[name]
    Z32, T32 = SCORES.astype(np.float32), T.astype(np.float32)
    for value, exact in (
        (loss.rows(Z32, T32), loss.rows(SCORES, T)),
        (loss.gradient(Z32, T32), loss.gradient(SCORES, T)),
        (loss.output(Z32), loss.output(SCORES)),
        (loss.smoothed(T32, 0.5), loss.smoothed(T, 0.5)),
    ):
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, exact, rtol=1e-4, atol=1e-6)


# --- label smoothing ---


def test_smoothing_spreads_over_the_classes():
    # ε = 0.3, K = 3: 0.7 + 0.1 for the class, 0.1 for each other.
    loss = SoftmaxCrossEntropy(label_smoothing=0.3)
    np.testing.assert_allclose(loss.smoothed(np.eye(3)[:1]), [[0.8, 0.1, 0.1]], rtol=1e-15)
    np.testing.assert_allclose(loss.smoothed(np.eye(3)[:1], 0.5), [[0.9, 0.05, 0.05]], rtol=1e-15)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "multilabel"])
def test_smoothing_of_yes_and_no_goes_half_to_each(name):
    loss = loss_named(name, label_smoothing=0.2)
    np.testing.assert_allclose(loss.smoothed(np.array([[1.0, 0.0, 1.0]])), [[0.9, 0.1, 0.9]], rtol=1e-15)


@pytest.mark.parametrize("name", ALL)
def test_without_smoothing_the_targets_are_the_same_object(name):
    loss, T = CASES[name]
    assert loss.smoothed(T) is T


def test_smoothing_is_a_mixture_of_the_loss_with_that_of_a_uniform_target():
    loss = SoftmaxCrossEntropy(label_smoothing=0.3)
    uniform = np.full((6, 3), 1 / 3)
    np.testing.assert_allclose(
        loss.rows(SCORES, loss.smoothed(PROBABILITIES)),
        0.7 * loss.rows(SCORES, PROBABILITIES) + 0.3 * loss.rows(SCORES, uniform),
        rtol=1e-13,
    )


@pytest.mark.parametrize("epsilon", [-0.1, 1.0, 2.0, np.nan])
@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy", "multilabel"])
def test_a_smoothing_outside_its_range_is_refused(name, epsilon):
    with pytest.raises(OptionError, match=r"label_smoothing must be at least 0 and below 1, got "):
        loss_named(name, label_smoothing=epsilon)


# --- targets ---


def one_hot(y, dtype=np.float64, K=3):
    return SoftmaxCrossEntropy().targets(y, K, dtype)


@pytest.mark.parametrize(
    "y",
    [
        [2, 0, 1],
        np.array([2, 0, 1], np.int8),
        np.array([2.0, 0.0, 1.0]),
        np.array([[2], [0], [1]]),
        [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
    ],
)
def test_labels_and_the_one_hot_matrix_are_one_target(y):
    np.testing.assert_array_equal(one_hot(y), [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert one_hot(y, np.float32).dtype == np.float32


def test_truth_values_are_labels_of_two_classes():
    np.testing.assert_array_equal(one_hot(np.array([True, False]), K=2), [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("y", "text"),
    [
        ([0, 3], "y must hold labels from 0 to 2, got 3"),
        ([-1, 0], "y must hold labels from 0 to 2, got -1"),
        ([0.5, 1.0], "y must hold whole numbers, the classes' positions, got [0.5, 1.0]"),
        ([np.nan, 1.0], "y must hold whole numbers, the classes' positions, got [nan, 1.0]"),
        (["a", "b"], "y must hold whole numbers, the classes' positions, got ['a', 'b']"),
        (np.zeros((2, 2)), "y must be labels of shape (n,) or one-hot of shape (n, 3), got (2, 2)"),
        ([[0.5, 0.4, 0.4]], "y must be one-hot: entries of at least 0, and rows with sum 1"),
        ([[1.5, -0.5, 0.0]], "y must be one-hot: entries of at least 0, and rows with sum 1"),
        ([[np.nan, 1.0, 0.0]], "y must be one-hot: entries of at least 0, and rows with sum 1"),
    ],
)
def test_targets_that_are_no_classes_are_refused(y, text):
    with pytest.raises(DataError) as caught:
        one_hot(y)
    assert str(caught.value) == text
    assert caught.value.argument == "y"


@pytest.mark.parametrize("name", ["squared_error", "absolute_error", "huber", "poisson", "binary_cross_entropy"])
def test_a_vector_of_numbers_becomes_a_column(name):
    T = loss_named(name).targets([0, 1, 1], 1, np.float32)
    np.testing.assert_array_equal(T, [[0], [1], [1]])
    assert T.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "y", "text"),
    [
        ("squared_error", [1.0, np.nan], "row 2: y must be finite numbers, got nan"),
        ("huber", [np.inf, 0.0], "row 1: y must be finite numbers, got inf"),
        (
            "binary_cross_entropy",
            [0.0, 1.5],
            "row 2: y must lie between 0 and 1 for the loss 'binary_cross_entropy', got 1.5",
        ),
        ("poisson", [2.0, -1.0], "row 2: y must be at least 0 for the loss 'poisson', got -1.0"),
        ("squared_error", ["a"], "y must be numbers, got 'str32'"),
        ("squared_error", [[1.0, 2.0]], "y must have 1 column, one for each output, got (1, 2)"),
        ("quantile", [[1.0, 2.0]], "y must have 1 column, one for each output, got (1, 2)"),
        ("quantile", [1.0, np.nan], "row 2: y must be finite numbers, got nan"),
        ("quantile", [-np.inf, 1.0], "row 1: y must be finite numbers, got -inf"),
    ],
)
def test_targets_outside_the_domain_of_a_loss_are_refused(name, y, text):
    with pytest.raises(DataError) as caught:
        loss_named(name).targets(y, 1, np.float64)
    assert str(caught.value) == text


def test_a_matrix_of_another_width_is_refused():
    with pytest.raises(DataError, match=r"y must have 2 columns, one for each output, got \(1, 3\)"):
        loss_named("multilabel").targets([[1, 0, 1]], 2, np.float64)


def test_the_quantile_loss_wants_an_output_for_each_quantile():
    with pytest.raises(OptionError, match=r"loss needs one output node for each quantile, 2, got 1"):
        Quantile((0.1, 0.9)).targets([1.0], 1, np.float64)


# --- names, options, losses of one's own ---


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cross_entropy", {"label_smoothing": 0.1}),
        ("binary_cross_entropy", {"label_smoothing": 0.1}),
        ("multilabel", {"label_smoothing": 0.0}),
        ("squared_error", {}),
        ("absolute_error", {}),
        ("huber", {"delta": 0.25}),
        ("quantile", {"quantiles": [0.1, 0.9]}),
        ("poisson", {}),
    ],
)
def test_a_description_makes_the_loss_again(name, options):
    loss = loss_named(name, **options)
    assert loss.describe() == {"name": name, **options}
    again = loss_named(**loss.describe())
    assert again.describe() == loss.describe()
    assert again.label_smoothing == loss.label_smoothing
    T = np.array([[1.0]])
    np.testing.assert_array_equal(again.rows(np.array([[2.5, -0.5]]), T), loss.rows(np.array([[2.5, -0.5]]), T))


def test_a_loss_is_taken_as_it_is():
    loss = Quantile((0.3,))
    assert loss_named(loss) is loss


def test_an_unknown_loss_is_told_the_losses_there_are_and_the_nearest_one():
    with pytest.raises(OptionError) as caught:
        loss_named("squared_eror")
    text = str(caught.value)
    assert text.startswith("loss must be one of 'absolute_error', 'binary_cross_entropy', 'cross_entropy', 'huber', ")
    assert text.endswith("got 'squared_eror'. Did you mean 'squared_error'?")


def test_an_option_that_a_loss_does_not_take_is_named():
    with pytest.raises(OptionError, match="loss takes no such option as delta, got 'squared_error'"):
        loss_named("squared_error", delta=2.0)


@pytest.mark.parametrize("delta", [0.0, -1.0, np.nan])
def test_a_delta_that_is_not_positive_is_refused(delta):
    with pytest.raises(OptionError, match="delta must be positive, got "):
        loss_named("huber", delta=delta)


@pytest.mark.parametrize("quantiles", [(), (0.0, 0.5), (0.5, 1.0), (0.5, 0.5), (0.9, 0.1), (np.nan,)])
def test_quantiles_out_of_range_or_order_are_refused(quantiles):
    with pytest.raises(OptionError, match="quantiles must be increasing numbers strictly between 0 and 1, got "):
        Quantile(quantiles)


def test_one_quantile_may_be_a_plain_number():
    assert Quantile(0.9).quantiles == (0.9,)


def test_a_loss_of_ones_own_is_the_mean_of_its_entries():
    # |R|³ with slope 3 R |R|: residuals 1 and -2 have the mean (1 + 8)/2 and slopes 3/2, -12/2.
    cubic = custom_loss(
        lambda Z, T: np.abs(Z - T) ** 3, lambda Z, T: 3 * (Z - T) * np.abs(Z - T), np.square, name="cubic"
    )
    assert isinstance(cubic, Elementwise)
    assert cubic.custom
    assert cubic.name == "cubic"
    Z, T = np.array([[1.0, -2.0]]), np.zeros((1, 2))
    np.testing.assert_array_equal(cubic.rows(Z, T), [4.5])
    np.testing.assert_array_equal(cubic.gradient(Z, T), [[1.5, -6.0]])
    np.testing.assert_array_equal(cubic.output(Z), [[1.0, 4.0]])


@pytest.mark.parametrize(
    ("argument", "functions"),
    [("value", (1, np.add)), ("slope", (np.add, "x")), ("output", (np.add, np.add, 3))],
)
def test_a_loss_of_something_that_is_no_function_is_refused(argument, functions):
    with pytest.raises(OptionError, match=f"{argument} must be a function of arrays"):
        custom_loss(*functions)
