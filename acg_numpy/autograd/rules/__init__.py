"""The rules, by family; importing them fills the table."""

from acg_numpy.autograd.rules import (
    arranging,
    axes,
    elementwise,
    indexing,
    joining,
    linalg,
    plain,
    products,
    reductions,
)

__all__ = ["arranging", "axes", "elementwise", "indexing", "joining", "linalg", "plain", "products", "reductions"]
