"""Derivative rules of NumPy's functions, a module for each family; importing them fills the table."""

from acg_numpy.autograd.rules import (
    elementwise,
    indexing,
    joining,
    linalg,
    nondifferentiable,
    products,
    rearranging,
    reductions,
    reshaping,
)

__all__ = [
    "elementwise",
    "indexing",
    "joining",
    "linalg",
    "nondifferentiable",
    "products",
    "rearranging",
    "reductions",
    "reshaping",
]
