"""Ablation of what a condition is made from: one input is changed, and NDCG@10 measured again.

    users permuted       each test pair gets the vector of another user with a test pair in the same domain
    domains permuted     the conditioner gets another domain; user vector and candidates stay those of the right one
    uniform attention    every token gets the same weight (the query projection is set to zero, so all scores are equal)
    one token left out   the token is masked, and its weight is distributed among the others

Nothing is trained again.  If NDCG@10 falls, the trained conditioner relies on what was changed, for these pairs.  It
does not follow that a conditioner trained without it would be worse, nor that a weight in an attention map is a cause.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd import no_grad
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.recommender.data.factors import UserVectors
from acg_numpy.recommender.data.pairs import Ids, Pairs
from acg_numpy.recommender.evaluation.protocol import evaluate
from acg_numpy.recommender.evaluation.significance import mean_difference
from acg_numpy.shapes import Array

MOST_PAIRS = 20_000  # test pairs that are used; of more, so many are drawn at random
OTHER_DOMAINS = 4  # that the conditioner gets in turn

USERS, DOMAINS, UNIFORM, TOKEN = "users permuted", "domains permuted", "uniform attention", "one token left out"
CHANGES = (USERS, DOMAINS, UNIFORM, TOKEN)

Condition = Callable[[Ids, int], Array]
"""Conditions (b, D) of users (b,) for one domain."""


class ScoringModel(Protocol):
    """A model of conditions that scores them against the items of a domain, as `training.ranker.Ranker` does."""

    model: Any

    def score(self, condition: Any, domain: int) -> Any:
        """Score conditions (b, D) against the items of one domain: (b, I_d)."""


def dependence(
    ranker: ScoringModel, user_vectors: UserVectors, test: Pairs, domains: Sequence[str], *, seed: int
) -> dict[str, Any]:
    """Measure what the conditions of a trained ranker depend on.

    Parameters
    ----------
    ranker : ScoringModel
        In evaluation mode, its model an `AttentionConditioner`.
    user_vectors : UserVectors, shape (U, N, D)
    test : Pairs
    domains : sequence of str
        Their names.
    seed : int
        Of the permutations.

    Returns
    -------
    dict
        Numbers: "pairs", how many were used; "ndcg@10" with nothing changed ("unchanged") and under each of
        `CHANGES`, where leaving a token out is the mean over tokens; "paired", under each the mean difference to
        "unchanged" and its standard error; "largest change", by how much a number of a condition changes at most if
        users are permuted; and "tokens", for each domain that has pairs, their number, NDCG@10 on them as it is, and
        with each token left out.  If there is one token only, none can be left out.
    """
    conditioner = ranker.model
    assert isinstance(conditioner, AttentionConditioner)
    rng = np.random.default_rng(seed)
    if len(test) > MOST_PAIRS:
        test = test.take(np.sort(rng.choice(len(test), MOST_PAIRS, replace=False)))
    count = user_vectors.shape[1]
    stand_in = _permute_users(test, count, rng)

    def condition(users: Ids, domain: int, *, shift: int = 0, mask: Array | None = None) -> Array:
        domain_id = np.full(len(users), (domain + shift) % count)
        with no_grad():
            conditions: Array = conditioner(user_vectors[users, domain], domain_id, mask=mask).numpy()
        return conditions

    def permuted(users: Ids, domain: int) -> Array:
        return condition(stand_in(users, domain), domain)

    def ndcg(make: Condition) -> npt.NDArray[np.float64]:
        with no_grad():
            return evaluate(lambda users, domain: ranker.score(make(users, domain), domain).numpy(), test)[0]

    unchanged = ndcg(condition)
    changed = {USERS: ndcg(permuted)}
    shifts = rng.permutation(np.arange(1, count))[:OTHER_DOMAINS].tolist()
    if shifts:
        changed[DOMAINS] = np.mean([ndcg(partial(condition, shift=shift)) for shift in shifts], axis=0)
    with _uniform_attention(conditioner):
        changed[UNIFORM] = ndcg(condition)
    masks = ~np.eye(_num_tokens(conditioner), dtype=bool)
    without = np.array([ndcg(partial(condition, mask=mask)) for mask in masks])
    if len(masks) > 1:
        changed[TOKEN] = np.mean(without, axis=0)
    return {
        "pairs": len(test),
        "ndcg@10": {"unchanged": float(np.mean(unchanged)), **{c: float(np.mean(x)) for c, x in changed.items()}},
        "paired": {change: mean_difference([x - unchanged], [test.users]) for change, x in changed.items()},
        "largest change": max(
            float(np.abs(permuted(users, d) - condition(users, d)).max()) for d, users in _by_domain(test)
        ),
        "tokens": {
            str(domains[d]): {
                "pairs": int(np.sum(test.domains == d)),
                "unchanged": float(np.mean(unchanged[test.domains == d])),
                "without": np.mean(without[:, test.domains == d], axis=1).tolist(),
            }
            for d, _ in _by_domain(test)
        }
        if len(masks) > 1
        else {},
    }


def _by_domain(pairs: Pairs) -> Iterator[tuple[int, Ids]]:
    """Go through the domains that have pairs, each with its users in order."""
    for domain in np.unique(pairs.domains).tolist():
        yield domain, np.sort(pairs.users[pairs.domains == domain])


def _permute_users(pairs: Pairs, count: int, rng: np.random.Generator) -> Callable[[Ids, int], Ids]:
    """Assign every user of a domain's pairs another one of them: one cycle through all, so that each gets another."""
    users: list[Ids] = [np.zeros(0, np.int64)] * count
    others = list(users)
    for domain, domain_users in _by_domain(pairs):
        cycle = rng.permutation(len(domain_users))
        users[domain], others[domain] = domain_users, np.empty_like(domain_users)
        others[domain][cycle] = domain_users[np.roll(cycle, 1)]
    return lambda asked, domain: others[domain][np.searchsorted(users[domain], asked)]


def _num_tokens(conditioner: AttentionConditioner) -> int:
    embedding = conditioner.domain_embedding
    return embedding.tokens_per_domain + embedding.num_global_tokens


@contextmanager
def _uniform_attention(conditioner: AttentionConditioner) -> Iterator[None]:
    """Set the query projection to zero within a block."""
    query = [parameter.data for parameter in conditioner.attention.query.parameters()]
    before = [values.copy() for values in query]
    try:
        for values in query:
            values[...] = 0
        yield
    finally:
        for values, old in zip(query, before, strict=True):
            values[...] = old
