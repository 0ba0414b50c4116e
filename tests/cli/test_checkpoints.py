"""`glassnet train --checkpoint … --resume`, and what the other commands say to a checkpoint."""

import hashlib
import json
import signal
from pathlib import Path

import pytest

import glassnet
from glassnet.errors import OptionError
from glassnet.files.checkpoint_format import read_checkpoint, write_checkpoint
from glassnet.training.progress import Lines

FLAGS = ("--target", "species", "--preset", "plain", "--hidden", 8, "--schedule", "constant", "--no-pictures")
KEEPING = ("--checkpoint", "run.ckpt", "--resume")


@pytest.fixture
def ctrl_c(monkeypatch):
    """Press Ctrl-C at the end of an epoch; None takes it back."""
    update = Lines.update

    def at(epoch):
        def pressed(lines, row):
            update(lines, row)
            if row["epoch"] == epoch:
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(Lines, "update", pressed)

    return at


def test_ctrl_c_leaves_a_checkpoint_and_the_same_command_goes_on_to_the_same_model(run, penguins, tmp_path, ctrl_c):
    assert run("train", penguins, *FLAGS, "--epochs", 9, "--out", "whole.glassnet").code == 0
    ctrl_c(4)
    ended = run("train", penguins, *FLAGS, *KEEPING, "--epochs", 9, "--out", "part.glassnet")
    assert ended.code == 0
    assert "going on" not in ended.err  # there was nothing to go on from, so it began
    assert ended.err.splitlines()[-1] == (
        "glassnet: warning: training was interrupted in epoch 4; the weights of epoch 4 are kept. The same command "
        "with --resume goes on from there."
    )
    assert (tmp_path / "part.glassnet").exists()
    ctrl_c(None)
    ended = run("train", penguins, *FLAGS, *KEEPING[:2], "--epochs", 9, "--out", "part.glassnet")
    assert ended.code == 2
    assert ended.err == (
        "glassnet: error: --checkpoint holds a training that is not over, which would be lost, got 'run.ckpt'. The "
        "same command with --resume goes on from it; or name another file, or remove this one.\n"
    )
    ended = run("train", penguins, *FLAGS, *KEEPING, "--epochs", 9, "--out", "part.glassnet")
    assert ended.code == 0
    assert "going on from epoch 4\n" in ended.err
    assert (tmp_path / "part.glassnet").read_bytes() == (tmp_path / "whole.glassnet").read_bytes()
    assert run("train", penguins, *FLAGS, *KEEPING, "--epochs", 9).err == "training: over already, in the checkpoint\n"
    # And with more epochs, from the checkpoint of a training that came to its end.
    run("train", penguins, *FLAGS, *KEEPING, "--epochs", 12, "--out", "longer.glassnet")
    run("train", penguins, *FLAGS, "--epochs", 12, "--out", "whole.glassnet")
    assert (tmp_path / "longer.glassnet").read_bytes() == (tmp_path / "whole.glassnet").read_bytes()


def test_what_was_written_in_time_outlives_an_end_without_a_word(run, penguins, tmp_path, monkeypatch):
    assert run("train", penguins, *FLAGS, "--epochs", 9, "--out", "whole.glassnet").code == 0
    update = Lines.update

    def ended(lines, row):
        update(lines, row)
        if row["epoch"] == 4:
            raise KeyboardInterrupt  # as a second Ctrl-C does, which nobody catches

    monkeypatch.setattr(Lines, "update", ended)
    flags = ("train", penguins, *FLAGS, *KEEPING, "--epochs", 9, "--out", "part.glassnet")
    assert run(*flags).code == 130
    assert not (tmp_path / "run.ckpt").exists()  # there was no minute
    assert run(*flags, "--checkpoint-every", 0).code == 130
    monkeypatch.setattr(Lines, "update", update)
    assert "going on from epoch 4\n" in run(*flags).err
    assert (tmp_path / "part.glassnet").read_bytes() == (tmp_path / "whole.glassnet").read_bytes()


def test_the_function_goes_on_as_the_command_does(run, penguins, tmp_path, monkeypatch, ctrl_c):
    monkeypatch.chdir(tmp_path)
    options = {"preset": "plain", "hidden_layer_sizes": (8,), "schedule": "constant", "checkpoint": "run.ckpt"}
    ctrl_c(4)
    run("train", penguins, *FLAGS, *KEEPING, "--epochs", 9)
    ctrl_c(None)
    result = glassnet.train(penguins, target="species", out="there.glassnet", max_epochs=9, resume=True, **options)
    assert len(result.model.history_) == 9
    run("train", penguins, *FLAGS, "--epochs", 9, "--out", "whole.glassnet")
    assert (tmp_path / "there.glassnet").read_bytes() == (tmp_path / "whole.glassnet").read_bytes()


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (
            (*KEEPING, "--learning-rate", "0.1"),
            2,
            "--learning-rate must be 0.003, as in the checkpoint 'run.ckpt', got 0.1",
        ),
        ((*KEEPING, "--seed", 1), 2, "--seed must be 0, as in the checkpoint 'run.ckpt', got 1"),
        (
            (*KEEPING, "--column", "sex=drop"),
            2,
            "--column must be None, as in the checkpoint 'run.ckpt', got {'sex': 'd",
        ),
        ((*KEEPING, "--checkpoint-every", -1), 2, "--checkpoint-every must be a number of seconds, at least 0, got -1"),
        ((*KEEPING, "--drop", "sex"), 1, "penguins.csv: is not what the checkpoint 'run.ckpt' was trained on. Pass "),
        (
            ("--resume",),
            2,
            "--resume needs a checkpoint to go on from. Name the file that keeps what was done: --check",
        ),
        (
            ("--checkpoint-every", 10),
            2,
            "--checkpoint-every needs a checkpoint to write. Name the file that keeps what was done: --checkpoint run",
        ),
        (("--checkpoint", "penguins.glassnet"), 2, "--checkpoint is the file of the model, which would be lost, got "),
        (("--checkpoint", "old.csv"), 2, "--checkpoint is a file that is no checkpoint, or a damaged one, and would b"),
        (("--checkpoint", "no/run.ckpt"), 2, "--checkpoint is in a folder that does not exist, got 'no/run.ckpt'"),
        (("--checkpoint", "."), 2, "--checkpoint is a folder, not a file, got '.'"),
        ((*KEEPING, "--optimizer", "lbfgs"), 2, "--checkpoint cannot be had with optimizer='lbfgs'. SciPy keeps what "),
    ],
)
def test_a_checkpoint_that_belongs_to_another_fit_or_cannot_be_is_refused(
    run, penguins, tmp_path, flags, code, message
):
    (tmp_path / "old.csv").write_text("x,y\n1,2\n")
    assert run("train", penguins, *FLAGS, *KEEPING, "--epochs", 3, "--quiet").code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    ended = run("train", penguins, *FLAGS, "--epochs", 3, "--quiet", *flags)
    assert ended.code == code
    assert message in ended.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_table_is_not_written_over(run, penguins, tmp_path):
    (tmp_path / "own.csv").write_bytes(penguins.read_bytes())
    ended = run("train", "own.csv", *FLAGS, "--checkpoint", "own.csv")
    assert ended.code == 2
    assert "--checkpoint is the table to train on, which would be lost" in ended.err
    with pytest.raises(OptionError, match="^checkpoint is the table to train on, which would be lost"):
        glassnet.train("own.csv", target="species", checkpoint="own.csv")


def test_info_says_how_far_a_checkpoint_has_come(run, penguins, ctrl_c):
    ctrl_c(4)
    run("train", penguins, *FLAGS, *KEEPING, "--epochs", 9, "--refit", 1)
    out = run("info", "run.ckpt").out
    assert out.startswith("run.ckpt: a checkpoint of a GlassNetClassifier, not a model\n")
    assert "training 1 of up to 2  under way, epoch 4 of 9 at most\n" in out
    assert not {"retries", "class_weight", "calibration"} & {line.split(" ")[0] for line in out.splitlines()}
    assert "no: the same command with --resume goes on from here\n" in out
    ctrl_c(None)
    run("train", penguins, *FLAGS, *KEEPING, "--epochs", 9, "--refit", 1)
    out = run("info", "run.ckpt").out
    assert "training 1 of up to 2  over (max_epochs), epoch 9 of 9 at most\n" in out
    assert "\nfinished               yes\n" in out
    assert f"SHA-256                {hashlib.sha256(Path('run.ckpt').read_bytes()).hexdigest()}\n" in out
    found = json.loads(run("info", "run.ckpt", "--json").out)
    assert (found["checkpoint"], found["finished"], found["planned"]) == (True, True, 2)
    assert [training["over"] for training in found["trainings"]] == ["max_epochs", "max_epochs"]


def test_a_checkpoint_cannot_command_the_terminal(run, penguins):
    run("train", penguins, *FLAGS, *KEEPING, "--epochs", 2, "--quiet")
    header, arrays = read_checkpoint("run.ckpt")
    evil = "[/bold]\x1b[2J"
    header["engine"] = header["written_by"] = header["trainings"][0]["outcome"]["reason"] = evil
    header["machine"]["1"] = "1" + evil
    header["settings"][evil] = evil
    write_checkpoint("run.ckpt", header, arrays)
    ended = run("info", "run.ckpt")
    assert ended.code == 0
    assert ended.out.count("[/bold]\\x1b[2J") == 6
    assert "\x1b" not in ended.out


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("machine", {"numpy": 2}),
        ("finished", 3),
        ("trainings", [{}]),
        ("estimator", "Other"),
        ("settings", {"folds": 0}),
    ],
)
def test_info_of_a_checkpoint_that_says_something_else_is_one_line(run, penguins, place, value):
    run("train", penguins, *FLAGS, *KEEPING, "--epochs", 2, "--quiet")
    header, arrays = read_checkpoint("run.ckpt")
    write_checkpoint("run.ckpt", {**header, place: value}, arrays)
    ended = run("info", "run.ckpt")
    assert ended.code == 1
    assert ended.err.startswith("glassnet: error: run.ckpt: is damaged: header")
    assert ended.err.endswith(". Go on from a copy of it, or train from the start.\n")
    assert ended.err.count("\n") == 1


def test_a_checkpoint_is_no_model_to_predict_with(run, penguins):
    run("train", penguins, *FLAGS, *KEEPING, "--epochs", 2, "--quiet")
    for command in ("predict", "evaluate"):
        ended = run(command, "run.ckpt", penguins)
        assert ended.code == 1
        assert ended.err.startswith("glassnet: error: run.ckpt: is a checkpoint of a training, not a model. Go on from")
