"""Examples that a strategy draws, and the one that it shrinks to."""

from random import Random

import hypothesis
import numpy as np
import pytest
from hypothesis import Phase, given, seed, settings

from tests.thoroughness import THOROUGH

FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])
STARTS = pytest.mark.parametrize("start", range(8 if THOROUGH else 1))


def drawn(strategy, number=400):
    """Return this many examples, the same ones in every run."""
    examples = []

    @seed(0)
    @settings(max_examples=number, database=None, deadline=None, phases=[Phase.generate])
    @given(strategy)
    def collect(example):
        examples.append(example)

    collect()
    return examples


def smallest(strategy, condition, start=0):
    """Return what an example for which the condition holds shrinks to."""
    return hypothesis.find(strategy, condition, random=Random(start))


def layout(x):
    """Return how an array lies in memory."""
    if x.size and min(x.strides, default=0) < 0:
        return "negative strides"
    if x.flags.c_contiguous:
        return "C"
    return "Fortran" if x.flags.f_contiguous else "not contiguous"
