"""Derivative rules of NumPy's functions, a module for each family; importing them fills the table."""

from acg_numpy.autograd.rules import (
    counting,
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
    "counting",
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
