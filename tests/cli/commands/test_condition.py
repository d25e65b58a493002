"""`acg condition` makes the conditions of training again, and those of users met later."""

import logging
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from acg_numpy.cli import main
from acg_numpy.recommender.serving import Trained
from acg_numpy.scale import ClusterError

Captured = pytest.CaptureFixture[str]


def test_users_folded_in_from_their_interactions_get_the_conditions_of_training(
    results: Path, taken: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "deep" / "new.npy"
    checkpoint = results / "checkpoint.npz"
    assert main(["condition", str(checkpoint), "--interactions", str(taken), "--out", str(out)]) == 0
    told, err = capsys.readouterr()
    assert told == (
        f"{out}: conditions of 80 users in 3 domains, 8 dimensions, float32\n"
        f"{out.with_suffix('.users.txt')}: their ids, a line each\n"
    )
    assert "interactions of 80 users with known items" in err
    assert "users a second" in err
    np.testing.assert_allclose(np.load(out), np.load(results / "conditions.npy"), rtol=1e-5, atol=1e-6)
    assert out.with_suffix(".users.txt").read_bytes() == (results / "users.txt").read_bytes()


def test_a_user_with_nothing_elsewhere_is_zeros_there_and_counted(
    results: Path, tmp_path: Path, capsys: Captured
) -> None:
    new = tmp_path / "new.csv"
    items = read_domain(results, "games")
    new.write_text("user,item\n" + "".join(f'zoe,"{item}"\n' for item in items) + "kim,unheard of\n", encoding="utf-8")
    command = ["condition", str(results / "checkpoint.npz"), "--interactions", str(new)]
    assert main([*command, "--out", str(tmp_path / "new.npy"), "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "zeros in 4 of 6 places of a user and a domain, because the user took nothing else" in out
    kim, zoe = np.load(tmp_path / "new.npy").any(axis=-1).tolist()
    domains = (results / "domains.txt").read_text(encoding="utf-8").split()
    assert kim == [False] * 3
    assert zoe == [domain != "games" for domain in domains]


def read_domain(folder: Path, domain: str) -> list[str]:
    items, domains = (
        (folder / f"{name}.txt").read_text(encoding="utf-8").split("\n") for name in ("items", "item_domains")
    )
    return [item for item, its in zip(items, domains, strict=True) if its == domain]


def test_vectors_of_users_are_conditioned_in_every_domain(results: Path, tmp_path: Path, capsys: Captured) -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    np.save(tmp_path / "users.npy", vectors)
    command = ["condition", str(results / "checkpoint.npz"), "--users", str(tmp_path / "users.npy")]
    assert main([*command, "--out", str(tmp_path / "c.npy"), "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    expected = Trained.load(results / "checkpoint.npz").conditioner(vectors[:, None], np.arange(3)).numpy()
    np.testing.assert_allclose(np.load(tmp_path / "c.npy"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "one of the arguments --interactions --users is required"),
        (("--interactions", "a", "--users", "b"), "argument --users: not allowed with argument --interactions"),
        (("--users", "b", "--min-rating", "4"), "--min-rating is for --interactions"),
        (("--users", "b", "--where", "a > 1"), "--where is for --interactions, which is not given"),
        (("--users", "b", "--scheduler", "tcp://a:1"), "--scheduler is for --out DIR, and c.npy is a file"),
        (("--users", "b", "--block", "8192"), "--block is for --out DIR"),
        (("--users", "b", "--no-resume"), "--no-resume is for --out DIR"),
        (("--users", "a", "b"), "--users takes one .npy file"),
        (("--users", "b", "--out", "folder", "--block", "100"), "--block must be a multiple of 8,192 rows"),
    ],
)
def test_what_to_condition_is_said_once_and_else_wrong_usage(
    options: tuple[str, ...], message: str, capsys: Captured
) -> None:
    assert main(["condition", "checkpoint.npz", "--out", "c.npy", *options]) == 2
    assert message in capsys.readouterr().err


def test_users_that_hold_no_vectors_are_refused_in_a_sentence(
    results: Path, taken: Path, tmp_path: Path, capsys: Captured
) -> None:
    pytest.importorskip("fsspec")
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    np.save(array := tmp_path / "v.npy", np.ones((5, 8), np.float32))
    parquet.write_table(arrow.table({"vector": [[1.0] * 8]}), whole := tmp_path / "v.parquet")
    (broken := tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    out = tmp_path / "parts"
    for users, there, message in (
        (
            [taken],
            out,
            f"--users {taken}: neither an .npy array nor Parquet with lists of floats; give interactions with ",
        ),
        ([array, array], out, f"{array} is one of 2 sources: give a single .npy file, or several of Parquet"),
        ([whole, broken], out, f"{broken} is not a whole Parquet file: "),
        ([array], "nosuch://a/b", "nosuch://a/b: Protocol not known: nosuch"),
        (["nosuch://a/b.npy"], out, "nosuch://a/b.npy: Protocol not known: nosuch"),
    ):
        command = ["condition", str(results / "checkpoint.npz"), "--users", *map(str, users), "--out", str(there)]
        assert main([*command, "--quiet"]) == 1
        assert capsys.readouterr().err.startswith(f"acg: {message}")


def test_outputs_do_not_overwrite_what_is_read_nor_folders_nor_devices(
    results: Path, taken: Path, tmp_path: Path, capsys: Captured
) -> None:
    checkpoint = results / "checkpoint.npz"
    before = checkpoint.read_bytes(), taken.read_bytes()
    (folder := tmp_path / "folder.npy").mkdir()
    for out, message in (
        (checkpoint, "is what is to be read: give --out another name"),
        (taken, "is what is to be read: give --out another name"),
        (folder, "is a folder: --out is the name of a file"),
        (Path("/dev/null"), "is not a folder: --out is a name that ends in .npy, or a folder"),
        (checkpoint.parent, f"holds other files ('{min(path.name for path in checkpoint.parent.iterdir())}'"),
    ):
        assert main(["condition", str(checkpoint), "--interactions", str(taken), "--out", str(out), "--quiet"]) == 1
        assert capsys.readouterr().err.startswith(f"acg: {out} {message}")
    assert (checkpoint.read_bytes(), taken.read_bytes()) == before


def test_a_folder_gets_part_files_and_keeps_those_of_before(
    results: Path, taken: Path, tmp_path: Path, capsys: Captured
) -> None:
    pytest.importorskip("fsspec")
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "parts"
    command = ["condition", str(results / "checkpoint.npz"), "--interactions", str(taken), "--out", str(out), "--quiet"]
    for told in ("in 1 part\n", "in 1 part, 1 of them from before\n"):
        assert main(command) == 0
        words = f"{out}: conditions of 80 users in 3 domains, 8 dimensions, float32, "
        assert capsys.readouterr() == (words + told, "")
    table = parquet.read_table(out)
    assert table.column_names == ["user", "books", "films", "games"]
    assert table["user"].to_pylist() == (results / "users.txt").read_text(encoding="utf-8").split("\n")[:-1]
    found = np.stack([np.array(table[domain].to_pylist()) for domain in table.column_names[1:]], axis=1)
    np.testing.assert_allclose(found, np.load(results / "conditions.npy"), rtol=1e-5, atol=1e-6)
    np.save(tmp_path / "users.npy", np.ones((5, 8), np.float32))
    other = ["condition", command[1], "--users", str(tmp_path / "users.npy"), "--out", str(out), "--quiet"]
    assert main(other) == 1
    assert "was begun with others: source was '" in capsys.readouterr().err
    assert main([*other, "--no-resume"]) == 0
    assert parquet.read_table(out).num_rows == 5


def test_a_scheduler_that_does_not_answer_is_an_error_in_a_sentence(
    results: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("acg_numpy.scale.clusters.ANSWER_WITHIN", 0.5)
    np.save(tmp_path / "users.npy", np.ones((5, 8), np.float32))
    command = ["condition", str(results / "checkpoint.npz"), "--users", str(tmp_path / "users.npy")]
    assert main([*command, "--out", str(tmp_path / "parts"), "--scheduler", "tcp://127.0.0.1:9"]) == 1
    assert capsys.readouterr().err.startswith("acg: no Dask scheduler answers at tcp://127.0.0.1:9 (")


def test_the_log_of_a_cluster_is_not_shown_beside_the_error(
    results: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("fsspec")
    log, shown = logging.getLogger("distributed.client"), []
    request.addfinalizer(partial(log.setLevel, log.level))

    def lose(*arguments: object, **options: object) -> None:
        shown.append(log.isEnabledFor(logging.ERROR))
        raise ClusterError("the connection to the scheduler was lost, with 0 of 7 blocks done")

    monkeypatch.setattr("acg_numpy.scale.connect", nullcontext)
    monkeypatch.setattr("acg_numpy.scale.condition", lose)
    np.save(tmp_path / "users.npy", np.ones((5, 8), np.float32))
    command = ["condition", str(results / "checkpoint.npz"), "--users", str(tmp_path / "users.npy")]
    assert main([*command, "--out", str(tmp_path / "parts"), "--scheduler", "tcp://a:1"]) == 1
    assert capsys.readouterr().err == "acg: the connection to the scheduler was lost, with 0 of 7 blocks done\n"
    assert shown == [False]
