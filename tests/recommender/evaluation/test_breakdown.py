"""Figures by group against the pairs of the group alone, and against everything written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.evaluation.breakdown import (
    PairFacts,
    by_domain,
    by_history,
    paired_differences,
    summarise_metrics,
)
from acg_numpy.recommender.evaluation.metrics import Rankings
from acg_numpy.recommender.evaluation.significance import mean_difference

ITEMS = np.array([4, 3, 2])
MODELS = ("attention", "popularity")


def drawn_run(rng, pairs, domains=3):
    """Pairs of 12 users, and hits at random."""
    facts = PairFacts(
        rng.integers(0, 12, pairs), rng.integers(0, domains, pairs), rng.integers(10, 30, pairs), ITEMS * 9, ITEMS
    )
    hits = {name: rng.random((pairs, 10)) < 0.4 for name in MODELS}
    found = np.maximum(*(hits[name].sum(axis=1) for name in MODELS)) + 1
    return facts, {name: Rankings(hits[name], found, rng.integers(0, 11, 9)) for name in MODELS}


def drawn_runs(seed, *pairs):
    rng = np.random.default_rng(seed)
    return map(list, zip(*(drawn_run(rng, number) for number in pairs), strict=True))


@given(st.integers(0, 1000))
def test_figures_by_group_are_those_of_its_pairs(seed):
    facts, rankings = drawn_runs(seed, 30, 40)
    ndcg = [{name: run[name].measure("ndcg", 10) for name in MODELS} for run in rankings]
    domains = by_domain(facts, rankings, ["a", "b", "c"], (5, 10))
    quarters = by_history(facts, rankings, (10,))
    assert [sum(group["pairs"][run] for group in quarters) for run in range(2)] == [30, 40]
    groups = [(domains[name], [one.domains == d for one in facts]) for d, name in enumerate("abc")]
    for group in quarters:
        low, high = group["elsewhere"]
        groups.append((group, [(low <= one.history) & (one.history <= high) for one in facts]))
    for group, rows in groups:
        assert group["pairs"] == [int(index.sum()) for index in rows]
        run_means = [[np.mean(one[name][index]) for one, index in zip(ndcg, rows, strict=True)] for name in MODELS]
        for name, means in zip(MODELS, run_means, strict=True):
            assert group["test"][name]["ndcg@10"] == pytest.approx(np.mean(means))
        differences = [(one["attention"] - one["popularity"])[index] for one, index in zip(ndcg, rows, strict=True)]
        users = [one.users[index] for one, index in zip(facts, rows, strict=True)]
        assert group["paired"] == {"popularity": pytest.approx(mean_difference(differences, users))}


def test_groups_without_pairs_or_with_few_users_claim_no_lead():
    facts, rankings = drawn_runs(0, 30, 40)
    found = by_domain(facts, rankings, ["a", "b", "c", "d"][:3], (10,))
    assert found["a"]["items"] == 4
    assert found["a"]["training_pairs"] == [36, 36]
    for one in facts:
        one.domains[one.domains == 2] = 1
        one.users[one.domains == 0] %= 4
    found = by_domain(facts, rankings, ["a", "b", "c"], (10,))
    assert found["c"] == {"items": 2, "training_pairs": [18, 18], "pairs": [0, 0], "test": {}, "paired": {}}
    assert found["a"]["test"]
    assert not found["a"]["paired"]


def test_a_run_without_pairs_of_a_group_does_not_count_there():
    facts, rankings = drawn_runs(3, 30, 40)
    facts[1].domains[:] = 1
    alone = by_domain(facts[:1], rankings[:1], ["a", "b", "c"], (10,))
    both = by_domain(facts, rankings, ["a", "b", "c"], (10,))
    assert both["a"]["test"] == alone["a"]["test"]
    assert both["a"]["paired"] == alone["a"]["paired"]


def test_figures_are_means_over_runs_and_coverage_of_the_domains_asked():
    facts, rankings = drawn_runs(1, 30, 40)
    facts[1].domains[:] = 0
    found = summarise_metrics(facts, rankings, (5, 10))["attention"]
    for metric in ("ndcg@5", "map@10", "precision@10"):
        name, k = metric.split("@")
        values = [np.mean(run["attention"].measure(name, int(k))) for run in rankings]
        assert found[metric] == {"mean": np.mean(values), "std": np.std(values), "values": pytest.approx(values)}
    ranks = [run["attention"].best_rank for run in rankings]
    shares = [np.mean([0 < rank <= 5 for rank in ranks[0]]), np.mean([0 < rank <= 5 for rank in ranks[1][:4]])]
    assert found["coverage@5"]["values"] == pytest.approx(shares)


def test_a_model_leads_itself_by_exactly_nothing():
    facts, rankings = drawn_runs(2, 30, 40)
    same = [{**run, "popularity": run["attention"]} for run in rankings]
    assert paired_differences(facts, same) == {"popularity": {"difference": 0.0, "se": 0.0}}
