"""Pictures of a fitted estimator: one-line calls to `views`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from glassnet.errors import DataError

__all__ = ["Pictures"]


class Pictures:
    """The `plot_…` methods. Each draws on `ax`, or on a new figure, and returns the matplotlib axes."""

    def plot_loss(self, ax: Any = None) -> Any:
        """Training and validation loss of each epoch, the best epoch marked."""
        from glassnet import views

        return views.plot_loss(self._history(), ax=ax)

    def plot_metric(self, name: str, ax: Any = None) -> Any:
        """A metric of each epoch, such as "accuracy" or "r2"."""
        from glassnet import views

        return views.plot_metric(self._history(), name, ax=ax)

    def plot_network(self, ax: Any = None, max_nodes: int = 12) -> Any:
        """Nodes and weights of the network; wide layers are shortened to `max_nodes`."""
        from glassnet import views

        history = self._history()  # checks that there is a network
        assert history is not None
        return views.plot_network(
            self.coefs_,  # type: ignore[attr-defined]
            input_names=self.encoder_.feature_names_out(),  # type: ignore[attr-defined]
            output_names=self._output_names(),
            activations=[layer.activation.name for layer in self.network_.layers if hasattr(layer, "activation")],  # type: ignore[attr-defined]
            max_nodes=max_nodes,
            ax=ax,
        )

    def plot_confusion(self, X: Any, y: Any, ax: Any = None) -> Any:
        """How often each class was taken for each; for classifiers of exclusive classes."""
        from sklearn.metrics import confusion_matrix

        from glassnet import views

        predicted = self.predict(X)  # type: ignore[attr-defined]
        if not hasattr(self, "classes_") or predicted.ndim != 1:
            raise DataError("needs classes that exclude each other", argument="plot_confusion")
        matrix = confusion_matrix(np.asarray(y), predicted, labels=self.classes_)
        return views.plot_confusion(matrix, [str(label) for label in self.classes_], ax=ax)

    def plot_predictions(self, X: Any, y: Any, ax: Any = None) -> Any:
        """Predicted against true numbers; for regressors, the first target of several."""
        from glassnet import views

        true, predicted = np.asarray(y, float), self.predict(X)  # type: ignore[attr-defined]
        if true.ndim == 2:
            true, predicted = true[:, 0], predicted.reshape(len(true), -1)[:, 0]
        return views.plot_predicted_against_true(true, predicted, ax=ax)

    def plot_regions(self, X: Any, y: Any, ax: Any = None) -> Any:
        """Which class is predicted where, with the points over it; for classifiers of two features."""
        from glassnet import views

        check_is_fitted(self, "network_")
        points = np.asarray(X, float)
        names = list(self.feature_names_in_) if hasattr(self, "feature_names_in_") else None
        frame = (lambda P: dict(zip(names, P.T, strict=True))) if names else (lambda P: P)
        return views.plot_regions(lambda P: self.predict(frame(P)), points, np.asarray(y), names=names, ax=ax)  # type: ignore[attr-defined]

    def _history(self) -> list[dict[str, Any]]:
        check_is_fitted(self, "network_")
        return self.history_  # type: ignore[attr-defined]

    def _output_names(self) -> list[str]:
        classes = getattr(self, "classes_", None)
        n = self.network_.n_outputs  # type: ignore[attr-defined]
        if classes is None:
            return ["prediction"] if n == 1 else [f"output {k}" for k in range(n)]
        return [str(classes[-1])] if n == 1 else [str(label) for label in classes]
