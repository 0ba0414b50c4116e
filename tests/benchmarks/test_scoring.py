"""The arithmetic of the accuracy benchmark: splits, scores, ranks, differences, and the file of scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scoring.goals import on_tables
from scoring.measuring import area, class_scores, number_scores, whole
from scoring.peers import numbers_and_texts, prepared
from scoring.report import ranks
from scoring.scorer import Results, Scorer, mean_scores
from scoring.store import Store
from scoring.summary import FLOOR, bootstrap, difference, log_ratios, mean_ranks, per_thousand, wins
from scoring.tables import Split, is_choosing, load, rows_of

NAN = np.nan


def test_a_quarter_of_the_rows_tests_and_no_row_is_in_both_parts():
    train, test = rows_of(10, seed=3)
    assert (len(train), len(test)) == (8, 2)
    assert sorted([*train, *test]) == list(range(10))


def test_at_most_8000_rows_train_and_test():
    train, test = rows_of(50_000, seed=0)
    assert (len(train), len(test)) == (8000, 8000)


def test_fewer_training_rows_are_the_first_of_more_and_tested_on_the_same_rows():
    train, test = rows_of(1000, seed=1)
    fewer, same = rows_of(1000, seed=1, most=50)
    np.testing.assert_array_equal(same, test)
    np.testing.assert_array_equal(fewer, train[:50])


def test_tables_from_a_to_e_choose():
    assert [is_choosing(name) for name in ("abalone", "energy_efficiency", "german_credit", "wine")] == [1, 1, 0, 0]


def test_labels_follow_the_order_of_their_texts_and_rows_without_target_go(tmp_path: Path):
    pd.DataFrame({"x": [1, 2, 3, 4], "y": [10.0, 2.0, NAN, 10.0]}).to_parquet(tmp_path / "t.parquet")
    table = load(tmp_path, "t")
    assert (list(table.X["x"]), list(table.y), table.regression) == ([1, 2, 4], [0, 1, 0], False)  # "10.0" < "2.0"


def test_the_readme_beside_the_tables_says_what_a_regression_is(tmp_path: Path):
    pd.DataFrame({"x": [1, 2], "y": [3, 4]}).to_parquet(tmp_path / "t.parquet")
    (tmp_path / "README.md").write_text("| file | task |\n|---|---|\n| t.parquet | regression | y |\n")
    assert load(tmp_path, "t").regression


def test_class_scores_by_hand():
    P = np.array([[0.5, 0.5], [0.25, 0.75]])  # the first row is a tie, which the first class wins
    scores = class_scores(P, np.array([1, 1]))
    assert scores == {"error": 0.5, "logloss": pytest.approx((np.log(2) + np.log(4 / 3)) / 2)}  # no area: one class


def test_classes_without_training_rows_have_the_smallest_probability():
    np.testing.assert_allclose(whole(np.array([[0.0, 1.0]]), [0, 2], 3), [[1e-12, 1e-12, 1.0]])


def test_the_area_of_many_classes_is_the_mean_of_each_against_the_rest():
    y = np.array([0, 1, 2])
    assert area(np.eye(3), y) == 1.0
    # Class 0 is told apart, class 1 comes after one of its two rivals, class 2 after both.
    P = np.array([[0.8, 0.0, 0.2], [0.2, 0.3, 0.5], [0.5, 0.4, 0.1]])
    assert area(P, y) == pytest.approx((1.0 + 0.5 + 0.0) / 3)


def test_the_mean_as_a_guess_has_an_nrmse_of_one():
    y = np.array([1.0, 2.0, 6.0])
    assert number_scores(np.full(3, 3.0), y)["nrmse"] == pytest.approx(1.0)


def test_equal_figures_share_the_mean_rank_and_incomplete_tables_do_not_count():
    figures = np.array([[0.1, 0.2, 0.3], [0.2, 0.2, 0.1], [NAN, 0.1, 0.2]])
    np.testing.assert_allclose(mean_ranks(figures), [(1 + 2.5) / 2, (2 + 2.5) / 2, (3 + 1) / 2])
    assert np.isnan(mean_ranks(figures[2:])).all()


def test_wins_ties_and_losses_pass_over_missing_figures():
    assert wins(np.array([1.0, 2.0, 3.0, NAN]), np.array([2.0, 2.0, 1.0, 1.0])) == (1, 1, 1)


def test_a_relative_difference_changes_its_sign_with_the_sides():
    ours, theirs = np.array([0.1, 0.0]), np.array([0.2, 0.0])
    np.testing.assert_allclose(log_ratios(ours, theirs), [-100 * np.log(2), 0.0])
    np.testing.assert_allclose(log_ratios(theirs, ours), -log_ratios(ours, theirs))


def test_an_error_of_zero_counts_as_the_floor():
    np.testing.assert_allclose(log_ratios(np.array([0.0]), np.array([np.e * FLOOR])), [-100.0])


def test_a_bootstrap_of_equal_values_has_no_width_and_that_of_two_values_both_ends():
    assert bootstrap(np.full(7, 2.5)) == (2.5, 2.5, 2.5)
    assert bootstrap(np.array([0.0, 1.0])) == (0.5, 0.0, 1.0)  # a quarter of the resamples is all 0, a quarter all 1


def test_a_bootstrap_interval_is_that_of_the_normal_for_many_values():
    values = np.random.default_rng(0).normal(size=400)
    found = bootstrap(values)
    half = 1.96 * values.std() / np.sqrt(400)
    np.testing.assert_allclose([found.low, found.high], [values.mean() - half, values.mean() + half], atol=0.01)
    assert found == bootstrap(values)


def test_one_table_has_a_difference_without_interval():
    found = difference(np.array([0.2, NAN]), np.array([0.1, 0.3]))
    assert found.mean == pytest.approx(100 * np.log(2))
    assert np.isnan([found.low, found.high]).all()


def test_seconds_per_thousand_rows_are_all_seconds_over_all_rows():
    assert per_thousand(np.array([2.0, 4.0, NAN]), np.array([1000.0, 2000.0, NAN])) == 2.0


def results(**models: list[float]) -> Results:
    """Log losses of tables "x0", "x1", … which report."""
    n = len(next(iter(models.values())))
    scores = {
        (f"x{i}", model): {"logloss": value, "fit_s": 1.0, "n": 1000.0}
        for model, values in models.items()
        for i, value in enumerate(values)
        if not np.isnan(value)
    }
    return Results({f"x{i}": 2000 for i in range(n)}, scores)


def test_a_peer_without_a_score_on_every_table_is_not_ranked():
    found = results(default=[0.1, 0.2], catboost=[0.2, 0.1], tabm=[0.1, NAN])
    assert ranks(found, ["x0", "x1"], "default", ["catboost", "tabm"], "logloss") == {"default": 1.5, "catboost": 1.5}


def test_goals_are_met_missed_or_not_measured():
    found = results(default=[0.1, 0.1, 0.1], histgb=[0.2, 0.3, 0.4], xgboost=[0.2, 0.01, 0.3])
    verdicts = {verdict.goal: verdict.met for verdict in on_tables(found, ["default"], ["histgb", "xgboost"])}
    assert verdicts["default ahead of histgb in log loss"] is True
    assert verdicts["default ahead of xgboost in log loss"] is False  # one large loss: the interval holds 0
    assert verdicts["default ahead of lightgbm in log loss"] is None
    assert verdicts["best first in log loss"] is None
    assert verdicts["default: seconds per 1,000 rows ≤ 2"] is True


def test_scores_outlive_an_interrupted_line(tmp_path: Path):
    path = tmp_path / "folder" / "scores.jsonl"
    Store(path).put({"table": "a", "arguments": {"hidden": (1, 2)}}, {"error": 0.25})
    with path.open("a") as file:
        file.write('{"key": {"table": "b"')
    store = Store(path)
    assert store.get({"arguments": {"hidden": [1, 2]}, "table": "a"}) == {"error": 0.25}
    assert store.get({"table": "b"}) is None
    store.put({"table": "b"}, {"error": 0.5})
    assert Store(path).get({"table": "b"}) == {"error": 0.5}


def test_peers_get_days_numbers_and_texts_learned_from_the_training_rows():
    X = pd.DataFrame({"day": pd.to_datetime(["1970-01-02", None]), "n": [True, False], "text": ["a", None]})
    plain = numbers_and_texts(X)
    np.testing.assert_array_equal(plain["day"], [1.0, NAN])
    assert (list(plain["n"]), list(plain["text"])) == ([1.0, 0.0], ["a", "(missing)"])
    rows = Split(X[:1], np.zeros(1), X[1:], np.zeros(1), True)
    ready = prepared("realmlp", rows)
    assert list(ready.X_test["day"]) == [1.0]
    assert ready.X_test["text"].isna().all()  # a level that no training row has


def test_stored_scores_count_only_for_as_many_rows(tmp_path: Path):
    pd.DataFrame({"x": range(8), "y": [0.5] * 8}).to_parquet(tmp_path / "t.parquet")
    reference = tmp_path / "scores.json"
    reference.write_text('{"t": {"catboost": {"nrmse": 0.5, "n": 6}, "catboost@1": {"nrmse": 0.5, "n": 5}}}')
    scorer = Scorer(tmp_path, Store(tmp_path / "none.jsonl"), reference, measures_peers=False)
    assert scorer.score("t", "catboost", 0) == {"nrmse": 0.5, "n": 6}
    assert scorer.score("t", "catboost", 1) is None
    assert scorer.blanks == {("catboost", "not among the stored scores"): 1}


def test_the_mean_of_seeds_has_the_scores_of_all_of_them():
    assert mean_scores([{"error": 0.0, "auc": 1.0}, {"error": 0.5}]) == {"error": 0.25}
