"""Events of a sitting: where files cannot be watched they are polled."""

import itertools
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from acg_numpy.cli.exercises import keyboard
from acg_numpy.cli.exercises.keyboard import SAVED, Events


def broken(*folders: object, **options: object) -> None:
    raise OSError("inotify watch limit reached")


@pytest.mark.parametrize("module", [types.SimpleNamespace(watch=broken), types.SimpleNamespace(), None])
def test_a_save_is_seen_where_nothing_can_be_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    """Where too many files are watched, where the library is broken, and where it is only half there."""
    monkeypatch.setitem(sys.modules, "watchfiles", module)
    monkeypatch.setattr(keyboard, "POLL", 0.01)
    monkeypatch.setattr(keyboard.Events, "_read_keys", lambda self: None)
    stamps = itertools.count()  # the file is another one at each look
    monkeypatch.setattr(keyboard, "_stamp", lambda file: next(stamps))
    assert next(iter(Events(tmp_path, lambda: tmp_path / "mine.py", single=False))) == SAVED
