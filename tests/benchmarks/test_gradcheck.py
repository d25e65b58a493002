"""The time of a gradient check of attention, beside `torch.autograd.gradcheck` on the same function and inputs.

    pytest tests/benchmarks/test_gradcheck.py --benchmark-only -s

Every element of every input is moved, in float64, on one thread.  PyTorch compares the whole Jacobian, an output at a
time; here the outputs are contracted with random gradients first, so that one backward pass does.  What is timed is
what a user waits for: for a right gradient that includes looking for blind spots and side effects, for "comparison"
only the numeric derivatives and what is made of them.
"""

import numpy as np
import pytest

from acg_numpy import passes
from acg_numpy.checks import check_backward
from acg_numpy.checks.contract.checked_inputs import read_arguments
from acg_numpy.checks.numeric.comparison import Tolerance, compare
from acg_numpy.checks.settings import METHODS
from tests.benchmarks.side_by_side import median_ratio, seconds_side_by_side

SIZES = {"small": (2, 3, 5, 4), "middling": (2, 8, 8, 16)}  # batch, queries, keys, width


def inputs_of(size):
    batch, queries, keys, width = SIZES[size]
    rng = np.random.default_rng(0)
    return [rng.normal(size=(batch, length, width)) for length in (queries, keys, keys)]


def checked(inputs, method="central"):
    masks = (None, None)  # the backward returns an entry for these as well
    check_backward(
        passes.scaled_dot_product_forward, passes.scaled_dot_product_backward, *inputs, *masks, method=method
    )


def comparison(inputs):
    """The numeric half of a check, from gradients already there."""
    forward, backward = passes.scaled_dot_product_forward, passes.scaled_dot_product_backward
    out, cache = forward(*inputs)
    g = np.random.default_rng(1).normal(size=out.shape)
    arguments, gradients = read_arguments(forward, inputs, None), list(backward(g, cache))[:3]
    compared = compare(
        lambda point: (forward(*point)[0],), arguments, (out,), (g,), gradients, Tolerance(1e-5, 0.0, None)
    )
    assert all(c.num_right == c.analytic.size for c in compared)


def peer(torch, inputs, **options):
    """The same check as a user of PyTorch writes it."""
    torch.set_num_threads(1)
    given = [torch.tensor(x, requires_grad=True) for x in inputs]

    def attention(query, key, value):
        scores = query @ key.transpose(-1, -2) / key.shape[-1] ** 0.5
        return torch.softmax(scores, -1) @ value

    return lambda: torch.autograd.gradcheck(attention, given, **options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", SIZES)
def test_time_of_a_check(benchmark, size, method):
    inputs = inputs_of(size)
    benchmark(checked, inputs, method)
    benchmark.extra_info["elements"] = sum(x.size for x in inputs)


@pytest.mark.parametrize("size", SIZES)
def test_ratio_to_pytorch(benchmark, size):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; there is nothing to stand beside")
    inputs = inputs_of(size)
    runs = {
        "whole check": lambda: checked(inputs),
        "comparison": lambda: comparison(inputs),
        "theirs": peer(torch, inputs),
        "directional": lambda: checked(inputs, "directional"),
        "their fast mode": peer(torch, inputs, fast_mode=True),
    }
    seconds = seconds_side_by_side(runs, rounds=10)
    ratios = {name: median_ratio(seconds, name, "theirs") for name in ("whole check", "comparison")}
    ratios["directional to fast mode"] = median_ratio(seconds, "directional", "their fast mode")
    told = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    times = ", ".join(f"{name} {1e3 * np.median(s):.1f} ms" for name, s in seconds.items())
    print(f"\n{size}: our time over PyTorch's: {told} ({times})")
    benchmark.extra_info.update(ratios)
    benchmark.pedantic(checked, (inputs,))
