"""Training: the loop, validation, stopping, best weights, history. It knows neither tables nor scikit-learn."""
