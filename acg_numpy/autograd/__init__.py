"""The engine: Tensors, the table of rules, the backward pass, and transforms of functions.

`table` says which functions have which rules, `tensors` records operations, `operands` makes plain arrays of what
stands beside a Tensor, `backward` propagates gradients, `rules` holds the derivatives, `custom_vjp` takes hand-derived
ones, `transforms` turns functions into functions.
"""

from acg_numpy.autograd import rules
from acg_numpy.autograd.custom_vjp import from_passes
from acg_numpy.autograd.registry import register_rule
from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.autograd.state import no_grad
from acg_numpy.autograd.table import NoDerivativeError
from acg_numpy.autograd.tensors import Tensor, tensor
from acg_numpy.autograd.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__all__ = [
    "NoDerivativeError",
    "RowSparseGradient",
    "Tensor",
    "from_passes",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "no_grad",
    "register_rule",
    "rules",
    "tensor",
    "value_and_grad",
    "vjp",
]
