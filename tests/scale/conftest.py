"""A conditioner that was never trained, users for it in files, and a small cluster of real processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.sparse as sp

from acg_numpy import AttentionConditioner
from acg_numpy.recommender import data
from acg_numpy.recommender.serving import Trained
from acg_numpy.scale import TruncatedSVD, condition, factorise, recommend
from tests.recommender.conftest import small_interactions

DIM, USERS = 8, 20_000  # three blocks of 8,192 rows, the last of them short


@pytest.fixture(scope="session")
def trained() -> Trained:
    taken = small_interactions()
    factors = data.factorise(taken.matrix, taken, emb_dim=DIM)
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
def partitions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A matrix in five files: users with tastes, and items that a few of them take and some that most take."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("partitions")
    tastes = rng.integers(0, 20, 1200)[:, None] == np.arange(300) % 20
    share = np.minimum(tastes * 0.3 + rng.pareto(1.5, 300) * 0.02, 0.9)
    matrix = sp.csr_array((rng.random(tastes.shape) < share).astype(np.float32))
    paths = [folder / f"{n}.npz" for n in range(5)]
    for n, path in enumerate(paths):
        sp.save_npz(path, matrix[n * 250 : (n + 1) * 250], compressed=False)
    return paths


class Work(NamedTuple):
    """What one number of workers made."""

    conditions: Path
    lists: Path
    factors: TruncatedSVD


def make_all(folder: Path, trained: Trained, users: Path, partitions: list[Path], client: Any = None) -> Work:
    options: dict[str, Any] = {"block": 8192, "client": client}
    condition(trained, users, folder / "conditions", **options)
    recommend(trained, users, folder / "lists", top=3, **options)
    factors = factorise(partitions, 12, oversample=4, passes=4, client=client)
    return Work(folder / "conditions", folder / "lists", factors)


@pytest.fixture(scope="session")
def here(trained, users, partitions, tmp_path_factory) -> Work:
    return make_all(tmp_path_factory.mktemp("here"), trained, users, partitions)


@pytest.fixture(scope="session")
def by_workers(cluster, trained, users, partitions, tmp_path_factory) -> dict[int, Work]:
    distributed, found = pytest.importorskip("distributed"), {}
    with distributed.Client(cluster, set_as_default=False) as client:
        for workers in (1, 2, 3):
            cluster.scale(workers)
            client.wait_for_workers(workers, timeout=60)
            found[workers] = make_all(tmp_path_factory.mktemp("there"), trained, users, partitions, client)
    return found


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
