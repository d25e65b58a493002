"""The own-history model of a run: its strength and blend, chosen on validation, and what it is worth on the test pairs.

The questions are held-out pairs cut half-way (see `acg_numpy.recommender.evaluation.halfway`), so that something of
the user is known in the domain.  The condition is the one of a trained ranker, made from what is known elsewhere; all
that is known goes into the weights of `acg_numpy.recommender.serving.own_history`, which are fitted to what training
sees.  Of all pairs of a strength and a blend the one with the best ``NDCG@10`` on validation is taken, if
its lead over the condition alone is more than its standard error; otherwise the blend is 0, and there are no weights.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.autograd import no_grad
from acg_numpy.recommender.data import Interactions
from acg_numpy.recommender.data.factors import UserVectors
from acg_numpy.recommender.data.pairs import SCORES, Ids
from acg_numpy.recommender.evaluation.breakdown import spread
from acg_numpy.recommender.evaluation.halfway import Halfway, cut_halfway
from acg_numpy.recommender.evaluation.metrics import ndcg_at_k
from acg_numpy.recommender.evaluation.protocol import K
from acg_numpy.recommender.evaluation.significance import mean_difference
from acg_numpy.recommender.serving.own_history import OwnHistory, item_weights
from acg_numpy.recommender.training.loop import child_seed
from acg_numpy.recommender.training.ranker import Ranker
from acg_numpy.shapes import Array

if TYPE_CHECKING:
    from acg_numpy.recommender.training.run import RunData

STRENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0)
BLENDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
MOST_PAIRS = (2000, 10_000)  # of validation, and of the test; of more a random sample is used
BLOCK = 256  # pairs that are scored together
CONDITION, BOTH, ALONE = "condition", "condition and own history", "own history"


class OwnHistoryTest(NamedTuple):
    """The choice of one run, and ``NDCG@10`` of each way to score on the test pairs that were cut half-way."""

    strength: float
    blend: float
    validation_pairs: int
    users: Ids
    ndcg: dict[str, npt.NDArray[np.float64]]


class Questions(NamedTuple):
    """Pairs that were cut half-way, and their conditions."""

    halfway: Halfway
    conditions: Array  # (P, D)


def choose_and_test(data: "RunData", ranker: Ranker, own_vectors: UserVectors | None = None) -> OwnHistoryTest:
    """Choose the strength and the blend of one run on its validation pairs, and test them.

    Parameters
    ----------
    data : RunData
    ranker : Ranker
        Trained, in evaluation mode.
    own_vectors : UserVectors, shape (U, N, D), optional
        The users' vectors, where they do not come from interactions.

    Returns
    -------
    OwnHistoryTest
        With a blend of 0 where there is nothing to validate on.
    """
    validation, test = (
        _questions(data, ranker, own_vectors, pairs, until, number, most)
        for number, (pairs, until, most) in enumerate(
            zip((data.split.validation, data.split.test), (data.split.until, np.inf), MOST_PAIRS, strict=True)
        )
    )
    strength, blend, best = STRENGTHS[-1], 0.0, -np.inf
    taken, by_item, weights = data.interactions, sp.csc_array(data.visible), None
    for other in STRENGTHS if len(validation.halfway.users) else ():
        fitted = item_weights(by_item, taken.item_domain, taken.same_item, other)
        alone, *blended = _measure(ranker, validation, fitted, (0.0, *BLENDS))
        for candidate, ndcg in zip(BLENDS, blended, strict=True):
            lead = mean_difference([ndcg - alone], [validation.halfway.users])
            if lead["difference"] > max(best, lead["se"]):
                strength, blend, best, weights = other, candidate, lead["difference"], fitted
    if weights is None:
        weights = item_weights(by_item, taken.item_domain, taken.same_item, strength)
    measured = _measure(ranker, test, weights, (0.0, blend, np.inf))
    by_way = dict(zip((CONDITION, BOTH, ALONE), measured, strict=True))
    return OwnHistoryTest(strength, blend, len(validation.halfway.users), test.halfway.users, by_way)


def fit_own_history(interactions: Interactions, test: OwnHistoryTest | None) -> OwnHistory | None:
    """Fit the weights to all interactions, as the choice of a run says; None where its blend is 0."""
    if test is None or not test.blend:
        return None
    weights = item_weights(interactions.matrix, interactions.item_domain, interactions.same_item, test.strength)
    return OwnHistory(weights, test.strength, test.blend)


def summarise_own_history(
    tests: Sequence[OwnHistoryTest | None], own: OwnHistory | None, *, by_time: bool
) -> dict[str, Any]:
    """Condense the tests of runs for metrics.json.

    Returns
    -------
    dict
        "by_time", whether the pairs were cut by time; "strength", "blend", "validation_pairs" and "pairs", a value for
        each run; "bytes" of the weights in the checkpoint; "test", NDCG@10 of each way to score; and "paired", the mean
        difference of each to the condition alone.  Empty where no test pair has items on both sides of half-way.
    """
    judged = [test for test in tests if test is not None and len(test.users)]
    if not judged:
        return {}
    users = [test.users for test in judged]
    return {
        "by_time": by_time,
        "strength": [test.strength for test in judged],
        "blend": [test.blend for test in judged],
        "validation_pairs": [test.validation_pairs for test in judged],
        "pairs": [len(test.users) for test in judged],
        "bytes": 0 if own is None else own.nbytes,
        "test": {
            way: {"ndcg@10": spread([float(np.mean(test.ndcg[way])) for test in judged])} for way in judged[0].ndcg
        },
        "paired": {
            way: mean_difference([test.ndcg[way] - test.ndcg[CONDITION] for test in judged], users)
            for way in (BOTH, ALONE)
        },
    }


def _questions(
    data: "RunData", ranker: Ranker, own_vectors: UserVectors | None, pairs: Ids, until: float, number: int, most: int
) -> Questions:
    seed = child_seed(data.seed, f"own history {number}")
    if len(pairs) > most:
        pairs = pairs[np.sort(np.random.default_rng(seed).choice(len(pairs), most, replace=False))]
    halfway = cut_halfway(
        data.split, data.interactions, pairs, data.catalogue, visible=data.visible, until=until, seed=seed
    )
    domains = halfway.asked.domains
    if own_vectors is None:
        vectors = data.factors.pair_vectors(halfway.known, domains)
    else:
        vectors = own_vectors[halfway.users, domains]
    with no_grad():
        conditions = ranker.model(vectors, domains).numpy() if len(domains) else vectors
    return Questions(halfway, np.where(vectors.any(axis=1, keepdims=True), conditions, 0))


def _measure(
    ranker: Ranker, questions: Questions, weights: sp.csr_array, blends: Sequence[float]
) -> list[npt.NDArray[np.float64]]:
    """Measure ``NDCG@10`` of each pair, for each blend; infinity is the own history alone."""
    (_, known, asked), conditions = questions
    found = [np.zeros(len(asked)) for _ in blends]
    for domain in np.unique(asked.domains).tolist():
        rows = np.flatnonzero(asked.domains == domain)
        columns = ranker.catalogue.items[domain]
        to_domain = sp.csr_array(weights[:, columns])
        size = max(1, min(BLOCK, SCORES // len(columns)))
        for start in range(0, len(rows), size):
            block = rows[start : start + size]
            [group] = asked.take(block).groups()
            with no_grad():
                scores = ranker.score(conditions[block], domain).data
            own = (known[block] @ to_domain).toarray()
            seen = known[block][:, columns].toarray() > 0
            for blend, ndcg in zip(blends, found, strict=True):
                blended = own if np.isinf(blend) else scores + np.float32(blend) * own
                ndcg[block] = ndcg_at_k(np.where(seen, -np.inf, blended), group.positive, K)
    return found
