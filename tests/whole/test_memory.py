"""The memory of processes, which does not grow with what they go through."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from acg_numpy.recommender.data import make_world
from acg_numpy.recommender.training import fit

pytestmark = pytest.mark.slow


def test_memory_does_not_grow_with_the_users(tmp_path: Path) -> None:
    fit(make_world().interactions, epochs=1, baselines=False, emb_dim=64).trained.save(tmp_path / "c.npz")
    peak = {}
    for users in (4_000, 60_000):  # 60,000 are 77 MB of vectors, and as much of conditions
        array = np.lib.format.open_memmap(tmp_path / "u.npy", "w+", "<f4", (users, 5, 64))  # type: ignore[no-untyped-call]
        array[:] = 1
        array.flush()
        command = ["condition", "c.npz", "--users", "u.npy", "--out", "out.npy"]
        program = f"import sys; from acg_numpy.cli import main; sys.exit(main({command}))"
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert f"conditions of {users:,} users in 5 domains, 64 dimensions" in done.stdout
        found = re.search(r"at most (\d+) MiB of memory", done.stderr)
        assert found is not None
        peak[users] = int(found[1])
    assert peak[60_000] < peak[4_000] + 50
