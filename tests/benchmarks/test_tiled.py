"""Attention over long contexts in tiles, beside the classroom, which holds all scores: time and memory.

    pytest tests/benchmarks/test_tiled.py --benchmark-only -s

One head, d = 64, float32, forward and backward of `scaled_dot_product`.  At 16,384 queries and keys the classroom needs
some 3 GiB.  In turns in one process, medians of ratios.  Memory is what `tracemalloc` sees over a call, which is all
that NumPy allocates, results included.

Where other work shares the machine, OpenBLAS's threads wait for one another at the end of each product, and tiles,
which have many small ones, suffer more: run it once with OPENBLAS_NUM_THREADS=1 too.
"""

import tracemalloc

import numpy as np
import pytest

from acg_numpy.kernels import tiled
from acg_numpy.passes import scaled_dot_product_backward, scaled_dot_product_forward
from tests.benchmarks.side_by_side import median_ratio, seconds_side_by_side

LENGTHS = (2048, 4096, 8192, 16_384)
PAIRS = {
    "tiled": (tiled.forward, tiled.backward),
    "classroom": (scaled_dot_product_forward, scaled_dot_product_backward),
}


def run_of(name, length, mask=None):
    rng = np.random.default_rng(0)
    query, key, value, grad_out = (rng.standard_normal((length, 64), np.float32) for _ in range(4))
    forward, backward = PAIRS[name]

    def run():
        out, cache = forward(query, key, value, mask)
        return out, backward(grad_out, cache)

    return run


def peak(run):
    """The most memory that a call holds beyond what was there before, in MiB."""
    tiled.scratch.buffers.clear()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / (1 << 20)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", LENGTHS)
def test_time_and_memory_beside_the_classroom(benchmark, length):
    runs = {name: run_of(name, length) for name in PAIRS}
    seconds = seconds_side_by_side(runs, rounds=5, warm_up=1)
    ratio = median_ratio(seconds, "tiled", "classroom")
    peaks = {name: peak(run) for name, run in runs.items()}
    told = ", ".join(f"{name} {np.median(seconds[name]):.3f} s and {peaks[name]:,.0f} MiB" for name in runs)
    print(f"\n{length:,} x {length:,}: ratio of times {ratio:.2f} ({told})")
    benchmark.extra_info.update(ratio=ratio, **peaks)
    benchmark.pedantic(runs["tiled"])


def test_a_causal_mask_saves_the_blocks_that_it_empties(benchmark):
    length = 16_384
    runs = {"causal": run_of("tiled", length, np.tri(length, dtype=bool)), "all": run_of("tiled", length)}
    seconds = seconds_side_by_side(runs, rounds=5, warm_up=1)
    print(f"\ncausal over unmasked: {median_ratio(seconds, 'causal', 'all'):.2f}")
    benchmark.pedantic(runs["causal"])
