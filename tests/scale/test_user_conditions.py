"""Conditions in part files are those of one process, bit by bit, whatever computes them and however often it stops."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed")
parquet = pytest.importorskip("pyarrow.parquet")

import pyarrow as pa  # noqa: E402

from acg_numpy.recommender.data import DataError, Newcomers  # noqa: E402
from acg_numpy.recommender.serving import Trained  # noqa: E402
from acg_numpy.recommender.serving.trained import OWN_SCALE  # noqa: E402
from acg_numpy.scale import BlockError, BlockSummary, condition, condition_blocks  # noqa: E402
from tests.recommender.conftest import small_interactions  # noqa: E402
from tests.scale.conftest import DIM, USERS, Work  # noqa: E402

BLOCK = 8192
WHOLE = BlockSummary(USERS, 3, DIM, zeros=3, parts=3, resumed=0)


def read(folder: Path) -> pa.Table:
    return parquet.read_table(folder)


def conditions(table: pa.Table, domains: list[str]) -> np.ndarray:
    return np.stack([table[d].combine_chunks().flatten().to_numpy().reshape(-1, DIM) for d in domains], axis=1)


def test_parts_hold_the_conditions_of_every_user_in_order(trained: Trained, vectors: np.ndarray, here: Work) -> None:
    found = conditions(read(here.conditions), trained.domains.tolist())
    expected = trained.conditioner(vectors[:, None], np.arange(3)).numpy()
    expected[7] = 0
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    names = sorted(path.name for path in here.conditions.iterdir())
    assert names[:2] == ["_checkpoint.npz", "_manifest.json"]
    assert [name.split("-", 2)[2] for name in names[2:]] == [
        "000000000000-000000008191.parquet",
        "000000008192-000000016383.parquet",
        "000000016384-000000019999.parquet",
    ]
    assert Trained.load(here.conditions / "_checkpoint.npz").domains.tolist() == trained.domains.tolist()


def test_bits_are_the_same_for_every_block_and_number_of_workers(
    trained: Trained, users: Path, here: Work, by_workers: dict[int, Work], tmp_path: Path
) -> None:
    expected = read(here.conditions)
    condition(trained, users, tmp_path, block=3 * BLOCK)
    assert read(tmp_path).equals(expected)
    assert sorted(by_workers) == [1, 2, 3]
    for work in by_workers.values():
        assert read(work.conditions).equals(expected)


def test_a_worker_that_is_killed_loses_and_doubles_no_row(
    trained: Trained, users: Path, here: Work, tmp_path: Path, client
) -> None:
    def kill_one(number: int) -> None:
        pids = list(client.run(os.getpid).values()) if not killed else []
        for pid in pids[:1]:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    killed: list[int] = []
    assert condition(trained, users, tmp_path, block=BLOCK, client=client, progress=kill_one) == WHOLE
    assert killed
    assert read(tmp_path).equals(read(here.conditions))


STOPPED = """
import os, signal, sys
from acg_numpy.recommender.serving import Trained
from acg_numpy.scale import condition, connect
folder, users, out, address = sys.argv[1:]
condition(Trained.load(folder), users, out, block=8192, client=connect(address),
          progress=lambda number: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_client_that_is_killed_is_resumed(trained: Trained, users: Path, here: Work, tmp_path: Path, client) -> None:
    checkpoint, address = here.conditions / "_checkpoint.npz", client.scheduler.address
    command = [sys.executable, "-c", STOPPED, str(checkpoint), str(users), str(tmp_path), address]
    assert subprocess.run(command, capture_output=True, timeout=300).returncode == -signal.SIGKILL
    half = tmp_path / f".{next(tmp_path.glob('part-*')).name}.{'0' * 16}.tmp"
    half.write_bytes(b"of a worker that was killed")
    time.sleep(0.2)  # for a block that is being written
    again = condition(trained, users, tmp_path, block=BLOCK)
    assert again == WHOLE._replace(resumed=again.resumed)
    assert again.resumed >= 1
    assert read(tmp_path).equals(read(here.conditions))
    assert not half.exists()


def test_a_run_that_is_interrupted_here_keeps_what_is_done(
    trained: Trained, users: Path, here: Work, tmp_path: Path
) -> None:
    def interrupt(number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        condition(trained, users, tmp_path, block=BLOCK, progress=interrupt)
    assert condition(trained, users, tmp_path, block=BLOCK) == WHOLE._replace(resumed=1)
    assert read(tmp_path).equals(read(here.conditions))


def test_parts_of_something_else_are_refused_unless_begun_anew(trained: Trained, users: Path, tmp_path: Path) -> None:
    condition(trained, users, tmp_path, block=BLOCK)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = replace(trained, about={"seed": 1})
    shorter = tmp_path.parent / "shorter.npy"
    np.save(shorter, np.ones((5, DIM), np.float32))
    for changed, source, block, message in (
        (other, users, BLOCK, "checkpoint was '"),
        (trained, shorter, BLOCK, "source was '.*users was 20000 and is 5"),
        (trained, users, 2 * BLOCK, "block was 8192 and is 16384; give another folder, or begin anew"),
    ):
        with pytest.raises(DataError, match=message):
            condition(changed, source, tmp_path, block=block)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert condition(trained, shorter, tmp_path, resume=False).parts == 1
    assert len(list(tmp_path.glob("part-*"))) == 1
    (tmp_path / "_manifest.json").unlink()
    with pytest.raises(DataError, match="holds other files"):
        condition(trained, shorter, tmp_path)


def test_a_truncated_part_is_made_again(trained: Trained, users: Path, here: Work, tmp_path: Path) -> None:
    condition(trained, users, tmp_path, block=BLOCK)
    part = max(tmp_path.glob("part-*"))
    part.write_bytes(part.read_bytes()[:-100])
    assert condition(trained, users, tmp_path, block=BLOCK).resumed == 2
    assert read(tmp_path).equals(read(here.conditions))


def test_a_bad_row_is_named_and_the_other_blocks_are_written(
    trained: Trained, vectors: np.ndarray, tmp_path: Path, client
) -> None:
    broken = vectors.copy()
    broken[9000, 2] = np.nan
    np.save(tmp_path / "broken.npy", broken)
    for number, connected in enumerate((None, client)):
        out = tmp_path / str(number)
        with pytest.raises(BlockError, match="1 of 3 blocks failed, and the others are done") as caught:
            condition(trained, tmp_path / "broken.npy", out, block=BLOCK, client=connected)
        assert "users 8192 to 16383: " in str(caught.value)
        assert "row 9000 (counted from 0) holds NaN or infinity" in str(caught.value)
        assert caught.value.failed[0][0] == range(8192, 16384)
        assert len(list(out.glob("part-*"))) == 2
        assert list(out.glob(".*")) == []


def test_a_full_disk_ends_the_work_and_leaves_no_half_part(
    trained: Trained, users: Path, here: Work, tmp_path: Path, client
) -> None:
    resource = pytest.importorskip("resource")

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    limit_there = client.run(limit, 200_000) and None
    assert limit_there is None
    try:
        with pytest.raises(OSError, match=r"part-.*\.parquet"):
            condition(trained, users, tmp_path, block=BLOCK, client=client)
    finally:
        client.run(limit, resource.RLIM_INFINITY)
    assert not list(tmp_path.glob("part-*"))
    found = condition(trained, users, tmp_path, block=BLOCK, client=client)
    assert found._replace(resumed=0) == WHOLE  # a block that was at work when the limit ended may have been written
    assert read(tmp_path).equals(read(here.conditions))


@pytest.mark.parametrize("layout", ["one column", "a column each", "two files, fixed-size lists"])
def test_vectors_in_parquet_give_the_same_with_their_ids(
    layout: str, trained: Trained, vectors: np.ndarray, here: Work, tmp_path: Path
) -> None:
    (source := tmp_path / "source").mkdir()
    ids = pa.array([f"user {n}" for n in range(USERS)])
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIM)
    if layout == "a column each":
        table = pa.table({"user": ids, **dict.fromkeys(trained.domains.tolist(), lists.cast(pa.list_(pa.float32())))})
    else:
        table = pa.table({"vector": lists, "user": ids})
    if layout.startswith("two"):
        parquet.write_table(table[:9999], source / "a.parquet", row_group_size=4000)
        parquet.write_table(table[9999:], source / "b.parquet")
        (source / "_notes.parquet").write_bytes(b"which readers of folders leave out")
    else:
        parquet.write_table(table, source / "a.parquet")
    assert condition(trained, source, tmp_path / "out", block=BLOCK) == WHOLE
    found = read(tmp_path / "out")
    assert found["user"].combine_chunks().equals(ids)
    assert found.drop_columns("user").equals(read(here.conditions))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"vector": [[1.0] * DIM, [1.0] * (DIM + 1)]}, "row 1 .* of column 'vector' holds 9 numbers, expected 8 or 24"),
        ({"vector": [[1.0] * DIM, None]}, "row 1 .* holds nothing"),
        ({"vector": [[1.0] * DIM, [1.0] * 7 + [None]]}, "row 1 .* holds a null"),
        ({"vector": [[1.0] * DIM], "user": pa.array([None], pa.string())}, "row 0 .* has no id in column 'user'"),
        ({"vector": [[1] * DIM]}, "column 'vector' holds lists of int64, expected floats"),
        ({"vector": [[1.0] * DIM], "a": ["x"], "b": ["y"]}, "which of the columns 'a', 'b' holds the ids"),
        ({"v": [[1.0] * DIM], "w": [[1.0] * DIM]}, "has 2 columns of lists"),
    ],
)
def test_parquet_that_does_not_fit_is_refused_with_the_place(
    table: dict, message: str, trained: Trained, tmp_path: Path
) -> None:
    parquet.write_table(pa.table(table), tmp_path / "users.parquet")
    with pytest.raises((DataError, BlockError), match=message):
        condition(trained, tmp_path / "users.parquet", tmp_path / "out")


def test_ids_of_several_files_are_of_one_type_and_dictionaries_are_decoded(trained: Trained, tmp_path: Path) -> None:
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]

    def write(*ids: pa.Array) -> None:
        for path, one in zip(paths, ids, strict=True):
            parquet.write_table(pa.table({"user": one, "vector": [[1.0] * DIM]}), path)

    write(pa.array(["x"]).dictionary_encode(), pa.array(["y"]))
    condition(trained, paths, tmp_path / "out")
    assert read(tmp_path / "out")["user"].to_pylist() == ["x", "y"]
    write(pa.array(["x"]), pa.array([1]))
    with pytest.raises(DataError, match=r"b\.parquet: column 'user' holds int64, and in .*a\.parquet string"):
        condition(trained, paths, tmp_path / "other")


def test_interactions_give_what_the_conditioner_makes_of_them(trained: Trained, tmp_path: Path, client) -> None:
    taken = small_interactions()
    many = np.arange(9000) % 80
    new = Newcomers(np.array([f"user {n}" for n in range(9000)]), taken.matrix[many], ())
    expected = trained.conditions(new.matrix)
    for out, connected in ((tmp_path / "here", None), (tmp_path / "there", client)):
        written = condition(trained, new, out, block=BLOCK, client=connected)
        assert written.users == 9000
        assert written.zeros == int((~expected.any(axis=-1)).sum()) > 0
        found = read(out)
        assert found["user"].to_pylist() == new.users.tolist()
        np.testing.assert_allclose(conditions(found, trained.domains.tolist()), expected, rtol=1e-5, atol=1e-6)
        assert len(list(out.iterdir())) == 4  # no rows for workers are left
    assert read(tmp_path / "here").equals(read(tmp_path / "there"))


def test_what_is_said_of_interactions_from_a_file_is_a_warning(trained: Trained, tmp_path: Path) -> None:
    (new := tmp_path / "late.csv").write_text(
        f'user,item\nzoe,"{trained.items[0]}"\nzoe,unheard of\n', encoding="utf-8"
    )
    with pytest.warns(UserWarning, match=r"late\.csv: .*1 ") as caught:
        assert condition(trained, new, tmp_path / "out").users == 1
    assert caught[0].filename == __file__


def test_addresses_of_object_stores_are_read_and_written(
    trained: Trained, users: Path, vectors: np.ndarray, here: Work
) -> None:
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.pipe_file("/data/users.npy", users.read_bytes())
    try:
        assert condition(trained, "memory://data/users.npy", "memory://data/parts", block=BLOCK) == WHOLE
        assert parquet.read_table("/data/parts", filesystem=store).equals(read(here.conditions))
    finally:
        store.rm("/data", recursive=True)


def test_a_dask_array_of_users_becomes_one_of_conditions(trained: Trained, vectors: np.ndarray) -> None:
    dask_array = pytest.importorskip("dask.array")
    lazy = dask_array.from_array(vectors, chunks=(9000, 5))
    ids = np.arange(USERS) % 3
    found = condition_blocks(trained, lazy, ids)
    assert found.chunks == ((9000, 9000, 2000), (DIM,))
    expected = trained.conditioner(vectors, ids).numpy()
    expected[7] = 0
    np.testing.assert_allclose(found.compute(scheduler="sync"), expected, rtol=1e-5, atol=1e-6)
    for arguments, error, message in (
        ((vectors, 0), TypeError, "expected a Dask array"),
        ((lazy[:, :3], 0), ValueError, r"expected \(users, 8\)"),
        ((lazy.astype(int), 0), TypeError, "expected floating numbers"),
        ((lazy, 0.5), TypeError, "expected whole numbers"),
        ((lazy, ids[:9]), ValueError, r"domain_id has shape \(9,\)"),
        ((lazy, 3), IndexError, "the domains are 0 to 2"),
    ):
        with pytest.raises(error, match=message):
            condition_blocks(trained, *arguments)


@pytest.mark.parametrize("own_scale", [None, 2.5])
def test_a_dask_array_gives_the_conditions_of_trained_and_refuses_nan(
    own_scale: float | None, trained: Trained, vectors: np.ndarray
) -> None:
    dask_array = pytest.importorskip("dask.array")
    scaled = replace(trained, about={**trained.about, OWN_SCALE: own_scale})
    few = vectors[:100].copy()
    spread = np.repeat(few[:, None] / (own_scale or 1.0), 3, axis=1).astype(np.float32)
    expected = scaled.condition(spread, spread.any(axis=-1))
    assert not expected[7].any()
    found = condition_blocks(scaled, dask_array.from_array(few, chunks=60), 2).compute(scheduler="sync")
    np.testing.assert_allclose(found, expected[:, 2], rtol=1e-5, atol=1e-6)
    few[70, 1] = np.nan
    broken = condition_blocks(scaled, dask_array.from_array(few, chunks=60), 2)
    with pytest.raises(DataError, match=r"a block of users: row 10 .* holds NaN or infinity"):
        broken.compute(scheduler="sync")
