"""Cross-attention you can read, check and trust, in NumPy.

    condition = AttentionConditioner(emb_dim=32, num_heads=4, num_domains=3)(user_emb, domain_id)

`acg_numpy.passes` is the mathematics, forward and backward side by side; `acg_numpy.autograd` runs it;
`acg_numpy.checks` checks it.
"""

from acg_numpy.attention import MultiHeadCrossAttention
from acg_numpy.autograd import (
    NoDerivativeError,
    Tensor,
    from_passes,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    no_grad,
    register_rule,
    tensor,
    value_and_grad,
    vjp,
)
from acg_numpy.checks import GradientMismatch, check_backward, gradcheck
from acg_numpy.conditioner import AttentionConditioner, OneKeyWarning
from acg_numpy.domain_embedding import DomainEmbedding
from acg_numpy.module import Module, Parameter, functional_call

__version__ = "0.1.0"

__all__ = [
    "AttentionConditioner",
    "DomainEmbedding",
    "GradientMismatch",
    "Module",
    "MultiHeadCrossAttention",
    "NoDerivativeError",
    "OneKeyWarning",
    "Parameter",
    "Tensor",
    "check_backward",
    "from_passes",
    "functional_call",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "no_grad",
    "register_rule",
    "tensor",
    "value_and_grad",
    "vjp",
]
