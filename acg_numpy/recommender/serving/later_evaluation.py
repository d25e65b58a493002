"""Judgement of a trained folder by what its users took after the training, and of other systems' lists beside it.

A pair of a user and a domain counts if the user took an item there later that was not taken before.  Everything that
is known of the user is what the folder knows: all that the user did before, in the domain too.  All items of the domain
are ranked, except those that were taken before, and the metrics are those of `acg_numpy.recommender.evaluation`; the
standard error of a difference is computed over users.  Lists of other systems are judged on the same pairs.  Items
taken before do not take a place in them either; where a list ends, nothing more is found, and a user without a list has
found nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data import DataError, Newcomers
from acg_numpy.recommender.data.interactions import domain_counts
from acg_numpy.recommender.data.pairs import SCORES, Catalogue, Ids, Pairs
from acg_numpy.recommender.evaluation.breakdown import FEWEST_USERS
from acg_numpy.recommender.evaluation.metrics import PAIR_METRICS, Rankings, top_k
from acg_numpy.recommender.evaluation.protocol import K
from acg_numpy.recommender.evaluation.significance import mean_difference
from acg_numpy.recommender.serving.given_lists import GivenLists
from acg_numpy.recommender.serving.recommender import Recommender
from acg_numpy.shapes import Array
from acg_numpy.text import first_few

TRAINED, CONDITION, POPULARITY = "trained", "condition", "popularity"
BLOCK = 1024  # pairs that are ranked together

Score = Callable[[Ids, int], Array]


class LaterPairs(NamedTuple):
    """The pairs that can be judged.

    Attributes
    ----------
    rows : array of int, shape (u,)
        The users of the folder who took something new.
    pairs : Pairs
        Their `users` are indices into `rows`; the positives are the items that were taken later and not before.
    own : array of bool, shape (P,)
        Whether the user had taken something in the domain before.
    left_out : dict
        How many users and interactions could not be judged: "unknown_users", "their_interactions", "taken_before", and
        of how many "users" and "interactions" with known items.
    """

    rows: Ids
    pairs: Pairs
    own: npt.NDArray[np.bool_]
    left_out: dict[str, int]


def later_pairs(recommender: Recommender, later: Newcomers) -> LaterPairs:
    """Find the pairs of a user and a domain in which something new was taken.

    Raises
    ------
    DataError
        If there are none: no user is known, or all was taken before.
    """
    trained = recommender.trained
    row = {name: n for n, name in enumerate(recommender.users.tolist())}
    of_user = np.array([row.get(name, -1) for name in later.users.tolist()], np.int64)
    known = np.flatnonzero(of_user >= 0)
    if not len(known):
        raise DataError(
            f"none of the {len(of_user):,} users of the later interactions is known ({first_few(later.users[:1])}): "
            "only users of the training can be judged, by what they took after it"
        )
    rows, matrix = of_user[known], sp.csr_array(later.matrix[known])
    before = sp.csr_array(recommender.taken[rows])
    repeated = sp.csr_array(matrix.multiply(before))
    new = sp.csr_array(matrix - repeated)
    new.eliminate_zeros()
    if not new.nnz:
        raise DataError(
            f"all {matrix.nnz:,} interactions of known users with known items were taken before, in training: the "
            "interactions must be later ones"
        )
    some = np.flatnonzero(np.diff(new.indptr))
    rows, new, before = rows[some], sp.csr_array(new[some]), sp.csr_array(before[some])
    pairs = np.argwhere(domain_counts(new, trained.item_domain, len(trained.domains)))
    items = tuple(trained.columns(d) for d in range(len(trained.domains)))
    position = np.zeros(len(trained.items), np.int64)
    for of_domain in items:
        position[of_domain] = np.arange(len(of_domain))
    found = Pairs.from_matrix(pairs, new, trained.item_domain, Catalogue(items, (), position))
    had = domain_counts(before, trained.item_domain, len(trained.domains))
    left_out = {
        "users": len(of_user),
        "unknown_users": len(of_user) - len(known),
        "interactions": int(later.matrix.nnz),
        "their_interactions": int(later.matrix.nnz - matrix.nnz),
        "taken_before": int(repeated.nnz),
    }
    return LaterPairs(rows, found, had[tuple(pairs.T)] > 0, left_out)


def evaluate_later(
    recommender: Recommender,
    judged: LaterPairs,
    lists: Mapping[str, GivenLists] | None = None,
    cutoffs: Sequence[int] = (K,),
) -> dict[str, Any]:
    """Measure how high a trained folder, and other lists, rank what users took later.

    Parameters
    ----------
    recommender : Recommender
    judged : LaterPairs
        From `later_pairs`.
    lists : mapping of str to GivenLists, optional
        By name; from `read_lists`, for the users `recommender.users[judged.rows]`.
    cutoffs : sequence of int, default (10,)
        The k of the metrics; 10 is always among them.

    Returns
    -------
    dict
        "pairs" and "users", how many are judged; "left_out"; "test", each metric of "trained" (the folder as it
        serves), "condition" (the same without own histories, if it has weights for them), "popularity" (in training)
        and each of the lists; "paired", the mean difference in ``NDCG@10`` of "trained" to each other and its standard
        error; "by_domain" and "by_own_history", both for groups of pairs; "without_list", for how many pairs each of
        the lists is empty.
    """
    lists = lists or {}
    if taken_names := [name for name in lists if name in (TRAINED, CONDITION, POPULARITY)]:
        raise ValueError(f"lists has the name {taken_names[0]!r}, which is taken: give the lists another name")
    cutoffs = sorted({*cutoffs, K})
    scores = {
        **_own_scores(recommender, judged),
        **{name: _list_score(recommender, one) for name, one in lists.items()},
    }
    ranked = {name: _rank(recommender, judged, score, max(cutoffs)) for name, score in scores.items()}
    domains = recommender.trained.domains.tolist()
    users, every = judged.pairs.users, np.ones(len(judged.pairs), bool)
    return {
        "pairs": len(judged.pairs),
        "users": len(judged.rows),
        "left_out": judged.left_out,
        **_group(ranked, users, every, cutoffs),
        "by_domain": {
            name: _group(ranked, users, judged.pairs.domains == d, cutoffs) for d, name in enumerate(domains)
        },
        "by_own_history": {
            "with": _group(ranked, users, judged.own, cutoffs),
            "without": _group(ranked, users, ~judged.own, cutoffs),
        },
        "without_list": {name: _pairs_without_list(recommender, judged, one) for name, one in lists.items()},
    }


def _own_scores(recommender: Recommender, judged: LaterPairs) -> dict[str, Score]:
    """Return the scores of the folder itself, as it serves and in its parts."""
    trained, taken = recommender.trained, sp.csr_array(recommender.taken[judged.rows])
    conditions = trained.condition(*recommender.vectors(judged.rows))

    def condition(users: Ids, domain: int) -> Array:
        return trained.scores(conditions[users, domain], domain)

    def served(users: Ids, domain: int) -> Array:
        scores = condition(users, domain)
        trained.add_own_history(scores, sp.csr_array(taken[users]), domain)
        return scores

    def popularity(users: Ids, domain: int) -> Array:
        share = trained.factors.popularity[trained.columns(domain)]
        return np.broadcast_to(share, (len(users), len(share)))

    parts = {} if trained.own_history is None else {CONDITION: condition}
    return {TRAINED: served, **parts, POPULARITY: popularity}


def _list_score(recommender: Recommender, lists: GivenLists) -> Score:
    return lambda users, domain: lists.scores(users, recommender.trained.columns(domain))


def _rank(recommender: Recommender, judged: LaterPairs, score: Score, depth: int) -> Rankings:
    """Rank what was not taken before, down to a depth; what scores -inf is not listed."""
    pairs = judged.pairs
    hits = np.zeros((len(pairs), depth), bool)
    for domain in np.unique(pairs.domains).tolist():
        rows, columns = np.flatnonzero(pairs.domains == domain), recommender.trained.columns(domain)
        size = max(1, min(BLOCK, SCORES // len(columns)))
        for start in range(0, len(rows), size):
            block = rows[start : start + size]
            [group] = pairs.take(block).groups()
            users = pairs.users[block]
            before = recommender.taken[judged.rows[users]][:, columns].toarray() > 0
            scores = np.where(before, -np.inf, score(users, domain))
            best = top_k(scores, depth)
            found = np.take_along_axis(group.positive, best, axis=1)
            hits[block, : best.shape[1]] = found & np.isfinite(np.take_along_axis(scores, best, axis=1))
    return Rankings(hits, np.diff(pairs.offsets), np.zeros(0, np.int64))


def _pairs_without_list(recommender: Recommender, judged: LaterPairs, lists: GivenLists) -> int:
    trained = recommender.trained
    listed = domain_counts(lists.priorities, trained.item_domain, len(trained.domains))
    return int(np.sum(listed[judged.pairs.users, judged.pairs.domains] == 0))


def _group(
    ranked: Mapping[str, Rankings], users: Ids, rows: npt.NDArray[np.bool_], cutoffs: Sequence[int]
) -> dict[str, Any]:
    """Return metrics and differences over some pairs; no differences where there are fewer than 5 users."""
    if not rows.any():
        return {"pairs": 0, "test": {}, "paired": {}}
    test = {
        name: {
            f"{metric}@{k}": float(np.mean(rankings.measure(metric, k)[rows]))
            for k in cutoffs
            for metric in PAIR_METRICS
        }
        for name, rankings in ranked.items()
    }
    paired = {}
    if len(np.unique(users[rows])) >= FEWEST_USERS:
        ndcg = {name: rankings.measure("ndcg", K)[rows] for name, rankings in ranked.items()}
        paired = {
            name: mean_difference([ndcg[TRAINED] - other], [users[rows]])
            for name, other in ndcg.items()
            if name != TRAINED
        }
    return {"pairs": int(rows.sum()), "test": test, "paired": paired}
