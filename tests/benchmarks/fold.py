"""The time and memory of conditioning users by the block: `python tests/benchmarks/fold.py`.

For each number of users, a file of user vectors (users, 8, 64) in float32 is written to a temporary folder, 2 GB for a
million, and `acg condition` makes a file of conditions as large from it, in a process of its own.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from acg_numpy.recommender.data import make_world
from acg_numpy.recommender.serving import Trained
from acg_numpy.recommender.training import fit

DOMAINS, DIM = 8, 64
USERS = (10_000, 100_000, 1_000_000)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint(folder / "checkpoint.npz")
        for users in USERS:
            vectors(folder / "users.npy", users)
            command = ["acg", "condition", "checkpoint.npz", "--users", "users.npy", "--out", "out.npy"]
            program = f"import sys; from acg_numpy.cli import main; sys.exit(main({command[1:]}))"
            done = subprocess.run(
                [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
            )
            print(f"{users:>9,} users x {DOMAINS} domains x {DIM}: {done.stderr.strip()}", flush=True)


def checkpoint(path: Path) -> None:
    """Save a conditioner of 8 domains, five of the built-in world's and three that stand there a second time."""
    world = make_world().interactions
    again = np.concatenate([np.arange(500), np.arange(300)])
    wider = type(world)(
        users=world.users,
        items=np.array([f"item {n}" for n in range(800)]),
        domains=np.array([f"domain {d}" for d in range(DOMAINS)]),
        matrix=world.matrix[:, again],
        item_domain=np.arange(800) // 100,
    )
    trained: Trained = fit(wider, epochs=1, emb_dim=DIM, baselines=False).trained
    trained.save(path)


def vectors(path: Path, users: int) -> None:
    """Write user vectors, a block at a time."""
    rng = np.random.default_rng(0)
    array = np.lib.format.open_memmap(path, "w+", np.float32, (users, DOMAINS, DIM))
    for start in range(0, users, 10_000):
        array[start : start + 10_000] = rng.standard_normal((min(10_000, users - start), DOMAINS, DIM), np.float32)


if __name__ == "__main__":
    main()
