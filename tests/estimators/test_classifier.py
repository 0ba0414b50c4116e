"""GlassNetClassifier: tasks, labels, probabilities, and what it refuses."""

import datetime
import enum
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import accuracy_score

from glassnet import GlassNetClassifier, custom_loss, load, softmax
from glassnet.errors import DataError, OneHotWarning, OptionError
from glassnet.estimators.classifier import accuracy


def clouds(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = np.vstack([rng.normal(size=(n, 2)) + centre for centre in ([0, -2], [2, 2], [-2, 2])])
    return X, np.repeat(["south", "east", "west"], n)


def quick(**options):
    return GlassNetClassifier((8,), preset="plain", max_epochs=30, learning_rate=0.02, random_state=0, **options)


def test_three_clouds_are_told_apart_and_labels_come_back_as_they_went_in():
    X, y = clouds()
    clf = quick().fit(X, y)
    assert clf.classes_.tolist() == ["east", "south", "west"]
    assert clf.score(*clouds(200, seed=1)) > 0.93  # the nearest-mean rule reaches about 0.96
    P = clf.predict_proba(X)
    assert P.dtype == np.float64
    assert P.shape == (180, 3)
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-12)
    assert np.array_equal(clf.predict(X), clf.classes_[P.argmax(axis=1)])


def test_logarithms_of_probabilities_are_finite_where_a_float_has_no_such_probability():
    X, y = clouds()
    clf = quick().fit(X, y)
    np.testing.assert_allclose(np.exp(clf.predict_log_proba(X)), clf.predict_proba(X), rtol=1e-12)
    clf.network_.params = clf.network_.params * 1e4  # scores thousands apart
    logs = clf.predict_log_proba(X)
    assert clf.predict_proba(X).min() == 0
    assert logs.max() == 0
    assert logs.min() == -1022 * np.log(2)  # of the smallest normal float64, 2^-1022


def test_two_classes_train_one_output_node():
    X, y = clouds()
    two = y != "west"
    clf = quick().fit(X[two], y[two])
    assert clf.network_.n_outputs == 1
    assert clf.network_.loss.name == "binary_cross_entropy"
    P = clf.predict_proba(X)
    assert P.shape == (180, 2)
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-12)


def test_two_classes_can_have_a_node_each_on_request():
    X, y = clouds()
    two = y != "west"
    clf = quick(loss="cross_entropy").fit(X[two], y[two])
    assert clf.network_.n_outputs == 2
    assert clf.score(X[two], y[two]) > 0.9


@pytest.mark.parametrize(
    "labels", [[0, 1, 2], [-3, 7, 12], [1.0, 2.0, 3.0], ["a", "b", "c"], [b"a", b"b", b"c"]], ids=str
)
def test_labels_of_any_kind_are_classes(labels):
    X, y = clouds()
    codes = np.unique(y, return_inverse=True)[1]
    clf = quick().fit(X, np.array(labels)[codes])
    assert clf.classes_.tolist() == labels
    assert set(clf.predict(X).tolist()) <= set(labels)


def test_booleans_are_two_classes():
    X, y = clouds()
    clf = quick().fit(X, y == "south")
    assert clf.classes_.tolist() == [False, True]
    assert clf.predict(X).dtype == bool


def test_the_history_has_a_row_an_epoch_with_loss_accuracy_rate_and_seconds():
    X, y = clouds()
    clf = quick().fit(X, y)
    assert clf.n_iter_ == len(clf.history_)
    assert set(clf.history_[0]) == {
        *("epoch", "step", "loss", "validation_loss", "validation_accuracy", "learning_rate", "seconds")
    }
    assert [row["epoch"] for row in clf.history_] == list(range(1, clf.n_iter_ + 1))
    losses = [row["validation_loss"] for row in clf.history_]
    assert clf.best_epoch_ == 1 + int(np.argmin(losses))
    assert clf.loss_curve_ == [row["loss"] for row in clf.history_]
    assert len(clf.history_frame()) == clf.n_iter_


def test_several_labels_a_row_train_a_multilabel_model():
    X, _ = clouds()
    T = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    clf = quick().fit(X, T)
    assert clf.network_.loss.name == "multilabel"
    assert clf.predict(X).shape == T.shape
    assert clf.predict_proba(X).shape == T.shape
    assert clf.score(X, T) > 0.9


def test_a_sparse_matrix_of_labels_is_what_it_is_when_dense():
    X, _ = clouds()
    T = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    dense, sparse = quick().fit(X, T), quick().fit(X, csr_matrix(T))
    np.testing.assert_array_equal(sparse.predict_proba(X), dense.predict_proba(X))
    assert sparse.score(X, csr_matrix(T)) == dense.score(X, T)
    assert sparse.report(X, csr_matrix(T)).to_dict() == dense.report(X, T).to_dict()
    dense, sparse = dense.calibrate(X, T), sparse.calibrate(X, csr_matrix(T))
    np.testing.assert_array_equal(sparse.predict_proba(X), dense.predict_proba(X))
    dense, sparse = quick().partial_fit(X, T), quick().partial_fit(X, csr_matrix(T))
    np.testing.assert_array_equal(sparse.predict_proba(X), dense.predict_proba(X))


def test_a_matrix_that_looks_one_hot_warns_and_names_argmax():
    X, y = clouds()
    T = np.eye(3, dtype=int)[np.unique(y, return_inverse=True)[1]]
    with pytest.warns(OneHotWarning) as caught:
        clf = quick().fit(X, T)
    assert "a multilabel model is trained" in str(caught[0].message)
    assert "T.argmax(axis=1)" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert clf.network_.loss.name == "multilabel"


@pytest.mark.parametrize("labels", [["a", "b", "c"], [0, 1, 2], [1.0, 2.0, 3.0]], ids=str)
@pytest.mark.parametrize("kind", [np.array, list, pd.Series, lambda y: pd.DataFrame({"y": y})])
def test_the_score_is_scikit_learns_accuracy(labels, kind):
    X, y = clouds()
    y = np.array(labels)[np.unique(y, return_inverse=True)[1]]
    clf, weights = quick().fit(X, y), np.arange(180.0)
    assert 0 < clf.score(X, kind(y)) < 1
    assert clf.score(X, kind(y)) == accuracy_score(y, clf.predict(X))
    assert clf.score(X, kind(y), weights) == pytest.approx(accuracy_score(y, clf.predict(X), sample_weight=weights))
    assert clf.score(X[:1], kind(np.array(["never seen"]))) == 0


def test_the_score_of_a_multilabel_model_counts_rows_with_all_labels_right():
    X, _ = clouds()
    T = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    clf = quick().fit(X, T)
    assert clf.score(X, T) == accuracy_score(T, clf.predict(X))
    assert clf.score(X, 1 - T) < 0.1


def test_a_score_refuses_targets_that_do_not_fit_the_table():
    X, y = clouds()
    clf = quick().fit(X, y)
    with pytest.raises(DataError, match="y must have as many rows as X, 180"):
        clf.score(X, y[:-1])
    with pytest.raises(DataError, match=r"y must be labels \(n,\)"):
        clf.score(X, np.eye(180, 3))
    with pytest.raises(DataError, match="sample_weight"):
        clf.score(X, y, np.zeros(180))
    with pytest.raises(DataError, match="must not have missing values"):
        clf.score(X, [None, *y[1:]])


def test_accuracy_by_hand():
    T = np.array([[1, 0], [0, 1], [0, 1]])
    Y = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    assert accuracy(T, Y, None) == pytest.approx(2 / 3)
    assert accuracy(T, Y, np.array([1.0, 3.0, 0.0])) == pytest.approx(1 / 4)
    assert accuracy(np.array([[1.0], [0.0]]), np.array([[0.7], [0.6]]), None) == 0.5


def test_label_smoothing_keeps_probabilities_from_the_edges():
    X, y = clouds()
    sharp, smooth = (
        quick(label_smoothing=epsilon, early_stopping=False).fit(X, y).predict_proba(X).max(axis=1)
        for epsilon in (0.0, 0.3)
    )
    # On points far from the others the smoothed loss is lowest at 1 - 0.3 + 0.3 / 3 = 0.8.
    assert abs(np.median(smooth) - 0.8) < 0.05
    assert np.median(sharp) > 0.95


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (["a"] * 4, "y must hold at least 2 classes; there is one class only, got ['a']. "),
        ([0.5, 1.5, 2.0, 3.0], "y must hold classes, not continuous numbers, got 0.5. "),
        ([1.0, np.nan, 0.0, 1.0], "row 2: y must not have missing values, and has 1, the first, got nan. "),
        (["a", None, "b", None], "row 2: y must not have missing values, and has 2, the first, got None. "),
        ([1.0, np.inf, 0.0, 1.0], "row 2: y must not have infinite values, and has 1, the first, got inf. "),
    ],
)
def test_targets_that_cannot_be_classes_are_refused(y, text):
    X = np.arange(8.0).reshape(4, 2)
    with pytest.raises(DataError) as caught:
        GlassNetClassifier().fit(X, pd.Series(y))
    assert str(caught.value).startswith(text)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@pytest.mark.parametrize("make", [list, lambda y: pd.Series(y, dtype=object), lambda y: np.array(y, dtype=object)])
@pytest.mark.parametrize(
    ("labels", "way"),
    [
        ((datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)), "str(label)"),
        ((pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02")), "str(label)"),
        ((Decimal(1), Decimal(2)), "str(label)"),
        ((Colour.RED, Colour.BLUE), "label.name"),
    ],
    ids=["dates", "timestamps", "decimals", "enum"],
)
def test_labels_that_a_model_file_cannot_hold_are_refused_before_training(labels, way, make):
    with pytest.raises(DataError) as caught:
        quick().fit(np.arange(8.0).reshape(4, 2), make(labels * 2))
    assert str(caught.value) == (
        f"row 1: y must hold labels that are texts, bytes, whole numbers or truth values, got {labels[0]!r}. "
        f"Make texts of them: [{way} for label in y]."
    )
    text = r"^classes must hold labels that are texts, bytes, whole numbers or truth values, got "
    with pytest.raises(DataError, match=text):
        quick().partial_fit([[1.0], [2.0]], ["a", "b"], classes=make(labels))


@pytest.mark.parametrize("make", [list, lambda y: np.array(y, dtype=object)])
def test_labels_of_bytes_are_kept_in_a_model_file(tmp_path, make):
    X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, [b"a", b"a", b"\xe9\x00", b"\xe9\x00"] * 10
    clf = quick(class_weight={b"a": 0.5}).fit(X, make(y))
    clf.save(tmp_path / "m.glassnet")
    model = load(tmp_path / "m.glassnet")
    assert model.classes_.tolist() == clf.classes_.tolist() == [b"a", b"\xe9\x00"]
    assert model.classes_.dtype == clf.classes_.dtype
    assert model.class_weight == clf.class_weight == model.settings_["class_weight"]
    assert model.predict(X[:4]).tolist() == y[:4]


def test_labels_that_differ_in_a_nul_at_the_end_stay_apart(tmp_path):
    X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, ["a", "a", "a\0", "a\0"] * 10
    clf = quick().fit(X, y)
    clf.save(tmp_path / "m.glassnet")
    for model in (clf, load(tmp_path / "m.glassnet")):
        assert model.classes_.tolist() == ["a", "a\0"]
        assert model.predict(X[:4]).tolist() == y[:4]
        assert model.score(X, y) == 1


def test_labels_of_several_kinds_are_refused():
    X = np.arange(8.0).reshape(4, 2)
    with pytest.raises(DataError, match=r"^y must hold labels of one kind, got \['int', 'str'\]"):
        GlassNetClassifier().fit(X, np.array([1, "a", 2, "b"], dtype=object))


def test_a_matrix_of_other_values_than_0_and_1_is_refused():
    X = np.arange(8.0).reshape(4, 2)
    with pytest.raises(DataError, match="^y must be labels"):
        GlassNetClassifier().fit(X, np.arange(8).reshape(4, 2))


def test_no_target_is_refused_in_scikit_learns_words():
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        GlassNetClassifier().fit(np.ones((4, 2)), None)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "hinge"])
def test_a_loss_for_another_task_is_refused(loss):
    X, y = clouds(5)
    with pytest.raises(OptionError, match=r"^loss must be one of .*'cross_entropy'"):
        quick(loss=loss).fit(X, y)


def test_a_validation_label_that_training_did_not_have_is_refused_with_its_row():
    X, y = clouds()
    with pytest.raises(DataError) as caught:
        quick().fit(X, y, validation=(X[:3], ["east", "north", "west"]))
    assert str(caught.value) == "row 2: y must hold the classes of training, 'east', 'south', 'west', got 'north'"


def test_a_class_of_one_row_trains():
    X, y = clouds(30)
    y[0] = "rare"
    assert "rare" in quick().fit(X, y).classes_


def test_a_loss_of_ones_own_sees_one_hot_targets():
    X, y = clouds()
    brier = custom_loss(
        lambda Z, T: (softmax(Z) - T) ** 2,
        lambda Z, T: 2 * softmax(Z) * ((softmax(Z) - T) - ((softmax(Z) - T) * softmax(Z)).sum(axis=-1, keepdims=True)),
        output=softmax,
    )
    clf = quick(loss=brier).fit(X, y)
    assert clf.score(X, y) > 0.9
    assert quick(loss=brier).fit(X, y == "east").network_.n_outputs == 2


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (
            np.array(["2024-01-01", "NaT"] * 2, dtype="datetime64[D]"),
            "y must hold numbers or labels, got 'datetime64[D]'. ",
        ),
        (np.arange(4) + 1j, "y must be real: Complex data not supported, got 'complex128'. Predict real and"),
        (pd.array([None, True, False, True], dtype="boolean"), "row 1: y must not have missing values, and has 1"),
    ],
    ids=["dates", "complex", "nullable"],
)
def test_odd_targets_are_refused(y, text):
    with pytest.raises(DataError) as caught:
        quick().fit(np.arange(8.0).reshape(4, 2), y)
    assert str(caught.value).startswith(text)
