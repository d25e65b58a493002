"""Hypothesis strategies for attention and its inputs, for your own tests.

`strategies` draws the inputs.  It needs Hypothesis, which `pip install acg_numpy[test]` brings along.
"""

from acg_numpy.testing import strategies

__all__ = ["strategies"]
