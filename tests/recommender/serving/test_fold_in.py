"""New users are conditioned by the block as they would be at once, into a file that is whole or not there."""

import errno
import os

import numpy as np
import pytest

from acg_numpy.recommender.data import DataError, npy_files
from acg_numpy.recommender.serving import fold_interactions, fold_vectors
from acg_numpy.recommender.training import fit


@pytest.fixture(scope="module")
def result(interactions):
    return fit(interactions, epochs=1, emb_dim=8, heads=2, tokens_per_domain=3, baselines=False)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(npy_files, "BLOCK", 7 * 3 * 8)  # numbers of 7 users


@pytest.mark.usefixtures("small_blocks")
def test_the_training_users_get_their_conditions_again(result, interactions, tmp_path):
    done = []
    folded = fold_interactions(result.trained, interactions.matrix, tmp_path / "c.npy", progress=done.append)
    np.testing.assert_allclose(np.load(tmp_path / "c.npy"), result.conditions, rtol=1e-5, atol=1e-6)
    assert folded == (80, 3, 8, result.without_elsewhere)
    assert done == [7] * 11 + [3]
    assert [p.name for p in tmp_path.iterdir()] == ["c.npy"]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2"])
def test_vectors_of_every_domain_are_conditioned_in_it(result, dtype, tmp_path):
    vectors = result.user_vectors.astype(dtype)
    np.save(tmp_path / "u.npy", vectors)
    fold_vectors(result.trained, tmp_path / "u.npy", tmp_path / "c.npy")
    expected = result.trained.condition(vectors.astype(np.float32), vectors.any(axis=-1))
    np.testing.assert_allclose(np.load(tmp_path / "c.npy"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("small_blocks")
def test_a_vector_serves_every_domain_and_zeros_stay_zeros(result, tmp_path):
    vectors = result.user_vectors[:20, 1].copy()
    vectors[4] = 0
    np.save(tmp_path / "u.npy", vectors)
    folded = fold_vectors(result.trained, tmp_path / "u.npy", tmp_path / "c.npy")
    conditions = np.load(tmp_path / "c.npy")
    zeros = ~vectors.any(axis=1)
    assert folded == (20, 3, 8, 3 * zeros.sum())
    assert not conditions[zeros].any()
    alone = result.conditioner(vectors[~zeros, None], np.arange(3)).numpy()
    np.testing.assert_allclose(conditions[~zeros], alone, rtol=1e-5, atol=1e-6)


def test_nobody_is_conditioned_to_an_empty_file(result, tmp_path):
    np.save(tmp_path / "u.npy", np.zeros((0, 8), np.float32))
    assert fold_vectors(result.trained, tmp_path / "u.npy", tmp_path / "c.npy") == (0, 3, 8, 0)
    assert np.load(tmp_path / "c.npy").shape == (0, 3, 8)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((4, 7), np.float32), r"shape \(4, 7\) and dtype float32; expected .* \(users, 8\) or \(users, 3, 8\)"),
        (np.ones((4, 2, 8), np.float32), r"expected floating numbers of shape"),
        (np.ones(8, np.float32), r"expected floating numbers of shape"),
        (np.float32(1), r"expected floating numbers of shape"),
        (np.ones((4, 8), np.int64), r"dtype int64; expected floating"),
        (np.ones((4, 8), complex), r"dtype complex128; expected floating"),
        (np.array([{}]), "holds Python objects"),
        (np.asfortranarray(np.ones((4, 8), np.float32)), "stored column by column; save numpy.ascontiguousarray"),
        (np.where(np.eye(4, 8) * [[0], [0], [1], [1]] > 0, np.nan, 1.0), "row 2 .counted from 0. holds NaN"),
        (np.full((4, 8), 1e300), "row 0 .counted from 0. holds NaN or infinity, or is too large for float32"),
    ],
)
def test_other_arrays_are_refused_and_what_was_there_stays(result, tmp_path, array, message):
    np.save(tmp_path / "u.npy", array, allow_pickle=True)
    (tmp_path / "c.npy").write_bytes(b"before")
    with pytest.raises(DataError, match=message):
        fold_vectors(result.trained, tmp_path / "u.npy", tmp_path / "c.npy")
    assert (tmp_path / "c.npy").read_bytes() == b"before"
    assert {p.name for p in tmp_path.iterdir()} == {"u.npy", "c.npy"}


def test_truncated_garbled_and_foreign_files_are_refused(result, tmp_path):
    np.save(tmp_path / "whole.npy", np.ones((4, 8), np.float32))
    whole = (tmp_path / "whole.npy").read_bytes()
    for content, message in (
        (whole[:-1], "truncated: 256 bytes were expected, and there are 255"),
        (whole[:9], "its header cannot be read"),
        (whole[:20] + b"??" + whole[22:], "its header cannot be read"),
        (b"", r"not an \.npy file"),
        (b"user,item\n", r"not an \.npy file"),
    ):
        (tmp_path / "u.npy").write_bytes(content)
        with pytest.raises(DataError, match=message):
            fold_vectors(result.trained, tmp_path / "u.npy", tmp_path / "c.npy")
    with pytest.raises(FileNotFoundError):
        fold_vectors(result.trained, tmp_path / "nowhere.npy", tmp_path / "c.npy")


def test_the_input_is_not_overwritten_nor_a_folder(result, tmp_path):
    np.save(tmp_path / "u.npy", np.ones((4, 8), np.float32))
    with pytest.raises(DataError, match="is the file of user vectors itself"):
        fold_vectors(result.trained, tmp_path / "u.npy", tmp_path / "." / "u.npy")
    with pytest.raises(DataError, match="is a folder: give the name of a file"):
        fold_vectors(result.trained, tmp_path / "u.npy", tmp_path)


def test_interrupted_it_leaves_what_was_there_before(result, interactions, tmp_path, small_blocks):
    (tmp_path / "c.npy").write_bytes(b"before")

    def stop(users):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fold_interactions(result.trained, interactions.matrix, tmp_path / "c.npy", progress=stop)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="where space cannot be reserved, it is not known before")
def test_a_full_disk_is_known_before_the_work(result, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    np.save(tmp_path / "u.npy", np.ones((4, 8), np.float32))
    (tmp_path / "c.npy").write_bytes(b"before")
    done = []
    with pytest.raises(OSError, match="No space left on device") as caught:
        fold_vectors(result.trained, tmp_path / "u.npy", tmp_path / "c.npy", progress=done.append)
    assert str(caught.value.filename) == str(tmp_path / "c.npy")
    assert not done
    assert (tmp_path / "c.npy").read_bytes() == b"before"


def test_a_message_speaks_of_the_file_that_was_asked_for(result, interactions, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        fold_interactions(result.trained, interactions.matrix, tmp_path / "nowhere" / "c.npy")
    assert str(caught.value.filename) == str(tmp_path / "nowhere" / "c.npy")
