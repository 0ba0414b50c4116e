import math

import numpy as np
import pytest

from glassnet.errors import OptionError
from glassnet.maths import schedules
from glassnet.maths.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    OneCycle,
    ReduceOnPlateau,
    StepDecay,
    WarmUp,
    schedule_named,
)

EVERY = [
    Constant(),
    StepDecay(2, 0.5),
    Cosine(0.1),
    OneCycle(),
    WarmUp(3, "cosine"),
    WarmUp(2.5, OneCycle(0.5)),
    ReduceOnPlateau(),
    schedule_named(lambda step: 1 / (1 + step)),
]


def factors(schedule, steps, steps_per_epoch=1, total_steps=100):
    return schedule.factors(np.asarray(steps), steps_per_epoch, total_steps)


# --- values by hand ---


def test_constant_is_one():
    np.testing.assert_array_equal(factors(Constant(), [0, 7, 99]), [1, 1, 1])


def test_step_decay_by_hand():
    # Every 2 epochs of 3 steps: steps 0 … 5, 6 … 11, 12 …
    np.testing.assert_array_equal(
        factors(StepDecay(2, 0.5), [0, 5, 6, 11, 12, 18], steps_per_epoch=3), [1, 1, 0.5, 0.5, 0.25, 0.125]
    )


def test_step_decay_waits_for_the_end_of_an_epoch():
    # Every 1.5 epochs of 4 steps: ⌊epoch / 1.5⌋ is 0, 0, 1, 2 in epochs 0 to 3.
    steps = [0, 7, 8, 11, 12, 15]
    np.testing.assert_array_equal(factors(StepDecay(1.5, 0.5), steps, steps_per_epoch=4), [1, 1, 0.5, 0.5, 0.25, 0.25])


def test_cosine_by_hand():
    # cos 0 = 1, cos π/3 = 1/2, cos π/2 = 0, cos 2π/3 = -1/2, cos π = -1.
    t = np.array([0, 1 / 3, 1 / 2, 2 / 3, 1])
    np.testing.assert_allclose(schedules.cosine(t), [1, 0.75, 0.5, 0.25, 0], atol=1e-15)
    np.testing.assert_allclose(schedules.cosine(t, 0.2), [1, 0.8, 0.6, 0.4, 0.2], rtol=1e-14)


def test_cosine_takes_all_steps():
    np.testing.assert_allclose(factors(Cosine(), [0, 50, 100], total_steps=100), [1, 0.5, 0], atol=1e-15)


def test_after_the_planned_steps_the_last_factor_stays():
    np.testing.assert_allclose(factors(Cosine(0.1), [100, 150, 10_000]), 0.1, rtol=1e-14)
    np.testing.assert_allclose(factors(OneCycle(final=0.01), [100, 150, 10_000]), 0.01, rtol=1e-12)


def test_one_cycle_by_hand():
    # Up from 0.2 over a quarter, down to 0.1 over the rest; half-way along each half-cosine stands the mean.
    t = np.array([0, 1 / 8, 1 / 4, 5 / 8, 1])
    np.testing.assert_allclose(schedules.one_cycle(t, 0.25, 0.2, 0.1), [0.2, 0.6, 1.0, 0.55, 0.1], rtol=1e-14)


def test_warm_up_by_hand():
    np.testing.assert_allclose(schedules.warm_up(np.arange(6), 4), [0.25, 0.5, 0.75, 1, 1, 1], rtol=1e-15)


def test_warm_up_counts_epochs():
    # Two epochs of 5 steps: the first step has a tenth of the rate, the tenth step all of it.
    np.testing.assert_allclose(factors(WarmUp(2), [0, 4, 9, 10], steps_per_epoch=5), [0.1, 0.5, 1, 1], rtol=1e-15)


def test_warm_up_is_multiplied_with_what_follows():
    steps = np.arange(100)
    np.testing.assert_array_equal(
        factors(WarmUp(10, Cosine(0.2)), steps), factors(WarmUp(10), steps) * factors(Cosine(0.2), steps)
    )


def test_a_function_of_ones_own_is_asked_for_each_step():
    schedule = schedule_named(lambda step: 1 / (1 + step))
    np.testing.assert_array_equal(factors(schedule, [0, 1, 3]), [1, 0.5, 0.25])
    assert schedule.describe() == {"name": "custom"}


# --- shape ---


@pytest.mark.parametrize("schedule", [Cosine(), Cosine(0.3), OneCycle(), OneCycle(0.01), WarmUp(10, "one_cycle")])
def test_factors_are_continuous_and_stay_between_zero_and_one(schedule):
    total = 100_000
    f = factors(schedule, np.arange(total), steps_per_epoch=1000, total_steps=total)
    assert f.min() >= 0.0
    assert f.max() <= 1.0
    # The steepest is half a cosine over 1 % of the way: π/2 · 1/1000 a step.
    assert np.abs(np.diff(f)).max() < 1.6e-3


def test_one_cycle_has_its_only_peak_where_it_is_said_to_be():
    f = factors(OneCycle(peak=0.3), np.arange(1000), total_steps=1000)
    assert int(np.argmax(f)) == 300
    assert f[300] == 1.0
    assert (np.diff(f[:301]) > 0).all()
    assert (np.diff(f[300:]) < 0).all()


def test_one_cycle_after_its_peak_is_a_cosine():
    t = np.linspace(0.3, 1, 50)
    np.testing.assert_allclose(
        schedules.one_cycle(t, 0.3, 0.04, 1e-4), schedules.cosine((t - 0.3) / 0.7, 1e-4), rtol=1e-14
    )


@pytest.mark.parametrize("schedule", EVERY)
def test_a_factor_depends_on_the_step_alone(schedule):
    # A resumed run asks for the second half only, a curious reader for one step or in any order.
    whole = factors(schedule, np.arange(60))
    np.testing.assert_array_equal(factors(schedule, np.arange(30, 60)), whole[30:])
    np.testing.assert_array_equal(factors(schedule, np.arange(60)[::-1]), whole[::-1])
    np.testing.assert_array_equal(factors(schedule, [17]), whole[17:18])
    assert factors(schedule, np.arange(0)).shape == (0,)


# --- reduce on plateau, by hand ---


@pytest.mark.parametrize(
    ("losses", "patience", "reductions"),
    [
        ([], 1, 0),
        ([5.0], 0, 0),
        ([5, 4, 3, 2, 1], 0, 0),
        ([5, 5], 0, 1),  # with no patience the first epoch without improvement counts
        ([5, 5], 1, 0),
        ([5, 5, 5], 1, 1),  # two in a row are more than one
        ([5, 5, 5, 5], 1, 1),  # the count starts anew …
        ([5, 5, 5, 5, 5], 1, 2),  # … and is full again after two more
        ([5, 6, 4, 6, 3, 6], 1, 0),  # each bad epoch stands alone
        ([5, 6, 4, 6, 6, 6, 6], 1, 2),
        ([5, 6, 6, 5.5, 5.5], 1, 2),  # better than the last is not better than the best
        ([1.0, 0.99995], 0, 1),  # an improvement of less than a ten-thousandth is none
        ([1.0, 0.99985], 0, 0),
        ([1.0, 0.99995, 0.9999 - 1e-9], 1, 0),  # the best stays 1.0, so small improvements add up
        ([-1.0, -1.00005], 0, 1),  # losses below zero: a fraction of their size
        ([-1.0, -1.001], 0, 0),
        ([0.0, -1e-9], 0, 0),
        ([math.nan, 5, 4], 0, 0),  # after a first loss that is no number anything is better
        ([5, math.nan], 0, 1),
    ],
)
def test_reductions_on_a_plateau(losses, patience, reductions):
    assert ReduceOnPlateau(0.5, patience).factor_after(losses) == 0.5**reductions


def test_a_plateau_does_not_go_below_its_floor():
    schedule = ReduceOnPlateau(factor=0.1, patience=0, floor=0.05)
    assert [schedule.factor_after([1.0] * n) for n in (1, 2, 3, 9)] == [1.0, 0.1, 0.05, 0.05]


def test_a_plateau_is_a_pure_function_of_the_losses():
    losses = np.random.default_rng(0).random(40).tolist()
    schedule = ReduceOnPlateau(0.5, 2)
    forward = [schedule.factor_after(losses[:n]) for n in range(41)]
    backward = [schedule.factor_after(losses[:n]) for n in range(40, -1, -1)]
    assert forward == backward[::-1]
    assert forward == sorted(forward, reverse=True)


def test_a_plateau_leaves_the_factors_of_steps_at_one():
    np.testing.assert_array_equal(factors(ReduceOnPlateau(), [0, 5]), [1, 1])


# --- names and bad options ---


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_a_description_makes_the_schedule_again(name):
    schedule = schedule_named(name)
    assert schedule.describe()["name"] == name
    assert schedule_named(schedule.describe()) == schedule
    assert schedule_named(**schedule.describe()) == schedule
    assert schedule_named(schedule) is schedule


def test_the_description_of_a_warm_up_holds_what_follows():
    schedule = WarmUp(3, StepDecay(2, 0.5))
    then = {"name": "step", "epochs": 2, "gamma": 0.5}
    assert schedule.describe() == {"name": "warm_up", "epochs": 3, "then": then}
    assert schedule_named(schedule.describe()) == schedule


def test_an_unknown_schedule_is_told_those_there_are_and_the_nearest_one():
    with pytest.raises(OptionError) as caught:
        schedule_named("cosin")
    assert str(caught.value) == (
        "schedule must be one of 'constant', 'cosine', 'one_cycle', 'plateau', 'step', 'warm_up', "
        "got 'cosin'. Did you mean 'cosine'?"
    )


def test_an_option_that_a_schedule_does_not_take_is_named():
    with pytest.raises(OptionError, match="schedule takes no such option as gamma, got 'cosine'"):
        schedule_named("cosine", gamma=0.1)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("step", {"epochs": 0}, "epochs must be positive, got 0"),
        ("step", {"gamma": 0.0}, "gamma must lie above 0 and be at most 1, got 0.0"),
        ("step", {"gamma": 1.5}, "gamma must lie above 0 and be at most 1, got 1.5"),
        ("cosine", {"final": -0.1}, "final must lie between 0 and 1, got -0.1"),
        ("one_cycle", {"peak": 0.0}, "peak must lie strictly between 0 and 1, got 0.0"),
        ("one_cycle", {"peak": 1.0}, "peak must lie strictly between 0 and 1, got 1.0"),
        ("one_cycle", {"start": 2.0}, "start must lie between 0 and 1, got 2.0"),
        ("one_cycle", {"final": math.nan}, "final must lie between 0 and 1, got nan"),
        ("warm_up", {"epochs": -1}, "epochs must be positive, got -1"),
        ("plateau", {"factor": 1.0}, "factor must lie strictly between 0 and 1, got 1.0"),
        ("plateau", {"patience": -1}, "patience must be a whole number of at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_refused(name, options, text):
    with pytest.raises(OptionError) as caught:
        schedule_named(name, **options)
    assert str(caught.value) == text


@pytest.mark.parametrize("then", ["plateau", "warm_up"])
def test_a_warm_up_is_not_followed_by_a_plateau_or_another_warm_up(then):
    with pytest.raises(OptionError, match="then must not look at losses or warm up itself"):
        WarmUp(3, then)
