"""Interactions in a file, small enough to train on in a second."""

from pathlib import Path

import numpy as np
import pytest


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
