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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SMALL = [(1, 32, 4, 8, 8), (32, 32, 4, 8, 8), (256, 32, 4, 8, 8)]  # users, features, heads, domains, tokens
LARGE = [(4096, 64, 4, 1000, 8), (8192, 64, 4, 8, 8), (65536, 64, 4, 8, 8)]


def make_cases() -> dict[str, Callable[[], Any]]:
    """Make the calls that are timed, by name, with what the tree at hand offers."""
    from acg_numpy import AttentionConditioner, no_grad, tensor
    from acg_numpy.recommender.evaluation import top_k

    rng, cases = np.random.default_rng(0), {}

    def draw(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    for shape in SMALL + LARGE:
        B, D, H, N, K = shape
        conditioner = AttentionConditioner(D, H, N, tokens_per_domain=K, seed=0)
        users, ids, grad = draw(B, D), rng.integers(0, N, B), draw(B, D)
        serve = conditioner.prepared() if hasattr(conditioner, "prepared") else no_grad(conditioner.__call__)
        leaves = [tensor(users, requires_grad=True), *conditioner.parameters()]

        def step(conditioner=conditioner, leaves=leaves, ids=ids, grad=grad):
            for leaf in leaves:
                leaf.grad = None
            conditioner(leaves[0], ids).backward(grad)

        cases[f"step {shape}"] = step
        cases[f"serve {shape}"] = lambda serve=serve, users=users, ids=ids: serve(users, ids)
    for rows, columns in [(1390, 3000), (300, 451), (1, 100_000)]:
        scores = draw(rows, columns)
        cases[f"top_k (10 of {rows}, {columns})"] = lambda scores=scores: top_k(scores, 10)
    for kib in (1, 8, 51, 160, 400):
        t, constant = tensor(draw(256 * kib), requires_grad=True), draw(256 * kib)
        cases[f"t * constant ({kib} KiB)"] = lambda t=t, constant=constant: (t * constant).backward(constant)
    return cases


def serve_requests() -> None:
    """Answer lines of JSON: the names of the cases, or the seconds that a case takes, a mean over some calls."""
    cases = make_cases()
    print(json.dumps(list(cases)), flush=True)
    for line in sys.stdin:
        name, calls = json.loads(line)
        began = time.process_time()
        for _ in range(calls):
            cases[name]()
        print(json.dumps((time.process_time() - began) / calls), flush=True)


def start(tree: Path) -> tuple[Any, list[str]]:
    """Start a process that imports a tree, and return it with the names of its cases."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).resolve()), "--serve"]
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
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve_requests()
        return
    if options.before is None:
        parser.error("give the folder of the tree to compare with")
    (before, names), (after, others) = start(options.before.resolve()), start(options.after.resolve())
    for name in [name for name in names if name in others and options.only in name]:
        longest = max(seconds(process, name, 1) for process in (before, after, before, after))
        calls = max(1, int(0.02 / max(longest, 1e-6)))
        ratios = []
        for turn in range(options.rounds):
            order = (before, after) if turn % 2 else (after, before)
            found = {id(process): seconds(process, name, calls) for process in order}
            ratios.append(found[id(after)] / found[id(before)])
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        print(f"{name:32}  {middle:.2f}  ({low:.2f} to {high:.2f})", flush=True)


if __name__ == "__main__":
    main()
