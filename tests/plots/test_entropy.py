"""How decided a head is, drawn as the number of tokens that it looks at."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from acg_numpy.plots import attention_entropy

RNG = np.random.default_rng(0)


@pytest.fixture
def ax():
    return Figure(figsize=(12, 6)).subplots()


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def test_one_token_is_the_only_one_to_look_at(ax):
    attention_entropy(np.ones((5, 2, 1)), ax=ax)
    assert texts(ax) == ["the only one"]
    assert all(float(tick).is_integer() for tick in ax.get_yticks())


@given(st.integers(1, 6))
def test_a_row_spread_over_n_tokens_looks_at_n(n):
    weights = np.zeros((3, 2, 6))
    weights[:, 0, :n], weights[:, 1, 0] = 1 / n, 1
    ax = attention_entropy(weights, ax=Figure().subplots())
    medians = [line.get_ydata()[0] for line in ax.lines if line.get_label() == "median"]
    np.testing.assert_allclose(medians, [n, 1])
    assert texts(ax) == ["all 6 alike"]


def test_of_many_rows_some_are_drawn_from_the_least_to_the_most(ax):
    weights = RNG.dirichlet(np.ones(50), size=(1000, 1))
    attention_entropy(weights, ax=ax)
    points = next(line for line in ax.lines if len(line.get_ydata()) > 2 and line.get_marker() == ".").get_ydata()
    tokens = 2 ** -np.sum(weights * np.log2(np.maximum(weights, 1e-300)), axis=-1).ravel()
    assert len(points) == 300
    np.testing.assert_allclose([points.min(), points.max()], [tokens.min(), tokens.max()])
    assert ax.get_yscale() == "log"


def test_of_many_heads_there_are_boxes_alone_and_labels_thin_out(ax):
    attention_entropy(RNG.dirichlet(np.ones(8), size=(20, 64)), ax=ax)
    assert len([line for line in ax.lines if line.get_label() == "median"]) == 64
    assert not [line for line in ax.lines if line.get_marker() == "."]
    assert [label.get_text() for label in ax.get_xticklabels()] == [str(h) for h in range(0, 64, 5)]
    assert ax.get_xlabel() == "head"


def test_weights_without_a_row_axis_are_refused():
    with pytest.raises(ValueError, match=r"attention has shape \(2, 3\), but \(B, H, K\) is expected"):
        attention_entropy(np.full((2, 3), 1 / 3))
