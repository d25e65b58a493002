"""The words say what the figures say, and no more."""

import numpy as np
import pytest

from acg_numpy.training.report import markdown, verdict
from acg_numpy.training.result import Outcome, Run, paired_difference, summarise


def run_of(rng, users, **ndcg):
    outcomes = {name.replace("_", "-"): Outcome(None, x, x, 1, 0.5, 2, None) for name, x in ndcg.items()}
    split = type("Pairs", (), {"test": np.stack([users, np.zeros_like(users)], axis=1)})
    return Run(3, {"train": 9, "validation": 2, "test": len(users)}, split, None, outcomes)


def paired_with(**differences):
    rng = np.random.default_rng(0)
    attention = rng.random(200)
    return run_of(
        rng,
        np.arange(200),
        attention=attention,
        **{name: attention - shift + rng.normal(size=200) * 0.01 for name, shift in differences.items()},
    )


def report_of(run):
    metrics = {
        **summarise([run]),
        "runs": [{"seed": 3, "pairs": run.sizes}],
        "users": 5,
        "items": 6,
        "domains": ["a", "b"],
    }
    return markdown(metrics)


def test_a_pair_per_user_gives_the_textbooks_standard_error():
    run = paired_with(film=0.1)
    x = run.outcomes["attention"].ndcg - run.outcomes["film"].ndcg
    comparison = paired_difference([run], "film")
    assert comparison["difference"] == pytest.approx(np.mean(x))
    assert comparison["se"] == pytest.approx(np.std(x, ddof=1) / np.sqrt(200))


def test_the_same_pairs_twice_are_no_more_certain_than_once():
    run = paired_with(film=0.1)
    once, twice = paired_difference([run], "film"), paired_difference([run, run], "film")
    assert twice == pytest.approx(once)


def test_leading_means_more_than_two_standard_errors():
    assert [verdict({"difference": x, "se": 1.0}) for x in (2.01, 1.99, 0.0, -1.99, -2.01)] == [1, 0, 0, 0, -1]


def test_the_words_put_every_model_on_its_side():
    text = report_of(paired_with(popularity=0.3, film=0.0, concat_mlp=-0.2, user=0.1))
    assert "Attention leads `popularity` and `user` by more than two standard errors." in text
    assert "Between attention and `film` these pairs do not decide" in text
    assert "Attention is led by `concat-mlp`" in text
    order = [text.index(f"| {name} |") for name in ("popularity", "user", "film", "concat-mlp")]
    assert order[0] < order[1] < order[3]
    assert "one key" not in text


def test_attention_alone_claims_nothing():
    text = report_of(paired_with())
    assert "nothing is said about whether attention helps here" in text
