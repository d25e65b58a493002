"""One run on large data: candidates are drawn and the report says so, and memory follows the interactions."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from acg_numpy.recommender.data import Interactions
from acg_numpy.recommender.data import pairs as pairs_module
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


def test_nothing_is_said_where_nothing_was_drawn():
    result = fit(small_interactions(), **{**OPTIONS, "epochs": 1})
    assert result.metrics["drawn_candidates"] == {}
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
