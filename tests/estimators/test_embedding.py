"""Categories of many levels in the estimators: learned embeddings, their options, what can be seen of them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import ColumnError, OptionError


def districts(n=3000, n_levels=150, seed=0):
    """A number and a category whose levels each add an effect of their own; the effects, too."""
    rng = np.random.default_rng(seed)
    effects = np.random.default_rng(1).normal(size=n_levels)
    levels = rng.integers(0, n_levels, n)
    X = pd.DataFrame({"x": rng.normal(size=n), "place": [f"p{level:03}" for level in levels]})
    return X, 0.3 * X["x"].to_numpy() + effects[levels], effects


@pytest.fixture(scope="module")
def model():
    X, y, _ = districts()
    return GlassNetRegressor((16,), preset="plain", max_epochs=60, random_state=0).fit(X, y)


def test_a_category_of_many_levels_is_one_column_of_codes(model):
    assert model.encoder_.feature_names_out() == ["x", "place"]
    assert model.network_.describe()["layers"][0]["kind"] == "Columns"
    assert model.settings_["embedding"] == {"above": 32, "width": 8, "numbers": "none", "bins": 48}
    assert model.embeddings_["place"].shape == (151, 8)
    assert model.embedding_levels_["place"] == ["(missing)", *(f"p{level:03}" for level in range(150))]
    assert model.coefs_[0].shape == (1 + 8, 16)


def test_each_level_is_learned_where_pooling_the_rare_ones_cannot(model):
    # 150 effects of variance 1 and 0.09 from x. A column each for 64 levels leaves the mean of the other 86.
    X, y, _ = districts(seed=5)
    pooled = clone(model).set_params(embedding="none").fit(*districts()[:2])
    assert pooled.embeddings_ == {}
    assert pooled.encoder_.width == 1 + 64 + 1
    assert model.score(X, y) > 0.95
    assert pooled.score(X, y) < 0.75


def test_a_level_that_training_did_not_know_is_predicted_like_a_missing_one(model):
    X = pd.DataFrame({"x": [0.5, 0.5], "place": ["nowhere", None]})
    new, missing = model.predict(X)
    assert new == missing
    _, y, _ = districts()
    assert abs(new - y.mean()) < 2 * y.std()
    assert not model.embeddings_["place"][0].any()  # nothing was missing in training


def test_limit_and_width_are_options():
    X, y, _ = districts(400, 20)
    quick = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0, "preset": "plain"}
    coded = GlassNetRegressor(embedding={"above": 19, "width": 3}, **quick).fit(X, y)
    assert coded.embeddings_["place"].shape == (21, 3)
    assert GlassNetRegressor(embedding={"above": 20}, **quick).fit(X, y).embeddings_ == {}
    assert GlassNetRegressor(embedding={"width": 3}, **quick).fit(X, y).settings_["embedding"]["above"] == 32
    columned = GlassNetRegressor(embedding={"above": 10}, columns={"place": {"max_levels": 30}}, **quick).fit(X, y)
    assert columned.encoder_.width == 21


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("onehot", 'embedding must be "auto", "none" or a dict of options, got \'onehot\''),
        ({"size": 4}, "Options and their defaults: {'above': 32, 'width': 8, 'numbers': 'none', 'bins': 48}."),
        ({"width": 0}, "embedding['width'] must be a whole number of at least 1, got 0"),
        ({"above": 2.5}, "embedding['above'] must be a whole number of at least 1, got 2.5"),
    ],
)
def test_what_cannot_be_is_refused(value, text):
    with pytest.raises(OptionError) as caught:
        GlassNetRegressor(embedding=value).fit([[0.0], [1.0]] * 20, [0, 1] * 20)
    assert text in str(caught.value)


def test_a_table_of_codes_alone_and_names_that_collide():
    X, y, _ = districts(400, 40)
    quick = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0, "preset": "plain"}
    alone = GlassNetRegressor(**quick).fit(X[["place"]], y)
    assert alone.coefs_[0].shape == (8, 4)
    same = GlassNetRegressor(**quick).fit(X.rename(columns={"place": "columns"}), y)
    assert same.coefs_[0].shape == (9, 4)
    assert list(same.embeddings_) == ["columns"]
    dotted = GlassNetRegressor(**quick).fit(X.rename(columns={"place": "a.0.E"}), y)
    assert dotted.embeddings_["a.0.E"].shape == (41, 8)


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_it_is_saved_loaded_cloned_and_goes_on(tmp_path, engine):
    X, y, _ = districts(600, 40)
    labels = np.where(y > 0, "high", "low")
    clf = GlassNetClassifier((6,), preset="plain", max_epochs=3, random_state=0, engine=engine).fit(X, labels)
    clf.save(tmp_path / "model.glassnet")
    loaded = glassnet.load(tmp_path / "model.glassnet")
    assert np.array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    assert loaded.get_params()["embedding"] == "auto"
    assert np.array_equal(loaded.embeddings_["place"], clf.embeddings_["place"])
    assert np.array_equal(clone(clf).fit(X, labels).predict_proba(X), clf.predict_proba(X))
    again = clf.set_params(warm_start=True).fit(X, labels)
    assert again.embeddings_["place"].shape == (41, 8)
    with pytest.raises(OptionError, match="embedding must stay"):
        clf.set_params(embedding={"width": 4}).fit(X, labels)


def test_importance_shuffles_an_embedded_column_as_one(model):
    found = model.importance(*districts(seed=5)[:2])
    assert found.columns == ["x", "place"]
    assert found.mean[1] > 1 > found.mean[0] > 0  # without it the score falls from 1 to below 0


def test_parts_at_a_time_and_l_bfgs_take_codes():
    X, y, _ = districts(400, 40)
    parts = GlassNetRegressor((4,), random_state=0)
    for _ in range(3):
        parts.partial_fit(X, y)
    assert parts.embeddings_["place"].any()
    smooth = GlassNetRegressor((4,), optimizer="lbfgs", max_epochs=30, random_state=0).fit(X, y)
    assert smooth.score(X, y) > 0.9


def test_the_picture_shows_levels_and_says_what_has_none(model):
    ax = model.plot_embedding("place", most=10)
    assert 2 <= len(ax.texts) <= 10
    assert {text.get_text() for text in ax.texts} <= set(model.embedding_levels_["place"])
    assert ax.get_title() == "place"
    with pytest.raises(ColumnError, match=r"column 'x': has no embedding|Embedded are 'place'"):
        model.plot_embedding("x")


def test_effects_of_levels_can_be_read_off_the_embedding(model):
    _, _, effects = districts()
    E = model.embeddings_["place"][1:]
    fitted = np.c_[E, np.ones(len(E))] @ np.linalg.lstsq(np.c_[E, np.ones(len(E))], effects, rcond=None)[0]
    assert np.corrcoef(fitted, effects)[0, 1] > 0.95
