"""The split into training and validation rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.training.validation import split_folds, split_groups, split_last, split_rows


@settings(max_examples=100)
@given(n=st.integers(1, 300), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**64 - 1))
def test_a_split_parts_the_rows_and_leaves_one_to_train(n, fraction, seed):
    training, validation = split_rows(n, fraction, seed)
    assert sorted([*training, *validation]) == list(range(n))
    assert len(validation) == min(round(fraction * n), n - 1)
    assert np.array_equal(training, np.sort(training))


@settings(max_examples=100)
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


# --- groups and time ---


def test_no_group_is_on_both_sides_and_the_fraction_is_met_as_nearly_as_groups_allow():
    groups = np.repeat(np.arange(30), np.arange(1, 31))  # 465 rows
    for seed in range(20):
        training, held_out = split_groups(groups, 0.2, seed)
        assert not set(groups[training]) & set(groups[held_out])
        assert np.array_equal(np.sort(np.concatenate([training, held_out])), np.arange(465))
        assert abs(len(held_out) - 93) <= 15  # half of the largest group, which the next one could have been


def test_two_groups_are_parted_whatever_the_fraction():
    groups = np.array([0, 0, 0, 1])
    for fraction in (0.01, 0.5, 0.99):
        training, held_out = split_groups(groups, fraction, 0)
        assert len(training) in (1, 3)
        assert len(held_out) == 4 - len(training)
    assert [len(part) for part in split_groups(np.zeros(4, int), 0.5, 0)] == [4, 0]


def test_other_seeds_hold_out_other_groups():
    groups = np.arange(100) // 5
    held_out = {tuple(split_groups(groups, 0.1, seed)[1]) for seed in range(10)}
    assert len(held_out) > 5


def test_the_last_rows_are_held_out():
    assert [part.tolist() for part in split_last(10, 0.25)] == [list(range(8)), [8, 9]]  # 2.5 rows round to 2
    assert [len(part) for part in split_last(3, 0.99)] == [1, 2]
    assert [len(part) for part in split_last(3, 0.1)] == [3, 0]


@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_folds_hold_out_every_row_once_in_equal_shares_of_each_class(n_folds):
    classes = np.repeat([0, 1, 2], [50, 30, 7])
    folds = split_folds(87, n_folds, seed=1, classes=classes)
    assert np.array_equal(np.sort(np.concatenate([held for _, held in folds])), np.arange(87))
    for training, held in folds:
        assert np.array_equal(np.union1d(training, held), np.arange(87))
        assert len(training) + len(held) == 87
        for label, count in enumerate((50, 30, 7)):
            assert abs((classes[held] == label).sum() - count / n_folds) <= 1
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(folds, split_folds(87, n_folds, 1, classes), strict=True))
    assert not np.array_equal(folds[0][1], split_folds(87, n_folds, 2, classes)[0][1])


def test_folds_keep_groups_together():
    groups = np.arange(60) % 9
    for training, held in split_folds(60, 4, seed=0, groups=groups):
        assert not set(groups[training]) & set(groups[held])
        assert len(set(groups[held])) in (2, 3)
