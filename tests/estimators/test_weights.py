"""Weights of rows and of classes, wherever they are taken."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import DataError, OptionError
from glassnet.estimators.class_weights import balanced_weights


def uneven(n=200, seed=0):
    """Two overlapping classes, one row in ten "rare"."""
    rng = np.random.default_rng(seed)
    y = np.where(np.arange(n) % 10 == 0, "rare", "usual")
    return rng.normal(size=(n, 2)) + (y == "rare")[:, None], y


def quick(kind=GlassNetClassifier, **options):
    return kind(**{"hidden_layer_sizes": (8,), "max_epochs": 20, "learning_rate": 0.02, "random_state": 0, **options})


def test_balanced_weights_by_hand():
    codes = np.array([0, 0, 0, 1])  # W = 4, K = 2: 4 / (2 · 3) and 4 / (2 · 1)
    np.testing.assert_allclose(balanced_weights(codes, 2), [2 / 3, 2])
    weighted = balanced_weights(codes, 2, np.array([1.0, 1.0, 1.0, 3.0]))  # W = 6, each class weighs 3
    np.testing.assert_allclose(weighted, [1, 1])
    np.testing.assert_allclose(balanced_weights(codes, 3), [4 / 9, 4 / 3, 0])


def test_balanced_classes_weigh_the_same_in_training():
    X, y = uneven()
    clf = quick(class_weight="balanced", early_stopping=False).fit(X, y)
    by_hand = quick(early_stopping=False).fit(X, y, sample_weight=np.where(y == "rare", 5.0, 5 / 9))
    np.testing.assert_allclose(clf.predict_proba(X), by_hand.predict_proba(X), rtol=1e-5)
    assert (clf.predict(X) == "rare").sum() > 3 * (quick(early_stopping=False).fit(X, y).predict(X) == "rare").sum()


def test_a_dict_weighs_the_classes_it_names_and_multiplies_the_rows_weights():
    X, y = uneven()
    rows = np.random.default_rng(1).uniform(0.5, 2, size=len(y))
    clf = quick(class_weight={"rare": 4}, early_stopping=False).fit(X, y, sample_weight=rows)
    by_hand = quick(early_stopping=False).fit(X, y, sample_weight=rows * np.where(y == "rare", 4, 1))
    np.testing.assert_allclose(clf.predict_proba(X), by_hand.predict_proba(X), rtol=1e-5)


@pytest.mark.parametrize("options", [{"early_stopping": True}, {"early_stopping": False}, {"refit": True}])
def test_weights_of_very_different_sizes_are_taken_as_they_are(options):
    """Rows that weigh next to nothing are like rows of weight 0: the network is that of the others."""
    X, y = uneven()
    small = np.arange(200) % 2 == 1
    weights = np.where(small, 1e-60, 1.0)
    rows = np.flatnonzero(~small)
    validation = (X[rows], y[rows])
    fits = {"input_scaling": "none", "batch_size": "full", **options}
    clf = quick(**fits).fit(X, y, sample_weight=weights, validation=validation)
    alone = quick(**fits).fit(X[rows], y[rows], validation=validation)
    np.testing.assert_allclose(clf.predict_proba(X), alone.predict_proba(X), rtol=1e-4)
    held_out = quick(folds=1).fit(X, y, sample_weight=weights)  # 40 rows, of each class its share, small or not
    assert held_out.history_[0]["step"] == -(-160 // held_out.settings_["batch_size"])


@pytest.mark.parametrize("size", [1e308, 1e-300])
def test_weights_of_classes_count_in_proportion_whatever_their_size(size):
    X, y = uneven()
    clf = quick(class_weight={"rare": size, "usual": size / 4}).fit(X, y)
    by_hand = quick(class_weight={"rare": 1, "usual": 0.25}).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X), by_hand.predict_proba(X), rtol=1e-5)


def test_validation_rows_have_their_classes_weights_too():
    X, y = uneven()
    options = {"class_weight": {"rare": 5.0}, "max_epochs": 3}
    clf = quick(**options).fit(X, y, validation=(X, y))
    P = clf.predict_proba(X)[np.arange(len(y)), (y == "usual").astype(int)]
    loss = np.average(-np.log(P), weights=np.where(y == "rare", 5.0, 1.0))
    assert clf.history_[clf.best_epoch_ - 1]["validation_loss"] == pytest.approx(loss, rel=1e-5)


def test_a_class_of_weight_zero_is_known_and_never_trained():
    X, y = uneven()
    clf = quick(class_weight={"rare": 0}).fit(X, y)
    assert clf.classes_.tolist() == ["rare", "usual"]
    assert clf.predict_proba(X)[:, 0].max() < 0.5
    with pytest.raises(DataError, match="^class_weight leaves no row: every class that has rows weighs nothing"):
        quick(class_weight={"rare": 0, "usual": 0}).fit(X, y)


def test_weights_of_a_validation_set_count_in_its_loss():
    X, y = uneven()
    weights = np.random.default_rng(2).uniform(0, 3, size=len(y))
    clf = quick().fit(X, y, validation=(X, y, weights))
    P = clf.predict_proba(X)[np.arange(len(y)), (y == "usual").astype(int)]
    best = clf.history_[clf.best_epoch_ - 1]
    assert best["validation_loss"] == pytest.approx(np.average(-np.log(P), weights=weights), rel=1e-5)
    right = np.average(clf.predict(X) == y, weights=weights)
    assert best["validation_accuracy"] == pytest.approx(right, rel=1e-6)


def test_scores_take_weights():
    X, y = uneven()
    weights = np.random.default_rng(3).uniform(0, 3, size=len(y))
    clf = quick().fit(X, y)
    assert clf.score(X, y, weights) == accuracy_score(y, clf.predict(X), sample_weight=weights)
    model = quick(GlassNetRegressor).fit(X, X[:, 0])
    assert model.score(X, X[:, 0], weights) == r2_score(X[:, 0], model.predict(X), sample_weight=weights)


@pytest.mark.parametrize(
    ("class_weight", "text"),
    [
        ("equal", "class_weight must be None, \"balanced\" or a dict of labels and weights, got 'equal'"),
        ([1, 2], 'class_weight must be None, "balanced" or a dict of labels and weights, got [1, 2]'),
        ({"rare": -1}, "class_weight must be at least 0, for the class 'rare', got -1"),
        ({"rare": "much"}, "class_weight must be at least 0, for the class 'rare', got 'much'"),
        (
            {"rarer": 2.0},
            "class_weight must name classes of y, which are 'rare', 'usual', got 'rarer'. Did you mean rare?",
        ),
    ],
)
def test_weights_of_classes_that_cannot_be_are_refused(class_weight, text):
    with pytest.raises(OptionError) as caught:
        quick(class_weight=class_weight).fit(*uneven())
    assert str(caught.value) == text


def test_only_classes_that_exclude_each_other_have_weights():
    X, _ = uneven()
    T = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    with pytest.raises(OptionError, match="^class_weight is for classes that exclude each other, got 'balanced'"):
        quick(class_weight="balanced").fit(X, T)
    with pytest.raises(OptionError, match="^class_weight is for classes that exclude each other"):
        quick(GlassNetRegressor, class_weight="balanced").fit(X, X[:, 0])


@pytest.mark.parametrize("labels", [["rare", "usual"], [0, 1], [False, True]], ids=str)
def test_weights_of_classes_are_kept_in_a_model_file(tmp_path, labels):
    X, y = uneven()
    y = np.where(y == "rare", *np.array(labels))
    clf = quick(class_weight={labels[0]: 3.0}, max_epochs=2).fit(X, y)
    clf.save(tmp_path / "model.glassnet")
    loaded = glassnet.load(tmp_path / "model.glassnet")
    assert loaded.get_params()["class_weight"] == {labels[0]: 3.0}
    assert loaded.fit(X, y).network_.params.tobytes() == clf.network_.params.tobytes()


def test_a_validation_set_of_ones_own_is_balanced_within_itself():
    X, y = uneven()
    X_val, y_val = uneven(50, seed=1)
    rows = np.r_[0:30, 40]  # of other shares than in training
    X_val, y_val = X_val[rows], y_val[rows]
    clf = quick(class_weight="balanced").fit(X, y, validation=(X_val, y_val))
    P = clf.predict_proba(X_val)[np.arange(len(y_val)), np.searchsorted(clf.classes_, y_val)]
    by_class = [-np.log(P[y_val == label]).mean() for label in clf.classes_]
    assert clf.history_[clf.best_epoch_ - 1]["validation_loss"] == pytest.approx(np.mean(by_class), rel=1e-5)
