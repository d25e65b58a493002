"""What is read is what was written, or an error that says why not."""

import errno
import json
import os
import pickle

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acg_numpy.recommender.data import checkpoints
from acg_numpy.recommender.data.checkpoints import CheckpointError, load_checkpoint, replacing, save_checkpoint

ARRAYS = {
    "attention.query.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "users": np.array(["ada", "Ωmega\t'x'", ""]),
    "scale": np.array(0.25),
    "mask": np.array([[True, False]]),
    "steps": np.zeros((0, 2), np.int64),
}
ABOUT = {"epoch": 12, "domains": ["Drama", "Komödie"], "rate": 0.003}


@pytest.fixture
def path(tmp_path):
    save_checkpoint(tmp_path / "c.npz", ARRAYS, ABOUT)
    return tmp_path / "c.npz"


def test_what_is_read_is_what_was_written(path):
    arrays, about = load_checkpoint(path)
    assert about == ABOUT
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_equal_contents_make_equal_files_whatever_the_names(path, tmp_path):
    save_checkpoint(tmp_path / "again.npz", ARRAYS, ABOUT)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
    save_checkpoint(path, {"file": np.ones(2), "allow_pickle": np.ones(3)}, {})
    assert set(load_checkpoint(path).arrays) == {"file", "allow_pickle"}


def test_every_truncation_is_refused(path):
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            load_checkpoint(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_a_damaged_byte_is_refused_or_harmless(path, data):
    """Some bytes of a zip file (dates, permissions) mean nothing here; whatever loads at all must load unchanged."""
    save_checkpoint(path, ARRAYS, ABOUT)
    whole = bytearray(path.read_bytes())
    where = data.draw(st.integers(0, len(whole) - 1))
    whole[where] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    try:
        arrays, about = load_checkpoint(path)
    except CheckpointError:
        return
    assert about == ABOUT
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)


def test_changed_contents_fail_the_checksum(path, tmp_path):
    """A well-formed file whose numbers were exchanged, as a careless edit would do."""
    with np.load(path) as archive:
        entries = {name: archive[name] for name in archive.files}
    entries["scale"] = np.array(0.5)
    np.savez(tmp_path / "edited.npz", **entries)
    with pytest.raises(CheckpointError, match="do not have the checksum"):
        load_checkpoint(tmp_path / "edited.npz")


def test_a_later_version_is_refused_by_name(path, monkeypatch):
    monkeypatch.setattr(checkpoints, "VERSION", 7)
    save_checkpoint(path, ARRAYS, ABOUT)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="has checkpoint version 7, and this acg_numpy reads version 1"):
        load_checkpoint(path)


def test_foreign_files_are_refused(tmp_path):
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, weight=np.ones(2))
    with pytest.raises(CheckpointError, match="not a checkpoint of this package"):
        load_checkpoint(foreign)
    np.savez(foreign, **{checkpoints.ABOUT: np.array(json.dumps({"format": "something else"}))})
    with pytest.raises(CheckpointError, match="description is not a checkpoint's"):
        load_checkpoint(foreign)
    for content in (b"", b"user,item\n1,2\n", pickle.dumps({"weight": 1})):
        foreign.write_bytes(content)
        with pytest.raises(CheckpointError, match="not a checkpoint"):
            load_checkpoint(foreign)


def test_pickles_are_neither_written_nor_read(tmp_path):
    with pytest.raises(ValueError, match=r"arrays\['ids'\] has dtype object"):
        save_checkpoint(tmp_path / "c.npz", {"ids": np.array(["a", 1], object)}, {})
    np.savez(tmp_path / "p.npz", **{checkpoints.ABOUT: np.array([{"format": checkpoints.FORMAT}], object)})
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path / "p.npz")


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.npz")
    with pytest.raises(CheckpointError, match=r"is a folder.*checkpoint\.npz"):
        load_checkpoint(tmp_path)


def test_a_reserved_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="__about__"):
        save_checkpoint(tmp_path / "c.npz", {"__about__": np.ones(1)}, {})


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        save_checkpoint(path, ARRAYS, {"loss": float("nan")})

    def write_half():
        with replacing(path) as temporary:
            temporary.write_bytes(b"half a fi")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere there are no locks to tell dead writers by")
def test_what_a_killed_process_left_goes_with_the_next_write(path):
    half = path.with_name(f".{path.name}.{'0' * 16}.tmp")
    others = [
        path.with_name(f".d.npz.{'0' * 16}.tmp"),  # of another file
        path.with_name(f".{path.name}.mine.tmp"),  # not one of ours
    ]
    for left in (half, *others):
        left.write_bytes(b"half a fi")
    with replacing(path) as at_work:  # as another process would
        at_work.write_bytes(path.read_bytes())
        save_checkpoint(path, ARRAYS, ABOUT)
        assert set(path.parent.iterdir()) == {path, *others, at_work}
    assert set(path.parent.iterdir()) == {path, *others}


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_stay_and_new_files_have_the_usual_ones(path, tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode
    for mode in (0o640, 0o444):
        path.chmod(mode)
        save_checkpoint(path, ARRAYS, ABOUT)
        assert path.stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a file that is open cannot be replaced")
def test_a_reader_during_a_write_meets_the_old_file_whole(path):
    before = path.read_bytes()
    with open(path, "rb") as reader:
        save_checkpoint(path, {}, {})
        assert reader.read() == before
    assert path.read_bytes() != before


def write_text(file):
    file.write("x" * 100_000)


def write_with_numpy(file):
    np.zeros(100_000).tofile(file.buffer)


def write_with_duckdb(file):
    duckdb.sql(f"COPY (SELECT * FROM range(9)) TO '{file.name}' (FORMAT csv, USE_TMP_FILE false)")


def write_with_safetensors(file):
    del file  # their library takes no device, so its words are given: they come with no number and no name
    raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
@pytest.mark.parametrize("write", [write_text, write_with_numpy, write_with_duckdb, write_with_safetensors])
def test_a_full_disk_is_an_error_with_the_file_for_every_library(path, write):
    message = r"(?i)no space left on device|the disk may be full"
    full = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115, its end fails where `replacing` must see it
    with pytest.raises(OSError, match=message) as caught, replacing(path), full as file:
        write(file)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path)
