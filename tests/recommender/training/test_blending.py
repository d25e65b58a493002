"""The own history counts as much as it helped on validation, and the test says what it is worth."""

import numpy as np
import pytest

from acg_numpy.recommender.evaluation.metrics import ndcg_at_k
from acg_numpy.recommender.training import blending
from acg_numpy.recommender.training.blending import BOTH, CONDITION, choose_and_test, summarise_own_history
from acg_numpy.recommender.training.provided import Provided
from acg_numpy.recommender.training.run import RunData


@pytest.fixture(scope="module")
def run(interactions):
    """One run whose ranker is not trained: everything that it can know of a user is the own history."""
    data = RunData.draw(interactions, 0, 4, Provided.align(interactions, 4, None, None, None), depth=10)
    return data, data.ranker("attention", {"heads": 2, "inner_dim": 4, "tokens_per_domain": 2, "rate": 0.01}).eval()


def test_the_choice_is_the_best_of_the_grid_on_validation(run):
    data, ranker = run
    taken, chosen = data.interactions, choose_and_test(data, ranker)
    assert chosen.blend > 0  # beside an untrained condition
    assert len(chosen.users) > 0
    halves = blending._questions(data, ranker, None, data.split.validation, np.inf, 0, 2000)
    means = {}
    for strength in blending.STRENGTHS:
        weights = blending.item_weights(data.visible, taken.item_domain, taken.same_item, strength)
        measured = blending._measure(ranker, halves, weights, blending.BLENDS)
        means |= {(strength, blend): ndcg.mean() for blend, ndcg in zip(blending.BLENDS, measured, strict=True)}
    assert means[chosen.strength, chosen.blend] == max(means.values())


def test_a_measured_pair_is_the_ranking_of_what_is_left(run):
    data, ranker = run
    taken, questions = data.interactions, blending._questions(data, ranker, None, data.split.test, np.inf, 1, 10_000)
    weights = blending.item_weights(data.visible, taken.item_domain, taken.same_item, 10.0)
    [found] = blending._measure(ranker, questions, weights, (4.0,))
    (users, known, asked), conditions = questions
    for row in range(0, len(users), 5):
        columns = data.interactions.columns(asked.domains[row])
        scores = ranker.score(conditions[[row]], int(asked.domains[row])).data
        had = known[[row]].toarray()[0]
        scores = scores + 4 * (had @ weights.toarray())[columns]
        relevant = np.zeros(len(columns), bool)
        relevant[asked.positives[asked.offsets[row] : asked.offsets[row + 1]]] = True
        left = had[columns] == 0
        assert found[row] == pytest.approx(ndcg_at_k(scores[:, left], relevant[None, left])[0])


def test_histories_that_do_not_help_are_left_out(run, monkeypatch):
    data, ranker = run
    monkeypatch.setattr(blending, "item_weights", lambda matrix, *_: -matrix[: matrix.shape[1]] * 0)
    chosen = choose_and_test(data, ranker)
    assert chosen.blend == 0
    np.testing.assert_array_equal(chosen.ndcg[BOTH], chosen.ndcg[CONDITION])
    assert blending.fit_own_history(data.interactions, chosen) is None
    assert summarise_own_history([chosen], None, by_time=True)["bytes"] == 0
    assert summarise_own_history([None], None, by_time=True) == {}
