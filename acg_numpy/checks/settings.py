"""Settings of a check, with the messages for those that make no sense."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.numeric.verdicts import Tolerance
from acg_numpy.text import did_you_mean, joined

METHODS = {
    "central": "central differences",
    "richardson": "extrapolated central differences",
    "complex": "complex steps",
    "directional": "central differences along random directions",
}

HINTS = (0, 1, 2)
COARSE_RTOL, COARSE_ATOL = 1e4, 100.0  # in units of the last place of a gradient's dtype, 1e-7 in float32
DTYPES = (np.dtype(np.float64), np.dtype(np.float32))


class Settings(NamedTuple):
    """Settings that all checks share, and that every report states."""

    method: str
    rtol: float
    atol: float
    step: float | None
    seed: int
    hints: int = 2
    dtype: np.dtype[Any] = np.dtype(np.float64)

    @property
    def tolerance(self) -> Tolerance:
        """The tolerances within which two values are equal."""
        return Tolerance(self.rtol, self.atol, self.step)

    @property
    def rng(self) -> np.random.Generator:
        """A new generator, so that two calls with one seed are the same check."""
        return np.random.default_rng(self.seed)

    def for_gradients(
        self, dtypes: Mapping[str, np.dtype[Any]], *, float32_inside: bool = False
    ) -> tuple["Settings", tuple[str, ...]]:
        """Return settings for gradients of these dtypes, by the inputs' names, with a note where any is coarse.

        A gradient in float32 is off by a few last places of its larger terms, so it is compared as coarsely as that.

        Parameters
        ----------
        dtypes : dict
        float32_inside : bool
            Whether the backward rounds as float32 does, whatever dtype it returns.
        """
        coarse = [name for name, dtype in dtypes.items() if dtype != np.float64]
        if not coarse:
            return self, ()
        eps = max(float(np.finfo(dtypes[name]).eps) for name in coarse)
        kinds = joined(sorted({str(dtypes[name]) for name in coarse}))
        last_place = float(f"{eps:.0e}")
        rtol, atol = max(self.rtol, COARSE_RTOL * last_place), max(self.atol, COARSE_ATOL * last_place)
        if (rtol, atol) == (self.rtol, self.atol):
            return self, ()
        verb = "comes" if len(coarse) == 1 else "come"
        why = (
            f"the gradient{'s' * (len(coarse) > 1)} of {joined(coarse)} {verb} in {kinds}, which holds no more than "
            f"{-int(np.floor(np.log10(eps)))} digits"
        )
        if float32_inside:
            why = "backward rounds to some 7 digits, as float32 does (look for a buffer or a cast in float32 inside it)"
        felt = f"rtol is {rtol:.1g} and atol {atol:.1g} here, so an error of less than {100 * rtol:g}% would pass"
        return self._replace(rtol=rtol, atol=atol), (f"{why}: {felt}",)

    def __str__(self) -> str:
        step = "" if self.step is None else f", step {self.step:g}"
        atol = "" if self.atol == 0 else f", atol {self.atol:g}"
        dtype = "float64" if self.dtype == np.float64 else f"float64, gradients in {self.dtype}"
        return f"{METHODS[self.method]} in {dtype}, rtol {self.rtol:g}{atol}{step}, seed {self.seed}"


def read_settings(
    method: str, rtol: float, atol: float, step: float | None, seed: int, hints: int = 2, dtype: Any = np.float64
) -> Settings:
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
    if hints not in HINTS or isinstance(hints, bool):
        raise ValueError(f"hints={hints!r} should be 0 (right or wrong), 1 (a hint) or 2 (everything)")
    try:
        known_dtype = np.dtype(dtype)
    except TypeError:
        known_dtype = np.dtype(object)
    if known_dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r} should be 'float64' or 'float32', in which the gradients are computed")
    return Settings(method, rtol, atol, step, seed, hints, known_dtype)
