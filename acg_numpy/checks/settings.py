"""Settings of a check, with the messages for those that make no sense."""

from typing import NamedTuple

import numpy as np

from acg_numpy.checks.numeric.verdicts import Tolerance
from acg_numpy.text import did_you_mean, joined

METHODS = {
    "central": "central differences",
    "richardson": "extrapolated central differences",
    "complex": "complex steps",
    "directional": "central differences along random directions",
}


class Settings(NamedTuple):
    """Settings that `check_backward` and `gradcheck` share, and that every report states."""

    method: str
    rtol: float
    atol: float
    step: float | None
    seed: int

    @property
    def tolerance(self) -> Tolerance:
        """The tolerances within which two values are equal."""
        return Tolerance(self.rtol, self.atol, self.step)

    @property
    def rng(self) -> np.random.Generator:
        """A new generator, so that two calls with one seed are the same check."""
        return np.random.default_rng(self.seed)

    def __str__(self) -> str:
        step = "" if self.step is None else f", step {self.step:g}"
        atol = "" if self.atol == 0 else f", atol {self.atol:g}"
        return f"{METHODS[self.method]} in float64, rtol {self.rtol:g}{atol}{step}, seed {self.seed}"


def read_settings(method: str, rtol: float, atol: float, step: float | None, seed: int) -> Settings:
    """Check the settings, and refuse those that are not known or make no sense.

    Examples
    --------
    >>> print(read_settings("central", rtol=1e-5, atol=0.0, step=None, seed=0))
    central differences in float64, rtol 1e-05, seed 0
    >>> read_settings("forward", rtol=1e-5, atol=0.0, step=None, seed=0)
    Traceback (most recent call last):
    ...
    ValueError: method='forward' is not known; expected 'central', 'richardson', 'complex' or 'directional'
    """
    if method not in METHODS:
        known = joined([repr(name) for name in METHODS], "or")
        raise ValueError(f"method={method!r} is not known; {did_you_mean(str(method), METHODS, f'expected {known}')}")
    if not 0 < rtol < np.inf:
        raise ValueError(f"rtol={rtol} should be positive and finite: no numeric derivative is exact")
    if not 0 <= atol < np.inf:
        raise ValueError(f"atol={atol} should be zero or positive, and finite")
    if step is not None and not 0 < step < np.inf:
        raise ValueError(f"step={step} should be positive and finite, or None to choose it for each element")
    return Settings(method, rtol, atol, step, seed)
