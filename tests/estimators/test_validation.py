"""Which rows validate, what decides between epochs, and training anew on all rows."""

import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit, TimeSeriesSplit

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import DataError, OptionError


def table(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"size": rng.normal(size=n), "colour": rng.choice(["red", "green"], size=n)})
    return X, np.where((X["size"] > 0) ^ (rng.uniform(size=n) < 0.15), "yes", "no")


def quick(kind=GlassNetClassifier, **options):
    return kind(
        **{
            "hidden_layer_sizes": (8,),
            "max_epochs": 12,
            "learning_rate": 0.02,
            "random_state": 0,
            "preset": "plain",
            **options,
        }
    )


def by_hand(X, y, held_out, **options):
    """A fit that is told which rows validate, with the encoding of all rows, as a fit that chooses them has it."""
    numbers = X[["size"]]
    rest = np.setdiff1d(np.arange(len(y)), held_out)
    options = {"input_scaling": "none", **options}
    return quick(**options).fit(numbers.iloc[rest], y[rest], validation=(numbers.iloc[held_out], y[held_out]))


class Fold:
    """A splitter of one split, that remembers what it was given."""

    def __init__(self, training, held_out):
        self.parts, self.given = (training, held_out), None

    def split(self, X, y, groups):
        self.given = (X, y, groups)
        yield self.parts


# --- which rows ---


def test_the_last_rows_validate_where_rows_stand_in_the_order_of_time():
    X, y = table()
    clf = quick(input_scaling="none", batch_size=32).fit(X[["size"]], y, validation="last")
    twin = by_hand(X, y, np.arange(180, 200), batch_size=32)
    assert clf.network_.params.tobytes() == twin.network_.params.tobytes()
    assert clf.history_[3]["validation_loss"] == twin.history_[3]["validation_loss"]


def test_the_last_split_of_a_splitter_is_used():
    X, y = table()
    options = {"input_scaling": "none", "batch_size": 32}
    clf = quick(**options).fit(X[["size"]], y, validation=TimeSeriesSplit(4))
    twin = by_hand(X, y, np.arange(160, 200), batch_size=32)  # the last of five parts of 40 rows
    assert clf.network_.params.tobytes() == twin.network_.params.tobytes()
    fold = np.where(np.arange(200) % 4 == 0, 0, -1)
    clf = quick(**options).fit(X[["size"]], y, validation=PredefinedSplit(fold))
    twin = by_hand(X, y, np.arange(0, 200, 4), batch_size=32)
    assert clf.network_.params.tobytes() == twin.network_.params.tobytes()


def test_a_splitter_sees_the_rows_as_they_were_handed_over():
    X, y = table()
    weights, groups = np.ones(200), np.arange(200) % 7
    weights[0] = 0  # this row is left out of everything
    fold = Fold(np.arange(100), np.arange(150, 199))
    clf = quick().fit(X, y, sample_weight=weights, groups=groups, validation=fold)
    seen, labels, seen_groups = fold.given
    pd.testing.assert_frame_equal(seen, X.iloc[1:])
    assert labels.tolist() == y[1:].tolist()
    assert seen_groups.tolist() == groups[1:].tolist()
    assert clf.history_[0]["step"] == -(-100 // clf.settings_["batch_size"])  # rows of neither part are left out


def test_a_predefined_split_goes_by_the_rows_as_they_were_handed_over():
    X, y = table()
    weights, fold = np.ones(200), np.where(np.arange(200) % 4 == 0, 0, -1)
    weights[:10] = 0  # left out: the folds of the rest stay theirs
    options = {"batch_size": 32, "input_scaling": "none"}
    numbers, split = X[["size"]], PredefinedSplit(fold)
    clf = quick(**options).fit(numbers, y, sample_weight=weights, validation=split)
    twin = quick(**options).fit(numbers.iloc[10:], y[10:], validation=PredefinedSplit(fold[10:]))
    np.testing.assert_allclose(clf.network_.params, twin.network_.params, rtol=1e-5)
    with pytest.raises(DataError, match=r"^validation must hold a fold for each of 199 rows, got 200$"):
        quick().fit(numbers[1:], y[1:], validation=split)


@pytest.mark.parametrize("library", ["pandas", "polars", "Arrow"])
def test_a_scorer_sees_the_rows_in_the_library_they_came_in(library):
    X, y = table()
    made = {"pandas": X, "polars": pl.from_pandas(X), "Arrow": pl.from_pandas(X).to_arrow()}[library]
    seen = []

    def score(model, rows, labels):
        seen.append(rows)
        return model.score(rows, labels)

    quick(scoring=score, max_epochs=1).fit(made, y, validation="last")
    assert type(seen[0]) is type(made)
    assert pl.DataFrame(seen[0])["size"].to_list() == X["size"].tolist()[-20:]


def test_groups_that_cannot_be_compared_are_refused():
    X, y = table()
    with pytest.raises(DataError) as caught:
        quick().fit(X, y, groups=["a", None] * 100)
    message = "groups must hold labels of one kind, got ['NoneType', 'str']. Make them all text: str(label)."
    assert str(caught.value) == message


@pytest.mark.parametrize("validation", [None, GroupKFold(5)], ids=["at random", "a splitter"])
def test_groups_stay_together(validation):
    X, y = table()
    groups = np.repeat([f"house {i}" for i in range(20)], 10)
    seen = []

    def scorer(estimator, X, y):
        seen.append(set(groups[X.index]))
        return estimator.score(X, y)

    quick(scoring=scorer, max_epochs=1).fit(X, y, groups=groups, validation=validation)
    held_out = seen[0]
    assert len(held_out) == (2 if validation is None else 4)  # a tenth of the rows, a fifth of them
    rows = quick(early_stopping=True, max_epochs=1).fit(X, y, groups=groups, validation=validation).history_
    assert "validation_loss" in rows[0]


def test_rows_validate_that_were_asked_to_though_training_does_not_stop_early():
    X, y = table()
    clf = quick(early_stopping=False, patience=1, max_epochs=40).fit(X, y, validation=KFold(5))
    assert clf.n_iter_ == 40
    losses = [row["validation_loss"] for row in clf.history_]
    assert clf.best_epoch_ == 1 + int(np.argmin(losses))


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "array", "dict", "list"])
def test_a_splitter_and_a_scorer_take_every_kind_of_table(kind):
    X, y = table()
    X = {
        "pandas": lambda: X,
        "polars": lambda: pl.from_pandas(X),
        "arrow": lambda: pl.from_pandas(X).to_arrow(),
        "array": lambda: X[["size"]].to_numpy(),
        "dict": lambda: {name: X[name].to_numpy() for name in X},
        "list": lambda: X[["size"]].to_numpy().tolist(),
    }[kind]()
    clf = quick(scoring="accuracy").fit(X, y, validation=KFold(5))
    assert max(row["validation_score"] for row in clf.history_) > 0.7


@pytest.mark.parametrize(
    ("validation", "groups", "error", "text"),
    [
        (
            "first",
            None,
            OptionError,
            'validation must be (X, y) or (X, y, sample_weight), a scikit-learn splitter, "la',
        ),
        (0.2, None, OptionError, "validation must be (X, y) or (X, y, sample_weight), a scikit-learn splitter"),
        ((1,), None, OptionError, "validation must be (X, y) or (X, y, sample_weight), got 'tuple'"),
        ("last", np.ones(200), OptionError, 'groups cannot be kept together with validation="last"'),
        ("own", np.ones(200), OptionError, "groups choose which training rows validate, and validation=(X, y) are"),
        (None, np.ones(200), DataError, "groups must hold at least two groups, one of them to validate on, got 1"),
        (None, np.ones(3), DataError, "groups must hold one group for each of 200 rows, got (3,)"),
        (Fold([0, 1], [1, 2]), None, DataError, "validation must split the rows into two parts that share none"),
        (Fold([0, 1], []), None, DataError, "validation must split the rows into two parts that share none, both wi"),
    ],
)
def test_validations_that_cannot_be_are_refused(validation, groups, error, text):
    X, y = table()
    validation = (X, y) if validation == "own" else validation
    with pytest.raises(error) as caught:
        quick().fit(X, y, validation=validation, groups=groups)
    assert str(caught.value).startswith(text)


# --- what decides ---


@pytest.mark.parametrize("scoring", ["roc_auc", "accuracy", "neg_log_loss", "d2_log_loss_score"])
def test_the_best_epoch_is_the_one_with_the_highest_score(scoring):
    X, y = table()
    X_val, y_val = table(100, seed=1)
    clf = quick(scoring=scoring).fit(X, y, validation=(X_val, y_val))
    scores = [row["validation_score"] for row in clf.history_]
    assert clf.best_epoch_ == 1 + int(np.argmax(scores))
    from sklearn.metrics import get_scorer

    assert scores[clf.best_epoch_ - 1] == pytest.approx(get_scorer(scoring)(clf, X_val, y_val), rel=1e-6)


def test_a_scorer_stops_training_early():
    X, y = table()
    clf = quick(scoring=lambda estimator, X, y: 1.0, patience=3, max_epochs=100).fit(X, y, validation=KFold(5))
    assert (clf.best_epoch_, clf.n_iter_, clf.stop_reason_) == (1, 4, "early stopping")


def test_a_scorer_gets_rows_predictions_and_weights():
    X, y = table()
    X_val, y_val = table(50, seed=1)
    weights = np.random.default_rng(0).uniform(0.5, 1, size=50)
    given = []

    def scorer(estimator, X, y, sample_weight=None):
        given.append((X, y, sample_weight))
        known, computed = estimator.predict_proba(X), estimator.predict_proba(X.copy())
        np.testing.assert_allclose(known, computed, rtol=1e-5)
        return roc_auc_score(y, estimator.predict_proba(X)[:, 1], sample_weight=sample_weight)

    quick(scoring=scorer, max_epochs=2).fit(X, y, validation=(X_val, y_val, weights))
    pd.testing.assert_frame_equal(given[0][0], X_val)
    assert given[0][1].tolist() == y_val.tolist()
    np.testing.assert_allclose(given[0][2], weights / weights.mean())


def test_a_regressors_scorer_sees_the_units_of_the_target():
    X, _ = table()
    y = 1000 + 50 * X["size"]
    model = quick(GlassNetRegressor, scoring="neg_mean_absolute_error", max_epochs=60).fit(X, y, validation=(X, y))
    best = model.history_[model.best_epoch_ - 1]["validation_score"]
    assert best == pytest.approx(-np.abs(model.predict(X) - y).mean(), rel=1e-6)


def test_a_metric_without_weights_is_measured_without():
    X, _ = table()
    largest = make_scorer(lambda y, predicted: -np.abs(y - predicted).max())
    model = quick(GlassNetRegressor, scoring=largest, max_epochs=2)
    model.fit(X, X["size"], sample_weight=np.ones(200), validation=KFold(5))
    assert "validation_score" in model.history_[0]


@pytest.mark.parametrize(
    ("scoring", "error", "text"),
    [
        ("roc", OptionError, 'scoring must be "loss", the name of a scikit-learn scorer, or a function of (estimator'),
        (3, OptionError, 'scoring must be "loss", the name of a scikit-learn scorer, or a function of (estimator, X,'),
        (lambda e, X, y: float("nan"), DataError, "scoring gives nan on the validation rows, by which nothing can be"),
        (lambda e, X, y: "good", OptionError, "scoring must return a number, got 'good'"),
    ],
)
def test_scorers_that_cannot_be_are_refused(scoring, error, text):
    X, y = table()
    with pytest.raises(error) as caught:
        quick(scoring=scoring).fit(X, y)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("kind", "scoring", "said"),
    [
        (GlassNetClassifier, "roc_auc", "multi_class must be in"),
        (GlassNetClassifier, "f1", "Target is multiclass but average='binary'"),
        (GlassNetRegressor, "roc_auc", "GlassNetRegressor has none of the following attributes"),
    ],
)
def test_a_scorer_for_other_targets_is_refused_in_words_of_its_own(kind, scoring, said):
    """In training and when columns are measured by it; here three values."""
    X, _ = table()
    y = np.arange(200) % 3
    with pytest.raises(OptionError, match=f"^scoring does not suit the target: {said}.*, got '{scoring}'. roc_auc and"):
        quick(kind, scoring=scoring).fit(X, y)
    model = quick(kind, max_epochs=1).fit(X, y)
    with pytest.raises(OptionError, match=f"^scoring does not suit the target: {said}"):
        model.importance(X, y, scoring=scoring)


def test_what_a_scorer_of_the_users_own_raises_passes():
    def broken(estimator, X, y):
        raise ValueError("mine")

    X, y = table()
    with pytest.raises(ValueError, match="^mine$"):
        quick(scoring=broken).fit(X, y)


def test_a_splitter_of_groups_without_groups_is_refused_by_the_name_of_the_argument():
    X, y = table()
    with pytest.raises(
        DataError, match="^validation cannot split these rows: The 'groups' parameter should not be None"
    ):
        quick().fit(X, y, validation=GroupKFold(3))


def test_whole_numbers_may_be_written_as_floats():
    X, y = table()
    model = quick(folds=3.0, members=2.0, retries=1.0, max_epochs=1.0).fit(X, y)
    assert [model.settings_[name] for name in ("folds", "members", "retries", "max_epochs")] == [3, 2, 1, 1]
    assert all(type(model.settings_[name]) is int for name in ("folds", "members", "retries", "max_epochs"))
    assert np.array_equal(model.member(1.0).predict_proba(X), model.member(1).predict_proba(X))


def test_a_scorer_needs_rows_to_validate_on():
    X, y = table()
    with pytest.raises(OptionError, match="^scoring needs rows to validate on, got 'accuracy'"):
        quick(scoring="accuracy", early_stopping=False).fit(X, y)


# --- refit ---


def epochs_of_refit(clf):
    """1.3 for each that was best, rounded, at most max_epochs."""
    return min(round(1.3 * clf.best_epoch_), clf.settings_["max_epochs"])


def test_refit_trains_on_all_rows_for_more_epochs_than_were_best():
    X, y = table()
    options = {"schedule": "constant", "batch_size": 32}
    clf = quick(refit=True, max_epochs=60, patience=5, **options).fit(X, y)
    assert clf.best_epoch_ < clf.n_iter_  # the history is that of the first training
    alone = quick(early_stopping=False, max_epochs=epochs_of_refit(clf), **options).fit(X, y)
    assert clf.network_.params.tobytes() == alone.network_.params.tobytes()


def test_a_schedule_is_laid_out_over_the_same_epochs_in_refit():
    X, y = table()
    rates = []
    clf = quick(refit=True, schedule=lambda step: rates.append(step) or 1.0, max_epochs=30, patience=5).fit(X, y)
    assert clf.settings_["max_epochs"] == 30
    assert clf.settings_["refit"] is True


def test_refit_takes_the_rows_of_the_users_validation_set_too():
    X, y = table()
    X_val, y_val = table(100, seed=1)
    options = {"schedule": "constant", "batch_size": 32, "input_scaling": "none"}
    numbers, numbers_val = X[["size"]], X_val[["size"]]
    clf = quick(refit=True, **options).fit(numbers, y, validation=(numbers_val, y_val))
    both = pd.concat([numbers, numbers_val], ignore_index=True), np.concatenate([y, y_val])
    alone = quick(early_stopping=False, **options).set_params(max_epochs=epochs_of_refit(clf)).fit(*both)
    assert clf.network_.params.tobytes() == alone.network_.params.tobytes()


@pytest.mark.parametrize("options", [{}, {"class_weight": {"yes": 3.0}}], ids=["of rows", "and of classes"])
def test_refit_weighs_both_sets_in_the_same_units(options):
    X, y = table()
    X_val, y_val = table(100, seed=1)
    rng = np.random.default_rng(2)
    weights, weights_val = rng.uniform(1, 2, size=200), rng.uniform(10, 20, size=100)  # ten times as much
    options = {"schedule": "constant", "batch_size": 32, "input_scaling": "none", **options}
    numbers, numbers_val = X[["size"]], X_val[["size"]]
    both = pd.concat([numbers, numbers_val], ignore_index=True), np.concatenate([y, y_val])
    for given, given_val in ((weights, weights_val), (None, weights_val), (weights, None)):
        clf = quick(refit=True, **options)
        clf.fit(numbers, y, sample_weight=given, validation=(numbers_val, y_val, given_val))
        ones = [np.ones(n) if part is None else part for n, part in ((200, given), (100, given_val))]
        alone = quick(early_stopping=False, **options).set_params(max_epochs=epochs_of_refit(clf))
        alone.fit(*both, sample_weight=np.concatenate(ones))
        np.testing.assert_allclose(clf.predict_proba(numbers), alone.predict_proba(numbers), rtol=1e-4)


def test_refit_without_validation_rows_is_fit():
    X, y = table()
    options = {"early_stopping": False, "max_epochs": 3}
    same = quick(refit=True, **options).fit(X, y).network_.params, quick(**options).fit(X, y).network_.params
    assert same[0].tobytes() == same[1].tobytes()


def test_an_interrupted_fit_is_not_trained_anew():
    import signal

    X, y = table()
    pressed = [lambda row: signal.raise_signal(signal.SIGINT) if row["epoch"] == 2 else None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf = quick(refit=True, callbacks=pressed, max_epochs=100).fit(X, y)
    assert clf.stop_reason_ == "interrupted"
    assert len(clf.history_) == 2


def test_choices_of_validation_are_kept_in_a_model_file(tmp_path):
    X, y = table()
    clf = quick(scoring="roc_auc", refit=True).fit(X, y)
    clf.save(tmp_path / "model.glassnet")
    loaded = glassnet.load(tmp_path / "model.glassnet")
    assert loaded.settings_ == clf.settings_
    assert loaded.history_[0]["validation_score"] == clf.history_[0]["validation_score"]


def test_a_refit_that_time_cuts_short_leaves_the_first_weights():
    X, y = table()
    first = quick(time_limit=1e6).fit(X, y)
    seen = []

    def slow(row):
        seen.append(row["epoch"])
        if row["epoch"] == 12:
            time.sleep(0.5)  # the first training ends, its time used up but for a moment

    clf = quick(refit=True, time_limit=0.5, callbacks=[slow]).fit(X, y)
    assert seen == list(range(1, 13))
    assert clf.stop_reason_ == "time limit"
    assert clf.network_.params.tobytes() == first.network_.params.tobytes()


def test_scales_are_learned_from_the_rows_held_out_too_but_not_from_a_set_of_ones_own():
    rng = np.random.default_rng(0)
    X, y = {"a": np.r_[rng.normal(size=99), 1000.0], "b": ["u", "v"] * 49 + ["w", "w"]}, np.r_[np.zeros(99), 100.0]
    other = {"a": np.full(20, 5e6), "b": ["other"] * 20}
    options = {"hidden_layer_sizes": (4,), "max_epochs": 1, "input_scaling": "standard", "random_state": 0}
    for validation in (None, "last", (other, np.full(20, 7e6))):
        model = GlassNetRegressor(early_stopping=True, **options).fit(X, y, validation=validation)
        numbers, levels = model.encoder_.kinds_
        assert (numbers.centre, numbers.scale) == pytest.approx((X["a"].mean(), X["a"].std()))
        assert levels.levels == ("u", "v", "w")
        assert (model._targets.centre[0], model._targets.scale[0]) == pytest.approx((y.mean(), y.std()))
