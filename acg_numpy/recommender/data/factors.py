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

ARPACK computes the SVD of matrices of up to 8 million interactions.  It passes over the matrix some hundred times, so
larger ones are factorised by `block_krylov`, which passes over blocks of rows six times.

C. Musco, C. Musco: Randomized block Krylov methods for stronger and faster approximate singular value decomposition,
NeurIPS 2015, algorithm 2.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from acg_numpy.recommender.data.interactions import DataError, Interactions
from acg_numpy.shapes import Array

ITEM_RANK = 24
MANY = 1 << 23  # interactions; of more, the factors come from few passes over blocks of rows
PASSES, OVERSAMPLE = 6, 8  # of block Krylov: with 4 passes, recommendations were measurably worse
BLOCK = 1 << 14  # rows that are multiplied together
NUMBERS = 1 << 21  # of users' vectors that are in memory together
NOISE = 1e-3  # singular values below this share of the largest are rounding noise, of squares in float32


class UserVectors(Protocol):
    """A vector of each user for each domain: an array (U, N, D), or what makes its rows when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes U, N and D."""

    def __getitem__(self, key: Any, /) -> Any:
        """Return the vectors of users and domains: `[users, domains]`, as of an array."""


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
        weighted = self._weighted(matrix)
        vectors = np.empty((matrix.shape[0], len(self.elsewhere), self.components.shape[1]), dtype=np.float32)
        for d, visible in enumerate(self.elsewhere):
            vectors[:, d] = weighted @ np.where(visible[:, None], self.components, np.float32(0))
        vectors /= np.float32(self.scale)
        return vectors

    def pair_vectors(self, matrix: sp.csr_array, domains: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Make a vector for every row of interactions, each for one domain.

        Parameters
        ----------
        matrix : sparse array (CSR), shape (P, I)
        domains : array of int, shape (P,)
            The target domain of each row.

        Returns
        -------
        array, shape (P, D), float32
            The rows ``[arange(P), domains]`` of `user_vectors`, to the bit.
        """
        weighted = self._weighted(matrix)
        row = np.repeat(np.arange(len(domains)), np.diff(matrix.indptr))
        kept = self.elsewhere[domains[row], matrix.indices]
        ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
        seen = sp.csr_array((weighted.data[kept], matrix.indices[kept], ends), shape=matrix.shape)
        vectors: npt.NDArray[np.float32] = seen @ self.components
        vectors /= np.float32(self.scale)
        return vectors

    def _weighted(self, matrix: sp.csr_array) -> sp.csr_array:
        """Multiply the columns by their weights."""
        if matrix.shape[1] != len(self.item_weight):
            raise ValueError(
                f"matrix has {matrix.shape[1]} columns, but the factors know {len(self.item_weight)} items"
            )
        return scale_columns(matrix, self.item_weight)


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
    deviation = _deviation(unscaled, visible)
    if not deviation:
        raise DataError("all user vectors are zero: at least two users, two items and two domains are needed")
    return Factors(**{**vars(unscaled), "scale": deviation})


def right_factors(matrix: sp.csr_array, rank: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Find the `rank` largest singular values (rank,) and right vectors (columns, rank), zeros after the last."""
    rows, columns = matrix.shape
    sigma, vectors = np.zeros(rank), np.zeros((columns, rank))
    found = min(rank, rows - 1, columns - 1)
    if found < 1 or not matrix.nnz:
        return sigma, vectors
    # float32 takes four fifths of the time of float64, and ranks as well
    matrix = matrix.astype(np.float32, copy=False)
    if matrix.nnz > MANY:
        return block_krylov(lambda Q: _gram(matrix, Q), np.arange(columns), columns, rank, rng)[:2]
    start = rng.standard_normal(min(rows, columns))
    _, s, vt = svds(matrix, k=found, v0=start.astype(np.float32))
    best_first = np.argsort(-s, kind="stable")
    s, v = s[best_first], vt[best_first].T
    v[:, s <= s[0] * NOISE] = 0.0
    sigma[:found], vectors[:, :found] = s, orient(v)
    return sigma, vectors


def block_krylov(
    gram: Callable[[Array], Array],
    chosen: npt.NDArray[np.int64],
    columns: int,
    rank: int,
    rng: np.random.Generator,
    *,
    passes: int = PASSES,
    oversample: int = OVERSAMPLE,
) -> tuple[Array, Array, int]:
    """Find the largest singular values of A and their right vectors, in few passes over A.

    Parameters
    ----------
    gram : callable
        From Q (columns, b) to A'A Q in float64: one pass.  Products may be of float32.
    chosen : array of int
        The columns of A that are not zeros.
    columns : int
        All of them.
    rank : int
        How many singular values.
    rng : numpy.random.Generator
        Of the first block.
    passes : int, default 6
        At most; one where a block has all columns.
    oversample : int, default 8
        A block has ``rank + oversample`` vectors.

    Returns
    -------
    sigma : array, shape (rank,), float64
        Falling; zeros after the last.
    components : array, shape (columns, rank), float64
    passes : int
        How many there were.
    """
    width = rank + oversample
    start = np.zeros((columns, min(width, len(chosen))))
    if len(chosen) <= width * passes:  # so few that all of A'A costs less
        start = np.zeros((columns, len(chosen)))
        start[chosen, np.arange(len(chosen))] = 1
        passes = 1
    else:
        start[chosen] = np.linalg.qr(rng.standard_normal((len(chosen), width)))[0]
    Q, blocks, products = start, [], []
    for step in range(passes):
        blocks.append(Q)
        products.append(gram(Q))
        if step < passes - 1:
            B = np.concatenate(blocks, axis=1)
            Q = products[-1]
            # twice: what is left of a block can be rounding noise, which the first QR brings to length 1
            for _ in range(2):
                Q = Q - B @ (B.T @ Q)
                Q = np.linalg.qr(Q - B @ (B.T @ Q))[0]
    B, G = np.concatenate(blocks, axis=1), np.concatenate(products, axis=1)
    T = B.T @ G
    eigenvalues, E = np.linalg.eigh((T + T.T) / 2)
    best = np.argsort(-eigenvalues, kind="stable")[:rank]
    found = np.sqrt(np.maximum(eigenvalues[best], 0))
    V = B @ E[:, best]
    real = found > found[0] * NOISE if len(found) else found > 0
    sigma, components = np.zeros(rank), np.zeros((columns, rank))
    sigma[: len(found)] = np.where(real, found, 0)
    components[:, : len(found)] = orient(np.where(real, V, 0))
    return sigma, components, passes


def _gram(matrix: sp.csr_array, Q: Array) -> Array:
    """Compute A'A Q, a block of rows at a time."""
    Q = Q.astype(np.float32)
    total = np.zeros(Q.shape)
    for rows in _row_blocks(matrix, BLOCK):
        total += rows.T @ (rows @ Q)
    return total


def _deviation(factors: Factors, visible: sp.csr_array) -> float:
    """Compute the standard deviation of all numbers of the users' vectors, a block of users at a time."""
    count, total, squares = 0, 0.0, 0.0
    for rows in _row_blocks(visible, max(1, NUMBERS // (len(factors.elsewhere) * factors.components.shape[1]))):
        vectors = factors.user_vectors(rows).astype(np.float64).ravel()
        count, total, squares = count + vectors.size, total + float(vectors.sum()), squares + float(vectors @ vectors)
    return float(np.sqrt(max(squares / count - (total / count) ** 2, 0.0)))


def _row_blocks(matrix: sp.csr_array, number: int) -> Iterator[sp.csr_array]:
    """Go through a matrix in blocks of so many rows, which share its memory."""
    for start in range(0, matrix.shape[0], number):
        indptr = matrix.indptr[start : start + number + 1]
        entries = slice(indptr[0], indptr[-1])
        stored = (matrix.data[entries], matrix.indices[entries], indptr - indptr[0])
        yield sp.csr_array(stored, shape=(len(indptr) - 1, matrix.shape[1]))


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
