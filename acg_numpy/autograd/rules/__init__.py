"""Derivative rules of NumPy's functions, a module for each family; importing them fills the table."""

from acg_numpy.autograd.rules import (
    decompositions,
    elementwise,
    indexing,
    interpolation,
    joining,
    linalg,
    nondifferentiable,
    products,
    rearranging,
    reductions,
    reshaping,
    statistics,
)

__all__ = [
    "decompositions",
    "elementwise",
    "indexing",
    "interpolation",
    "joining",
    "linalg",
    "nondifferentiable",
    "products",
    "rearranging",
    "reductions",
    "reshaping",
    "statistics",
]
