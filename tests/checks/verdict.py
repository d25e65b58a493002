"""The verdict of a check by itself, for tests that do not read which mistake was made."""

from unittest.mock import patch

from acg_numpy.checks import check_backward, findings
from acg_numpy.checks.explain.search import Findings


def passes(forward, backward, *inputs):
    """Return whether a pair passes, without the search for the mistake of one that does not."""
    with patch.object(findings, "explain", lambda case: Findings((), ())):
        return check_backward(forward, backward, *inputs, raise_on_failure=False).passed
