"""The engine's time for an operation, forward and backward, on arrays so small that only overhead is left.

    pytest tests/benchmarks/test_engine.py --benchmark-only -s

Two mixes: tanh and multiply on 4 x 4; a chain like attention's of matmul, row add, exp, sum, divide.  One thread,
float64.  Beside PyTorch, where it is installed, our time over its is printed for each mix and their geometric mean, and
for single operations, each in a chain of its own: those of the mixes, and others that models are made of.
"""

import math

import numpy as np
import pytest

from acg_numpy import tensor
from tests.benchmarks.side_by_side import median_ratio, seconds_side_by_side

OPERATIONS = 200  # in one run of a mix

INDEX = np.array([2, 0, 3, 0])
MASK = np.arange(16).reshape(4, 4) % 3 > 0
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


def single_operations(torch):
    """Operations from 4 x 4 to 4 x 4, ours and as a user of PyTorch writes them."""
    shift, column = rng.standard_normal(4), np.abs(rng.standard_normal((4, 1))) + 1
    tw, tb, tc = torch.tensor(W, requires_grad=True), torch.tensor(shift), torch.tensor(column)
    w = tensor(W, requires_grad=True)
    with_row, with_column = tensor(shift, requires_grad=True), tensor(column, requires_grad=True)
    torch_index, torch_mask = torch.tensor(INDEX), torch.tensor(MASK)
    torch_row, torch_column = tb.requires_grad_(), tc.requires_grad_()
    return {
        "tanh": (np.tanh, torch.tanh),
        "multiply": (lambda z: z * w, lambda z: z * tw),
        "matmul": (lambda z: z @ w, lambda z: z @ tw),
        "add a row": (lambda z: z + with_row, lambda z: z + torch_row),
        "exp": (np.exp, torch.exp),
        "sum of rows, and add it": (
            lambda z: z + np.sum(z, axis=-1, keepdims=True),
            lambda z: z + torch.sum(z, dim=-1, keepdim=True),
        ),
        "divide by a column": (lambda z: z / with_column, lambda z: z / torch_column),
        "mean of rows, and subtract it": (
            lambda z: z - np.mean(z, axis=-1, keepdims=True),
            lambda z: z - torch.mean(z, dim=-1, keepdim=True),
        ),
        "maximum with zero": (lambda z: np.maximum(z, 0.0), torch.relu),
        "square": (np.square, torch.square),
        "sqrt of a square and one": (lambda z: np.sqrt(z * z + 1.0), lambda z: torch.sqrt(z * z + 1.0)),
        "transpose": (lambda z: z.T, lambda z: z.T),
        "reshape": (lambda z: z.reshape(4, 4), lambda z: z.reshape(4, 4)),
        "a row for every row": (lambda z: z[INDEX], lambda z: z[torch_index]),
        "two halves joined": (
            lambda z: np.concatenate([z[:2], z[2:]]),
            lambda z: torch.cat([z[:2], z[2:]]),
        ),
        "einsum": (lambda z: np.einsum("ij,jk->ik", z, w), lambda z: torch.einsum("ij,jk->ik", z, tw)),
        "where": (lambda z: np.where(MASK, z, 0.0), lambda z: torch.where(torch_mask, z, 0.0)),
    }


def test_ratios_of_single_operations(benchmark):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; there is nothing to stand beside")
    torch.set_num_threads(1)
    g, torch_g, ratios = np.ones((4, 4)), torch.ones((4, 4), dtype=torch.float64), {}
    for name, (ours, theirs) in single_operations(torch).items():

        def chain(step, z, gradient):
            for _ in range(40):
                z = step(z)
            z.backward(gradient)

        runs = {
            "ours": lambda ours=ours: chain(ours, tensor(X, requires_grad=True), g),
            "theirs": lambda theirs=theirs: chain(theirs, torch.tensor(X, requires_grad=True), torch_g),
        }
        with np.errstate(all="ignore"):  # a chain of forty exponentials overflows; its time is what counts
            ratios[name] = median_ratio(seconds_side_by_side(runs, rounds=60), "ours", "theirs")
    print("\nour time over PyTorch's:", *(f"  {name} {ratio:.2f}" for name, ratio in ratios.items()), sep="\n")
    benchmark.extra_info.update(ratios)
    benchmark.pedantic(attention_chain)
