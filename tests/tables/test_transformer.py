"""`TableEncoder` among scikit-learn's transformers."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from scipy.stats import norm
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from glassnet import GlassNetRegressor, TableEncoder
from glassnet.errors import OptionError

NAN = float("nan")
X = pd.DataFrame({"age": [20.0, 30.0, NAN, 40.0] * 5, "city": ["Bern", "Ulm", "Rom", None] * 5})
y = np.array([0, 1, 1, 0] * 5)


@parametrize_with_checks([TableEncoder(), TableEncoder(dtype="float64"), TableEncoder("quantile")])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks_pass(estimator, check):
    check(estimator)


def test_it_works_in_pipelines_and_searches():
    search = GridSearchCV(
        make_pipeline(TableEncoder(), LogisticRegression()), {"tableencoder__input_scaling": ["robust"]}
    )
    assert search.fit(X, y).best_params_ == {"tableencoder__input_scaling": "robust"}
    assert search.score(X, y) == 1.0


@pytest.mark.parametrize(("library", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_set_output_makes_frames(library, frame):
    encoder = TableEncoder().set_output(transform=library)
    found = encoder.fit_transform(X)
    assert isinstance(found, frame)
    assert list(found.columns) == encoder.get_feature_names_out().tolist()
    np.testing.assert_array_equal(found.to_numpy(), TableEncoder().fit_transform(X))


def test_names_of_matrix_columns_are_all_different():
    frame = pl.DataFrame({"a": ["(missing)", None, "b", "c"], "a=b": [1.0, 2.0, 3.0, 4.0]})
    found = TableEncoder().set_output(transform="polars").fit_transform(frame)
    assert found.columns == ["a=(missing)", "a=b", "a=c", "a=(missing) [3]", "a=b [4]"]
    assert found["a=(missing)"].to_list() == [1, 0, 0, 0]
    assert found["a=(missing) [3]"].to_list() == [0, 1, 0, 0]


def test_frames_keep_the_index_of_the_table():
    frame = pd.DataFrame({"age": [1.0, 2.0, 4.0]}, index=[7, 7, 9])
    encoder = TableEncoder().set_output(transform="pandas")
    assert encoder.fit_transform(frame).index.tolist() == [7, 7, 9]
    assert encoder.transform(frame).index.tolist() == [7, 7, 9]


def test_a_global_choice_of_output_leaves_the_estimators_alone():
    model = GlassNetRegressor(max_epochs=2, random_state=0)
    expected = model.fit(X, y).predict(X)
    with config_context(transform_output="pandas"):
        assert model.fit(X, y).predict(X).tolist() == expected.tolist()


def test_names_are_there_once_it_is_fitted():
    encoder = TableEncoder()
    for look in (lambda: encoder.transform(X), encoder.get_feature_names_out, lambda: encoder.columns_):
        with pytest.raises(NotFittedError):
            look()
    assert not hasattr(encoder, "feature_names_in_")
    encoder.fit(X)
    assert encoder.feature_names_in_.tolist() == ["age", "city"]
    assert encoder.get_feature_names_out(["age", "city"]).tolist() == encoder.feature_names_out()
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        encoder.get_feature_names_out(["a", "b"])
    with pytest.raises(ValueError, match="should have length equal to number of features"):
        encoder.get_feature_names_out(["age"])


def test_a_clone_is_unfitted_and_a_pickle_encodes_alike():
    encoder = TableEncoder("robust", columns={"age": "category"}, codes_above=3).fit(X)
    assert clone(encoder).get_params() == encoder.get_params()
    assert not hasattr(clone(encoder), "n_features_in_")
    assert pickle.loads(pickle.dumps(encoder)).transform(X).tobytes() == encoder.transform(X).tobytes()


def test_the_type_of_the_matrix_is_an_option():
    assert TableEncoder(dtype=np.float64).fit_transform(X).dtype == np.float64
    assert TableEncoder().fit_transform(X).dtype == np.float32
    for dtype in ("int32", "flaot", None, np.int32):
        with pytest.raises(OptionError, match='dtype must be "float32" or "float64", got '):
            TableEncoder(dtype=dtype).fit(X)


def test_sparse_and_dense_give_the_same_bits():
    dense = np.where(np.random.default_rng(0).random((50, 4)) < 0.7, 0.0, 1.5)
    expected = TableEncoder().fit_transform(dense)
    assert TableEncoder().fit_transform(sparse.csr_array(dense)).tobytes() == expected.tobytes()


# the scalings against outliers


def test_smooth_clip_is_robust_and_bends_outliers_below_three():
    x = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [1e9], [-1e300]])
    robust = TableEncoder("robust", dtype="float64").fit(x).transform(x)
    found = TableEncoder("smooth_clip", dtype="float64").fit(x).transform(x)
    np.testing.assert_allclose(found, robust / np.sqrt(1 + (robust / 3) ** 2), rtol=1e-14)
    assert np.abs(found).max() <= 3
    assert found[5, 0] == pytest.approx(3, abs=1e-6)


def test_quantile_is_what_scikit_learns_quantile_transformer_gives():
    x = np.random.default_rng(0).lognormal(size=(3000, 1))
    new = np.concatenate([x, [[-1e3], [1e300], [0.5]]])
    theirs = QuantileTransformer(n_quantiles=100, output_distribution="normal").fit(x).transform(new)
    ours = TableEncoder("quantile", dtype="float64").fit(x).transform(new)  # 3000 rows: a knot for 30
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    assert np.abs(ours).max() == pytest.approx(-norm.ppf(1e-7), abs=1e-9)


def test_a_value_that_holds_many_ranks_takes_the_middle_one_also_at_the_ends():
    x = np.repeat([[0.0], [1.0], [2.0]], [1000, 1500, 500], axis=0)  # scikit-learn puts 0 and 2 at ±5.2
    found = TableEncoder("quantile", dtype="float64").fit(x).transform([[0.0], [1.0], [2.0]])
    middles = np.array([1 / 6, 7 / 12, 11 / 12])
    np.testing.assert_allclose(norm.cdf(found[:, 0]), middles, atol=0.01)  # between knots, a hundredth apart


def test_quantile_takes_missing_values_and_the_largest_numbers():
    x = np.array([[-1.7e308], [0.0], [1.7e308], [NAN]])
    encoder = TableEncoder("quantile", dtype="float64").fit(x)
    found = encoder.transform(x)
    assert found[1].tolist() == [0, 0]
    assert found[3].tolist() == [0, 1]
    assert found[0, 0] == pytest.approx(norm.ppf(1e-7))
    assert found[2, 0] == pytest.approx(-norm.ppf(1e-7))
    again = TableEncoder.from_data(encoder.to_data()[0])
    assert again.transform(x).tobytes() == found.tobytes()
