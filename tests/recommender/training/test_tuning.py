"""A search tries the points of each model on splits of its own, and the best mean validation decides."""

import numpy as np
import pytest

from acg_numpy.recommender.data import draw_split
from acg_numpy.recommender.models import search_points
from acg_numpy.recommender.training import fit
from acg_numpy.recommender.training.tuning import SPLITS, tuning_seeds
from tests.recommender.training.conftest import SMALL

TUNED = {**SMALL, "epochs": 2, "seeds": 2, "seed": 3, "models": ["film", "popularity"], "tune": 3}


@pytest.fixture(scope="module")
def tuned(interactions):
    reports = []
    return fit(interactions, progress=reports.append, **TUNED), reports


def test_the_point_with_the_best_mean_validation_is_chosen(tuned):
    settings = tuned[0].metrics["settings"]
    assert set(settings) == {"film", "attention"}
    for name, fixed in (("film", None), ("attention", {"heads": 2, "inner_dim": 8, "tokens_per_domain": 3})):
        tried = settings[name]["tried"]
        assert [point["settings"] for point in tried] == search_points(name, 3, fixed)
        for point in tried:
            assert len(point["validation"]["values"]) == SPLITS
            assert point["validation"]["mean"] == pytest.approx(np.mean(point["validation"]["values"]))
        best = max(tried, key=lambda point: point["validation"]["mean"])
        assert settings[name]["chosen"] == best["settings"]


def test_runs_use_what_was_chosen_and_the_figures_follow_from_it(tuned, interactions):
    result = tuned[0]
    chosen = result.metrics["settings"]["attention"]["chosen"]
    named = {key: chosen[key] for key in ("rate", "dropout", "head_dropout")}
    again = fit(interactions, **{**TUNED, "models": None, "baselines": False, "tune": 0, **named})
    assert again.metrics["test"]["attention"]["ndcg@10"] == result.metrics["test"]["attention"]["ndcg@10"]
    assert [run["seed"] for run in result.metrics["runs"]] == [3, 4]


def test_progress_says_which_point_is_tried_on_which_split(tuned):
    search = [report for report in tuned[1] if report.point]
    assert len(search) == 2 * 3 * SPLITS * 2  # models, points, splits, epochs
    assert {(report.run, report.runs, report.point, report.points) for report in search} == {
        (split, SPLITS, point, 3) for split in range(1, SPLITS + 1) for point in (1, 2, 3)
    }
    assert len(tuned[1]) - len(search) == 2 * 2 * 2  # models, runs, epochs


def test_the_splits_of_a_search_are_none_of_the_runs():
    assert not set(tuning_seeds(3)) & set(range(1000))


def test_a_provided_split_is_searched_on_its_own_validation_pairs(interactions):
    one = {**TUNED, "epochs": 1, "seeds": 1, "models": ["film"], "tune": 1}
    tried = fit(interactions, split=draw_split(interactions, 77), **one).metrics["settings"]["film"]["tried"]
    assert len(set(tried[0]["validation"]["values"])) > 1  # other initial values, on the same pairs
