"""The lists of many users in part files are those of the recommender."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed")
parquet = pytest.importorskip("pyarrow.parquet")

from acg_numpy.recommender.data import Newcomers  # noqa: E402
from acg_numpy.recommender.serving import Recommender, Trained  # noqa: E402
from acg_numpy.scale import recommend  # noqa: E402
from tests.recommender.conftest import small_interactions  # noqa: E402
from tests.scale.conftest import USERS, Work  # noqa: E402


def test_bits_are_the_same_for_every_number_of_workers(here: Work, by_workers: dict[int, Work]) -> None:
    expected = parquet.read_table(here.lists)
    assert expected.column_names == ["user", "domain", "rank", "item", "score"]
    assert expected["user"].to_pylist() == np.repeat(np.arange(USERS), 9).tolist()
    for work in by_workers.values():
        assert parquet.read_table(work.lists).equals(expected)


def test_lists_of_interactions_are_those_of_the_recommender(trained: Trained, tmp_path: Path) -> None:
    taken = small_interactions()
    titled = replace(trained, titles=np.array([f"title of {name}" for name in trained.items]))
    new = Newcomers(taken.users, taken.matrix, ())
    written = recommend(titled, new, tmp_path, top=4)
    lists = Recommender.of_newcomers(titled, new).recommend(top=4)
    assert written.zeros == int((~lists.informed).sum()) > 0
    found = parquet.read_table(tmp_path).to_pylist()
    rows = list(lists.rows())
    assert [{**row, "score": 0} for row in found] == [{**row, "score": 0} for row in rows]
    np.testing.assert_allclose([row["score"] for row in found], [row["score"] for row in rows], rtol=1e-5, atol=1e-6)


def test_top_is_positive_and_part_of_what_a_folder_was_begun_with(trained: Trained, tmp_path: Path) -> None:
    new = Newcomers(small_interactions().users[:3], small_interactions().matrix[:3], ())
    with pytest.raises(ValueError, match="top must be at least 1, but it is 0"):
        recommend(trained, new, tmp_path, top=0)
    with pytest.raises(TypeError, match=r"top must be a whole number, but it is 2\.5"):
        recommend(trained, new, tmp_path, top=2.5)
    recommend(trained, new, tmp_path, top=2)
    with pytest.raises(ValueError, match="top was 2 and is 3"):
        recommend(trained, new, tmp_path, top=3)
