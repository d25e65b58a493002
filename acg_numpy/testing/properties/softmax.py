"""What is true of softmax, whoever writes it: rows become distributions, and only differences of scores count."""

import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from acg_numpy.shapes import Array
from acg_numpy.testing.arrays import arrays, shapes
from acg_numpy.testing.properties.comparing import (
    Difference,
    between,
    has_form,
    largest,
    left_alone,
    rounding,
    same,
)
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

SOFTMAX: list[Property] = []
state = stating(SOFTMAX)


@dataclass(frozen=True)
class Conventions:
    """On what implementations of softmax may differ, as the arguments of `check_softmax` say."""

    dtype: Any
    masked: str
    empty: bool
    rtol: float | None

    def slack(self, *scores: Array) -> float:
        """How far two weights may be apart: as a share of themselves, by what the scores are rounded by."""
        steps = 1 + largest(*scores) + scores[0].shape[-1]
        return rounding(self.dtype, steps) if self.rtol is None else self.rtol


def check_softmax(
    softmax: Callable[[Any], Any],
    *,
    dtype: Any = np.float64,
    masked: str = "zero",
    empty: bool = True,
    rtol: float | None = None,
    only: Collection[str] | None = None,
    max_examples: int = 50,
    seed: int | None = 0,
) -> None:
    """Look for an exception to the properties of softmax over the last axis.

    Parameters
    ----------
    softmax : callable
        `softmax(scores)` returns the weights, both (..., K).
    dtype : floating dtype
        Of the scores, and so of the weights.
    masked : {"zero", "nan", "any"}
        What a row of nothing but -inf gets: zeros, not-a-number, or whatever (such rows are not drawn).
    empty : bool
        Whether axes of size 0 are among what is drawn.
    rtol : float, optional
        How far weights may be apart.  By default, what rounding explains.
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
    using = Conventions(np.dtype(dtype).type, masked, empty, rtol)
    run_all(SOFTMAX, softmax, using, Effort(max_examples, seed, only))


def drawn(
    more: Callable[[Any, Conventions, Array], Example] | None = None,
    *,
    magnitude: float = 10.0,
    least: int = 0,
    least_axes: int = 1,
) -> Draws:
    """Scores with at least so many to a row, and with them what `more` draws to fit."""

    @st.composite
    def examples(draw: Any, using: Conventions) -> Example:
        outer = draw(
            shapes(min_dims=least_axes - 1, max_dims=2, max_side=3, min_side=0 if using.empty and not least else 1)
        )
        num_scores = draw(st.integers(max(least, 0 if using.empty else 1), 4))
        scores = draw(arrays((*outer, num_scores), dtype=using.dtype, magnitude=magnitude))
        return {"scores": scores, **(more(draw, using, scores) if more else {})}

    return examples


@state("unchanged", UNCHANGED, drawn())
def scores_are_left_as_they_were(softmax: Any, using: Conventions, scores: Array) -> None:
    left_alone(lambda: softmax(scores), scores)


@state("form", "The weights have the shape and the dtype of the scores.", drawn())
def weights_have_the_form_of_the_scores(softmax: Any, using: Conventions, scores: Array) -> None:
    has_form(softmax(scores), scores.shape, using.dtype)


@state("repeatable", REPEATABLE, drawn())
def asked_again_it_gives_the_same(softmax: Any, using: Conventions, scores: Array) -> None:
    first = np.array(softmax(scores))
    softmax(-scores)
    same(softmax(scores), first, using.slack(scores))


@state("distribution", "The weights of a row are a distribution: at least 0, and of sum 1.", drawn(least=1))
def weights_are_a_distribution(softmax: Any, using: Conventions, scores: Array) -> None:
    weights = np.asarray(softmax(scores))
    between(weights, np.zeros(scores.shape), np.ones(scores.shape), rounding(using.dtype, 1))
    same(weights.sum(axis=-1), np.ones(scores.shape[:-1]), rounding(using.dtype, scores.shape[-1]))


@state(
    "ratio",
    "The ratio of two weights is the exponential of the difference of their scores.",
    drawn(least=2, least_axes=1),
)
def ratio_is_the_exponential_of_the_difference(softmax: Any, using: Conventions, scores: Array) -> None:
    weights = np.asarray(softmax(scores))
    wide = scores.astype(np.float64)
    differences = wide[..., None, :] - wide[..., :, None]  # (..., K, K): of every other score to this one
    expected = 1 / np.sum(np.exp(differences), axis=-1)
    # ratios to the row's largest weight, which are neither infinite nor 0/0
    best = np.argmax(scores, axis=-1, keepdims=True)
    ratios = expected / np.take_along_axis(expected, best, axis=-1)
    same(weights / np.take_along_axis(weights, best, axis=-1), ratios, using.slack(scores))


def _a_constant(draw: Any, using: Conventions, scores: Array) -> Example:
    return {"constant": draw(arrays((*scores.shape[:-1], 1), dtype=using.dtype))}


@state("shift", "Adding a constant to all scores of a row changes nothing.", drawn(_a_constant))
def adding_a_constant_to_a_row_changes_nothing(
    softmax: Any, using: Conventions, scores: Array, constant: Array
) -> None:
    moved = scores + constant
    same(softmax(moved), softmax(scores), using.slack(scores, moved))


@state("order", "A larger score has no smaller weight, and equal scores have equal weights.", drawn(least=2))
def order_is_kept(softmax: Any, using: Conventions, scores: Array) -> None:
    order = np.argsort(scores, axis=-1)
    ranked = np.take_along_axis(np.asarray(softmax(scores)), order, axis=-1)
    steps, gaps = np.diff(ranked, axis=-1), np.diff(np.take_along_axis(scores, order, axis=-1), axis=-1)
    tolerance = using.slack(scores)
    if not np.all((steps >= -tolerance) & ((gaps != 0) | (steps <= tolerance))):
        raise Difference("weights in the order of their scores", np.asarray(softmax(scores)))


def _two_places(draw: Any, using: Conventions, scores: Array) -> Example:
    places = st.integers(0, scores.shape[-1] - 1)
    return {"first": draw(places), "second": draw(places)}


@state("exchange", "Exchanging two scores of every row exchanges their weights.", drawn(_two_places, least=2))
def exchanging_scores_exchanges_weights(
    softmax: Any, using: Conventions, scores: Array, first: int, second: int
) -> None:
    order = np.arange(scores.shape[-1])
    order[[first, second]] = second, first
    same(softmax(scores[..., order].copy()), np.asarray(softmax(scores))[..., order], using.slack(scores))


@state("one-row", "The weights of a row are what it gets alone, whatever the other rows are.", drawn(least_axes=2))
def a_row_is_independent_of_those_beside_it(softmax: Any, using: Conventions, scores: Array) -> None:
    weights = np.asarray(softmax(scores))
    same(np.zeros(weights.shape), np.zeros(scores.shape))
    for place in np.ndindex(scores.shape[:-1]):
        same(weights[place], softmax(scores[place].copy()), using.slack(scores))


@state(
    "large-scores",
    "Large scores do not overflow: nothing warns, weights are a distribution, and a score far above all others has all "
    "the weight.",
    drawn(least=1, magnitude=2.0**100),
)
def large_scores_do_not_overflow(softmax: Any, using: Conventions, scores: Array) -> None:
    with warnings.catch_warnings(), np.errstate(over="warn", divide="warn", invalid="warn"):
        warnings.simplefilter("error", RuntimeWarning)
        weights = np.asarray(softmax(scores))
    best = scores.max(axis=-1, keepdims=True)
    far_below = scores < best - 1e3 - np.abs(best) * rounding(using.dtype, 1)
    clear = far_below.sum(axis=-1, keepdims=True) == scores.shape[-1] - 1
    wins = (scores == best).astype(float)
    between(weights, np.where(clear, wins, 0.0), np.where(far_below, 0.0, 1.0), rounding(using.dtype, scores.shape[-1]))
    same(weights.sum(axis=-1), np.ones(scores.shape[:-1]), rounding(using.dtype, scores.shape[-1]))


def _some_masked(draw: Any, using: Conventions, scores: Array) -> Example:
    out = draw(arrays(scores.shape[-1:], dtype=np.bool_))
    if using.masked == "any" and out.all():
        out = np.arange(out.size) > 0
    return {"left_out": out}


@state(
    "minus-infinity",
    "A score of -inf has weight 0, and the others are what they are without it (a row of nothing else: see `masked`).",
    drawn(_some_masked, least=1),
)
def minus_infinity_is_left_out(softmax: Any, using: Conventions, scores: Array, left_out: Array) -> None:
    weights = np.asarray(softmax(np.where(left_out, using.dtype(-np.inf), scores)))
    expected = np.full(scores.shape, np.nan if left_out.all() and using.masked == "nan" else 0.0)
    if not left_out.all():
        expected[..., ~left_out] = softmax(scores[..., ~left_out].copy())
    same(weights, expected, using.slack(scores))
