"""The split into training and validation rows."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.training.validation import split_rows


@settings(deadline=None, max_examples=100, derandomize=True)
@given(n=st.integers(1, 300), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**64 - 1))
def test_a_split_parts_the_rows_and_leaves_one_to_train(n, fraction, seed):
    training, validation = split_rows(n, fraction, seed)
    assert sorted([*training, *validation]) == list(range(n))
    assert len(validation) == min(round(fraction * n), n - 1)
    assert np.array_equal(training, np.sort(training))


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    fraction=st.floats(0.05, 0.5),
    seed=st.integers(0, 1000),
)
def test_a_stratified_split_takes_the_same_share_of_each_class(counts, fraction, seed):
    classes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    training, validation = split_rows(len(classes), fraction, seed, classes)
    assert sorted([*training, *validation]) == list(range(len(classes)))
    for k, count in enumerate(counts):
        held_out = np.sum(classes[validation] == k)
        assert abs(held_out - fraction * count) < 1 or held_out == count - 1
        assert held_out < count
    assert len(validation) <= round(fraction * len(classes))
    if min(counts) > 2 / (1 - fraction):  # then each class can round up, and the total is right
        assert len(validation) == round(fraction * len(classes))


def test_small_classes_give_rows_by_chance_rather_than_none():
    classes = np.repeat(np.arange(60), 4)
    held_out = [classes[split_rows(240, 0.1, seed, classes)[1]] for seed in (0, 1)]
    assert [len(set(part)) for part in held_out] == [24, 24]
    assert set(held_out[0]) != set(held_out[1])


def test_a_split_repeats_with_its_seed_and_changes_with_it():
    splits = [split_rows(100, 0.2, seed)[1] for seed in (5, 5, 6)]
    assert np.array_equal(splits[0], splits[1])
    assert not np.array_equal(splits[0], splits[2])
