"""Vectors that are made when they are asked for give the experiment of vectors that are held."""

import numpy as np
import pytest

from acg_numpy.recommender.data import interactions as interactions_module
from acg_numpy.recommender.data import splits
from acg_numpy.recommender.evaluation.metrics import ndcg_at_k
from acg_numpy.recommender.serving import run_folder
from acg_numpy.recommender.training import fit, history_vectors
from tests.recommender.training.test_run import small_timed

OPTIONS = {"epochs": 2, "emb_dim": 4, "heads": 2, "tokens_per_domain": 2, "models": ["ptupcdr"]}
BY_TIME = {"protocol": "temporal", "min_inside": 2, "min_elsewhere": 3, "validation": 0.3}


@pytest.fixture(scope="module", params=["random", "temporal"])
def runs(request):
    """The same experiment twice, with vectors that are held, and with vectors that are not."""
    options = {**OPTIONS, **(BY_TIME if request.param == "temporal" else {})}
    held = fit(small_timed(0), **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_vectors, "HELD", 0)
        patch.setattr(interactions_module, "ROWS_AT_ONCE", 7)
        made = fit(small_timed(0), **options)
    return held, made


def test_figures_and_files_are_the_same_to_the_bit(runs, tmp_path, monkeypatch):
    held, made = runs
    assert isinstance(held.user_vectors, np.ndarray)
    assert isinstance(made.user_vectors, history_vectors.HistoryVectors)
    assert made.user_vectors.shape == held.user_vectors.shape
    for result in runs:
        for row in result.metrics["test"].values():
            del row["seconds"]
    assert made.metrics == held.metrics
    assert made.history["loss"] == held.history["loss"]
    for name in ("conditions", "test_conditions"):
        np.testing.assert_array_equal(getattr(made, name), getattr(held, name))
    held.write(tmp_path / "held")
    monkeypatch.setattr(splits, "WRITTEN_AT_ONCE", 7)
    monkeypatch.setattr(run_folder, "IDS_AT_ONCE", 7)
    made.write(tmp_path / "made")
    for name in ("conditions.npy", "test_conditions.npy", "split.tsv", "users.txt", "test_pairs.tsv", "items.txt"):
        assert (tmp_path / "made" / name).read_bytes() == (tmp_path / "held" / name).read_bytes(), name
    np.testing.assert_array_equal(np.load(tmp_path / "made" / "conditions.npy"), held.conditions)


def test_conditions_of_test_pairs_are_those_that_were_measured(runs):
    result, taken = runs[0], runs[0].interactions
    measured = result.test_pairs[0].rankings["attention"].measure("ndcg", 10)
    for (user, domain), condition, expected in zip(result.split.test, result.test_conditions, measured, strict=True):
        relevant = taken.matrix[[user]].toarray()[:, taken.columns(domain)] > 0
        assert ndcg_at_k(result.trained.scores(condition, domain)[None], relevant)[0] == pytest.approx(expected)
