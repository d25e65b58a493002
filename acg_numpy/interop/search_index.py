"""Vectors for an inner-product search index, whose order is that of the recommender.

A search index finds, among many vectors, those with the largest inner product with a query.  The score of an item is
not quite that: it has a bias.  One more dimension holds it,

    score = s c . v + b = (c, 1) . (s v, b)          s = 3 / sqrt(D)

and to take one number off the bias of every item of a domain changes no order.  The mean is taken off, because the
biases of a domain are logarithms of small shares, around -5: with them as they are, all items point the same way, and
an approximate index, which goes from an item to its neighbours, looks at the wrong ones.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from acg_numpy.shapes import Array
from acg_numpy.text import did_you_mean, first_few


class SearchVectors(NamedTuple):
    """The items of one domain as vectors for an inner-product index, and how a condition becomes a query.

    Attributes
    ----------
    ids : array of str, shape (n,)
        The id of each row, in the order of the recommender's columns.
    items : array, shape (n, D + 1), float32
        The vectors to put into the index.
    offset : float
        What the inner product of a query and an item lacks to be the recommender's score: the mean of the biases.
    """

    ids: npt.NDArray[np.str_]
    items: npt.NDArray[np.float32]
    offset: float

    def queries(self, conditions: Array) -> npt.NDArray[np.float32]:
        """Return the queries (..., D + 1) for conditions (..., D) of users in the domain."""
        conditions = np.asarray(conditions, np.float32)
        width = self.items.shape[1] - 1
        if conditions.shape[-1:] != (width,):
            raise ValueError(f"conditions have shape {conditions.shape}; their last axis must be D, {width}")
        return np.concatenate([conditions, np.ones_like(conditions[..., :1])], -1)


def search_vectors(trained: Any, domain: str | int) -> SearchVectors:
    """Return the items of a domain as vectors for an inner-product index.

    Parameters
    ----------
    trained : Trained
    domain : str or int
        Its name or its number.

    Returns
    -------
    SearchVectors
        ``queries(conditions) @ items.T`` differs from ``trained.scores(conditions, domain)`` by `offset`, so that both
        have one order.

    Raises
    ------
    TypeError
        If `trained` is something else.
    ValueError
        If there is no such domain.

    Notes
    -----
    Any index of inner products takes them: `faiss.IndexHNSWFlat(D + 1, 32, faiss.METRIC_INNER_PRODUCT)`,
    `usearch.Index(ndim=D + 1, metric="ip")`, a column of type `vector` in PostgreSQL.  The order among items whose
    scores are equal to the last digits is the index's own.

    For a user who has taken items in the domain, the recommender adds to these scores what the user's items say
    (`trained.own_history`), which is no inner product: ask the index for more items than are wanted, add it to
    theirs (own_history.parquet of an export has it), and sort again.

    Examples
    --------
    >>> from acg_numpy.recommender.data import make_world
    >>> from acg_numpy.recommender.training import fit
    >>> result = fit(make_world(seed=0).interactions, epochs=1, baselines=False)
    >>> films = search_vectors(result.trained, "films")
    >>> films.items.shape
    (100, 33)
    >>> query = films.queries(result.conditions[7, 1])  # of the eighth user; films are the second domain
    >>> best = np.argsort(-(films.items @ query), kind="stable")[:10]
    >>> scores = result.trained.scores(result.conditions[7, 1], 1)
    >>> bool(np.all(best == np.argsort(-scores, kind="stable")[:10]))
    True
    """
    if not hasattr(trained, "factors") or not hasattr(trained, "sharpness"):
        raise TypeError(
            f"search_vectors takes a Trained, not a {type(trained).__name__}; "
            'Trained.load("RUN/checkpoint.npz") reads that of a run'
        )
    columns = trained.columns(find_domain(trained.domains, domain))
    items, offset = with_bias(trained.factors.item_vectors[columns] * trained.sharpness, trained.item_bias[columns])
    return SearchVectors(trained.items[columns], items, offset)


def with_bias(vectors: Array, bias: Array) -> tuple[npt.NDArray[np.float32], float]:
    """Join vectors (n, D) with their centred biases (n,), and return the mean of the biases beside them."""
    offset = float(np.mean(bias, dtype=np.float64)) if len(bias) else 0.0
    centred = (bias - offset)[:, None]
    return np.concatenate([vectors, centred], 1).astype(np.float32), offset


def find_domain(domains: npt.NDArray[np.str_], domain: str | int) -> int:
    """Return the number of a domain, given by its name or its number.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> find_domain(np.array(["books", "films"]), "films")
    1
    >>> find_domain(np.array(["books", "films"]), "flims")
    Traceback (most recent call last):
    ValueError: there is no domain 'flims'; did you mean 'films'?
    """
    names: list[str] = domains.tolist()
    if isinstance(domain, str):
        if domain in names:
            return names.index(domain)
        known = f"; known are {first_few(names, 12)}"
        raise ValueError(f"there is no domain {domain!r}" + did_you_mean(domain, names, known, head="; "))
    if isinstance(domain, bool) or not isinstance(domain, int | np.integer):
        raise TypeError(f"domain is {domain!r}; expected a name or a number")
    if not 0 <= domain < len(names):
        raise ValueError(f"domain is {domain}, but there are {len(names)} (they run from 0 to {len(names) - 1})")
    return int(domain)
