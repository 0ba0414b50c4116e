"""Presets, ensembles and folds in the estimators: what they decide, what they train, what can be seen of them."""

import signal
import time

import numpy as np
import pytest
from sklearn.base import clone

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.datasets import three_clouds
from glassnet.errors import DataError, InterruptedWarning, OptionError
from glassnet.estimators import trainings
from glassnet.estimators.presets import PRESETS, preset_for
from glassnet.training import loop

CLOUDS = three_clouds(seed=0)
QUICK = {"hidden_layer_sizes": (6, 5), "members": 3, "max_epochs": 3, "folds": 1, "refit": 2, "random_state": 0}


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
    return GlassNetRegressor(**QUICK | {"folds": 3, "refit": 1}).fit(X, y)


# --- what a preset decides ---


def test_settings_show_the_preset_and_can_be_passed_back():
    X, y = numbers()
    model = GlassNetRegressor(random_state=0, max_epochs=2).fit(X, y)
    settings = model.settings_
    assert settings["preset"] == "default"
    assert (settings["members"], settings["hidden_layer_sizes"], settings["folds"]) == (4, (64, 64), 5)
    assert (settings["optimizer"], settings["weight_decay"], settings["averaging"]) == ("adamw", 0.0, 0.99)
    assert settings["embedding"] == {"above": 32, "width": 8, "numbers": "piecewise_linear", "bins": 32}
    assert "auto" not in settings.values()
    again = GlassNetRegressor(**settings).fit(X, y)
    assert np.array_equal(again.predict(X), model.predict(X))
    assert clone(model).get_params() == model.get_params()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_linear_model_and_a_preset_of_that_name_are_plain(preset):
    X, y = numbers(600)
    linear = GlassNetRegressor((), preset=preset, max_epochs=2, random_state=0).fit(X, y)
    assert [W.shape for W in linear.coefs_] == [(3, 1)]
    assert GlassNetRegressor(preset=preset, optimizer="lbfgs", max_epochs=2).fit(X, y).n_members_ == 1
    assert GlassNetRegressor(preset="plain", max_epochs=2).fit(X, y).n_members_ == 1


@pytest.mark.parametrize("preset", ["default", "fast"])
def test_a_small_table_trains_plain_networks_in_folds_without_a_compiler(preset):
    X, y = numbers(80)
    model = GlassNetRegressor(preset=preset, random_state=0).fit(X, y)
    assert model.n_members_ == len(model.networks_) == 4
    assert model.settings_["engine"] == "reference"
    assert [W.shape for W in model.member(3).coefs_] == [(24, 64), (64, 64), (64, 1)]  # an embedding for each number


def test_what_is_given_stays_as_it_is_given():
    X, y = numbers()
    given = {"activation": "tanh", "patience": 4, "validation_fraction": 0.3, "input_scaling": "robust", "refit": False}
    settings = GlassNetRegressor(**QUICK | given).fit(X, y).settings_
    assert {name: settings[name] for name in given} == given
    other = GlassNetRegressor(**QUICK, optimizer="nesterov").fit(X, y).settings_
    assert (other["learning_rate"], other["weight_decay"]) == (0.02, 0.0)  # Nesterov's own, not those of AdamW


def test_few_rows_have_fewer_units_and_bins_and_folds_and_middling_tables_more_epochs():
    few, middling, many = (preset_for("default", n, regression=False) for n in (999, 1000, 3000))
    assert [found["hidden_layer_sizes"] for found in (few, middling, many)] == [(64, 64), (128, 128), (128, 128)]
    assert [found["embedding"]["bins"] for found in (few, middling, many)] == [32, 128, 128]
    assert [found["max_epochs"] for found in (few, middling, many)] == [100, 150, 65]
    assert [found["folds"] for found in (few, middling, many)] == [5, 1, 1]
    assert preset_for("best", 5000, regression=False)["refit"] == 6
    assert preset_for("fast", 999, regression=False) == few
    assert preset_for("best", 999, regression=False)["folds"] == 10


def test_regressions_train_fewer_networks_and_small_ones_without_decay():
    assert [preset_for("default", 5000, regression=numbers)["refit"] for numbers in (False, True)] == [3, 1]
    assert [preset_for("default", n, regression=True)["max_epochs"] for n in (2999, 3000)] == [150, 55]
    of_sizes = [preset_for("default", n, regression=True) for n in (2999, 3000)]
    assert [(found["members"], found["learning_rate"]) for found in of_sizes] == [(4, 0.005), (2, 0.003)]
    assert preset_for("best", 3000, regression=True)["members"] == 4
    decays = [preset_for("default", n, regression=True)["weight_decay"] for n in (999, 1999, 2000)]
    assert decays == [0.0, 0.0, 0.3]


def test_the_best_of_a_small_table_are_ensembles():
    small, few = (preset_for("best", n, regression=False) for n in (349, 350))
    differing = {name for name in few if small[name] != few[name]}
    assert differing == {"dropout", "weight_decay"}
    assert preset_for("best", 349, regression=True) == preset_for("best", 350, regression=True)


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "wide"),
    [(199, 50, True), (200, 50, False), (100, 49, False), (999, 300, True), (1000, 300, False)],
)
def test_a_wide_table_has_fewer_than_four_rows_a_column_and_fifty_columns(n_rows, n_columns, wide):
    classes = preset_for("default", n_rows, regression=False, n_columns=n_columns)
    numbers = preset_for("default", n_rows, regression=True, n_columns=n_columns)
    assert ((classes["dropout"], classes["weight_decay"]) == (0.4, 3.0)) == wide
    assert (numbers["members"] == 4 and numbers["weight_decay"] == 1.0) == wide


@pytest.mark.parametrize(("n_rows", "folds"), [(7, 1), (8, 4), (49, 4), (50, 4)])
def test_of_eight_rows_classes_validate_by_folds(n_rows, folds):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n_rows, 3)), np.arange(n_rows) % 2
    fitted = GlassNetClassifier(max_epochs=2, random_state=0).fit(X, y)
    assert (fitted.settings_["folds"], fitted.settings_["early_stopping"]) == (folds, folds > 1)
    assert ("validation_loss" in fitted.history_[0]) == (folds > 1)
    assert GlassNetClassifier(early_stopping=False, max_epochs=2, random_state=0).fit(X, y).settings_["folds"] == 1
    numbers = GlassNetRegressor(max_epochs=2, random_state=0).fit(X, y).settings_
    assert numbers["early_stopping"] == (n_rows == 50)
    assert not GlassNetClassifier(preset="plain", max_epochs=2).fit(X, y).settings_["early_stopping"]


def test_folds_bear_classes_of_one_row_each():
    """A class that a fold does not train on has a probability all the same."""
    fitted = GlassNetClassifier(max_epochs=2, random_state=0).fit(np.arange(9.0)[:, None], list("abcdefghi"))
    assert fitted.settings_["folds"] == 4
    assert fitted.predict_proba(np.zeros((2, 1))).shape == (2, 9)


def test_few_rows_of_wrong_labels_are_not_learned_by_heart():
    """The log loss of labels that are wrong one time in ten is 0.33 at best, and of their shares 0.69."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(1040, 4))
    y = (X[:, 0] + X[:, 1] > 0) ^ (rng.random(1040) < 0.1)

    def loss(**options):
        P = GlassNetClassifier(random_state=0, **options).fit(X[:40], y[:40]).predict_proba(X[40:])
        return -np.log(P[np.arange(1000), y[40:].astype(int)]).mean()

    assert loss() < 0.69 < loss(early_stopping=False)


def test_fit_tells_a_wide_table_by_its_columns():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 50)), np.arange(60) % 2
    settings = GlassNetClassifier(max_epochs=1, random_state=0).fit(X, y).settings_
    assert (settings["members"], settings["folds"], settings["weight_decay"]) == (4, 5, 3.0)
    assert GlassNetClassifier(max_epochs=1, random_state=0).fit(X[:, :49], y).settings_["members"] == 1


@pytest.mark.parametrize("arguments", [{"validation": "last"}, {"groups": np.arange(600) % 3}])
def test_folds_of_a_preset_give_way_to_rows_that_are_named(arguments):
    X, y = numbers()
    model = GlassNetRegressor(max_epochs=2, random_state=0).fit(X, y, **arguments)
    assert model.settings_["folds"] == 1
    for options in ({"early_stopping": False}, {"warm_start": True}):
        assert GlassNetRegressor(max_epochs=2, random_state=0, **options).fit(X, y).settings_["folds"] == 1


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
        ({"refit": "all"}, "refit must be True, False or a whole number of at least 0, got 'all'"),
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


def test_refit_trains_as_many_networks_on_all_rows_and_they_alone_predict():
    X, y = numbers()
    found = {k: GlassNetRegressor(**QUICK | {"refit": k}).fit(X, y) for k in (0, 1, 2, True, False)}
    assert [len(found[k].networks_) for k in (0, 1, 2)] == [1, 1, 2]
    assert np.array_equal(found[True].predict(X), found[1].predict(X))
    assert np.array_equal(found[False].predict(X), found[0].predict(X))
    params = [network.params.tobytes() for k in (0, 2) for network in found[k].networks_]
    assert len(set(params)) == 3  # none begins or is trained like another
    assert found[1].network_.params.tobytes() == params[1]


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


def test_a_summary_says_of_how_many_networks_it_shows_the_first(classifier):
    last = "The first of 2 networks of the same layers; a prediction is the mean of theirs."
    assert classifier.summary().splitlines()[-1] == last
    assert classifier.member(0).summary().splitlines()[-1].endswith(" parameters")


def test_a_network_that_did_not_see_the_rows_that_validate_vouches_for_sets(classifier):
    sets = classifier.predict_set(CLOUDS.X, coverage=0.9)
    assert sets.shape == (1500, 3)
    assert sets[np.arange(1500), CLOUDS.y].mean() > 0.85


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("refit", [0, 1, 2])
def test_it_is_saved_with_all_its_networks(tmp_path, refit, folds):
    X, y = numbers()
    model = GlassNetRegressor(**QUICK | {"refit": refit, "folds": folds}).fit(X, y)
    model.save(tmp_path / "model.glassnet")
    loaded = glassnet.load(tmp_path / "model.glassnet")
    assert len(loaded.networks_) == (max(refit, 1) if folds == 1 else folds + refit)
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert np.array_equal(loaded.predict_interval(X), model.predict_interval(X))
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
    only = GlassNetRegressor(**QUICK | {"folds": 3, "refit": 0}).fit(X, y)
    assert len(only.networks_) == 3
    for mine, theirs in zip(only.networks_, folded.networks_, strict=False):
        assert np.array_equal(mine.params, theirs.params)
    assert len({network.params.tobytes() for network in folded.networks_}) == 4


def test_every_row_vouches_for_the_intervals_of_folds(folded):
    assert len(folded._conformal.scores) == 600
    X, y = numbers(seed=1)
    lower, upper = folded.predict_interval(X, coverage=0.9).T
    assert 0.85 < ((lower <= y) & (y <= upper)).mean() < 0.99


def test_folds_need_rows_and_groups_of_their_own():
    X, y = numbers()
    with pytest.raises(OptionError, match="validation must be None where folds validate each other"):
        GlassNetRegressor(**QUICK | {"folds": 3}).fit(X, y, validation="last")
    with pytest.raises(DataError, match="groups must be at least folds, 3, got 2"):
        GlassNetRegressor(**QUICK | {"folds": 3}).fit(X, y, groups=np.arange(600) % 2)


def test_intervals_are_those_of_the_networks_that_did_not_see_the_rows(tmp_path):
    X, y = numbers()
    both = GlassNetRegressor(**QUICK).fit(X, y)
    first = GlassNetRegressor(**QUICK | {"refit": 0}).fit(X, y)
    assert np.array_equal(both.predict_interval(X), first.predict_interval(X))
    assert not np.array_equal(both.predict(X), first.predict(X))
    both.save(tmp_path / "model.glassnet")
    assert np.array_equal(glassnet.load(tmp_path / "model.glassnet").predict_interval(X), both.predict_interval(X))
    both.calibrate(*numbers(seed=1))  # rows that no network has seen: then it is all of them
    np.testing.assert_allclose(both.predict_interval(X).mean(axis=1), both.predict(X), rtol=1e-12)


@pytest.mark.parametrize("cut", ["in a fold", "on all rows"])
def test_folds_that_time_cuts_short_keep_what_was_trained_and_say_so(cut):
    X, y = numbers()
    seen = []

    def slow(row):
        seen.append(row["epoch"])
        time.sleep(0.5 if row["epoch"] == (1 if cut == "in a fold" else 3) else 0)

    # Callbacks follow the first fold alone, which takes all the time there is.
    options = {**QUICK, "time_limit": 0.5, "callbacks": [slow]}
    if cut == "in a fold":
        options |= {"folds": 3, "max_epochs": 200}
    model = GlassNetRegressor(**options).fit(X, y)
    assert model.stop_reason_ == "time limit"
    assert len(seen) < 100 if cut == "in a fold" else seen == [1, 2, 3]
    assert len(model.networks_) == 1
    assert np.isfinite(model.predict_interval(X)).all()


def test_ctrl_c_while_all_rows_train_leaves_the_network_that_validated(monkeypatch):
    X, y = numbers()

    def train(backend, options, held, progress):
        run = backend.run

        def pressed(*arguments):
            signal.raise_signal(signal.SIGINT)
            return run(*arguments)

        backend.run = pressed if held is None else run
        return loop.train(backend, options, held, progress)

    monkeypatch.setattr(trainings, "train", train)
    with pytest.warns(InterruptedWarning, match=r"^training \(on all rows, 1 of 2\) was interrupted in epoch 1; the"):
        model = GlassNetRegressor(**QUICK).fit(X, y)
    assert model.stop_reason_ == "interrupted"
    monkeypatch.undo()
    assert np.array_equal(model.predict(X), GlassNetRegressor(**QUICK | {"refit": 0}).fit(X, y).predict(X))
