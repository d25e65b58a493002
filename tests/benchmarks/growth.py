"""The growth of time and memory with the interactions: files of several sizes are made up, read, and trained on.

    python -m tests.benchmarks.growth                             # up to 10 million interactions; some 20 minutes
    python -m tests.benchmarks.growth --sizes 100000 1000000      # a hundred interactions a user, 20,000 items
    python -m tests.benchmarks.growth --sizes 1000000 --epochs 10 --everything
    python -m tests.benchmarks.growth --sizes 1000000 --make million.csv       # the file alone, for two_trees

Every step is a process of its own, so that its peak is its own: one that only reads the file, and one that does what
`acg train` does: it reads, trains attention, tests it, conditions every user and writes the folder.  `--everything`
trains the other models and fits the reference lines too.  A second table has the same interactions among more and more
users and items.

In the made-up file a user has three of sixteen tastes and takes a hundred items on average, in eight domains; the
largest has 35 % of the items, 7,000 of 20,000, so that candidates are drawn there.

Seconds are the processor's, all threads together, so that other work on the machine does not count; with
OMP_NUM_THREADS=1 they are what passes on an idle machine.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from acg_numpy.recommender.data import read_interactions
from acg_numpy.recommender.training import EpochReport, fit

SIZES = (625_000, 1_250_000, 2_500_000, 5_000_000, 10_000_000)  # interactions
PER_USER, ITEMS = 100, 20_000
SPREAD = ((25_000, 5_000), (50_000, 10_000), (100_000, 20_000))  # users and items among whom 2,500,000 are spread

SHARES = (0.35, 0.2, 0.14, 0.1, 0.08, 0.06, 0.04, 0.03)  # of the items, and of the interactions, by domain
TASTES, TASTES_PER_USER = 16, 3
STRAY = 0.1  # of the interactions follow nobody's taste
SKEW = 2  # the item at rank r of n of a taste is taken in proportion to (r / n) ** (1 / SKEW - 1)
CHUNK = 100_000  # rows written together
GIB = 1 << 30


def make_up(users: int, items: int, number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw `number` different interactions, in random order: users (n,), items (n,), and the items' domains (I,)."""
    rng = np.random.default_rng(seed)
    ends = np.rint(np.cumsum(SHARES) * items).astype(np.int64)
    starts = np.concatenate([[0], ends[:-1]])
    tastes = rng.permuted(np.tile(np.arange(TASTES), (users, 1)), axis=1)[:, :TASTES_PER_USER]
    activity = np.cumsum(rng.gamma(2.0, size=users))
    found = np.empty(0, np.int64)
    while len(found) < number:
        n = (number - len(found)) * 4 // 3 + 1000
        user = np.searchsorted(activity, rng.uniform(0, activity[-1], n))
        domain = rng.choice(len(SHARES), n, p=SHARES)
        own = tastes[user, rng.integers(TASTES_PER_USER, size=n)]
        taste = np.where(rng.random(n) < STRAY, rng.integers(TASTES, size=n), own)
        of_taste = (ends[domain] - starts[domain] - taste + TASTES - 1) // TASTES  # items taste, taste + 16, ...
        item = starts[domain] + taste + TASTES * (of_taste * rng.random(n) ** SKEW).astype(np.int64)
        found = np.unique(np.concatenate([found, user * items + item]))
    found = rng.permutation(found)[:number]
    return found // items, found % items, np.repeat(np.arange(len(SHARES)), ends - starts)


def make(path: str, users: int, items: int, number: int) -> None:
    """Write a made-up file of interactions."""
    user, item, domain = make_up(users, items, number)
    rest = [f",item-{i},domain-{d}\n" for i, d in enumerate(domain.tolist())]
    with open(path, "w", encoding="utf-8") as file:
        file.write("user,item,domain\n")
        for start in range(0, number, CHUNK):
            rows = slice(start, start + CHUNK)
            file.writelines(f"user-{u}{rest[i]}" for u, i in zip(user[rows].tolist(), item[rows].tolist(), strict=True))


def read(path: str) -> dict[str, float]:
    """Read a file, and no more."""
    read_interactions(path)
    return {"seconds": time.process_time(), "peak": peak()}


def train(path: str, folder: str, epochs: int, everything: int) -> dict[str, float]:
    """Do the whole job, and say how long an epoch of attention takes after the first; every second one validates."""
    ends: list[float] = []

    def note(report: EpochReport) -> None:
        if report.model == "attention":
            ends.append(time.process_time())

    result = fit(
        read_interactions(path),
        epochs=epochs,
        baselines=bool(everything),
        progress=note,
    )
    result.write(folder)
    return {
        "seconds": time.process_time(),
        "peak": peak(),
        "epoch": (ends[-1] - ends[0]) / (len(ends) - 1),
        "ndcg": result.metrics["test"]["attention"]["ndcg@10"]["mean"],
    }


def peak() -> int:
    """The most memory this process has held at once, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


STEPS = {"make": make, "read": read, "train": train}


def in_process_of_its_own(step: str, *arguments: str | int) -> dict[str, float]:
    """Run a step elsewhere, and take what it measured."""
    command = [sys.executable, "-m", "tests.benchmarks.growth", "--step", json.dumps([step, *arguments])]
    answer: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return answer


def table(sizes: Sequence[tuple[int, int, int]], folder: Path, epochs: int, everything: bool) -> None:
    """Measure each of (users, items, interactions), and print a row as soon as it is known."""
    print("| interactions | users | items | read, s | peak, GiB | all, s | peak, GiB | an epoch, s | NDCG@10 |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    for users, items, number in sizes:
        path = folder / "taken.csv"
        in_process_of_its_own("make", str(path), users, items, number)
        one = in_process_of_its_own("read", str(path))
        whole = in_process_of_its_own("train", str(path), str(folder / "out"), epochs, int(everything))
        cells = [
            f"{number:,} | {users:,} | {items:,}",
            f"{one['seconds']:.1f} | {one['peak'] / GIB:.2f}",
            f"{whole['seconds']:.1f} | {whole['peak'] / GIB:.2f} | {whole['epoch']:.2f} | {whole['ndcg']:.4f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the tables; or, in a process of its own, take one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", help=f"interactions (default {SIZES})")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of each model, 2 at least (default 2)")
    parser.add_argument("--everything", action="store_true", help="the other models and reference lines too")
    parser.add_argument("--folder", type=Path, help="where to put the files (default a temporary folder)")
    parser.add_argument("--make", metavar="FILE", help="write a file of the first size, and measure nothing")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.epochs < 2:
        parser.error(f"--epochs must be at least 2, but it is {options.epochs}")
    if options.step:
        name, *arguments = json.loads(options.step)
        print(json.dumps(STEPS[name](*arguments)))
        return
    if options.make:
        number = (options.sizes or SIZES)[0]
        make(options.make, number // PER_USER, ITEMS, number)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print("Users grow with the interactions.\n")
        sizes = [(n // PER_USER, ITEMS, n) for n in options.sizes or SIZES]
        table(sizes, Path(folder), options.epochs, options.everything)
        if not options.sizes:
            print("\nUsers and items grow, the interactions do not.\n")
            spread = [(users, items, 2_500_000) for users, items in SPREAD]
            table(spread, Path(folder), options.epochs, options.everything)


if __name__ == "__main__":
    main()
