"""From Parquet to conditions for millions of users: processor time, peak memory and size of each command.

    python -m tests.benchmarks.million_users                                 # 1, 3 and 10 million users
    python -m tests.benchmarks.million_users --users 1000000 --folder /data  # which takes 2.5 KB a user

A user has ten interactions on average, with 20,000 items in eight domains.  `acg train` reads all of them, trains
attention on 30,000 pairs for two epochs, and writes the conditions of all users to one file of its folder.  With
`--trained N` it reads the first N users alone, and writes theirs.  `acg condition --out DIR` reads all interactions
again and writes the conditions of all users in parts.  Each command is a process of its own.  `--stop` kills the second
one when half of the parts are there and runs it again, as after a power cut.

Seconds are the processor's, all threads together; the peak is the most memory that the process has held.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

USERS = (1_000_000, 3_000_000, 10_000_000)
PER_USER, ITEMS, DOMAINS = 10, 20_000, 8
PAIRS, EPOCHS = 30_000, 2
GIB = 1 << 30


def make(path: Path, users: int) -> None:
    """Write interactions with whole numbers as ids; items of low numbers are taken most."""
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        connection.execute(
            f"COPY (SELECT user, item, 'domain-' || item % {DOMAINS} AS domain FROM (SELECT CAST(hash(i) % {users} AS "
            f"INTEGER) AS user, CAST({ITEMS} * pow((hash(i + 1) % 1000000) / 1e6, 2) AS INTEGER) AS item "
            f"FROM range({users * PER_USER}) t(i))) TO '{path}' (FORMAT parquet)"
        )


def run(*arguments: str | Path, stop_at: tuple[Path, int] | None = None) -> tuple[float, float]:
    """Run a command of `acg`, or kill it at so many parts, and return its processor time and its peak in GiB."""
    program = "import sys; from acg_numpy.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while stop_at is not None and process.poll() is None:
        if len(list(stop_at[0].glob("part-*.parquet"))) >= stop_at[1]:
            process.kill()
            break
        time.sleep(0.05)
    _, status, usage = os.wait4(process.pid, 0)
    ended = os.waitstatus_to_exitcode(status)
    if ended not in ((0,) if stop_at is None else (0, -signal.SIGKILL)):
        raise SystemExit(f"{' '.join(command)} ended with {ended}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / GIB


def size(folder: Path, pattern: str = "*") -> float:
    """Return the size of files in GB."""
    return sum(path.stat().st_size for path in folder.glob(pattern)) / 1e9


def measure(users: int, folder: Path, trained: int | None, stop: bool) -> None:
    """Measure one number of users, and print its row."""
    path, run_folder, out = folder / "taken.parquet", folder / "run", folder / "conditions"
    make(path, users)
    sample = ["--sample-pairs", str(PAIRS), "--epochs", str(EPOCHS), "--no-baselines", "--quiet"]
    first = [] if trained is None else ["--where", f"user < {trained}"]
    one = run("train", path, "--out", run_folder, *sample, *first)
    cells = [f"{users:,}", f"{users * PER_USER:,}", f"{one[0]:.0f}", f"{one[1]:.2f}", f"{size(run_folder):.2f}"]
    print(f"| {' | '.join(cells)} |", end="", flush=True)
    command = ["condition", run_folder / "checkpoint.npz", "--interactions", path, "--where", "true", "--out", out]
    half = users // 65_536 // 2 + 1
    before = run(*command, "--quiet", stop_at=(out, half)) if stop else (0.0, 0.0)
    two = run(*command, "--quiet")
    cells = [f"{before[0]:.0f} + {two[0]:.0f}" if stop else f"{two[0]:.0f}", f"{max(before[1], two[1]):.2f}"]
    print(f" {' | '.join([*cells, f'{size(out):.2f}'])} |", flush=True)


def main() -> None:
    """Print a row for each number of users."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=USERS, metavar="N", help=f"users (default {USERS})")
    parser.add_argument("--folder", type=Path, help="where to put the files (default a temporary folder)")
    parser.add_argument("--trained", type=int, metavar="N", help="train on the first N users (default: on all)")
    parser.add_argument("--stop", action="store_true", help="kill the command at half of the parts, and resume")
    options = parser.parse_args()
    print("| users | interactions | train, s | peak, GiB | folder, GB | condition, s | peak, GiB | parts, GB |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    for users in options.users:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            measure(users, Path(folder), options.trained, options.stop)


if __name__ == "__main__":
    main()
