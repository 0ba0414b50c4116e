"""The small data sets: shapes, balance, formulas where there is no noise, and the same points for the same seed."""

import subprocess
import sys

import numpy as np
import pytest

from glassnet.datasets import (
    GENERATED,
    REAL,
    circles,
    diabetes,
    digits,
    load_dataset,
    moons,
    noisy_points,
    penguins,
    sine,
    spirals,
    three_clouds,
    wine,
    xor,
)
from glassnet.errors import OptionError

SHAPES = {
    "three_clouds": (1500, 2),
    "noisy_points": (60, 2),
    "xor": (400, 2),
    "circles": (400, 2),
    "moons": (400, 2),
    "spirals": (1000, 2),
    "sine": (300, 1),
    "digits": (1797, 64),
    "wine": (178, 13),
    "diabetes": (442, 10),
}
TWO_CLASSES = ("noisy_points", "xor", "circles", "moons", "spirals")


@pytest.mark.parametrize("name", SHAPES)
def test_a_data_set_has_the_documented_shape_a_name_for_each_column_and_finite_numbers(name):
    data = load_dataset(name)
    assert data.name == name
    assert data.X.shape == SHAPES[name] == (data.n_rows, data.n_features)
    assert data.y.shape == (len(data.X),)
    assert data.X.dtype == np.float64
    assert np.isfinite(data.X).all()


@pytest.mark.parametrize("name", TWO_CLASSES)
def test_the_classes_of_generated_points_are_equally_large(name):
    data = load_dataset(name)
    assert data.classes == (0, 1)
    assert np.bincount(data.y).tolist() == [data.n_rows // 2] * 2


@pytest.mark.parametrize("name", GENERATED)
def test_a_seed_decides_the_points(name):
    first, again, other = load_dataset(name, 3), load_dataset(name, 3), load_dataset(name, 4)
    np.testing.assert_array_equal(first.X, again.X)
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.isin(first.X[:, 0], other.X[:, 0]).any()


@pytest.mark.parametrize("name", REAL)
def test_a_real_table_says_where_it_is_from_and_under_which_licence(name):
    note = load_dataset(name).note
    assert "CC" in note or "no licence stated" in note


# --- formulas ---


def test_the_three_clouds_lie_around_the_articles_centres_class_by_class():
    data = three_clouds(n_per_class=2000, seed=1)
    assert data.y.tolist() == [0] * 2000 + [1] * 2000 + [2] * 2000
    for k, centre in enumerate([(0, -2), (2, 2), (-2, 2)]):
        cloud = data.X[data.y == k]
        # The mean of 2000 standard normal numbers is off by 0.022 as a rule, their covariances by 0.022 to 0.032.
        np.testing.assert_allclose(cloud.mean(axis=0), centre, atol=0.1)
        np.testing.assert_allclose(np.cov(cloud.T), np.eye(2), atol=0.15)


def test_xor_without_noise_is_the_truth_table():
    data = xor(n=4, noise=0)
    assert data.X.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert data.y.tolist() == [0, 1, 1, 0]


def test_circles_without_noise_have_the_radii_1_and_a_half():
    data = circles(n=50, noise=0)
    np.testing.assert_allclose(np.hypot(*data.X.T), [1.0] * 25 + [0.5] * 25, rtol=1e-12)


def test_moons_without_noise_are_half_circles_around_their_centres():
    data = moons(n=51, noise=0)
    upper, lower = data.X[data.y == 0], data.X[data.y == 1]
    assert (len(upper), len(lower)) == (25, 26)
    np.testing.assert_allclose(np.hypot(upper[:, 0], upper[:, 1]), 1, rtol=1e-12)
    np.testing.assert_allclose(np.hypot(lower[:, 0] - 1, lower[:, 1] - 0.5), 1, rtol=1e-12)
    assert (upper[:, 1] >= 0).all()
    assert (lower[:, 1] <= 0.5).all()


def test_spirals_without_noise_turn_in_proportion_to_their_radius_half_a_turn_apart():
    data = spirals(n=200, noise=0, turns=1.5)
    r = np.hypot(*data.X.T)
    assert r.min() >= 0.1
    assert r.max() < 1
    angle = 2 * np.pi * 1.5 * r + np.pi * data.y
    np.testing.assert_allclose(data.X, r[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]), atol=1e-12)


def test_the_sine_without_noise_is_a_sine_over_one_period():
    data = sine(n=1000, noise=0)
    np.testing.assert_allclose(data.y, np.sin(data.X[:, 0]), atol=1e-15)
    assert data.classes == ()
    assert data.labels is None
    assert -np.pi <= data.X.min() < -3.1
    assert 3.1 < data.X.max() < np.pi


def test_noise_has_the_standard_deviation_asked_for():
    left = sine(n=4000, noise=0.2, seed=5)
    # The standard deviation of 4000 normal numbers is off by σ / √8000 = 0.0022 as a rule.
    assert np.std(left.y - np.sin(left.X[:, 0])) == pytest.approx(0.2, abs=0.01)


def test_the_nearest_centre_is_right_for_the_share_of_noisy_points_that_the_docstring_says():
    data = noisy_points(n=20_000, seed=2)
    nearest = (data.X @ [1.0, 0.5] > 0).astype(int)  # the centres are (1, ½) and its opposite
    assert np.mean(nearest == data.y) == pytest.approx(0.868, abs=0.01)


# --- real tables ---


def test_penguins_are_344_birds_of_three_species_with_19_values_missing():
    data = penguins()
    species, counts = np.unique(data.y, return_counts=True)
    assert dict(zip(species.tolist(), counts.tolist(), strict=True)) == {"Adelie": 152, "Chinstrap": 68, "Gentoo": 124}
    assert data.classes == ("Adelie", "Chinstrap", "Gentoo")
    assert data.names == ("island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex")
    missing = sum(sum(value is None or value != value for value in column) for column in data.X.values())
    assert missing == 19
    assert data.X["bill_length_mm"][0] == 39.1
    assert data.X["sex"][:4].tolist() == ["MALE", "FEMALE", "FEMALE", None]


def test_digits_wine_and_diabetes_are_those_of_scikit_learn():
    from sklearn import datasets

    np.testing.assert_array_equal(digits().y, datasets.load_digits().target)
    assert digits().classes == tuple(range(10))
    assert wine().classes == ("class_0", "class_1", "class_2")
    np.testing.assert_array_equal(wine().labels, datasets.load_wine().target)
    assert diabetes().y[:2].tolist() == [151.0, 75.0]
    assert diabetes().X[0, 0] == 59.0  # years, not scaled


def test_rows_can_be_taken_from_arrays_and_from_columns():
    birds = penguins().take(np.array([3, 0]))
    assert birds.n_rows == 2
    assert birds.X["island"].tolist() == ["Torgersen", "Torgersen"]
    assert np.isnan(birds.X["body_mass_g"][0])
    assert birds.X["body_mass_g"][1] == 3750.0
    clouds = three_clouds(n_per_class=2)
    np.testing.assert_array_equal(clouds.take(clouds.y == 1).X, clouds.X[2:4])


# --- misuse ---


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(OptionError, match=r"^name must be one of .*, got 'penguin'. Did you mean 'penguins'\?$"):
        load_dataset("penguin")


@pytest.mark.parametrize("n", [0, -1, 2.5, True])
def test_a_number_of_points_that_is_none_is_refused(n):
    with pytest.raises(OptionError, match=rf"^n must be a whole number of at least 1, got {n}$"):
        moons(n=n)


def test_loading_the_data_sets_loads_neither_scikit_learn_nor_polars():
    code = (
        "import sys, glassnet.datasets; print(sorted({'sklearn', 'scipy', 'polars', 'matplotlib'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
