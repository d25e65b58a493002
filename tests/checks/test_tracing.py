"""The graph of a forward: its gradients are the right ones, and a corrupted edge changes them by its pull."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import passes
from acg_numpy.checks.tracing import Edge, trace
from tests.passes.pairs import PAIRS


def softmax(x):
    return (passes.softmax_forward(x)[0],)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@given(data=st.data())
def test_the_graph_of_a_forward_gives_the_gradients_of_its_backward(pair, data):
    args, options = data.draw(pair.calls)
    checked = [getattr(value, "dtype", None) == np.float64 for value in args]
    forward = partial(pair.forward, **options)
    out, cache = forward(*args)
    outputs = out if isinstance(out, tuple) else (out,)
    rng = np.random.default_rng(0)
    grad_outs = tuple(rng.normal(size=np.shape(output)) for output in outputs)
    right = pair.backward(grad_outs if isinstance(out, tuple) else grad_outs[0], cache)
    right = right if isinstance(right, tuple) else (right,)

    def traced(*values):
        out = forward(*values)[0]
        return out if isinstance(out, tuple) else (out,)

    graph = trace(traced, args, checked)
    found = graph.at_inputs(graph.gradients(grad_outs))
    expected = [gradient for gradient, check in zip(right, checked, strict=False) if check]
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-8)


def test_every_operation_knows_the_line_that_called_it():
    graph = trace(softmax, [np.ones((2, 3))], [True])
    lines = [operation.line for operation in graph.operations if operation.entry is not None]
    assert lines
    assert {line.file.rsplit("/", 1)[-1] for line in lines} == {"softmax.py"}


def test_a_contribution_changed_on_an_edge_changes_the_inputs_by_its_pull():
    rng = np.random.default_rng(1)
    x, grad_out = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    graph = trace(softmax, [x], [True])
    grads = graph.gradients([grad_out])
    (right,) = graph.at_inputs(grads)
    edges = list(graph.edges())
    assert len(edges) >= 4
    for edge, parent in edges:
        place, position = edge
        sent = graph.operations[place].contribution(position, grads[place])
        twice = {edge: lambda operation, position, g: 2 * operation.contribution(position, g)}
        (doubled,) = graph.at_inputs(graph.gradients([grad_out], twice))
        np.testing.assert_allclose(doubled - right, graph.pull(parent, sent)[0], atol=1e-12)


def test_an_output_that_depends_on_no_input_has_no_place():
    graph = trace(lambda x: (np.ones(3), x * 2.0), [np.ones(3)], [True])
    assert graph.outputs[0] is None
    np.testing.assert_array_equal(graph.at_inputs(graph.gradients([np.ones(3), np.ones(3)]))[0], np.full(3, 2.0))
    assert Edge(1, 0) in [edge for edge, _ in graph.edges()]
