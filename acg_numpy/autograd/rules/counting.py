"""Derivatives of what counts and sorts out elements: weights in bins, histograms, and the distinct elements.

How many elements fall into a bin has slope 0 in the elements; what they weigh has slope 1 in the weights.  Of equal
elements the first stands for the others, and the gradient of a distinct element goes there.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from acg_numpy.autograd.registry import composite
from acg_numpy.autograd.rules.joining import array_of, as_array, refuse_tensors
from acg_numpy.autograd.tensors import Tensor
from acg_numpy.passes.scatter import scatter_add


@composite(np.bincount)
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Add up the weights of each number."""
    numbers = array_of(x)
    counts = np.bincount(numbers, minlength=minlength)
    if weights is None:
        return counts
    return scatter_add(np.astype(as_array(weights), np.float64), numbers, len(counts))


@composite(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """Return the edges of the bins, which move with the smallest and the largest element."""
    refuse_tensors("np.histogram_bin_edges", range=range, weights=weights)
    if np.ndim(bins) == 1:
        return as_array(bins)
    edges = np.histogram_bin_edges(array_of(a), bins, range, None if weights is None else array_of(weights))
    if range is not None or not isinstance(a, Tensor) or not a.requires_grad or not a.size:
        return edges
    low, high = np.min(a), np.max(a)  # equal ones are moved apart by NumPy
    low, high = low + (float(edges[0]) - low.item()), high + (float(edges[-1]) - high.item())
    return np.linspace(low, high, len(edges))


@composite(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """Add up the weights in each bin, and return them with the edges of the bins."""
    a = as_array(a)
    edges = histogram_bin_edges(a, bins, range)
    values, bounds = np.ravel(array_of(a)), array_of(edges)
    if weights is None:
        heights: Any = np.histogram(values, bounds)[0]
    else:
        weights = np.ravel(as_array(weights))
        if weights.shape != values.shape:
            raise ValueError(f"np.histogram: weights of shape {weights.shape} for elements of shape {values.shape}")
        inside = (values >= bounds[0]) & (values <= bounds[-1])
        numbers = np.minimum(np.searchsorted(bounds, values[inside], side="right") - 1, len(bounds) - 2)
        heights = scatter_add(weights[inside], numbers, len(bounds) - 1)
    if density:
        heights = heights / np.diff(edges) / np.sum(heights)
    return heights, edges


# Sets.


@composite(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """Return the sorted distinct elements, each as the first of its kind."""
    values, numpys = array_of(ar), cast(Any, np.unique)
    found = numpys(values, True, return_inverse, return_counts, axis, equal_nan=equal_nan)
    distinct = np.take(np.ravel(as_array(ar)) if axis is None else ar, found[1], axis=0 if axis is None else axis)
    rest = found[1:] if return_index else found[2:]
    return (distinct, *rest) if rest else distinct


def _unique_elements(x: Any) -> Any:
    """Return the distinct elements in the order in which NumPy's `unique_values` gives them; NaN differs from NaN."""
    values = np.unique_values(array_of(x))
    _, first = np.unique(array_of(x), return_index=True, equal_nan=False)
    places = np.empty_like(first)
    places[np.argsort(values)] = first
    return np.ravel(x)[places]


@composite(np.unique_values)
def unique_values(x: Any) -> Any:
    """Return the distinct elements."""
    return _unique_elements(x)


def _with_unique_elements(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose first result is the sorted distinct elements; the others are plain."""

    def rewrite(x: Any) -> Any:
        found = function(array_of(x))
        return type(found)(unique(x, equal_nan=False), *found[1:])

    return rewrite


for _function in (np.unique_all, np.unique_counts, np.unique_inverse):
    composite(_function)(_with_unique_elements(_function))


@composite(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    """Return the sorted distinct elements of two arrays."""
    return unique(np.concatenate([np.ravel(as_array(ar1)), np.ravel(as_array(ar2))]))


@composite(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Return the elements of one array that are not in another."""
    first = np.ravel(as_array(ar1)) if assume_unique else unique(as_array(ar1))
    return first[~np.isin(array_of(first), array_of(ar2))]
