"""All cases, and the table as it is before any test adds to it."""

from acg_numpy.autograd.table import TABLE
from tests.autograd.cases import arranging, axes, elementwise, indexing, joining, linalg, products, reductions

ENTRIES = dict(TABLE)

CASES = [
    case
    for family in (elementwise, reductions, products, axes, joining, arranging, indexing, linalg)
    for case in family.CASES
]
