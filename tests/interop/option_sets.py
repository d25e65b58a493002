"""Every combination of the options that change what a conditioner computes, at small sizes."""

import itertools
from typing import Any

import numpy as np

from acg_numpy import AttentionConditioner

SWITCHES: dict[str, tuple[Any, Any]] = {
    "inner_dim": (None, 12),
    "num_global_tokens": (0, 2),
    "output_per_domain": (False, True),
    "residual": (False, True),
    "layer_norm": (False, True),
    "bias": (True, False),
    "dtype": (np.float64, np.float32),
}
OTHERS = {
    "tokens_per_domain": 3,
    "dropout": 0.25,
    "head_dropout": 0.125,
    "domain_names": ["books", "films", "R&B|", "x\ny", "games"],
    "kernel": "grouped",
    "seed": [3, 1],
    "dtype": np.float64,
}
D, H, N = 8, 2, 5
OPTION_SETS = [dict(zip(SWITCHES, values, strict=True)) for values in itertools.product(*SWITCHES.values())]
# Eight of them, in which any two switches are set in every way (an orthogonal array): for a library that compiles each.
PAIRWISE = [
    OPTION_SETS[int("".join(map(str, (a, b, c, a ^ b, a ^ c, b ^ c, a ^ b ^ c))), 2)]
    for a, b, c in itertools.product((0, 1), repeat=3)
]


def make_conditioner(options: dict[str, Any]) -> AttentionConditioner:
    """Make a conditioner, in evaluation mode, none of whose parameters is as a new one's (zeros, ones)."""
    conditioner = AttentionConditioner(D, H, N, **{**OTHERS, **options}).eval()
    rng = np.random.default_rng(0)
    for parameter in conditioner.parameters():
        parameter.data += 0.5 * rng.standard_normal(parameter.shape).astype(parameter.dtype)
    return conditioner


def make_batch(rows: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return users, (rows, D), and a domain of each."""
    rng = np.random.default_rng(rows)
    return rng.standard_normal((rows, D)).astype(dtype), rng.integers(N, size=rows)


def gradients(conditioner: AttentionConditioner, users: np.ndarray, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Return the gradients of the mean square of conditions and of weights, times 0.5, by name."""
    conditioner.zero_grad()
    condition, attention = conditioner(users, ids, return_attention=True)
    (np.mean(condition**2) + 0.5 * np.mean(attention**2)).backward()
    return {name: np.asarray(parameter.grad) for name, parameter in conditioner.named_parameters()}


def assert_same_conditioner(one: AttentionConditioner, other: AttentionConditioner) -> None:
    """Assert that options and bits are the same."""
    assert one.options() == other.options()
    ours, theirs = one.state_dict(), other.state_dict()
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype, name
        assert array.tobytes() == theirs[name].tobytes(), name
    assert one.training == other.training
