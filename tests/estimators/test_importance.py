"""Importance of columns: against its definition, against scikit-learn's, and what it prints."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score

from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import DataError, OptionError


def table(n=400, seed=0):
    """y depends on a category and on one number; a second number is noise, a third column is constant."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "noise": rng.normal(size=n),
            "colour": rng.choice(["red", "green", "blue"], size=n),
            "size": rng.normal(size=n),
            "constant": np.ones(n),
        }
    )
    return X, 3 * X["size"] + 2 * (X["colour"] == "red")


def quick(kind=GlassNetRegressor, **options):
    return kind(
        **{
            "hidden_layer_sizes": (16,),
            "max_epochs": 60,
            "learning_rate": 0.02,
            "random_state": 0,
            "preset": "plain",
            **options,
        }
    )


def test_columns_that_count_fall_and_others_do_not():
    X, y = table()
    found = quick().fit(X, y).importance(*table(seed=1))
    assert found.columns == ["noise", "colour", "size", "constant"]
    fall = dict(zip(found.columns, found.mean, strict=True))
    # Var(y) = 9 + 4 · 2/9; a shuffled column of variance v adds 2 v to the squared error: R² falls by 2 v / Var(y).
    assert fall["size"] == pytest.approx(2 * 9 / (9 + 8 / 9), abs=0.25)
    assert fall["colour"] == pytest.approx(2 * (8 / 9) / (9 + 8 / 9), abs=0.08)
    assert abs(fall["noise"]) < 0.02
    assert fall["constant"] == 0
    assert found.score > 0.98


def test_it_is_the_score_of_a_table_whose_column_was_shuffled():
    """scikit-learn shuffles the table itself. Both are means of 30 shuffles: 4 standard errors at most apart."""
    X, y = table(200)
    clf = quick(GlassNetClassifier).fit(X, y > 0)
    ours = clf.importance(X, y > 0, n_repeats=30)
    theirs = permutation_importance(clf, X, y > 0, n_repeats=30, random_state=0)
    error = np.sqrt((ours.std**2 + theirs.importances_std**2) / 30)
    assert np.all(np.abs(ours.mean - theirs.importances_mean) <= 4 * error + 1e-12)
    assert ours.score == clf.score(X, y > 0)


def test_a_scorer_and_weights_are_used():
    X, y = table(200)
    clf = quick(GlassNetClassifier).fit(X, y > 0)
    weights = np.random.default_rng(0).uniform(size=200)
    found = clf.importance(X, y > 0, sample_weight=weights)
    assert found.score == pytest.approx(accuracy_score(y > 0, clf.predict(X), sample_weight=weights))
    assert clf.importance(X, y > 0, scoring="roc_auc", n_repeats=1).scoring == "roc_auc"
    seen = []

    def rows(estimator, X, y):
        seen.append(X)
        return estimator.predict_proba(X)[:, 1].mean()

    assert clf.importance(X, y > 0, scoring=rows).scoring == "rows"
    assert seen[0] is seen[-1]


def test_the_same_seed_shuffles_alike_whatever_the_table_is_made_of():
    X, y = table(200)
    model = quick(max_epochs=5).fit(X, y)
    one, two = model.importance(X, y), model.importance(pl.from_pandas(X), pl.Series(y))
    assert one == two
    assert one != model.importance(X, y, random_state=1)


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_either_engine_measures_it(engine):
    X, y = table(200)
    model = quick(engine=engine, max_epochs=20).fit(X, y)
    assert model.importance(X, y, n_repeats=2).mean.argmax() == 2


def test_it_prints_a_table_and_is_plain_data_and_a_frame():
    X, y = table(200)
    found = quick().fit(X, y).importance(X, y)
    lines = str(found).splitlines()
    assert lines[0].startswith("fall of r2 (0.99")
    assert lines[0].endswith(" on 200 rows) when a column is shuffled")
    assert [line.split()[0] for line in lines[2:]][:2] == ["size", "colour"]
    assert lines[2].count("█") == 20
    assert json.loads(json.dumps(found.to_dict()))["mean"]["size"] == found.mean[2]
    frame = found.frame()
    assert list(frame["column"])[:2] == ["size", "colour"]
    assert len(found.plot().patches) == 4


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"n_repeats": 0}, OptionError, "^n_repeats must be a whole number of at least 1, got 0$"),
        ({"scoring": "loss"}, OptionError, "^scoring must be None or a scorer, got 'loss'$"),
        ({"scoring": "R2"}, OptionError, r"^scoring must be .* Did you mean 'r2'\?$"),
        ({"sample_weight": np.ones(3)}, DataError, "^sample_weight must be 100 finite numbers"),
    ],
)
def test_options_that_cannot_be_are_refused(options, error, text):
    X, y = table(100)
    with pytest.raises(error, match=text):
        quick(max_epochs=1).fit(X, y).importance(X, y, **options)
