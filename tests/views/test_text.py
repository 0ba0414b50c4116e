import pytest

from glassnet.errors import DataError
from glassnet.maths.columns import Columns
from glassnet.maths.embeddings import Embedding
from glassnet.maths.layers import Dense, Dropout
from glassnet.maths.numbers import PiecewiseLinear
from glassnet.network import Network
from glassnet.views import describe_network


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


def test_branches_stand_below_their_columns():
    branches = {"numbers": (range(4), []), "city": ([4], [Embedding(300, 8), Dense(2, "tanh")])}
    network = Network([Columns(branches), Dense(1)], "squared_error", 5, random_state=0)
    assert describe_network(network.describe()) == "\n".join(
        [
            "layer                           nodes  activation  parameters",
            "------------------------------  -----  ----------  ----------",
            "Input                               5",
            "Columns                             6                   2,426",  # 301 · 8 + 8 · 2 + 2
            "  numbers: as they are              4",
            "  city: Embedding (levels 300)      8                   2,408",
            "  city: Dense                       2  tanh                18",
            "Dense                               1  identity             7",
            "Loss: squared_error",
            "2,433 parameters",
        ]
    )


def test_of_bins_the_table_says_how_many():
    branches = {"age": ([0], [PiecewiseLinear([0, 1, 2, 3]), Dense(8, "identity", "piecewise_linear")])}
    network = Network([Columns(branches), Dense(1)], "squared_error", 1, random_state=0)
    assert describe_network(network.describe()).splitlines()[3:6] == [
        "Columns                              8                      40",  # 4 · 8 + 8
        "  age: PiecewiseLinear (bins 3)      4                       0",
        "  age: Dense                         8  identity            40",
    ]


def test_a_description_that_is_none_is_refused():
    with pytest.raises(DataError, match=r"description must be the dict that Network\.describe\(\) returns, got 3"):
        describe_network(3)
    with pytest.raises(DataError, match="description must be the dict"):
        describe_network({})
