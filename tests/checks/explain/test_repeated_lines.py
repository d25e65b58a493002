"""The same corruption in every turn of a loop."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.explain.corruptions import Corruption, scaled_contribution
from acg_numpy.checks.explain.repeated_lines import loop_corruptions, repeated_edges, replay_corruption, single_use
from tests.checks.explain.cases import SQUARE, X, Y, right_case, search_of, submitting


def turns(x, w):
    h = x
    for _ in range(3):
        h = np.tanh(h @ w)
    return h


def test_twice_what_is_no_use_of_an_input_is_a_factor():
    case = right_case(turns, X, SQUARE)
    names = case.graph.operations
    (members,) = [group for group in repeated_edges(search_of(case)) if names[group[0][0].operation].name == "np.tanh"]
    twice = {edge: scaled_contribution(2.0) for edge, _ in members}
    wrong = case.graph.at_inputs(case.graph.gradients(case.grad_outs, twice))
    search = search_of(submitting(case, *wrong))
    line = names[members[0][0].operation].line
    (found,) = replay_corruption(
        search, Corruption("double-counted", 1.7, "times 2", scaled_contribution(2.0)), line, members
    )
    assert found.mistake == "constant-factor"
    assert found.text == "at each of the 3 times that the line is run: times 2"


@pytest.mark.parametrize("kept", [0, -1])
def test_one_use_of_a_weight_in_a_loop_can_arrive_alone(kept):
    case = right_case(turns, X, SQUARE)
    search = search_of(case)
    weight = case.graph.inputs[1]
    sent = [
        case.graph.pull(weight, search.contribution(edge))[1] for edge, parent in case.graph.edges() if parent == weight
    ]
    search = search_of(submitting(case, case.right[0], sent[kept]))
    (found,) = single_use(search)
    assert (found.mistake, found.text) == ("last-only", "of 3 uses of one value there only one arrives")
    assert found.support == SQUARE.size


def test_what_is_run_once_is_no_loop():
    search = search_of(right_case(lambda x: np.sin(x) * np.cos(Y), X))
    assert len(list(search.edges())) == 2
    assert repeated_edges(search) == []


def test_a_slope_in_a_loop_can_be_taken_at_another_lines_value():
    def turns(x, w):
        for _ in range(3):
            z = x @ w
            x = np.sin(z)
        return x

    case = right_case(turns, X, SQUARE)
    operations = case.graph.operations
    (members,) = [
        group for group in repeated_edges(search_of(case)) if operations[group[0][0].operation].name == "np.sin"
    ]
    at_result = {
        edge: lambda operation, position, g: g * np.cos(operation.value)  # cos(sin z), not cos z
        for edge, _ in members
    }
    wrong = case.graph.at_inputs(case.graph.gradients(case.grad_outs, at_result))
    line = operations[members[0][0].operation].line
    found = [e for e in loop_corruptions(search_of(submitting(case, *wrong))) if "in every turn" in e.text]
    assert [(e.mistake, e.line) for e in found] == [("stale-value", line)]
    assert f"the value of {line} is used" in found[0].text


def average_windows(x):
    out = np.zeros(3)
    for i in range(3):
        out[i] = np.mean(x[i : i + 2])
    return out, x


def recurrence(x, w):
    states = np.zeros((4, 2))
    for t in range(3):
        states[t + 1] = np.tanh(x[t] + states[t] @ w)
    return states[1:], states


def test_windows_that_are_assigned_where_they_overlap_are_named():
    def assigned(g, x):
        grad = np.zeros_like(x)
        for i in range(3):
            grad[i : i + 2] = g[i] / 2
        return grad

    report = check_backward(average_windows, assigned, np.array([0.3, -1.0, 2.0, 0.7]), raise_on_failure=False)
    assert report.diagnoses[0].mistake == "overwritten-rows"
    assert "assigned and not added where they overlap" in report.diagnoses[0].evidence


def test_a_path_through_time_that_is_left_out_is_a_missing_path():
    def no_time(g, states):
        inner = g * (1 - states[1:] ** 2)
        return inner, states[:-1].T @ inner

    rng = np.random.default_rng(0)
    report = check_backward(
        recurrence, no_time, rng.normal(size=(3, 2)), rng.normal(size=(2, 2)), raise_on_failure=False
    )
    assert report.diagnoses[0].mistake == "missing-path"
    assert "the path through time" in report.diagnoses[0].evidence


def test_a_state_carried_back_without_the_slope_is_named():
    rng = np.random.default_rng(0)

    def forward(x, h, u):
        states = [h]
        for t in range(3):
            states.append(np.tanh(x[:, t] + states[-1] @ u))
        return np.stack(states[1:], 1), (states, u)

    def backward(g, cache):
        states, u = cache
        dx, du, carried = np.zeros_like(g), np.zeros_like(u), np.zeros_like(states[0])
        for t in (2, 1, 0):
            d = g[:, t] + carried
            dx[:, t] = d * (1 - states[t + 1] ** 2)
            du += states[t].T @ dx[:, t]
            carried = d @ u.T
        return dx, carried, du

    inputs = [rng.normal(size=shape) for shape in [(2, 3, 4), (2, 4), (4, 4)]]
    best = check_backward(forward, backward, *inputs, raise_on_failure=False).diagnoses[0]
    assert best.mistake == "stale-value"
    assert "lacks the slope of the function that follows" in best.evidence
