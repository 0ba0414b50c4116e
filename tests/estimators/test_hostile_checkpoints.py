"""Checkpoints that were damaged, or written by people who mean harm: refused, or another fit's, or without harm."""

import random
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glassnet import GlassNetClassifier
from glassnet.errors import DataError, ModelFileError, OptionError
from glassnet.files.checkpoint_format import read_checkpoint, write_checkpoint
from glassnet.workflow import describe_model
from hostile import HOSTILE, mutated, places_in, replaced, taken_apart

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2))
Y = np.where(X[:, 0] > 0, "yes", "no")
FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def model(**more):
    """Two folds, each of which leaves an outcome and a point; dropout and averaged weights need their counters."""
    options = {"hidden_layer_sizes": (3,), "preset": "plain", "folds": 2, "averaging": 0.9, "dropout": 0.1}
    plain = {"schedule": "constant", "batch_size": 8, "engine": "reference", "random_state": 0, "max_epochs": 2}
    return GlassNetClassifier(**options, **plain | more)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The checkpoint of a fit that is over."""
    path = tmp_path_factory.mktemp("good") / "run.ckpt"
    model(checkpoint=path).fit(X, Y)
    return path


def of(path, work, *others):
    """What the work gives, or the error that names the file; any other error passes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # absurd losses may overflow where they are added up
        try:
            return work()
        except (ModelFileError, *others) as error:
            return error if str(path) in str(error) else pytest.fail(f"does not name the file: {error}")


def outcome_of(path):
    """What a checkpoint comes to: "refused" as a file, "another fit", or "gone on" to a model that predicts."""
    of(path, lambda: describe_model(path))
    found = of(path, lambda: model(max_epochs=3).fit(X, Y, resume=path), OptionError, DataError)
    if isinstance(found, Exception):
        return "refused" if isinstance(found, ModelFileError) else "another fit"
    assert np.isfinite(found.predict_proba(X)).all()
    return "gone on"


def test_a_good_one_goes_on(good):
    assert outcome_of(good) == "gone on"


@FEW
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_bit_that_is_wrong_is_found_wherever_it_is(good, tmp_path, place, bit):
    content = bytearray(good.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (tmp_path / "run.ckpt").write_bytes(content)
    assert outcome_of(tmp_path / "run.ckpt") == "refused"


@FEW
@given(seed=st.integers(0, 2**64))
def test_mutated_files_are_refused(good, tmp_path, seed):
    (tmp_path / "run.ckpt").write_bytes(mutated(random.Random(seed), [taken_apart(good.read_bytes())]))
    if outcome_of(tmp_path / "run.ckpt") != "refused":  # a mutation may take back what another did
        changed, same = read_checkpoint(tmp_path / "run.ckpt"), read_checkpoint(good)
        assert changed[0] == same[0]
        assert all((changed[1][name] == array).all() for name, array in same[1].items())


@pytest.mark.parametrize("part", range(4))
def test_any_value_in_any_place_of_the_header_does_no_harm_though_its_digest_is_right(good, tmp_path, part):
    header, arrays = read_checkpoint(good)
    counts = dict.fromkeys(("refused", "another fit", "gone on"), 0)
    for turn, place in enumerate(places_in(header)[1 + part :: 4]):
        if place[0] in ("format", "format_version", "digest"):
            continue
        for value in HOSTILE[(turn + part) % 9 :: 9]:
            try:
                write_checkpoint(tmp_path / "run.ckpt", replaced(header, place, value), arrays)
            except ModelFileError:
                continue  # what no file holds: not a number, half a character
            counts[outcome_of(tmp_path / "run.ckpt")] += 1
    assert counts["refused"] > 50
    assert counts["another fit"] > 20
