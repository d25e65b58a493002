"""The graph of a Tensor: a box for each node, an arrow for each argument."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from acg_numpy import AttentionConditioner, tensor
from acg_numpy.plots import graph

RNG = np.random.default_rng(0)


@pytest.fixture
def ax():
    return Figure(figsize=(12, 6)).subplots()


def test_each_node_has_a_box_below_all_that_it_is_made_from(ax):
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


def test_an_arrow_goes_round_a_box_on_the_nearer_side():
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
    texts = [text.get_text() for text in ax.texts if text.get_text()]
    made = [text for text in texts if not text.startswith(("attention.", "domain_embedding."))]
    assert made == ["condition\n(4, 8)"]


def written(tensor, names):
    """What stands at each node, name by name, and the numbers on arrows."""
    ax = graph(tensor, names=names, values=True, ax=Figure().subplots())
    texts = [text.get_text() for text in ax.texts if text.get_text()]
    boxes = [i for i, text in enumerate(texts) if "\n" in text]
    at_nodes = {texts[i].split("\n")[0]: (texts[i + 1], texts[i + 2]) for i in boxes}
    return at_nodes, texts[boxes[-1] + 3 :]


def test_each_node_has_its_value_and_its_gradient():
    x, y, z = (tensor(value, requires_grad=True) for value in (3.0, -4.0, [2.0, 5.0]))
    nodes, on_arrows = written(np.sum((x * y + x) * z), {"x": x, "y": y, "z": z})
    assert nodes == {
        "x": ("3", "-21"),
        "y": ("-4", "21"),
        "z": ("[2. 5.]", "[-9. -9.]"),
        "np.multiply": ("[-18. -45.]", "[1. 1.]"),  # the second of two
        "np.add": ("-9", "7"),
        "np.sum": ("-63", "1"),
    }
    assert sorted(on_arrows) == ["-28", "7"]  # x is used twice, and its gradient is their sum


def test_an_argument_used_twice_by_one_operation_has_one_gradient():
    x = tensor(3.0, requires_grad=True)
    assert written(x * x, {"x": x}) == ({"x": ("3", "6"), "np.multiply": ("9", "1")}, [])


def test_a_large_array_is_written_as_its_root_mean_square():
    table = tensor(np.full((4, 2), 2.0), requires_grad=True)
    nodes, _ = written(np.take(table, [1, 1], axis=0), {"table": table})
    assert nodes["table"] == ("rms 2", "rms 1")  # two of eight elements are 2


def test_what_is_no_graph_or_too_large_a_one_is_refused():
    with pytest.raises(TypeError, match="tensor is a ndarray"):
        graph(np.ones(3))
    z = x = tensor([0.1], requires_grad=True)
    for _ in range(200):
        z = np.tanh(z)
    with pytest.raises(ValueError, match="201 nodes, and of more than 120 nothing can be read"):
        graph(z, names={"x": x})
