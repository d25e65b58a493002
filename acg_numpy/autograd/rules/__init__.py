"""The rules, by family; importing them fills the table."""

from acg_numpy.autograd.rules import axes, elementwise, indexing, joining, plain, products, reductions

__all__ = ["axes", "elementwise", "indexing", "joining", "plain", "products", "reductions"]
