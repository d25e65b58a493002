"""A map shows the weights that it was given, all of them, under labels that can be read."""

from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from acg_numpy.plots import attention_map
from acg_numpy.plots.maps import MAX_TICKS, block_means, label_axis
from tests.thoroughness import FEW_EXAMPLES

RNG = np.random.default_rng(0)


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def weights_of(*shape):
    scores = np.exp(RNG.normal(size=shape))
    return scores / scores.sum(-1, keepdims=True)


def drawn(ax):
    return np.asarray(ax.images[0].get_array())


def labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


@FEW_EXAMPLES
@given(heads=st.integers(1, 4), tokens=st.integers(1, 9))
@example(heads=1, tokens=1)
@example(heads=4, tokens=9)
def test_a_row_of_the_map_is_a_head(heads, tokens):
    weights = weights_of(heads, tokens)
    ax = attention_map(weights, ax=Figure().subplots())
    np.testing.assert_array_equal(drawn(ax), weights)
    assert labels(ax.yaxis) == [f"head {h}" for h in range(heads)]
    assert labels(ax.xaxis) == [str(k) for k in range(tokens)]


def test_labels_are_literal_may_be_numbers_and_read_from_the_top(ax):
    with mpl.rc_context({"image.origin": "lower"}):
        attention_map(weights_of(2, 2), row_labels=[7, 8], token_labels=["$9.99", "a_b^c$"], ax=ax)
    assert (labels(ax.yaxis), labels(ax.xaxis)) == (["7", "8"], ["$9.99", "a_b^c$"])
    assert not any(text.get_parse_math() for text in (*ax.get_xticklabels(), *ax.get_yticklabels()))
    assert ax.images[0].origin == "upper"


@FEW_EXAMPLES
@given(rows=st.integers(1, 4), heads=st.integers(1, 3), tokens=st.integers(1, 5), data=st.data())
def test_head_picks_one_head_in_either_layout(rows, heads, tokens, data):
    weights, head = weights_of(rows, heads, tokens), data.draw(st.integers(0, heads - 1))
    batch = attention_map(weights, head=head, ax=Figure().subplots())
    sequence = attention_map(np.moveaxis(weights, 1, 0), head=head, head_axis=0, ax=Figure().subplots())
    np.testing.assert_array_equal(drawn(batch), weights[:, head])
    np.testing.assert_array_equal(drawn(sequence), weights[:, head])
    assert batch.get_title() == sequence.get_title() == f"head {head}"


def test_without_head_nothing_is_averaged(ax):
    weights = weights_of(2, 3, 5)
    attention_map(weights, ax=ax, row_labels=["ann", "bob"])
    np.testing.assert_array_equal(drawn(ax), weights.reshape(6, 5))
    assert labels(ax.yaxis) == [f"{name}, head {h}" for name in ("ann", "bob") for h in range(3)]


def test_queries_stand_under_their_head(ax):
    weights = weights_of(2, 3, 5)
    attention_map(weights, ax=ax, head_axis=0, row_labels=["a", "b", "c"])
    np.testing.assert_array_equal(drawn(ax), weights.reshape(6, 5))
    assert labels(ax.yaxis) == [f"head {h}, {name}" for h in range(2) for name in "abc"]


def test_a_negative_head_counts_from_the_last(ax):
    weights = weights_of(2, 3, 5)
    attention_map(weights, head=-1, ax=ax)
    np.testing.assert_array_equal(drawn(ax), weights[:, 2])
    assert ax.get_title() == "head 2"


def test_one_head_of_one_user_keeps_its_name(ax):
    weights = weights_of(3, 4)
    attention_map(weights, head=1, ax=ax, row_labels=["first", "second", "third"])
    np.testing.assert_array_equal(drawn(ax), weights[1:2])
    assert labels(ax.yaxis) == ["second"]


@pytest.mark.parametrize(
    "weights", [weights_of(2, 3), weights_of(2, 3) * 1e-6, np.zeros((2, 3))], ids=["", "tiny", "masked"]
)
def test_colours_run_to_the_largest_weight_and_the_bar_has_round_numbers(ax, weights):
    attention_map(weights, ax=ax)
    top = weights.max() or 1.0
    bar = ax.images[0].colorbar
    assert ax.images[0].get_clim() == (bar.vmin, bar.vmax) == (0.0, top)
    ticks = bar.get_ticks()
    assert ticks[0] == 0.0
    assert all(len(f"{tick:.12g}".strip("0.").split("e")[0]) <= 3 for tick in ticks)  # such as 0.025
    assert np.sum(ticks <= top) >= 4
    assert "weights are not causes" in bar.ax.get_ylabel()


def test_lighter_is_more_in_grey_too(ax):
    attention_map(weights_of(2, 3), ax=ax)
    red, green, blue, _ = ax.images[0].get_cmap()(np.linspace(0, 1, 50)).T
    assert np.all(np.diff(0.2126 * red + 0.7152 * green + 0.0722 * blue) > 0)


@given(st.integers(1, 1500), st.integers(1, 5), st.integers(2, MAX_TICKS))
def test_no_more_labels_than_fit_each_at_the_start_of_a_block(count, block, most):
    ticks = {}
    axis = SimpleNamespace(set_ticks=lambda places, labels, **_: ticks.update(zip(places, labels, strict=True)))
    written = label_axis(axis, [f"row {n}" for n in range(count)], block=block, most=most)
    assert 1 <= len(ticks) <= most
    assert ticks == {place: f"row {place}" for place in ticks}
    assert written == list(ticks.values())
    assert len(ticks) == count or all(place % block == 0 for place in ticks)


@given(st.integers(1, 3), st.integers(1, 1200))
def test_cells_are_at_most_256_and_keep_the_sum(rows, tokens):
    weights = weights_of(rows, tokens)
    cells, (down, across) = block_means(weights)
    counts = np.diff(np.arange(0, tokens, across), append=tokens)
    assert down == 1
    assert cells.shape == (rows, len(counts))
    assert len(counts) <= 256
    np.testing.assert_allclose((cells * counts).sum(-1), 1)


@FEW_EXAMPLES
@given(heads=st.integers(1, 5), rows=st.integers(1, 1200), tokens=st.integers(1, 1200))
@example(heads=1, rows=16, tokens=17)
@example(heads=5, rows=1200, tokens=1)
def test_labels_thin_out_and_stay_beside_their_own_row(heads, rows, tokens):
    weights = np.full((rows, heads, tokens), 1 / tokens)
    ax = attention_map(weights, ax=Figure().subplots())
    assert 1 <= len(ax.get_xticks()) <= 16
    assert 1 <= len(ax.get_yticks()) <= 16
    assert labels(ax.xaxis) == [str(int(place)) for place in ax.get_xticks()]
    assert labels(ax.yaxis) == [f"{int(p) // heads}, head {int(p) % heads}" for p in ax.get_yticks()]


def test_long_token_names_are_slanted_and_short_ones_are_not(ax):
    attention_map(weights_of(2, 8), ax=ax, token_labels=[f"a name of some length {k}" for k in range(8)])
    assert {text.get_rotation() for text in ax.get_xticklabels()} == {45.0}
    short = attention_map(weights_of(2, 8), ax=Figure().subplots())
    assert {text.get_rotation() for text in short.get_xticklabels()} == {0.0}


def test_rows_do_not_run_into_each_other_however_many_tokens():
    weights = np.zeros((2, 1000))
    weights[0] = 1.0
    figure = Figure(figsize=(3, 3), dpi=100)
    ax = figure.add_axes((0, 0, 1, 1))
    attention_map(weights, ax=ax, colour_bar=False)
    ax.set_axis_off()
    figure.draw_without_rendering()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    column = np.asarray(canvas.buffer_rgba())[:, 150, :3].astype(int)
    seen = np.unique(column, axis=0, return_counts=True)[1]
    assert np.sort(seen)[-2:].sum() >= 296  # of 300 dots; at most the border itself is mixed


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 1), (4, 1000), (1000, 4, 1), (1000, 2, 1000)])
def test_it_draws_at_one_token_and_at_a_thousand(ax, shape):
    attention_map(weights_of(*shape), ax=ax)
    ax.figure.canvas.draw()  # the layout is worked out here, and warns where it cannot be


def test_a_tensor_is_taken_by_its_numbers(ax):
    weights = weights_of(2, 3)
    attention_map(SimpleNamespace(numpy=lambda: weights), ax=ax)
    np.testing.assert_array_equal(drawn(ax), weights)


def test_the_array_is_left_as_it_was(ax):
    weights = weights_of(2, 3, 4)
    before = weights.copy()
    attention_map(weights, head=0, ax=ax)
    ax.images[0].get_array()[:] = 0.0
    np.testing.assert_array_equal(weights, before)


def test_without_axes_a_new_figure_is_made_and_nothing_global_changes():
    settings = dict(mpl.rcParams)
    first = attention_map(weights_of(2, 3))
    second = attention_map(weights_of(2, 3))
    assert first.figure is not second.figure
    assert dict(mpl.rcParams) == settings
    plt.close(first.figure)
    plt.close(second.figure)


def test_given_axes_open_no_figure(ax):
    before = plt.get_fignums()
    assert attention_map(weights_of(2, 3), ax=ax) is ax
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    ("shape", "options", "error", "message"),
    [
        ((3,), {}, ValueError, "shape (3,)"),
        ((2, 2, 3, 4), {}, ValueError, "index the other axes away"),
        ((0, 2, 3), {}, ValueError, "nothing to draw"),
        ((2, 3), {"head": 2}, IndexError, "head is 2"),
        ((5, 2, 3), {"head": 2}, IndexError, "head_axis=0"),
        ((2, 5, 3), {"head_axis": -1}, ValueError, "head_axis is -1"),
        ((2, 5, 3), {"head_axis": -4}, ValueError, "head_axis is -4"),
        ((2, 5, 3), {"row_labels": list("abcde")}, ValueError, "there are 2 rows"),
        ((2, 3), {"row_labels": ["a"]}, ValueError, "there are 2 heads"),
        ((2, 3), {"token_labels": ["a"]}, ValueError, "there are 3 tokens"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(ax, shape, options, error, message):
    with pytest.raises(error) as caught:
        attention_map(np.full(shape, 0.5), ax=ax, **options)
    assert message in str(caught.value)
    assert ax.figure.axes == [ax]  # no half-drawn map is left behind
    assert not ax.images


@pytest.mark.parametrize(("bad", "message"), [(-0.1, "are these scores?"), (np.nan, "NaN"), (np.inf, "infinity")])
def test_numbers_that_are_no_weights_are_refused(ax, bad, message):
    with pytest.raises(ValueError) as caught:
        attention_map(np.array([[0.5, bad]]), ax=ax)
    assert message in str(caught.value)
