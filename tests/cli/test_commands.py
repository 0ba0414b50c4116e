"""Each command and option does what its help says."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import glassnet

QUICK = ("--epochs", 3, "--no-pictures")


def stdin_of(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data))


def glassnet_process(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "glassnet", *map(str, arguments)], capture_output=True, timeout=120, **options
    )


# --- help and version ---


def test_version_is_printed(run):
    assert run("--version") == (0, f"glassnet {glassnet.__version__}\n", "")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_lists_the_commands_and_teaches_by_example(run, arguments):
    ended = run(*arguments)
    assert (ended.code, ended.err) == (0, "")
    commands = [line for line in ended.out.splitlines() if line.startswith("│ ")]
    places = [next(i for i, line in enumerate(commands) if line.startswith(f"│ {name} ")) for name in
              ("train", "predict", "evaluate", "info", "demo")]  # fmt: skip
    assert places == sorted(places)
    assert "   glassnet train cars.csv --target price\n" in ended.out


@pytest.mark.parametrize("command", ["train", "predict", "evaluate", "info"])
def test_every_command_has_examples(run, command):
    ended = run(command, "--help")
    assert ended.code == 0
    assert " Examples\n" in ended.out
    assert f"   glassnet {command} cars." in ended.out


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]])
def test_help_and_version_load_no_heavy_library(arguments):
    code = (
        "import sys; from glassnet.cli import main; "
        f"code = main({arguments!r}); "
        "heavy = {'sklearn', 'polars', 'matplotlib', 'scipy', 'pandas', 'safetensors'}; "
        "print(heavy & set(sys.modules), file=sys.stderr); "
        "sys.exit(code)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr == "set()\n"


def test_the_module_runs_as_the_command():
    ended = glassnet_process("--version")
    assert (ended.returncode, ended.stdout.decode()) == (0, f"glassnet {glassnet.__version__}" + os.linesep)


@pytest.mark.parametrize("command", ["train", "predict", "evaluate", "info"])
def test_help_shows_no_types(run, command):
    assert not {"<str>", "<bool>", "<int>", "<float>"} & set(run(command, "--help").out.split())


def test_help_of_train_lists_the_choices_and_what_is_missing(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    said = " ".join(run("train", "--help").out.replace("│", " ").split())
    assert "identity, sigmoid, tanh, relu, leaky_relu, elu, selu, gelu, silu, mish, softplus." in said
    assert "momentum, nesterov" in said
    assert "or lbfgs." in said
    assert "Of the learning rate: constant, step, cosine, one_cycle, warm_up, plateau" in said
    assert "NA, N/A, #N/A, NaN, null, ? (in any case of letters)" in said


# --- train ---


def test_train_reports_and_writes_a_model_and_pictures(run, penguins, tmp_path):
    ended = run("train", penguins, "--target", "species", "--epochs", 30)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == f"{penguins}: 344 rows, 6 columns to predict from (4 numbers, 2 texts, 19 cells missing)"
    assert lines[1] == "species holds 3 texts: multiclass"
    assert lines[2] == "258 rows to train on, in 4 folds that validate each other, 86 held out"
    assert "Held-out report: 86 rows" in lines
    accuracy = next(line for line in lines if line.startswith("accuracy"))
    assert float(accuracy.split()[1]) >= 0.95
    assert accuracy.endswith("always the most frequent class: 0.4419")  # 38 of 86
    assert lines[-1] == "next: glassnet predict penguins.glassnet new.csv"
    assert "/30  loss " in ended.err
    assert glassnet.load(tmp_path / "penguins.glassnet").target_name_ == "species"
    pictures = sorted(path.name for path in (tmp_path / "penguins-pictures").iterdir())
    assert pictures == ["confusion.png", "loss.png", "network.png"]
    assert all((tmp_path / "penguins-pictures" / name).read_bytes()[:4] == b"\x89PNG" for name in pictures)


def test_a_regression_is_drawn_as_predictions_and_two_numbers_as_regions(run, tmp_path):
    x = np.linspace(0, 1, 60)
    frame = pl.DataFrame({"x": x, "z": x[::-1] ** 2, "y": 3 * x, "side": ["left"] * 30 + ["right"] * 30})
    frame.drop("side").write_csv(tmp_path / "line.csv")
    frame.drop("y").write_csv(tmp_path / "sides.csv")
    ended = run("train", "line.csv", "--target", "y", "--epochs", 2, "--out", "m.glassnet", "--pictures", "here")
    assert ended.code == 0
    assert "y holds numbers: regression" in ended.out
    assert "wrote here/ loss.png, network.png, predictions.png" in ended.out
    assert run("train", "sides.csv", "--target", "side", "--epochs", 2, "--quiet") == (0, "", "")
    assert (tmp_path / "sides-pictures" / "regions.png").exists()


def test_json_is_one_object_and_nothing_else(run, penguins):
    ended = run("train", penguins, "--target", "species", *QUICK, "--json")
    data = json.loads(ended.out)
    assert ended.code == 0
    assert (data["task"], data["task_reason"]) == ("multiclass", "species holds 3 texts: multiclass")
    assert data["rows"] == {"training": 258, "validation": 0, "held_out": 86}
    assert (data["epochs"], data["stop_reason"]) == (3, "max_epochs")
    assert (data["model"], data["pictures"]) == ("penguins.glassnet", [])
    assert data["report"]["n_rows"] == 86
    assert [row["class"] for row in data["report"]["per_class"]] == ["Adelie", "Chinstrap", "Gentoo"]


def test_quiet_prints_nothing(run, penguins):
    assert run("train", penguins, "--target", "species", *QUICK, "--quiet") == (0, "", "")


def test_the_same_command_gives_the_same_bytes_and_the_function_too(run, penguins, tmp_path):
    for name in ("one", "two"):
        run("train", penguins, "--target", "species", *QUICK, "--quiet", "--out", f"{name}.glassnet")
    glassnet.train(penguins, target="species", out=tmp_path / "function.glassnet", max_epochs=3)
    first = (tmp_path / "one.glassnet").read_bytes()
    assert (tmp_path / "two.glassnet").read_bytes() == first
    assert (tmp_path / "function.glassnet").read_bytes() == first


def test_another_seed_gives_another_model(run, penguins, tmp_path):
    for seed in (0, 1):
        run("train", penguins, "--target", "species", *QUICK, "--quiet", "--seed", seed, "--out", f"{seed}.glassnet")
    assert (tmp_path / "0.glassnet").read_bytes() != (tmp_path / "1.glassnet").read_bytes()


def test_the_flags_of_train_reach_the_network(run, penguins):
    flags = {
        "--hidden": "8,4",
        "--activation": "tanh",
        "--dropout": "0.25",
        "--learning-rate": "0.01",
        "--batch-size": "32",
        "--weight-decay": "0.1",
        "--clip-norm": "1",
        "--optimizer": "adamw",
        "--time-limit": "100",
        "--seed": "7",
        "--l2": "0.001",
        "--l1": "0.002",
        "--patience": "9",
        "--validation-fraction": "0.2",
        "--schedule": "one_cycle",
        "--input-scaling": "robust",
        "--engine": "reference",
        "--n-jobs": "2",
        "--class-weight": "balanced",
        "--scoring": "balanced_accuracy",
        "--calibration": "temperature",
    }
    flat = [part for pair in flags.items() for part in pair] + ["--refit", "2", "--retries", "1"]
    assert run("train", penguins, "--target", "species", *QUICK, *flat, "--drop", "sex", "--drop", "island").code == 0
    found = json.loads(run("info", "penguins.glassnet", "--json").out)
    assert [column["name"] for column in found["columns"]] == [
        "bill_length_mm",
        "bill_depth_mm",
        "flipper_length_mm",
        "body_mass_g",
    ]
    expected = {
        "hidden_layer_sizes": [8, 4],
        "activation": "tanh",
        "dropout": 0.25,
        "learning_rate": 0.01,
        "batch_size": 32,
        "weight_decay": 0.1,
        "clip_norm": 1.0,
        "optimizer": "adamw",
        "time_limit": 100.0,
        "random_state": 7,
        "l2": 0.001,
        "l1": 0.002,
        "patience": 9,
        "validation_fraction": 0.2,
        "schedule": "one_cycle",
        "input_scaling": "robust",
        "engine": "reference",
        "n_jobs": 2,
        "class_weight": "balanced",
        "scoring": "balanced_accuracy",
        "calibration": "temperature",
        "refit": 2,
        "retries": 1,
        "max_epochs": 3,
    }
    assert {name: found["settings"][name] for name in expected} == expected


def test_a_linear_model_and_a_full_batch_can_be_asked_for(run, penguins):
    assert run("train", penguins, "--target", "species", *QUICK, "--hidden", "none", "--batch-size", "full").code == 0
    found = json.loads(run("info", "penguins.glassnet", "--json").out)
    assert len(found["layers"]) == 1
    assert found["settings"]["batch_size"] == "full"


def test_a_task_can_be_asked_for(run, tmp_path):
    grades = pl.DataFrame({"x": np.arange(120) / 120, "grade": np.arange(120) // 30})
    grades.write_csv(tmp_path / "grades.csv")
    told = run("train", "grades.csv", "--target", "grade", *QUICK)
    asked = run("train", "grades.csv", "--target", "grade", *QUICK, "--task", "regression")
    assert told.out.splitlines()[1] == "grade holds 4 different whole numbers: multiclass (or else: --task regression)"
    assert asked.out.splitlines()[1] == "grade holds 4 different whole numbers: regression, as asked"
    assert "always the mean (RMSE):" in asked.out


def test_all_rows_can_be_trained_on(run, penguins):
    ended = run("train", penguins, "--target", "species", *QUICK, "--test-fraction", 0)
    assert "344 rows to train on, in 4 folds that validate each other, 0 held out" in ended.out
    assert "No row was held out, so there is no report." in ended.out
    assert (
        json.loads(run("train", penguins, "--target", "species", *QUICK, "--test-fraction", 0, "--json").out)["report"]
        is None
    )


def test_a_table_can_come_from_standard_input(run, penguins, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", stdin_of(penguins.read_bytes()))
    ended = run("train", "-", "--target", "species", *QUICK)
    assert ended.out.startswith("standard input: 344 rows")
    assert (tmp_path / "model.glassnet").exists()


def test_divergence_after_an_epoch_warns_and_keeps_the_model(run, tmp_path):
    x = np.linspace(-1, 1, 64)
    pl.DataFrame({"x": x, "y": x}).write_csv(tmp_path / "line.csv")
    # A linear model on standardised x and y: each step of the descent on (w - 1)² multiplies the error by 1 - 2·20.
    flags = ("--hidden", "none", "--optimizer", "gradient_descent", "--learning-rate", "20", "--batch-size", "full")
    ended = run("train", "line.csv", "--target", "y", *flags, "--epochs", 200, "--no-pictures", "--quiet")
    assert ended.code == 0
    assert ended.err.startswith("glassnet: warning: training diverged in epoch ")
    assert ended.err.endswith("Try a --learning-rate lower than 20, or --clip-norm 1.\n")
    assert (tmp_path / "line.glassnet").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_an_interrupt_during_training_keeps_the_best_weights(penguins, tmp_path):
    arguments = ["train", str(penguins), "--target", "species", "--learning-rate", "1e-6", "--epochs", "1000000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "glassnet", *arguments, "--no-pictures"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Kernels may be compiled first, which this many epochs are worth, and it says which fold it is.
    next(line for line in iter(process.stderr.readline, "") if line.startswith("epoch "))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "(interrupted)" in err
    assert "glassnet: warning: training was interrupted in epoch " in err
    assert "Held-out report: 86 rows" in out
    assert glassnet.load(tmp_path / "penguins.glassnet").stop_reason_ == "interrupted"


def test_rows_in_the_order_of_time_hold_out_the_last(run, tmp_path):
    # Nothing before the last quarter says what becomes of y.
    x = np.arange(200)
    frame = pl.DataFrame({"x": np.sin(x), "y": np.where(x < 150, np.cos(x), 100.0)})
    frame.write_csv(tmp_path / "t.csv")
    ended = run("train", "t.csv", "--target", "y", *QUICK, "--time-order")
    assert "120 rows to train on, 30 to validate, 50 held out, in the order of time" in ended.out
    report = json.loads(run("train", "t.csv", "--target", "y", *QUICK, "--time-order", "--json").out)["report"]
    assert report["baseline"]["baseline_rmse"] == 0  # the 50 last are all 100
    assert report["scores"]["mean_absolute_error"] > 97  # and nothing before was beyond 1


def test_groups_are_held_out_together(run, tmp_path):
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 5)
    level = rng.normal(size=40)[group]  # of the group, which the other columns do not tell
    frame = pl.DataFrame({"who": [f"p{k}" for k in group], "x": rng.normal(size=200), "y": level})
    frame.write_csv(tmp_path / "t.csv")
    ended = run("train", "t.csv", "--target", "y", *QUICK, "--group", "who")
    # A quarter of 40 groups of 5 is 10 groups, a tenth of the other 30 is 3.
    assert "120 rows to train on, 30 to validate, 50 held out, 40 groups kept together" in ended.out
    assert "1 column to predict from (1 number)" in ended.out


def test_quantiles_and_losses_can_be_asked_for(run, tmp_path):
    x = np.linspace(0, 1, 200)
    pl.DataFrame({"x": x, "y": 2 * x}).write_csv(tmp_path / "t.csv")
    flags = ("--quantiles", "0.1, 0.5,0.9", "--out", "q.glassnet")
    assert run("train", "t.csv", "--target", "y", *QUICK, "--quiet", *flags) == (0, "", "")
    predicted = pl.read_csv(run("predict", "q.glassnet", "t.csv").out.encode())
    assert predicted.columns == ["prediction", "quantile_0.1", "quantile_0.5", "quantile_0.9"]
    assert (predicted["prediction"] == predicted["quantile_0.5"]).all()
    assert run("train", "t.csv", "--target", "y", *QUICK, "--quiet", "--loss", "absolute_error").code == 0
    assert json.loads(run("info", "t.glassnet", "--json").out)["settings"]["loss"] == "absolute_error"


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (("--quantiles", "0.1;0.9"), 2, "--quantiles must be numbers with commas between them, got '0.1;0.9'."),
        (("--quantiles", "0.9,0.1"), 2, "--quantiles must be increasing numbers strictly between 0 and 1"),
        (("--quantiles", "0.1,0.9"), 2, "--quantiles is for numbers, and species holds 3 texts: multiclass, got (0.1,"),
        (("--loss", "hubber"), 2, "--loss must be one of 'absolute_error', 'auto',"),
        (("--loss", "huber"), 2, "--loss is for numbers, and species holds 3 texts: multiclass, got 'huber'. Leave it"),
        (("--class-weight", "even"), 2, '--class-weight must be None, "balanced" or a dict'),
        (("--scoring", "roc_acu"), 2, '--scoring must be "loss", the name of a scikit-learn scorer'),
        (("--calibration", "platt"), 2, "--calibration must be one of 'none', 'temperature', got 'platt'"),
        (("--time-order", "--group", "island"), 2, "--group cannot be combined with --time-order, got 'island'"),
        (("--group", "islnd"), 1, "{file}: column 'islnd' is not in the table. Did you mean 'island'?"),
        (("--group", "species"), 1, "{file}: column 'species' is the target and cannot be the group as well"),
        (("--group", "sex"), 1, "{file}: row 4: column 'sex' holds groups and has missing values (11 of 344 rows)."),
    ],
)
def test_flags_that_cannot_be_are_refused(run, penguins, flags, code, message):
    ended = run("train", penguins, "--target", "species", *QUICK, *flags)
    expected = "glassnet: error: " + message.replace("{file}", str(penguins))
    assert (ended.code, ended.err[: len(expected)]) == (code, expected)


def test_options_of_classes_are_refused_for_numbers(run, tmp_path):
    x = np.linspace(0, 1, 40)
    pl.DataFrame({"x": x, "y": 2 * x, "half": [0, 1] * 20}).write_csv(tmp_path / "t.csv")
    for flag, value in (("--class-weight", "balanced"), ("--calibration", "temperature")):
        ended = run("train", "t.csv", "--target", "y", *QUICK, flag, value)
        assert (ended.code, ended.err) == (
            2,
            f"glassnet: error: {flag} is for classes, and y holds numbers: regression, got '{value}'. "
            "Leave it out, or use task classification.\n",
        )
    ended = run("train", "t.csv", "--target", "y", *QUICK, "--group", "half")
    assert ended.err == (
        "glassnet: error: t.csv: column 'half' must hold at least 3 groups: one to train on, one to validate, one held "
        "out, got 2\n"
    )


# --- predict ---


def test_predictions_are_csv_on_standard_output(run, model, penguins):
    ended = run("predict", model, penguins)
    frame = pl.read_csv(ended.out.encode())
    assert (ended.code, ended.err) == (0, "")
    assert frame.columns == ["prediction", "probability_Adelie", "probability_Chinstrap", "probability_Gentoo"]
    expected = glassnet.load(model).predict(pl.read_csv(penguins, null_values="NA"))
    assert frame["prediction"].to_list() == expected.tolist()
    np.testing.assert_allclose(frame.drop("prediction").sum_horizontal(), 1, rtol=3e-7)  # seven digits each


def test_predictions_can_go_without_probabilities_and_with_the_input(run, model, penguins):
    ended = run("predict", model, penguins, "--no-probabilities", "--keep")
    columns = penguins.read_text().splitlines()[0].split(",")
    assert pl.read_csv(ended.out.encode()).columns == [*columns, "prediction"]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("out.csv", pl.read_csv),
        ("out.parquet", pl.read_parquet),
        ("out.arrow", pl.read_ipc),
        ("out.jsonl", pl.read_ndjson),
    ],
)
def test_the_suffix_names_the_format_of_predictions(run, model, penguins, tmp_path, name, read):
    ended = run("predict", model, penguins, "--out", name)
    assert ended == (0, "", f"wrote {name} (344 rows)\n")
    assert read(tmp_path / name).height == 344
    assert run("predict", model, penguins, "--out", name, "--quiet") == (0, "", "")


def test_predictions_as_json_hold_the_rows_or_name_the_file(run, model, penguins):
    data = json.loads(run("predict", model, penguins, "--json").out)
    assert (data["n_rows"], len(data["rows"])) == (344, 344)
    assert set(data["rows"][0]) == set(data["columns"])
    data = json.loads(run("predict", model, penguins, "--json", "--out", "o.csv").out)
    assert (data["out"], "rows" in data) == ("o.csv", False)


def test_predictions_work_in_a_pipe_that_is_closed_early(model, penguins):
    command = f"'{sys.executable}' -m glassnet predict '{model}' - < '{penguins}' | head -n 1"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout == "prediction,probability_Adelie,probability_Chinstrap,probability_Gentoo\n"
    assert ended.stderr == ""


def test_keep_refuses_a_table_that_has_predictions_already(run, model, penguins):
    run("predict", model, penguins, "--keep", "--out", "once.csv")
    ended = run("predict", model, "once.csv", "--keep")
    assert ended.code == 1
    assert ended.err == (
        "glassnet: error: once.csv: column 'prediction' is in the table already. Rename it, or do without keep.\n"
    )


def test_predictions_can_have_ends_that_hold_most_of_the_truth(run, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.uniform(size=800)
    frame = pl.DataFrame({"x": x, "y": 2 * x + rng.normal(size=800), "z": x - 3 * rng.normal(size=800)})
    frame.write_csv(tmp_path / "t.csv")
    flags = ("--validation-fraction", "0.4", "--test-fraction", "0", "--no-pictures", "--quiet")
    run("train", "t.csv", "--target", "y", "--drop", "z", "--epochs", 20, *flags)
    predicted = pl.read_csv(run("predict", "t.glassnet", "t.csv", "--interval", "0.9", "--keep").out.encode())
    assert predicted.columns == ["x", "y", "z", "prediction", "lower", "upper"]
    inside = predicted["y"].is_between(predicted["lower"], predicted["upper"]).mean()
    assert inside == pytest.approx(0.9, abs=0.04)
    run("train", "t.csv", "--target", "y", "--target", "z", "--epochs", 20, *flags)
    found = json.loads(run("predict", "t.glassnet", "t.csv", "--interval", "0.5", "--json").out)
    assert found["columns"] == ["prediction_y", "prediction_z", "lower_y", "lower_z", "upper_y", "upper_z"]


def test_ends_that_cannot_be_are_refused(run, model, penguins, tmp_path):
    ended = run("predict", model, penguins, "--interval", "0.9")
    assert (ended.code, ended.err) == (
        2,
        "glassnet: error: --interval is for numbers, and the model predicts classes, got 0.9. "
        "Their probabilities say how sure it is.\n",
    )
    x = np.linspace(0, 1, 40)
    pl.DataFrame({"x": x, "y": 2 * x}).write_csv(tmp_path / "t.csv")
    run("train", "t.csv", "--target", "y", *QUICK, "--quiet")
    ended = run("predict", "t.glassnet", "t.csv", "--interval", "90")
    assert ended.err == "glassnet: error: --interval must lie strictly between 0 and 1, got 90.0\n"
    ended = run("predict", "t.glassnet", "t.csv", "--interval", "0.9")
    assert ended.err == (
        "glassnet: error: --interval cannot be vouched for: no rows were held out, got 0.9. "
        "Train on more rows, or call calibrate(X, y).\n"
    )


# --- evaluate ---


def test_evaluate_knows_the_target_of_training(run, model, penguins):
    ended = run("evaluate", model, penguins)
    assert ended.code == 0
    assert ended.out.startswith(f"{model} on {penguins}: 344 rows\naccuracy")
    data = json.loads(run("evaluate", model, penguins, "--json").out)
    assert (data["model"], data["file"], data["n_rows"]) == (str(model), str(penguins), 344)
    assert data["baseline"] == {"most_frequent_class_accuracy": 152 / 344}


def test_evaluate_takes_another_name_for_the_target(run, model, changed):
    path = changed({(0, "species"): "kind"})
    assert run("evaluate", model, path).code == 1
    assert run("evaluate", model, path, "--target", "kind").code == 0


# --- info ---


def test_info_shows_what_the_file_holds(run, model):
    ended = run("info", model)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert (
        lines[0] == f"{model}: GlassNetClassifier, 4 networks, each of 5,315 parameters"
    )  # 14·64+64 + 64·64+64 + 64·3+3
    assert "predicts    species" in lines
    assert "classes     Adelie, Chinstrap, Gentoo" in lines
    assert "trained     20 epochs (max_epochs)" in lines
    assert f"written by  glassnet {glassnet.__version__}" in lines
    assert "island             category           3       Biscoe, Dream, Torgersen" in lines
    assert "Dense  identity        64        3         195" in lines
    assert all(line == line.rstrip() for line in lines)


def test_info_tells_the_zone_of_moments(run, tmp_path):
    hours = pl.datetime_range(
        pl.datetime(2024, 1, 1), pl.datetime(2024, 3, 1), "7h", eager=True, time_zone="Asia/Tokyo"
    )
    pl.DataFrame({"at": hours, "y": np.arange(len(hours)) / 7}).write_parquet(tmp_path / "t.parquet")
    assert run("train", "t.parquet", "--target", "y", *QUICK, "--quiet") == (0, "", "")
    line = next(line for line in run("info", "t.glassnet").out.splitlines() if line.startswith("at "))
    assert line.endswith("month, day, weekday, hour in Asia/Tokyo")


def test_info_as_json_has_the_checksum_of_the_file(run, model):
    import hashlib

    data = json.loads(run("info", model, "--json").out)
    assert data["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert data["bytes"] == model.stat().st_size
    assert data["parameters"] == sum(layer["n_parameters"] for layer in data["layers"])
    assert data["training"]["epochs"] == 20
    assert data["settings"]["max_epochs"] == 20
    assert "l1" not in data["settings"]  # off
    assert data["settings"]["engine"] == "reference"
    assert (data["settings"]["patience"], data["settings"]["validation_fraction"]) == (12, 0.2)
    assert data["settings"]["input_scaling"] == "smooth_clip"


def test_info_loads_no_estimator(model):
    code = (
        "import sys; from glassnet.cli import main; "
        f"code = main(['info', {str(model)!r}]); "
        "print({'sklearn', 'matplotlib', 'scipy', 'pandas', 'glassnet.estimators'} & set(sys.modules), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr == "set()\n"


def test_kinds_of_columns_can_be_said(run, tmp_path):
    rows = "".join(f"{3000 + i % 3},n{i},{i % 3 + i / 100}\n" for i in range(60))
    (tmp_path / "t.csv").write_text("zip=code,name,y\n" + rows)
    flags = ("--column", "zip=code=category", "--column", "name=drop")
    assert run("train", "t.csv", "--target", "y", *QUICK, "--quiet", *flags) == (0, "", "")
    shown = run("info", "t.glassnet").out
    assert "3000, 3001, 3002" in shown
    assert "left out: asked for" in shown
    kinds = {
        column["name"]: column["kind"] for column in json.loads(run("info", "t.glassnet", "--json").out)["columns"]
    }
    assert kinds == {"zip=code": "category", "name": "drop"}
    assert run("predict", "t.glassnet", "t.csv", "--out", "p.csv").code == 0


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("zip", "glassnet: error: --column must be NAME=KIND, got 'zip'. Such as zip=category."),
        (
            "bill_length_mm=nmber",
            "glassnet: error: --column 'bill_length_mm' must be one of 'auto', 'category', 'date',",
        ),
    ],
)
def test_kinds_that_cannot_be_said_are_refused_in_the_words_of_the_command(run, penguins, flag, message):
    ended = run("train", penguins, "--target", "species", *QUICK, "--column", flag)
    assert (ended.code, ended.out.count("epoch")) == (2, 0)
    assert ended.err.startswith(message)


def test_every_real_table_is_trained_on_from_the_command(run, real_data):
    """No flag but the target, of energy_efficiency both; one epoch each, without pictures. Then it is used.

    Of large tables every so many rows, as some are sorted: what is tried are columns of all kinds.
    """
    files = sorted(real_data.glob("*.parquet"))
    assert len(files) >= 30
    for whole in files:
        frame, path = pl.read_parquet(whole), Path(whole.name)
        frame.gather_every(max(frame.height // 2000, 1)).write_parquet(path)
        columns = frame.columns
        targets = columns[-2:] if path.stem == "energy_efficiency" else columns[-1:]
        named = [part for target in targets for part in ("--target", target)]
        ended = run("train", path, *named, "--epochs", 1, "--no-pictures", "--out", "m.glassnet", "--json")
        assert ended.code == 0, (path.stem, ended.err)
        assert json.loads(ended.out)["report"]["scores"], path.stem
        pl.read_parquet(path, n_rows=100).write_parquet("some.parquet")
        rows = json.loads(run("predict", "m.glassnet", "some.parquet", "--json").out)["rows"]
        assert len(rows) == 100, path.stem
        assert json.loads(run("evaluate", "m.glassnet", "some.parquet", "--json").out)["n_rows"] == 100, path.stem


def test_several_targets_are_trained_reported_predicted_and_shown(run, tmp_path):
    x = np.linspace(0, 1, 100)
    frame = pl.DataFrame({"x": x, "z": x**2, "up": 2 * x + 0.25, "down": 10 - 30 * x})
    frame.write_csv(tmp_path / "lines.csv")
    ended = run("train", "lines.csv", "--target", "up", "--target", "down", "--epochs", 60)
    assert ended.code == 0
    assert ended.out.splitlines()[1] == "up and down hold numbers: regression"
    assert any(line.startswith("down") for line in ended.out.splitlines())
    assert "predictions-1.png, predictions-2.png" in ended.out
    found = json.loads(run("info", "lines.glassnet", "--json").out)
    assert found["target"] == ["up", "down"]
    assert "predicts    up, down" in run("info", "lines.glassnet").out
    predicted = pl.read_csv(run("predict", "lines.glassnet", "lines.csv", "--keep").out.encode())
    assert predicted.columns == ["x", "z", "up", "down", "prediction_up", "prediction_down"]
    report = json.loads(run("evaluate", "lines.glassnet", "lines.csv", "--json").out)
    assert [row["target"] for row in report["per_target"]] == ["up", "down"]
    for name, row in zip(("up", "down"), report["per_target"], strict=True):
        error = predicted[name] - predicted[f"prediction_{name}"]
        assert row["rmse"] == pytest.approx((error**2).mean() ** 0.5, rel=1e-4)
        assert row["baseline_rmse"] == pytest.approx(frame[name].std(ddof=0))
    # The same columns under other names, in the order of training.
    frame.rename({"up": "a", "down": "b"}).write_csv(tmp_path / "other.csv")
    again = run("evaluate", "lines.glassnet", "other.csv", "--target", "a", "--target", "b", "--json")
    assert json.loads(again.out)["scores"] == report["scores"]


@pytest.mark.parametrize(
    ("targets", "code", "message"),
    [
        (["up", "side"], 1, "t.csv: column 'side' holds text, and regression needs numbers, got 'left'."),
        (["up", "same"], 1, "t.csv: column 'same' holds one number only, got 1. There is nothing to tell apart"),
        (["up", "gaps"], 1, "t.csv: row 3: column 'gaps' is the target and has missing values (1 of 40 rows)."),
        (["up", "upp"], 1, "t.csv: column 'upp' is not in the table. Did you mean 'up'?"),
        (["up", "up"], 2, "--target must name each column once, got 'up'"),
    ],
)
def test_a_target_among_several_that_cannot_be_is_named(run, tmp_path, targets, code, message):
    up = np.arange(40) / 3
    gaps = [None if i == 2 else i / 7 for i in range(40)]
    table = {"x": up[::-1], "up": up, "same": [1] * 40, "gaps": gaps, "side": ["left", "right"] * 20}
    pl.DataFrame(table).write_csv(tmp_path / "t.csv")
    flags = [part for target in targets for part in ("--target", target)]
    ended = run("train", "t.csv", *flags, *QUICK)
    assert (ended.code, ended.err.removeprefix("glassnet: error: ")[: len(message)]) == (code, message)


def test_evaluating_needs_a_column_for_each_target(run, tmp_path):
    x = np.linspace(0, 1, 40)
    pl.DataFrame({"x": x, "a": 2 * x, "b": 1 - x}).write_csv(tmp_path / "t.csv")
    run("train", "t.csv", "--target", "a", "--target", "b", *QUICK, "--quiet")
    ended = run("evaluate", "t.glassnet", "t.csv", "--target", "a")
    assert (ended.code, ended.err) == (
        2,
        "glassnet: error: --target must name 2 columns of true values, for 'a', 'b', got ['a']\n",
    )
