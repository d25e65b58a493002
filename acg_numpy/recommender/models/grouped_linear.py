"""A linear map of its own for each domain: the rows of a batch are grouped by domain, with one product for each group.

Forward.  Row b is in domain d_b, whose map is M_d with bias e_d:

    y_b = x_b M_d + e_d                       d = d_b

Backward.  Each domain is a linear map of its rows X_d, so its gradients are those of `acg_numpy.passes.linear`:

    dX_d = dY_d M_d^T        dM_d = X_d^T dY_d        de_d = the sum of the rows of dY_d

A domain without rows gets zeros.
"""

from typing import NamedTuple

import numpy as np

from acg_numpy.autograd import from_passes
from acg_numpy.recommender.data.pairs import Ids
from acg_numpy.shapes import Array


class GroupedLinearCache(NamedTuple):
    """What the backward pass needs."""

    x: Array  # (B, I), sorted by domain
    weight: Array  # (N, I, O)
    rows: list[slice]  # the rows of each domain, N of them
    order: Ids | None  # (B,), that sorted the rows; None if they came sorted


class GroupedLinearGrads(NamedTuple):
    """One gradient for each input of `grouped_linear_forward`."""

    x: Array  # (B, I)
    weight: Array  # (N, I, O)
    bias: Array  # (N, O)


def grouped_linear_forward(x: Array, weight: Array, bias: Array, *, domain_id: Ids) -> tuple[Array, GroupedLinearCache]:
    """Map each row by the map of its domain.

    Parameters
    ----------
    x : array, shape (B, I), floating
    weight : array, shape (N, I, O), floating
    bias : array, shape (N, O), floating
    domain_id : array, shape (B,), integer
        The domain of each row, in any order; sorted ids save two copies.

    Returns
    -------
    y : array, shape (B, O)
    cache : GroupedLinearCache

    Examples
    --------
    >>> x, weight = np.ones((3, 2)), np.array([[[1.0], [1.0]], [[5.0], [5.0]]])
    >>> grouped_linear_forward(x, weight, np.zeros((2, 1)), domain_id=np.array([1, 0, 1]))[0].ravel()
    array([10.,  2., 10.])
    """
    order = None if np.all(domain_id[:-1] <= domain_id[1:]) else np.argsort(domain_id, kind="stable")
    ordered = domain_id if order is None else domain_id[order]
    x = x if order is None else x[order]
    ends = np.searchsorted(ordered, np.arange(len(weight)), side="right").tolist()
    rows = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    y = _stacked([x[of] @ weight[d] + bias[d] for d, of in enumerate(rows) if of.start < of.stop], len(x), bias)
    return y if order is None else y[_inverse(order)], GroupedLinearCache(x, weight, rows, order)


def grouped_linear_backward(grad_out: Array, cache: GroupedLinearCache) -> GroupedLinearGrads:
    """Carry dL/dy back to the rows, and to the map and the bias of each domain.

    Parameters
    ----------
    grad_out : array, shape (B, O)
    cache : GroupedLinearCache

    Returns
    -------
    GroupedLinearGrads
    """
    x, M, rows, order = cache
    dY = grad_out if order is None else grad_out[order]
    present = [(d, of) for d, of in enumerate(rows) if of.start < of.stop]
    dx = _stacked([dY[of] @ M[d].T for d, of in present], len(x), x)
    dM = np.stack([x[of].T @ dY[of] for of in rows])  # of a domain without rows, an empty product: zeros
    de = np.stack([np.sum(dY[of], axis=0) for of in rows])
    return GroupedLinearGrads(dx if order is None else dx[_inverse(order)], dM, de)


grouped_linear = from_passes(grouped_linear_forward, grouped_linear_backward)


def _stacked(parts: list[Array], rows: int, like: Array) -> Array:
    """Stack the rows of the parts; where there is none, return no rows."""
    return np.concatenate(parts) if parts else np.zeros((rows, like.shape[-1]), like.dtype)


def _inverse(order: Ids) -> Ids:
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return inverse
