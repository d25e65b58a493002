"""A score is the sum of what is drawn beside it, and its weight what softmax makes of it."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.figure import Figure

from acg_numpy import MultiHeadCrossAttention, tensor
from acg_numpy.passes import split_heads_forward
from acg_numpy.plots import attention_scores
from tests.thoroughness import FEW_EXAMPLES

RNG = np.random.default_rng(0)
NUMBERS = st.floats(-9, 9, width=16)


def scores_and_weights(ax):
    """The scores and weights beside the rows."""
    labels = [label.get_text().replace("\N{MINUS SIGN}", "-") for label in ax.child_axes[0].get_yticklabels()]
    return np.array([[float(part.strip("%")) for part in label.split(",")] for label in labels]).T


@FEW_EXAMPLES
@given(st.integers(1, 6).flatmap(lambda d: st.tuples(arrays(float, d, elements=NUMBERS), st.integers(1, 9))))
@example((np.zeros(1), 1))
@example((np.full(6, 9.0), 9))
def test_a_row_sums_to_its_score_and_weights_are_their_softmax(drawn):
    query, K = drawn
    key = RNG.normal(size=(K, len(query)))
    ax = attention_scores(tensor(query), key, ax=Figure().subplots())
    scores, weights = scores_and_weights(ax)
    np.testing.assert_allclose(np.asarray(ax.images[0].get_array()).sum(axis=1), scores, atol=0.0051)
    np.testing.assert_allclose(key @ query / len(query) ** 0.5, scores, atol=0.0051)
    exact = np.exp(key @ query / len(query) ** 0.5)
    np.testing.assert_allclose(weights, 100 * exact / exact.sum(), atol=0.051)
    low, high = ax.images[0].get_clim()
    assert low == -high < 0  # white is nothing
    assert high >= np.abs(ax.images[0].get_array()).max()


def test_they_are_the_scores_behind_the_weights_that_attention_returns():
    attention = MultiHeadCrossAttention(8, 2, seed=0)
    query, context = RNG.normal(size=(1, 8)), RNG.normal(size=(5, 8))
    _, weights = attention(query, context, return_attention=True)  # (2, 1, 5)
    q, k = (
        split_heads_forward(side.numpy(), num_heads=2)[0] for side in (attention.query(query), attention.key(context))
    )
    for head in range(2):
        _, shown = scores_and_weights(attention_scores(q[head, 0], k[head], ax=Figure().subplots()))
        np.testing.assert_allclose(shown, 100 * weights.numpy()[head, 0], atol=0.051)


def test_of_a_thousand_tokens_those_of_the_highest_scores_are_drawn():
    query, key = RNG.normal(size=4), RNG.normal(size=(1000, 4))
    ax = attention_scores(query, key, token_labels=[f"token {k}" for k in range(1000)], ax=Figure().subplots())
    expected = np.sort(np.argsort(-(key @ query), kind="stable")[:40])
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"token {k}" for k in expected]
    assert ax.get_title() == "the 40 of 1,000 tokens with the highest scores"


def test_one_token_has_all_the_weight_whatever_its_score():
    ax = attention_scores([0.0, 0.0], [[1.0, 2.0]], ax=Figure().subplots())
    assert scores_and_weights(ax)[1].tolist() == [100.0]
    assert ax.images[0].get_clim() == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("query", "key"), [([1.0], [[1.0, 2.0]]), ([[1.0]], [[1.0]]), ([1.0], np.ones((0, 1)))], ids=["d", "axes", "none"]
)
def test_what_does_not_fit_is_refused(query, key):
    with pytest.raises(ValueError, match=r"\(d,\) and \(K, d\) are expected"):
        attention_scores(query, key)


def test_a_name_is_asked_for_each_key():
    with pytest.raises(ValueError, match="token_labels holds 1 names, but there are 2 keys"):
        attention_scores([1.0], [[1.0], [2.0]], token_labels=["a"])
