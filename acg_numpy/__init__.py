"""Cross-attention you can read, check and trust, in NumPy.

    condition = AttentionConditioner(emb_dim=32, num_heads=4, num_domains=3)(user_emb, domain_id)

`acg_numpy.passes` is the mathematics, forward and backward side by side; `acg_numpy.autograd` runs it;
`acg_numpy.checks` checks it.

A name is imported when it is first asked for, so that importing the package costs no more than what is used of it.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acg_numpy.attention import MultiHeadCrossAttention
    from acg_numpy.autograd import (
        NoDerivativeError,
        RowSparseGradient,
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
    from acg_numpy.checks import GradientMismatch, check_backward, check_layer, check_loss, gradcheck
    from acg_numpy.conditioner import AttentionConditioner, OneKeyWarning
    from acg_numpy.domain_embedding import DomainEmbedding
    from acg_numpy.module import Module, Parameter, functional_call
    from acg_numpy.num_threads import get_num_threads, set_num_threads
    from acg_numpy.prepared_conditioner import PreparedConditioner

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
    "PreparedConditioner",
    "RowSparseGradient",
    "Tensor",
    "check_backward",
    "check_layer",
    "check_loss",
    "from_passes",
    "functional_call",
    "get_num_threads",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "no_grad",
    "register_rule",
    "set_num_threads",
    "tensor",
    "value_and_grad",
    "vjp",
]

_ELSEWHERE = {  # all other names are the engine's
    "AttentionConditioner": "conditioner",
    "DomainEmbedding": "domain_embedding",
    "GradientMismatch": "checks",
    "Module": "module",
    "MultiHeadCrossAttention": "attention",
    "OneKeyWarning": "conditioner",
    "Parameter": "module",
    "PreparedConditioner": "prepared_conditioner",
    "check_backward": "checks",
    "check_layer": "checks",
    "check_loss": "checks",
    "functional_call": "module",
    "get_num_threads": "num_threads",
    "gradcheck": "checks",
    "set_num_threads": "num_threads",
}


def __getattr__(name: str) -> Any:
    """Import a public name, or a module of the package, when it is first asked for (PEP 562)."""
    value: Any
    if name in __all__:
        value = getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'autograd')}"), name)
    elif not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
