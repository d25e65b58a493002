"""Weights in bins, histograms, and distinct elements."""

import numpy as np

from tests.autograd.cases.making import CaseList, real
from tests.autograd.cases.reductions import spread_out

CASES = CaseList()

CASES.add(np.bincount, np.array([0, 2, 2, 1]), real(4))
CASES.add(np.bincount, np.array([0, 2, 2, 1]), weights=real(4), minlength=6)
CASES.add(np.histogram, np.array([1, 2, 2, 5]), 3, weights=real(4))
CASES.add(np.histogram, np.array([1, 2, 2, 5, 9]), [1, 2, 4, 6], weights=real(5))
CASES.add(np.histogram, np.array([1, 2, 2, 5]), bins=2, range=(0.0, 4.0), weights=real(4))
CASES.add(np.histogram, spread_out(5), 3)
CASES.add(np.histogram, spread_out(5), 3, density=True)
CASES.add(np.histogram, spread_out(5), np.array([-2.0, 0.0, 2.0]), density=True)
CASES.add(np.histogram_bin_edges, spread_out(5), 4)
CASES.add(np.histogram_bin_edges, spread_out(5), bins=4, range=(0.0, 1.0))

CASES.add(np.unique, spread_out(2, 3))
CASES.add(np.unique, spread_out(4), return_index=True, return_inverse=True, return_counts=True)
CASES.add(np.unique, spread_out(3, 2), axis=0)
CASES.add(np.unique, spread_out(4), equal_nan=False)
for function in [np.unique_values, np.unique_all, np.unique_counts, np.unique_inverse]:
    CASES.add(function, spread_out(2, 3))
CASES.add(np.union1d, spread_out(3), spread_out(2, 2) + 0.07)
CASES.add(np.setdiff1d, spread_out(4), np.array([9, 10]))
CASES.add(np.setdiff1d, spread_out(4), np.array([9, 10]), assume_unique=True)

CASES.add(np.histogram_bin_edges, np.array([1.5]), 2)
CASES.add(np.unique, real(0))
