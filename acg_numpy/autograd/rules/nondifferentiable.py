"""Functions with no derivative to give: they answer about a Tensor in plain arrays.

Either their answer is not a number that could be differentiated (a shape, an index, a comparison), or their derivative
is zero wherever there is one (a sign, a rounded number).
"""

import numpy as np

from acg_numpy.autograd.registry import plain

plain(
    [
        np.shape,
        np.ndim,
        np.size,
        np.result_type,
        np.can_cast,
        np.min_scalar_type,
        np.iscomplexobj,
        np.isrealobj,
        np.common_type,
    ]
)
plain([np.shares_memory, np.may_share_memory, np.array_repr, np.array_str, np.array2string])
plain([np.zeros_like, np.ones_like, np.empty_like])
plain(
    [
        np.argmax,
        np.argmin,
        np.argsort,
        np.argpartition,
        np.lexsort,
        np.nonzero,
        np.argwhere,
        np.flatnonzero,
        np.count_nonzero,
    ]
)
plain([np.searchsorted, np.digitize, np.isin, np.nanargmax, np.nanargmin])
plain([np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal, np.isclose, np.allclose])
plain([np.array_equal, np.array_equiv, np.all, np.any, np.logical_and, np.logical_or, np.logical_xor, np.logical_not])
plain([np.isnan, np.isinf, np.isfinite, np.isneginf, np.isposinf, np.signbit, np.isreal, np.iscomplex])
plain(
    [
        np.sign,
        np.floor,
        np.ceil,
        np.trunc,
        np.rint,
        np.round,
        np.around,
        np.floor_divide,
        np.spacing,
    ]
)
plain([np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift, np.linalg.matrix_rank])
