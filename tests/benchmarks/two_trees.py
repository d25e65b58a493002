"""Two source trees side by side: the processor time of the same calls, before and after a change.

    git worktree add /tmp/before main
    python -m tests.benchmarks.two_trees /tmp/before            # beside the tree that this is run in
    python -m tests.benchmarks.two_trees /tmp/before --only step --rounds 41

Each tree is imported in a process of its own, with one thread for matrix products.  The two take turns, a few
hundredths of a second each, so that what else the machine does reaches both; a ratio is the median over rounds, after
over before, with its quartiles.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def serve_requests(movielens: Path | None, million: Path | None) -> None:
    """Answer lines of JSON: the names of the cases, or the seconds that a case takes, a mean over some calls."""
    from tree_cases import make_cases  # beside this file, whichever tree is imported

    cases = make_cases(movielens, million)
    print(json.dumps(list(cases)), flush=True)
    for line in sys.stdin:
        name, calls = json.loads(line)
        began = time.process_time()
        for _ in range(calls):
            cases[name]()
        print(json.dumps((time.process_time() - began) / calls), flush=True)


def start(tree: Path, files: Mapping[str, Path | None]) -> tuple[Any, list[str]]:
    """Start a process that imports a tree, and return it with the names of its cases."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).resolve()), "--serve"]
    command += [text for name, path in files.items() if path is not None for text in (f"--{name}", str(path))]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=tree)
    return process, json.loads(process.stdout.readline())


def seconds(process: Any, name: str, calls: int) -> float:
    """Ask a process for the seconds that a case takes."""
    process.stdin.write(json.dumps([name, calls]) + "\n")
    process.stdin.flush()
    return float(json.loads(process.stdout.readline()))


def main() -> None:
    """Print a line for each case that both trees have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, nargs="?", help="the tree to compare with")
    parser.add_argument("--after", type=Path, default=Path.cwd(), help="(default: this folder)")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name has it")
    parser.add_argument("--movielens", type=Path, metavar="FILE", help="ml-100k.inter of RecBole, with genres")
    parser.add_argument("--million", type=Path, metavar="FILE", help="what tests.benchmarks.growth --make writes")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve_requests(options.movielens, options.million)
        return
    if options.before is None:
        parser.error("give the folder of the tree to compare with")
    files = {name: path and path.resolve() for name, path in vars(options).items() if name in ("movielens", "million")}
    (before, names), (after, others) = (start(tree.resolve(), files) for tree in (options.before, options.after))
    for name in [name for name in names if name in others and options.only in name]:
        longest = max(seconds(process, name, 1) for process in (before, after, before, after))
        calls = max(1, int(0.02 / max(longest, 1e-6)))
        ratios = []
        for turn in range(min(options.rounds, max(3, int(10 / longest)))):
            order = (before, after) if turn % 2 else (after, before)
            found = {id(process): seconds(process, name, calls) for process in order}
            ratios.append(found[id(after)] / found[id(before)])
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        print(f"{name:32}  {middle:.2f}  ({low:.2f} to {high:.2f})", flush=True)


if __name__ == "__main__":
    main()
