"""Properties of every layer norm: rows of mean 0 and variance 1, then a weight and a bias.

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
from acg_numpy.testing.arrays import arrays
from acg_numpy.testing.properties.expectations import (
    expect_equal,
    expect_form,
    expect_shape,
    expect_unchanged,
    largest_magnitude,
    rounding_error,
)
from acg_numpy.testing.properties.row_conventions import RowConventions
from acg_numpy.testing.properties.runner import (
    REPEATABLE,
    UNCHANGED,
    Effort,
    Example,
    Property,
    StrategyFactory,
    property_decorator,
    read_batch_axes,
    run_all,
)

LAYER_NORM: list[Property] = []
_state = property_decorator(LAYER_NORM)


@dataclass(frozen=True, kw_only=True)
class Conventions(RowConventions):
    """On what implementations of layer norm may differ, as the arguments of `check_layer_norm` say."""

    eps: float

    def variance(self, x: Array) -> Array:
        """Return the variance of each row, (..., 1), in higher precision."""
        wide = x.astype(np.longdouble)
        variance: Array = np.mean((wide - wide.mean(axis=-1, keepdims=True)) ** 2, axis=-1, keepdims=True)
        return variance

    def tolerance(self, *rows: Array) -> Array:
        """Return how far a normalised row may be off: what x is rounded by, in units of its deviation, (..., 1)."""
        size = np.max([np.max(np.abs(x), axis=-1, keepdims=True) for x in rows], axis=0)
        deviation = np.sqrt(np.min([self.variance(x) for x in rows], axis=0) + self.eps)
        features = rows[0].shape[-1]
        if self.rtol is not None:
            return np.full_like(size, self.rtol * np.sqrt(features))  # no normalised feature is larger than that
        return np.asarray(rounding_error(self.dtype, 1) * (features + 1) * (1 + size / deviation), dtype=np.float64)


def check_layer_norm(
    layer_norm: Callable[[Any, Any, Any], Any],
    *,
    dtype: Any = np.float64,
    eps: float = 1e-5,
    batch_axes: int | None = None,
    empty: bool = True,
    rtol: float | None = None,
    only: Collection[str] | None = None,
    max_examples: int | None = None,
    seed: int | None = 0,
) -> None:
    """Look for a counterexample to the properties of layer norm over the last axis.

    Parameters
    ----------
    layer_norm : callable
        `layer_norm(x, weight, bias)` returns y, (..., D), for x (..., D) and weight and bias (D,).
    dtype : floating dtype
        Of the inputs, and so of y.
    eps : float
        What the implementation adds to the variance.
    batch_axes : int, optional
        How many axes there are before the last, if the implementation takes just so many: 1 for one that is written
        for matrices, 0 for one that takes a row.  By default any number.
    empty : bool
        Whether axes of size 0 are among what is drawn; rows always have a feature.
    rtol : float, optional
        How far normalised features may be apart.  By default, what rounding explains.
    only : collection of str, optional
        The names of the properties to check; by default all.
    max_examples : int, optional
        Examples of each property.  By default as many as the active Hypothesis profile says, which is 100 unless one
        was loaded; within a property test, as many as that test's settings say.
    seed : int or None
        The seed that they are drawn from; None for different ones in every run.

    Raises
    ------
    PropertyViolation
        With the property, the smallest counterexample found, the expected and the actual result.

    Examples
    --------
    >>> from acg_numpy.passes import layer_norm_forward
    >>> check_layer_norm(lambda x, weight, bias: layer_norm_forward(x, weight, bias)[0], max_examples=5)
    """
    __tracebackhide__ = True
    conventions = Conventions(
        dtype=np.dtype(dtype).type, eps=eps, batch_axes=read_batch_axes(batch_axes), empty=empty, rtol=rtol
    )
    run_all(LAYER_NORM, layer_norm, conventions, Effort(max_examples, seed, only))


def _strategy_factory(
    more: Callable[[Any, Conventions, Array], Example] | None = None,
    *,
    affine: bool = True,
    constant: bool = False,
    magnitude: float = 10.0,
    least_axes: int = 1,
) -> StrategyFactory:
    """Return a function from conventions to a strategy for rows, weight and bias, with what `more` draws to fit.

    Weight and bias are 1 and 0 if not `affine`.
    """

    @st.composite
    def examples(draw: Any, conventions: Conventions) -> Example:
        outer = draw(conventions.outer_shapes(least_axes - 1, 0 if conventions.empty else 1))
        features = draw(st.integers(1, 5))
        x = draw(arrays((*outer, 1 if constant else features), dtype=conventions.dtype, magnitude=magnitude))
        if constant:
            x = np.repeat(x, features, axis=-1)
        weight, bias = np.ones(features, conventions.dtype), np.zeros(features, conventions.dtype)
        if affine:
            weight, bias = (
                draw(arrays((features,), dtype=conventions.dtype)),
                draw(arrays((features,), dtype=conventions.dtype)),
            )
        return {"x": x, "weight": weight, "bias": bias, **(more(draw, conventions, x) if more else {})}

    return lambda conventions: examples(conventions) if conventions.has_axes(least_axes - 1) else None


@_state("unchanged", UNCHANGED, _strategy_factory())
def _inputs_are_left_as_they_were(
    layer_norm: Any, conventions: Conventions, x: Array, weight: Array, bias: Array
) -> None:
    expect_unchanged(lambda: layer_norm(x, weight, bias), x, weight, bias)


@_state("form", "The output has the shape and the dtype of x.", _strategy_factory())
def _output_has_the_form_of_the_rows(
    layer_norm: Any, conventions: Conventions, x: Array, weight: Array, bias: Array
) -> None:
    expect_form(layer_norm(x, weight, bias), x.shape, conventions.dtype)


@_state("repeatable", REPEATABLE, _strategy_factory())
def _asked_again_it_gives_the_same(
    layer_norm: Any, conventions: Conventions, x: Array, weight: Array, bias: Array
) -> None:
    first = np.array(layer_norm(x, weight, bias))
    layer_norm(1 - x, weight, bias)
    expect_equal(
        layer_norm(x, weight, bias),
        first,
        conventions.tolerance(x) * largest_magnitude(weight) + _bias_rounding(conventions, bias),
    )


@_state("mean", "With weight 1 and bias 0, every row has mean 0.", _strategy_factory(affine=False))
def _rows_have_mean_zero(layer_norm: Any, conventions: Conventions, x: Array, weight: Array, bias: Array) -> None:
    y = np.asarray(layer_norm(x, weight, bias))
    expect_equal(y.mean(axis=-1, keepdims=True), np.zeros((*x.shape[:-1], 1)), conventions.tolerance(x))


@_state(
    "variance",
    "With weight 1 and bias 0, every row has mean square v / (v + eps), where v is the variance of its features: all "
    "but 1.",
    _strategy_factory(affine=False),
)
def _rows_have_variance_one(layer_norm: Any, conventions: Conventions, x: Array, weight: Array, bias: Array) -> None:
    y, v = np.asarray(layer_norm(x, weight, bias)), conventions.variance(x)
    off, features = conventions.tolerance(x), x.shape[-1]
    expect_equal(np.mean(y * y, axis=-1, keepdims=True), v / (v + conventions.eps), off * (2 * np.sqrt(features) + off))


def _draw_constant(draw: Any, conventions: Conventions, x: Array) -> Example:
    return {"constant": draw(arrays((*x.shape[:-1], 1), dtype=conventions.dtype, magnitude=1e6))}


@_state("shift", "Adding a constant to a row changes nothing.", _strategy_factory(_draw_constant))
def _adding_a_constant_to_a_row_changes_nothing(
    layer_norm: Any, conventions: Conventions, x: Array, weight: Array, bias: Array, constant: Array
) -> None:
    moved = x + constant
    tolerance = 2 * conventions.tolerance(x, moved) * largest_magnitude(weight) + _bias_rounding(conventions, bias)
    expect_equal(layer_norm(moved, weight, bias), layer_norm(x, weight, bias), tolerance)


def _draw_factor(draw: Any, conventions: Conventions, x: Array) -> Example:
    return {"factor": conventions.dtype(draw(st.sampled_from([2.0, -1.0, 0.5, -4.0, 1024.0])))}


@_state(
    "stretch",
    "Stretching a row by a factor changes nothing but for eps (and the sign): exactly, by what the deviation and the "
    "factor make of sqrt(v + eps).",
    _strategy_factory(_draw_factor, affine=False),
)
def _stretching_a_row_changes_nothing_but_for_eps(
    layer_norm: Any, conventions: Conventions, x: Array, weight: Array, bias: Array, factor: Any
) -> None:
    v = conventions.variance(x)
    ratio = factor * np.sqrt((v + conventions.eps) / (factor * factor * v + conventions.eps))
    y = np.asarray(layer_norm(x, weight, bias))
    expect_equal(
        layer_norm(factor * x, weight, bias),
        y * ratio,
        conventions.tolerance(factor * x) + conventions.tolerance(x) * np.abs(ratio),
    )


@_state("affine", "Weight and bias act on each feature by itself: y = n * weight + bias.", _strategy_factory())
def _weight_and_bias_act_on_each_feature(
    layer_norm: Any, conventions: Conventions, x: Array, weight: Array, bias: Array
) -> None:
    normalised = np.asarray(layer_norm(x, np.ones_like(weight), np.zeros_like(bias)))
    tolerance = 2 * conventions.tolerance(x) * largest_magnitude(weight) + _bias_rounding(conventions, bias)
    expect_equal(layer_norm(x, weight, bias), normalised * weight + bias, tolerance)


@_state("constant-row", "A row of equal features gives the bias.", _strategy_factory(constant=True))
def _a_constant_row_gives_the_bias(
    layer_norm: Any, conventions: Conventions, x: Array, weight: Array, bias: Array
) -> None:
    tolerance = conventions.tolerance(x) * largest_magnitude(weight) + _bias_rounding(conventions, bias)
    expect_equal(layer_norm(x, weight, bias), np.broadcast_to(bias, x.shape), tolerance)


@_state(
    "one-row", "A row is what it is when computed alone, whatever the other rows are.", _strategy_factory(least_axes=2)
)
def _a_row_is_independent_of_those_beside_it(
    layer_norm: Any, conventions: Conventions, x: Array, weight: Array, bias: Array
) -> None:
    y = np.asarray(layer_norm(x, weight, bias))
    expect_shape(y, x.shape)
    tolerance = conventions.tolerance(x) * largest_magnitude(weight) + _bias_rounding(conventions, bias)
    for place in np.ndindex(x.shape[:-1]):
        alone = np.reshape(layer_norm(conventions.row(x, place), weight, bias), x.shape[-1:])
        expect_equal(y[place], alone, tolerance[place])


def _draw_two_features(draw: Any, conventions: Conventions, x: Array) -> Example:
    places = st.integers(0, x.shape[-1] - 1)
    return {"first": draw(places), "second": draw(places)}


@_state(
    "exchange",
    "Exchanging two features, with their weight and bias, exchanges their outputs.",
    _strategy_factory(_draw_two_features),
)
def _exchanging_features_exchanges_outputs(
    layer_norm: Any, conventions: Conventions, x: Array, weight: Array, bias: Array, first: int, second: int
) -> None:
    order = np.arange(x.shape[-1])
    order[[first, second]] = second, first
    expected = np.asarray(layer_norm(x, weight, bias))[..., order]
    tolerance = conventions.tolerance(x) * largest_magnitude(weight) + _bias_rounding(conventions, bias)
    expect_equal(layer_norm(x[..., order].copy(), weight[order], bias[order]), expected, tolerance)


@_state(
    "large-rows",
    "Large features do not overflow: nothing warns, and rows have mean square v / (v + eps).",
    _strategy_factory(affine=False, magnitude=2.0**50),
)
def _large_rows_do_not_overflow(
    layer_norm: Any, conventions: Conventions, x: Array, weight: Array, bias: Array
) -> None:
    with warnings.catch_warnings(), np.errstate(over="warn", divide="warn", invalid="warn"):
        warnings.simplefilter("error", RuntimeWarning)
        layer_norm(x, weight, bias)
    _rows_have_variance_one(layer_norm, conventions, x, weight, bias)


def _bias_rounding(conventions: Conventions, bias: Array) -> float:
    """Return by how much adding the bias rounds."""
    return rounding_error(conventions.dtype, 1) * largest_magnitude(bias)
