"""Block Krylov captures what ARPACK does, with the same bits however many workers there are, also when one dies."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import svds

pytest.importorskip("fsspec")

from acg_numpy.recommender.data import DataError
from acg_numpy.scale import factorise
from tests.scale.conftest import Work

ROWS, COLUMNS, RANK = 1200, 300, 12


@pytest.fixture(scope="module")
def matrix(partitions: list[Path]) -> sp.csr_array:
    return sp.csr_array(sp.vstack([sp.load_npz(path) for path in partitions]))


def test_the_energy_of_arpack_is_captured_in_few_passes(matrix: sp.csr_array, partitions: list[Path]) -> None:
    taken = np.asarray(matrix.sum(axis=0))
    weighted = sp.csr_array(matrix * (1 / np.sqrt(1 + taken)))
    expected = np.sort(svds(weighted.astype(np.float64), k=RANK, return_singular_vectors=False))[::-1]
    share = (expected**2).sum() / (weighted.data**2).sum()
    found = factorise(partitions, RANK, oversample=4, passes=5)
    np.testing.assert_array_equal(found.taken, taken)
    assert (found.rows, found.passes) == (ROWS, 6)
    np.testing.assert_allclose(found.captured, share, rtol=1e-3)
    np.testing.assert_allclose(found.sigma, expected, rtol=5e-3)
    assert (found.sigma <= expected * (1 + 1e-6)).all()
    np.testing.assert_allclose(found.components.T @ found.components, np.eye(RANK), atol=1e-9)
    projected = np.linalg.norm(weighted @ found.components, axis=0)
    np.testing.assert_allclose(projected, found.sigma, rtol=1e-4)
    assert factorise(partitions, RANK, oversample=4, passes=2).captured < found.captured


def test_a_small_matrix_and_columns_of_one_domain_are_exact(matrix: sp.csr_array) -> None:
    chosen = np.arange(3, COLUMNS, 5)
    found = factorise([matrix[:700], matrix[700:]], RANK, columns=chosen, weight=np.full(COLUMNS, 2.0))
    _, expected, V = np.linalg.svd(2 * matrix[:, chosen].toarray(), full_matrices=False)
    np.testing.assert_allclose(found.sigma, expected[:RANK], rtol=1e-5)
    np.testing.assert_allclose(np.abs(found.components[chosen].T @ V[:RANK].T), np.eye(RANK), atol=1e-3)
    assert found.passes == 2
    assert not np.delete(found.components, chosen, axis=0).any()
    np.testing.assert_allclose(found.captured, (expected[:RANK] ** 2).sum() / (expected**2).sum(), rtol=1e-5)


def test_beyond_the_rank_of_the_matrix_there_are_zeros() -> None:
    rng = np.random.default_rng(0)
    low = sp.csr_array((rng.random((400, 5)) @ rng.random((5, 500))).astype(np.float32))
    found = factorise([low[:100], low[100:]], 8, weight=np.ones(500), passes=3)
    assert (found.sigma > 0).tolist() == [True] * 5 + [False] * 3
    assert not found.components[:, 5:].any()
    np.testing.assert_allclose(found.captured, 1, rtol=1e-5)
    empty = factorise([sp.csr_array((10, 500))], 8)
    assert not empty.sigma.any()
    assert empty.captured == 0


def test_bits_are_the_same_at_every_number_of_workers(here: Work, by_workers: dict[int, Work]) -> None:
    for work in by_workers.values():
        assert all(np.array_equal(one, other) for one, other in zip(work.factors, here.factors, strict=True))


def test_a_worker_that_is_killed_between_passes_changes_no_bit(partitions, here: Work, by_workers, client) -> None:
    done = []

    def kill_in_third_pass(number: int) -> None:
        done.append(number)
        if len(done) == 12:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    found = factorise(partitions, RANK, oversample=4, passes=4, client=client, progress=kill_in_third_pass)
    assert len(done) == 25
    assert all(np.array_equal(one, other) for one, other in zip(found, here.factors, strict=True))


@pytest.mark.parametrize(
    ("parts", "options", "error", "message"),
    [
        ([], {}, DataError, "the sequence of partitions is empty"),
        ([np.eye(3), np.eye(4)], {}, DataError, "partition 1 .* has 4 columns, but those before it have 3"),
        ([np.eye(3)], {"rank": 0}, ValueError, "rank must be at least 1"),
        ([np.eye(3)], {"passes": 0}, ValueError, "passes must be at least 1"),
        ([np.eye(3)], {"weight": [1.0]}, ValueError, r"weight has shape \(1,\)"),
        ([np.eye(3)], {"columns": [3]}, ValueError, "columns must be whole numbers from 0 to 2"),
        ([np.eye(3)], {"columns": [2, 0, 2]}, ValueError, "columns names column 2 more than once"),
        ([np.eye(3)], {"columns": [True, False, True]}, ValueError, r"boolean mask, .*: np\.flatnonzero"),
        ([np.eye(3)], {"columns": []}, ValueError, "columns is empty"),
    ],
)
def test_what_does_not_fit_is_refused(parts, options, error, message) -> None:
    with pytest.raises(error, match=message):
        factorise([sp.csr_array(part) for part in parts], **{"rank": 2, **options})


def test_a_file_that_is_no_sparse_matrix_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "part.npz", users=np.eye(3))
    with pytest.raises(DataError, match=r"part\.npz is not a sparse matrix, as scipy\.sparse\.save_npz writes it"):
        factorise([tmp_path / "part.npz"], 2)
