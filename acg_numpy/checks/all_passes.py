"""Check of every pair in `acg_numpy.passes`, with inputs for each.

The inputs are such that mistakes show: axes of different sizes, masks with something to leave out, ids that repeat,
gradients that no symmetry makes equal.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from acg_numpy import passes
from acg_numpy.checks.backward_pass import check_backward
from acg_numpy.checks.random_inputs import distributions, dropout_factors, random_mask, repeated_ids
from acg_numpy.checks.report.report import GradientReport


class Call(NamedTuple):
    """Positional inputs and options of one call of a forward."""

    inputs: tuple[Any, ...]
    options: dict[str, Any]


class TimedCheck(NamedTuple):
    """One check among many: its subject, its report, and how long it took."""

    name: str
    report: GradientReport
    seconds: float


def run_timed(name: str, check: Callable[[], GradientReport]) -> TimedCheck:
    """Run a check and measure how long it takes."""
    start = time.perf_counter()
    report = check()
    return TimedCheck(name, report, time.perf_counter() - start)


def pair_names() -> list[str]:
    """Return the names of the operations of `acg_numpy.passes`, in alphabetical order.

    Examples
    --------
    >>> pair_names()[:3]
    ['bpr', 'cosine', 'cross_entropy']
    """
    return [name.removesuffix("_forward") for name in passes.__all__ if name.endswith("_forward")]


def check_pairs(*, method: str = "central", seed: int = 0) -> Iterator[TimedCheck]:
    """Check every pair of `acg_numpy.passes`, one after the other.

    Parameters
    ----------
    method : str
        As for `check_backward`.
    seed : int
        Draws the inputs, and the gradients of the outputs.

    Yields
    ------
    TimedCheck
    """
    for name in pair_names():
        inputs, options = CALLS[name](np.random.default_rng(seed))
        forward = partial(getattr(passes, f"{name}_forward"), **options)
        backward = getattr(passes, f"{name}_backward")
        check = partial(check_backward, forward, backward, *inputs, method=method, seed=seed, raise_on_failure=False)
        yield run_timed(name, check)


def _multi_head_attention_call(rng: np.random.Generator) -> Call:
    """Draw a call of attention with all its inputs: a batch, biases, a mask, dropout of weights and of heads."""
    wide, context, heads, out = 5, 7, 2, 3
    inner, inner_value = heads * 2, heads * 3
    shapes = [
        *((wide, inner), (inner,), (context, inner), (inner,)),
        *((context, inner_value), (inner_value,), (inner_value, out), (out,)),
    ]
    weights = [rng.normal(size=shape) for shape in shapes]
    masks = random_mask(rng, 3, 4), dropout_factors(rng, 2, heads, 3, 4), dropout_factors(rng, 2, 3, inner_value)
    inputs = (rng.normal(size=(2, 3, wide)), rng.normal(size=(2, 4, context)), *weights, *masks)
    return Call(inputs, {"num_heads": heads})


CALLS: dict[str, Callable[[np.random.Generator], Call]] = {
    "embedding": lambda rng: Call((rng.normal(size=(5, 3)), repeated_ids(rng, 5, 2, 4)), {}),
    "linear": lambda rng: Call((rng.normal(size=(2, 3, 5)), rng.normal(size=(5, 4)), rng.normal(size=4)), {}),
    "domain_linear": lambda rng: Call(
        (rng.normal(size=(2, 3, 5)), repeated_ids(rng, 4, 2, 3), rng.normal(size=(4, 5, 2)), rng.normal(size=(4, 2))),
        {},
    ),
    "split_heads": lambda rng: Call((rng.normal(size=(3, 4, 10)),), {"num_heads": 5}),
    "merge_heads": lambda rng: Call((rng.normal(size=(3, 5, 4, 2)),), {}),
    "softmax": lambda rng: Call((2 * rng.normal(size=(2, 3, 5)),), {}),
    "log_softmax": lambda rng: Call((2 * rng.normal(size=(2, 3, 5)),), {}),
    "scaled_dot_product": lambda rng: Call(
        (
            *(rng.normal(size=shape) for shape in [(2, 3, 4), (2, 5, 4), (2, 5, 6)]),
            random_mask(rng, 3, 5),
            dropout_factors(rng, 2, 3, 5),
        ),
        {},
    ),
    "multi_head_attention": _multi_head_attention_call,
    "dropout": lambda rng: Call((rng.normal(size=(2, 3, 5)), dropout_factors(rng, 3, 5)), {}),
    "layer_norm": lambda rng: Call((rng.normal(size=(2, 3, 5)), rng.normal(size=5), rng.normal(size=5)), {}),
    "mse": lambda rng: Call((rng.normal(size=(3, 5)), rng.normal(size=(3, 5))), {}),
    "cross_entropy": lambda rng: Call(
        (2 * rng.normal(size=(3, 5)), distributions(rng, 3, 5), random_mask(rng, 3, 5)), {}
    ),
    "cosine": lambda rng: Call((rng.normal(size=(3, 5)), rng.normal(size=(3, 5))), {}),
    "bpr": lambda rng: Call((rng.normal(size=(3, 1)), rng.normal(size=(3, 5))), {}),
    "diversity": lambda rng: Call((rng.normal(size=(2, 3, 5)),), {}),
}
