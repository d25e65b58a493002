"""The engine's time for an operation, forward and backward, on arrays so small that only overhead is left.

    pytest tests/benchmarks/test_engine.py --benchmark-only -s

Two mixes: tanh and multiply on 4 x 4; a chain like attention's of matmul, row add, exp, sum, divide.  One thread,
float64.  Beside PyTorch, where it is installed, each mix prints our time over its, and the last line their geometric
mean.
"""

import math

import numpy as np
import pytest

from acg_numpy import tensor
from tests.benchmarks.side_by_side import median_ratio, seconds_side_by_side

OPERATIONS = 200  # in one run of a mix

rng = np.random.default_rng(0)
X, W, B, G = 0.01 * rng.standard_normal((4, 4)), rng.standard_normal((4, 4)), rng.standard_normal(4), np.ones((4, 4))


def tanh_multiply():
    t = tensor(X, requires_grad=True)
    z = t
    for _ in range(OPERATIONS // 2):
        z = np.tanh(z) * t
    z.backward(G)


def attention_chain():
    z, w, b = (tensor(a, requires_grad=True) for a in (X, W, B))
    for _ in range(OPERATIONS // 5):
        e = np.exp(z @ w + b)
        z = e / np.sum(e, axis=-1, keepdims=True)
    z.backward(G)


def peers(torch):
    """The same two mixes as a user of PyTorch writes them."""
    torch.set_num_threads(1)
    g = torch.tensor(G)

    def torch_tanh_multiply():
        t = torch.tensor(X, requires_grad=True)
        z = t
        for _ in range(OPERATIONS // 2):
            z = torch.tanh(z) * t
        z.backward(g)

    def torch_attention_chain():
        z, w, b = (torch.tensor(a, requires_grad=True) for a in (X, W, B))
        for _ in range(OPERATIONS // 5):
            e = torch.exp(z @ w + b)
            z = e / torch.sum(e, dim=-1, keepdim=True)
        z.backward(g)

    return {tanh_multiply: torch_tanh_multiply, attention_chain: torch_attention_chain}


@pytest.mark.parametrize("mix", [tanh_multiply, attention_chain])
def test_time_of_a_mix(benchmark, mix):
    benchmark(mix)
    benchmark.extra_info["microseconds an operation"] = benchmark.stats["median"] / OPERATIONS * 1e6


def test_ratio_to_pytorch(benchmark):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; there is nothing to stand beside")
    ratios = {}
    for ours, theirs in peers(torch).items():
        seconds = seconds_side_by_side({"ours": ours, "theirs": theirs}, rounds=100)
        ratios[ours.__name__] = median_ratio(seconds, "ours", "theirs")
    mean = math.exp(np.mean(np.log(list(ratios.values()))))
    print(
        "\nour time over PyTorch's:", ", ".join(f"{k} {v:.2f}" for k, v in ratios.items()), f"geometric mean {mean:.2f}"
    )
    benchmark.extra_info.update(ratios, geometric_mean=mean)
    benchmark.pedantic(attention_chain)
