"""Functions that have no derivative by any argument: they take Tensors and return plain arrays.

Either the result is not a number that could be differentiated (a shape, an index, a comparison), or its derivative is
zero wherever there is one (a sign, a rounded number).

Functions are looked up by name, because the set of names differs between versions of NumPy: one that is missing, or
whose removal is announced when it is looked up, is not registered.
"""

import operator
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from acg_numpy.autograd.registry import nondifferentiable

NAMES = """
shape ndim size result_type can_cast min_scalar_type iscomplexobj isrealobj common_type imag angle
shares_memory may_share_memory array_repr array_str array2string
zeros_like ones_like empty_like
argmax argmin argsort argpartition lexsort nonzero argwhere flatnonzero count_nonzero
diag_indices_from tril_indices_from triu_indices_from einsum_path
searchsorted digitize isin nanargmax nanargmin
equal not_equal less less_equal greater greater_equal isclose allclose
array_equal array_equiv all any logical_and logical_or logical_xor logical_not
isnan isinf isfinite isneginf isposinf signbit isreal iscomplex
sign floor ceil trunc rint round around fix floor_divide spacing
bitwise_and bitwise_or bitwise_xor invert left_shift right_shift linalg.matrix_rank
"""


def functions_named(names: str) -> Iterator[Any]:
    """Yield the functions of NumPy that have these names in this version.

    Examples
    --------
    >>> [function.__name__ for function in functions_named("sign a_name_that_numpy_lacks linalg.matrix_rank")]
    ['sign', 'matrix_rank']
    """
    for name in names.split():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                function = operator.attrgetter(name)(np)
            except (AttributeError, Warning):
                continue
        yield function


nondifferentiable(functions_named(NAMES))
