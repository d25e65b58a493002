"""Panels show what their maps show, under one scale of colours."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from acg_numpy.plots import (
    attention_by_domain,
    attention_by_group,
    attention_heads,
    attention_map,
    attention_through_training,
)
from tests.thoroughness import FEW_EXAMPLES

RNG = np.random.default_rng(0)


def weights_of(*shape):
    return RNG.dirichlet(np.ones(shape[-1]), size=shape[:-1])


def maps(figure):
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def scales(figure):
    return {ax.images[0].get_clim() for ax in figure.axes if ax.images}


@FEW_EXAMPLES
@given(rows=st.integers(1, 4), heads=st.integers(1, 6), tokens=st.integers(1, 5), sequence=st.booleans())
@example(rows=1, heads=1, tokens=1, sequence=False)
@example(rows=4, heads=6, tokens=5, sequence=True)
def test_a_panel_is_a_head_in_either_layout(rows, heads, tokens, sequence):
    weights = weights_of(rows, heads, tokens)
    given_as = np.moveaxis(weights, 1, 0) if sequence else weights
    figure = attention_heads(given_as, head_axis=0 if sequence else -2, figure=Figure())
    np.testing.assert_array_equal(maps(figure), np.moveaxis(weights, 1, 0))
    assert [ax.get_title() for ax in figure.axes[:heads]] == [f"head {h}" for h in range(heads)]
    assert scales(figure) == {(0.0, weights.max())}


@pytest.mark.parametrize("draw", [attention_by_domain, attention_by_group])
@FEW_EXAMPLES
@given(ids=st.lists(st.integers(0, 3), min_size=1, max_size=9))
@example(ids=[3])
@example(ids=[2, 0, 2])
def test_a_row_is_the_mean_of_its_users_and_says_how_many(draw, ids):
    weights = weights_of(len(ids), 2, 3)
    figure = draw(weights, ids, names=["a", "b", "c", "d"], figure=Figure())
    present = sorted(set(ids))
    means = [[weights[np.array(ids) == d, h].mean(0) for d in present] for h in range(2)]
    np.testing.assert_allclose(maps(figure), means)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == [f"{'abcd'[d]} ({ids.count(d)})" for d in present]


@FEW_EXAMPLES
@given(st.lists(st.integers(0, 3), min_size=1, max_size=9), st.data())
def test_users_in_any_order_give_their_mean_in_one_group_too(ids, data):
    weights = weights_of(len(ids), 2, 3)
    order = np.array(data.draw(st.permutations(range(len(ids)))))
    one, other = (attention_by_group(weights[way], np.array(ids)[way], figure=Figure()) for way in (slice(None), order))
    np.testing.assert_allclose(maps(one), maps(other))
    assert scales(one) == {(0.0, max(m.max() for m in maps(one)))}
    together = attention_by_group(weights, np.zeros(len(ids), int), figure=Figure())
    np.testing.assert_allclose(np.concatenate(maps(together)), weights.mean(axis=0))


def test_epochs_share_one_scale():
    snapshots = np.stack([np.full((2, 4), 0.25), np.eye(2, 4)])
    figure = attention_through_training(snapshots, [0, 60], figure=Figure())
    np.testing.assert_array_equal(maps(figure), snapshots)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["epoch 0", "epoch 60"]
    assert scales(figure) == {(0.0, 1.0)}


@pytest.mark.parametrize(
    "draw",
    [
        attention_heads,
        lambda w, figure: attention_by_domain(w, [0], figure=figure),
        lambda w, figure: attention_by_group(w, [0], figure=figure),
    ],
    ids=["heads", "domain", "group"],
)
def test_one_token_is_drawn(draw):
    assert scales(draw(np.ones((1, 1, 1)), figure=Figure())) == {(0.0, 1.0)}


def test_of_a_thousand_tokens_cells_are_means_and_it_is_said():
    weights = weights_of(3, 2, 1000)
    figure = attention_heads(weights, figure=Figure())
    drawn = np.array(maps(figure))
    rows = drawn.shape[1] // 3  # of dots, alike, so that no row is smeared into the next
    np.testing.assert_allclose(drawn[:, ::rows], np.moveaxis(weights.reshape(3, 2, 250, 4).mean(-1), 1, 0))
    np.testing.assert_array_equal(drawn, np.repeat(drawn[:, ::rows], rows, axis=1))
    assert figure.axes[0].get_xlabel() == "token"
    assert figure.get_supxlabel() == "a cell is the mean of 4 tokens"
    assert scales(figure) == {(0.0, max(m.max() for m in maps(figure)))}


@FEW_EXAMPLES
@given(st.integers(1, 3), st.integers(257, 1200))
@example(1, 257)
def test_aggregation_keeps_the_sum(rows, tokens):
    weights = weights_of(rows, tokens)
    ax = attention_map(weights, ax=Figure().subplots())
    cells = np.asarray(ax.images[0].get_array())
    block = -(-tokens // 256)
    counts = np.diff(np.arange(0, tokens, block), append=tokens)
    np.testing.assert_allclose((cells * counts).sum(-1), 1)
    assert cells.shape[1] <= 256
    assert ax.get_xlim() == (-0.5, tokens - 0.5)


@pytest.mark.parametrize("tokens", [1, 8, 16, 100, 1000])
def test_no_two_labels_below_narrow_panels_overlap(tokens):
    figure = Figure(figsize=(9.2, 2.6), layout="constrained")
    attention_by_group(weights_of(12, 4, tokens), np.arange(12) % 3, names=["a rather long name"] * 3, figure=figure)
    figure.draw_without_rendering()
    boxes = []
    for panel in figure.axes[:4]:
        boxes += [label.get_window_extent() for label in panel.get_xticklabels()]
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
    titles = [panel.xaxis.label.get_window_extent() for panel in figure.axes[:4]]
    assert all(one.x1 < other.x0 for one, other in pairwise(titles))


def test_what_does_not_fit_is_refused():
    weights = weights_of(2, 2, 3)
    with pytest.raises(ValueError, match=r"attention has shape \(2, 3\), but panels are drawn of \(B, H, K\)"):
        attention_heads(weights[0])
    with pytest.raises(ValueError, match=r"domain_id has shape \(3,\).* one integer for each row"):
        attention_by_domain(weights, [0, 1, 1])
    with pytest.raises(ValueError, match="domain_id runs from 0 to 1, but there are 1 names"):
        attention_by_domain(weights, [0, 1], names=["books"])
    with pytest.raises(ValueError, match=r"group_id has shape \(2,\) and dtype float64"):
        attention_by_group(weights, [0.0, 1.0])
    with pytest.raises(ValueError, match="one of the 1 epochs for each"):
        attention_through_training(weights, [0])


def test_the_lowest_panel_of_every_column_has_its_tokens_labelled():
    weights = np.random.default_rng(0).dirichlet(np.ones(4), size=(5, 2))
    figure = attention_through_training(weights, [0, 1, 2, 5, 10], figure=Figure())
    figure.canvas.draw()
    shown = [bool(panel.get_xlabel()) for panel in figure.axes[:5]]
    assert shown == [False, False, True, True, True]
    for panel, labelled in zip(figure.axes[:5], shown, strict=True):
        assert any(tick.label1.get_visible() for tick in panel.xaxis.get_major_ticks()) is labelled
