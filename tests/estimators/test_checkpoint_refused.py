"""What a fit does not go on from: other settings, data or machines, other files; and what it does where one fails."""

import errno
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import glassnet
from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import CheckpointWarning, DataError, ModelFileError, OptionError, TrainingDiverged
from glassnet.estimators import checkpoint as checkpoints
from glassnet.files import model_format
from glassnet.files.checkpoint_format import read_checkpoint, write_checkpoint

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
Y = X[:, 0] + X[:, 1] ** 2
QUICK = {
    **{"hidden_layer_sizes": (4,), "preset": "plain", "batch_size": 16, "max_epochs": 3, "schedule": "constant"},
    **{"engine": "reference", "early_stopping": True, "validation_fraction": 0.3, "random_state": 0},
}


def quick(**options):
    return GlassNetRegressor(**QUICK | options)


@pytest.fixture
def kept(tmp_path):
    """The checkpoint of a fit that is over."""
    quick(checkpoint=tmp_path / "run.ckpt").fit(X, Y)
    return tmp_path / "run.ckpt"


def changed(path, change):
    """Write the checkpoint anew with its header changed."""
    header, arrays = read_checkpoint(path)
    change(header, arrays)
    write_checkpoint(path, header, arrays)


# --- another fit ---


@pytest.mark.parametrize(
    ("options", "argument", "was", "now"),
    [
        ({"learning_rate": 0.1}, "learning_rate", 0.003, 0.1),
        ({"hidden_layer_sizes": (5,)}, "hidden_layer_sizes", [4], [5]),
        ({"activation": "relu"}, "activation", "silu", "relu"),
        ({"optimizer": "nesterov", "learning_rate": 0.003}, "optimizer", "adam", "nesterov"),
        ({"batch_size": 8}, "batch_size", 16, 8),
        ({"refit": 1}, "refit", 0, 1),
        ({"patience": 3}, "patience", 20, 3),
        ({"validation_fraction": 0.2}, "validation_fraction", 0.3, 0.2),
        ({"random_state": 1}, "random_state", 0, 1),
        ({"dtype": "float64"}, "dtype", "float32", "float64"),
        ({"target_scaling": "minmax"}, "target_scaling", "standard", "minmax"),
        ({"loss": "huber"}, "loss", "squared_error", "huber"),
        ({"l2": 0.1}, "l2", 0.0, 0.1),
    ],
)
def test_a_setting_that_differs_is_named_with_what_it_was(kept, options, argument, was, now):
    with pytest.raises(OptionError) as raised:
        quick(**options).fit(X, Y, resume=kept)
    assert str(raised.value) == f"{argument} must be {was!r}, as in the checkpoint {str(kept)!r}, got {now!r}"
    assert raised.value.argument == argument


@pytest.mark.parametrize(
    "options",
    [
        {"n_jobs": 2},
        {"time_limit": 1e6},
        {"callbacks": [lambda row: None]},
        {"checkpoint_every": 0.0},
        {"max_epochs": 4},
    ],
)
def test_settings_that_may_change_do(kept, options):
    expected = quick(**options).fit(X, Y).network_.params
    assert quick(**options).fit(X, Y, resume=kept).network_.params.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("data", "argument"),
    [
        ({"X": X[::-1], "y": Y}, "X"),
        ({"X": {"a": X[:, 0], "b": X[:, 1]}, "y": Y}, "X"),  # the same numbers under other names
        ({"X": X, "y": np.where(np.arange(60) == 7, Y + 1e-3, Y)}, "y"),
        ({"X": X, "y": Y, "sample_weight": np.linspace(1, 2, 60)}, "sample_weight"),
        ({"X": X, "y": Y, "groups": np.arange(60) // 3}, "validation"),
        ({"X": X, "y": Y, "validation": (X, Y)}, "validation"),
    ],
)
def test_data_that_differ_are_named(kept, data, argument):
    with pytest.raises(DataError, match=f"^{argument} (is not what|gives other rows)") as raised:
        quick().fit(**data, resume=kept)
    assert raised.value.argument == argument
    assert str(kept) in str(raised.value)
    assert raised.value.remedy.startswith("Pass the same ")


def test_where_other_data_change_what_auto_chooses_it_is_the_data_that_are_named(tmp_path):
    path, quick = tmp_path / "run.ckpt", {"max_epochs": 1, "random_state": 0, "engine": "reference"}
    few = GlassNetRegressor(checkpoint=path, **quick).fit(X, Y)
    more = np.tile(X, (20, 1)), np.tile(Y, 20)
    assert few.settings_["folds"] > GlassNetRegressor(**quick).fit(*more).settings_["folds"]
    with pytest.raises(DataError, match="^X is not what the checkpoint"):
        GlassNetRegressor(**quick).fit(*more, resume=path)
    with pytest.raises(OptionError, match="^folds must be 4, as in the checkpoint .*, got 1$"):
        GlassNetRegressor(**quick).fit(X, Y, validation="last", resume=path)  # the same data, otherwise divided


def test_a_fit_that_diverged_does_not_keep_its_checkpoint_from_the_next(tmp_path):
    diverging = {"learning_rate": 1e30, "optimizer": "momentum", "activation": "identity"}
    with pytest.raises(TrainingDiverged):
        quick(checkpoint=tmp_path / "run.ckpt", checkpoint_every=0, **diverging).fit(X, Y)
    with pytest.raises(TrainingDiverged):  # as it did
        quick(**diverging).fit(X, Y, resume=tmp_path / "run.ckpt")
    quick(checkpoint=tmp_path / "run.ckpt").fit(X, Y)
    assert quick().fit(X, Y, resume=tmp_path / "run.ckpt").stop_reason_ == "max_epochs"


def test_the_same_labels_under_other_names_are_another_target(tmp_path):
    path, rows = tmp_path / "run.ckpt", Y > 0
    GlassNetClassifier(**QUICK, checkpoint=path).fit(X, np.where(rows, "b", "a"))
    with pytest.raises(DataError, match="^y is not what"):
        GlassNetClassifier(**QUICK).fit(X, np.where(rows, "d", "c"), resume=path)


def test_the_same_labels_may_come_in_another_container(tmp_path):
    path, labels = tmp_path / "run.ckpt", np.where(Y > 0, "high", "low")
    options = {"preset": "plain", "schedule": "constant", "random_state": 0}
    GlassNetClassifier(max_epochs=2, checkpoint=path, **options).fit(X, labels)
    for y in (labels.tolist(), labels.astype(object), pd.Series(labels)):
        longer = GlassNetClassifier(max_epochs=3, **options).fit(X, y, resume=path)
        assert len(longer.history_) == 3


def test_a_schedule_over_all_epochs_cannot_be_prolonged(tmp_path):
    path = tmp_path / "run.ckpt"
    for schedule in ("cosine", "one_cycle", {"name": "warm_up", "then": "cosine"}):
        quick(schedule=schedule, checkpoint=path).fit(X, Y)
        with pytest.raises(OptionError, match="laid out over all epochs") as raised:
            quick(schedule=schedule, max_epochs=9).fit(X, Y, resume=path)
        name = schedule if isinstance(schedule, str) else "warm_up"
        assert str(raised.value).startswith(
            f"max_epochs must stay 3, as in the checkpoint {str(path)!r}: schedule {name!r} is"
        )
        quick(schedule=schedule).fit(X, Y, resume=path)


def test_a_schedule_of_ones_own_can_be_prolonged(tmp_path):
    path = tmp_path / "run.ckpt"
    options = {"schedule": lambda step: 1 / (1 + step)}
    quick(**options, checkpoint=path).fit(X, Y)
    longer = quick(**options, max_epochs=5)
    assert longer.fit(X, Y, resume=path).network_.params.tobytes() == longer.fit(X, Y).network_.params.tobytes()


def test_a_fit_cannot_end_before_its_checkpoint(kept):
    with pytest.raises(
        OptionError, match="^max_epochs must be at least 3, the epochs behind the checkpoint .*, got 2$"
    ):
        quick(max_epochs=2).fit(X, Y, resume=kept)


def test_another_kind_of_estimator_is_refused(kept):
    with pytest.raises(ModelFileError, match="belongs to a GlassNetRegressor, not to a GlassNetClassifier. Use that"):
        GlassNetClassifier(**QUICK).fit(X, Y > 0, resume=kept)


def test_the_engine_that_auto_would_choose_for_more_epochs_is_refused_by_name(kept, monkeypatch):
    changed(kept, lambda header, _: header.update(engine="compiled"))
    with pytest.raises(OptionError) as raised:
        quick(engine="auto").fit(X, Y, resume=kept)
    assert str(raised.value) == (
        f"engine must be 'compiled', as in the checkpoint {str(kept)!r}, got 'reference'. "
        'Set engine="compiled": "auto" goes by max_epochs, too.'
    )


def test_a_fit_without_a_seed_goes_on_with_the_one_of_its_checkpoint(tmp_path):
    path = tmp_path / "run.ckpt"
    model = quick(random_state=None, checkpoint=path).fit(X, Y)
    again = quick(random_state=None).fit(X, Y, resume=path)
    assert again.settings_["random_state"] == model.settings_["random_state"]
    assert again.network_.params.tobytes() == model.network_.params.tobytes()


# --- another machine ---


def test_another_version_of_glassnet_is_refused(kept, monkeypatch):
    changed(kept, lambda header, _: header.update(written_by="0.0.9"))
    with pytest.raises(ModelFileError, match=r"was written by glassnet 0\.0\.9, and this is .* Go on with the version"):
        quick().fit(X, Y, resume=kept)


@pytest.mark.parametrize("name", ["numpy", "processor"])
def test_other_libraries_and_processors_are_refused_by_name(kept, name):
    changed(kept, lambda header, _: header["machine"].update({name: "9.9"}))
    with pytest.raises(
        ModelFileError, match=f"was written with another {name}, 9.9, and here it is .*: the bits would"
    ):
        quick().fit(X, Y, resume=kept)


def test_the_compiled_engine_says_its_versions_too(tmp_path):
    path = tmp_path / "run.ckpt"
    quick(engine="compiled", checkpoint=path).fit(X, Y)
    assert sorted(read_checkpoint(path)[0]["machine"]) == ["llvmlite", "numba", "numpy", "processor", "scipy"]


# --- other files ---


def test_a_missing_file_a_folder_and_a_foreign_file_are_named(tmp_path):
    for name, content, text in (
        ("none.ckpt", None, "no such file"),
        ("empty.ckpt", b"", "is empty. Go on from a copy of it, or train from the start."),
        (
            "table.csv",
            b"a,b\n1,2\n",
            "is not a checkpoint of glassnet: it looks like a text file, such as CSV. A checkp",
        ),
        ("joblib.pkl", b"\x80\x04\x95rest of it", "is not a checkpoint of glassnet: it looks like a pickle"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ModelFileError) as raised:
            quick().fit(X, Y, resume=path)
        assert str(raised.value).startswith(f"{path}: {text}")
        assert raised.value.file == str(path)
    with pytest.raises(ModelFileError, match="is a folder"):
        quick().fit(X, Y, resume=tmp_path)


def test_a_model_is_no_checkpoint_and_a_checkpoint_no_model(kept, tmp_path):
    quick().fit(X, Y).save(tmp_path / "model.glassnet")
    text = r"is a model, not a checkpoint of a training\. glassnet\.load opens it; a checkpoint is the file that "
    with pytest.raises(ModelFileError, match=text):
        quick().fit(X, Y, resume=tmp_path / "model.glassnet")
    with pytest.raises(ModelFileError, match=r"is a checkpoint of a training, not a model\. Go on from it with "):
        glassnet.load(kept)


@pytest.mark.parametrize("cut", [0.2, 0.9, 0.999])
def test_a_file_cut_short_is_refused(kept, cut):
    content = kept.read_bytes()
    kept.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(ModelFileError, match=r"is damaged.* Go on from a copy of it, or train from the start\.$"):
        quick().fit(X, Y, resume=kept)


def drop(name):
    return lambda header, arrays: arrays.pop(name)


def put(name, array):
    return lambda header, arrays: arrays.update({name: np.asarray(array)})


def say(*places, value):
    def change(header, arrays):
        found = header
        for place in places[:-1]:
            found = found[place]
        found[places[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        drop("0.point.state.params"),
        drop("0.point.state.mean"),
        drop("0.outcome.history"),
        put("0.point.state.params", np.zeros(3, np.float32)),
        put("0.point.state.params", np.zeros(17)),  # float64
        put("0.point.state.params", np.full(17, np.nan, np.float32)),
        put("0.point.best", np.full(17, np.inf, np.float32)),
        put("0.outcome.params", np.full(17, np.nan, np.float32)),
        put("0.outcome.params", np.zeros(17, np.int32)),
        put("0.point.state.another", np.zeros(3)),
        put("0.point.state.step", 4),
        put("0.point.best", np.zeros((17, 1), np.float32)),
        put("0.point.history.known", np.zeros((3, 2), bool)),
        say("trainings", 0, "point", "epoch", value=-1),
        say("trainings", 0, "point", "epoch", value=2),
        say("trainings", 0, "point", "done", value=99),
        say("trainings", 0, "point", "done", value="many"),
        put("0.outcome.params", np.zeros(3, np.float32)),
        put("0.outcome.history", np.full((3, 6), np.inf)),
        say("trainings", 0, "planned", value=[3]),
        say("trainings", 0, "planned", value=["x", "y"]),
        say("trainings", 0, "point", "total", value="much"),
        say("trainings", 0, "outcome", value=None),
        say("trainings", value={"a": 1}),
        say("settings", value=[]),
        say("settings", "random_state", value="x"),
        say("machine", value="x"),
        say("data", value=None),
    ],
)
def test_content_that_does_not_fit_is_damage(kept, change):
    changed(kept, change)
    with pytest.raises(
        ModelFileError, match=r"is damaged: .*\. Go on from a copy of it, or train from the s"
    ) as raised:
        quick(max_epochs=4).fit(X, Y, resume=kept)
    assert raised.value.file == str(kept)


# --- arguments ---


@pytest.mark.parametrize(
    ("options", "fit", "text"),
    [
        ({"checkpoint": 3}, {}, "^checkpoint must be the path of a file, or None, got 3$"),
        ({"checkpoint_every": -1}, {}, "^checkpoint_every must be a number of seconds, at least 0, got -1$"),
        ({"checkpoint": "a\0b"}, {}, r"^checkpoint must be the path of a file, got 'a\\x00b'$"),
        ({}, {"resume": "a\0b"}, r"^resume must be the path of a checkpoint, or None, got 'a\\x00b'$"),
        ({}, {"resume": 3}, "^resume must be the path of a checkpoint, or None, got 3$"),
        ({"checkpoint": "a", "warm_start": True}, {}, "^checkpoint cannot be had with warm_start=True. Go on from a"),
        ({"warm_start": True}, {"resume": "a"}, "^resume cannot be had with warm_start=True. Go on from"),
        ({"checkpoint": "a", **{"optimizer": "lbfgs", "batch_size": "full"}}, {}, "^checkpoint cannot be had with opt"),
        ({"optimizer": "lbfgs", "batch_size": "full"}, {"resume": "a"}, "^resume cannot be had with optimizer='lbfgs'"),
        ({"checkpoint": "no/a"}, {}, "^checkpoint is in a folder that does not exist, got 'no/a'$"),
    ],
)  # fmt: skip
def test_arguments_that_cannot_be_are_refused(tmp_path, monkeypatch, options, fit, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match=text):
        quick(**options).fit(X, Y, **fit)


def test_partial_fit_has_no_checkpoints(tmp_path):
    with pytest.raises(
        OptionError, match=r"^checkpoint cannot be had with partial_fit\. Each call is an epoch of its own"
    ):
        quick(checkpoint=tmp_path / "a").partial_fit(X, Y)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n"])
def test_another_file_is_not_written_over(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(
        OptionError, match="^checkpoint is a file that is no checkpoint, or a damaged one, and would be los"
    ):
        quick(checkpoint=path).fit(X, Y)
    assert path.read_bytes() == content


def test_a_model_is_not_written_over(tmp_path):
    path = tmp_path / "model.glassnet"
    quick().fit(X, Y).save(path)
    with pytest.raises(OptionError, match="and would be lost"):
        quick(checkpoint=path).fit(X, Y)
    assert glassnet.load(path)


def test_a_fit_that_is_not_over_is_not_written_over(kept, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = kept.relative_to(tmp_path)
    changed(kept, say("finished", value=False))
    content = kept.read_bytes()
    rule = f"checkpoint holds a training that is not over, which would be lost, got {str(kept)!r}. fit(X, y, resume="
    for there, fit in ((kept, {}), (kept, {"resume": tmp_path / "other"})):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(OptionError) as raised:
            quick(checkpoint=there).fit(X, Y, **fit)
        assert str(raised.value).startswith(rule)
        assert str(raised.value).endswith(" goes on from it; or name another file, or remove this one.")
        assert kept.read_bytes() == content
    quick(checkpoint=kept).fit(X, Y, resume=kept.parent / "." / kept.name)  # the same file, otherwise spelled
    assert read_checkpoint(kept)[0]["finished"] is True
    quick(checkpoint=kept).fit(X, Y)  # a fit that is over is there as a model


def test_a_checkpoint_is_no_part_of_the_model(kept, tmp_path):
    model = quick(checkpoint=tmp_path / "other.ckpt", checkpoint_every=3).fit(X, Y)
    assert "checkpoint" not in model.settings_
    assert "checkpoint_every" not in model.settings_
    model.save(tmp_path / "with")
    quick().fit(X, Y).save(tmp_path / "without")
    assert (tmp_path / "with").read_bytes() == (tmp_path / "without").read_bytes()
    assert clone(model).checkpoint == tmp_path / "other.ckpt"
    assert glassnet.load(tmp_path / "with").checkpoint is None


# --- what a checkpoint that cannot be written does ---


class Faults:
    """Lets the n-th call to the operating system fail while a checkpoint is written, and all that follow."""

    CALLS = ("open", "write", "fsync", "replace", "chmod", "stat", "close")

    def __init__(self, monkeypatch, number, code):
        self.calls, self.writing, self.number, self.code = 0, False, number, code
        write = model_format.write_bytes

        def watched(*arguments):
            self.writing = True
            try:
                write(*arguments)
            finally:
                self.writing = False

        monkeypatch.setattr(model_format, "write_bytes", watched)
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self.failing(getattr(os, name)))

    def failing(self, function):
        def call(*arguments, **options):
            if self.writing and arguments and not str(arguments[0]).endswith(".py"):
                self.calls += 1
                if self.calls >= self.number:
                    raise OSError(self.code, os.strerror(self.code))
            return function(*arguments, **options)

        return call


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_whichever_call_fails_the_fit_is_not_lost_and_a_file_that_is_there_can_be_gone_on_from(tmp_path, code):
    short = {"max_epochs": 2, "batch_size": 42}
    expected = quick(**short).fit(X, Y).network_.params.tobytes()
    path, calls, told = tmp_path / "run.ckpt", 0, 0
    while True:
        calls += 1
        path.unlink(missing_ok=True)
        with pytest.MonkeyPatch.context() as monkeypatch, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            faults = Faults(monkeypatch, calls, code)
            model = quick(**short, checkpoint=path, checkpoint_every=0).fit(X, Y)
        assert model.network_.params.tobytes() == expected
        if faults.calls < calls:
            break
        assert {str(warning.message) for warning in caught} <= {
            f"{path}: the checkpoint cannot be written: {os.strerror(code)}. The fit goes on without; the last one "
            "that could be written stays."
        }
        told += bool(caught)
        if path.exists():
            assert quick(**short).fit(X, Y, resume=path).network_.params.tobytes() == expected
    assert caught == []
    assert told > 12  # several calls in each of several writes; the folder that cannot be opened is no failure


def test_too_little_memory_for_a_checkpoint_does_not_end_a_fit(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(model_format.safetensors.numpy, "save", full)
    with pytest.warns(CheckpointWarning, match="the checkpoint cannot be written: not enough memory"):
        quick(checkpoint=tmp_path / "run.ckpt").fit(X, Y)


def test_a_checkpoint_is_written_when_its_time_has_come(tmp_path, monkeypatch):
    clock, written = [100.0], []

    class Clock:
        @staticmethod
        def monotonic():
            return clock[0]

    monkeypatch.setattr(checkpoints, "time", Clock)
    monkeypatch.setattr(checkpoints, "write_checkpoint", lambda *parts: written.append(clock[0]))

    def tick(row):
        clock[0] += 25.0

    quick(checkpoint=Path(tmp_path / "run.ckpt"), callbacks=[tick], max_epochs=8).fit(X, Y)
    # An epoch is done at 100, 125, …, 275 seconds, and the fit at 300.
    assert written == [175.0, 250.0, 300.0]
