"""Own history: how the items of a user who has taken some in the domain move its others, beside the condition.

A condition is made from what the user did elsewhere, and does not look at the domain.  A user who has already taken
items there says more.  With x_u the user's row of items, of all domains, 1 where taken, the score of item i becomes

    score_i = 3 c . v_i / sqrt(D) + b_i + blend (x_u W)_i

W has a weight from each item to each other.  It is the ridge regression of every item on all others, which has a closed
form: with A the rows of those who took anything, and a the mean number of items in a row,

    W = argmin |A - A W|^2 + strength a |W|^2   where the diagonal of W is 0
    P = (A'A + strength a 1)^-1,    W_ij = -P_ij / P_jj for i other than j

Only 4,096 items have weights, the most popular ones of each domain in equal numbers, and each item keeps the 256
weights to it that are largest in absolute value: 8 bytes each, so at most 2 KiB for an item.  An item of several
domains is one item in the regression; for each of these domains it has weights of its own, from one column of every
other item.  A user without items in the domain gets the scores without the last term, the same numbers to the bit.

References
----------
Steck, "Embarrassingly shallow autoencoders for sparse data", 2019, equation 8.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.linalg.lapack import dpotrf, dpotri

from acg_numpy.shapes import Array

MOST_ITEMS = 1 << 12  # that have weights
MOST_WEIGHTS = 1 << 8  # to each item
COLUMNS = 1 << 8  # of weights that are sorted together
NAME = "own history"
ARRAYS = ("own_data", "own_indices", "own_indptr")  # in a checkpoint


@dataclass(frozen=True, eq=False)
class OwnHistory:
    """Weights between items, and what they count beside the condition.

    Attributes
    ----------
    weights : sparse array (CSR), shape (items, items), float32
        From the row's item to the column's.
    strength : float
        Of the ridge, in mean lengths of a user's row.
    blend : float
        What the weights are multiplied by.

    Examples
    --------
    >>> taken = sp.csr_array(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], np.float32))
    >>> own = OwnHistory(item_weights(taken, np.zeros(3, int), np.arange(3), strength=1), 1, blend=10)
    >>> user = sp.csr_array(np.array([[1, 0, 0]], np.float32))
    >>> rows, scores = own.scores(user, np.arange(3))
    >>> bool(scores[0, 1] > scores[0, 2])  # who took the first took the second
    True
    """

    weights: sp.csr_array
    strength: float
    blend: float
    _parts: dict[bytes, sp.csr_array] = field(default_factory=dict, init=False, repr=False)

    def scores(self, taken: sp.csr_array, columns: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Array]:
        """Score the items of a domain for those of some users who have taken any of them.

        Parameters
        ----------
        taken : sparse array (CSR), shape (U, items)
        columns : array of int, shape (C,)
            The items of the domain.

        Returns
        -------
        rows : array of int, shape (n,)
            Which users have a history in the domain.
        scores : array, shape (n, C), float32
            What is to be added to the scores of these users.
        """
        rows = np.flatnonzero(np.diff(taken[:, columns].indptr))
        scores: Array = (taken[rows] @ self._to(columns)).toarray() * np.float32(self.blend)
        return rows, scores

    def add_to(self, scores: Array, taken: sp.csr_array, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Add to the scores (U, C) of a domain's items in place, and return whose changed, (U,)."""
        rows, own = self.scores(taken, columns)
        scores[rows] += own
        changed = np.zeros(len(scores), bool)
        changed[rows] = True
        return changed

    def _to(self, columns: npt.NDArray[np.int64]) -> sp.csr_array:
        """Return the weights to some items; all are looked through once for each domain."""
        key = columns.tobytes()
        if key not in self._parts:
            self._parts[key] = sp.csr_array(self.weights[:, columns])
        return self._parts[key]

    def arrays(self) -> dict[str, Array]:
        """Return the weights as arrays of a checkpoint."""
        index = np.int32 if max(self.weights.nnz, *self.weights.shape) < 2**31 else np.int64
        indices, indptr = self.weights.indices.astype(index), self.weights.indptr.astype(index)
        return dict(zip(ARRAYS, (self.weights.data, indices, indptr), strict=True))

    def about(self) -> dict[str, float]:
        """Return the numbers beside the weights."""
        return {"strength": self.strength, "blend": self.blend}

    @property
    def nbytes(self) -> int:
        """The size of the weights in a checkpoint, in bytes."""
        return sum(array.nbytes for array in self.arrays().values())

    @classmethod
    def from_checkpoint(cls, arrays: Mapping[str, Array], about: Mapping[str, float] | None, items: int) -> Self | None:
        """Return what a checkpoint has; None where it has none.

        Raises
        ------
        ValueError, KeyError
            If the parts do not fit.
        """
        if about is None:
            return None
        weights = sp.csr_array(tuple(arrays[name] for name in ARRAYS), shape=(items, items))
        weights.check_format()
        return cls(weights, float(about["strength"]), float(about["blend"]))


def item_weights(
    matrix: sp.csr_array | sp.csc_array,
    item_domain: npt.NDArray[np.int64],
    same_item: npt.NDArray[np.int64],
    strength: float,
) -> sp.csr_array:
    """Fit the weights between items.

    Parameters
    ----------
    matrix : sparse array, shape (users, items)
        1 where a user took an item.  One in CSC is used as it is, where weights are fitted several times.
    item_domain : array of int, shape (items,)
    same_item : array of int, shape (items,)
        Equal in the columns of one item in several domains.
    strength : float
        Of the ridge, in mean lengths of a user's row; above 0.

    Returns
    -------
    sparse array (CSR), shape (items, items), float32
    """
    by_column = matrix.tocsc()
    _, first, item = np.unique(same_item, return_index=True, return_inverse=True)
    chosen = _most_popular(np.diff(by_column.indptr)[first], item_domain[first])  # (n,) of the items
    taken = sp.csr_array(by_column[:, first[chosen]])
    if not taken.nnz:
        return sp.csr_array(matrix[:0].T @ matrix[:0])
    W = _largest(_regression(taken, strength))  # (n, n), of items

    place = np.full(len(first), -1)
    place[chosen] = np.arange(len(chosen))
    to = np.flatnonzero(place[item] >= 0)  # the columns of the chosen items
    # the column that each item's weights to the items of a domain come from: that of the domain, or else the first
    row_of = np.repeat(first[chosen][:, None], int(item_domain.max(initial=0)) + 1, axis=1)  # (n, N)
    row_of[place[item[to]], item_domain[to]] = to
    wide = W[:, place[item[to]]].tocoo()
    columns = to[wide.col]
    weights = sp.csr_array((wide.data, (row_of[wide.row, item_domain[columns]], columns)), shape=(len(item),) * 2)
    weights.sort_indices()
    return weights


def _most_popular(popularity: npt.NDArray[np.int64], domain: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Choose the most popular items of each domain, in equal numbers, in the order of their numbers."""
    order = np.lexsort((-popularity, domain))
    starts = np.searchsorted(domain[order], domain[order])
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - starts
    return np.sort(np.lexsort((-popularity, rank))[:MOST_ITEMS])


def _largest(W: Array) -> sp.csc_array:
    """Keep the largest weights to each item, and drop the diagonal."""
    np.fill_diagonal(W, 0)
    parts = []
    for start in range(0, len(W), COLUMNS):
        block = W[:, start : start + COLUMNS]
        if len(W) > MOST_WEIGHTS:
            smallest = np.argpartition(-np.abs(block), MOST_WEIGHTS, axis=0)[MOST_WEIGHTS:]
            np.put_along_axis(block, smallest, 0, axis=0)
        parts.append(sp.csc_array(block.astype(np.float32)))
    return sp.csc_array(sp.hstack(parts))


def _regression(taken: sp.csr_array, strength: float) -> Array:
    """Return W for some items, (n, n); what is on its diagonal means nothing."""
    # in the order of memory of LAPACK, which otherwise copies
    gram = (taken.T @ taken).astype(np.float64).toarray(order="F")  # (n, n)
    users = int(np.count_nonzero(np.diff(taken.indptr)))
    gram[np.diag_indices_from(gram)] += strength * np.trace(gram) / users
    # by Cholesky, in half the time of a general inverse
    factor, _ = dpotrf(gram, lower=True, overwrite_a=True)  # with zeros above the diagonal
    inverse, _ = dpotri(factor, lower=True, overwrite_c=True)  # of which the lower triangle is written
    variances = inverse.diagonal().copy()
    W: Array = inverse + inverse.T
    W /= -variances
    return W
