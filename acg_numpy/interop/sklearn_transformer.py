"""A conditioner as a transformer of scikit-learn: a step of a pipeline that turns user vectors into conditions.

`ConditionTransformer` is a subclass of `sklearn.base.BaseEstimator`, made when it is first asked for.
"""

import copy
import functools
from typing import Any

import numpy as np

from acg_numpy.arguments import domain_ids
from acg_numpy.autograd import no_grad
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.interop.libraries import require
from acg_numpy.shapes import Array

BLOCK = 4096  # rows that are conditioned together


@functools.cache
def _condition_transformer() -> Any:
    """Make the class: it can be defined only where scikit-learn is installed."""
    base = require("sklearn.base", "ConditionTransformer")
    validation = require("sklearn.utils.validation", "ConditionTransformer")

    class ConditionTransformer(
        base.ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc,name-defined]
        base.TransformerMixin,  # type: ignore[misc,name-defined]
        base.BaseEstimator,  # type: ignore[misc,name-defined]
    ):
        """Transformer of user vectors into condition vectors.

        Parameters
        ----------
        conditioner : AttentionConditioner, optional
            A trained one.  It is copied, used in evaluation mode, and not trained further: scikit-learn's `fit` has no
            loss of a recommender.  Without one, `fit` makes one of random weights in float64, for vectors as wide as
            those of X: its conditions are random features, nonlinear in the user, and no more than that.
        domain_id : int or str
            The domain of all rows, by its number or, where the conditioner has names, by name.
        domain_column : int, optional
            The column of X that holds each row's domain as a number, in the place of `domain_id`; the other columns are
            the user's vector.
        random_state : int, optional
            Where random weights are drawn from, if `conditioner` is None.

        Attributes
        ----------
        conditioner_ : AttentionConditioner
        n_features_in_ : int

        Examples
        --------
        >>> transformer = ConditionTransformer(trained.conditioner, domain_id="books")  # doctest: +SKIP
        >>> pipeline = make_pipeline(transformer, NearestNeighbors()).fit(user_vectors)  # doctest: +SKIP
        """

        def __init__(
            self,
            conditioner: AttentionConditioner | None = None,
            *,
            domain_id: int | str = 0,
            domain_column: int | None = None,
            random_state: int | None = None,
        ) -> None:
            self.conditioner = conditioner
            self.domain_id = domain_id
            self.domain_column = domain_column
            self.random_state = random_state

        def fit(self, X: Any, y: Any = None) -> Any:
            """Take the conditioner, or make one, and check that X fits it.

            Parameters
            ----------
            X : array, shape (n, D), or (n, D + 1) with a column of domains
            y : ignored

            Returns
            -------
            ConditionTransformer
                Itself.
            """
            X = validation.validate_data(self, X, dtype=[np.float64, np.float32])
            width = X.shape[1] - (self.domain_column is not None)
            if self.conditioner is None:
                if self.domain_column is not None or self.domain_id != 0:
                    raise ValueError(
                        "without a conditioner there is one domain: leave domain_id and domain_column out, or give one"
                    )
                seed = validation.check_random_state(self.random_state).randint(2**31)
                made = AttentionConditioner(width, 1, 1, dtype=np.float64, seed=int(seed))
            elif not isinstance(self.conditioner, AttentionConditioner):
                kind = type(self.conditioner).__name__
                raise TypeError(f"conditioner is a {kind}; expected an AttentionConditioner or None")
            else:
                made = copy.deepcopy(self.conditioner)
            if width != made.emb_dim:
                beside = "" if self.domain_column is None else " beside domain_column"
                raise ValueError(f"X has {width} columns{beside}, but emb_dim of the conditioner is {made.emb_dim}")
            self.conditioner_ = made.eval()
            self._n_features_out = made.emb_dim
            self._split(X)
            return self

        def transform(self, X: Any) -> Array:
            """Return the condition of each row, (n, D), in the conditioner's dtype."""
            validation.check_is_fitted(self)
            X = validation.validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
            users, ids = self._split(X)
            out = np.empty(users.shape, self.conditioner_.dtype)
            with no_grad():
                for start in range(0, len(out), BLOCK):
                    rows = slice(start, start + BLOCK)
                    out[rows] = self.conditioner_(users[rows], ids[rows] if ids.ndim else ids).data
            return out

        def _split(self, X: Array) -> tuple[Array, Array]:
            """Split X into user vectors (n, D) and checked domains: one, or (n,)."""
            column, tokens = self.domain_column, self.conditioner_.domain_embedding
            ids: Any = self.domain_id
            if column is not None:
                if not -X.shape[1] <= column < X.shape[1]:
                    raise ValueError(f"domain_column is {column}, but X has {X.shape[1]} columns")
                ids, X = X[:, column], np.delete(X, column, axis=1)
                if not (ids == np.floor(ids)).all():
                    wrong = ids[ids != np.floor(ids)][0]
                    raise ValueError(f"domain_column {column} of X holds {wrong}; expected whole numbers")
                ids = ids.astype(np.int64)
            return X, domain_ids(ids, tokens.num_domains, self.conditioner_.domain_names)

        def __sklearn_tags__(self) -> Any:
            tags = super().__sklearn_tags__()
            made = getattr(self, "conditioner_", self.conditioner)
            kept = made.dtype.name if isinstance(made, AttentionConditioner) else "float64"
            tags.transformer_tags.preserves_dtype = [kept]
            return tags

    ConditionTransformer.__module__ = __name__  # where pickle finds it
    ConditionTransformer.__qualname__ = ConditionTransformer.__name__
    return ConditionTransformer


def __getattr__(name: str) -> Any:
    """Make `ConditionTransformer` when it is first asked for (PEP 562)."""
    if name != "ConditionTransformer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _condition_transformer()
