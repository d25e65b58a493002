"""Hypothesis strategies for attention and its inputs, for your own tests.

`strategies` draws the inputs.  It needs Hypothesis, which `pip install acg_numpy[test]` brings along.
"""

try:
    from acg_numpy.testing import strategies
except ModuleNotFoundError as error:
    if error.name != "hypothesis":
        raise
    raise ModuleNotFoundError(
        "acg_numpy.testing draws its examples with Hypothesis, which is not installed: pip install hypothesis",
        name="hypothesis",
    ) from error

__all__ = ["strategies"]
