"""What is shown while training goes on."""

from glassnet.training.history import epoch_row, format_row, history_frame
from glassnet.training.progress import progress_for

ROW = epoch_row(7, 70, 0.123456, {"validation_loss": 0.25, "validation_accuracy": 0.9}, 0.001, 1.26)


def test_a_row_is_one_line_of_text():
    assert format_row(ROW, 200) == "epoch   7/200  loss 0.1235  validation loss 0.25  validation accuracy 0.9  1.3 s"


def test_without_verbose_nothing_is_shown(capsys):
    progress = progress_for(False)
    progress.about("fold 1 of 4")
    progress.start(10)
    progress.update(ROW)
    progress.finish("done")
    assert capsys.readouterr() == ("", "")


def test_where_output_is_no_terminal_the_first_and_last_epoch_are_lines_on_standard_error(capsys):
    progress = progress_for(True)
    progress.start(200)
    for epoch in range(1, 51):
        progress.update({**ROW, "epoch": epoch})
    progress.finish("stopped after 50 epochs (callback)")
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0].startswith("epoch   1/200")
    assert lines[-2].startswith("epoch  50/200")
    assert lines[-1] == "stopped after 50 epochs (callback)"
    assert len(lines) == 3  # all within two seconds


def test_each_of_several_trainings_says_which_it_is(capsys):
    progress = progress_for(True)
    for fold in ("fold 1 of 2", "fold 2 of 2"):
        progress.about(fold)
        progress.start(200)
        progress.update(ROW)
        progress.finish("done")
    assert capsys.readouterr().err.splitlines() == [
        line for fold in ("fold 1 of 2", "fold 2 of 2") for line in (fold, format_row(ROW, 200), "done")
    ]


def test_on_a_terminal_there_is_a_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    progress = progress_for(True)
    progress.about("fold 3 of 4")
    progress.start(200)
    progress.update(ROW)
    progress.finish("stopped after 7 epochs (callback)")
    err = capsys.readouterr().err
    assert "fold 3 of 4" in err
    assert "7/200" in err
    assert "stopped after 7 epochs (callback)" in err


def test_the_history_is_a_data_frame_on_request():
    frame = history_frame([ROW, {**ROW, "epoch": 8}])
    assert frame["epoch"].tolist() == [7, 8]
    assert "validation_loss" in frame.columns


def test_a_row_without_a_rate_leaves_it_out():
    assert "learning_rate" not in epoch_row(1, 1, 0.5, {}, None, 0.1)
