"""The words say what the figures say, and no more."""

import numpy as np
import pytest

from acg_numpy.recommender.evaluation.breakdown import PairFacts
from acg_numpy.recommender.evaluation.metrics import Rankings
from acg_numpy.recommender.reporting.markdown import render_markdown
from acg_numpy.recommender.reporting.words import summary
from acg_numpy.recommender.training.result import Outcome, Run, summarise


class Figures(Rankings):
    """Rankings whose metrics are whatever the first field holds."""

    def measure(self, metric, k):
        return self.hits


def run_of(rng, users, **ndcg):
    items = np.array([4, 2])
    outcomes = {
        name.replace("_", "-"): Outcome(None, Figures(x, np.ones(len(x)), np.zeros(6)), 1, 0.5, 2, None)
        for name, x in ndcg.items()
    }
    facts = PairFacts(users, np.zeros_like(users), users + 10, items * 9, items)
    return Run(3, 0, {"train": 9, "validation": 2, "test": len(users)}, facts, None, None, outcomes)


def paired_with(**differences):
    rng = np.random.default_rng(0)
    attention = rng.random(200)
    return run_of(
        rng,
        np.arange(200),
        attention=attention,
        **{name: attention - shift + rng.normal(size=200) * 0.01 for name, shift in differences.items()},
    )


def report_of(run, **more):
    metrics = {
        **summarise([run], ["a", "b"], (10,)),
        "runs": [{"seed": 3, "pairs": run.sizes}],
        "users": 5,
        "items": 6,
        "domains": ["a", "b"],
        **more,
    }
    return render_markdown(summary(metrics))


def test_the_words_put_every_model_on_its_side():
    text = report_of(paired_with(popularity=0.3, film=0.0, concat_mlp=-0.2, user=0.1))
    assert "Attention leads `popularity` and `user` by more than two standard errors." in text
    assert "do not decide between attention and `film`: the difference is two standard errors or less." in text
    assert "Attention is behind `concat-mlp` by more than two standard errors" in text
    order = [text.index(f"| {name} |") for name in ("popularity", "user", "film", "concat-mlp")]
    assert order[0] < order[1] < order[3]
    assert "one key" not in text


def test_attention_alone_claims_nothing():
    text = report_of(paired_with())
    assert "nothing is said about whether attention helps here" in text


def test_reference_lines_are_no_models_that_attention_could_be_led_by():
    run = paired_with(popularity=0.3, item_ridge=-0.2, user_knn=0.0)
    for name, strength in (("item-ridge", 10.0), ("user-knn", 80.0)):
        run.outcomes[name] = run.outcomes[name]._replace(strength=strength)
    text = report_of(run)
    assert "Attention leads `popularity` by more than two standard errors." in text
    assert "`item-ridge` and `user-knn` are reference lines, not conditioners." in text
    assert "chosen on the validation pairs: `item-ridge` 10; `user-knn` 80." in text
    assert "Attention is behind `item-ridge` by more than two standard errors" in text
    assert "do not decide between attention and `user-knn`: the difference is two standard errors or less." in text


def test_no_lead_is_claimed_over_a_model_that_was_given_less():
    run = paired_with(film=0.3, user=0.3, concat_mlp=-0.2)
    tried = {"attention": {"tried": [1, 2]}, "film": {"tried": [1, 2]}, "user": {"tried": [1]}}
    text = report_of(run, settings=tried, rising={"film": [3], "attention": [3], "concat-mlp": [3]})
    assert "leads" not in text
    assert "No lead is claimed over `film`, still improving when the epochs ended." in text
    assert "No lead is claimed over `user`, given 1 setting to choose from where attention had 2." in text
    assert "Attention is behind `concat-mlp` by more than two standard errors" in text
    assert "Attention was still improving when the epochs ended, so it may do better" in text
    assert "`concat-mlp` was still improving when the epochs ended, so it may do better than it does here." in text


@pytest.mark.parametrize("times", [True, False])
def test_the_protocol_is_said_and_that_times_were_not_used(times):
    protocol = {"protocol": "random", "min_inside": 2, "min_elsewhere": 7, "validation": 0.1}
    text = report_of(paired_with(), protocol=protocol, times=times)
    assert "Held out were a fifth of the pairs, at random, of pairs with at least 2 interactions inside" in text
    assert ("Times were not used" in text) == times
    assert "Times were" not in report_of(paired_with(), protocol={**protocol, "protocol": "temporal"}, times=times)


def test_one_key_is_set_beside_popularity():
    text = report_of(paired_with(popularity=0.1, one_key=0.1))
    assert "as popularity does (0." in text


def depending(largest, tokens=None, **differences):
    """What a model depends on, with standard errors of 0.01."""
    changes = {name.replace("_", " "): difference for name, difference in differences.items()}
    return {
        "pairs": [100],
        "ndcg@10": {
            "unchanged": {"mean": 0.5, "std": 0.0, "values": [0.5]},
            **{name: {"mean": 0.5 + x, "std": 0.0, "values": [0.5 + x]} for name, x in changes.items()},
        },
        "paired": {name: {"difference": x, "se": 0.01 if x else 0.0} for name, x in changes.items()},
        "largest change": largest,
        "tokens": tokens or {},
    }


def test_the_report_says_what_the_condition_depends_on_and_what_not():
    tokens = {
        "books": {"pairs": 40, "unchanged": 0.5, "without": [0.499, 0.3]},
        "films": {"pairs": 60, "unchanged": 0.5, "without": [0.45, 0.51]},
    }
    attention = depending(1.0, tokens, users_permuted=-0.1, domains_permuted=-0.015, uniform_attention=-0.2)
    one_key = depending(0.0, users_permuted=0.0, domains_permuted=-0.1, uniform_attention=0.0)
    text = report_of(paired_with(one_key=0.1), dependence={"one-key": one_key, "attention": attention})
    assert "| NDCG@10 | attention | one-key |" in text
    assert "| users exchanged within the domain | 0.4000 (-0.1000 ± 0.0100) | 0.5000 (exactly the same) |" in text
    assert "without the user or which tokens are attended to, NDCG@10 falls by more than two standard errors" in text
    assert "do not show that anything is lost without the domain" in text
    assert "`one-key`: when users are exchanged, no number of any condition changes." in text
    assert "The condition does not depend on the user, only on the domain." in text
    assert "books 1 matters most: without it, NDCG@10 on that domain's 40 pairs is 0.3000, not 0.5000" in text
    assert "less than 0.01 in 1 of 4 cases" in text
    assert "Weights are not causes" in text


def test_vectors_without_a_split_are_warned_of_and_with_one_not():
    run = paired_with()
    assert "given" not in report_of(run, given={"split": None, "user_vectors": None, "item_vectors": None})
    warned = report_of(run, given={"split": None, "user_vectors": "a", "item_vectors": "b"})
    assert "The user vectors and item vectors were given. **They may have seen the test pairs**" in warned
    trusted = report_of(run, given={"split": "c", "user_vectors": "a", "item_vectors": None})
    assert "The split was given, and is the same in every run. The user vectors were given." in trusted
    assert "may have seen" not in trusted


def test_names_of_domains_are_text_wherever_the_words_have_them():
    tokens = {"a|*b*": {"pairs": 1, "unchanged": 0.5, "without": [0.4]}}
    text = report_of(
        paired_with(),
        domains=["a|*b*"],
        drawn_candidates={"a|*b*": {"items": 9, "drawn": 3}},
        dependence={"attention": depending(1.0, tokens, users_permuted=-0.1)},
    )
    assert "1 domain: a\\|\\*b\\*." in text
    assert "in a\\|\\*b\\* (9 items) a batch" in text
    assert "a\\|\\*b\\* 0 matters most" in text
    assert "*b*" not in text.replace("\\*", "")


def test_the_words_say_whether_settings_were_searched_for():
    run, default = paired_with(film=0.0), {"chosen": {"rate": 0.01}, "tried": []}
    assert "Settings were not searched for on these interactions" in report_of(run, settings={"film": default})
    text = report_of(run, settings={"film": {**default, "tried": [default, default]}})
    assert "Before the runs 2 settings of each model were tried on four splits of their own" in text
