"""Embedding: rows looked up in a table, and gradients added up where a row was looked up several times.

Forward.  Place i of the output is a copy of row ids[i] of the table E (`table`, N rows):

    O_i = E_{ids_i} = sum_r 1[ids_i = r] E_r

A row may be anything: a vector, or, for the domains of this package, a matrix of T tokens (the table is then
(N, T, D)).

Backward.  The second form says which outputs depend on row r: those whose id is r, each with derivative 1.  So

    dE_r = sum_i 1[ids_i = r] dO_i

which is `scatter_add`.  A row that was looked up three times gets three gradients added up; a row that was not looked
up gets zero.  The ids have no gradient: they are whole numbers with nothing between them, and theirs is None.
"""

from typing import NamedTuple

from acg_numpy.element_types import check_ids
from acg_numpy.passes.scatter import scatter_add
from acg_numpy.shapes import Array, check_axes


class EmbeddingCache(NamedTuple):
    """What the backward needs: the ids, and the length of the table."""

    ids: Array  # (...)
    num_rows: int


class EmbeddingGrads(NamedTuple):
    """One gradient for each input of `embedding_forward`."""

    table: Array  # (N, ...)
    ids: None = None


def embedding_forward(table: Array, ids: Array | int) -> tuple[Array, EmbeddingCache]:
    """Look up `table[ids]`.

    Parameters
    ----------
    table : array, shape (N, ...), floating
        One row for each id, of any number of axes.
    ids : int or integer array, any shape
        Row numbers from 0 to N - 1.

    Returns
    -------
    out : array, shape ids.shape + table.shape[1:], dtype of `table`
        A copy, also for a single id.
    cache : EmbeddingCache

    Raises
    ------
    IndexError
        If an id is negative or not below N: ids never wrap round.
    TypeError
        If ids are booleans or floats.

    Examples
    --------
    >>> import numpy as np
    >>> table = np.array([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]])
    >>> out, cache = embedding_forward(table, np.array([2, 0, 2]))
    >>> out
    array([[20., 21.],
           [ 0.,  1.],
           [20., 21.]])
    """
    check_axes(1, table=table)
    num_rows = table.shape[0]
    ids = check_ids(ids, num_rows, rows="the number of rows in table")
    return table[ids], EmbeddingCache(ids, num_rows)


def embedding_backward(grad_out: Array, cache: EmbeddingCache) -> EmbeddingGrads:
    """Carry dL/dO back to dL/dE.

    Parameters
    ----------
    grad_out : array, shape ids.shape + table.shape[1:]
        dO, the gradient of the loss with respect to what was looked up.
    cache : EmbeddingCache

    Returns
    -------
    EmbeddingGrads
        dE, shape of the table.

    Examples
    --------
    >>> import numpy as np
    >>> _, cache = embedding_forward(np.zeros((3, 2)), np.array([2, 0, 2]))
    >>> embedding_backward(np.array([[1.0, 1.0], [5.0, 5.0], [2.0, 2.0]]), cache).table  # row 2 was used twice
    array([[5., 5.],
           [0., 0.],
           [3., 3.]])
    """
    dO, ids, num_rows = grad_out, cache.ids, cache.num_rows
    dE = scatter_add(dO, ids, num_rows)
    return EmbeddingGrads(dE)
