"""Which of scikit-learn's own checks of estimators do not pass, and why."""

from __future__ import annotations

__all__ = ["CHECKS_NOT_PASSED"]

_WEIGHTS = (
    "Weights count like repeated rows in the loss, exactly so with batch_size='full' (tests/estimators/test_sklearn.py "
    "compares the two). With mini-batches a repeated row falls into several of them and a weighted one into a single "
    "one, so that steps differ; a statistical test there shows that fits agree on average. Scales, levels and 'auto' "
    "settings go by the number of rows in the table."
)

# Name of the check -> reason; what `parametrize_with_checks` takes as `expected_failed_checks`.
CHECKS_NOT_PASSED: dict[str, str] = {
    "check_sample_weight_equivalence_on_dense_data": _WEIGHTS,
    "check_sample_weight_equivalence_on_sparse_data": _WEIGHTS,
}
