"""A file is told by what is in it, and described as it is."""

import json
import warnings
import zipfile

import numpy as np
import pytest

from acg_numpy.recommender.data import CheckpointError, DataError, npy_files, save_checkpoint
from acg_numpy.recommender.serving import inspect_file
from acg_numpy.recommender.training import fit

SMALL = {"epochs": 1, "emb_dim": 8, "heads": 2, "baselines": False}


@pytest.fixture(scope="module")
def folder(interactions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    fit(interactions, **SMALL, tokens_per_domain=3).write(folder)
    return folder


def test_a_checkpoint_says_what_was_trained(folder):
    told = inspect_file(folder / "checkpoint.npz")
    assert told.what.startswith("a trained conditioner, whole: 8 dimensions, 2 heads, 3 tokens per domain, ")
    assert told.figures["domains"] == {"domain 0": 14, "domain 1": 12, "domain 2": 10}
    json.dumps(told.figures, allow_nan=False)


def test_one_key_is_found_in_the_checkpoint_and_in_the_conditions(interactions, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(interactions, **SMALL, tokens_per_domain=1).write(tmp_path)
    assert inspect_file(tmp_path / "checkpoint.npz").advice[0].startswith("one key: softmax over a single score is 1")
    assert (
        inspect_file(tmp_path / "conditions.npy")
        .advice[0]
        .startswith("every user has the same condition in 'domain 0', 'domain 1', 'domain 2'")
    )


def test_conditions_are_described_by_the_block_as_at_once(folder, monkeypatch):
    conditions = np.load(folder / "conditions.npy")
    monkeypatch.setattr(npy_files, "BLOCK", 7 * 3 * 8)
    told = inspect_file(folder / "conditions.npy")
    assert told.what == "conditions of 80 users in 3 domains, 8 dimensions, float32"
    assert [row[0] for row in told.tables[0]] == ["domain", "domain 0", "domain 1", "domain 2"]
    there = conditions.any(axis=-1)
    assert told.figures["zeros"] == np.sum(~there, axis=0).tolist()
    for d in range(3):
        rows = conditions[there[:, d], d].astype(float)
        assert told.figures["length"][d] == pytest.approx(np.sqrt(np.mean(np.sum(rows**2, axis=1))))
        deviation = np.sqrt(np.mean(np.sum((rows - rows.mean(axis=0)) ** 2, axis=1)))
        assert told.figures["deviation"][d] == pytest.approx(deviation)
    assert not told.advice


def test_numbers_that_are_not_finite_and_names_of_another_file_are_told(tmp_path):
    conditions = np.ones((4, 2, 3))
    conditions[1, 0, 2], conditions[2, 1, 0] = np.nan, np.inf
    np.save(tmp_path / "c.npy", conditions)
    (tmp_path / "users.txt").write_text("a\nb\n")
    told = inspect_file(tmp_path / "c.npy")
    assert told.figures["not_finite"] == [1, 1]
    assert told.oddities == ("users.txt beside it has 2 lines, not 4: it belongs to another file",)
    assert told.advice[-1].startswith("NaN or infinity cannot rank items")


def test_vectors_with_ids_are_counted(tmp_path):
    np.savez(tmp_path / "v.npz", ids=np.array(["a", "b", "a"]), vectors=np.array([[1.0], [np.nan], [2.0]]))
    told = inspect_file(tmp_path / "v.npz")
    assert told.what == "vectors for 3 ids, shape (3, 1), float64"
    assert told.oddities == ("ids that are listed more than once: 1", "vectors that hold NaN or infinity: 1")
    for ids in (np.array(["a"]), np.array("a")):
        np.savez(tmp_path / "v.npz", ids=ids, vectors=np.ones((3, 1)))
        with pytest.raises(DataError, match="expected a row of floating numbers for each id"):
            inspect_file(tmp_path / "v.npz")


def test_other_checkpoints_are_listed_and_other_archives_refused(folder, tmp_path):
    assert inspect_file(folder / "interactions.npz").what.startswith("a checkpoint: interactions, whole, ")
    save_checkpoint(tmp_path / "many.npz", {f"array {n}": np.ones((n, 2)) for n in range(40)}, {})
    told = inspect_file(tmp_path / "many.npz")
    assert told.tables[0][-1] == ("... 28 more", "", "")
    np.savez(tmp_path / "foreign.npz", a=np.ones(2))
    with pytest.raises(CheckpointError, match="not a checkpoint of this package"):
        inspect_file(tmp_path / "foreign.npz")


def test_a_workbook_is_no_checkpoint(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "")
    with pytest.raises(DataError, match="is an Excel workbook"):
        inspect_file(tmp_path / "a.xlsx")


def test_what_is_no_such_file_says_so(folder, tmp_path):
    with pytest.raises(DataError, match=r"is a folder, and a file was expected; inspect .*checkpoint\.npz or .*npy"):
        inspect_file(folder)
    np.save(tmp_path / "ids.npy", np.arange(4))
    with pytest.raises(DataError, match=r"shape \(4,\) and dtype int64; conditions are floating"):
        inspect_file(tmp_path / "ids.npy")
    (tmp_path / "x").write_bytes(b"\x00\xff\x00")
    with pytest.raises(DataError, match="x is not"):
        inspect_file(tmp_path / "x")


def test_anything_else_is_read_as_interactions(tmp_path):
    path = tmp_path / "taken.csv"
    path.write_text("user,item,domain\n" + "".join(f"u{n},i{n % 5},{'ab'[n % 5 % 2]}\n" for n in range(30)))
    assert inspect_file(path).figures["items"] == 5
