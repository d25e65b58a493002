"""The confusion table of operations that the package does not know: `python -m tests.checks.outside`."""

from acg_numpy.checks.confusion import measure
from tests.checks.outside import OUTSIDE

print(measure(OUTSIDE).table())
