"""The sizes that are measured, and the random numbers they are measured on."""

from typing import NamedTuple, TypeAlias

import numpy as np

from acg_numpy.shapes import Array

Gradients: TypeAlias = dict[str, Array]  # by name of the parameter in a state dict; the user's is `user_emb`


class Case(NamedTuple):
    """A batch of B users of D features, over N domains of T tokens, with H heads."""

    users: int
    dim: int
    heads: int
    domains: int
    tokens: int

    def __str__(self) -> str:
        return ",".join(map(str, self))


CASES = (
    Case(8192, 32, 4, 2, 8),
    Case(8192, 64, 4, 8, 8),
    Case(8192, 128, 8, 8, 8),
    Case(8192, 256, 8, 8, 8),
    Case(65536, 64, 4, 8, 8),
    Case(8192, 256, 8, 32, 16),
    Case(256, 32, 4, 8, 8),
    Case(4096, 64, 4, 1000, 8),
)
QUICK = (CASES[1], CASES[6], CASES[7])


class Batch(NamedTuple):
    """The arguments of one step: users (B, D), a domain for each (B,), and the gradient of their conditions (B, D)."""

    user_emb: Array
    domain_id: Array
    grad: Array


def draw_batch(case: Case, rng: np.random.Generator) -> Batch:
    """Draw users of deviation 1, each in any of the domains, in no order."""
    user_emb, grad = rng.standard_normal((2, case.users, case.dim), np.float32)
    return Batch(user_emb, draw_domains(case, rng), grad)


def draw_domains(case: Case, rng: np.random.Generator) -> Array:
    """Draw a domain for each user."""
    return rng.integers(0, case.domains, case.users)


def draw_parameters(case: Case, rng: np.random.Generator) -> Gradients:
    """Draw a state dict in which nothing is zero, so that every gradient is tested."""
    shape = (case.domains, case.tokens, case.dim)
    parameters = {"domain_embedding.tokens": rng.standard_normal(shape, np.float32)}
    for name in ("query", "key", "value", "output"):
        weight = rng.standard_normal((case.dim, case.dim), np.float32) / case.dim**0.5
        parameters[f"attention.{name}.weight"] = weight.astype(np.float32)
        parameters[f"attention.{name}.bias"] = 0.1 * rng.standard_normal(case.dim, np.float32)
    return parameters
