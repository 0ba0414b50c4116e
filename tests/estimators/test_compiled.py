"""Estimators that train and predict with the compiled engine itself."""

import numpy as np
import pytest

from glassnet import GlassNetClassifier, GlassNetRegressor
from glassnet.errors import DivergenceWarning, TrainingDiverged


def table(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, X @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.1 * rng.normal(size=n)


def compiled(kind=GlassNetRegressor, **options):
    return kind(**{"hidden_layer_sizes": (16, 8), "max_epochs": 20, "random_state": 0, "engine": "compiled", **options})


def test_a_fit_has_the_same_bits_for_any_number_of_jobs():
    X, y = table()
    models = [compiled(n_jobs=n_jobs).fit(X, y) for n_jobs in (None, 1, 2, -1)]
    assert models[0].settings_["engine"] == "compiled"
    for model in models[1:]:
        assert model.network_.params.tobytes() == models[0].network_.params.tobytes()
        assert model.predict(X).tobytes() == models[0].predict(X).tobytes()


def test_the_compiled_engine_learns_what_the_reference_learns():
    X, y = table()
    scores = [compiled(engine=engine).fit(X, y).score(X, y) for engine in ("compiled", "reference")]
    assert min(scores) > 0.8
    assert scores[0] == pytest.approx(scores[1], abs=0.02)
    labels = np.where(y > 1, "high", np.where(y < -1, "low", "middle"))
    engines = [compiled(GlassNetClassifier, engine=engine).fit(X, labels) for engine in ("compiled", "reference")]
    agree = np.mean(engines[0].predict(X) == engines[1].predict(X))
    assert agree > 0.95


def test_each_row_is_predicted_by_itself():
    X, y = table()
    model = compiled(GlassNetClassifier).fit(X, y > 0)
    whole = model.predict_proba(X)
    for rows in (np.array([7]), np.arange(100, 50, -1), np.random.default_rng(1).permutation(300)):
        assert model.predict_proba(X[rows]).tobytes() == whole[rows].tobytes()


def test_a_divergence_keeps_the_best_weights_and_warns():
    X, y = table()
    options = {"optimizer": "gradient_descent", "activation": "identity", "early_stopping": False, "max_epochs": 3000}
    with pytest.warns(DivergenceWarning):
        model = compiled(learning_rate=2.0, batch_size=300, **options).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    with pytest.raises(TrainingDiverged, match="in epoch 1"):
        compiled(learning_rate=1e6, batch_size=1, **options).fit(X, y)
