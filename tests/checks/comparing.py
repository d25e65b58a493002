"""The comparison of gradients alone, where a test reads verdicts and no diagnosis; and small inputs for checks."""

import numpy as np

from acg_numpy.checks.backward_pass import Pair, check_backward, compare_gradients
from acg_numpy.checks.contract.checked_inputs import read_arguments
from acg_numpy.checks.settings import read_settings


def compare_only(
    forward, backward, *inputs, method="central", rtol=1e-5, atol=0.0, step=None, seed=0, raise_on_failure=False
):
    """The report of `check_backward` without a search for side effects, mistakes and blind spots."""
    assert not raise_on_failure
    pair = Pair(forward, backward, read_arguments(forward, inputs, None))
    report, _ = compare_gradients(pair, read_settings(method, rtol, atol, step, seed))
    return report


def fails(forward, backward, *inputs):
    """Return whether a pair fails a check, by its gradients alone where these are wrong already.

    What shows in side effects alone is named by them, so no search for the mistake runs in either case.
    """
    if not compare_only(forward, backward, *inputs).passed:
        return True
    return not check_backward(forward, backward, *inputs, raise_on_failure=False).passed


def smallest_draw(draw, seed=0, distinct=True):
    """Return the smallest of thirty draws whose axes have lengths of their own, or if not `distinct` any lengths.

    It is half as large as one draw alone, and numeric derivatives take twice as many calls as there are elements.
    """
    drawn = [draw(np.random.default_rng([seed, number]), distinct) for number in range(30)]
    return min(drawn, key=lambda inputs: sum(np.size(array) for array in inputs))
