"""The conditioner's time beside its peers', from arrays to every gradient: the table of docs/speed.md, with its bars.

    pytest tests/benchmarks/test_conditioner.py --benchmark-only -s

What is measured, and how, is in `acg_numpy.cli.benchmarks`; `acg bench` prints the same for a user.  Every peer that is
installed gives the same numbers before it is timed, and has a process with ours, in turns with it.
"""

import numpy as np
import pytest

from acg_numpy.cli.benchmarks import acg
from acg_numpy.cli.benchmarks.cases import CASES, draw_batch, draw_parameters
from acg_numpy.cli.benchmarks.peers import PEERS, PRODUCTS, SERVING
from acg_numpy.cli.benchmarks.timing import SERVED, geometric_mean
from acg_numpy.cli.commands import bench

ROUNDS = 11
BARS = {  # of the geometric mean: what has to be reached, and what one would like to reach
    "MHA": "at least 12, better 25; the worst case at least 1.5, better 5",
    "tables": "at least 3, better 6",
    "brackets": "at least 1.0, better 1.5",
    "layout": "no bar; the same as brackets, and closer to us",
    PRODUCTS: "at most 2.7, better 1.5; ours over theirs",
    "MHA pairs": "at least 12, better 25",
    "MHA domains": "at least 12, better 25",
}


@pytest.mark.parametrize("name", [*PEERS, *SERVING])
def test_ratio_to(benchmark, name):
    peer = {**PEERS, **SERVING}[name]
    if not peer.installed:
        pytest.skip(f"{peer.package} is not installed: there is nothing to stand beside")
    found = list(bench.run_measurements(bench.build_request([name], CASES, SERVED, ROUNDS)))
    assert [one.failed for one in found if one.failed] == []
    ratios = {str(one.case): ratio for one in found if (ratio := bench.time_ratio(one, name)) is not None}
    mean = geometric_mean(ratios.values())
    each = ", ".join(f"({case}) {bench.format_ratio(ratio)}" for case, ratio in ratios.items())
    print(f"\n{name}: {each}; geometric mean {bench.format_ratio(mean)} ({BARS.get(name, 'no bar')})")
    benchmark.extra_info.update(ratios, geometric_mean=mean)
    benchmark.pedantic(lambda: None)  # the time is in the ratios


@pytest.mark.parametrize("case", CASES, ids=str)
def test_time_of_a_step(benchmark, case):
    rng = np.random.default_rng(0)
    step = acg.conditioner(case, draw_parameters(case, rng)).step
    benchmark.pedantic(step, setup=lambda: (tuple(draw_batch(case, rng)), {}), rounds=5, warmup_rounds=1)
