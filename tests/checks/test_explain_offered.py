"""Which changes are tried at an operation, which are not, and what is said of those that fit?"""

import numpy as np
import pytest

from acg_numpy.checks.explain.axis_exchanges import is_transposition
from acg_numpy.checks.explain.broadcast_uses import unsummed_contribution
from acg_numpy.checks.explain.edge_corruptions import mask_corruptions
from acg_numpy.checks.explain.formulas import elementwise_formulas, wrong_slopes
from acg_numpy.checks.explain.missing_masks import is_mask
from acg_numpy.checks.explain.named_constants import axis_sizes, size_names
from acg_numpy.checks.explain.repeated_lines import loop_corruptions, repeated_edges
from acg_numpy.checks.explain.search import make_diagnosis, single_corruptions
from acg_numpy.checks.explain.whole_gradient import common_factor, swapped_inputs
from acg_numpy.checks.report.mistake_names import MISTAKES
from tests.checks.cases import SQUARE, X, Y, corruptions_of, right_case, search_of, submitting

# What an operation does to the numbers of its argument.


@pytest.mark.parametrize(
    "forward",
    [lambda x: x + 0.0, lambda x: 1.0 * x, lambda x: np.reshape(x, (4, 3))],
    ids=["plus nothing", "times one", "reshaped"],
)
def test_what_leaves_the_numbers_in_their_order_exchanges_no_axes(forward):
    operation, _, _ = corruptions_of(forward, X)
    assert not is_transposition(operation, 0)


def test_an_exchange_with_an_axis_of_one_leaves_the_numbers_in_their_order():
    assert not is_transposition(corruptions_of(np.transpose, X[:1])[0], 0)
    assert is_transposition(corruptions_of(np.transpose, X)[0], 0)


def test_the_axes_of_a_square_may_have_been_exchanged_before_or_after_and_that_is_likelier_than_under_an_old_shape():
    operation, g, corruptions = corruptions_of(np.sin, SQUARE)
    after, before = corruptions["axes 0 and 1 exchanged"], corruptions["axes 0 and 1 of the gradient exchanged"]
    np.testing.assert_allclose(after.contribution(operation, 0, g), (g * np.cos(SQUARE)).T)
    np.testing.assert_allclose(before.contribution(operation, 0, g), g.T * np.cos(SQUARE))
    _, _, of_oblong = corruptions_of(np.sin, X)
    old_shape = of_oblong["axes 0 and 1 of the gradient exchanged under the old shape"]
    assert after.mistake == before.mistake == "transposed"
    assert after.cost == before.cost < old_shape.cost


def test_only_axes_of_two_or_more_of_what_keeps_its_number_of_elements_may_have_been_in_the_order_of_each_other():
    def orders(forward, *values):
        operation, g, corruptions = corruptions_of(forward, *values)
        offered = {
            text: corruption for text, corruption in corruptions.items() if text.endswith("in the order of the other")
        }
        return {text: corruption.contribution(operation, 0, g) for text, corruption in offered.items()}, g

    found, g = orders(np.sin, X[None])
    assert list(found) == ["axes 1 and 2 in the order of the other"]
    flat = np.ravel(g * np.cos(X[None]))
    np.testing.assert_allclose(*found.values(), flat.reshape(1, 4, 3).swapaxes(1, 2))
    assert orders(lambda x: np.sum(x, axis=0), X)[0] == {}


# Rows picked by ids.


def test_the_mean_over_the_uses_of_a_row_is_zero_for_a_row_that_is_not_used_wherever_it_is():
    for ids, others, unused in (([0, 1, 0], 1, 2), ([1, 2, 1], 2, 0)):
        operation, g, corruptions = corruptions_of(lambda x, ids=ids: x[np.array(ids)], X)
        expected = np.zeros_like(X)
        expected[ids[0]], expected[others], expected[unused] = (g[0] + g[2]) / 2, g[1], 0.0
        sent = corruptions["averaged and not added where an id repeats"].contribution(operation, 0, g)
        np.testing.assert_allclose(sent, expected)


# Sums over what was broadcast.


def test_an_axis_of_one_put_in_front_is_no_broadcast_and_leaves_no_sum_to_forget():
    operation, g, corruptions = corruptions_of(np.add, X[0], X[:1])
    assert operation.value.shape == (1, 4)
    assert unsummed_contribution(operation, 0, g) is None
    assert "missing-broadcast-sum" not in {corruption.mistake for corruption in corruptions.values()}


def test_the_sum_over_a_batch_of_matrices_is_found_also_where_the_result_has_as_many_numbers_as_the_factor():
    batch, factor = np.random.default_rng(2).normal(size=(2, 2, 4)), np.random.default_rng(3).normal(size=(4, 5))
    operation, g, corruptions = corruptions_of(np.matmul, batch, factor, position=1)
    assert operation.value.size == factor.size
    first = corruptions["the first of the broadcast uses alone"].contribution(operation, 1, g)
    np.testing.assert_allclose(first, batch[0].T @ g[0])
    np.testing.assert_allclose(unsummed_contribution(operation, 1, g), np.swapaxes(batch, 1, 2) @ g)


# Masks.


def test_with_nothing_masked_everything_comes_back_and_with_everything_masked_it_is_no_mask_that_was_forgotten():
    operation, g, _ = corruptions_of(lambda x: np.where(Y > 0, x, 0.0), X, position=1)
    opened, closed = (corruption.contribution(operation, 1, g) for corruption in mask_corruptions(operation))
    np.testing.assert_array_equal(opened, g)
    assert closed is None


def test_a_mask_is_of_true_and_false_or_of_zeros_and_ones_and_masks_something():
    assert all(map(is_mask, (np.array([True, False]), np.zeros(3, bool), np.array([[1, 0], [1, 1]]))))
    assert not any(map(is_mask, (np.ones(3, bool), np.ones(3, int), np.zeros(3, int), np.array([0, 2, 0]))))


# Constants.


def test_two_is_the_size_of_an_axis_only_where_the_forward_sums_over_it():
    def names(forward):
        case = right_case(forward, X[0, :2])
        return [named.mistake for named in size_names(2.0, case, axis_sizes(case))]

    assert names(np.sum) == ["mean-for-sum"]
    assert names(np.sin) == []


# Slopes.


def test_a_slope_taken_at_another_value_is_told_with_the_line_of_that_value_or_as_an_input():
    def forward(x):
        u = np.tanh(x)
        return np.sin(u)

    case, u = right_case(forward, X), np.tanh(X)
    g = case.grad_outs[0]
    (line,) = {operation.line for operation in case.graph.operations if operation.name == "np.tanh"}

    def texts(gradient):
        return {e.text for e in elementwise_formulas(search_of(submitting(case, gradient)))}

    assert "the slope taken at the value of an input" in texts(g * np.cos(X) * (1 - u * u))
    assert f"the slope taken at the value of {line}" in texts(g * np.cos(u) * (1 - np.tanh(u) ** 2))
    assert "the result used where its slope belongs" in texts(g * np.sin(u) * (1 - u * u))


def test_a_result_that_is_its_own_argument_is_not_told_from_it():
    """0 and 1 are their own squares: there `y` in the place of `2 x` is `x` in the place of it."""
    own = np.array([0.0, 1.0, 1.0, 0.0])
    case = right_case(np.square, own)
    (end,) = case.graph.outputs
    slopes = list(wrong_slopes(search_of(case), case.graph.inputs[0], end, 2 * own))
    assert not any("the result" in text for text, _, _ in slopes)


# Loops.


def test_what_is_run_once_is_no_loop():
    search = search_of(right_case(lambda x: np.sin(x) * np.cos(Y), X))
    assert len(list(search.edges())) == 2
    assert repeated_edges(search) == []


def test_in_every_turn_of_a_loop_the_slope_may_be_taken_at_the_value_of_another_line():
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


# What is said.


def test_gradients_in_each_others_place_are_found_to_the_last_digit():
    case = right_case(lambda x, y: np.sin(x) * y, X, Y)
    (found,) = swapped_inputs(submitting(case, *reversed(case.right)))
    assert (found.mistake, found.residual) == ("swapped-inputs", 0.0)


def test_where_a_sign_explains_everything_no_edge_is_looked_at():
    case = right_case(np.sin, X)
    case = submitting(case, -case.right[0])
    (sign,) = common_factor(case)
    assert sign.mistake == "wrong-sign"
    assert list(single_corruptions(case, np.inf)) == [sign]


def test_a_mistake_that_belongs_to_no_line_is_told_by_its_meaning_alone():
    case = right_case(np.sin, X)
    case = submitting(case, -case.right[0])
    (found,) = common_factor(case)
    assert make_diagnosis(found, 1.0, case).message == MISTAKES["wrong-sign"].meaning
