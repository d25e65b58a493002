"""What a strategy draws, and what it shrinks to."""

from random import Random

import hypothesis
import numpy as np
import pytest
from hypothesis import Phase, given, seed, settings

FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])
STARTS = pytest.mark.parametrize("start", range(2))


def drawn(strategy, number=400):
    """So many examples, the same ones in every run."""
    examples = []

    @seed(0)
    @settings(max_examples=number, database=None, deadline=None, phases=[Phase.generate])
    @given(strategy)
    def collect(example):
        examples.append(example)

    collect()
    return examples


def smallest(strategy, condition, start=0):
    """What an example for which this holds shrinks to."""
    return hypothesis.find(strategy, condition, random=Random(start))


def layout(x):
    """How an array lies in memory."""
    if x.size and min(x.strides, default=0) < 0:
        return "negative strides"
    if x.flags.c_contiguous:
        return "C"
    return "Fortran" if x.flags.f_contiguous else "not contiguous"
