"""One run on large data: candidates are drawn and the report says so, and memory follows the interactions."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from acg_numpy.recommender.data import Interactions
from acg_numpy.recommender.data import pairs as pairs_module
from acg_numpy.recommender.data.splits import split_at
from acg_numpy.recommender.evaluation.protocol import evaluate
from acg_numpy.recommender.reporting.notebook import result_markdown
from acg_numpy.recommender.training import fit, loop
from acg_numpy.recommender.training.provided import Provided
from acg_numpy.recommender.training.run import RunData
from tests.recommender.conftest import small_interactions

OPTIONS = {"epochs": 3, "emb_dim": 8, "heads": 2, "tokens_per_domain": 2, "baselines": False}


@pytest.fixture
def few_are_many(monkeypatch):
    """Domains of more than 11 items are large, and 4 items are drawn there: of the three domains, in two."""
    monkeypatch.setattr(pairs_module, "MANY_ITEMS", 11)
    monkeypatch.setattr(pairs_module, "NUM_DRAWN", 4)


def spread_out(users, items, number, domains=4, seed=0):
    """Interactions of random users with random items."""
    rng = np.random.default_rng(seed)
    cell = np.unique(rng.integers(users * items, size=number))
    matrix = sp.csr_array((np.ones(len(cell), np.float32), (cell // items, cell % items)), shape=(users, items))
    return Interactions(
        users=np.arange(users).astype(str),
        items=np.arange(items).astype(str),
        domains=np.arange(domains).astype(str),
        matrix=matrix,
        item_domain=np.arange(items) % domains,
    )


def evaluated_run(interactions):
    """Everything of one run but the training, and its evaluation on the test pairs."""
    data = RunData.draw(interactions, 0, 4, Provided.align(interactions, 4, None, None, None), depth=10)
    data.training.take(np.arange(min(len(data.training), loop.BATCH))).draw_candidates(np.random.default_rng(0))
    return evaluate(lambda users, d: data.user_vectors[users, d] @ data.catalogue.vectors[d].T, data.test)


@pytest.mark.usefixtures("few_are_many")
def test_metrics_and_report_say_where_candidates_were_drawn():
    result = fit(small_interactions(), **OPTIONS)
    assert result.metrics["drawn_candidates"] == {
        "domain 0": {"items": 14, "drawn": 4},
        "domain 1": {"items": 12, "drawn": 4},
    }
    said = next(line for line in result_markdown(result.metrics).splitlines() if line.startswith("Sampled candidates"))
    assert "in domain 0 (14 items) and domain 1 (12 items) a batch" in said
    assert "4 others drawn uniformly" in said
    assert "over all items" in said


def test_models_are_trained_on_a_sample_and_the_report_says_so():
    result = fit(small_interactions(), **{**OPTIONS, "epochs": 1}, sample_pairs=20)
    run = result.metrics["runs"][0]["pairs"]
    available = len(result.split.train)
    assert run["train"] == 20 < available
    assert result.metrics["sampled_pairs"] == {"sampled": 20, "of": available}
    said = next(line for line in result_markdown(result.metrics).splitlines() if line.startswith("Sampled pairs"))
    assert f"trained on 20 of {available} pairs of a user and a domain, each domain with its share" in said


def test_nothing_is_said_where_nothing_was_drawn():
    result = fit(small_interactions(), **{**OPTIONS, "epochs": 1})
    assert result.metrics["drawn_candidates"] == result.metrics["sampled_pairs"] == {}
    assert "Sampled" not in result_markdown(result.metrics)


@pytest.mark.usefixtures("few_are_many")
def test_a_stopped_training_draws_the_same_candidates_when_it_resumes(tmp_path):
    def stop(report):
        if report.epoch == 2:
            raise KeyboardInterrupt

    state = tmp_path / "last.npz"
    whole = fit(small_interactions(), **OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        fit(small_interactions(), **OPTIONS, state=state, progress=stop)
    resumed = fit(small_interactions(), **OPTIONS, state=state, resume=True)
    assert resumed.history == whole.history
    np.testing.assert_array_equal(resumed.conditions, whole.conditions)
    np.testing.assert_array_equal(resumed.item_bias, whole.item_bias)


def test_training_on_drawn_candidates_comes_out_near_training_on_all(monkeypatch):
    options = {**OPTIONS, "epochs": 12}
    whole = fit(small_interactions(users=300), **options)
    monkeypatch.setattr(pairs_module, "MANY_ITEMS", 0)
    monkeypatch.setattr(pairs_module, "NUM_DRAWN", 9)
    drawn = fit(small_interactions(users=300), **options)
    losses = [np.array(result.history["loss"]) for result in (whole, drawn)]
    assert np.all(np.diff(losses[1])[:3] < 0)
    np.testing.assert_allclose(losses[1][-1], losses[0][-1], rtol=0.05)
    ndcg = [result.metrics["test"]["attention"]["ndcg@10"]["mean"] for result in (whole, drawn)]
    assert ndcg[1] == pytest.approx(ndcg[0], abs=0.03)


def test_memory_follows_the_interactions_and_not_users_times_items(monkeypatch):
    monkeypatch.setattr(pairs_module, "SCORES", 1 << 16)
    peaks = []
    for times in (1, 4):  # the same interactions among 16 times as many cells
        interactions = spread_out(1_000 * times, 500 * times, 60_000)
        tracemalloc.start()
        evaluated_run(interactions)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    cells = 4_000 * 2_000
    assert peaks[1] < cells  # not a byte for each
    assert peaks[1] < 3 * peaks[0]


def small_timed(seed):
    """The small set, each of whose users goes from domain to domain, at a date of their own."""
    taken, rng = small_interactions(), np.random.default_rng(seed)
    user = np.repeat(np.arange(80), np.diff(taken.matrix.indptr))
    turn = rng.permuted(np.tile(np.arange(3), (80, 1)), axis=1)[user, taken.item_domain[taken.matrix.indices]]
    return replace(taken, times=rng.uniform(0, 100, 80)[user] + 30 * turn + rng.uniform(0, 30, len(user)))


def by_time(interactions, provided_until=None, seed=0):
    """Everything of one run under the temporal protocol, at the cuts of another, if they are given."""
    if provided_until is None:
        options = {"protocol": "temporal", "min_inside": 2, "min_elsewhere": 3, "validation": 0.3}
        return RunData.draw(interactions, seed, 4, Provided.align(interactions, 4, None, None, None, options))
    split = split_at(interactions, *provided_until, min_inside=2, min_elsewhere=3)
    return RunData.draw(interactions, seed, 4, Provided.align(interactions, 4, split, None, None))


def test_what_happens_after_the_test_began_changes_nothing_in_training():
    taken, rng = small_timed(0), np.random.default_rng(0)
    run = by_time(taken)
    late = taken.times >= run.split.until
    kept = ~late | (rng.random(len(late)) < 0.7)
    rows = np.repeat(np.arange(80), np.diff(taken.matrix.indptr))[kept]
    matrix = sp.csr_array((np.ones(kept.sum(), np.float32), (rows, taken.matrix.indices[kept])), shape=(80, 36))
    changed = by_time(replace(taken, matrix=matrix, times=taken.times[kept]), (run.split.cut[0], run.split.until))
    assert len(changed.test) < len(run.test)
    for part in ("training", "validation"):
        one, other = getattr(run, part), getattr(changed, part)
        assert len(one) > 10
        for name in ("users", "domains", "offsets", "positives"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        vectors = (data.user_vectors[one.users, one.domains] for data in (run, changed))
        np.testing.assert_array_equal(*vectors)
    np.testing.assert_array_equal(run.factors.item_vectors, changed.factors.item_vectors)
    np.testing.assert_array_equal(run.factors.popularity, changed.factors.popularity)


def test_a_held_out_pairs_vector_and_queries_are_its_own_history():
    taken = small_timed(1)
    run = by_time(taken)
    histories = run.split.histories(taken, run.split.test)
    expected = run.factors.user_vectors(histories)
    later = 0
    for row, (user, domain) in enumerate(run.split.test.tolist()):
        np.testing.assert_allclose(run.user_vectors[user, domain], expected[row, domain], rtol=1e-6)
        np.testing.assert_array_equal(run.query(domain)[[user]].toarray(), histories[[row]].toarray())
        later += histories[[row]].nnz > run.visible[[user]].nnz
    assert later > 5  # who did more between the end of training and the question
    np.testing.assert_array_equal(run.pair_facts().history, histories.sum(axis=1))
