"""Model files of people who mean harm: refused with a ModelFileError, or models that predict like any other.

`benchmarks/torture.py loader` does the same with a million files.
"""

import gc
import json
import random
import tracemalloc
import warnings

import pytest

pytest.importorskip("resource", reason="limits of memory as POSIX has them")

from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.errors import ModelFileError
from glassnet.estimators.loading import load_from_bytes
from hostile import HOSTILE, RAW, File, joined, mutated, places_in, replaced, taken_apart
from torture import outcome_of, table, write_models

ROOM = 64 * 2**20


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[File]:
    """Good models of every kind, taken apart."""
    folder = tmp_path_factory.mktemp("good")
    write_models(folder)
    return [taken_apart(path.read_bytes()) for path in sorted(folder.iterdir())]


@pytest.fixture(scope="module")
def rows():
    return {name: values[:3] for name, values in table().items()}


def judged(content, rows):
    """What came of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers may overflow in a network of absurd weights
        return outcome_of(content, rows, compiled=False)


def first_of_each_list(places):
    """Places without those behind the second element of a list: the rest of a list is treated alike."""
    return [place for place in places if not any(isinstance(key, int) and key > 1 for key in place)]


def test_good_files_load_and_predict(files, rows):
    assert [judged(file.joined(), rows) for file in files] == ["loaded, predicted"] * len(files)


# Whatever stands anywhere


@pytest.mark.parametrize("number", range(7))
def test_any_value_in_any_place_of_the_header_is_refused_or_does_no_harm(files, rows, number):
    file, counts = files[number], {"loaded": 0, "refused": 0}
    for turn, place in enumerate(first_of_each_list(places_in(file.header))):
        for value in HOSTILE[(turn + number) % 17 :: 17]:  # other models, or the next place, take the others
            content = file._replace(header=replaced(file.header, place, value)).joined()
            counts["loaded" if judged(content, rows).startswith("loaded") else "refused"] += 1
    assert counts["refused"] > 300  # it looks at most places
    assert counts["loaded"] > 30  # what is the user's own: names, options not used any more


def test_any_value_in_any_place_of_the_table_is_refused_or_does_no_harm(files, rows):
    for file in files[:2]:
        for place in places_in(file.table)[1:]:
            for value in HOSTILE:
                changed = replaced(file.table, place, value)
                if changed != file.table:
                    found = judged(file._replace(table=changed).joined(), rows)
                    assert found == "refused: table, JSON or format" or type(value) is bool or value in (0.0, -0.0)


@pytest.mark.parametrize("text", RAW, ids=lambda text: text[:12])
def test_json_that_nobody_writes_is_refused_wherever_it_stands(files, rows, text):
    file = files[1]
    for place in first_of_each_list(places_in(file.header))[::7]:
        header = json.dumps(replaced(file.header, place, "@")).replace('"@"', text)
        assert judged(joined(file.table, header, file.content), rows).startswith("refused")


@settings(max_examples=300)
@given(seed=st.integers(0, 2**64))
def test_mutated_files_are_refused_or_do_no_harm(files, rows, seed):
    assert judged(mutated(random.Random(seed), files), rows).partition(",")[0].partition(":")[0] in (
        "loaded",
        "refused",
    )


def test_one_model_in_the_skin_of_another_is_refused_or_does_no_harm(files, rows):
    for one in files:
        for other in files:
            for key in one.header:
                judged(one._replace(header={**one.header, key: other.header.get(key)}).joined(), rows)
            shapes = [{name: entry["shape"] for name, entry in file.table.items()} for file in (one, other)]
            found = judged(File(other.table, one.header, other.content).joined(), rows)
            assert found.startswith("loaded" if shapes[0] == shapes[1] else "refused")


# What it may cost


def measured(content):
    """The most bytes at a time that reading a file takes, whether it is refused or not."""
    gc.collect()
    tracemalloc.start()
    try:
        load_from_bytes(content)
    except ModelFileError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def with_network(file, layers, size, n_networks=1, **header):
    """A model whose network has these layers and so many parameters, all 0, in each of so many networks."""
    table, start = {}, 0
    for number in range(n_networks):
        name = "network.params" if number == 0 else f"network.{number}.params"
        table[name] = {"dtype": "F32", "shape": [size], "data_offsets": [start, start + 4 * size]}
        start += 4 * size
    network = {**file.header["network"], "layers": layers}
    return File(table, {**file.header, "network": network, **header}, bytes(start))


def with_column(file, column):
    return file._replace(header=replaced(file.header, ("encoder", "columns", 0), column))


@pytest.fixture(scope="module")
def bombs(files):
    """Small files that claim much, or repeat what costs much, by name."""
    classes, numbers = files[1], files[4]
    dense = {"kind": "Dense", "units": 1, "activation": "relu"}
    n = classes.header["network"]["n_features"]
    many = {f"b{k}": {"columns": [0], "layers": [dense]} for k in range(8000)}
    wide = {"kind": "Columns", "branches": many}
    edges = [{"kind": "PiecewiseLinear", "edges": list(range(100_000))}]
    inside = {"kind": "Columns", "branches": {"a": {"columns": [0], "layers": edges}}}
    category = {"kind": "category", "name": "a", "family": "text", "n_levels": 1, "pooled": True, "missing": True}
    category |= {"coded": False, "spells_numbers": False}
    number = numbers.header["encoder"]["columns"][0]
    labels = {"kind": "classes", "classes": ["a", "b"], "dtype": "<U9999999"}
    return {
        "a layer of 2^40 units": with_network(classes, [{**dense, "units": 2**40}], 10),
        "units of 300 digits": with_network(classes, [{**dense, "units": 10**300}] * 3, 10),
        "4096 members": with_network(classes, [{"kind": "EnsembleDense", "units": 9, "members": 4096}], 10),
        "an embedding of 2^24 levels": with_network(
            classes, [{"kind": "Embedding", "levels": 2**24, "width": 2**20}], 10
        ),
        "5000 layers": with_network(classes, [{"kind": "Activation", "activation": "relu"}] * 5000, 0),
        "8000 branches": with_network(classes, [wide, dense], 16000 + 8001),
        "8000 branches in 100 networks": with_network(classes, [wide, dense], 16000 + 8001, 100),
        "100,000 bins in 20 networks": with_network(classes, [inside, dense], 100_002, 20),
        "10,000 networks": with_network(classes, [dense], n + 1, 10_000, predicting=10_000),
        "labels of 40 MB each": classes._replace(header={**classes.header, "targets": labels}),
        "100,000 labels": classes._replace(
            header={
                **classes.header,
                "targets": {**labels, "classes": [f"{k:06}" for k in range(100_000)], "dtype": "<U40"},
            }
        ),
        "multilabel of 2^50": files[3]._replace(header=replaced(files[3].header, ("targets", "n_labels"), 2**50)),
        "200,000 levels": with_column(numbers, {**category, "levels": [f"{k}" for k in range(200_000)]}),
        "200,000 knots": with_column(numbers, {**number, "scaling": "quantile", "knots": list(range(200_000))}),
        "5000 columns": numbers._replace(header=replaced(numbers.header, ("encoder", "columns"), [number] * 5000)),
        "100,000 quantiles": numbers._replace(
            header=replaced(
                numbers.header, ("network", "loss", "quantiles"), [(k + 1) / 200_000 for k in range(100_000)]
            )
        ),
        "30,000 epochs": numbers._replace(
            header={**numbers.header, "history": [{"epoch": k, "loss": 0.5} for k in range(30_000)]}
        ),
        "a name of a megabyte": classes._replace(header={**classes.header, "estimator": "x" * 10**6}),
        "a key of a megabyte": classes._replace(header=replaced(classes.header, ("settings",), {"x" * 10**6: 1})),
    }


@pytest.mark.parametrize("number", range(19))
def test_a_small_file_costs_little_whatever_it_claims(bombs, number):
    name, file = list(bombs.items())[number]
    content = file.joined()
    assert measured(content) <= 4 * len(content) + ROOM, name


def test_a_large_model_takes_at_most_four_times_its_file(files):
    dense = [{"kind": "Dense", "units": 4000, "activation": "relu"}, {"kind": "Dense", "units": 1}]
    n = files[1].header["network"]["n_features"]
    content = with_network(files[1], dense, 4000 * (n + 1) + 4001, 60).joined()
    assert len(content) > 10e6
    assert measured(content) <= 3 * len(content) + 2**20
