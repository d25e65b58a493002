"""The property kit: state the mathematics, and let Hypothesis look for a counterexample, in your own tests.

    from acg_numpy.testing import properties, strategies

    properties.check_attention(my_attention)  # raises PropertyViolation, with the smallest counterexample

    @given(strategies.conditioner_calls())
    def test_mine(call): ...

It needs Hypothesis, which `pip install acg_numpy[test]` brings along.
"""

try:
    from acg_numpy.testing import properties, strategies
    from acg_numpy.testing.violation import PropertyViolation
except ModuleNotFoundError as error:
    if error.name != "hypothesis":
        raise
    raise ModuleNotFoundError(
        "acg_numpy.testing draws its examples with Hypothesis, which is not installed: pip install hypothesis",
        name="hypothesis",
    ) from error

__all__ = ["PropertyViolation", "properties", "strategies"]
