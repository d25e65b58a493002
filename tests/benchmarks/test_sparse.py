"""The time of looking up 1,024 rows, as the table grows: forward, backward, clipping and a lazy AdamW step.

    pytest tests/benchmarks/test_sparse.py --benchmark-only -s

One thread of work, float32, rows of 32 numbers; ids new at each step, drawn evenly, so that some repeat.  It prints the
time of a step over that of the smallest table, by interleaved medians: for row-sparse gradients, which should stay
nearly flat (what growth there is comes from rows being farther from the processor), and for dense ones, which grow
with the table.  Beside PyTorch, where it is installed, its `nn.Embedding(sparse=True)` with `SparseAdam`, which does
not decay weights.
"""

import numpy as np
import pytest

from acg_numpy import DomainEmbedding
from acg_numpy.optim.optimisers import AdamW, clip_gradients
from tests.benchmarks.side_by_side import median_ratio, seconds_side_by_side

LOOKED_UP, WIDTH = 1024, 32
SIZES = (10_000, 100_000, 1_000_000)
GRADIENT = np.random.default_rng(1).standard_normal((LOOKED_UP, 1, WIDTH), np.float32)


def table_step(num_rows, sparse):
    """A whole step on a table: look up, carry back, clip, follow."""
    table = DomainEmbedding(num_rows, WIDTH, tokens_per_domain=1, sparse_grad=sparse, seed=0)
    optimiser = AdamW(table.parameters())
    rng = np.random.default_rng(0)

    def step():
        optimiser.zero_grad()
        table(rng.integers(0, num_rows, LOOKED_UP)).backward(GRADIENT)
        clip_gradients(optimiser.parameters, 1.0)
        optimiser.step()

    return step


def torch_step(torch, num_rows):
    """The same in PyTorch."""
    torch.set_num_threads(1)
    table = torch.nn.Embedding(num_rows, WIDTH, sparse=True)
    optimiser = torch.optim.SparseAdam(table.parameters(), lr=3e-3)
    gradient, rng = torch.tensor(GRADIENT[:, 0]), np.random.default_rng(0)

    def step():
        optimiser.zero_grad()
        table(torch.from_numpy(rng.integers(0, num_rows, LOOKED_UP))).backward(gradient)
        optimiser.step()

    return step


def test_growth_with_the_table(benchmark):
    steps = {num_rows: table_step(num_rows, sparse=True) for num_rows in SIZES}
    seconds = seconds_side_by_side(steps, rounds=60)
    growth = {f"{n:,}": median_ratio(seconds, n, SIZES[0]) for n in SIZES}
    print(
        "\nrow-sparse, a step over that with",
        f"{SIZES[0]:,} rows:",
        ", ".join(f"{k} {v:.2f}" for k, v in growth.items()),
    )
    benchmark.extra_info.update(growth)
    benchmark.pedantic(steps[SIZES[-1]], rounds=20)


def test_row_sparse_beside_dense(benchmark):
    sizes = SIZES[:2]
    runs = {(n, sparse): table_step(n, sparse) for n in sizes for sparse in (True, False)}
    seconds = seconds_side_by_side(runs, rounds=20)
    for n in sizes:
        ratio = median_ratio(seconds, (n, False), (n, True))
        print(f"\n{n:,} rows: dense gradients take {ratio:.1f} times as long as row-sparse ones", end="")
        benchmark.extra_info[f"{n:,}"] = ratio
    print()
    benchmark.pedantic(runs[sizes[-1], True], rounds=20)


def test_beside_pytorch(benchmark):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; there is nothing to stand beside")
    ours, theirs = table_step(SIZES[-1], sparse=True), torch_step(torch, SIZES[-1])
    seconds = seconds_side_by_side({"ours": ours, "theirs": theirs}, rounds=60)
    ratio = median_ratio(seconds, "ours", "theirs")
    print(f"\n{SIZES[-1]:,} rows: our time over PyTorch's: {ratio:.2f}")
    benchmark.extra_info["over PyTorch"] = ratio
    benchmark.pedantic(ours, rounds=20)
