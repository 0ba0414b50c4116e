"""Pictures of a fitted estimator: one-line calls to `views`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from glassnet.errors import ColumnError, DataError
from glassnet.maths.layers import Activation, Dense
from glassnet.tables.changes import as_numbers
from glassnet.tables.encoder import TableEncoder
from glassnet.tables.families import Column, name_of_family
from glassnet.tables.frames import Table, listed, table_of, target_of

__all__ = ["Pictures"]


class Pictures:
    """The `plot_…` methods. Each draws on `ax`, or on a new figure, and returns the matplotlib axes."""

    # What a fitted estimator has.
    network_: Any
    member: Any
    n_members_: Any
    encoder_: TableEncoder
    history_: list[dict[str, Any]]
    coefs_: Any
    intercepts_: Any
    embeddings_: Any
    embedding_levels_: Any
    classes_: Any
    predict: Any

    def plot_loss(self, ax: Any = None) -> Any:
        """Training and validation loss of each epoch, the best epoch marked."""
        from glassnet import views

        return views.plot_loss(self._history(), ax=ax)

    def plot_metric(self, name: str, ax: Any = None) -> Any:
        """A metric of each epoch, such as "accuracy" or "r2"."""
        from glassnet import views

        return views.plot_metric(self._history(), name, ax=ax)

    def plot_network(self, ax: Any = None, max_nodes: int = 12, member: int = 0) -> Any:
        """Nodes and weights of the network, or of a member of an ensemble; wide layers are shortened to `max_nodes`."""
        from glassnet import views

        check_is_fitted(self, "networks_")
        one = self.member(member)
        names: list[str] = []
        for layer in one.network_.layers:
            if isinstance(layer, Dense):
                names.append(layer.activation.name)
            elif isinstance(layer, Activation):  # it stands after a dense layer that leaves the activation to it
                names[-1] = layer.activation.name
        ax = views.plot_network(
            one.coefs_,
            one.intercepts_,
            input_names=one.network_.names_below(self.encoder_.feature_names_out()),
            output_names=self._output_names(),
            activations=names,
            max_nodes=max_nodes,
            ax=ax,
        )
        if self.n_members_ > 1:
            ax.set_title(f"member {member} of {self.n_members_}")
        return ax

    def plot_embedding(self, column: str, ax: Any = None, most: int = 40) -> Any:
        """The levels of an embedded category as points: those that say about the same lie together.

        column : one of `embeddings_`.   most : levels at most that are named. Raises ColumnError for another column.
        """
        from glassnet import views

        embeddings, labels = self.embeddings_, self.embedding_levels_
        if column not in embeddings:
            raise ColumnError(
                "has no embedding",
                argument="column",
                column=column,
                remedy=f"Embedded are {listed(list(embeddings))}." if embeddings else "See the argument embedding.",
            )
        present = slice(1, None)  # the first row, missing values, has no level's name
        return views.plot_embedding(embeddings[column][present], labels[column][present], ax=ax, most=most, name=column)

    def plot_confusion(self, X: Any, y: Any, ax: Any = None) -> Any:
        """How often each class was taken for each; for classifiers of exclusive classes."""
        from sklearn.metrics import confusion_matrix

        from glassnet import views

        predicted = self.predict(X)
        if not hasattr(self, "classes_") or predicted.ndim != 1:
            raise DataError("needs classes that exclude each other", argument="plot_confusion")
        matrix = confusion_matrix(target_of(y).reshape(-1), predicted, labels=self.classes_)
        return views.plot_confusion(matrix, [str(label) for label in self.classes_], ax=ax)

    def plot_predictions(self, X: Any, y: Any, ax: Any = None, target: int = 0) -> Any:
        """Predicted against true numbers, for regressors; of several targets the one at this place."""
        from glassnet import views

        if hasattr(self, "predict_proba"):
            raise DataError("needs a regressor; for classes there is plot_confusion", argument="plot_predictions")
        true, predicted = target_of(y).astype(float), self.predict(X)
        if true.ndim == 2:
            true, predicted = true[:, target], predicted.reshape(len(true), -1)[:, target]
        name = getattr(self, "target_name_", None)
        name = name[target] if isinstance(name, list) else name
        return views.plot_predicted_against_true(true, predicted, ax=ax, name=name)

    def plot_regions(self, X: Any, y: Any, ax: Any = None) -> Any:
        """Which class is predicted where, with the points over it; for classifiers of two features.

        Raises DataError for other estimators, ColumnError for a column that holds no numbers.
        """
        from glassnet import views

        check_is_fitted(self, "networks_")
        if not hasattr(self, "predict_proba"):
            raise DataError("needs a classifier; for numbers there is plot_predictions", argument="plot_regions")
        if self.encoder_.n_features_in_ != 2:
            raise DataError("needs a table of two columns", argument="X", value=self.encoder_.n_features_in_)
        table = table_of(X)
        self.encoder_.warn_of_names(table)
        points = self._points(table)

        def named(P: np.ndarray) -> Table:
            return Table(self.encoder_.feature_names_in, list(P.T), self.encoder_.named_)

        return views.plot_regions(
            lambda P: self.predict(named(P)),
            points,
            target_of(y).reshape(-1),
            ax=ax,
            names=self.encoder_.feature_names_in,
            classes=self.classes_,
            probabilities=lambda P: self.predict_proba(named(P)),
        )

    def _points(self, table: Table) -> np.ndarray:
        """The rows of a table of two columns of numbers as points (n, 2)."""
        columns = zip(self.encoder_.feature_names_in, self.encoder_.matching(table), strict=True)
        return np.column_stack([_numbers_of(name, values, table.n_rows) for name, values in columns])

    def _history(self) -> list[dict[str, Any]]:
        check_is_fitted(self, "networks_")
        return self.history_

    def _output_names(self) -> list[str]:
        classes = getattr(self, "classes_", None)
        n, name = self.network_.n_outputs, getattr(self, "target_name_", "prediction")
        if isinstance(name, list) and len(name) == n:
            return name
        if classes is None:
            return [name] if n == 1 else [f"output {k}" for k in range(n)]
        return [str(classes[-1])] if n == 1 else [str(label) for label in classes]


def _numbers_of(name: str, values: Column, n_rows: int) -> np.ndarray:
    """A column as places along an axis. Raises ColumnError where it holds no numbers, or is not there."""
    if len(values) != n_rows:  # training dropped it
        raise ColumnError("is not in the table", column=name)
    family = name_of_family(values)
    if family != "number":
        remedy = "The picture is for two columns of numbers."
        raise ColumnError(f"must hold numbers, not {family}s", column=name, remedy=remedy)
    return as_numbers(name, values)
