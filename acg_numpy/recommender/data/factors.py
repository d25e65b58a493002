"""Vectors from interactions: a truncated SVD for the users, and one for the items of each domain.

X is the visible matrix, 1 where user u took item i.  Popular items say little about the users who take them, so columns
are weighted by

    w_i = 1 / sqrt(1 + popularity_i)

The best rank-D approximation of X * w is S Sigma V'; its V (I, D) turns any row of interactions into a vector.  A
user's vector for target domain d must not know what the user did in d, so the columns of d are taken out first:

    u_d = ((X_u * w) with d's columns zeroed) V / scale

and `scale` makes the deviation over all users, domains and components 1.

Items get vectors from their own domain alone: with the SVD of d's columns, (X * w)_d = S Sigma C', item i has the row i
of C sqrt(Sigma), of rank min(24, items - 1), padded with zeros to D; over all items, these too have unit deviation.
So each domain has a space of its own, with no relation to the space of another: finding the relation is what a
conditioner is for.

An item of m domains is m columns, each with w_i / sqrt(m): then X * w has the same inner products between users as if
the item were one column, and no user's vector counts it twice.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from acg_numpy.recommender.data.interactions import DataError, Interactions
from acg_numpy.shapes import Array

ITEM_RANK = 24


@dataclass(frozen=True, eq=False)
class Factors:
    """Vectors of items, and what turns interactions into vectors of users.

    Parameters
    ----------
    components : array, shape (I, D), float32
        V, columns in the order of falling singular values.
    item_weight : array, shape (I,), float32
        w.
    scale : float
        What user vectors are divided by.
    item_vectors : array, shape (I, D), float32
        Each item in its own domain's space.
    popularity : array, shape (I,), float32
        The share of users who took the item.
    elsewhere : array of bool, shape (N, I)
        Which columns a vector for domain d may look at.
    """

    components: npt.NDArray[np.float32]
    item_weight: npt.NDArray[np.float32]
    scale: float
    item_vectors: npt.NDArray[np.float32]
    popularity: npt.NDArray[np.float32]
    elsewhere: npt.NDArray[np.bool_]

    def user_vectors(self, matrix: sp.csr_array) -> npt.NDArray[np.float32]:
        """Make a vector for every row of interactions and every domain.

        Parameters
        ----------
        matrix : sparse array (CSR), shape (U, I)
            Interactions with these items: of the training users, or of any later ones.

        Returns
        -------
        array, shape (U, N, D), float32
            [u, d] does not depend on what u did in d; zeros where u did nothing else.

        Raises
        ------
        ValueError
            If `matrix` does not have a column for each item.
        """
        users, items = matrix.shape
        if items != len(self.item_weight):
            raise ValueError(f"matrix has {items} columns, but the factors know {len(self.item_weight)} items")
        weighted = scale_columns(matrix, self.item_weight)
        vectors = np.empty((users, len(self.elsewhere), self.components.shape[1]), dtype=np.float32)
        for d, visible in enumerate(self.elsewhere):
            vectors[:, d] = weighted @ np.where(visible[:, None], self.components, np.float32(0))
        vectors /= np.float32(self.scale)
        return vectors


def factorise(visible: sp.csr_array, interactions: Interactions, *, emb_dim: int = 32, seed: int = 0) -> Factors:
    """Compute the factors of the visible interactions.

    Parameters
    ----------
    visible : sparse array (CSR), shape (U, I)
        The matrix without what is hidden for validation and test, as `Split.visible` gives it.
    interactions : Interactions
        Says which column is in which domain; its own matrix is not looked at.
    emb_dim : int, default 32
        D.  Where the matrix has fewer than D + 1 rows or columns, the last components are zeros.
    seed : int, default 0
        Of the start vector of the iteration; the same seed gives the same factors.

    Returns
    -------
    Factors

    Raises
    ------
    DataError
        If nothing is visible, or too little for any vector to differ from zero.
    ValueError
        If `emb_dim` is not positive or the shapes differ.

    Examples
    --------
    >>> from acg_numpy.recommender.data import draw_split, make_world
    >>> taken = make_world(seed=0).interactions
    >>> visible = draw_split(taken, seed=0).visible(taken)
    >>> factors = factorise(visible, taken, emb_dim=16)
    >>> vectors = factors.user_vectors(visible)
    >>> vectors.shape == (len(taken.users), len(taken.domains), 16)
    True
    >>> bool(abs(vectors.std() - 1) < 1e-4)
    True
    """
    if emb_dim < 1:
        raise ValueError(f"emb_dim must be at least 1, but it is {emb_dim}")
    if visible.shape != interactions.matrix.shape:
        raise ValueError(f"visible has shape {visible.shape}, but the interactions have {interactions.matrix.shape}")
    if not visible.nnz:
        raise DataError("no interaction is visible: all were hidden for validation and test, or there were none")
    users = len(interactions.users)
    taken = np.asarray(visible.sum(axis=0), dtype=np.float64)  # (I,)
    domains_of_item = np.bincount(interactions.same_item)[interactions.same_item]
    weight = (1 / np.sqrt((1 + taken) * domains_of_item)).astype(np.float32)
    rng = np.random.default_rng(seed)

    weighted = scale_columns(visible, weight)
    _, components = right_factors(weighted, emb_dim, rng)
    item_vectors = np.zeros((len(interactions.items), emb_dim))
    for d in range(len(interactions.domains)):
        columns = interactions.columns(d)
        rank = min(ITEM_RANK, len(columns) - 1, emb_dim)
        if rank > 0:
            sigma, C = right_factors(weighted[:, columns], rank, rng)
            item_vectors[columns, :rank] = C * np.sqrt(sigma)
    item_vectors /= item_vectors.std() or 1.0

    unscaled = Factors(
        components.astype(np.float32),
        weight,
        1.0,
        item_vectors.astype(np.float32),
        (taken / users).astype(np.float32),
        interactions.elsewhere,
    )
    deviation = float(unscaled.user_vectors(visible).std(dtype=np.float64))
    if not deviation:
        raise DataError("all user vectors are zero: at least two users, two items and two domains are needed")
    return Factors(**{**vars(unscaled), "scale": deviation})


def right_factors(matrix: sp.csr_array, rank: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Find the `rank` largest singular values (rank,) and right vectors (columns, rank), zeros after the last."""
    rows, columns = matrix.shape
    sigma, vectors = np.zeros(rank), np.zeros((columns, rank))
    start = rng.standard_normal(min(rows, columns))
    found = min(rank, rows - 1, columns - 1)
    if found < 1 or not matrix.nnz:
        return sigma, vectors
    # float32 takes four fifths of the time of float64, and ranks as well
    _, s, vt = svds(matrix.astype(np.float32), k=found, v0=start.astype(np.float32))
    best_first = np.argsort(-s, kind="stable")
    s, v = s[best_first], vt[best_first].T
    v[:, s <= s[0] * 1e-3] = 0.0  # beyond the matrix's own rank there is only rounding noise, of squares in float32
    sigma[:found], vectors[:, :found] = s, orient(v)
    return sigma, vectors


def orient(vectors: Array) -> Array:
    """Make the largest entry of each column positive, because a singular vector has no sign of its own.

    Examples
    --------
    >>> orient(np.array([[0.6, 0.8], [-0.8, 0.6]])).tolist()
    [[-0.6, 0.8], [0.8, 0.6]]
    """
    largest = np.argmax(np.abs(vectors), axis=0)
    signs = np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
    oriented: Array = vectors * signs.astype(vectors.dtype)
    return oriented


def scale_columns(matrix: sp.csr_array, weight: npt.NDArray[np.float32]) -> sp.csr_array:
    """Multiply each column by its weight, and share the structure."""
    return sp.csr_array((matrix.data * weight[matrix.indices], matrix.indices, matrix.indptr), shape=matrix.shape)
