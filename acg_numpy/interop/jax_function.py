"""A conditioner as a pure function of JAX: of its parameters, users and domains."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from acg_numpy.arguments import domain_ids
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.interop.libraries import NORM_EPSILON, exported_options, require


def as_jax(conditioner: AttentionConditioner) -> tuple[dict[str, Any], Callable[..., Any]]:
    """Return a conditioner's parameters and the function that it computes in evaluation mode, for JAX.

    Parameters
    ----------
    conditioner : AttentionConditioner
        In float32 or, if JAX is set to it, float64.

    Returns
    -------
    params : dict of str to jax.Array
        Copies, under the names of `state_dict()`.
    function : callable
        `function(params, user_emb, domain_id, *, return_attention=False)` is pure, so `jax.jit`, `jax.grad` and
        `jax.vmap` take it.  `user_emb`, `(..., D)`, and `domain_id`, integers `(...)`, broadcast as they do in a call
        of the conditioner.

    Raises
    ------
    ModuleNotFoundError
        If JAX is not installed.
    TypeError
        If it is not a conditioner in float32 or float64.
    ValueError
        If a module is not what the constructor made, or the conditioner is in float64 and JAX is not set to it.

    Notes
    -----
    A domain out of range raises `IndexError`.  Within a transformation, where JAX does not know numbers yet and would
    read the nearest row, its condition is NaN.

    The function does not drop anything: for training with dropout, stay here or see `to_torch`.

    Examples
    --------
    >>> params, function = as_jax(AttentionConditioner(8, 2, 3, seed=0))  # doctest: +SKIP
    >>> loss = lambda params: (function(params, user_emb, 1) ** 2).sum()  # doctest: +SKIP
    >>> gradients = jax.jit(jax.grad(loss))(params)  # doctest: +SKIP
    """
    options = exported_options(conditioner, "as_jax")
    jax = require("jax", "as_jax")
    if options["dtype"] == "float64" and not jax.config.jax_enable_x64:
        raise ValueError(
            "the conditioner is in float64, which JAX would make float32; first call "
            'jax.config.update("jax_enable_x64", True), or make the conditioner with dtype=np.float32'
        )
    params = {name: jax.numpy.array(value) for name, value in conditioner.state_dict().items()}

    def function(params: Mapping[str, Any], user_emb: Any, domain_id: Any, *, return_attention: bool = False) -> Any:
        return _condition(jax, options, params, user_emb, domain_id, return_attention)

    return params, function


def _condition(
    jax: Any, options: Mapping[str, Any], params: Mapping[str, Any], user_emb: Any, domain_id: Any, with_weights: bool
) -> Any:
    """Compute conditions (..., D) and, if asked for, weights (..., H, K)."""
    jnp = jax.numpy
    H, D, N = options["num_heads"], options["emb_dim"], options["num_domains"]
    d = options["inner_dim"] // H
    users = jnp.asarray(user_emb, options["dtype"])
    if users.shape[-1:] != (D,):
        raise ValueError(f"user_emb has shape {users.shape}; its last axis must be emb_dim, {D}")
    ids = domain_id if isinstance(domain_id, jax.core.Tracer) else domain_ids(domain_id, N, options["domain_names"])
    ids = jnp.where(jnp.asarray(ids) < 0, N, ids)  # else -1 would be the last row

    def of_domain(name: str) -> Any:
        return params[name].at[ids].get(mode="fill", fill_value=jnp.nan)

    def project(x: Any, name: str) -> Any:
        y = x @ params[f"attention.{name}.weight"]
        return y + params[f"attention.{name}.bias"] if options["bias"] else y

    context = of_domain("domain_embedding.tokens")  # (..., T, D)
    if options["num_global_tokens"]:
        shared = params["domain_embedding.global_tokens"]
        context = jnp.concatenate([context, jnp.broadcast_to(shared, (*context.shape[:-2], *shared.shape))], -2)
    query = project(users, "query").reshape(*users.shape[:-1], H, d)
    key, value = (project(context, x).reshape(*context.shape[:-1], H, d) for x in ("key", "value"))
    scores = jnp.einsum("...hd,...khd->...hk", query, key) / math.sqrt(d)
    weights = jax.nn.softmax(scores, -1)  # (..., H, K)
    out = jnp.einsum("...hk,...khd->...hd", weights, value)
    out = out.reshape(*out.shape[:-2], H * d)
    if options["output_per_domain"]:
        out = jnp.einsum("...i,...id->...d", out, of_domain("domain_output.weight"))
        out = out + of_domain("domain_output.bias") if options["bias"] else out
    else:
        out = project(out, "output")
    if options["residual"]:
        out = out + users
    if options["layer_norm"]:
        centred = out - out.mean(-1, keepdims=True)
        normed = centred / jnp.sqrt((centred * centred).mean(-1, keepdims=True) + NORM_EPSILON)
        out = normed * params["norm.weight"] + params["norm.bias"]
    return (out, weights) if with_weights else out
