"""Operations from outside the library: right backwards pass a check, wrong ones do not."""

from copy import deepcopy

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.report.mistake_names import MISTAKES
from acg_numpy.checks.tracing import trace
from tests.checks.comparing import fails, smallest_draw
from tests.checks.outside import OUTSIDE
from tests.thoroughness import one_in

pytestmark = pytest.mark.slow

OPERATIONS = {mistake.operation: mistake for mistake in OUTSIDE}
DRAWS = one_in(3, [(0, True), (1, True), (2, False)])

# Right at the first call: these show in what they leave behind.
SIDE_EFFECTS = {"mutated-cache", "carries-over"}


def drawn(mistake, seed, distinct):
    return smallest_draw(mistake.draw, seed) if distinct else mistake.draw(np.random.default_rng(seed), distinct)


@pytest.mark.parametrize(("seed", "distinct"), DRAWS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_right_backward_passes(operation, seed, distinct):
    mistake = OPERATIONS[operation]
    check_backward(mistake.forward, mistake.right, *drawn(mistake, seed, distinct))


@pytest.mark.parametrize(("seed", "distinct"), DRAWS)
@pytest.mark.parametrize("mistake", [m for m in OUTSIDE if m.expected not in SIDE_EFFECTS], ids=lambda m: m.name)
def test_a_wrong_backward_fails(mistake, seed, distinct):
    inputs = drawn(mistake, seed, distinct)
    assert fails(mistake.forward, mistake.backward, *inputs)


@pytest.mark.parametrize("mistake", [m for m in OUTSIDE if m.expected in SIDE_EFFECTS], ids=lambda m: m.name)
def test_a_side_effect_is_right_once_and_then_differs(mistake):
    out, cache = mistake.forward(*drawn(mistake, 0, True))
    backward, right, grad_out = deepcopy(mistake.backward), mistake.right(out, deepcopy(cache)), np.array(out)
    for once, expected in zip(backward(grad_out, cache), right, strict=True):
        np.testing.assert_allclose(once, expected)
    again = backward(grad_out, cache)
    assert not all(np.allclose(second, expected) for second, expected in zip(again, right, strict=True))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_forward_runs_on_tensors(operation):
    mistake = OPERATIONS[operation]
    inputs = drawn(mistake, 0, True)
    floating = [array.dtype.kind == "f" for array in map(np.asarray, inputs)]
    graph = trace(lambda *point: (mistake.forward(*point)[0],), inputs, floating)
    np.testing.assert_array_equal(graph.operations[graph.outputs[0]].value, mistake.forward(*inputs)[0])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_axes_of_distinct_draws_tell_each_other_apart(operation):
    mistake = OPERATIONS[operation]
    for seed in range(20):
        lengths = {n for array in mistake.draw(np.random.default_rng(seed), True) for n in np.shape(array)}
        products = {a * b for a in lengths for b in lengths}
        assert operation in FOLDED or not lengths & products


# A flattened input has an axis that is a product by nature.
FOLDED = {"sequence read-out"}


def test_mistakes_have_names_of_their_own_and_expect_an_id_that_exists():
    names = [mistake.name for mistake in OUTSIDE]
    assert len(set(names)) == len(names)
    assert {mistake.expected for mistake in OUTSIDE} <= set(MISTAKES)


def test_there_are_many_operations_and_mistakes_of_many_kinds():
    assert len(OPERATIONS) >= 12
    assert len(OUTSIDE) >= 45
    assert len({mistake.expected for mistake in OUTSIDE}) >= 18
