"""The catalogue: every wrong backward fails a check, every right one passes, at whatever shapes are drawn."""

import numpy as np
import pytest
from hypothesis import settings

from acg_numpy import passes as library
from acg_numpy.checks import check_backward
from acg_numpy.checks.all_passes import pair_names
from acg_numpy.checks.confusion import measure
from acg_numpy.checks.mistakes import CATALOGUE
from acg_numpy.checks.report.mistake_names import MISTAKES
from tests.checks.comparing import fails, smallest_draw
from tests.thoroughness import one_in

# (seed, distinct): every other one with axes whose lengths may coincide; 2 of them, 10 in the thorough profile.
DRAWS = [(seed, seed % 2 == 0) for seed in range(max(2, settings().max_examples // 100))]
ABOUT_THE_CHECK = {"kink", "step-too-large", "step-too-small", "low-precision"}
NOT_IN_THE_NUMBERS = {"mutated-input", "mutated-cache", "carries-over", "wrong-dtype"}  # of a first call


def keeps_the_forward(mistake):
    """Check whether the forward is the library's own.

    Some mistakes bring a forward that draws its own mask or writes in place; no backward of that is right.
    """
    return getattr(mistake.forward, "func", mistake.forward) is getattr(library, f"{mistake.operation}_forward")


# One for each way of drawing: mistakes share what is right.
RIGHT = {mistake.draw: mistake for mistake in CATALOGUE if keeps_the_forward(mistake)}

per_mistake = pytest.mark.parametrize("mistake", CATALOGUE, ids=lambda mistake: mistake.name)
per_draw = pytest.mark.parametrize(("seed", "distinct"), DRAWS)


def drawn(mistake, seed, distinct):
    return mistake.draw(np.random.default_rng(seed), distinct)


# at the first draw report/test_mistake_names.py asks for the name as well
@pytest.mark.parametrize(("seed", "distinct"), DRAWS[1:])
@pytest.mark.parametrize("mistake", one_in(2, CATALOGUE), ids=lambda mistake: mistake.name)
def test_a_wrong_backward_fails(mistake, seed, distinct):
    assert fails(mistake.forward, mistake.backward, *smallest_draw(mistake.draw, seed, distinct))


def gradients(mistake, backward, seed):
    """Return what a backward returns at a draw of the mistake, for the same grad_out for every backward."""
    out, cache = mistake.forward(*drawn(mistake, seed, True))
    found = backward(np.random.default_rng(seed + 1).normal(size=np.shape(out)), cache)
    return found if isinstance(found, tuple) else (found,)


def alike(gradient, other):
    if gradient is None or other is None:
        return gradient is other
    return np.shape(gradient) == np.shape(other) and np.allclose(gradient, other, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize(
    "mistake",
    [m for m in CATALOGUE if keeps_the_forward(m) and m.expected not in NOT_IN_THE_NUMBERS],
    ids=lambda mistake: mistake.name,
)
def test_a_wrong_backward_is_wrong_at_every_draw(mistake):
    for seed in range(5):
        wrong, right = (gradients(mistake, backward, seed) for backward in (mistake.backward, mistake.right))
        assert len(wrong) != len(right) or not all(map(alike, wrong, right))


@per_draw
@pytest.mark.parametrize("draw", RIGHT, ids=lambda draw: f"{draw.__module__.rpartition('.')[-1]}-{draw.__name__}")
def test_the_right_backward_passes_at_such_inputs(draw, seed, distinct):
    mistake = RIGHT[draw]
    check_backward(mistake.forward, mistake.right, *smallest_draw(draw, seed, distinct))


def lengths(inputs):
    return {n for array in inputs for n in np.shape(array)}


@per_mistake
def test_axes_of_distinct_draws_tell_each_other_apart(mistake):
    for seed in range(5):
        given = lengths(drawn(mistake, seed, True)) - {1}
        assert not given & {a * b for a in given for b in given}


def test_mistakes_have_names_of_their_own_that_begin_with_the_operation():
    names = [mistake.name for mistake in CATALOGUE]
    assert len(set(names)) == len(names)
    assert all(mistake.name.startswith(f"{mistake.operation}: ") for mistake in CATALOGUE)


@per_mistake
def test_a_story_is_a_sentence(mistake):
    assert mistake.story[-1] == "."
    assert len(mistake.story.split()) >= 5


def test_every_pair_has_mistakes_and_every_mistake_a_pair():
    operations = [mistake.operation for mistake in CATALOGUE]
    assert set(operations) == set(pair_names())
    assert all(operations.count(name) >= 4 for name in set(operations))


def test_every_mistake_that_a_backward_can_make_is_made():
    assert {mistake.expected for mistake in CATALOGUE} == set(MISTAKES) - ABOUT_THE_CHECK


def test_a_confusion_counts_every_mistake_at_every_draw():
    confusion = measure(CATALOGUE[:4], draws=2)
    assert confusion.num_cases == 8
    assert 0 <= confusion.recall <= confusion.precision <= 1


def test_a_confusion_has_what_the_report_names_first():
    (mistake,) = (m for m in CATALOGUE if m.name == "mse: one gradient for both")
    confusion = measure([mistake], draws=2)
    assert confusion.counts == {(mistake.name, mistake.expected, mistake.expected): 2}


def test_a_right_backward_is_never_called_a_mistake():
    right = [mistake._replace(backward=mistake.right) for mistake in RIGHT.values()]
    confusion = measure(right, draws=1)
    assert confusion.num_named == 0
    assert {named for _, _, named, _ in confusion.confused} == {None}
