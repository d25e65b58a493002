"""What can be asked of a check, and what is refused?"""

from typing import NamedTuple

import numpy as np

from acg_numpy.checks.numeric.verdicts import Tolerance

METHODS = {
    "central": "central differences",
    "richardson": "extrapolated central differences",
    "complex": "complex steps",
    "directional": "central differences along random directions",
}


class Settings(NamedTuple):
    """How to check: shared by `check_backward` and `gradcheck`, and said in every report."""

    method: str
    rtol: float
    atol: float
    step: float | None
    seed: int

    @property
    def tolerance(self) -> Tolerance:
        """What counts as equal."""
        return Tolerance(self.rtol, self.atol, self.step)

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator, so that two calls with one seed are the same check."""
        return np.random.default_rng(self.seed)

    def __str__(self) -> str:
        step = "" if self.step is None else f", step {self.step:g}"
        atol = "" if self.atol == 0 else f", atol {self.atol:g}"
        return f"{METHODS[self.method]} in float64, rtol {self.rtol:g}{atol}{step}, seed {self.seed}"


def read_settings(method: str, rtol: float, atol: float, step: float | None, seed: int) -> Settings:
    """Refuse what is not there or makes no sense.

    Examples
    --------
    >>> print(read_settings("central", rtol=1e-5, atol=0.0, step=None, seed=0))
    central differences in float64, rtol 1e-05, seed 0
    >>> read_settings("forward", rtol=1e-5, atol=0.0, step=None, seed=0)
    Traceback (most recent call last):
    ...
    ValueError: method='forward' is not there; there is: 'central', 'richardson', 'complex', 'directional'
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} is not there; there is: {', '.join(map(repr, METHODS))}")
    if not rtol > 0:
        raise ValueError(f"rtol={rtol} should be positive: no numeric derivative is exact")
    if not atol >= 0:
        raise ValueError(f"atol={atol} should be zero or positive")
    if step is not None and not 0 < step < np.inf:
        raise ValueError(f"step={step} should be positive and finite, or None to choose it for each element")
    return Settings(method, rtol, atol, step, seed)
