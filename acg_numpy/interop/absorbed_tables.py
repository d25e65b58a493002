"""What the users of a domain share, computed once in float64, for graphs of other programs.

`acg_numpy.kernels.absorbed` has the derivation.  Of every domain there are

    A (D, H K)    the queries' projection times the keys, over sqrt(d)
    a (1, H K)    its bias
    C (H K, D)    the values times the output projection
    b (D,)        the output's bias

so that for a user u in domain n

    attention = softmax over K of (u A_n + a_n)          condition = attention C_n + b_n

with the residual and the layer norm after it.
"""

from typing import Any

import numpy as np

from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.kernels.absorbed import absorb
from acg_numpy.kernels.projections import Projections, join_tokens, make_tables
from acg_numpy.shapes import Array


def domain_tables(conditioner: AttentionConditioner) -> dict[str, Array]:
    """Return A (N, D, H K), a (N, 1, H K), C (N, H K, D), b (D,) or (N, D), and the layer norm's weight and bias.

    Parameters
    ----------
    conditioner : AttentionConditioner

    Returns
    -------
    dict of arrays, float64
        Without those that the options of the conditioner leave out.

    Examples
    --------
    >>> tables = domain_tables(AttentionConditioner(8, 2, 3, tokens_per_domain=5, bias=False, seed=0))
    >>> {name: table.shape for name, table in tables.items()}
    {'A': (3, 8, 10), 'C': (3, 10, 8)}
    """
    state = {name: array.astype(np.float64) for name, array in conditioner.state_dict().items()}
    last = "domain_output" if conditioner.domain_output is not None else "attention.output"
    layers = [*(f"attention.{name}" for name in ("query", "key", "value")), last]
    values: Any = [state.get(f"{layer}.{part}") for layer in layers for part in ("weight", "bias")]
    weights, H = Projections(*values), conditioner.attention.num_heads
    own = state["domain_embedding.tokens"]
    tokens = join_tokens(own, state.get("domain_embedding.global_tokens"), np.arange(len(own)))
    made: Any = absorb(make_tables(tokens, weights, H), weights, H)  # (N, K H, ...)
    A, C = (x.reshape(len(own), -1, H, x.shape[-1]).swapaxes(1, 2).reshape(x.shape) for x in made)  # (N, H K, ...)
    A = A.swapaxes(1, 2)  # (N, D + 1, H K), the row of ones' last
    found = {"A": A[:, :-1], "a": None if weights.query_bias is None else A[:, -1:], "C": C, "b": weights.output_bias}
    found |= {f"norm_{part}": state.get(f"norm.{part}") for part in ("weight", "bias")}
    return {name: np.ascontiguousarray(array) for name, array in found.items() if array is not None}
