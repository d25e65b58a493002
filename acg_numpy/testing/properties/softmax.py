"""Properties of every softmax: rows become distributions, and only differences of scores count."""

import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from acg_numpy.shapes import Array
from acg_numpy.testing.arrays import arrays
from acg_numpy.testing.properties.expectations import (
    Difference,
    expect_between,
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

SOFTMAX: list[Property] = []
_state = property_decorator(SOFTMAX)


@dataclass(frozen=True, kw_only=True)
class Conventions(RowConventions):
    """On what implementations of softmax may differ, as the arguments of `check_softmax` say."""

    masked: str

    def tolerance(self, *scores: Array) -> float:
        """Return how far two weights may be apart, relative to themselves, given what the scores are rounded by."""
        steps = 1 + largest_magnitude(*scores) + scores[0].shape[-1]
        return rounding_error(self.dtype, steps) if self.rtol is None else self.rtol


def check_softmax(
    softmax: Callable[[Any], Any],
    *,
    dtype: Any = np.float64,
    masked: str = "zero",
    batch_axes: int | None = None,
    empty: bool = True,
    rtol: float | None = None,
    only: Collection[str] | None = None,
    max_examples: int | None = None,
    seed: int | None = 0,
) -> None:
    """Look for a counterexample to the properties of softmax over the last axis.

    Parameters
    ----------
    softmax : callable
        `softmax(scores)` returns the weights, both (..., K).
    dtype : floating dtype
        Of the scores, and so of the weights.
    masked : {"zero", "nan", "any"}
        What a row of nothing but -inf gets: zeros, not-a-number, or anything (such rows are not drawn).
    batch_axes : int, optional
        How many axes there are before the last, if the implementation takes just so many: 1 for one that is written
        for matrices, 0 for one that takes a row.  By default any number.
    empty : bool
        Whether axes of size 0 are among what is drawn.
    rtol : float, optional
        How far weights may be apart.  By default, what rounding explains.
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
    >>> import numpy as np
    >>> from acg_numpy.passes import softmax_forward
    >>> check_softmax(lambda scores: softmax_forward(scores)[0], max_examples=5)

    Without the maximum taken off:

    >>> def naive(scores):
    ...     return np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    >>> check_softmax(naive, empty=False, only=["large-scores"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    acg_numpy.testing.violation.PropertyViolation: Large scores do not overflow: ...
    """
    __tracebackhide__ = True
    if masked not in ("zero", "nan", "any"):
        raise ValueError(f'masked={masked!r} should be "zero", "nan" or "any"')
    conventions = Conventions(
        dtype=np.dtype(dtype).type, masked=masked, batch_axes=read_batch_axes(batch_axes), empty=empty, rtol=rtol
    )
    run_all(SOFTMAX, softmax, conventions, Effort(max_examples, seed, only))


def _strategy_factory(
    more: Callable[[Any, Conventions, Array], Example] | None = None,
    *,
    magnitude: float = 10.0,
    least: int = 0,
    least_axes: int = 1,
) -> StrategyFactory:
    """Return a function from conventions to a strategy for scores, `least` or more in a row, with what `more` draws."""

    @st.composite
    def examples(draw: Any, conventions: Conventions) -> Example:
        outer = draw(conventions.outer_shapes(least_axes - 1, 0 if conventions.empty and not least else 1))
        num_scores = draw(st.integers(max(least, 0 if conventions.empty else 1), 4))
        scores = draw(arrays((*outer, num_scores), dtype=conventions.dtype, magnitude=magnitude))
        return {"scores": scores, **(more(draw, conventions, scores) if more else {})}

    return lambda conventions: examples(conventions) if conventions.has_axes(least_axes - 1) else None


@_state("unchanged", UNCHANGED, _strategy_factory())
def _scores_are_left_as_they_were(softmax: Any, conventions: Conventions, scores: Array) -> None:
    expect_unchanged(lambda: softmax(scores), scores)


@_state("form", "The weights have the shape and the dtype of the scores.", _strategy_factory())
def _weights_have_the_form_of_the_scores(softmax: Any, conventions: Conventions, scores: Array) -> None:
    expect_form(softmax(scores), scores.shape, conventions.dtype)


@_state("repeatable", REPEATABLE, _strategy_factory())
def _asked_again_it_gives_the_same(softmax: Any, conventions: Conventions, scores: Array) -> None:
    first = np.array(softmax(scores))
    softmax(-scores)
    expect_equal(softmax(scores), first, conventions.tolerance(scores))


@_state(
    "distribution", "The weights of a row are a distribution: at least 0, and of sum 1.", _strategy_factory(least=1)
)
def _weights_are_a_distribution(softmax: Any, conventions: Conventions, scores: Array) -> None:
    weights = np.asarray(softmax(scores))
    expect_between(weights, np.zeros(scores.shape), np.ones(scores.shape), rounding_error(conventions.dtype, 1))
    expect_equal(weights.sum(axis=-1), np.ones(scores.shape[:-1]), rounding_error(conventions.dtype, scores.shape[-1]))


@_state(
    "ratio",
    "The ratio of two weights is the exponential of the difference of their scores.",
    _strategy_factory(least=2, least_axes=1),
)
def _ratio_is_the_exponential_of_the_difference(softmax: Any, conventions: Conventions, scores: Array) -> None:
    weights = np.asarray(softmax(scores))
    wide = scores.astype(np.float64)
    differences = wide[..., None, :] - wide[..., :, None]  # (..., K, K): of every other score to this one
    expected = 1 / np.sum(np.exp(differences), axis=-1)
    # ratios to the row's largest weight, which are neither infinite nor 0/0
    best = np.argmax(scores, axis=-1, keepdims=True)
    ratios = expected / np.take_along_axis(expected, best, axis=-1)
    expect_equal(weights / np.take_along_axis(weights, best, axis=-1), ratios, conventions.tolerance(scores))


def _draw_constant(draw: Any, conventions: Conventions, scores: Array) -> Example:
    return {"constant": draw(arrays((*scores.shape[:-1], 1), dtype=conventions.dtype))}


@_state("shift", "Adding a constant to all scores of a row changes nothing.", _strategy_factory(_draw_constant))
def _adding_a_constant_to_a_row_changes_nothing(
    softmax: Any, conventions: Conventions, scores: Array, constant: Array
) -> None:
    moved = scores + constant
    expect_equal(softmax(moved), softmax(scores), conventions.tolerance(scores, moved))


@_state(
    "order", "A larger score has no smaller weight, and equal scores have equal weights.", _strategy_factory(least=2)
)
def _order_is_kept(softmax: Any, conventions: Conventions, scores: Array) -> None:
    order = np.argsort(scores, axis=-1)
    ranked = np.take_along_axis(np.asarray(softmax(scores)), order, axis=-1)
    steps, gaps = np.diff(ranked, axis=-1), np.diff(np.take_along_axis(scores, order, axis=-1), axis=-1)
    tolerance = conventions.tolerance(scores)
    if not np.all((steps >= -tolerance) & ((gaps != 0) | (steps <= tolerance))):
        raise Difference("weights in the order of their scores", np.asarray(softmax(scores)))


def _draw_two_places(draw: Any, conventions: Conventions, scores: Array) -> Example:
    places = st.integers(0, scores.shape[-1] - 1)
    return {"first": draw(places), "second": draw(places)}


@_state(
    "exchange",
    "Exchanging two scores of every row exchanges their weights.",
    _strategy_factory(_draw_two_places, least=2),
)
def _exchanging_scores_exchanges_weights(
    softmax: Any, conventions: Conventions, scores: Array, first: int, second: int
) -> None:
    order = np.arange(scores.shape[-1])
    order[[first, second]] = second, first
    expect_equal(
        softmax(scores[..., order].copy()), np.asarray(softmax(scores))[..., order], conventions.tolerance(scores)
    )


@_state(
    "one-row",
    "The weights of a row are what it gets alone, whatever the other rows are.",
    _strategy_factory(least_axes=2),
)
def _a_row_is_independent_of_those_beside_it(softmax: Any, conventions: Conventions, scores: Array) -> None:
    weights = np.asarray(softmax(scores))
    expect_shape(weights, scores.shape)
    for place in np.ndindex(scores.shape[:-1]):
        alone = np.reshape(softmax(conventions.row(scores, place)), scores.shape[-1:])
        expect_equal(weights[place], alone, conventions.tolerance(scores))


@_state(
    "large-scores",
    "Large scores do not overflow: nothing warns, weights are a distribution, and a score far above all others has all "
    "the weight.",
    _strategy_factory(least=1, magnitude=2.0**100),
)
def _large_scores_do_not_overflow(softmax: Any, conventions: Conventions, scores: Array) -> None:
    with warnings.catch_warnings(), np.errstate(over="warn", divide="warn", invalid="warn"):
        warnings.simplefilter("error", RuntimeWarning)
        weights = np.asarray(softmax(scores))
    best = scores.max(axis=-1, keepdims=True)
    far_below = scores < best - 1e3 - np.abs(best) * rounding_error(conventions.dtype, 1)
    clear = far_below.sum(axis=-1, keepdims=True) == scores.shape[-1] - 1
    wins = (scores == best).astype(float)
    expect_between(
        weights,
        np.where(clear, wins, 0.0),
        np.where(far_below, 0.0, 1.0),
        rounding_error(conventions.dtype, scores.shape[-1]),
    )
    expect_equal(weights.sum(axis=-1), np.ones(scores.shape[:-1]), rounding_error(conventions.dtype, scores.shape[-1]))


def _draw_left_out(draw: Any, conventions: Conventions, scores: Array) -> Example:
    out = draw(arrays(scores.shape[-1:], dtype=np.bool_))
    if conventions.masked == "any" and out.all():
        out = np.arange(out.size) > 0
    return {"left_out": out}


@_state(
    "minus-infinity",
    "A score of -inf has weight 0, and the others are what they are without it (a row of nothing else: see `masked`).",
    _strategy_factory(_draw_left_out, least=1),
)
def _minus_infinity_is_left_out(softmax: Any, conventions: Conventions, scores: Array, left_out: Array) -> None:
    weights = np.asarray(softmax(np.where(left_out, conventions.dtype(-np.inf), scores)))
    expected = np.full(scores.shape, np.nan if left_out.all() and conventions.masked == "nan" else 0.0)
    if not left_out.all():
        expected[..., ~left_out] = softmax(scores[..., ~left_out].copy())
    expect_equal(weights, expected, conventions.tolerance(scores))
