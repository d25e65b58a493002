"""A trained folder with ids of every kind, and the page that is made of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acg_numpy.recommender.data import read_interactions
from acg_numpy.recommender.exploring import Exploration, gather, write_page
from acg_numpy.recommender.serving import Recommender
from acg_numpy.recommender.training import fit
from tests.recommender.exploring.ids import LONELY, NAMES


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 users, of whom one took books alone; three domains of 12 items and one of 3; 4 tokens and a shared one."""
    rng = np.random.default_rng(0)
    out = tmp_path_factory.mktemp("explored")
    rows = ["user\titem\tdomain"]
    domains = [*(("books", "<i>films</i>", "games")[item % 3] for item in range(36)), *3 * ["rare & few"]]
    for user in range(79):
        for item in rng.permutation(39)[: rng.integers(14, 34)].tolist():
            rows.append(f"{NAMES[user % 6]} {user}\titem {item:02d} </td>\t{domains[item]}".replace('"', "''"))
    rows += [f"{LONELY}\titem {item:02d} </td>\tbooks" for item in range(0, 36, 3)]
    (out / "taken.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    taken = read_interactions(out / "taken.tsv", min_items=3)
    small: dict[str, Any] = {"epochs": 3, "emb_dim": 8, "heads": 2, "tokens_per_domain": 4, "num_global_tokens": 1}
    fit(taken, baselines=False, **small).write(out)
    return out


@pytest.fixture(scope="session")
def recommender(folder: Path) -> Recommender:
    return Recommender.load(folder)


@pytest.fixture(scope="session")
def found(recommender: Recommender) -> Exploration:
    """40 of the 80 users, among them the one who took books alone."""
    return gather(recommender, sample=40, users=[LONELY, f"{NAMES[1]} 1"])


@pytest.fixture(scope="session")
def page_file(found: Exploration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("plotly", reason="the page is made with Plotly")
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(found, path, title="a <title> & more")
    return path
