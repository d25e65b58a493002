"""What a token stands for, how decided a head is, what arrives at a parameter: each as the numbers have it."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from acg_numpy import AttentionConditioner, tensor
from acg_numpy.plots import attention_entropy, gradient_flow, graph, taste_map, token_items

RNG = np.random.default_rng(0)


@pytest.fixture
def ax():
    return Figure(figsize=(12, 6)).subplots()


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


@given(st.permutations(range(6)))
def test_the_items_of_a_token_stand_in_the_order_of_their_scores(order):
    ax = token_items([order], list("abcdef"), top=3, ax=Figure().subplots())
    assert texts(ax) == ["abcdef"[order.index(rank)] for rank in (5, 4, 3)]


def test_the_colour_of_an_item_is_how_far_it_stands_out(ax):
    scores = np.array([[1.0, 2.0, 3.0], [10.0, 10.0, 10.0]])
    token_items(scores, ["x", "y", "$z"], top=2, ax=ax)
    np.testing.assert_allclose(ax.images[0].get_array(), [[1.5**0.5, 0.0], [0.0, 0.0]])
    assert texts(ax)[0] == r"\$z"


def test_names_too_long_for_a_cell_are_cut_and_it_shows():
    ax = token_items(RNG.normal(size=(3, 4)), ["x" * 200] * 4, ax=Figure().subplots())
    assert all(name.endswith("…") and len(name) < 60 for name in texts(ax))


def test_of_a_thousand_tokens_those_whose_first_item_stands_out_most_are_named_and_it_is_said():
    scores = RNG.normal(size=(1000, 12))
    scores[[7, 400, 999], 5] = 40.0
    ax = token_items(scores, list("abcdefghijkl"))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert len(labels) == len(ax.images[0].get_array()) == 40
    assert {"token 7", "token 400", "token 999"} < set(labels)
    assert ax.get_title() == "the 40 of 1,000 tokens whose first item stands out most"
    assert max(ax.figure.get_size_inches()) < 20
    plt.close(ax.figure)


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


def test_a_ring_marks_the_token_of_each_taste(ax):
    taste_map([[0.9, 0.1, 0.0], [0.0, -0.2, 0.7]], [0, 2], ax=ax)
    (rings,) = ax.lines
    assert list(zip(*rings.get_data(), strict=True)) == [(0, 0), (2, 1)]
    assert ax.images[0].get_clim() == (-1, 1)
    assert ax.get_title() == "mean of the assigned: 0.80"


def test_of_a_thousand_tokens_cells_are_means_rings_stay_and_it_is_said(ax):
    table = RNG.uniform(-1, 1, size=(2, 1000))
    taste_map(table, [3, 998], ax=ax)
    drawn = ax.images[0].get_array()
    np.testing.assert_allclose(drawn[:: len(drawn) // 2], table.reshape(2, 250, 4).mean(-1))
    assert ax.get_xlabel() == "a cell is the mean of 4 tokens"
    assert ax.lines[0].get_xdata().tolist() == [3, 998]
    assert ax.get_title() == f"mean of the assigned: {(table[0, 3] + table[1, 998]) / 2:.2f}"


def test_what_cannot_learn_is_named(ax):
    conditioner = AttentionConditioner(8, 2, 3, seed=0)
    conditioner(RNG.normal(size=(4, 8)), 1).backward(RNG.normal(size=(4, 8)))
    gradient_flow(conditioner, ax=ax)
    grads = [p.grad for _, p in conditioner.named_parameters()]
    widths = [bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(widths, [np.sqrt(np.mean(np.square(g, dtype=float))) for g in grads])
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert [name for name, width in zip(names, widths, strict=True) if width == 0] == ["attention.key.bias"]
    assert texts(ax) == ["0, it cannot learn"]


def test_parameters_without_a_gradient_are_counted(ax):
    x = tensor([1.0], requires_grad=True)
    (x * 2.0).backward()
    gradient_flow({"x": x, "y": tensor([1.0], requires_grad=True)}, ax=ax)
    assert ax.get_title() == "1 of 2 parameters have no gradient"
    with pytest.raises(ValueError, match="none of 1 parameters has a gradient"):
        gradient_flow({"y": tensor([1.0], requires_grad=True)})


def test_a_graph_has_a_box_for_each_node_below_all_that_it_is_made_from(ax):
    x, w = (tensor(RNG.normal(size=(3, 3)), requires_grad=True) for _ in range(2))
    graph(np.sum(np.tanh(x @ w) * x), names={"x": x, "w": w}, ax=ax)
    boxes = {text.get_text().split("\n")[0]: text.get_position()[1] for text in ax.texts if text.get_text()}
    assert set(boxes) == {"x", "w", "np.matmul", "np.tanh", "np.multiply", "np.sum"}
    assert min(boxes["x"], boxes["w"]) > boxes["np.matmul"] > boxes["np.tanh"] > boxes["np.multiply"] > boxes["np.sum"]
    arrows = sum(not text.get_text() for text in ax.texts)
    assert arrows == 2 + 1 + 2 + 1


def bends(result, names):
    """Of arrows that are bent: by how much; those to the left of one that leads down are positive."""
    texts = graph(result, names=names, ax=Figure().subplots()).texts
    arrows = [text.arrow_patch for text in texts if not text.get_text()]
    return [arrow.get_connectionstyle().rad for arrow in arrows if arrow.get_connectionstyle().rad != 0]


def test_an_arrow_that_would_run_under_a_box_goes_round_it_on_the_nearer_side():
    x, w = (tensor(RNG.normal(size=(3, 3)), requires_grad=True) for _ in range(2))
    y = np.tanh(x)
    assert bends(np.exp(y), {"x": x}) == []
    (left,) = bends(np.exp(y) * x, {"x": x})  # all in one column, and x reaches the lowest box too
    assert left > 0
    (right,) = bends(w @ (y / np.sum(y)), {"x": x, "w": w})  # w pushes the quotient to the right of the sum
    assert right < 0


def test_a_hand_derived_pass_is_one_node(ax):
    conditioner = AttentionConditioner(8, 2, 3, seed=0)
    graph(conditioner(np.ones((4, 8)), 1), names=dict(conditioner.named_parameters()), ax=ax)
    made = [text for text in texts(ax) if not text.startswith(("attention.", "domain_embedding."))]
    assert made == ["condition\n(4, 8)"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"scores has shape \(2, 3\).* the 2 names of the items"):
        token_items(np.ones((2, 3)), ["a", "b"])
    with pytest.raises(ValueError, match="top is 0"):
        token_items(np.ones((2, 3)), list("abc"), top=0)
    with pytest.raises(ValueError, match=r"attention has shape \(2, 3\), but \(B, H, K\) is expected"):
        attention_entropy(np.full((2, 3), 1 / 3))
    with pytest.raises(ValueError, match=r"correlations has shape \(2, 3\) and assigned \(1,\)"):
        taste_map(np.ones((2, 3)), [0])
    with pytest.raises(ValueError, match="1 taste_labels and 3 token_labels"):
        taste_map(np.ones((2, 3)), [0, 1], taste_labels=["one"])
    with pytest.raises(TypeError, match="tensor is a ndarray"):
        graph(np.ones(3))
    z = x = tensor([0.1], requires_grad=True)
    for _ in range(200):
        z = np.tanh(z)
    with pytest.raises(ValueError, match="201 nodes, and of more than 120 nothing can be read"):
        graph(z, names={"x": x})


def test_names_of_items_stay_within_their_cells_however_long_they_and_the_labels_are():
    figure = Figure(figsize=(9, 4), layout="constrained")
    names = [f"a rather long name, {n}" for n in range(6)]
    ax = token_items(RNG.normal(size=(20, 6)), names, token_labels=["label " * 6] * 20, ax=figure.subplots())
    figure.canvas.draw()
    cell = ax.get_window_extent().width / 5, ax.get_window_extent().height / 20
    for text in ax.texts:
        extent = text.get_window_extent()
        assert extent.width < cell[0]
        assert extent.height < cell[1]
