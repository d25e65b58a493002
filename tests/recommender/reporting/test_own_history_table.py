"""The table of own histories says what they are worth, and whether they count."""

import pytest

from acg_numpy.recommender.reporting.document import Document
from acg_numpy.recommender.reporting.markdown import render_markdown
from acg_numpy.recommender.reporting.own_history_table import own_history

WAYS = ("condition", "condition and own history", "own history")


def text_of(difference, blend=8.0, by_time=False):
    found = {
        "by_time": by_time,
        "strength": [30.0],
        "blend": [blend],
        "pairs": [120],
        "bytes": 4096,
        "test": {way: {"ndcg@10": {"mean": 0.25, "std": 0.0, "values": [0.25]}} for way in WAYS},
        "paired": {way: {"difference": difference, "se": 0.01} for way in WAYS[1:]},
    }
    return render_markdown(Document("", own_history({"own_history": found})))


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (0.03, "Own history helps, by more than two standard errors."),
        (0.02, "do not decide whether own history helps"),
        (-0.03, "does harm here"),
    ],
)
def test_the_verdict_is_that_of_two_standard_errors(difference, words):
    text = text_of(difference)
    assert words in text
    assert "8 times weights of strength 30" in text
    assert "4,096 bytes" in text
    assert "| condition | 0.2500 |" in text
    assert "a random half of the items is known" in text
    assert "the time of the middle item is known" in text_of(difference, by_time=True)


def test_what_did_not_help_on_validation_does_not_count():
    assert "does not count in recommendations" in text_of(0.03, blend=0.0)
    assert own_history({}) == []
