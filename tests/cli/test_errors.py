"""Every bad input ends in one line on standard error, with the right exit code and without a traceback."""

from __future__ import annotations

import pytest

from glassnet import workflow
from glassnet.cli.problems import in_flags
from glassnet.files.model_format import read_model, write_model

QUICK = ("--epochs", 2, "--no-pictures", "--quiet")


@pytest.fixture
def complaint(run):
    """Run the command, which must fail with this code; return what it says after "glassnet: error: "."""

    def failing(code, *arguments):
        ended = run(*arguments)
        assert (ended.code, ended.out) == (code, "")
        assert ended.err.startswith("glassnet: error: ")
        assert ended.err.count("\n") == 1
        return ended.err.removeprefix("glassnet: error: ").rstrip("\n")

    return failing


def test_a_missing_target_column_is_named_with_the_nearest_one(complaint, penguins):
    said = complaint(1, "train", penguins, "--target", "specis", *QUICK)
    assert said == f"{penguins}: column 'specis' is not in the table. Did you mean 'species'?"


def test_a_column_to_drop_that_is_not_there_is_named_with_the_nearest_one(complaint, penguins):
    said = complaint(1, "train", penguins, "--target", "species", "--drop", "islnd", *QUICK)
    assert said == f"{penguins}: column 'islnd' is not in the table. Did you mean 'island'?"


def test_the_target_cannot_be_dropped(complaint, penguins):
    said = complaint(1, "train", penguins, "--target", "sex", "--drop", "sex", *QUICK)
    assert said == f"{penguins}: column 'sex' is the target and cannot be dropped"


def test_an_empty_file_is_said_to_be_empty(complaint, tmp_path):
    (tmp_path / "empty.csv").touch()
    said = complaint(1, "train", "empty.csv", "--target", "a", *QUICK)
    assert said == "empty.csv: is empty. Give a file with a header line and at least one row."


def test_a_file_that_does_not_exist_is_named_with_the_nearest_one(complaint, tmp_path):
    (tmp_path / "cars.csv").touch()
    assert (
        complaint(1, "train", "car.csv", "--target", "a", *QUICK) == "car.csv: does not exist. Did you mean 'cars.csv'?"
    )


def test_a_target_of_one_class_is_refused(complaint, changed):
    path = changed({(row, "species"): "Adelie" for row in range(1, 345)})
    said = complaint(1, "train", path, "--target", "species", *QUICK)
    assert said == (
        f"{path}: column 'species' holds one class only, got 'Adelie'. "
        "There is nothing to tell apart: the target must differ between rows."
    )


def test_a_column_without_values_is_refused(complaint, changed):
    path = changed({(row, "sex"): "" for row in range(1, 345)})
    said = complaint(1, "train", path, "--target", "species", *QUICK)
    assert said == f"{path}: column 'sex' holds no value at all. Drop it before training."


def test_an_infinity_is_refused_with_its_row_in_the_file(complaint, changed):
    path = changed({(200, "body_mass_g"): "inf"})
    said = complaint(1, "train", path, "--target", "species", *QUICK)
    assert said == (
        f"{path}: row 200: column 'body_mass_g' must be finite, got inf. "
        "Replace it by a number, or leave the cell empty (missing)."
    )


def test_an_infinite_target_is_refused(complaint, changed):
    path = changed({(4, "body_mass_g"): "0", (340, "body_mass_g"): "0", (200, "body_mass_g"): "-inf"})
    said = complaint(1, "train", path, "--target", "body_mass_g", *QUICK)
    assert said == f"{path}: row 200: column 'body_mass_g' is the target and must be finite, got -inf"


def test_a_target_with_missing_values_is_refused_with_the_first_row(complaint, changed):
    path = changed({(7, "species"): "", (90, "species"): "NA"})
    said = complaint(1, "train", path, "--target", "species", *QUICK)
    assert said == (
        f"{path}: row 7: column 'species' is the target and has missing values (2 of 344 rows). "
        "Fill them in or remove those rows: a row without a target can teach nothing."
    )


def test_text_where_numbers_were_is_refused_with_its_row(complaint, changed, model):
    path = changed({(33, "body_mass_g"): "heavy"})
    said = complaint(1, "predict", model, path)
    assert said == (
        f"{path}: row 33: column 'body_mass_g' holds text where numbers were in training, got 'heavy'. "
        "Give the column as it was in training."
    )


def test_other_columns_than_in_training_are_refused_with_the_nearest_one(complaint, changed, model):
    path = changed({(0, "body_mass_g"): "body_mass"})
    said = complaint(1, "predict", model, path)
    assert said == (
        f"{path}: lacks 1 of the 6 columns of training: 'body_mass_g'. "
        "Did you mean its column 'body_mass' to be 'body_mass_g'?"
    )


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--optimizer", "adm"), "--optimizer must be one of 'adam', 'adamw', 'auto', 'gradient_descent', 'lbfgs', "
         "'momentum', 'nesterov', 'rmsprop', got 'adm'. Did you mean 'adam'?"),
        (("--task", "clasification"), "--task must be one of 'auto', 'classification', 'regression', got "
         "'clasification'. Did you mean 'classification'?"),
        (("--epochs", "0"), "--epochs must be a whole number of at least 1, got 0"),
        (("--epochs", "ten"), "--epochs must be a whole number or auto, got 'ten'"),
        (("--learning-rate", "-1"), "--learning-rate must be positive, got -1.0"),
        (("--test-fraction", "1"), "--test-fraction must be at least 0 and below 1, got 1.0"),
        (("--hidden", "64x32"), "--hidden must be whole numbers of at least 1 with commas between them, auto or none, "
         "got '64x32'. Such as 64,32."),
        (("--out", "-"), "--out must be a file: a model is not written to standard output, got '-'"),
        (("--out", "nosuch/m.glassnet"), "--out is in a folder that does not exist, got 'nosuch/m.glassnet'"),
        (("--pictures", "here"), "--pictures cannot be combined with --no-pictures"),
    ],
)  # fmt: skip
def test_an_unknown_value_of_an_option_is_a_misuse_that_names_the_flag(complaint, penguins, flags, expected):
    said = complaint(2, "train", penguins, "--target", "species", "--no-pictures", "--quiet", *flags)
    assert said == expected


def test_an_unknown_activation_is_answered_with_the_valid_ones(complaint, penguins):
    said = complaint(2, "train", penguins, "--target", "species", "--activation", "rleu", *QUICK)
    assert said.startswith("--activation must be one of 'elu', 'gelu', ")
    assert said.endswith("got 'rleu'. Did you mean 'relu'?")


def test_missing_arguments_and_unknown_commands_are_misuse(complaint, penguins):
    assert complaint(2, "train") == "Missing argument 'FILE'. Try 'glassnet train --help'."
    assert complaint(2, "train", penguins) == "Missing option '--target'. Try 'glassnet train --help'."
    assert complaint(2, "trian").startswith("No such command 'trian'")
    assert complaint(2, "info", "m.glassnet", "--zzz").startswith("No such option")


def test_a_diverging_rate_is_said_with_epoch_loss_and_what_to_try(complaint, penguins, tmp_path):
    flags = ("--optimizer", "gradient_descent", "--learning-rate", "1e30")
    said = complaint(1, "train", penguins, "--target", "species", *flags, *QUICK)
    assert said == (
        "training diverged in epoch 1, step 2 at learning rate 1e+30: the loss became nan "
        "(the output of layer 2 of 3, Dense, was the first to overflow). "
        "Try a lower --learning-rate, such as 1e+29, --clip-norm 1, or scaled inputs."
    )
    assert list(tmp_path.iterdir()) == []


def test_text_as_a_number_to_predict_is_refused(complaint, penguins):
    said = complaint(1, "train", penguins, "--target", "species", "--task", "regression", *QUICK)
    assert said == (
        f"{penguins}: column 'species' holds text, and regression needs numbers, got 'Adelie'. "
        "Use task classification, or repair the column."
    )


def test_a_foreign_file_is_no_model(complaint, penguins):
    said = complaint(1, "info", penguins)
    assert said == (
        f"{penguins}: is not a model of glassnet: it looks like a text file, such as CSV. "
        "A model is a file written by save() or by `glassnet train`."
    )


def test_a_model_cut_short_is_damaged(complaint, model, tmp_path):
    (tmp_path / "cut.glassnet").write_bytes(model.read_bytes()[:-10])
    size = model.stat().st_size
    said = complaint(1, "predict", "cut.glassnet", "any.csv")
    assert said == (
        f"cut.glassnet: is damaged: it is cut short, at {size - 10:,} of {size:,} bytes. Copy or save the model again."
    )


def test_a_model_that_does_not_exist_is_named_with_the_nearest_one(complaint, model):
    wrong = model.with_name("penguin.glassnet")
    assert complaint(1, "info", wrong) == f"{wrong}: no such file. Did you mean {str(model)!r}?"


def test_predictions_that_cannot_be_written_are_one_line(complaint, model, penguins):
    said = complaint(1, "predict", model, penguins, "--out", "nosuch/out.csv")
    assert said.startswith("nosuch/out.csv: cannot be written (No such file or directory).")


def test_evaluating_with_a_feature_is_refused(complaint, model, penguins):
    said = complaint(2, "evaluate", model, penguins, "--target", "sex")
    assert said == (
        "--target must hold the true values: the model predicts 'species', from 'sex' among others, got 'sex'"
    )


def test_evaluating_without_true_values_says_that_nothing_compares(complaint, model, changed):
    path = changed({(7, "species"): ""})
    said = complaint(1, "evaluate", model, path)
    assert said == (
        f"{path}: row 7: column 'species' is the target and has missing values (1 of 344 rows). "
        "Fill them in or remove those rows: without a true value there is nothing to compare with."
    )


def test_evaluating_with_another_kind_of_target_names_the_classes(complaint, model, changed):
    path = changed({(row, "species"): "Emperor" for row in range(1, 345)})
    said = complaint(1, "evaluate", model, path)
    assert said == (
        f"{path}: column 'species' holds none of the classes of training, which are "
        "'Adelie', 'Chinstrap', 'Gentoo', got 'Emperor'"
    )


def test_a_table_is_not_replaced_by_a_model(complaint, changed):
    path = changed({})
    before = path.read_bytes()
    for name, table in (("changed.csv", path), ("./changed.csv", path), ("changed.csv", "./changed.csv")):
        said = complaint(2, "train", table, "--target", "species", "--out", name, *QUICK)
        assert said == f"--out is the table to train on, which would be lost, got {name!r}. Name another file."
    said = complaint(2, "train", "nosuch.csv", "--target", "species", "--out", "m.parquet", *QUICK)
    assert said == (
        "--out ends like a table (.parquet), and a model is to be written, got 'm.parquet'. "
        "Name a file such as model.glassnet."
    )
    assert path.read_bytes() == before


def test_predictions_replace_neither_their_table_nor_the_model(complaint, changed, model):
    path = changed({})
    said = complaint(2, "predict", model, path, "--out", "changed.csv")
    assert said == "--out is the table to predict from, which would be lost, got 'changed.csv'. Name another file."
    said = complaint(2, "predict", model, path, "--out", model)
    assert said == f"--out is the model, which would be lost, got {str(model)!r}. Name another file."


def test_options_are_checked_before_the_file_is_read(complaint):
    said = complaint(2, "train", "nosuch.csv", "--target", "y", "--dropout", "2", *QUICK)
    assert said.startswith("--dropout must be at least 0 and below 1, got 2.0")
    said = complaint(2, "train", "nosuch.csv", "--target", "y", "--schedule", "cosin", *QUICK)
    assert said.endswith("got 'cosin'. Did you mean 'cosine'?")


def test_an_interrupt_before_anything_is_fitted_exits_with_130(complaint, penguins, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "prepare", interrupted)
    assert complaint(130, "train", penguins, "--target", "species") == "interrupted"


def test_debugging_adds_the_traceback(run, monkeypatch):
    monkeypatch.setenv("GLASSNET_DEBUG", "1")
    ended = run("info", "nosuch.glassnet")
    assert ended.code == 1
    assert ended.err.startswith("Traceback (most recent call last):")
    assert ended.err.endswith("glassnet: error: nosuch.glassnet: no such file\n")


def test_a_fault_of_glassnet_itself_is_not_hidden(run, monkeypatch):
    monkeypatch.setattr(workflow, "describe_model", lambda path: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        run("info", "any.glassnet")


def test_warnings_are_one_line_each(run, tmp_path):
    names = [f"name {i}" for i in range(40)]
    rows = [f"{name},{i % 2},{'ab'[i % 2]}" for i, name in enumerate(names)]
    (tmp_path / "names.csv").write_text("\n".join(["name,x,y", *rows]))
    ended = run("train", "names.csv", "--target", "y", *QUICK)
    assert ended.code == 0
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("glassnet: warning: column 'name': nearly every value is different")


def test_advice_is_given_in_flags():
    assert in_flags("a lower learning_rate, or clip_norm=1.") == "a lower --learning-rate, or --clip-norm 1."
    assert in_flags("max_epochs=5 for my_learning_rate") == "--epochs 5 for my_learning_rate"
    assert in_flags("Keep it with columns={'a b': 'category'}, or") == "Keep it with --column 'a b=category', or"
    assert in_flags('the engine: set engine="auto"') == "the engine: set --engine auto"


@pytest.mark.parametrize("command", ["info", "predict", "evaluate"])
def test_a_damaged_model_ends_every_command_in_one_line(complaint, model, penguins, tmp_path, command):
    content = model.read_bytes()
    (tmp_path / "bad.glassnet").write_bytes(content[:-5])
    table = [] if command == "info" else [penguins]
    said = complaint(1, command, tmp_path / "bad.glassnet", *table)
    rest = f"it is cut short, at {len(content) - 5:,} of {len(content):,} bytes. Copy or save the model again."
    assert said == f"{tmp_path / 'bad.glassnet'}: is damaged: {rest}"


@pytest.fixture
def commanding(model, tmp_path):
    """A model whose file holds commands to the terminal wherever text may stand."""
    header, arrays = read_model(model)
    clear = "\x1b[2J\x07"
    header["settings"]["[/bold]" + clear] = header["arguments"]["[/bold]" + clear] = clear  # closes a tag of rich
    header["stop_reason"] = header["target"] = header["settings"]["preset"] = header["written_by"] = clear
    header["encoder"]["columns"][0]["name"] = clear
    write_model(tmp_path / "commanding.glassnet", header, arrays)
    return tmp_path / "commanding.glassnet"


def test_a_model_file_cannot_command_the_terminal(run, complaint, commanding, penguins):
    ended = run("info", commanding)
    assert ended.code == 0
    assert ended.out.count("\\x1b[2J\\x07") == 7
    assert "\n[/bold]\\x1b[2J\\x07 " in ended.out
    assert "\x1b" not in ended.out
    said = complaint(1, "predict", commanding, penguins)
    assert "\\x1b[2J\\x07" in said
    assert "\x1b" not in said
