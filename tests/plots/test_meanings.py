"""The items that a token brings forward, and the tastes that its attention follows, as the numbers have them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from acg_numpy.plots import taste_map, token_items
from tests.thoroughness import FEW_EXAMPLES

RNG = np.random.default_rng(0)


@pytest.fixture
def ax():
    return Figure(figsize=(12, 6)).subplots()


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


@FEW_EXAMPLES
@given(st.permutations(range(6)))
def test_the_items_of_a_token_stand_in_the_order_of_their_scores(order):
    ax = token_items([order], list("abcdef"), top=3, ax=Figure().subplots())
    assert texts(ax) == ["abcdef"[order.index(rank)] for rank in (5, 4, 3)]


def test_the_colour_of_an_item_is_how_far_it_stands_out(ax):
    scores = np.array([[1.0, 2.0, 3.0], [10.0, 10.0, 10.0]])
    token_items(scores, ["x", "y", "$z"], top=2, ax=ax)
    np.testing.assert_allclose(ax.images[0].get_array(), [[1.5**0.5, 0.0], [0.0, 0.0]])
    assert texts(ax)[0] == "$z"


def test_names_too_long_for_a_cell_are_cut_and_it_shows():
    ax = token_items(RNG.normal(size=(3, 4)), ["x" * 200] * 4, ax=Figure().subplots())
    assert all(name.endswith("…") and len(name) < 60 for name in texts(ax))


def test_of_a_thousand_tokens_those_that_stand_out_most_are_named():
    scores = RNG.normal(size=(1000, 12))
    scores[[7, 400, 999], 5] = 40.0
    ax = token_items(scores, list("abcdefghijkl"))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert len(labels) == len(ax.images[0].get_array()) == 40
    assert {"token 7", "token 400", "token 999"} < set(labels)
    assert ax.get_title() == "the 40 of 1,000 tokens whose first item stands out most"
    assert max(ax.figure.get_size_inches()) < 20
    plt.close(ax.figure)


def test_names_of_items_stay_within_their_cells_however_long_they_are():
    figure = Figure(figsize=(9, 4), layout="constrained")
    names = [f"a rather long name, {n}" for n in range(6)]
    ax = token_items(RNG.normal(size=(20, 6)), names, token_labels=["label " * 6] * 20, ax=figure.subplots())
    figure.canvas.draw()
    cell = ax.get_window_extent().width / 5, ax.get_window_extent().height / 20
    for text in ax.texts:
        extent = text.get_window_extent()
        assert extent.width < cell[0]
        assert extent.height < cell[1]


def test_a_ring_marks_the_token_of_each_taste(ax):
    taste_map([[0.9, 0.1, 0.0], [0.0, -0.2, 0.7]], [0, 2], ax=ax)
    (rings,) = ax.lines
    assert list(zip(*rings.get_data(), strict=True)) == [(0, 0), (2, 1)]
    assert ax.images[0].get_clim() == (-1, 1)
    assert ax.get_title() == "mean of the assigned: 0.80"


def test_of_a_thousand_tokens_cells_are_means_and_rings_stay(ax):
    table = RNG.uniform(-1, 1, size=(2, 1000))
    taste_map(table, [3, 998], ax=ax)
    drawn = ax.images[0].get_array()
    np.testing.assert_allclose(drawn[:: len(drawn) // 2], table.reshape(2, 250, 4).mean(-1))
    assert ax.get_xlabel() == "a cell is the mean of 4 tokens"
    assert ax.lines[0].get_xdata().tolist() == [3, 998]
    assert ax.get_title() == f"mean of the assigned: {(table[0, 3] + table[1, 998]) / 2:.2f}"


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"scores has shape \(2, 3\).* the 2 names of the items"):
        token_items(np.ones((2, 3)), ["a", "b"])
    with pytest.raises(ValueError, match="top is 0"):
        token_items(np.ones((2, 3)), list("abc"), top=0)
    with pytest.raises(ValueError, match=r"correlations has shape \(2, 3\) and assigned \(1,\)"):
        taste_map(np.ones((2, 3)), [0])
    with pytest.raises(ValueError, match="1 taste_labels and 3 token_labels"):
        taste_map(np.ones((2, 3)), [0, 1], taste_labels=["one"])
