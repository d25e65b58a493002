"""New columns in a trained run: factors of items that were not there when it was trained.

Let X be today's interactions, columns of the run first, and w the items' weights.  The run's components V (I, D) and
the item vectors of each of its domains are right singular vectors, and what is new is folded in, as in latent semantic
indexing: with x the weighted column of a new item,

    V_i = x' (X w) V / |(X w) V_k|^2                  a column k at a time; over all columns of the run
    C_i = x' M C / |M C_k|^2,   v_i = C_i sqrt(g)     M: the run's columns of the item's domain, weighted
    C = v / sqrt(g),  g_k = |v_k|^2                   the run's own item vectors of that domain are v = C sqrt(g)

so that an item of the run, folded in, gets the row that it has.  Items of a new domain have a decomposition of their
own, as in `acg_numpy.recommender.data.factors`, divided by what the run divided by.  A bias follows from the
popularity, by the line that fits the run's biases in the domain.  Nothing of the run's own rows changes.

References
----------
Berry, Dumais and O'Brien, "Using linear algebra for intelligent information retrieval", 1995, section 3.3, folding in.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data import DataError, Factors, Vectors
from acg_numpy.recommender.data.factors import ITEM_RANK, right_factors, scale_columns
from acg_numpy.recommender.data.vectors import OWN_ITEM_SCALE
from acg_numpy.recommender.serving.trained import Trained
from acg_numpy.shapes import Array
from acg_numpy.text import first_few

BIAS_FLOOR = 0.01  # of a popularity, as in training
SVD_TOLERANCE = 1e-3  # between columns of singular vectors, relative to their lengths


class Columns(NamedTuple):
    """The columns of a run, and those that are new, after them.

    Attributes
    ----------
    items : array of str, shape (I,)
    item_domain : array of int, shape (I,)
        Indices into the domains of the run, and those of new ones after them.
    known : int
        How many columns the run had.
    """

    items: npt.NDArray[np.str_]
    item_domain: npt.NDArray[np.int64]
    known: int


def extend_factors(
    trained: Trained, columns: Columns, matrix: sp.csr_array, vectors: Vectors | None, *, seed: int
) -> tuple[Factors, Array]:
    """Fold new columns into the factors of a run.

    Parameters
    ----------
    trained : Trained
    columns : Columns
    matrix : sparse array (CSR), shape (U, I)
        Today's interactions, without what is hidden.
    vectors : Vectors, optional
        Of the new items, if the run was trained with item vectors that were brought along.
    seed : int
        Of the decomposition of new domains.

    Returns
    -------
    factors : Factors
    item_bias : array, shape (I,), float32

    Raises
    ------
    DataError
        If an item needs a vector that is not there, or vectors are given that cannot fit.
    """
    old, known = trained.factors, columns.known
    new = slice(known, None)
    taken = np.asarray(matrix.sum(axis=0), np.float64)
    _, same = np.unique(columns.items, return_inverse=True)
    weight = np.append(old.item_weight, 1 / np.sqrt((1 + taken) * np.bincount(same)[same])[new]).astype(np.float32)
    popularity = np.append(old.popularity, (taken / max(matrix.shape[0], 1))[new]).astype(np.float32)
    domains = int(columns.item_domain.max()) + 1
    hidden = np.zeros((domains, int(same.max()) + 1), bool)
    hidden[columns.item_domain, same] = True

    weighted = scale_columns(matrix, weight)
    before, after = sp.csr_array(weighted[:, :known]), sp.csr_array(weighted[:, known:])
    components = np.concatenate([old.components, _fold(before, after, old.components)])
    found = _item_vectors(trained, columns, weighted, vectors, seed)
    factors = replace(
        old,
        components=components.astype(np.float32),
        item_weight=weight,
        item_vectors=np.concatenate([old.item_vectors, found]).astype(np.float32),
        popularity=popularity,
        elsewhere=~hidden[:, same],
    )
    return factors, _biases(trained, columns, popularity)


def _item_vectors(
    trained: Trained, columns: Columns, weighted: sp.csr_array, vectors: Vectors | None, seed: int
) -> Array:
    """Return the vectors of the new columns, (new, D)."""
    known, D = columns.known, trained.factors.item_vectors.shape[1]
    scale = trained.about.get(OWN_ITEM_SCALE)
    if scale is not None:
        return _given_vectors(columns, vectors, float(scale), D)
    if vectors is not None:
        raise DataError(
            f"{vectors.source}: the run made its item vectors from the interactions, so that vectors of another kind "
            "would not fit: leave --item-vectors out, or train again with it"
        )
    made = np.zeros((len(columns.items) - known, D))
    squares, lengths = 0.0, 0.0
    is_new = np.arange(len(columns.items)) >= known
    for d in range(len(trained.domains)):
        inside = columns.item_domain == d
        run = np.flatnonzero(inside & ~is_new)
        stored = trained.factors.item_vectors[run].astype(np.float64)
        g = np.sum(stored**2, axis=0)
        _require_singular_vectors(stored, g, str(trained.domains[d]))
        C = stored / np.sqrt(np.where(g > 0, g, 1))
        M = sp.csr_array(weighted[:, run])
        squares, lengths = squares + float(g.sum()), lengths + float(np.linalg.norm(M @ C, axis=0).sum())
        to = np.flatnonzero(inside & is_new)
        made[to - known] = _fold(M, sp.csr_array(weighted[:, to]), C) * np.sqrt(g)
    deviation = np.sqrt(lengths / squares) if squares else 1.0  # what the run divided its item vectors by
    rng = np.random.default_rng(seed)
    for d in range(len(trained.domains), int(columns.item_domain.max()) + 1):
        inside = np.flatnonzero(columns.item_domain == d)
        rank = min(ITEM_RANK, len(inside) - 1, D)
        if rank > 0:
            sigma, C = right_factors(sp.csr_array(weighted[:, inside]), rank, rng)
            made[inside - known, :rank] = C * np.sqrt(sigma) / deviation
    return made


def _given_vectors(columns: Columns, vectors: Vectors | None, scale: float, D: int) -> Array:
    """Look up the vectors of the new columns among those that were brought along."""
    new = columns.items[columns.known :]
    if vectors is None:
        raise DataError(
            f"the run was trained with your own item vectors, so its {len(new):,} new items need theirs: give them "
            "(--item-vectors)"
        )
    if vectors.vectors.shape[1:] != (D,):
        raise DataError(f"{vectors.source}: vectors have shape {vectors.vectors.shape}; expected (n, {D})")
    place = {name: n for n, name in enumerate(vectors.ids.tolist())}
    if missing := [name for name in dict.fromkeys(new.tolist()) if name not in place]:
        raise DataError(f"{vectors.source} has no vector for {len(missing):,} new items ({first_few(missing)})")
    found: Array = vectors.vectors[[place[name] for name in new.tolist()]] / scale
    return found


def _fold(before: sp.csr_array, after: sp.csr_array, basis: Array) -> Array:
    """Return the rows of new columns in a basis of right singular vectors (known, k): (new, k)."""
    projected = before @ basis.astype(np.float64)  # (U, k)
    squares = np.sum(projected**2, axis=0)
    rows: Array = (after.T @ projected) / np.where(squares > 0, squares, 1)
    return rows


def _require_singular_vectors(stored: Array, g: Array, domain: str) -> None:
    """Raise DataError if the columns of item vectors are not orthogonal, as singular vectors are."""
    products = stored.T @ stored - np.diag(g)
    if (np.abs(products) > SVD_TOLERANCE * max(float(g.max(initial=0)), 1e-30)).any():
        raise DataError(
            f"the item vectors of {domain} are not the run's own singular vectors, so that nothing can be folded into "
            "them: train again"
        )


def _biases(trained: Trained, columns: Columns, popularity: Array) -> Array:
    """Return the biases, those of new columns by the line through the run's biases over the logarithm of popularity."""
    start = np.log(BIAS_FLOOR + popularity.astype(np.float64))
    bias = np.append(trained.item_bias, start[columns.known :])
    is_new = np.arange(len(bias)) >= columns.known
    for d in range(len(trained.domains)):
        run, to = (np.flatnonzero((columns.item_domain == d) & which) for which in (~is_new, is_new))
        if len(to) and len(run) > 1 and np.ptp(start[run]) > 0:
            slope, intercept = np.polyfit(start[run], bias[run], 1)
            bias[to] = intercept + slope * start[to]
    return bias.astype(np.float32)
