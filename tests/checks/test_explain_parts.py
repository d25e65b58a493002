"""What does each part of the search for an explanation say, of a graph small enough to be worked out by hand?"""

import dataclasses

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.contract.checked_inputs import read_argument
from acg_numpy.checks.explain.broadcast_sums import missing_sum_shifts, missing_sums
from acg_numpy.checks.explain.case import make_case
from acg_numpy.checks.explain.corruptions import Corruption, scaled_contribution
from acg_numpy.checks.explain.cut_edges import factor_explanations, is_selection, is_statistic
from acg_numpy.checks.explain.edge_search import Shift
from acg_numpy.checks.explain.known_regions import projection
from acg_numpy.checks.explain.named_constants import factor_names, is_count
from acg_numpy.checks.explain.repeated_lines import repeated_edges, replay_corruption, single_use
from acg_numpy.checks.explain.two_corruptions import is_plausible_factor, same_kind_pairs, two_factors
from acg_numpy.checks.explain.whole_gradient import common_factor, is_target, one_hot
from acg_numpy.checks.explain.wrong_shapes import explain_input_shape, input_views
from acg_numpy.checks.numeric.differences import Differences
from acg_numpy.checks.tracing import Edge
from tests.checks.cases import SQUARE, X, Y, corruptions_of, right_case, search_of, submitting


def place_of(graph, name):
    """Where the one operation of that name stands."""
    (place,) = [n for n, operation in enumerate(graph.operations) if operation.name == name]
    return place


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


# Outputs.


def test_the_gradient_of_an_output_that_is_used_within_as_well_can_be_left_out():
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


# Sums left out.


def test_a_sum_left_out_of_a_softmax_can_be_carried_back_beside_other_changes():
    case = right_case(softmax, X)
    search = search_of(submitting(case, np.zeros_like(X)))
    diagonal = [shift for shift in missing_sum_shifts(search) if shift.corruption.mistake == "diagonal-softmax"]
    assert diagonal
    for shift in diagonal:
        assert search.replay({shift.edges[0]: shift.corruption}) is not None


def test_a_sum_left_out_is_followed_through_what_is_done_to_the_sum():
    """P = E / 2S: without the sum over the row, what comes back is G P (1 - 2P), the diagonal of the Jacobian."""

    def halved(x):
        e = np.exp(x)
        return e / (2.0 * np.sum(e, axis=-1, keepdims=True))

    case = right_case(halved, X)
    p = halved(X)
    search = search_of(submitting(case, case.grad_outs[0] * p * (1 - 2 * p)))
    assert "missing-broadcast-sum" in {explanation.mistake for explanation in missing_sums(search)}


def test_what_is_not_summed_is_told_so():
    case = right_case(lambda x, b: x + b, X, X[0])
    case = submitting(case, case.right[0], case.grad_outs[0])
    found = list(explain_input_shape(case, case.graph, 1))
    assert [(e.mistake, e.text) for e in found] == [("missing-broadcast-sum", "it is not summed")]


def test_the_views_of_an_input_are_what_has_its_numbers_in_its_order():
    graph = right_case(lambda x: np.reshape(x, (2, 6)) * 2.0, X).graph
    assert input_views(graph, graph.inputs[0]) == {graph.inputs[0], place_of(graph, "np.reshape")}
    turned = right_case(lambda x: np.transpose(x) * 2.0, X).graph
    assert input_views(turned, turned.inputs[0]) == {turned.inputs[0]}


# Changes at one edge.


def test_the_last_alone_is_likelier_than_the_first_alone_and_that_likelier_than_one_left_out_or_counted_twice():
    _, _, corruptions = corruptions_of(np.sin, X)
    costs = [corruptions[f"the {which}"].cost for which in ("last along axis 0 alone", "first along axis 0 alone")]
    rest = [corruptions[f"the {n} along axis 0 {how}"].cost for n in ("first", "last") for how in ("left out", "twice")]
    assert costs[0] < costs[1] < min(rest) == max(rest)


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("axis", [0, 1])
def test_one_place_along_an_axis_is_kept_left_out_or_counted_twice(axis, which):
    operation, g, corruptions = corruptions_of(np.sin, X)
    name = ("first", "last")[which]
    for text, weight, others, mistake in (
        ("alone", 1.0, 0.0, "last-only"),
        ("left out", 0.0, 1.0, "missing-path"),
        ("twice", 2.0, 1.0, "double-counted"),
    ):
        weights = np.full(X.shape, others)
        np.moveaxis(weights, axis, 0)[which] = weight
        corruption = corruptions[f"the {name} along axis {axis} {text}"]
        np.testing.assert_allclose(corruption.contribution(operation, 0, g), weights * g * np.cos(X))
        assert corruption.mistake == mistake


def test_the_other_factor_of_a_product_may_not_have_been_transposed():
    operation, g, corruptions = corruptions_of(np.matmul, X, SQUARE)
    np.testing.assert_allclose(corruptions["the other factor transposed"].contribution(operation, 0, g), g @ SQUARE)


@pytest.mark.parametrize("shape", [(4, 1), (1, 4)])
def test_a_column_may_have_been_taken_for_a_row_and_a_row_for_a_column(shape):
    w = Y[:1].reshape(shape)
    report = check_backward(
        lambda x, w: (x * w, (x, w)),
        lambda g, c: (g * c[1].T, np.sum(g * c[0], axis=shape.index(1), keepdims=True)),
        SQUARE,
        w,
        raise_on_failure=False,
    )
    assert [diagnosis.mistake for diagnosis in report.diagnoses] == ["transposed"]
    assert report.diagnoses[0].evidence.startswith("the other factor transposed; ")


def test_axes_of_a_gradient_may_be_exchanged_under_the_old_shape():
    operation, g, corruptions = corruptions_of(np.sin, X)
    sent = corruptions["axes 0 and 1 of the gradient exchanged under the old shape"].contribution(operation, 0, g)
    np.testing.assert_allclose(sent, g.T.reshape(3, 4) * np.cos(X))


# Factors.


def test_a_constant_counts_if_it_is_a_size_or_a_product_of_two_or_one_over_these():
    sizes = {1: "axis 0", 2: "axis 1", 3: "axis 2", 5: "axis 3"}
    for constant in (2, 1 / 2, 3, 1 / 5, 6, 10, 1 / 15):
        assert is_count(constant, sizes)
    for constant in (1, 4, 0.3, 30):
        assert not is_count(constant, sizes)


def test_a_factor_that_explains_everything_misses_by_rounding_alone():
    case = right_case(lambda x: np.sin(x) + x * Y, X)
    g = case.grad_outs[0]
    for factor in (0.0, -1.0, 2.0, 3.5):
        found = list(factor_explanations(search_of(submitting(case, g * (factor * np.cos(X) + Y)))))
        assert found
        assert all(explanation.residual < 1e-12 for explanation in found)


def test_minus_one_is_a_factor_that_somebody_could_have_written_and_an_odd_one_is_not():
    search = search_of(right_case(np.sin, X))
    assert all(is_plausible_factor(factor, search) for factor in (0.0, -1.0, 2.0, 0.5, 4.0))
    assert not any(is_plausible_factor(factor, search) for factor in (0.7123, -1.0321))


@pytest.mark.parametrize(
    ("of_loss", "expected"),
    [(lambda x, y: np.sum(x * y) + np.mean(y * y), False), (lambda x, y: np.sum(x * y) * np.mean(y * y), True)],
)
def test_a_mean_that_multiplies_is_a_statistic_and_one_that_is_added_is_a_penalty(of_loss, expected):
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


# Loops.


def turns(x, w):
    h = x
    for _ in range(3):
        h = np.tanh(h @ w)
    return h


def test_twice_what_is_no_use_of_an_input_in_every_turn_is_a_factor():
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
def test_of_the_uses_of_a_weight_in_a_loop_one_may_arrive_alone(kept):
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


# Two at once.


def test_two_factors_on_two_ways_are_told_apart():
    case = right_case(lambda x: np.sin(x) + np.exp(x) + x * Y, X)
    wrong = case.grad_outs[0] * (-np.cos(X) + 2 * np.exp(X) + Y)
    found = list(two_factors(search_of(submitting(case, wrong))))
    both = [e for e in found if "has the wrong sign" in e.text and "counts twice" in e.text]
    assert [explanation.mistake for explanation in both[:2]] == ["wrong-sign", "double-counted"]
    assert min(explanation.cost for explanation in found) == both[0].cost


def shift_of(mistake, text, vector):
    return Shift(Corruption(mistake, 1.5, text, scaled_contribution(0.0)), None, (), vector)


def test_the_same_mistake_at_two_places_is_one_of_a_kind_and_two_kinds_are_not():
    case = right_case(np.sin, X)
    search = search_of(submitting(case, case.right[0] + Y))
    part = np.where(np.arange(Y.size) % 2, search.target, 0.0)
    first, last = shift_of("last-only", "here", part), shift_of("last-only", "there", search.target - part)
    between = shift_of("last-only", "elsewhere", 3 * part)
    (found,) = same_kind_pairs(search, [first, between, last])
    assert (found.mistake, found.text) == ("last-only", "here, and there")
    assert list(same_kind_pairs(search, [first, shift_of("wrong-axis", "there", search.target - part)])) == []


# Targets.


def test_ones_stand_where_ids_point_along_whichever_axis_is_left():
    np.testing.assert_array_equal(one_hot(np.array([1, 0, 1]), (3, 2)), [[0, 1], [1, 0], [0, 1]])
    np.testing.assert_array_equal(one_hot(np.array([1, 0, 1]), (2, 3)), [[0, 1, 0], [1, 0, 1]])
    assert one_hot(np.array([1, 0, 5]), (3, 2)) is None


def test_a_gradient_is_the_target_if_it_is_a_right_input_times_a_number():
    case = right_case(lambda x, y: x * y, X, Y)
    case = submitting(case, case.right[0] + Y, case.right[1])
    assert is_target(-2 * Y / 12, case)
    assert is_target(np.where(Y > 0, Y, 0.0), case)
    assert not is_target(X, case)
    assert not is_target(np.sin(Y), case)


# How sure it is, and how close.


def test_of_a_single_number_an_odd_factor_explains_nothing_and_a_size_explains_it():
    def forward(s):
        return s * np.ones(7), None

    def said(factor):
        wrong = check_backward(forward, lambda g, _: factor * np.sum(g), np.array(1.3), raise_on_failure=False)
        return wrong.diagnoses[0]

    assert (said(0.7123).mistake, said(0.7123).confidence) == ("constant-factor", 0.5)
    assert (said(1 / 7).mistake, said(1 / 7).confidence) == ("mean-for-sum", 0.99)


def test_a_simple_ratio_is_a_likelier_slip_than_any_number_as_far_as_digits_are_known():
    case = dataclasses.replace(right_case(np.sin, np.linspace(0.5, 2.0, 5)), tolerance=1e-4)

    def cost(factor):
        (named,) = factor_names(factor, case)
        assert named.mistake == "constant-factor"
        return named.cost

    assert cost(2 / 3) == cost(-0.75) == cost(3.0) < cost(0.7123)
    assert cost(2 / 3 * (1 + case.factor_tolerance / 2)) == cost(2 / 3)
    assert cost(2 / 3 * (1 + case.factor_tolerance * 4)) == cost(0.7123)


def test_what_a_unit_vector_lets_through_is_at_right_angles_to_it():
    g, y = np.random.default_rng(0).normal(size=(2, 3, 4))
    y = y / np.sqrt(np.sum(y * y, axis=1, keepdims=True))
    let = projection(g, y, (1,), "length")
    np.testing.assert_allclose(np.sum(let * y, axis=1), 0, atol=1e-15)
    np.testing.assert_allclose(projection(let, y, (1,), "length"), let, atol=1e-15)


def test_without_a_graph_the_tolerance_is_what_the_numeric_derivative_is_good_for():
    def closed(x):
        raise TypeError("arrays only")

    def tolerance(error):
        ones = np.ones(3)
        is_plausible_factor = {0: Differences(ones, np.full(3, error))}
        case = make_case(closed, [read_argument("x", ones)], [ones], [ones], is_plausible_factor)
        assert case.graph is None
        return case.tolerance

    assert tolerance(1e-13) == 1e-6
    assert tolerance(1e-6) == pytest.approx(2e-5)
    assert tolerance(1.0) == 1e-3


FACTORS = {
    "wrong-sign": lambda x: (np.sin(x), -np.cos(x)),
    "mean-for-sum": lambda x: (np.sum(np.sin(x), axis=0), np.cos(x) / 3),
    "missing-scale": lambda x: (np.sin(x) / np.sqrt(4), np.cos(x)),
    "constant-factor": lambda x: (np.sin(x), 1.5 * np.cos(x)),
    "double-counted": lambda x: (np.sin(x) + x * x, 2 * np.cos(x) + 2 * x),
    "missing-path": lambda x: (x * x + np.sin(x), x + np.cos(x)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("mistake", FACTORS)
def test_a_mistake_is_named_to_the_last_places_of_the_gradients_dtype(mistake, dtype):
    report = check_backward(
        lambda x: (FACTORS[mistake](x)[0], x),
        lambda g, x: (g * FACTORS[mistake](x)[1]).astype(dtype),
        X,
        raise_on_failure=False,
    )
    assert report.diagnoses[0].mistake == mistake


def test_a_factor_is_known_as_well_as_the_gradients_are():
    """-1.004 is not -1 where the gradients are known to 1e-8, and is where they are known to 1e-2."""
    case = right_case(np.sin, X)
    case = submitting(case, -1.004 * case.right[0])
    assert [e.mistake for e in common_factor(case)] == ["constant-factor"]
    (found,) = common_factor(dataclasses.replace(case, tolerance=1e-2))
    assert found.mistake == "wrong-sign"
    assert found.residual == pytest.approx(0.004, rel=1e-2)
