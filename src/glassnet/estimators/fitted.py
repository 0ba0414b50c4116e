"""What a fitted estimator tells about itself: attributes with scikit-learn's names, texts, and its file."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from glassnet.errors import require_number
from glassnet.estimators.embedding import embeddings_of
from glassnet.network import Network
from glassnet.tables.encoder import TableEncoder
from glassnet.training.history import history_frame

__all__ = ["Fitted"]


class Fitted:
    """Properties and one-line methods of an estimator that has been fitted or loaded."""

    networks_: list[Network]
    encoder_: TableEncoder
    history_: list[dict[str, Any]]

    def _set_sizes(self) -> None:
        """Attributes that scikit-learn has, derived from what was fitted or loaded."""
        self.n_features_in_ = self.encoder_.n_features_in_
        if self.encoder_.named_:
            self.feature_names_in_ = self.encoder_.feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.n_iter_ = len(self.history_)
        self.n_outputs_ = self.network_.n_outputs
        self.n_layers_ = self.network_.n_dense + 1

    @property
    def network_(self) -> Network:
        """The trained network, the first of those that predict where there are several."""
        return self._fitted_networks()[0]

    @property
    def n_members_(self) -> int:
        """Networks whose outputs make up a prediction, the members of all ensembles; 1 for one network."""
        return sum(network.members or 1 for network in self._fitted_networks())

    def _fitted_networks(self) -> list[Network]:
        if "networks_" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no network before fit")
        return self.networks_

    def member(self, number: int) -> Any:
        """One member of an ensemble, counted from 0, as an estimator with one plain network.

        Its scales are part of its weights, so it has `coefs_`, `intercepts_`, pictures and predictions of its own. An
        estimator of one network is its own only member. Raises OptionError where there is no such member.
        """
        check_is_fitted(self, "networks_")
        rule = f"must be a whole number from 0 to {self.n_members_ - 1}"
        require_number("member", number, rule, lambda m: 0 <= m < self.n_members_, whole=True)
        alone = [
            network if network.members is None else network.member(m)
            for network in self.networks_
            for m in range(network.members or 1)
        ]
        twin = copy.copy(self)
        twin.networks_ = [alone[int(number)]]
        vars(twin)["_conformal"] = None  # intervals are those of all members together
        return twin

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights (p, q) of the dense layers, first to last. Raises AttributeError for an ensemble: ask a member."""
        return self._only("coefs_").coefs

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases (q,) of the dense layers, first to last. Raises AttributeError for an ensemble: ask a member."""
        return self._only("intercepts_").intercepts

    def _only(self, attribute: str) -> Network:
        """The one network there is. An AttributeError, so that `hasattr` is false where there are several."""
        check_is_fitted(self, "networks_")
        if self.n_members_ > 1:
            raise AttributeError(
                f"{attribute} is for one network, and this is an ensemble of {self.n_members_} members: the numbers of "
                f"each are in member(0).{attribute}, member(1).{attribute} and so on."
            )
        return self.networks_[0]

    @property
    def embeddings_(self) -> dict[str, np.ndarray]:
        """The learned numbers of categories of many levels: by column (n, width), a row for each level.

        `embedding_levels_` names the rows. Empty where no column is embedded, see `embedding`. They are `network_`'s,
        the same for all its members.
        """
        check_is_fitted(self, "networks_")
        return embeddings_of(self.network_, self.encoder_)

    @property
    def embedding_levels_(self) -> dict[str, list[str]]:
        """What the rows of `embeddings_` stand for.

        First "(missing)", then the levels by name, and last "(infrequent)" where some were. A level that fit did not
        see counts as infrequent where there is such a row, and else as missing.
        """
        check_is_fitted(self, "networks_")
        return {found["name"]: found["labels"] for found in self.encoder_.code_columns_}

    @property
    def loss_curve_(self) -> list[float]:
        """Training loss of each epoch."""
        check_is_fitted(self, "networks_")
        return [row["loss"] for row in self.history_]

    @property
    def columns_(self) -> list[dict[str, Any]]:
        """The columns of the table as they were fitted: name, kind, and what belongs to the kind."""
        check_is_fitted(self, "networks_")
        return self.encoder_.columns_

    def history_frame(self) -> Any:
        """`history_` as a data frame: pandas where it is installed, else polars."""
        check_is_fitted(self, "networks_")
        return history_frame(self.history_)

    def summary(self) -> str:
        """The layers of the network, their sizes and the loss, as a table in plain text.

        Of several networks that predict together it is the first, and a last line says how many there are.
        """
        from glassnet.views import describe_network

        check_is_fitted(self, "networks_")
        text, n_networks = describe_network(self.network_.describe()), len(self.networks_)
        if n_networks > 1:
            text += f"\nThe first of {n_networks} networks of the same layers; a prediction is the mean of theirs."
        return text

    def report(self, X: Any, y: Any) -> Any:
        """Scores on rows not seen in training, as a `Report` that prints itself."""
        from glassnet.estimators.report import report

        return report(self, X, y)

    def importance(
        self,
        X: Any,
        y: Any,
        *,
        scoring: Any = None,
        n_repeats: int = 5,
        sample_weight: Any = None,
        random_state: Any = 0,
    ) -> Any:
        """How much the score falls when the values of one column are shuffled among the rows, for each column.

        X, y : rows that training has not seen, best.   sample_weight : (n,), or None.
        scoring : the name of a scikit-learn scorer, a function of (estimator, X, y), or None for the estimator's own
            score (accuracy, R²).   n_repeats : shuffles of each column.   random_state : of the shuffles.

        Returns an `Importance`, which prints itself. Columns that say the same stand in for each other: each alone then
        seems unimportant. Source: Breiman, "Random Forests" (2001), section 10.
        """
        from glassnet.estimators.importance import importance

        check_is_fitted(self, "networks_")
        return importance(self, X, y, scoring, n_repeats, sample_weight, random_state)

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to one `.glassnet` file; `glassnet.load` reads it. No pickle is involved.

        Raises OptionError when a function of the user's own is part of it: a function is not data.
        """
        from glassnet.estimators.saving import save

        check_is_fitted(self, "networks_")
        save(self, path)
