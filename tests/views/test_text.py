import pytest

from glassnet.errors import DataError, OptionError
from glassnet.maths.layers import Dense, Dropout
from glassnet.network import Network
from glassnet.views import describe_network, format_epoch, format_history


def test_the_articles_network_as_a_table():
    network = Network([Dense(5, "sigmoid"), Dense(3)], "cross_entropy", 2, random_state=0)
    assert describe_network(network.describe()) == "\n".join(
        [
            "layer  nodes  activation  parameters",
            "-----  -----  ----------  ----------",
            "Input      2",
            "Dense      5  sigmoid             15",
            "Dense      3  identity            18",
            "Loss: cross_entropy",
            "33 parameters",
        ]
    )


def test_what_is_special_about_a_layer_or_loss_stands_in_brackets():
    network = Network([Dense(4, "relu"), Dropout(0.25), Dense(1)], "huber", 2, random_state=0)
    text = describe_network(network.describe())
    assert "Dropout (rate 0.25)      4                       0" in text
    assert "Loss: huber (delta 1.0)" in text


def test_parameters_that_are_not_given_are_reckoned():
    layers = [{"kind": "Dense", "units": 1000}, {"kind": "LayerNorm"}, {"kind": "Dense", "units": 1}]
    lines = describe_network({"n_features": 10, "layers": layers}).splitlines()
    assert [line.split()[-1] for line in lines[3:6]] == ["11,000", "2,000", "1,001"]
    assert lines[-1] == "14,001 parameters"


def test_what_is_unknown_stays_empty():
    lines = describe_network({"layers": [{"kind": "Dense", "units": 3}, {"kind": "Mystery", "depth": 2}]}).splitlines()
    assert lines[2:] == ["Input", "Dense                  3", "Mystery (depth 2)      3"]
    assert describe_network({}).splitlines()[-1] == "0 parameters"


def test_a_description_that_is_none_is_refused():
    with pytest.raises(DataError, match=r"description must be the dict that Network\.describe\(\) returns, got 3"):
        describe_network(3)


def test_an_epoch_as_a_line():
    row = {
        "epoch": 100,
        "step": 4000,
        "loss": 0.12341,
        "validation_loss": 0.14562,
        "validation_accuracy": 0.975,
        "learning_rate": 0.001,
        "seconds": 2.31,
    }
    assert format_epoch(row, 5) == (
        "epoch   100  loss 0.1234  validation 0.1456  validation accuracy 0.975  rate 0.001  2.3 s"
    )
    assert format_epoch({"epoch": 1, "loss": 2.0}) == "epoch 1  loss 2"


def test_a_history_shows_the_first_epoch_every_so_manieth_and_the_last():
    rows = [{"epoch": n, "loss": 1 / n} for n in range(1, 12)]
    lines = format_history(rows, 5).splitlines()
    assert [line.split()[1] for line in lines] == ["1", "5", "10", "11"]
    assert lines[0] == "epoch  1  loss 1"
    assert len(format_history(rows).splitlines()) == 11
    assert format_history([], 5) == ""


@pytest.mark.parametrize("every", [0, -1, 1.5])
def test_every_must_be_a_whole_number(every):
    with pytest.raises(OptionError, match=f"every must be a whole number of at least 1, got {every}"):
        format_history([], every)
