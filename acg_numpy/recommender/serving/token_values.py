"""Contributions of tokens to conditions: a token's value, through the output projection.

A condition is a weighted sum over heads h and tokens k of the domain, and a bias:

    c = sum_hk P_hk C_hk + b_o        with C_hk = V_hk W_o,h, (D,)

so C_hk is what token k adds through head h if that head attends to it alone.
"""

import numpy as np

from acg_numpy.autograd import no_grad
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.passes import split_heads_forward
from acg_numpy.shapes import Array


def token_contributions(conditioner: AttentionConditioner) -> Array:
    """Compute what each token of each domain adds to a condition through each head, (N, H, K, D).

    Parameters
    ----------
    conditioner : AttentionConditioner
        Of N domains, H heads, and K tokens with the shared ones, which come last.

    Returns
    -------
    array, shape (N, H, K, D)
        Without the bias of the output projection.

    Examples
    --------
    >>> conditioner = AttentionConditioner(emb_dim=8, num_heads=2, num_domains=3, seed=0)
    >>> user, added = np.ones((1, 8), np.float32), token_contributions(conditioner)
    >>> condition, attention = conditioner(user, 1, return_attention=True)
    >>> made = np.einsum("uhk,hkd->ud", attention.numpy(), added[1]) + conditioner.attention.output.bias.numpy()
    >>> np.allclose(made, condition.numpy(), atol=1e-6)
    True
    """
    embedding, attention = conditioner.domain_embedding, conditioner.attention
    H = attention.num_heads
    with no_grad():
        context = embedding(np.arange(embedding.num_domains))  # (N, K, D)
        value = split_heads_forward(attention.value(context).numpy(), num_heads=H)[0]  # (N, H, K, d)
    output = attention.output or conditioner.domain_output  # one for all domains, or one for each
    assert output is not None  # a conditioner has one of the two
    W_o = output.weight.numpy()
    W_o = W_o.reshape(*W_o.shape[:-2], H, -1, W_o.shape[-1])  # (H, d, D), or (N, H, d, D)
    added: Array = value @ W_o  # (N, H, K, D)
    return added


def token_conditions(conditioner: AttentionConditioner) -> Array:
    """Compute the condition for each domain if all heads attend to one token alone, (N, K, D), layer-normed if it is.

    Parameters
    ----------
    conditioner : AttentionConditioner
        Without a residual connection, which would add the user's vector.

    Returns
    -------
    array, shape (N, K, D)

    Examples
    --------
    >>> conditioner = AttentionConditioner(emb_dim=8, num_heads=2, num_domains=3, layer_norm=True, seed=0)
    >>> user, third = np.ones((1, 8), np.float32), np.arange(8) == 2
    >>> np.allclose(token_conditions(conditioner)[1, 2], conditioner(user, 1, mask=third).numpy(), atol=1e-5)
    True
    """
    conditions: Array = np.sum(token_contributions(conditioner), axis=1)  # (N, K, D)
    output = conditioner.attention.output or conditioner.domain_output
    assert output is not None  # a conditioner has one of the two
    if output.bias is not None:
        bias = output.bias.numpy()
        conditions = conditions + (bias if bias.ndim == 1 else bias[:, None])
    if conditioner.norm is not None:
        with no_grad():
            conditions = conditioner.norm(conditions).numpy()
    return conditions
