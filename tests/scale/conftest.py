"""A conditioner that was never trained, users for it in files, and a small cluster of real processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acg_numpy import AttentionConditioner
from acg_numpy.recommender.data import factorise
from acg_numpy.recommender.serving import Trained
from tests.recommender.conftest import small_interactions

DIM, USERS = 8, 20_000  # three blocks of 8,192 rows, the last of them short


@pytest.fixture(scope="session")
def trained() -> Trained:
    taken = small_interactions()
    factors = factorise(taken.matrix, taken, emb_dim=DIM)
    conditioner = AttentionConditioner(DIM, 2, len(taken.domains), tokens_per_domain=3, seed=0).eval()
    bias = np.log(0.01 + factors.popularity)
    return Trained(conditioner, factors, bias, taken.items, taken.item_domain, taken.domains)


@pytest.fixture(scope="session")
def vectors() -> np.ndarray:
    found = np.random.default_rng(0).standard_normal((USERS, DIM), np.float32)
    found[7] = 0  # of whom nothing is known
    return found


@pytest.fixture(scope="session")
def users(vectors: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("users") / "users.npy"
    np.save(path, vectors)
    return path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Workers are processes that a nanny starts anew when they die; a task may die with one of them, and no more."""
    distributed, config = pytest.importorskip("distributed"), pytest.importorskip("dask").config
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 60}
    with (
        config.set({"distributed.scheduler.allowed-failures": 1, "distributed.worker.memory.terminate": False}),
        distributed.LocalCluster(**options) as running,
    ):
        yield running


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with distributed.Client(cluster, set_as_default=False) as connected:
        yield connected
