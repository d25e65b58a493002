"""Metrics of every model over all test pairs, by domain, and by how much a user did elsewhere.

A figure of a run is the mean over its pairs; a figure of several runs is the mean over those that have such pairs.
Attention's lead over a model is the mean difference in NDCG@10 on the same pairs, with a standard error that is
clustered by user (see `significance`).  In a group of pairs with fewer than 5 users no lead is given.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from acg_numpy.recommender.evaluation.metrics import COVERAGE, PAIR_METRICS, Rankings
from acg_numpy.recommender.evaluation.protocol import K
from acg_numpy.recommender.evaluation.significance import mean_difference
from acg_numpy.shapes import Array

FEWEST_USERS = 5  # in a group of pairs for which a lead is given
QUARTERS = (0.25, 0.5, 0.75)
OURS = "attention"

Ids = npt.NDArray[np.int64]
ByModel = Mapping[str, Rankings]


class PairFacts(NamedTuple):
    """The test pairs of one run, and what their groups are made from.

    Attributes
    ----------
    users, domains : array of int, shape (P,)
    history : array of int, shape (P,)
        The number of items outside the domain that the user's vector for it is made from.
    training : array of int, shape (N,)
        The number of training pairs in each domain.
    items : array of int, shape (N,)
        The number of items in each domain.
    """

    users: Ids
    domains: Ids
    history: Ids
    training: Ids
    items: Ids


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the mean of one value a run, their standard deviation, and the values.

    Examples
    --------
    >>> spread([0.25, 0.75])
    {'mean': 0.5, 'std': 0.25, 'values': [0.25, 0.75]}
    """
    return {"mean": float(np.mean(values)), "std": float(np.std(values)), "values": list(values)}


def summarise_metrics(
    facts: Sequence[PairFacts], rankings: Sequence[ByModel], cutoffs: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Compute every metric at every cut-off, for each model.

    Parameters
    ----------
    facts : sequence of PairFacts
        One for each run.
    rankings : sequence of mappings from str to Rankings
        For each run, the rankings of each model.
    cutoffs : sequence of int
        The k of the metrics.

    Returns
    -------
    dict
        For each model and metric, as "ndcg@10", the mean over runs, the standard deviation, and the values.
    """
    return {
        name: {
            f"{metric}@{k}": spread(
                [_figure(one, run[name], metric, k) for one, run in zip(facts, rankings, strict=True)]
            )
            for k in cutoffs
            for metric in (*PAIR_METRICS, COVERAGE)
        }
        for name in rankings[0]
    }


def paired_differences(facts: Sequence[PairFacts], rankings: Sequence[ByModel]) -> dict[str, dict[str, float]]:
    """Compute attention's lead over each other model: the mean difference in ``NDCG@10``, and its standard error."""
    leads = {}
    ours = [run[OURS].measure("ndcg", K) for run in rankings]
    for name in rankings[0]:
        if name != OURS:
            differences = [own - run[name].measure("ndcg", K) for own, run in zip(ours, rankings, strict=True)]
            leads[name] = mean_difference(differences, [one.users for one in facts])
    return leads


def by_domain(
    facts: Sequence[PairFacts], rankings: Sequence[ByModel], domains: Sequence[str], cutoffs: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Compute the metrics and leads on the pairs of each domain.

    Returns
    -------
    dict
        For each domain: "items"; "training_pairs" and "pairs", a number for each run; "test", for each model and
        metric the mean over runs; and "paired", attention's lead over each other model.
    """
    found = {}
    for d, name in enumerate(domains):
        found[str(name)] = {
            "items": int(facts[0].items[d]),
            "training_pairs": [int(one.training[d]) for one in facts],
            **_group(facts, rankings, [np.flatnonzero(one.domains == d) for one in facts], cutoffs),
        }
    return found


def by_history(facts: Sequence[PairFacts], rankings: Sequence[ByModel], cutoffs: Sequence[int]) -> list[dict[str, Any]]:
    """Compute the metrics and leads on four groups of pairs, by how much their users did elsewhere.

    The groups are the quarters of all pairs, as far as equal numbers allow: users who did equally much are in one.

    Returns
    -------
    list of dicts
        For each group, those with the least first: "elsewhere", the least and the largest number of items; and
        "pairs", "test" and "paired", as in `by_domain`.
    """
    every = np.concatenate([one.history for one in facts])
    edges = np.quantile(every, QUARTERS, method="higher")
    groups = [np.searchsorted(edges, one.history, side="right") for one in facts]
    found = []
    for group in np.unique(np.concatenate(groups)).tolist():
        rows = [np.flatnonzero(of_pairs == group) for of_pairs in groups]
        there = np.concatenate([one.history[index] for one, index in zip(facts, rows, strict=True)])
        found.append({"elsewhere": [int(there.min()), int(there.max())], **_group(facts, rankings, rows, cutoffs)})
    return found


def _group(
    facts: Sequence[PairFacts], rankings: Sequence[ByModel], rows: Sequence[Ids], cutoffs: Sequence[int]
) -> dict[str, Any]:
    """Return the number of pairs in each run, and the metrics and leads on them; runs without any do not count."""
    pairs = [len(index) for index in rows]
    chosen = list(_choose(facts, rankings, rows))
    if not chosen:
        return {"pairs": pairs, "test": {}, "paired": {}}
    facts, rankings = [one for one, _ in chosen], [run for _, run in chosen]
    few = len(np.unique(np.concatenate([one.users for one in facts]))) < FEWEST_USERS
    # coverage belongs to all lists of a run together, not to those of a group
    means = {
        name: {
            f"{metric}@{k}": float(np.mean([np.mean(run[name].measure(metric, k)) for run in rankings]))
            for k in cutoffs
            for metric in PAIR_METRICS
        }
        for name in rankings[0]
    }
    return {"pairs": pairs, "test": means, "paired": {} if few else paired_differences(facts, rankings)}


def _choose(
    facts: Sequence[PairFacts], rankings: Sequence[ByModel], rows: Sequence[Ids]
) -> Iterator[tuple[PairFacts, dict[str, Rankings]]]:
    """Go through the runs that have such pairs, with those pairs alone."""
    for one, run, index in zip(facts, rankings, rows, strict=True):
        if len(index):
            pairs = one._replace(users=one.users[index], domains=one.domains[index], history=one.history[index])
            yield pairs, {name: r._replace(hits=r.hits[index], found=r.found[index]) for name, r in run.items()}


def _figure(facts: PairFacts, rankings: Rankings, metric: str, k: int) -> float:
    if metric != COVERAGE:
        return float(np.mean(rankings.measure(metric, k)))
    # only items of domains that are asked for can be among the first
    asked: Array = np.repeat(np.isin(np.arange(len(facts.items)), facts.domains), facts.items)
    return rankings.coverage(k, asked)
