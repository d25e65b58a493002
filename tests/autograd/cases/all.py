"""All cases, and the table without what tests and users add to it."""

import importlib

import numpy as np

from acg_numpy.autograd.table import TABLE
from tests.autograd.cases import (
    counting,
    decompositions,
    elementwise,
    indexing,
    interpolation,
    joining,
    linalg,
    products,
    rearranging,
    reductions,
    reshaping,
    scipy_functions,
    statistics,
)

importlib.import_module("acg_numpy.autograd.rules.scipy_functions")  # only with it is the table complete


def is_our_own(key):
    """Whether an entry is the package's: for a function of NumPy, or for one that the rules themselves define."""
    own = ("numpy", "acg_numpy")
    if isinstance(key, tuple | np.ufunc) or isinstance(getattr(key, "__self__", None), np.ufunc):
        return True  # ufuncs and their methods
    return (getattr(key, "__module__", None) or "").startswith(own)


ENTRIES = {key: entry for key, entry in TABLE.items() if is_our_own(key)}  # as imported, before any test runs

CASES = [
    case
    for family in (
        elementwise,
        reductions,
        products,
        reshaping,
        joining,
        rearranging,
        indexing,
        linalg,
        decompositions,
        statistics,
        counting,
        interpolation,
        scipy_functions,
    )
    for case in family.CASES
]
