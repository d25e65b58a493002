"""What is true of layer norm, whoever writes it: rows of mean 0 and variance 1, then a weight and a bias.

Everything is said exactly, eps included: where v is the variance of a row x, the normalised row has mean square
v / (v + eps).
"""

import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from acg_numpy.shapes import Array
from acg_numpy.testing.arrays import arrays, shapes
from acg_numpy.testing.properties.comparing import has_form, largest, left_alone, rounding, same
from acg_numpy.testing.properties.running import (
    REPEATABLE,
    UNCHANGED,
    Draws,
    Effort,
    Example,
    Property,
    run_all,
    stating,
)

LAYER_NORM: list[Property] = []
state = stating(LAYER_NORM)


@dataclass(frozen=True)
class Conventions:
    """What `check_layer_norm` was told of an implementation."""

    dtype: Any
    eps: float
    empty: bool
    rtol: float | None

    def variance(self, x: Array) -> Array:
        """Of each row, (..., 1), in higher precision."""
        wide = x.astype(np.longdouble)
        variance: Array = np.mean((wide - wide.mean(axis=-1, keepdims=True)) ** 2, axis=-1, keepdims=True)
        return variance

    def slack(self, *rows: Array) -> Array:
        """How far a normalised row may be off: what x is rounded by, in units of its deviation, (..., 1)."""
        size = np.max([np.max(np.abs(x), axis=-1, keepdims=True) for x in rows], axis=0)
        deviation = np.sqrt(np.min([self.variance(x) for x in rows], axis=0) + self.eps)
        features = rows[0].shape[-1]
        if self.rtol is not None:
            return np.full_like(size, self.rtol * np.sqrt(features))  # no normalised feature is larger than that
        return np.asarray(rounding(self.dtype, 1) * (features + 1) * (1 + size / deviation), dtype=np.float64)


def check_layer_norm(
    layer_norm: Callable[[Any, Any, Any], Any],
    *,
    dtype: Any = np.float64,
    eps: float = 1e-5,
    empty: bool = True,
    rtol: float | None = None,
    only: Collection[str] | None = None,
    max_examples: int = 50,
    seed: int | None = 0,
) -> None:
    """Look for an exception to the properties of layer norm over the last axis.

    Parameters
    ----------
    layer_norm : callable
        `layer_norm(x, weight, bias)` returns y, (..., D), for x (..., D) and weight and bias (D,).
    dtype : floating dtype
        Of the inputs, and so of y.
    eps : float
        What the implementation adds to the variance.
    empty : bool
        Whether axes of size 0 are among what is drawn; rows always have a feature.
    rtol : float, optional
        How far normalised features may be apart.  By default, what rounding explains.
    only : collection of str, optional
        The names of the properties to look into.
    max_examples : int
        Examples a property.
    seed : int or None
        What they are drawn from; None: other ones in every run.

    Raises
    ------
    PropertyViolation
        With the property, the smallest counterexample, what was expected and what came.

    Examples
    --------
    >>> from acg_numpy.passes import layer_norm_forward
    >>> check_layer_norm(lambda x, weight, bias: layer_norm_forward(x, weight, bias)[0], max_examples=5)
    """
    __tracebackhide__ = True
    using = Conventions(np.dtype(dtype).type, eps, empty, rtol)
    run_all(LAYER_NORM, layer_norm, using, Effort(max_examples, seed, only))


def drawn(
    more: Callable[[Any, Conventions, Array], Example] | None = None,
    *,
    affine: bool = True,
    constant: bool = False,
    magnitude: float = 10.0,
    least_axes: int = 1,
) -> Draws:
    """Rows, weight and bias (1 and 0 where not `affine`), and with them what `more` draws to fit."""

    @st.composite
    def examples(draw: Any, using: Conventions) -> Example:
        outer = draw(shapes(min_dims=least_axes - 1, max_dims=2, max_side=3, min_side=0 if using.empty else 1))
        features = draw(st.integers(1, 5))
        x = draw(arrays((*outer, 1 if constant else features), dtype=using.dtype, magnitude=magnitude))
        if constant:
            x = np.repeat(x, features, axis=-1)
        weight, bias = np.ones(features, using.dtype), np.zeros(features, using.dtype)
        if affine:
            weight, bias = draw(arrays((features,), dtype=using.dtype)), draw(arrays((features,), dtype=using.dtype))
        return {"x": x, "weight": weight, "bias": bias, **(more(draw, using, x) if more else {})}

    return examples


@state("unchanged", UNCHANGED, drawn())
def inputs_are_left_as_they_were(layer_norm: Any, using: Conventions, x: Array, weight: Array, bias: Array) -> None:
    left_alone(lambda: layer_norm(x, weight, bias), x, weight, bias)


@state("form", "The output has the shape and the dtype of x.", drawn())
def output_has_the_form_of_the_rows(layer_norm: Any, using: Conventions, x: Array, weight: Array, bias: Array) -> None:
    has_form(layer_norm(x, weight, bias), x.shape, using.dtype)


@state("repeatable", REPEATABLE, drawn())
def asked_again_it_gives_the_same(layer_norm: Any, using: Conventions, x: Array, weight: Array, bias: Array) -> None:
    first = np.array(layer_norm(x, weight, bias))
    layer_norm(1 - x, weight, bias)
    same(layer_norm(x, weight, bias), first, using.slack(x) * largest(weight) + _of(using, bias))


@state("mean", "With weight 1 and bias 0, every row has mean 0.", drawn(affine=False))
def rows_have_mean_zero(layer_norm: Any, using: Conventions, x: Array, weight: Array, bias: Array) -> None:
    y = np.asarray(layer_norm(x, weight, bias))
    same(y.mean(axis=-1, keepdims=True), np.zeros((*x.shape[:-1], 1)), using.slack(x))


@state(
    "variance",
    "With weight 1 and bias 0, every row has mean square v / (v + eps), where v is the variance of its features: all "
    "but 1.",
    drawn(affine=False),
)
def rows_have_variance_one(layer_norm: Any, using: Conventions, x: Array, weight: Array, bias: Array) -> None:
    y, v = np.asarray(layer_norm(x, weight, bias)), using.variance(x)
    off, features = using.slack(x), x.shape[-1]
    same(np.mean(y * y, axis=-1, keepdims=True), v / (v + using.eps), off * (2 * np.sqrt(features) + off))


def _a_constant(draw: Any, using: Conventions, x: Array) -> Example:
    return {"constant": draw(arrays((*x.shape[:-1], 1), dtype=using.dtype, magnitude=1e6))}


@state("shift", "Adding a constant to a row changes nothing.", drawn(_a_constant))
def adding_a_constant_to_a_row_changes_nothing(
    layer_norm: Any, using: Conventions, x: Array, weight: Array, bias: Array, constant: Array
) -> None:
    moved = x + constant
    tolerance = 2 * using.slack(x, moved) * largest(weight) + _of(using, bias)
    same(layer_norm(moved, weight, bias), layer_norm(x, weight, bias), tolerance)


def _a_factor(draw: Any, using: Conventions, x: Array) -> Example:
    return {"factor": using.dtype(draw(st.sampled_from([2.0, -1.0, 0.5, -4.0, 1024.0])))}


@state(
    "stretch",
    "Stretching a row by a factor changes nothing but for eps (and the sign): exactly, by what the deviation and the "
    "factor make of sqrt(v + eps).",
    drawn(_a_factor, affine=False),
)
def stretching_a_row_changes_nothing_but_for_eps(
    layer_norm: Any, using: Conventions, x: Array, weight: Array, bias: Array, factor: Any
) -> None:
    v = using.variance(x)
    ratio = factor * np.sqrt((v + using.eps) / (factor * factor * v + using.eps))
    y = np.asarray(layer_norm(x, weight, bias))
    same(layer_norm(factor * x, weight, bias), y * ratio, using.slack(factor * x) + using.slack(x) * np.abs(ratio))


@state("affine", "Weight and bias act on each feature by itself: y = n * weight + bias.", drawn())
def weight_and_bias_act_on_each_feature(
    layer_norm: Any, using: Conventions, x: Array, weight: Array, bias: Array
) -> None:
    normalised = np.asarray(layer_norm(x, np.ones_like(weight), np.zeros_like(bias)))
    tolerance = 2 * using.slack(x) * largest(weight) + _of(using, bias)
    same(layer_norm(x, weight, bias), normalised * weight + bias, tolerance)


@state("constant-row", "A row of equal features gives the bias.", drawn(constant=True))
def a_constant_row_gives_the_bias(layer_norm: Any, using: Conventions, x: Array, weight: Array, bias: Array) -> None:
    tolerance = using.slack(x) * largest(weight) + _of(using, bias)
    same(layer_norm(x, weight, bias), np.broadcast_to(bias, x.shape), tolerance)


@state("one-row", "A row is what it is when computed alone, whatever the other rows are.", drawn(least_axes=2))
def a_row_is_independent_of_those_beside_it(
    layer_norm: Any, using: Conventions, x: Array, weight: Array, bias: Array
) -> None:
    y = np.asarray(layer_norm(x, weight, bias))
    same(np.zeros(y.shape), np.zeros(x.shape))
    tolerance = using.slack(x) * largest(weight) + _of(using, bias)
    for place in np.ndindex(x.shape[:-1]):
        same(y[place], layer_norm(x[place].copy(), weight, bias), tolerance[place])


def _two_features(draw: Any, using: Conventions, x: Array) -> Example:
    places = st.integers(0, x.shape[-1] - 1)
    return {"first": draw(places), "second": draw(places)}


@state(
    "exchange", "Exchanging two features, with their weight and bias, exchanges their outputs.", drawn(_two_features)
)
def exchanging_features_exchanges_outputs(
    layer_norm: Any, using: Conventions, x: Array, weight: Array, bias: Array, first: int, second: int
) -> None:
    order = np.arange(x.shape[-1])
    order[[first, second]] = second, first
    expected = np.asarray(layer_norm(x, weight, bias))[..., order]
    tolerance = using.slack(x) * largest(weight) + _of(using, bias)
    same(layer_norm(x[..., order].copy(), weight[order], bias[order]), expected, tolerance)


@state(
    "large-rows",
    "Large features do not overflow: nothing warns, and rows have mean square v / (v + eps).",
    drawn(affine=False, magnitude=2.0**50),
)
def large_rows_do_not_overflow(layer_norm: Any, using: Conventions, x: Array, weight: Array, bias: Array) -> None:
    with warnings.catch_warnings(), np.errstate(over="warn", divide="warn", invalid="warn"):
        warnings.simplefilter("error", RuntimeWarning)
        layer_norm(x, weight, bias)
    rows_have_variance_one(layer_norm, using, x, weight, bias)


def _of(using: Conventions, bias: Array) -> float:
    """What adding the bias rounds by."""
    return rounding(using.dtype, 1) * largest(bias)
