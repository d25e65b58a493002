"""Averages, quantiles, covariances, histograms, and reductions that pass over NaN."""

import numpy as np

from tests.autograd.cases.making import CaseList, between, positive, real
from tests.autograd.cases.reductions import MASK, spread_out

CASES = CaseList()


def with_gaps(*shape):
    """Numbers with no two alike, some of them NaN, but not a whole row or column."""
    x = spread_out(*shape).copy()
    x.flat[:: shape[-1] + 1] = np.nan
    return x


CASES.add(np.average, real(2, 3))
CASES.add(np.average, real(2, 3), 1)
CASES.add(np.average, real(2, 3), axis=0, weights=positive(2))
CASES.add(np.average, real(2, 3), weights=positive(2, 3))
CASES.add(np.average, real(2, 3), axis=-1, weights=positive(3), returned=True)
CASES.add(np.average, real(2, 3), axis=1, weights=positive(2, 3), keepdims=True)
CASES.add(np.average, real(2, 3), returned=True)
CASES.add(np.average, real(3), weights=[1, 2, 3])
if np.lib.NumpyVersion(np.__version__) >= "2.3.0":  # weights for several axes
    CASES.add(np.average, real(2, 3, 4), axis=(2, 0), weights=positive(4, 2))

for function in [np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin]:
    for axis in [None, 0, 1, (0, 1)]:
        CASES.add(function, with_gaps(3, 4), axis=axis)
        CASES.add(function, with_gaps(3, 4), axis=axis, keepdims=True)
    CASES.add(function, a=with_gaps(3, 4))
    CASES.add(function, spread_out(2, 3), axis=1)
for function in [np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd]:
    CASES.add(function, with_gaps(2, 3) * 0.9, axis=0, where=MASK | ~np.isnan(with_gaps(2, 3)))
for function in [np.nansum, np.nanprod]:
    CASES.add(function, with_gaps(2, 3), axis=0, initial=2.0)
    CASES.add(function, with_gaps(2, 3), axis=0, dtype=np.float64)
CASES.add(np.nanmean, with_gaps(2, 3), dtype=np.float64)
for function, initial in [(np.nanmax, 0.4), (np.nanmin, -0.4)]:
    CASES.add(function, with_gaps(3, 4), axis=0, initial=initial, where=spread_out(3, 4) < 1.1)
for function in [np.nanvar, np.nanstd]:
    CASES.add(function, with_gaps(3, 4), ddof=1)
    CASES.add(function, with_gaps(3, 4), axis=0, correction=0.5)
for function in [np.nancumsum, np.nancumprod]:
    CASES.add(function, with_gaps(2, 3))
    CASES.add(function, with_gaps(2, 3), axis=1)
    CASES.add(function, with_gaps(2, 3), 0, dtype=np.float64)

METHODS = [
    "linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
    "interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased", "normal_unbiased",
]  # fmt: skip
for function in [np.median, np.nanmedian]:
    for axis in [None, 0, -1, (0, 1)]:
        CASES.add(function, spread_out(3, 4), axis=axis)
        CASES.add(function, spread_out(3, 4), axis=axis, keepdims=True)
    CASES.add(function, spread_out(5), overwrite_input=True)
    CASES.add(function, spread_out())
CASES.add(np.nanmedian, with_gaps(3, 4), axis=1)
CASES.add(np.nanmedian, with_gaps(3, 4))
for function, scale in [(np.quantile, 1), (np.percentile, 100), (np.nanquantile, 1), (np.nanpercentile, 100)]:
    for method in METHODS:
        CASES.add(function, spread_out(4, 3), 0.37 * scale, method=method, axis=0)
    CASES.add(function, spread_out(4, 3), between(0.4 * scale, 0.6 * scale))
    CASES.add(function, spread_out(4, 3), between(0.36 * scale, 0.48 * scale, 2, 2), axis=0)
    CASES.add(function, spread_out(4, 3), between(0.1 * scale, 0.15 * scale, 2), axis=1, keepdims=True)
    CASES.add(function, spread_out(4, 3), [0, 0.3 * scale, scale], (0, 1))
    CASES.add(function, spread_out(4), 0.5 * scale, overwrite_input=True)
CASES.add(np.nanquantile, with_gaps(3, 4), 0.37, axis=1)
CASES.add(np.nanpercentile, with_gaps(3, 4), [10.0, 45.0], axis=0, method="hazen")

CASES.add(np.cov, real(3, 4))
CASES.add(np.cov, real(4))
CASES.add(np.cov, real(4), real(4))
CASES.add(np.cov, real(4, 3), rowvar=False)
CASES.add(np.cov, real(4, 3), real(4, 2), rowvar=False, bias=True)
CASES.add(np.cov, real(3, 4), ddof=0)
CASES.add(np.cov, real(2, 4), fweights=[1, 2, 1, 3])
CASES.add(np.cov, real(2, 4), aweights=positive(4))
CASES.add(np.cov, real(2, 4), aweights=positive(4), fweights=np.array([1, 2, 1, 3]), bias=True)
CASES.add(np.cov, real(2, 4), fweights=np.array([1, 2, 1, 3]), aweights=positive(4))
CASES.add(np.corrcoef, real(3, 5))
CASES.add(np.corrcoef, real(5), real(5))
CASES.add(np.corrcoef, real(5, 3), rowvar=False)
CASES.add(np.corrcoef, real(3, 5), dtype=np.float64)
CASES.add(np.cov, real(3, 5), dtype=np.float64)
CASES.add(np.nanmax, real(0, 3), axis=1)
CASES.add(np.quantile, real(0, 3), 0.5, axis=1)
CASES.add(np.quantile, real(), 0.5)
CASES.add(np.average, real())
CASES.add(np.nansum, real(0))
CASES.add(np.nanmean, real(), axis=0)
