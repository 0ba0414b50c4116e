"""`glassnet demo`: the article's numbers, the demos around it, their pictures, and how they end."""

import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from glassnet.cli.demos import DEMOS, article, descent, overfitting, table
from glassnet.cli.demos.stage import Stage
from glassnet.datasets import Dataset, three_clouds
from glassnet.maths.layers import Dense
from glassnet.network import Network

TABLES = {
    "xor": (400, ["loss", "regions"]),
    "circles": (400, ["loss", "regions"]),
    "moons": (400, ["loss", "regions"]),
    "spirals": (1000, ["loss", "regions"]),
    "sine": (300, ["loss", "fit"]),
    "penguins": (344, ["loss", "confusion", "network", "regions"]),
    "digits": (1797, ["loss", "confusion"]),
    "wine": (178, ["loss", "confusion"]),
    "diabetes": (442, ["loss", "predicted"]),
}


def pictures_in(folder):
    """Names of the PNG files, each of which must begin as one and hold more than a blank page."""
    files = sorted(folder.glob("*"))
    for file in files:
        assert file.read_bytes().startswith(b"\x89PNG\r\n")
        assert file.stat().st_size > 5000
    return [file.name for file in files]


# --- the article ---


def test_the_article_reaches_97_per_cent_and_the_nearest_mean_rule_is_no_better(run, tmp_path):
    ended = run("demo")
    assert ended.code == 0
    assert ended.err == ""
    assert "2·5 + 5 + 5·3 + 3 = 33 weights and biases" in ended.out
    table = [line.split() for line in ended.out.splitlines() if re.fullmatch(r"( *[\d,]+ +[\d,.]+)+", line)]
    losses = {int(cell.replace(",", "")): float(row[i + 1].replace(",", "")) for row in table for i, cell in
              enumerate(row) if i % 2 == 0}  # fmt: skip
    assert sorted(losses) == list(range(0, 10_001, 100))
    assert all(losses[epoch] > losses[epoch + 100] for epoch in range(0, 10_000, 100))
    network, nearest = (
        float(re.search(pattern, " ".join(ended.out.split()))[1])
        for pattern in (r"network puts ([\d.]+) % of the points", r"of the three means, gets ([\d.]+) %")
    )
    assert network >= 96.0
    assert abs(network - nearest) <= 1.0
    (right,) = [line.split() for line in ended.out.splitlines() if line.split()[:1] == ["right"]]
    assert float(right[3]) >= 95.0  # on the test points, by the defaults
    assert pictures_in(tmp_path / "glassnet-demo") == [
        f"article-{name}.png" for name in ("data", "loss", "network", "regions", "sigmoid")
    ]


def test_the_demos_loop_is_the_articles_loop():
    data, T = three_clouds(seed=1), np.eye(3)[three_clouds(seed=1).y]
    hidden, output = Dense(5, "sigmoid", "standard_normal"), Dense(3, "identity", "standard_normal")
    network = Network([hidden, output], "cross_entropy", 2, reduction="sum", random_state=1)
    (W1, W2), (b1, b2) = ([part.copy() for part in parts] for parts in (network.coefs, network.intercepts))
    losses = []
    for _ in range(20):  # as the article writes it
        A = 1 / (1 + np.exp(-(data.X @ W1 + b1)))
        expA = np.exp(A @ W2 + b2)
        Y = expA / expA.sum(axis=1, keepdims=True)
        losses.append(np.sum(-T * np.log(Y)))
        delta2 = Y - T
        delta1 = delta2.dot(W2.T) * A * (1 - A)
        W2 -= 1e-5 * A.T.dot(delta2)
        b2 -= 1e-5 * delta2.sum(axis=0)
        W1 -= 1e-5 * data.X.T.dot(delta1)
        b1 -= 1e-5 * delta1.sum(axis=0)
    seen = article.descend(network, data.X, T, 20, lambda done: None)
    np.testing.assert_allclose(seen[:20], losses, rtol=1e-12)
    assert len(seen) == 21
    np.testing.assert_allclose(network.coefs[0], W1, rtol=1e-12)
    np.testing.assert_allclose(network.intercepts[1], b2, rtol=1e-12)


def test_the_loss_table_holds_every_hundredth_epoch_and_the_last_and_is_read_down():
    header, *rows = article.loss_table([1000.0 - n for n in range(451)], columns=2)
    assert header.split() == ["epoch", "loss", "epoch", "loss"]
    assert [row.split() for row in rows] == [
        ["0", "1,000.0", "300", "700.0"],
        ["100", "900.0", "400", "600.0"],
        ["200", "800.0", "450", "550.0"],
    ]


def test_the_nearest_mean_rule_takes_the_nearest_mean():
    X = np.array([[0.0, 0.0], [2.0, 0.0], [9.0, 0.0], [3.0, 0.0]])
    # The means are 1 and 6, so the border is at 3.5, and the last point lies on the wrong side of it.
    assert article.nearest_mean(X, np.array([0, 0, 1, 1])).tolist() == [0, 0, 1, 0]


def test_few_epochs_can_be_asked_for_and_the_same_seed_gives_the_same_numbers(run):
    first = run("demo", "--epochs", "150", "--no-pictures", "--seed", "3", "--json").out
    summary = json.loads(first)
    assert (summary["demo"], summary["seed"], summary["epochs"], summary["pictures"]) == ("article", 3, 150, [])
    assert len(summary["losses"]) == 2  # before epochs 0 and 100
    assert summary["losses"][0] > summary["losses"][1] > summary["loss"] > 0
    assert run("demo", "article", "--epochs", "150", "--no-pictures", "--seed", "3", "--json").out == first


def test_the_article_says_of_few_epochs_that_the_borders_are_not_found_yet(run):
    said = " ".join(run("demo", "--epochs", "100", "--no-pictures").out.split())
    assert "agree about 52.2 % of the points: after 100 epochs it has not found these borders yet." in said
    assert "same borders" not in said


@pytest.mark.parametrize(
    ("agreement", "epochs", "said"),
    [
        (0.995, 100, "it has found nearly the same borders without being told what a cloud is."),
        (0.6, 9_999, "after 9,999 epochs it has not found these borders yet."),
        (0.6, 10_000, "it has found other borders."),
    ],
)
def test_what_is_said_of_the_borders_follows_from_the_agreement_with_the_rule(agreement, epochs, said):
    assert article.compared(agreement, epochs).endswith(": " + said)


# --- descent ---


def test_descent_refuses_epochs_in_one_line(run):
    ended = run("demo", "descent", "--epochs", "5")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == ("glassnet: error: --epochs does not apply to the demo 'descent', which trains no network\n")


def test_descent_prints_the_articles_number_beside_the_closed_form(run, tmp_path):
    ended = run("demo", "descent", "--out", "pics")
    assert ended.code == 0
    (last,) = [line for line in ended.out.splitlines() if line.split()[:1] == ["1,000"]]
    assert last.split()[-2:] == ["2.3019e-18", "2.3019e-18"]
    assert pictures_in(tmp_path / "pics") == [f"descent-{name}.png" for name in ("path", "rate-too-high", "two-minima")]


def test_descent_says_the_same_in_numbers_as_its_formulas(run):
    summary = json.loads(run("demo", "descent", "--json", "--no-pictures").out)
    f0 = sum(x**2 for x in summary["start"])
    assert summary["start"] == pytest.approx([0.5488135, 0.71518937], abs=5e-9)
    assert summary["f"] == pytest.approx(0.98**2000 * f0, rel=1e-9)
    after = summary["f_after_100_steps"]
    assert after["1.1"] == pytest.approx(1.2**200 * f0)  # each step multiplies x and y by 1 - 2 · 1.1 = -1.2
    assert after["1"] == pytest.approx(f0)
    assert after["0.5"] == 0
    left, _, right = sorted(np.roots([4, 0, -4, 0.5]).real)
    assert list(summary["ends"].values()) == pytest.approx([left, left, right, right], abs=1e-3)


def test_the_slope_of_the_valleys_is_the_slope_of_their_heights():
    x = np.linspace(-2, 2, 9)
    numeric = (descent.valleys(x + 1e-6) - descent.valleys(x - 1e-6)) / 2e-6
    np.testing.assert_allclose(descent.valleys_slope(x), numeric, atol=1e-8)


# --- overfitting ---


def test_each_remedy_is_clearly_better_on_the_test_points_than_none():
    points = overfitting.Points(0)
    trained = {remedy.name: overfitting.train_with(remedy, points, 600) for remedy in overfitting.REMEDIES}
    none = trained.pop("no remedy")
    assert none.accuracy(points.training) == 1.0
    assert none.history[-1]["validation_loss"] > 3 * none.history[-1]["loss"]
    for remedied in trained.values():
        assert remedied.accuracy(points.training) < 1.0
        assert remedied.accuracy(points.test) > none.accuracy(points.test) + 0.03
        assert remedied.accuracy(points.test) < overfitting.BEST + 0.015  # 2,000 points: one standard error is 0.008


def test_the_sets_of_the_overfitting_demo_share_no_point():
    seen = [overfitting.Points(seed) for seed in (0, 1)]
    places = np.concatenate([part.X[:, 0] for p in seen for part in (p.training, p.validation, p.test)])
    assert len(np.unique(places)) == 2 * (60 + 60 + 2000)


def test_early_stopping_stops_early_and_uses_the_best_weights():
    points = overfitting.Points(0)
    stopped = overfitting.train_with(overfitting.REMEDIES[3], points, 600)
    losses = [row["validation_loss"] for row in stopped.history]
    assert len(losses) == stopped.best_epoch + 100
    assert int(np.argmin(losses)) + 1 == stopped.best_epoch
    assert stopped.network.evaluate(points.validation.X, points.validation.y) == pytest.approx(min(losses))


def test_the_overfitting_demo_puts_everything_into_one_table_and_two_pictures(run, tmp_path):
    ended = run("demo", "overfitting", "--epochs", "20")
    assert ended.code == 0
    for name in ("no remedy", "weight decay", "dropout", "early stopping"):
        assert sum(line.strip().startswith(name) and line.count("%") == 3 for line in ended.out.splitlines()) == 1
    assert pictures_in(tmp_path / "glassnet-demo") == ["overfitting-losses.png", "overfitting-regions.png"]


def test_the_history_of_every_remedy_has_both_losses_of_the_weights_after_each_epoch():
    points = overfitting.Points(0)
    for remedy in overfitting.REMEDIES[:3]:
        trained = overfitting.train_with(remedy, points, 3)
        assert [row["epoch"] for row in trained.history] == [1, 2, 3]
        for name, part in (("loss", points.training), ("validation_loss", points.validation)):
            assert trained.history[-1][name] == pytest.approx(trained.network.evaluate(part.X, part.y))


@pytest.mark.parametrize(
    ("training", "test", "said"),
    [
        ((1.0, 0.85, 0.85), (0.80, 0.85, 0.86), "gains test points: a training accuracy alone says nothing."),
        ((0.8, 0.85, 0.75), (0.80, 0.85, 0.86), "fewer test points than with any remedy."),
        ((1.0, 0.85, 0.85), (0.80, 0.85, 0.805), "draws decay does better by a point or more on the test points."),
        ((0.9, 0.85, 0.85), (0.86, 0.85, 0.865), "no remedy makes a point of difference on the test points."),
    ],
)
def test_what_is_said_of_the_remedies_follows_from_the_accuracies(training, test, said):
    names = ("no remedy", "decay", "dropout")
    assert overfitting.what_it_shows(*(dict(zip(names, values, strict=True)) for values in (training, test))).endswith(
        said
    )


# --- one data set each ---


class Says:
    """A model that predicts what it is told to."""

    def __init__(self, predicted):
        self.predicted = np.array(predicted)

    def predict(self, X):
        return self.predicted

    def score(self, X, y):
        return 1 - ((self.predicted - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()


@pytest.mark.parametrize(
    ("mine", "other", "said"),
    [
        (20, 20, "The model without hidden layers does as well on the test rows, and is the simpler one."),
        # Only one of the two is right about 4 or 5 rows: beyond two standard deviations are 5 (5 > 2 √5 = 4.47).
        (20, 16, "does better than the model without hidden layers: 20 against 16 of 20 test rows right. On so few "
                 "rows chance can do that: see whether it stays so with another --seed."),
        (20, 15, "20 against 15 of 20 test rows right. That is more than chance explains."),
        (15, 20, "does worse than the model without hidden layers: 15 against 20 of 20 test rows right. That is more "
                 "than chance explains, so take the simpler one."),
    ],
)  # fmt: skip
def test_what_is_said_of_two_classifiers_follows_from_the_rows_they_get_right(mine, other, said):
    test = Dataset("t", np.zeros((20, 1)), np.zeros(20, int), ("x",), "y", ("a", "b"))
    models = (Says(np.arange(20) >= right) for right in (mine, other))
    assert table.comparison(test, *models).endswith(said)


def test_two_regressions_are_compared_by_r2():
    test = Dataset("t", np.zeros((4, 1)), np.array([0.0, 0.0, 2.0, 2.0]), ("x",), "y", ())
    said = table.comparison(test, Says([1.0, 1.0, 1.0, 1.0]), Says([0.0, 0.0, 2.0, 0.0]))  # squared errors 4 and 4
    assert said == "The model without hidden layers does as well on the test rows, and is the simpler one."
    said = table.comparison(test, Says([1.0, 1.0, 1.0, 2.0]), Says([0.0, 0.0, 2.0, 0.0]))  # 3 and 4 of 4
    assert "does better than the model without hidden layers: R² 0.250 against 0.000 on 4 test rows. On so few" in said


@pytest.mark.parametrize("name", TABLES)
def test_a_demo_of_a_data_set_tells_scores_and_writes_its_pictures(name, run, tmp_path):
    ended = run("demo", name, "--epochs", "3")
    rows, pictures = TABLES[name]
    assert ended.code == 0
    assert ended.err == ""
    header = re.search(r"([\d,]+) training rows +([\d,]+) test rows", ended.out)
    assert sum(int(count.replace(",", "")) for count in header.groups()) == rows
    assert "without hidden layers" in ended.out
    assert pictures_in(tmp_path / "glassnet-demo") == sorted(f"{name}-{picture}.png" for picture in pictures)
    assert all(len(line) <= 80 for line in ended.out.splitlines())


@pytest.mark.parametrize(("name", "lowest", "most_without"), [("xor", 0.95, 0.7), ("circles", 0.95, 0.7)])
def test_hidden_layers_learn_what_a_straight_border_cannot(name, lowest, most_without, run):
    summary = json.loads(run("demo", name, "--json", "--no-pictures").out)
    assert summary["score"] == "accuracy"
    assert summary["test"] >= lowest
    assert summary["test_without_hidden_layers"] <= most_without


def test_every_demo_has_a_line_in_the_list(run):
    ended = run("demo", "--list")
    assert [line.split()[0] for line in ended.out.splitlines()] == list(DEMOS)
    assert set(DEMOS) == {"article", "descent", "overfitting", *TABLES}
    listed = json.loads(run("demo", "--list", "--json").out)
    assert list(listed) == list(DEMOS)
    assert listed["moons"] == "two half moons that reach into each other"


# --- how they end ---


def test_an_unknown_demo_is_answered_in_one_line_with_the_nearest(run):
    ended = run("demo", "spiral")
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    assert "NAME must be one of 'article', " in ended.err
    assert ended.err.endswith("got 'spiral'. Did you mean 'spirals'?\n")


def test_options_may_stand_before_or_after_the_name(run, tmp_path):
    assert run("demo", "--out", "before", "descent").code == 0
    assert run("demo", "descent", "--out", "after").code == 0
    assert pictures_in(tmp_path / "before") == pictures_in(tmp_path / "after")


def test_without_pictures_nothing_is_written(run, tmp_path):
    ended = run("demo", "descent", "--no-pictures")
    assert "Pictures" not in ended.out
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_the_article_with_one_line(run, monkeypatch):
    monkeypatch.setattr(article, "descend", lambda *_: signal.raise_signal(signal.SIGINT))
    ended = run("demo", "--no-pictures")
    assert ended.code == 130
    assert ended.err == "glassnet: error: interrupted\n"


def test_ctrl_c_in_the_training_of_an_estimator_ends_the_demo_too(run, monkeypatch):
    @contextmanager
    def bar_that_is_interrupted(self, total, text):
        yield lambda done: signal.raise_signal(signal.SIGINT) if done == 2 else None

    monkeypatch.setattr(Stage, "bar", bar_that_is_interrupted)
    ended = run("demo", "xor", "--no-pictures")
    assert ended.code == 130
    assert ended.err == "glassnet: error: interrupted\n"


def test_on_a_terminal_there_is_a_bar_on_standard_error(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Stage("article", tmp_path).bar(10, "training") as advance:
        advance(7)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "training" in captured.err
    assert "7/10" in captured.err.replace(" ", "")


def test_asking_for_help_or_the_list_loads_none_of_the_large_packages():
    code = (
        "import sys; from glassnet.cli import main; main(['demo', '--list']); main(['demo', '--help']);"
        "print(sorted({'sklearn', 'scipy', 'polars', 'matplotlib', 'narwhals'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.rstrip().endswith("[]")
