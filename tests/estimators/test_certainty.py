"""How sure predictions are: temperature, conformal intervals and sets, and what they keep in a file."""

from contextlib import nullcontext

import numpy as np
import pytest
from sklearn.metrics import log_loss

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor, custom_loss
from glassnet.errors import DataError, ModelFileError, OneHotWarning, OptionError
from glassnet.estimators.calibrating import MOST, rows_to_calibrate_on
from glassnet.files.model_format import read_model, write_model
from glassnet.maths.conformal import threshold


def line(n=3000, seed=0, noise=None):
    """y = 100 x + noise, by default normal, three times as wide where x > 0."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, size=n)
    errors = rng.normal(size=n) * np.where(x > 0, 15, 5) if noise is None else noise(rng, n)
    return x[:, None], 100 * x + errors


def classes(n=3000, seed=0, k=3):
    """Overlapping clouds, labels drawn with known chances."""
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    angle = 2 * np.pi * y / k
    return np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(size=(n, 2)), y


def quick(kind, **options):
    return kind(
        **{
            "hidden_layer_sizes": (16,),
            "max_epochs": 30,
            "learning_rate": 0.02,
            "random_state": 0,
            "preset": "plain",
            **options,
        }
    )


def share(ends, y):
    return np.mean((ends[..., 0] <= y) & (y <= ends[..., 1]), axis=0)


# A coverage on 20,000 new rows has a standard error of 0.2 points from them, and one of sqrt(c (1 - c) / n) from n rows
# held out; the margin adds 0.84 of the latter. The bounds below allow 4 of both.


@pytest.mark.parametrize("coverage", [0.5, 0.9])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_intervals_cover_their_share_of_new_rows(loss, coverage):
    model = quick(GlassNetRegressor, loss=loss, validation_fraction=1 / 3).fit(*line())
    X, y = line(20_000, seed=1)
    ends = model.predict_interval(X, coverage)
    assert ends.shape == (20_000, 2)
    assert ends.dtype == np.float64
    error = np.sqrt(coverage * (1 - coverage) / 1000)
    assert share(ends, y) == pytest.approx(coverage + 0.84 * error, abs=4 * error + 0.008)
    np.testing.assert_allclose(ends.mean(axis=1), model.predict(X))  # around the prediction
    np.testing.assert_allclose(np.ptp(ends, axis=1), np.ptp(ends[0]))  # everywhere as long


def test_intervals_by_hand():
    X, y = line(400)
    model = quick(GlassNetRegressor, loss="absolute_error").fit(X[:300], y[:300], validation=(X[300:], y[300:]))
    errors = np.abs(model.predict(X[300:]) - y[300:])
    reach = threshold(errors, 0.8)
    lower, upper = model.predict_interval(X[:5], 0.8).T
    np.testing.assert_allclose(lower, model.predict(X[:5]) - reach, rtol=1e-12)
    np.testing.assert_allclose(upper, model.predict(X[:5]) + reach, rtol=1e-12)


def test_each_of_several_targets_has_its_interval():
    X, y = line()
    Y = np.column_stack([y, -y / 1e3])
    model = quick(GlassNetRegressor, validation_fraction=1 / 3).fit(X, Y)
    X_new, y_new = line(20_000, seed=1)
    ends = model.predict_interval(X_new)
    assert ends.shape == (20_000, 2, 2)
    np.testing.assert_allclose(share(ends, np.column_stack([y_new, -y_new / 1e3])), 0.91, atol=0.045)
    one = quick(GlassNetRegressor, max_epochs=1).fit(X, y[:, None])
    assert one.predict_interval(X).shape == (3000, 1, 2)


def test_intervals_of_quantiles_are_short_where_the_target_is_certain():
    model = quick(GlassNetRegressor, loss="quantile", quantiles=(0.05, 0.5, 0.95), validation_fraction=1 / 3)
    model.fit(*line())
    X, y = line(20_000, seed=1)
    ends = model.predict_interval(X, 0.9)
    assert share(ends, y) == pytest.approx(0.91, abs=0.045)
    length = np.ptp(ends, axis=1)
    assert 2 < length[X[:, 0] > 0.2].mean() / length[X[:, 0] < -0.2].mean() < 4  # three times the noise
    assert share(model.predict_interval(X, 0.5), y) == pytest.approx(0.51, abs=0.07)
    assert np.all(length >= 0)


def test_intervals_of_counts_grow_with_their_root_and_stay_above_zero():
    rng = np.random.default_rng(0)

    def counts(n):
        X = rng.uniform(0, 3, size=(n, 1))
        return X, rng.poisson(np.exp(X[:, 0]))

    model = quick(GlassNetRegressor, loss="poisson", validation_fraction=1 / 3).fit(*counts(3000))
    X, y = counts(20_000)
    ends = model.predict_interval(X)
    assert ends.min() >= 0
    assert 0.87 < share(ends, y) < 0.96  # counts are whole numbers: ties cover more
    reach = (ends[:, 1] - model.predict(X)) / np.sqrt(model.predict(X))
    np.testing.assert_allclose(reach, reach[0])


@pytest.mark.parametrize("k", [2, 3])
def test_sets_cover_their_share_of_new_rows(k):
    clf = quick(GlassNetClassifier, validation_fraction=1 / 3).fit(*classes(k=k))
    X, y = classes(20_000, seed=1, k=k)
    sets = clf.predict_set(X, 0.9)
    assert sets.dtype == bool
    assert sets.shape == (20_000, k)
    assert sets[np.arange(20_000), y].mean() == pytest.approx(0.908, abs=0.046)
    assert clf.score(X, y) < 0.85  # a set of the most probable class alone would not do
    P = clf.predict_proba(X)
    assert P[sets].min() > P[~sets].max()  # one threshold for all


def test_where_the_network_is_right_more_often_the_rows_it_is_least_sure_of_get_an_empty_set():
    X = np.random.default_rng(0).normal(size=(2000, 1))
    clf = quick(GlassNetClassifier, validation_fraction=0.5).fit(X, X[:, 0] > 0)
    sets, P = clf.predict_set(X, 0.8), clf.predict_proba(X)
    empty = ~sets.any(axis=1)
    assert 0.1 < empty.mean() < 0.3
    assert P[empty].max() < P[~empty].max(axis=1).min()


def test_rows_of_ones_own_take_the_place_of_those_that_validated():
    X, y = line(1000)
    model = quick(GlassNetRegressor, early_stopping=False).fit(X[:500], y[:500])
    with pytest.raises(OptionError) as caught:
        model.predict_interval(X)
    assert str(caught.value) == (
        "coverage cannot be vouched for: no rows were held out, got 0.9. Call calibrate(X, y) with rows that training "
        "did not use, or set early_stopping=True."
    )
    assert model.calibrate(X[500:], y[500:]) is model
    reach = threshold(np.abs(model.predict(X[500:]) - y[500:]), 0.9)
    np.testing.assert_allclose(np.ptp(model.predict_interval(X[:3]), axis=1), 2 * reach)
    weights = np.random.default_rng(0).uniform(size=500)
    model.calibrate(X[500:], y[500:], sample_weight=weights)
    reach = threshold(np.abs(model.predict(X[500:]) - y[500:]), 0.9, weights)
    np.testing.assert_allclose(np.ptp(model.predict_interval(X[:3]), axis=1), 2 * reach)


def test_weights_of_validation_rows_count_and_weights_of_classes_do_not():
    X, y = classes(600)
    weights = np.random.default_rng(0).uniform(0.1, 2, size=300)
    clf = quick(GlassNetClassifier, class_weight="balanced")
    clf.fit(X[:300], y[:300], validation=(X[300:], y[300:], weights))
    P = clf.predict_proba(X[300:])[np.arange(300), y[300:]]
    sets = clf.predict_set(X, 0.9)
    np.testing.assert_array_equal(sets, 1 - clf.predict_proba(X) <= threshold(1 - P, 0.9, weights / weights.mean()))


def test_intervals_of_a_refit_are_those_of_the_network_that_had_not_seen_the_rows():
    X, y = line(1000)
    options = {"max_epochs": 5, "hidden_layer_sizes": (8,)}
    first, again = (quick(GlassNetRegressor, refit=refit, **options).fit(X, y) for refit in (False, True))
    assert not np.array_equal(again.predict(X), first.predict(X))
    assert np.array_equal(again.predict_interval(X), first.predict_interval(X))


@pytest.mark.parametrize("coverage", [0, 1, 1.5, "most"])
def test_other_coverages_are_refused(coverage):
    model = quick(GlassNetRegressor, max_epochs=1).fit(*line(200))
    with pytest.raises(OptionError, match="^coverage must lie strictly between 0 and 1, got "):
        model.predict_interval(line(3)[0], coverage)


def test_few_rows_vouch_for_little():
    model = quick(GlassNetRegressor, max_epochs=1).fit(*line(100))  # ten rows validate
    assert np.isfinite(model.predict_interval(line(3)[0], 0.9)).all()
    assert np.isinf(model.predict_interval(line(3)[0], 0.95)).all()


def test_labels_that_do_not_exclude_each_other_have_no_sets():
    X, y = line(200)
    clf = quick(GlassNetClassifier, max_epochs=1).fit(X, np.column_stack([y > 0, y > 50]).astype(int))
    with pytest.raises(DataError, match="^predict_set needs classes that exclude each other"):
        clf.predict_set(X)


def test_at_most_ten_thousand_rows_are_kept_and_drawn_at_random():
    assert rows_to_calibrate_on(MOST, 0).tolist() == list(range(MOST))
    rows = rows_to_calibrate_on(40_000, 0)
    assert len(np.unique(rows)) == MOST
    assert np.all(np.diff(rows) > 0)
    assert rows.mean() == pytest.approx(20_000, abs=500)  # standard error 11547 / 100
    assert not np.array_equal(rows, rows_to_calibrate_on(40_000, 1))


# --- temperature ---


@pytest.mark.parametrize("task", ["binary", "a node each", "multiclass", "multilabel"])
def test_a_temperature_mends_an_overconfident_network(task):
    X, y = classes(600, k=3 if task == "multiclass" else 2)
    X_new, y_new = classes(5000, seed=1, k=3 if task == "multiclass" else 2)
    if task == "multilabel":
        y, y_new = (np.column_stack([part, 1 - part]) for part in (y, y_new))
    options = {"loss": "cross_entropy"} if task == "a node each" else {}
    options |= {"hidden_layer_sizes": (64,), "max_epochs": 200, "early_stopping": False, "schedule": "constant"}
    with pytest.warns(OneHotWarning) if task == "multilabel" else nullcontext():
        sure = quick(GlassNetClassifier, **options).fit(X[:100], y[:100])
    before = sure.predict_proba(X_new)
    assert sure.calibrate(X[100:], y[100:]).temperature_ == 1.0
    sure.set_params(calibration="temperature").calibrate(X[100:], y[100:])
    after = sure.predict_proba(X_new)
    assert sure.temperature_ > 1.3
    assert loss_of(y_new, after) < 0.95 * loss_of(y_new, before)
    assert np.array_equal(before.argmax(axis=1), after.argmax(axis=1))
    if task != "multilabel":
        np.testing.assert_allclose(after.sum(axis=1), 1)


def loss_of(y, P):
    if y.ndim == 2:
        return -np.mean(np.log(np.where(y == 1, P, 1 - P)))
    return log_loss(y, P)


def test_a_refitted_network_has_the_temperature_of_the_one_that_had_not_seen_the_rows():
    """Few rows learned by heart: on rows it has trained on, such a network would be sharpened, not softened."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 10))
    y = X[:, 0] + 2 * rng.normal(size=300) > 0
    options = {"calibration": "temperature", "scoring": "accuracy", "schedule": "constant", "hidden_layer_sizes": (64,)}
    once, again = (quick(GlassNetClassifier, refit=refit, **options).fit(X, y) for refit in (False, True))
    assert not np.array_equal(once.network_.params, again.network_.params)
    assert again.temperature_ == once.temperature_ > 1.3


def test_calibrate_weighs_classes_as_fit_does():
    X, y = classes(1200, k=2)
    options = {"calibration": "temperature", "class_weight": {0: 10.0}, "max_epochs": 5}
    rest, held = slice(0, 600), slice(600, None)
    clf = quick(GlassNetClassifier, **options).fit(X[rest], y[rest], validation=(X[held], y[held]))
    found = clf.temperature_
    assert clf.calibrate(X[held], y[held]).temperature_ == found
    plain = quick(GlassNetClassifier, **options | {"class_weight": None}).fit(X[rest], y[rest])
    weights = np.where(y[held] == 0, 10.0, 1.0)
    plain.network_.params = clf.network_.params
    assert plain.calibrate(X[held], y[held], sample_weight=weights).temperature_ == pytest.approx(found, rel=1e-6)
    assert plain.calibrate(X[held], y[held]).temperature_ != pytest.approx(found, rel=1e-2)


@pytest.mark.parametrize("columns", [1, 2])
def test_targets_of_another_width_cannot_calibrate(columns):
    X, y = line(100)
    model = quick(GlassNetRegressor, max_epochs=1).fit(X, np.column_stack([y] * columns))
    with pytest.raises(
        DataError, match=rf"^y must have {columns} columns, as in training, got \(100, {3 - columns}\)$"
    ):
        model.calibrate(X, np.column_stack([y] * (3 - columns)))
    assert model.predict_interval(X).shape == (100, columns, 2)


def test_a_calibration_that_cannot_be_is_refused_after_fit_as_in_it():
    X, y = classes(100)
    clf = quick(GlassNetClassifier, max_epochs=1).fit(X, y).set_params(calibration="platt")
    with pytest.raises(OptionError, match="^calibration must be one of 'none', 'temperature', got 'platt'$"):
        clf.calibrate(X, y)
    model = quick(GlassNetRegressor, max_epochs=1).fit(X, y).set_params(calibration="temperature")
    with pytest.raises(OptionError, match="^calibration is for a classifier's named losses, got 'temperature'"):
        model.calibrate(X, y)


def test_a_network_trained_in_parts_can_be_given_a_temperature():
    X, y = classes(600)
    clf = quick(GlassNetClassifier)
    for _ in range(30):
        clf.partial_fit(X[:100], y[:100], classes=[0, 1, 2])
    clf.set_params(calibration="temperature").calibrate(X[100:], y[100:])
    tempered = log_loss(y[100:], clf.predict_proba(X[100:]))
    plain = log_loss(y[100:], clf.set_params(calibration="none").calibrate(X[100:], y[100:]).predict_proba(X[100:]))
    assert tempered < plain


def test_rows_that_cannot_calibrate_leave_the_model_as_it_is():
    X, y = classes(400)
    clf = quick(GlassNetClassifier, calibration="temperature").fit(X, y)
    temperature, sets = clf.temperature_, clf.predict_set(X)
    assert temperature != 1.0
    with pytest.raises(DataError, match=r"^row 1: y must hold the classes of training, 0, 1, 2, got 7$"):
        clf.calibrate(X, np.full(400, 7))
    assert clf.temperature_ == temperature
    assert np.array_equal(clf.predict_set(X), sets)


def test_calibration_finds_the_temperature_on_the_rows_that_validate():
    X, y = classes(1000)
    options = {"max_epochs": 10}
    plain = quick(GlassNetClassifier, **options).fit(X[:500], y[:500], validation=(X[500:], y[500:]))
    tempered = quick(GlassNetClassifier, calibration="temperature", **options)
    tempered.fit(X[:500], y[:500], validation=(X[500:], y[500:]))
    assert plain.temperature_ == 1.0
    assert tempered.temperature_ != 1.0
    P = plain.predict_proba(X)
    scaled = P ** (1 / tempered.temperature_)
    np.testing.assert_allclose(tempered.predict_proba(X), scaled / scaled.sum(axis=1, keepdims=True), rtol=1e-6)
    losses = [log_loss(y[500:], model.predict_proba(X[500:])) for model in (plain, tempered)]
    assert losses[1] <= losses[0]
    assert np.array_equal(plain.predict(X), tempered.predict(X))


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        (GlassNetClassifier, {"calibration": "platt"}, "calibration must be one of 'none', 'temperature', got 'platt'"),
        (GlassNetRegressor, {"calibration": "temperature"}, "calibration is for a classifier's named losses"),
        (
            GlassNetClassifier,
            {"calibration": "temperature", "loss": custom_loss(lambda Z, T: (Z - T) ** 2, lambda Z, T: 2 * (Z - T))},
            "calibration is for a classifier's named losses",
        ),
        (
            GlassNetClassifier,
            {"calibration": "temperature", "early_stopping": False},
            "calibration needs rows to validate on, got 'temperature'. Set early_stopping=True",
        ),
    ],
)
def test_calibrations_that_cannot_be_are_refused(kind, options, text):
    X, y = classes(100, k=2)
    with pytest.raises(OptionError) as caught:
        quick(kind, **options).fit(X, y)
    assert str(caught.value).startswith(text)


# --- files ---

KEPT = {
    "residuals": (GlassNetRegressor, {}, False),
    "quantiles": (GlassNetRegressor, {"loss": "quantile", "quantiles": (0.1, 0.9)}, False),
    "weights": (GlassNetRegressor, {}, True),
    "classes": (GlassNetClassifier, {"calibration": "temperature"}, False),
}


@pytest.mark.parametrize("what", KEPT)
def test_a_loaded_model_is_as_sure_as_the_one_that_was_saved(tmp_path, what):
    kind, options, weighted = KEPT[what]
    X, y = classes(400) if kind is GlassNetClassifier else line(400)
    weights = np.random.default_rng(0).uniform(0.5, 1, size=400) if weighted else None
    model = quick(kind, max_epochs=3, **options).fit(X, y, sample_weight=weights)
    model.save(tmp_path / "model.glassnet")
    loaded = glassnet.load(tmp_path / "model.glassnet")
    if kind is GlassNetClassifier:
        assert loaded.temperature_ == model.temperature_ != 1.0
        assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
        assert np.array_equal(loaded.predict_set(X, 0.7), model.predict_set(X, 0.7))
    else:
        assert np.array_equal(loaded.predict_interval(X, 0.7), model.predict_interval(X, 0.7))
    loaded.save(tmp_path / "again.glassnet")
    assert (tmp_path / "again.glassnet").read_bytes() == (tmp_path / "model.glassnet").read_bytes()


@pytest.mark.parametrize("damage", ["kind", "shape", "missing", "weights"])
def test_scores_that_do_not_fit_are_a_model_file_error(tmp_path, damage):
    quick(GlassNetRegressor, max_epochs=1).fit(*line(200)).save(tmp_path / "model.glassnet")
    header, arrays = read_model(tmp_path / "model.glassnet")
    if damage == "kind":
        header["conformal"] = "guess"
    elif damage == "shape":
        arrays["conformal.scores"] = arrays["conformal.scores"][:, 0]
    elif damage == "weights":
        arrays["conformal.weights"] = np.ones(3)
    else:
        del arrays["conformal.scores"]
    write_model(tmp_path / "odd.glassnet", header, arrays)
    with pytest.raises(ModelFileError, match=r"odd.glassnet: is damaged: "):
        glassnet.load(tmp_path / "odd.glassnet")


# --- engines and rows ---


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_either_engine_calibrates_scores_and_refits(engine):
    X, y = classes(600)
    options = {"engine": engine, "calibration": "temperature", "scoring": "accuracy", "class_weight": "balanced"}
    clf = quick(GlassNetClassifier, **options, max_epochs=8).fit(X, y)
    assert clf.settings_["engine"] == engine
    scores = [row["validation_score"] for row in clf.history_]
    assert clf.best_epoch_ == 1 + int(np.argmax(scores))
    sets = clf.predict_set(X, 0.8)
    assert sets[np.arange(600), y].mean() == pytest.approx(0.82, abs=0.2)  # 60 rows validated
    assert quick(GlassNetClassifier, **options, refit=True, max_epochs=8).fit(X, y).score(X, y) > 0.5


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_what_is_said_of_a_row_does_not_depend_on_the_others(engine):
    X, y = classes(300)
    options = {"engine": engine, "max_epochs": 3}
    clf = quick(GlassNetClassifier, **options, calibration="temperature").fit(X, y)
    model = quick(GlassNetRegressor, **options).fit(X, X[:, 0])
    P, ends, H = clf.predict_proba(X), model.predict_interval(X), model.hidden(X)
    for rows in (slice(0, 1), slice(7, 20), slice(299, 300)):
        assert clf.predict_proba(X[rows]).tobytes() == P[rows].tobytes()
        assert model.predict_interval(X[rows]).tobytes() == ends[rows].tobytes()
        assert model.hidden(X[rows]).tobytes() == H[rows].tobytes()
