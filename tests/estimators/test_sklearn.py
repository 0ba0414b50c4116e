"""scikit-learn's manners: its own checks, its tools around the estimators, partial_fit, metadata routing, callbacks."""

import importlib.util
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import DataConversionWarning
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import DataError, OptionError
from glassnet.estimators import CHECKS_NOT_PASSED

VARIANTS = [
    kind(dtype=dtype, engine=engine)
    for kind in (GlassNetClassifier, GlassNetRegressor)
    for dtype in ("float32", "float64")
    for engine in ("reference", "compiled")
]


def clouds(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = np.vstack([rng.normal(size=(n, 2)) + centre for centre in ([0, -2], [2, 2], [-2, 2])])
    y = np.repeat(["south", "east", "west"], n)
    order = rng.permutation(3 * n)
    return X[order], y[order]


def quick(kind=GlassNetClassifier, **options):
    return kind(
        **{
            "hidden_layer_sizes": (8,),
            "max_epochs": 30,
            "learning_rate": 0.02,
            "random_state": 0,
            "preset": "plain",
            **options,
        }
    )


# --- its own checks ---


@parametrize_with_checks(VARIANTS, expected_failed_checks=lambda estimator: CHECKS_NOT_PASSED)
@pytest.mark.filterwarnings("default")
def test_a_check_of_scikit_learn_passes(estimator, check):
    check(estimator)


def test_the_exceptions_are_checks_that_exist_each_with_a_reason():
    names = {check.func.__name__ for _, check in estimator_checks_generator(GlassNetClassifier())}
    sparse = "check_sample_weight_equivalence_on_sparse_data"  # yielded only where sparse tables are taken
    assert set(CHECKS_NOT_PASSED) - {sparse} <= names
    assert all(len(reason) > 80 for reason in CHECKS_NOT_PASSED.values())


@pytest.mark.parametrize("kind", [GlassNetClassifier, GlassNetRegressor])
def test_weights_are_repeated_rows_to_full_batches(kind):
    """The exception made good, part one: with one batch and nothing that looks at numbers of rows it is exact."""
    rng = np.random.default_rng(0)
    X, sw = rng.normal(size=(60, 3)), rng.integers(1, 5, size=60)
    y = (X[:, 0] > 0).astype(int) if kind is GlassNetClassifier else X[:, 0] ** 2
    options = {"input_scaling": "none", "batch_size": "full", "early_stopping": False, "dtype": "float64"}
    options |= {} if kind is GlassNetClassifier else {"target_scaling": "none"}
    weighted = quick(kind, **options).fit(X, y, sample_weight=sw)
    repeated = quick(kind, **options).fit(X.repeat(sw, axis=0), y.repeat(sw))
    np.testing.assert_allclose(weighted.network_.params, repeated.network_.params, atol=1e-9)


def test_weights_are_nearly_repeated_rows_to_mini_batches_on_average():
    """Part two: the mean over 30 seeds of fits with weights, and of fits with the rows repeated.

    They differ by no more than a tenth of what ignoring the weights would change, beside 4 standard errors of the means
    (which come by chance about once in 4,000 tests of four points). Not by nothing: a step divides by the weight of its
    own batch, and the mean of such ratios is not the ratio of the means, by a share of about 1/(rows in a batch).
    """
    rng = np.random.default_rng(1)
    X, sw = rng.normal(size=(120, 2)), rng.choice([1, 4], size=120)
    y = X[:, 0] + (sw == 4) + 0.5 * rng.normal(size=120)  # which of the two weights a row has matters
    points = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 1.0], [0.5, -1.0]])
    options = {"early_stopping": False, "input_scaling": "none", "target_scaling": "none", "batch_size": 32}

    def predictions(X, y, epochs, sample_weight=None):
        model = quick(GlassNetRegressor, **options, max_epochs=epochs, hidden_layer_sizes=())
        fits = (clone(model).set_params(random_state=s).fit(X, y, sample_weight=sample_weight) for s in range(30))
        return np.array([fitted.predict(points) for fitted in fits])

    repeated = predictions(X.repeat(sw, axis=0), y.repeat(sw), 40)
    weighted, plain = predictions(X, y, 100, sw), predictions(X, y, 100)
    error = np.sqrt((weighted.var(axis=0) + repeated.var(axis=0)) / 30)
    effect = np.abs(plain.mean(axis=0) - repeated.mean(axis=0))
    assert np.all(np.abs(weighted.mean(axis=0) - repeated.mean(axis=0)) < 0.1 * effect + 4 * error)
    assert np.all(error < 0.05 * effect)


def test_a_column_vector_of_labels_warns_in_scikit_learns_words():
    X, y = clouds()
    with pytest.warns(DataConversionWarning, match="^A column-vector y was passed when a 1d array was expected"):
        clf = quick(max_epochs=1).fit(X, y[:, None])
    assert clf.predict(X).shape == (180,)


def test_tags_tell_what_the_estimators_take():
    tags = get_tags(GlassNetClassifier())
    assert is_classifier(GlassNetClassifier())
    assert is_regressor(GlassNetRegressor())
    assert tags.classifier_tags.multi_label
    assert tags.input_tags.allow_nan
    assert tags.input_tags.categorical
    assert tags.input_tags.string
    assert get_tags(GlassNetRegressor()).target_tags.multi_output


# --- its tools ---


def test_a_grid_search_finds_the_better_option():
    X, y = clouds()
    search = GridSearchCV(quick(), {"learning_rate": [1e-6, 0.02], "hidden_layer_sizes": [(8,)]}, cv=3).fit(X, y)
    assert search.best_params_["learning_rate"] == 0.02
    assert search.score(*clouds(seed=1)) > 0.93


def test_a_pipeline_passes_weights_on_and_scores():
    X, y = clouds()
    model = make_pipeline(StandardScaler(), quick())
    model.fit(X, y, glassnetclassifier__sample_weight=np.ones(len(y)))
    assert model.score(X, y, sample_weight=np.ones(len(y))) > 0.93


def test_calibrated_classifier_cv_wraps_a_classifier():
    X, y = clouds()
    P = CalibratedClassifierCV(quick(), cv=3, method="sigmoid").fit(X, y).predict_proba(X)
    np.testing.assert_allclose(P.sum(axis=1), 1)


def test_permutation_importance_and_partial_dependence_see_the_column_that_counts():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"signal": rng.normal(size=300), "noise": rng.normal(size=300)})
    model = quick(GlassNetRegressor).fit(X, 3 * X["signal"])
    result = permutation_importance(model, X, 3 * X["signal"], n_repeats=3, random_state=0)
    assert result.importances_mean[0] > 1 > 0.05 > result.importances_mean[1]
    grid = partial_dependence(model, X, features=["signal"], grid_resolution=5)
    slopes = np.diff(grid["average"][0]) / np.diff(grid["grid_values"][0])
    np.testing.assert_allclose(slopes, 3, atol=0.5)


def test_cross_validation_in_two_processes_gives_the_scores_of_one():
    X, y = clouds()
    one, two = (cross_val_score(quick(max_epochs=3), X, y, cv=3, n_jobs=jobs) for jobs in (1, 2))
    assert one.tolist() == two.tolist()


def test_clone_and_pickle_keep_what_belongs_to_them():
    X, y = clouds()
    clf = quick(class_weight={"south": 2.0}, scoring="accuracy", refit=True).fit(X, y)
    assert clone(clf).get_params() == clf.get_params()
    again = pickle.loads(pickle.dumps(clf))
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_metadata_routing_carries_weights_and_groups_to_fit():
    X, y = clouds()
    weights = np.where(y == "south", 0.0, 1.0)  # a row of weight 0 is left out: its class is not known then
    with sklearn.config_context(enable_metadata_routing=True):
        clf = quick(max_epochs=2).set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        done = cross_validate(clf, X, y, cv=2, params={"sample_weight": weights}, return_estimator=True)
        assert [fitted.classes_.tolist() for fitted in done["estimator"]] == [["east", "west"]] * 2
        routed = quick().set_fit_request(groups=True, validation=False).get_metadata_routing()
        assert routed.fit.requests["groups"] is True
        quick().set_partial_fit_request(classes=True, sample_weight=True)


# --- partial_fit ---


def test_partial_fit_learns_in_parts_what_fit_learns_at_once():
    X, y = clouds(200)
    clf = quick()
    for _ in range(10):
        for part in np.array_split(np.arange(600), 4):
            clf.partial_fit(X[part], y[part], classes=["east", "south", "west"])
    assert clf.score(*clouds(200, seed=1)) > 0.93
    assert clf.n_iter_ == 40
    assert [row["epoch"] for row in clf.history_] == list(range(1, 41))


def test_partial_fit_on_the_same_rows_is_fit_epoch_by_epoch():
    X, y = clouds()
    options = {"schedule": "constant", "early_stopping": False, "batch_size": 32, "dropout": 0.2}
    whole = quick(**options, max_epochs=5).fit(X, y)
    parts = quick(**options)
    for _ in range(5):
        parts.partial_fit(X, y, classes=np.unique(y))
    # Order of rows, dropout masks and Adam's moments go on: the same steps, to the bit.
    assert parts.network_.params.tobytes() == whole.network_.params.tobytes()
    assert parts.loss_curve_ == whole.loss_curve_


def test_partial_fit_goes_on_after_a_pickle():
    X, y = clouds()
    one, two = (quick().partial_fit(X, y, np.unique(y)) for _ in range(2))
    two = pickle.loads(pickle.dumps(two))
    assert np.array_equal(one.partial_fit(X, y).coefs_[0], two.partial_fit(X, y).coefs_[0])


def test_partial_fit_of_several_labels_reaches_what_fit_does():
    X, _ = clouds(200)
    T = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    clf = quick()
    for _ in range(20):
        clf.partial_fit(X, T, classes=[0, 1])
    assert clf.score(X, T) > 0.95
    assert clf.predict(X).shape == T.shape
    clf.partial_fit(X, T, classes=["right", "up"])  # names count for nothing here, their number does
    with pytest.raises(DataError, match="^classes must name a label for each of 2 columns of y, got 3"):
        clf.partial_fit(X, T, classes=[0, 1, 2])


def test_partial_fit_of_a_regressor_counts_weights():
    X = np.array([[0.0], [1e-9]])
    y, weights = np.array([0.0, 1.0]), np.array([1.0, 3.0])
    model = quick(GlassNetRegressor, hidden_layer_sizes=(), input_scaling="none", optimizer="gradient_descent")
    model.set_params(learning_rate=0.2, target_scaling="none", batch_size="full")
    for _ in range(100):
        model.partial_fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(model.predict(X), 0.75, atol=1e-6)  # (1 · 0 + 3 · 1) / 4


def test_partial_fit_goes_on_with_another_optimiser():
    X = np.linspace(-1, 1, 40)[:, None]
    model, one_only = (GlassNetRegressor((), optimizer=name, random_state=0) for name in ("adam", "momentum"))
    one_only.partial_fit(X, X[:, 0])
    model.partial_fit(X, X[:, 0])
    model.network_.params = one_only.network_.params
    one_only.__dict__.pop("_steps")  # as after fit: new moments
    one_only.partial_fit(X, X[:, 0])
    model.set_params(optimizer="momentum", learning_rate=one_only.settings_["learning_rate"]).partial_fit(X, X[:, 0])
    assert model.network_.params.tobytes() == one_only.network_.params.tobytes()


def test_partial_fit_of_several_labels_says_what_classes_must_be():
    X, Y = np.linspace(-1, 1, 8)[:, None], np.tile([[0, 1], [1, 1]], (4, 1))
    for classes in (5, [0, 1, 2]):
        value = 5 if classes == 5 else 3
        with pytest.raises(DataError, match=rf"^classes must name a label for each of 2 columns of y, got {value}$"):
            GlassNetClassifier(max_epochs=1).partial_fit(X, Y, classes=classes)


def test_the_first_partial_fit_needs_all_classes():
    X, y = clouds()
    with pytest.raises(DataError, match="^classes must be passed on the first call to partial_fit"):
        quick().partial_fit(X, y)
    with pytest.raises(DataError, match="^classes must hold at least 2 classes"):
        quick().partial_fit(X, y, classes=["south"])
    with pytest.raises(DataError, match="y must hold the classes of training, 'east', 'south', got 'west'"):
        quick().partial_fit(X, y, classes=["south", "east"])
    clf = quick().partial_fit(X, y, classes=["south", "east", "west"])
    with pytest.raises(DataError, match=r"^classes must be the classes of the first call, or None, got \['a', 'b'\]"):
        clf.partial_fit(X, y, classes=["a", "b"])


@pytest.mark.parametrize(
    "options", [{"optimizer": "lbfgs"}, {"class_weight": "balanced"}, {"calibration": "temperature"}]
)
def test_partial_fit_refuses_what_needs_all_rows(options):
    X, y = clouds()
    argument = next(iter(options))
    with pytest.raises(OptionError, match=f"^{argument} cannot be had with partial_fit, got "):
        quick(**options).partial_fit(X, y, classes=np.unique(y))


def test_an_unseen_category_in_a_later_part_is_no_error():
    X = pd.DataFrame({"colour": ["red", "green"] * 20, "size": np.arange(40.0)})
    model = quick(GlassNetRegressor).partial_fit(X, X["size"])
    model.partial_fit(X.assign(colour="blue"), X["size"])
    assert np.isfinite(model.predict(X.assign(colour="violet"))).all()


# --- callbacks ---

with_callbacks = pytest.mark.skipif(
    importlib.util.find_spec("sklearn.callback") is None, reason="scikit-learn before 1.9 has no callbacks"
)


class Log:
    """A callback of scikit-learn's protocol that writes down what it is told, and stops after `last` epochs."""

    def __init__(self, last=None):
        self.told, self.last, self.scores = [], last, []

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.told.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.told.append(f"end {context.task_name} {context.task_id}")
        if context.task_name == "epoch":
            self.scores.append(fitted_estimator.score(X, y))
            return self.last is not None and context.task_id + 1 >= self.last
        return False


@with_callbacks
@pytest.mark.parametrize("way", ["set_callbacks", "callbacks"])
def test_callbacks_see_every_epoch_and_can_stop(way):
    X, y = clouds()
    log = Log(last=3)
    clf = quick().set_callbacks(log) if way == "set_callbacks" else quick(callbacks=[log])
    clf.fit(X, y)
    assert log.told == [
        *("setup", "begin fit 0"),
        *(text for i in range(3) for text in (f"begin epoch {i}", f"end epoch {i}")),
        *("end fit 0", "teardown"),
    ]
    assert clf.stop_reason_ == "callback"
    assert clf.n_iter_ == 3
    quick().fit(X, y)  # of another estimator: it is not told
    assert len(log.told) == 10


@with_callbacks
def test_a_callback_scores_the_network_as_it_is_after_each_epoch():
    X, y = clouds()
    log = Log()
    clf = quick(callbacks=[log], max_epochs=5, early_stopping=False).fit(X, y)
    assert len(log.scores) == 5
    assert log.scores[-1] == clf.score(X, y)
    assert log.scores[0] < log.scores[-1]


@with_callbacks
def test_a_callback_is_torn_down_when_fit_fails():
    X, y = clouds()
    log = Log()
    with pytest.raises(DataError):
        quick(callbacks=[log]).fit(X, np.zeros(len(y)))
    assert log.told[-1] == "teardown"


@with_callbacks
def test_scoring_monitor_and_progress_bar_follow_a_fit_and_a_search(capsys):
    from sklearn.callback import ProgressBar, ScoringMonitor

    X, y = clouds()
    monitor = ScoringMonitor(scoring="accuracy")
    clf = quick(max_epochs=4, early_stopping=False).set_callbacks(monitor, ProgressBar()).fit(X, y)
    rows = monitor.get_logs().data
    scores = [row["accuracy"] for row in rows if row["task_name"] == "epoch"]
    assert len(scores) == 4
    assert scores[-1] == clf.score(X, y)
    search = GridSearchCV(quick(max_epochs=2).set_callbacks(monitor), {"l2": [0.0, 0.1]}, cv=2).fit(X, y)
    assert search.best_score_ > 0
    assert len(monitor.get_logs("all")) > 1


def test_an_object_of_the_protocol_is_refused_where_scikit_learn_has_none(monkeypatch):
    X, y = clouds()
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)  # as if there were none
    monkeypatch.delattr(sklearn, "callback", raising=False)
    with pytest.raises(OptionError, match=r"^callbacks needs scikit-learn 1.9 or later"):
        quick(callbacks=[Log()]).fit(X, y)
    with pytest.raises(OptionError, match=r"^callbacks needs scikit-learn 1.9 or later, got <.*Log object"):
        quick().set_callbacks(Log())
    quick(max_epochs=1).fit(X, y)  # nothing else needs it


@with_callbacks
def test_a_progress_bar_of_a_search_reaches_the_estimators_within(capsys):
    from sklearn.callback import ProgressBar

    X, y = clouds()
    search = GridSearchCV(quick(max_epochs=3, patience=1), {"l2": [0.0, 0.1]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    shown = capsys.readouterr().out
    assert "GridSearchCV" in shown
    assert "GlassNetClassifier" in shown
    assert not hasattr(search.best_estimator_, "_callback_fit_ctx")


def test_hidden_layers_are_features_for_other_estimators():
    X, y = clouds()
    clf = quick(hidden_layer_sizes=(8, 5), normalisation="layer").fit(X, y)
    first, last = clf.hidden(X, 0), clf.hidden(X)
    assert (first.shape, last.shape) == ((180, 8), (180, 5))
    scores = last @ clf.coefs_[-1] + clf.intercepts_[-1]  # the output layer's, whose largest is the predicted class
    assert np.array_equal(clf.classes_[scores.argmax(axis=1)], clf.predict(X))
    with pytest.raises(OptionError, match=r"^layer must be from -2 to 1 \(hidden layers\), got 2"):
        clf.hidden(X, 2)
    for layer in (0.5, None, "last", True):
        with pytest.raises(OptionError, match=rf"^layer must be a whole number, such as -1, got {layer!r}$"):
            clf.hidden(X, layer)
    assert np.array_equal(clf.hidden(X, np.int64(0)), first)
