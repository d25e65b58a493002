"""Linear maps of domains: the gradient of a matrix is a sum over the rows of its domain, and of no others."""

from typing import Any

import numpy as np

from acg_numpy.checks.mistakes.operations import Grads, Operation, sizes
from acg_numpy.checks.random_inputs import repeated_ids
from acg_numpy.passes.domain_linear import DomainLinearCache, domain_linear_backward, domain_linear_forward
from acg_numpy.shapes import Array


def _draw_domain_linear(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw rows x, a domain for each, of which some repeat, and weights and biases of N domains."""
    B, N, d_in, d_out = sizes(rng, distinct, 4)
    ids = repeated_ids(rng, N, B)
    return rng.normal(size=(B, d_in)), ids, rng.normal(size=(N, d_in, d_out)), rng.normal(size=(N, d_out))


DOMAIN_LINEAR = Operation("domain_linear", domain_linear_forward, domain_linear_backward, _draw_domain_linear)


def _of_rows(dy: Array, cache: DomainLinearCache) -> tuple[Array, Array]:
    """Return the right parts of each row in the gradients: dx (B, in), and x^T dy (B, in, out)."""
    dx = np.einsum("bo,bio->bi", dy, cache.weight[cache.ids])
    return dx, cache.x[:, :, None] * dy[:, None, :]


def _summed(rows: Array, cache: DomainLinearCache) -> Array:
    """Return the sum of the rows of each domain, right."""
    total = np.zeros((len(cache.weight), *rows.shape[1:]))
    np.add.at(total, cache.ids, rows)
    return total


@DOMAIN_LINEAR.mistake(
    "matrices assigned",
    "overwritten-rows",
    "The forward reads `weight[ids]`, so the backward assigns `dW[ids]`. If a domain has two rows, only the "
    "second counts.",
)
def _domain_linear_assigned(grad_out: Array, cache: DomainLinearCache) -> Grads:
    dx, products = _of_rows(grad_out, cache)
    dW = np.zeros_like(cache.weight)
    dW[cache.ids] = products
    return dx, None, dW, _summed(grad_out, cache)


@DOMAIN_LINEAR.mistake(
    "biases added by +=",
    "overwritten-rows",
    "`db[ids] += dy` seems to add every row, but NumPy reads all rows before it writes, so repeated ids count once.",
)
def _domain_linear_bias_added_at_once(grad_out: Array, cache: DomainLinearCache) -> Grads:
    dx, products = _of_rows(grad_out, cache)
    db = np.zeros((len(cache.weight), grad_out.shape[-1]))
    db[cache.ids] += grad_out
    return dx, None, _summed(products, cache), db


@DOMAIN_LINEAR.mistake(
    "averaged over the batch",
    "mean-for-sum",
    "The gradient is divided by the batch size, although the loss has already divided by it.",
)
def _domain_linear_averaged(grad_out: Array, cache: DomainLinearCache) -> Grads:
    dx, products = _of_rows(grad_out, cache)
    return dx, None, _summed(products, cache) / len(grad_out), _summed(grad_out, cache)


@DOMAIN_LINEAR.mistake(
    "a minus for the update",
    "wrong-sign",
    "np.subtract.at updates the matrices in one line, and this line is copied to compute their gradients.",
)
def _domain_linear_subtracted(grad_out: Array, cache: DomainLinearCache) -> Grads:
    dx, products = _of_rows(grad_out, cache)
    dW = np.zeros_like(cache.weight)
    np.subtract.at(dW, cache.ids, products)
    return dx, None, dW, _summed(grad_out, cache)


@DOMAIN_LINEAR.mistake(
    "no gradient for the rows",
    "zero-gradient",
    "If x is data, its gradient is not needed. Behind attention it is, and without it no layer before this one learns.",
)
def _domain_linear_rows_are_data(grad_out: Array, cache: DomainLinearCache) -> Grads:
    _, products = _of_rows(grad_out, cache)
    return np.zeros_like(cache.x), None, _summed(products, cache), _summed(grad_out, cache)
