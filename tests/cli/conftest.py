"""Interactions in a file, small enough to train on in a second, and what `acg train` makes of them."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from acg_numpy.cli import main
from acg_numpy.recommender.reporting import write

SMALL = ("--epochs", "2", "--emb-dim", "8", "--heads", "2", "--tokens-per-domain", "3", "--num-global-tokens", "1")


class Training(NamedTuple):
    """A folder of results, and what was printed while it was made."""

    folder: Path
    out: str
    err: str


EMPTY_PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1"  # of a PNG, as much as a page reads: its size


@contextmanager
def undrawn_pictures(but: tuple[str, ...] = ()) -> Iterator[None]:
    """Leave the pictures of a report empty, nine tenths of a small training, but those that tests look at."""
    draw = write._png
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "_png", lambda drawing: draw(drawing) if drawing.figure.file in but else EMPTY_PICTURE)
        yield


@pytest.fixture
def undrawn() -> Iterator[None]:
    """The same for one test."""
    with undrawn_pictures():
        yield


@pytest.fixture(scope="session")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV file with ids of every kind: 80 users, three domains of 12 items."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("files") / "taken.csv"
    rows = ["user,item,domain"]
    names = ["ann", "Jürgen K.", "日本", '"" quoted', "a$b", "x" * 300]
    for user in range(80):
        name = f"{names[user % 6]} {user}"
        for item in rng.permutation(36)[: rng.integers(12, 30)]:
            rows.append(f'"{name}","item {item:02d}, new","{("books", "films", "games")[item % 3]}"')
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def training(taken: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """One training of all models, for every test that only reads what it left."""
    folder, out, err = tmp_path_factory.mktemp("results") / "deep" / "er", io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert main(["train", str(taken), "--out", str(folder), *SMALL]) == 0
    return Training(folder, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def results(training: Training) -> Path:
    """The folder of that training."""
    return training.folder
