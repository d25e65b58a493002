"""The conditioner in libraries with NumPy's functions: JAX, HIPS autograd, MyGrad."""

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from acg_numpy.cli.benchmarks.cases import Batch, Case, Gradients
from acg_numpy.cli.benchmarks.step import TimedStep
from acg_numpy.shapes import Array


def condition(
    xp: Any,
    softmax: Callable[[Any], Any],
    parameters: Any,
    users: Any,
    ids: Any,
    heads: int,
    *,
    tables: bool,
) -> Any:
    """Attend, with tokens looked up and then projected or, with `tables`, projected once and then looked up."""

    def project(x: Any, name: str) -> Any:
        return xp.matmul(x, parameters[f"attention.{name}.weight"]) + parameters[f"attention.{name}.bias"]

    def split(x: Any) -> Any:  # (..., T, D) -> (..., H, T, d)
        parts = xp.reshape(x, (*x.shape[:-1], heads, x.shape[-1] // heads))
        return xp.swapaxes(parts, -2, -3)

    tokens = parameters["domain_embedding.tokens"]  # (N, T, D)
    context = tokens if tables else tokens[ids]
    key, value = split(project(context, "key")), split(project(context, "value"))
    if tables:
        key, value = key[ids], value[ids]  # (B, H, T, d)
    query = split(project(users, "query")[:, None])  # (B, H, 1, d)
    scores = xp.matmul(query, xp.swapaxes(key, -1, -2)) * (1 / math.sqrt(key.shape[-1]))
    out = xp.matmul(softmax(scores), value)  # (B, H, 1, d)
    return project(xp.reshape(out, users.shape), "output")


def jax(case: Case, parameters: Gradients, *, tables: bool) -> TimedStep:
    """Time JAX, forward and backward in one jitted function."""
    jax, jnp = import_module("jax"), import_module("jax.numpy")
    own = {name: jnp.asarray(value) for name, value in parameters.items()}

    def both(own: Any, users: Any, ids: Any, grad: Any) -> Any:
        out, back = jax.vjp(
            lambda p, u: condition(jnp, jax.nn.softmax, p, u, ids, case.heads, tables=tables), own, users
        )
        return out, *back(grad)

    jitted = jax.jit(both)

    def step(*batch: Any) -> Any:
        return jax.block_until_ready(jitted(own, *batch))

    def prepare(batch: Batch) -> tuple[Any, ...]:
        return tuple(jax.block_until_ready([jnp.asarray(array) for array in batch]))

    def read(result: Any) -> tuple[Array, Gradients]:
        out, gradients, users = result
        named = {**gradients, "user_emb": users}
        return np.asarray(out), {name: np.asarray(value) for name, value in named.items()}

    return TimedStep(step, prepare, read)


def autograd(case: Case, parameters: Gradients) -> TimedStep:
    """Time HIPS autograd, with tables, which is by far the faster way there."""
    anp, make_vjp = import_module("autograd.numpy"), import_module("autograd").make_vjp

    def softmax(scores: Any) -> Any:
        weights = anp.exp(scores - anp.max(scores, axis=-1, keepdims=True))
        return weights / anp.sum(weights, axis=-1, keepdims=True)

    def step(users: Array, ids: Array, grad: Array) -> Any:
        def function(parameters: Any, users: Any) -> Any:
            return condition(anp, softmax, parameters, users, ids, case.heads, tables=True)

        back, out = make_vjp(function, (0, 1))(parameters, users)
        return out, *back(grad)

    def read(result: Any) -> tuple[Array, Gradients]:
        out, gradients, users = result
        return out, {**gradients, "user_emb": users}

    return TimedStep(step, read=read)


def mygrad(case: Case, parameters: Gradients) -> TimedStep:
    """Time MyGrad, with tables, and without its memory guard, as its manual advises where time matters."""
    mg = import_module("mygrad")
    softmax = import_module("mygrad.nnet.activations").softmax
    own = {name: mg.tensor(value) for name, value in parameters.items()}

    def step(users: Array, ids: Array, grad: Array) -> Any:
        with mg.mem_guard_off:
            for parameter in own.values():
                parameter.null_grad()
            user_emb = mg.tensor(users)
            out = condition(mg, softmax, own, user_emb, ids, case.heads, tables=True)
            out.backward(grad)
        return out, user_emb

    def read(result: Any) -> tuple[Array, Gradients]:
        out, users = result
        return out.data, {**{name: parameter.grad for name, parameter in own.items()}, "user_emb": users.grad}

    return TimedStep(step, read=read)
