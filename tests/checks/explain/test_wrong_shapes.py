"""Gradients of the wrong shape."""

import numpy as np

from acg_numpy.checks.explain.wrong_shapes import explain_input_shape, input_views
from tests.checks.explain.cases import X, right_case, submitting


def place_of(graph, name):
    """Where the one operation of that name stands."""
    (place,) = [n for n, operation in enumerate(graph.operations) if operation.name == name]
    return place


def test_what_is_not_summed_is_said_to_be_so():
    case = right_case(lambda x, b: x + b, X, X[0])
    case = submitting(case, case.right[0], case.grad_outs[0])
    found = list(explain_input_shape(case, case.graph, 1))
    assert [(e.mistake, e.text) for e in found] == [("missing-broadcast-sum", "it is not summed")]


def test_views_of_an_input_have_its_numbers_in_its_order():
    graph = right_case(lambda x: np.reshape(x, (2, 6)) * 2.0, X).graph
    assert input_views(graph, graph.inputs[0]) == {graph.inputs[0], place_of(graph, "np.reshape")}
    turned = right_case(lambda x: np.transpose(x) * 2.0, X).graph
    assert input_views(turned, turned.inputs[0]) == {turned.inputs[0]}
