"""The first name that a diagnosis gives is the right one: for every mistake of the catalogue, and for most elsewhere.

The operations outside the package were written without sight of the diagnosis, and frozen before it was tuned; no name
there was chosen by what it says.
"""

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.confusion import measure
from acg_numpy.checks.mistakes import CATALOGUE
from acg_numpy.checks.report.mistake_names import MISTAKES
from tests.checks.comparing import smallest_draw
from tests.checks.outside import OUTSIDE
from tests.thoroughness import one_in

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mistake", CATALOGUE, ids=lambda mistake: mistake.name)
def test_a_mistake_of_the_catalogue_is_named_first(mistake):
    report = check_backward(mistake.forward, mistake.backward, *smallest_draw(mistake.draw), raise_on_failure=False)
    assert not report.passed, report
    assert report.diagnoses, report
    best = report.diagnoses[0]
    assert best.mistake == mistake.expected, report
    assert best.hint == MISTAKES[mistake.expected].hint
    assert 0 < best.confidence <= 1
    assert best.message in str(report).replace("\n           ", " ")


def test_mistakes_outside_the_package_are_named_as_well():
    confusion = measure(one_in(3, OUTSIDE), draws=1)
    assert confusion.recall >= 0.90, confusion.table()
    assert confusion.precision >= 0.95, confusion.table()


def test_with_coinciding_sizes_the_right_name_is_among_those_given():
    """Where axes have one length, a sum over one can be a sum over another: ties are said."""
    missed, tried = [], one_in(3, CATALOGUE)
    for mistake in tried:
        inputs = mistake.draw(np.random.default_rng(1), False)
        report = check_backward(mistake.forward, mistake.backward, *inputs, raise_on_failure=False)
        if mistake.expected not in [diagnosis.mistake for diagnosis in report.diagnoses]:
            missed.append((mistake.name, [diagnosis.mistake for diagnosis in report.diagnoses]))
    assert len(missed) <= 0.08 * len(tried), missed


def test_what_has_no_name_is_counted_as_that():
    mistake = CATALOGUE[0]
    counts = measure([mistake._replace(backward=mistake.right)], draws=2).counts
    assert counts == {(mistake.name, mistake.expected, None): 2}


@pytest.mark.parametrize(
    ("returned", "sentence"), [(None, "return statement missing"), ({}, "hold none of x; they hold no keys")]
)
def test_no_gradients_at_all_are_said_to_be_missing(returned, sentence):
    report = check_backward(lambda x: (x * x, x), lambda g, x: returned, np.ones(3), raise_on_failure=False)
    assert sentence in report.faults[0]
    assert report.diagnoses[0].mistake == "wrong-count"
