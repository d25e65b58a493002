"""Covariances of Tensors are NumPy's, with the arguments that NumPy refuses and those that it warns of."""

import itertools
import warnings

import numpy as np

from acg_numpy import tensor
from acg_numpy.autograd.rules.joining import array_of

RNG = np.random.default_rng(0)
SHAPES = [(3, 4), (4,), (1, 4), (4, 1), (3, 0), (0,), (0, 4), (), (2, 3, 4)]
OPTIONS = [{}, {"rowvar": False}, {"bias": True}, {"ddof": 4}, {"ddof": 1.5}, {"dtype": np.float32}]
# weights for n observations
COUNTS = [lambda n: None, np.arange, lambda n: np.zeros(n, int), lambda n: np.full(n, 0.5), lambda n: [], lambda n: 2]
WEIGHTS = [lambda n: None, lambda n: np.eye(1, n)[0], lambda n: [], lambda n: -np.ones(n), lambda n: [[1.0] * n]]


def outcome(m, *args, **options):
    """Return the covariance, or the kind of error, and whether there were warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = np.cov(m, *args, **options)
        except Exception as error:
            return type(error), bool(caught)
    return array_of(result), bool(caught)


def test_a_covariance_refuses_and_warns_of_what_numpy_does():
    wrong = []
    for shape, options, count, weight in itertools.product(SHAPES, OPTIONS, COUNTS, WEIGHTS):
        n = shape[-1] if shape else 1
        m, y = RNG.normal(size=shape), RNG.normal(size=n) if options else None
        weights = {"fweights": count(n), "aweights": weight(n)}
        expected, warned = outcome(m, y, **options, **weights)
        found, also_warned = outcome(tensor(m, requires_grad=True), y, **options, **weights)
        if isinstance(expected, type) or isinstance(found, type):
            same = found is expected
        else:
            same = found.shape == expected.shape and np.allclose(found, expected, equal_nan=True)
        if not same or warned != also_warned:
            wrong.append((shape, options, weights))
    assert not wrong
