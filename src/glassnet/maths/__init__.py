"""The mathematics: pure functions on arrays, formulas as in the article, forward and backward side by side."""
