"""Presets, ensembles and folds in the estimators: what they decide, what they train, what can be seen of them."""

import numpy as np
import pytest
from sklearn.base import clone

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.datasets import three_clouds
from glassnet.errors import DataError, OptionError
from glassnet.estimators.presets import PRESETS, preset_for

CLOUDS = three_clouds(seed=0)
QUICK = {"hidden_layer_sizes": (6, 5), "members": 3, "max_epochs": 3, "random_state": 0}


def numbers(n=600, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, np.sin(3 * X[:, 0]) + X[:, 1]


@pytest.fixture(scope="module")
def classifier():
    return GlassNetClassifier(**QUICK).fit(CLOUDS.X, CLOUDS.y)


@pytest.fixture(scope="module")
def folded():
    X, y = numbers()
    return GlassNetRegressor(folds=3, **QUICK).fit(X, y)


# --- what a preset decides ---


def test_settings_show_the_preset_and_can_be_passed_back():
    X, y = numbers()
    model = GlassNetRegressor(random_state=0, max_epochs=2).fit(X, y)
    settings = model.settings_
    assert settings["preset"] == "default"
    assert (settings["members"], settings["hidden_layer_sizes"], settings["refit"]) == (8, (64, 64), "both")
    assert (settings["optimizer"], settings["weight_decay"], settings["averaging"]) == ("adamw", 0.0, 0.99)
    assert settings["embedding"] == {"above": 32, "width": 8, "numbers": "piecewise_linear", "bins": 16}
    assert "auto" not in settings.values()
    again = GlassNetRegressor(**settings).fit(X, y)
    assert np.array_equal(again.predict(X), model.predict(X))
    assert clone(model).get_params() == model.get_params()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_small_table_and_a_linear_model_are_plain(preset):
    X, y = numbers(80)
    assert GlassNetRegressor(preset=preset, max_epochs=2).fit(X, y).n_members_ == 1
    X, y = numbers(600)
    linear = GlassNetRegressor((), preset=preset, max_epochs=2, random_state=0).fit(X, y)
    assert [W.shape for W in linear.coefs_] == [(3, 1)]
    assert GlassNetRegressor(preset=preset, optimizer="lbfgs", max_epochs=2).fit(X, y).n_members_ == 1


def test_what_is_given_stays_as_it_is_given():
    X, y = numbers()
    given = {"activation": "tanh", "patience": 4, "validation_fraction": 0.3, "input_scaling": "robust", "refit": False}
    settings = GlassNetRegressor(**QUICK, **given).fit(X, y).settings_
    assert {name: settings[name] for name in given} == given
    other = GlassNetRegressor(**QUICK, optimizer="nesterov").fit(X, y).settings_
    assert (other["learning_rate"], other["weight_decay"]) == (0.02, 0.0)  # Nesterov's own, not those of AdamW


def test_few_rows_have_fewer_units_and_bins_and_regressions_of_them_no_decay():
    few, many = preset_for("default", 999, regression=False), preset_for("default", 2000, regression=True)
    assert (few["hidden_layer_sizes"], few["embedding"]["bins"], few["max_epochs"], few["weight_decay"]) == (
        (64, 64),
        16,
        160,
        0.3,
    )
    assert (many["hidden_layer_sizes"], many["max_epochs"], many["weight_decay"]) == ((128, 128), 50, 0.3)
    assert "bins" not in many["embedding"]
    assert preset_for("default", 1999, regression=True)["weight_decay"] == 0.0
    assert preset_for("best", 999, regression=False)["folds"] == 5
    assert preset_for("fast", 5000, regression=False)["members"] == 4


def test_rates_of_dropout_go_by_the_task_and_batches_by_the_rows():
    assert preset_for("default", 5000, regression=True)["dropout"] == 0.0
    assert preset_for("default", 5000, regression=False)["dropout"] == 0.1
    sizes = [preset_for("default", n, regression=True)["batch_size"] for n in (600, 2000, 8000, 30_000, 10**5, 10**6)]
    assert sizes == [32, 64, 128, 256, 512, 1024]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"preset": "big"}, "preset must be one of 'best', 'default', 'fast', 'plain', got 'big'"),
        ({"members": 0}, "members must be a whole number from 1 to 4096, got 0"),
        ({"averaging": 1.0}, "averaging must be at least 0 and below 1, got 1.0"),
        ({"folds": 0}, "folds must be a whole number of at least 1, got 0"),
        ({"refit": "all"}, "refit must be True, False or \"both\", got 'all'"),
        (
            {"embedding": {"numbers": "bins"}},
            "embedding['numbers'] must be one of 'none', 'piecewise_linear', got 'bins'",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(options, text):
    with pytest.raises(OptionError) as caught:
        GlassNetRegressor(**options).fit(*numbers())
    assert str(caught.value).startswith(text)


# --- the ensemble ---


def test_an_ensemble_predicts_the_mean_of_its_members(classifier):
    assert len(classifier.networks_) == 2
    assert classifier.n_members_ == 6
    mean = np.mean([classifier.member(m).predict_proba(CLOUDS.X) for m in range(6)], axis=0)
    np.testing.assert_allclose(classifier.predict_proba(CLOUDS.X), mean, rtol=1e-5, atol=1e-6)
    first = np.mean([classifier.member(m).predict_proba(CLOUDS.X) for m in range(3)], axis=0)
    assert np.abs(first - mean).max() > 1e-3  # the second network counts


def test_numbers_of_an_ensemble_are_its_members(classifier):
    for name in ("coefs_", "intercepts_"):
        assert not hasattr(classifier, name)
        with pytest.raises(AttributeError, match=rf"{name} is for one network, .* 6 members: .* member\(0\).{name}"):
            getattr(classifier, name)
    one = classifier.member(1)
    assert [W.shape for W in one.coefs_] == [(16, 6), (6, 5), (5, 3)]  # two numbers in bins, eight each
    assert one.n_members_ == 1
    assert one.plot_network() is not None
    assert classifier.plot_network().get_title() == "member 0 of 6"
    with pytest.raises(OptionError, match="member must be a whole number from 0 to 5, got 6"):
        classifier.member(6)


def test_the_first_network_did_not_see_the_rows_that_validate_and_vouches_for_sets(classifier):
    sets = classifier.predict_set(CLOUDS.X, coverage=0.9)
    assert sets.shape == (1500, 3)
    assert sets[np.arange(1500), CLOUDS.y].mean() > 0.85
    with pytest.raises(OptionError, match="refit=True trained on every row"):
        GlassNetClassifier(**QUICK, refit=True).fit(CLOUDS.X, CLOUDS.y).predict_set(CLOUDS.X)


@pytest.mark.parametrize("refit", [False, True, "both"])
def test_it_is_saved_with_all_its_networks(tmp_path, refit):
    X, y = numbers()
    model = GlassNetRegressor(**QUICK, refit=refit).fit(X, y)
    model.save(tmp_path / "model.glassnet")
    loaded = glassnet.load(tmp_path / "model.glassnet")
    assert len(loaded.networks_) == (2 if refit == "both" else 1)
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert loaded.n_members_ == model.n_members_


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_both_engines_train_the_same_ensemble(engine):
    X, y = numbers()
    options = {**QUICK, "dtype": "float64"}
    one = GlassNetRegressor(engine=engine, n_jobs=1, **options).fit(X, y)
    again = GlassNetRegressor(engine=engine, n_jobs=2, **options).fit(X, y)
    assert np.array_equal(one.predict(X), again.predict(X))
    other = GlassNetRegressor(engine="reference", **options).fit(X, y)
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-7, atol=1e-9)


def test_a_row_is_predicted_by_itself(classifier):
    whole = classifier.predict_proba(CLOUDS.X)
    for rows in ([3], [700, 2, 1400], list(range(50, 90))):
        assert np.array_equal(classifier.predict_proba(CLOUDS.X[rows]), whole[rows])


def test_hidden_values_of_all_members_stand_side_by_side(classifier):
    assert classifier.hidden(CLOUDS.X[:4]).shape == (4, 6 * 5)
    np.testing.assert_allclose(
        classifier.hidden(CLOUDS.X[:4])[:, 5:10], classifier.member(1).hidden(CLOUDS.X[:4]), rtol=1e-4, atol=1e-6
    )


def test_parts_at_a_time_train_a_plain_network_unless_asked():
    X, y = numbers()
    assert GlassNetRegressor(random_state=0).partial_fit(X, y).n_members_ == 1
    ensemble = GlassNetRegressor(members=3, hidden_layer_sizes=(5,), random_state=0)
    for _ in range(2):
        ensemble.partial_fit(X, y)
    assert ensemble.n_members_ == 3


def test_an_ensemble_goes_on_from_its_weights():
    X, y = numbers()
    model = GlassNetRegressor(**QUICK, warm_start=True).fit(X, y)
    before = model.network_.params.copy()
    model.fit(X, y)
    assert model.network_.params.shape == before.shape
    with pytest.raises(OptionError, match="members must stay 3"):
        model.set_params(members=4).fit(X, y)


# --- numbers in bins ---


def test_numbers_in_bins_bend_where_a_line_cannot():
    X, y = numbers(2000)
    linear = {"hidden_layer_sizes": (), "max_epochs": 60, "random_state": 0, "learning_rate": 0.03, "batch_size": 64}
    bent = GlassNetRegressor(embedding={"numbers": "piecewise_linear"}, **linear).fit(X, y)
    assert bent.score(X, y) > 0.9  # a sum of functions of each column, which y is
    assert GlassNetRegressor(**linear).fit(X, y).score(X, y) < 0.75


def test_two_numbers_codes_and_wide_tables_are_not_put_into_bins():
    X, y = numbers()
    X = {"a": X[:, 0], "yes": (X[:, 1] > 0).astype(float), "place": np.resize([f"p{i}" for i in range(40)], 600)}
    model = GlassNetRegressor(**QUICK).fit(X, y)
    assert model.network_.describe()["layers"][0]["branches"].keys() == {"columns", "a", "place"}
    wide = np.random.default_rng(0).normal(size=(600, 101))
    assert GlassNetRegressor(**QUICK).fit(wide, y).network_.describe()["layers"][0]["kind"] == "EnsembleDense"


# --- folds ---


def test_each_fold_has_a_network_and_one_more_is_trained_on_all_rows(folded):
    assert len(folded.networks_) == 4
    assert folded.n_members_ == 12
    X, y = numbers()
    only = GlassNetRegressor(folds=3, **QUICK, refit=False).fit(X, y)
    assert len(only.networks_) == 3
    for mine, theirs in zip(only.networks_, folded.networks_, strict=False):
        assert np.array_equal(mine.params, theirs.params)
    assert len({network.params.tobytes() for network in folded.networks_}) == 4
    assert len(GlassNetRegressor(folds=3, **QUICK, refit=True).fit(X, y).networks_) == 1


def test_every_row_vouches_for_the_intervals_of_folds(folded):
    assert len(folded._conformal.scores) == 600
    X, y = numbers(seed=1)
    lower, upper = folded.predict_interval(X, coverage=0.9).T
    assert 0.85 < ((lower <= y) & (y <= upper)).mean() < 0.99


def test_folds_need_rows_and_groups_of_their_own():
    X, y = numbers()
    with pytest.raises(OptionError, match="validation must be None where folds validate each other"):
        GlassNetRegressor(folds=3, **QUICK).fit(X, y, validation="last")
    with pytest.raises(DataError, match="groups must be at least folds, 3, got 2"):
        GlassNetRegressor(folds=3, **QUICK).fit(X, y, groups=np.arange(600) % 2)


def test_intervals_are_those_of_the_networks_that_did_not_see_the_rows(tmp_path):
    X, y = numbers()
    both = GlassNetRegressor(**QUICK).fit(X, y)
    first = GlassNetRegressor(**QUICK, refit=False).fit(X, y)
    assert np.array_equal(both.predict_interval(X), first.predict_interval(X))
    assert not np.array_equal(both.predict(X), first.predict(X))
    both.save(tmp_path / "model.glassnet")
    assert np.array_equal(glassnet.load(tmp_path / "model.glassnet").predict_interval(X), both.predict_interval(X))
    both.calibrate(*numbers(seed=1))  # rows that no network has seen: then it is all of them
    np.testing.assert_allclose(both.predict_interval(X).mean(axis=1), both.predict(X), rtol=1e-12)
