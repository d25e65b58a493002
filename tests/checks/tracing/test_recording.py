"""The graph of a forward: its gradients are the right ones, and a corrupted edge changes them by its pull."""

import gc
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import from_passes, passes
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


def test_a_hand_derived_pair_is_looked_into():
    """To the engine it is one node; to a graph it is what its forward does, line by line."""
    pair = from_passes(passes.softmax_forward, passes.softmax_backward)
    x, grad_out = np.array([[0.0, 1.0, 3.0]]), np.array([[1.0, -2.0, 0.5]])
    inside, plain = trace(lambda x: (pair(x),), [x], [True]), trace(softmax, [x], [True])
    assert [operation.name for operation in inside.operations] == [operation.name for operation in plain.operations]
    assert [operation.line for operation in inside.operations] == [operation.line for operation in plain.operations]
    right = passes.softmax_backward(grad_out, passes.softmax_forward(x)[1])
    np.testing.assert_allclose(inside.at_inputs(inside.gradients([grad_out])), right)


def test_after_a_pair_the_line_that_called_it_goes_on():
    pair = from_passes(passes.softmax_forward, passes.softmax_backward)
    graph = trace(lambda x: (np.tanh(pair(np.sin(x))),), [np.ones((2, 3))], [True])
    files = {operation.name: operation.line and Path(operation.line.file).name for operation in graph.operations}
    assert files["np.sin"] == "test_recording.py"
    assert files["np.divide"] == "softmax.py"
    assert files["np.tanh"] == "test_recording.py"


def test_a_debugger_follows_the_forward_while_it_is_traced():
    """So does what measures the coverage of a user's own forward."""
    seen, before = [], sys.gettrace()

    def follow(frame, event, _):
        seen.append((frame.f_code.co_name, event))
        return follow

    sys.settrace(follow)
    try:
        graph = trace(softmax, [np.ones((2, 3))], [True])
        assert sys.gettrace() is follow
    finally:
        sys.settrace(before)
    assert ("softmax", "line") in seen
    without = trace(softmax, [np.ones((2, 3))], [True])
    assert [operation.name for operation in graph.operations] == [operation.name for operation in without.operations]
    assert sys.getprofile() is None


def test_what_the_garbage_collector_calls_meanwhile_is_nobodys_forward():
    collected = []

    def told(phase, info):
        collected.append(phase)

    before = gc.get_threshold()
    gc.callbacks.append(told)
    gc.set_threshold(1)
    try:
        graph = trace(softmax, [np.ones((2, 3))], [True])
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(told)
    assert collected
    assert all(Path(operation.line.file).name == "softmax.py" for operation in graph.operations[1:])


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


def test_a_gradient_that_is_infinite_is_carried_back_without_a_warning():
    graph = trace(lambda x: (np.sqrt(x),), [np.array([0.0, 4.0])], [True])
    with np.errstate(all="warn"):
        np.testing.assert_array_equal(graph.gradients([np.ones(2)])[0], [np.inf, 0.25])


def test_an_output_that_depends_on_no_input_has_no_place():
    graph = trace(lambda x: (np.ones(3), x * 2.0), [np.ones(3)], [True])
    assert graph.outputs[0] is None
    np.testing.assert_array_equal(graph.at_inputs(graph.gradients([np.ones(3), np.ones(3)]))[0], np.full(3, 2.0))
    assert Edge(1, 0) in [edge for edge, _ in graph.edges()]
