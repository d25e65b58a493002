"""The table of test pairs says what metrics.json is made from."""

import csv
import json

import numpy as np
import pytest

from acg_numpy.recommender.data.sources.database import database
from acg_numpy.recommender.evaluation.significance import mean_difference
from acg_numpy.recommender.training import fit
from tests.recommender.conftest import small_interactions


def metrics_of_table(path):
    """Mean over runs of the mean over pairs, of every metric, by model and metric, as SQL computes them."""
    with database() as cursor:
        cursor.execute(
            f"SELECT model, avg(COLUMNS('@')) FROM (SELECT model, avg(COLUMNS('@')) FROM '{path}' "
            "GROUP BY model, seed, initialisation) GROUP BY model"
        )
        names = [column[0] for column in cursor.description]
        return {
            (model, name): value
            for model, *values in cursor.fetchall()
            for name, value in zip(names[1:], values, strict=True)
        }


def test_metrics_and_leads_can_be_computed_from_the_table(tmp_path):
    options = {"epochs": 2, "emb_dim": 8, "heads": 2, "tokens_per_domain": 2, "models": ["popularity", "film"]}
    result = fit(small_interactions(), seed=4, seeds=2, initialisations=2, k=(3,), **options)
    result.write(tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    with open(tmp_path / "test_pairs.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))

    assert metrics_of_table(tmp_path / "test_pairs.parquet") == {
        (name, metric): pytest.approx(figure["mean"])
        for name, figures in metrics["test"].items()
        for metric, figure in figures.items()
        if "@" in metric and not metric.startswith("coverage")
    }

    runs = [("4", "1"), ("4", "2"), ("5", "1"), ("5", "2")]
    assert [(str(run["seed"]), str(run["initialisation"])) for run in metrics["runs"]] == runs
    parts = [[row for row in rows if (row["seed"], row["initialisation"]) == run] for run in runs]
    assert [len(part) for part in parts] == [run["pairs"]["test"] for run in metrics["runs"]]
    ndcg = {name: [np.array([float(row[name]) for row in part]) for part in parts] for name in metrics["test"]}
    for name, figures in metrics["test"].items():
        assert set(figures) >= {"ndcg@3", "ndcg@10", "coverage@3"}
        assert figures["ndcg@10"]["values"] == pytest.approx([np.mean(part) for part in ndcg[name]])
    users = [np.array([int(row["user_id"].removeprefix("user ")) for row in part]) for part in parts]
    differences = [a - b for a, b in zip(ndcg["attention"], ndcg["film"], strict=True)]
    assert metrics["paired"]["film"] == pytest.approx(mean_difference(differences, users))

    popular, ours = (
        metrics["test"]["popularity"]["ndcg@10"]["values"],
        metrics["test"]["attention"]["ndcg@10"]["values"],
    )
    assert popular[0] == popular[1] != popular[2] == popular[3]  # which draws nothing but the split
    assert len(set(ours)) == 4
    visible, test = result.split.visible(result.interactions).toarray(), result.split.test
    outside = visible[test[:, 0]] * (result.interactions.item_domain != test[:, 1:])
    inside = result.interactions.counts[tuple(test.T)]
    assert [int(row["elsewhere"]) for row in parts[0]] == outside.sum(axis=1).tolist()
    assert [int(row["positives"]) for row in parts[0]] == inside.tolist()
    by_domain = metrics["by_domain"]["domain 1"]
    inside = [[float(row["film"]) for row in part if row["domain"] == "domain 1"] for part in parts]
    assert by_domain["pairs"] == [len(part) for part in inside]
    assert by_domain["test"]["film"]["ndcg@10"] == pytest.approx(np.mean([np.mean(part) for part in inside]))
