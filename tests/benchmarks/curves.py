"""Figures of how time and memory of a step grow with users, features, domains and tokens, beside peers'.

    python -m tests.benchmarks.curves --out curves.png           # a few minutes
    python -m tests.benchmarks.curves --against MHA tables

From (8192, 64, 4, 8, 8) one size is varied at a time.  Times are taken as `acg bench` takes them, in turns in one
process; drawn is the fastest round over our fastest at the middle case, for between points of a curve there are no
rounds in common whose ratios could be taken.  Memory is what a step adds at
its peak to what there was before, users, domains and parameters included: in a process of its own for each point,
after a step so small that only the libraries come in.
"""

import argparse
import json
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from acg_numpy.cli.benchmarks import acg
from acg_numpy.cli.benchmarks.cases import Case, draw_batch, draw_parameters
from acg_numpy.cli.benchmarks.peers import OURS, PEERS
from acg_numpy.cli.commands import bench

MIDDLE = Case(8192, 64, 4, 8, 8)
SIZES = {
    "users": (256, 1024, 4096, 8192, 16_384, 65_536),
    "dim": (16, 32, 64, 128, 256, 512),
    "tokens": (2, 4, 8, 16, 32, 64),
    "domains": (1, 8, 64, 512, 4096),
}
AGAINST = ("MHA", "tables", "layout", "JAX tables", "classroom")
COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#F0E442")  # Okabe and Ito's
MIB = 1 << 20


def peak_of_a_step(name: str, case: Case) -> int:
    """What a step adds at its peak, in bytes; for a process of its own."""
    make = acg.conditioner if name == OURS else PEERS[name].make
    rng = np.random.default_rng(0)
    small = Case(4, case.heads, case.heads, 2, 2)
    once(make(small, draw_parameters(small, rng)), draw_batch(small, rng))
    running, batch = make(case, draw_parameters(case, rng)), draw_batch(case, rng)
    arguments = running.prepare(batch)
    before = forget_the_peak()
    running.step(*arguments)
    return max(0, peak() - before)


def once(running, batch) -> None:
    running.step(*running.prepare(batch))


def forget_the_peak() -> int:
    """Begin to count anew where the system allows it, and say where the count stands."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """The most memory that this process has held, since the peak was last forgotten, in bytes."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def memory(name: str, case: Case) -> float:
    """The peak, from a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.curves", "--peak", json.dumps([name, *case])]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def draw(path: Path, times: dict, memories: dict) -> None:
    """Two rows of panels: time above, memory below, a column a size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(SIZES), sharex="col", sharey="row", squeeze=False)
    for row, (found, label) in enumerate(
        [(times, "time over ours at the middle"), (memories, "memory a step adds, MiB")]
    ):
        for axes, (size, points) in zip(panels[row], found.items(), strict=True):
            for colour, (name, curve) in zip(COLOURS, points.items(), strict=False):
                width = 2.5 if name == OURS else 1.2
                axes.plot(*zip(*sorted(curve.items()), strict=True), "o-", color=colour, lw=width, ms=3, label=name)
            if row:
                axes.set_xlabel(size)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xticks(SIZES[size], [f"{value:,}" for value in SIZES[size]], rotation=45)
            axes.grid(alpha=0.3)
        panels[row, 0].set_ylabel(label)
    panels[0, 0].legend(fontsize="small")
    figure.suptitle(f"One size varied at a time; the others as in (B, D, H, N, T) = ({MIDDLE})")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, print what was measured, and draw it; or, in a process of its own, measure one peak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("curves.png"), help="for the picture (default curves.png)")
    parser.add_argument("--against", nargs="+", choices=list(PEERS), default=AGAINST, metavar="PEER")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        name, *sizes = json.loads(options.peak)
        print(peak_of_a_step(name, Case(*sizes)))
        return
    times: dict = {size: {} for size in SIZES}
    memories: dict = {size: {} for size in SIZES}
    cases = [(size, value, MIDDLE._replace(**{size: value})) for size, values in SIZES.items() for value in values]
    request = bench.build_request(options.against, [MIDDLE, *(case for *_, case in cases)], None, options.rounds)
    middle, *rest = bench.run_measurements(request)
    unit = middle.seconds[OURS].min()
    print("varied    value  who          time  MiB")
    for (size, value, case), found in zip(cases, rest, strict=True):
        for name, seconds in found.seconds.items():
            time, added = float(seconds.min() / unit), memory(name, case) / MIB
            times[size].setdefault(name, {})[value] = time
            memories[size].setdefault(name, {})[value] = max(added, 0.1)
            print(f"{size:8} {value:6}  {name:10} {time:6.2f}  {added:,.1f}", flush=True)
    draw(options.out, times, memories)


if __name__ == "__main__":
    main()
