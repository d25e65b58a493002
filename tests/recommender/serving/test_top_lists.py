"""Lists of many users are those of each user, in arrays and in files of every format."""

import csv
import json

import duckdb
import numpy as np
import pytest

from acg_numpy.recommender.data import DataError
from acg_numpy.recommender.serving import Recommender, top_lists
from acg_numpy.recommender.training import fit

SMALL = {"epochs": 1, "emb_dim": 8, "heads": 2, "tokens_per_domain": 3, "baselines": False}


@pytest.fixture(scope="module")
def recommender(interactions):
    trained = fit(interactions, **SMALL).trained
    titles = np.array([f'The "${n}" one, again' if n % 2 else "" for n in range(len(trained.items))])
    object.__setattr__(trained, "titles", titles)
    return Recommender(trained, interactions.users, interactions.matrix)


@pytest.mark.parametrize("include_taken", [False, True])
def test_lists_of_many_users_are_those_of_each(recommender, monkeypatch, include_taken):
    monkeypatch.setattr(top_lists, "BLOCK", 7)
    lists = recommender.recommend(top=9, include_taken=include_taken)
    assert lists.users.tolist() == recommender.users.tolist()
    for u in range(0, 80, 9):
        for n, one in enumerate(recommender.recommend(f"user {u}", top=9, include_taken=include_taken)):
            left = len(one.items)
            assert lists.items[lists.columns[u, n, :left]].tolist() == one.items.tolist()
            assert (lists.columns[u, n, left:] == -1).all()
            np.testing.assert_allclose(lists.scores[u, n, :left], one.scores, rtol=1e-4, atol=1e-5)
            assert lists.informed[u, n] == one.informed
    some = recommender.recommend(["user 30", "user 4"], domain=["domain 2"], top=9, include_taken=include_taken)
    np.testing.assert_array_equal(some.columns[:, 0], lists.columns[[30, 4], 2])


def test_lists_are_no_longer_than_the_domains(recommender):
    lists, largest = recommender.recommend(top=10**12), int(np.bincount(recommender.trained.item_domain).max())
    assert lists.columns.shape == lists.scores.shape == (80, 3, largest)
    np.testing.assert_array_equal(recommender.recommend(top=largest).columns, lists.columns)


def test_every_format_has_the_rows_of_the_lists(recommender, tmp_path):
    lists = recommender.recommend(["user 30", "user 4"], top=20)
    rows = list(lists.rows())
    assert json.loads(lists.to_json()) == rows
    assert list(rows[0]) == ["user", "domain", "rank", "item", "title", "score"]
    for suffix in ("csv", "parquet", "jsonl"):
        assert lists.write(tmp_path / f"lists.{suffix}") == len(rows)
    with open(tmp_path / "lists.csv", newline="", encoding="utf-8") as file:
        from_csv = list(csv.DictReader(file))
    from_json = [json.loads(line) for line in (tmp_path / "lists.jsonl").read_text(encoding="utf-8").splitlines()]
    found = duckdb.sql(f"SELECT * FROM read_parquet('{tmp_path}/lists.parquet')")
    from_parquet = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    for read in (from_csv, from_json, from_parquet):
        assert [{**row, "rank": int(row["rank"]), "score": None} for row in read] == [
            {**r, "score": None} for r in rows
        ]
        np.testing.assert_allclose([float(row["score"]) for row in read], [row["score"] for row in rows], rtol=1e-6)


def test_another_suffix_or_unknown_users_are_refused(recommender, tmp_path):
    with pytest.raises(DataError, match=r"has the suffix '\.txt': lists are written as \.csv, \.parquet or \.jsonl"):
        recommender.recommend(["user 4"]).write(tmp_path / "lists.txt")
    with pytest.raises(DataError, match="2 of 3 users are not known \\(the first: 'zoe'\\); new users are"):
        recommender.recommend(["user 4", "zoe", "kim"])
