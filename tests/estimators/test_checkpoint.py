"""A fit that goes on from its checkpoint ends with the same bits as one that never stopped, wherever it was killed."""

import signal
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import InterruptedWarning
from glassnet.estimators.checkpoint import FitCheckpoint
from glassnet.training.backend import ReferenceBackend
from glassnet.training.loop import Pace

QUICK = {
    **{"hidden_layer_sizes": (5,), "preset": "plain", "batch_size": 16, "max_epochs": 5, "random_state": 0},
    **{"engine": "reference", "early_stopping": True, "validation_fraction": 0.3, "schedule": "constant"},
}


def table(n=90):
    """Two numbers, one with gaps, and a category of many levels; a class and a number to predict."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2))
    X[::11, 0] = np.nan
    city = rng.integers(30, size=n)
    y = np.sin(2 * X[:, 1]) + 0.1 * city
    return {"a": X[:, 0], "b": X[:, 1], "city": np.char.add("c", city.astype(str))}, y, y > 1.5


class Killed(BaseException):
    """As if the process had ended here."""


class Killer:
    """Fixes how many steps a run has, and kills a fit after a number of its checkpoints were written.

    Or it presses Ctrl-C as a run of that number begins; its steps are done, and validated though nothing was due.
    """

    def __init__(self, monkeypatch):
        self.monkeypatch, self.writes, self.last, self.runs, self.pressed = monkeypatch, 0, None, 0, None
        write, run = FitCheckpoint.write, ReferenceBackend.run

        def watched(*arguments):
            self.runs += 1
            if self.runs == self.pressed:
                signal.raise_signal(signal.SIGINT)
            return run(*arguments)

        def counted(checkpoint, **options):
            write(checkpoint, **options)
            self.writes += 1
            if self.writes == self.last:
                raise Killed

        monkeypatch.setattr(FitCheckpoint, "write", counted)
        monkeypatch.setattr(ReferenceBackend, "run", watched)

    def runs_of(self, steps):
        self.monkeypatch.setattr(Pace, "__exit__", lambda pace, *exception: setattr(pace, "steps", steps))

    def fit(self, model, *data, after=None, ctrl_c=False, **options):
        """Fit, and be killed after so many writes, or interrupted in that run; whether it was."""
        self.writes, self.last, self.runs, self.pressed = 0, None if ctrl_c else after, 0, after if ctrl_c else None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InterruptedWarning)
                model.fit(*data, **options)
        except Killed:
            return True
        return model.stop_reason_ == "interrupted"


@pytest.fixture
def killer(monkeypatch):
    return Killer(monkeypatch)


def bits(model, path, X):
    """All that a fit came to: weights, history without its clock, predictions, and the model file."""
    model.save(path)
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in model.history_]
    weights = [network.params.tobytes() for network in [*model.networks_, *model._vouching]]
    return weights, repr(history), model.predict(X).tobytes(), model.best_epoch_, model.stop_reason_, path.read_bytes()


def options_of(draw):
    """Settings of a fit, drawn; the schedule last, as the number of epochs may follow from it."""
    chosen = {
        "optimizer": draw(st.sampled_from(["adam", "adamw", "nesterov", "momentum", "rmsprop", "gradient_descent"])),
        "schedule": draw(st.sampled_from(["constant", "step", "cosine", "one_cycle", "warm_up", "plateau"])),
        "learning_rate": draw(st.sampled_from(["auto", "auto", 0.2])),  # with the latter, early epochs are the best
        "dropout": draw(st.sampled_from([0.0, 0.3])),
        "batch_size": draw(st.sampled_from([7, 32, "full"])),
        "members": draw(st.sampled_from([1, 2])),
        "folds": draw(st.sampled_from([1, 1, 3])),
        "refit": draw(st.integers(0, 2)),
        "averaging": draw(st.sampled_from([0.0, 0.9])),
        "validation_every": draw(st.sampled_from([1, 2, "3 steps", "5 steps"])),
        "early_stopping": draw(st.booleans()),
        "patience": draw(st.integers(1, 4)),
        "embedding": draw(st.sampled_from(["none", {"above": 20, "width": 2}])),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "clip_norm": draw(st.sampled_from([None, 0.1])),
        "max_epochs": draw(st.integers(1, 5)),
    }
    if chosen["folds"] > 1:
        chosen["early_stopping"] = True
    return chosen


@st.composite
def fits(draw):
    """A fit, with how many epochs it began, when it is killed or interrupted, twice at most, and the steps of a run."""
    options = options_of(draw)
    classifies = draw(st.booleans())
    if classifies:
        options["class_weight"] = draw(st.sampled_from([None, "balanced"]))
    prolonged = options["schedule"] not in ("cosine", "one_cycle") and draw(st.booleans())
    began_with = draw(st.integers(1, options["max_epochs"])) if prolonged else options["max_epochs"]
    ends = [{"after": draw(st.integers(1, 12)), "ctrl_c": draw(st.booleans())} for _ in range(2)]
    return classifies, options, began_with, ends, draw(st.integers(1, 9))


@settings(max_examples=45)
@given(fit=fits())
def test_a_fit_that_was_killed_goes_on_to_the_same_bits(tmp_path_factory, fit):
    classifies, options, began_with, (first, second), steps = fit
    X, number, high = table()
    y, kind = (high, GlassNetClassifier) if classifies else (number, GlassNetRegressor)
    folder = tmp_path_factory.mktemp("fit")
    path = folder / "fit.ckpt"
    arguments = QUICK | options
    with pytest.MonkeyPatch.context() as monkeypatch:
        killer = Killer(monkeypatch)
        expected = bits(kind(**arguments).fit(X, y), folder / "model.glassnet", X)
        keeping = arguments | {"checkpoint": path, "checkpoint_every": 0}
        killer.runs_of(steps)
        killer.fit(kind(**keeping | {"max_epochs": began_with}), X, y, **first)
        killer.runs_of(2 * steps)
        model = kind(**keeping)
        if killer.fit(model, X, y, resume=path, **second):
            killer.pressed = killer.last = None
            model = kind(**arguments).fit(X, y, resume=path)
        assert bits(model, folder / "model.glassnet", X) == expected


ENGINE = {"engine": "compiled", "batch_size": 8, "max_epochs": 3, "optimizer": "adam", "patience": 9}


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.2, "averaging": 0.9, "members": 2, "refit": 1, "embedding": {"above": 20, "width": 2}},
        {"validation_every": "3 steps", "clip_norm": 0.1},
        {"batch_size": "full", "max_epochs": 9},
    ],
)
def test_the_compiled_engine_goes_on_to_the_same_bits_with_another_number_of_threads(killer, tmp_path, options):
    X, y, _ = table()
    arguments, path = QUICK | ENGINE | options, tmp_path / "fit.ckpt"
    whole = GlassNetRegressor(**arguments, n_jobs=1).fit(X, y)
    expected = bits(whole, tmp_path / "model", X)
    killer.runs_of(2)
    keeping = arguments | {"checkpoint": path, "checkpoint_every": 0}
    for after in range(1, 100, 6):
        path.unlink(missing_ok=True)
        if not killer.fit(GlassNetRegressor(**keeping, n_jobs=1), X, y, after=after):
            break
        model = GlassNetRegressor(**arguments, n_jobs=2).fit(X, y, resume=path)
        model.settings_["n_jobs"] = model.n_jobs = 1  # the one thing that the file says of it
        assert bits(model, tmp_path / "model", X) == expected
    assert after > 7


SEVERAL = {"folds": 2, "refit": 1, "max_epochs": 2, "validation_every": "3 steps"}
BEST_EARLY = {"learning_rate": 0.1, "max_epochs": 5, "patience": 9}  # then the loss of the validation rises
# Two folds of 45 rows, batches of 16: runs of 2 and 1 steps, in two epochs; all rows: 2, 2 and 2 steps, in one or two.
# 63 rows: runs of 2 and 2 steps, in five epochs. Each training has a write at its end, and each fit.
FIRST_RUNS = 2 * 2 * 2 + 3


@pytest.mark.parametrize(
    ("options", "n_writes"), [(SEVERAL, FIRST_RUNS + 3 + 1), (BEST_EARLY, 5 * 2 + 1 + 1)], ids=["several", "best early"]
)
def test_every_write_of_a_fit_can_be_gone_on_from(killer, tmp_path, options, n_writes):
    X, y, _ = table()
    arguments, path = QUICK | options, tmp_path / "fit.ckpt"
    whole = GlassNetRegressor(**arguments).fit(X, y)
    assert options is SEVERAL or whole.best_epoch_ == 2
    expected = bits(whole, tmp_path / "model", X)
    killer.runs_of(2)
    after, keeping = 1, arguments | {"checkpoint": path, "checkpoint_every": 0}
    while killer.fit(GlassNetRegressor(**keeping), X, y, after=after):
        killer.last = None
        model = GlassNetRegressor(**arguments).fit(X, y, resume=path)
        assert bits(model, tmp_path / "model", X) == expected
        path.unlink()
        after += 1
    assert after > n_writes


@pytest.mark.parametrize("options", [{}, {"refit": 1}, {"folds": 2}])
def test_a_fit_that_begins_again_at_lower_rates_goes_on_at_the_one_it_had_come_to(killer, tmp_path, options):
    X, y, _ = table()
    arguments = QUICK | {"learning_rate": 1e8, "retries": 12, "activation": "relu", "optimizer": "momentum"} | options
    path, name = tmp_path / "fit.ckpt", tmp_path / "model"
    whole = GlassNetRegressor(**arguments).fit(X, y)
    assert whole.settings_["learning_rate"] < 1e8
    expected = bits(whole, name, X)
    killer.runs_of(3)
    keeping = arguments | {"checkpoint": path, "checkpoint_every": 0}
    for after in range(1, 200):
        path.unlink(missing_ok=True)
        if not killer.fit(GlassNetRegressor(**keeping), X, y, after=after):
            break
        killer.last = None
        assert bits(GlassNetRegressor(**arguments).fit(X, y, resume=path), name, X) == expected
    assert after > 20
