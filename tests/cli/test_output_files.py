"""A folder has one writer at a time."""

import os
from pathlib import Path

import pytest

from acg_numpy.cli.output_files import LOCK, locked_folder
from acg_numpy.recommender.data import DataError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="elsewhere folders are not locked")


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    with (
        locked_folder(tmp_path),
        pytest.raises(DataError, match=rf"is being written by process {os.getpid()} on .*: wait for its end"),
        locked_folder(tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_process_holds_no_one_up(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("process 1 on another host\n", encoding="utf-8")
    with locked_folder(tmp_path):
        assert (tmp_path / LOCK).read_text(encoding="utf-8").startswith(f"process {os.getpid()} on ")
    assert list(tmp_path.iterdir()) == []
