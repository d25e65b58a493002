"""Factors on what is sent along a chain of edges, and what they are called."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.explain.cut_edges import factor_explanations, is_selection, is_statistic
from acg_numpy.checks.tracing import Edge
from tests.checks.explain.cases import X, Y, right_case, search_of, submitting


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


POINT = np.array([1.0, 0.5, 3.0])


def test_the_gradient_of_an_output_used_within_can_be_left_out():
    """Of (p, p v) the first output is a step on the way to the second: no edge carries the gradient it is given."""
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(3, 5)), rng.normal(size=(5, 2))

    def forward(x, v):
        p = softmax(x)
        return (p, p @ v), (p, v)

    def backward(grad_outs, cache):
        (_, do), (p, v) = grad_outs, cache
        dp = do @ v.T  # and not the gradient of p itself
        return p * (dp - np.sum(p * dp, axis=-1, keepdims=True)), p.T @ do

    report = check_backward(forward, backward, x, v, raise_on_failure=False)
    assert [diagnosis.mistake for diagnosis in report.diagnoses] == ["missing-path"]
    assert "output 0 is left out" in report.diagnoses[0].evidence


def test_a_factor_that_explains_everything_misses_by_rounding_alone():
    case = right_case(lambda x: np.sin(x) + x * Y, X)
    g = case.grad_outs[0]
    for factor in (0.0, -1.0, 2.0, 3.5):
        found = list(factor_explanations(search_of(submitting(case, g * (factor * np.cos(X) + Y)))))
        assert found
        assert all(explanation.residual < 1e-12 for explanation in found)


@pytest.mark.parametrize(
    ("of_loss", "expected"),
    [(lambda x, y: np.sum(x * y) + np.mean(y * y), False), (lambda x, y: np.sum(x * y) * np.mean(y * y), True)],
)
def test_a_mean_that_multiplies_is_a_statistic_an_added_one_is_not(of_loss, expected):
    case = right_case(of_loss, X, Y)
    graph = case.graph
    last = graph.operations[graph.outputs[0]]
    of_mean = last.args[1].place
    chain = [Edge(graph.outputs[0], 1)]
    while graph.operations[of_mean].entry is not None:
        position, parent = next(graph.operations[of_mean].links())
        chain.append(Edge(of_mean, position))
        of_mean = parent
    assert is_statistic(search_of(case), chain) is expected


def test_rows_are_selected_by_ids_and_not_by_arithmetic():
    def last_of(forward):
        graph = right_case(forward, X).graph
        return graph.operations[graph.outputs[0]]

    assert is_selection(last_of(lambda x: x[np.array([0, 2, 0])]))
    assert not is_selection(last_of(np.sin))
    assert not is_selection(last_of(lambda x: np.subtract(2.0, x)))
    assert not is_selection(last_of(lambda x: np.max(x, axis=0)))


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_a_path_left_out_is_found_whatever_the_size_of_the_gradient(size):
    report = check_backward(
        lambda x: (size * (np.sin(x) * x), x), lambda g, x: size * g * np.sin(x), POINT, raise_on_failure=False
    )
    best = report.diagnoses[0]
    assert best.mistake == "missing-path"
    assert best.confidence > 0.9
    assert float(best.evidence.rpartition("becomes yours to ")[2]) < 1e-14


@pytest.mark.parametrize("size", [2, 3, 4, 5])
@pytest.mark.parametrize("statistic", [np.sum, np.mean, np.max, np.min, np.prod])
def test_a_statistic_of_any_number_of_elements_is_no_selection(statistic, size):
    graph = right_case(statistic, np.arange(1.0, 1.0 + size)).graph
    assert not is_selection(graph.operations[graph.outputs[0]])


@pytest.mark.parametrize("size", [2, 3, 4, 5])
@pytest.mark.parametrize("statistic", [np.sum, np.mean, np.max])
def test_a_statistic_of_any_number_of_elements_can_be_held_constant(statistic, size):
    report = check_backward(
        lambda x: (x - statistic(x), x), lambda g, x: g, np.arange(1.0, 1.0 + size) ** 2, raise_on_failure=False
    )
    assert report.diagnoses[0].mistake == "held-constant"
