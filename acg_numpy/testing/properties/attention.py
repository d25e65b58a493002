"""What is true of attention, whoever writes it: an average of values, weighted by softmax of q . k / sqrt(d).

Weights are read off through the output: with the identity for values, the output is the weights.
"""

import math
import warnings
from collections.abc import Callable, Collection
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from acg_numpy.shapes import Array
from acg_numpy.testing.arrays import arrays
from acg_numpy.testing.properties.attending import (
    Attention,
    Conventions,
    Inputs,
    attention_examples,
    bounds,
    exchanged,
    slack,
    two_places,
)
from acg_numpy.testing.properties.comparing import between, has_form, largest, left_alone, rounding, same
from acg_numpy.testing.properties.running import (
    REPEATABLE,
    UNCHANGED,
    Claim,
    Draws,
    Effort,
    Example,
    Property,
    run_all,
    stating,
)

ATTENTION: list[Property] = []


def check_attention(
    attention: Callable[..., Any],
    *,
    dtype: Any = np.float64,
    masked: Literal["zero", "nan", "any"] = "zero",
    takes_mask: bool = True,
    batch_axes: int | None = None,
    empty: bool = True,
    rtol: float | None = None,
    only: Collection[str] | None = None,
    max_examples: int = 50,
    seed: int | None = 0,
) -> None:
    """Look for an exception to the properties of scaled dot-product attention.

    Parameters
    ----------
    attention : callable
        `attention(query, key, value)` and `attention(query, key, value, mask)` return the output, (..., L, Dv), for
        arrays of shapes (..., L, d), (..., S, d), (..., S, Dv) and booleans (..., L, S), True where a query may attend
        to a key.
    dtype : floating dtype
        Of the inputs, and so of the output.
    masked : {"zero", "nan", "any"}
        What a query gets that may attend to no key: zero, not-a-number, or whatever (such queries are not drawn).
    takes_mask : bool
        Whether there is a mask; if not, nothing is said about it.
    batch_axes : int, optional
        How many batch axes there are, the same in query, key and value, where the implementation takes just so many.
        By default any number, which broadcast.
    empty : bool
        Whether axes of size 0 are among what is drawn: no batch, no queries, no keys (which is a query that may attend
        to none), no features in the values.
    rtol : float, optional
        How far results may be apart, relative to the largest value.  By default, what rounding explains.
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
    >>> from acg_numpy.passes import scaled_dot_product_forward
    >>> check_attention(lambda *inputs: scaled_dot_product_forward(*inputs)[0], max_examples=5)

    Without the root of the number of features:

    >>> def unscaled(query, key, value):
    ...     weights = np.exp(query @ np.swapaxes(key, -1, -2))
    ...     return weights / weights.sum(-1, keepdims=True) @ value
    >>> check_attention(unscaled, takes_mask=False, empty=False, only=["scale"])
    Traceback (most recent call last):
    acg_numpy.testing.violation.PropertyViolation: The score of a key is q . k / sqrt(d): ...
    """
    __tracebackhide__ = True
    if masked not in ("zero", "nan", "any"):
        raise ValueError(f'masked={masked!r} should be "zero", "nan" or "any"')
    using = Conventions(np.dtype(dtype).type, masked, takes_mask, batch_axes, empty, rtol)
    run_all(ATTENTION, attention, using, Effort(max_examples, seed, only))


def state(name: str, sentence: str, draws: Draws) -> Callable[[Claim], Claim]:
    """Add a claim to the properties: `claim(attend, using, given, ...)`, where `attend(given)` is the output."""

    def add(claim: Claim) -> Claim:
        def on_arrays(
            attention: Any, using: Conventions, query: Array, key: Array, value: Array, mask: Array | None, **more: Any
        ) -> None:
            claim(Attention(attention), using, Inputs(query, key, value, mask), **more)

        stating(ATTENTION)(name, sentence, draws)(on_arrays)
        return claim

    return add


def drawn(more: Callable[[Any, Conventions, Inputs], Example] | None = None, **sizes: Any) -> Draws:
    """Examples of these sizes, and with them what `more` draws to fit; none with a mask where there is to be none."""

    @st.composite
    def examples(draw: Any, using: Conventions) -> Example:
        example = draw(attention_examples(using, **sizes))
        return {**example, **(more(draw, using, Inputs(**example)) if more else {})}

    return lambda using: examples(using) if using.takes_mask or not sizes.get("masked") else None


# Form.


@state("unchanged", UNCHANGED, drawn())
def inputs_are_left_as_they_were(attend: Attention, using: Conventions, given: Inputs) -> None:
    left_alone(lambda: attend(given), *given)


@state(
    "form", "The output has shape (..., L, Dv), of the batch that all inputs broadcast to, and their dtype.", drawn()
)
def output_has_the_form_of_queries_and_values(attend: Attention, using: Conventions, given: Inputs) -> None:
    has_form(attend(given), given.out_shape, using.dtype)


@state("repeatable", REPEATABLE, drawn())
def asked_again_it_gives_the_same(attend: Attention, using: Conventions, given: Inputs) -> None:
    first = attend(given).copy()
    attend(given._replace(query=-given.query, value=given.value + 1))
    same(attend(given), first, slack(using, given))


# It is an average.


def _identity(draw: Any, using: Conventions, given: Inputs) -> Example:
    num_keys = given.key.shape[-2]
    identity = np.broadcast_to(np.eye(num_keys, dtype=using.dtype), (*given.value.shape[:-1], num_keys))
    return {"value": np.ascontiguousarray(identity)}


@state(
    "distribution",
    "The weights of a query are a distribution over the keys it may attend to: at least 0, of sum 1, and 0 elsewhere.",
    drawn(_identity),
)
def weights_are_a_distribution(attend: Attention, using: Conventions, given: Inputs) -> None:
    weights = attend(given)  # what the identity is averaged to
    any_allowed = given.allowed.any(axis=-1, keepdims=True)
    most = np.where(any_allowed, given.allowed, using.left_over)
    between(weights, most * 0.0, most, rounding(using.dtype, 1))
    total = weights.sum(axis=-1, keepdims=True)
    same(total, np.where(any_allowed, 1.0, total), using.share(given.key.shape[-2]))


@state(
    "convex-hull",
    "An output lies between the smallest and the largest of the values that its query may attend to.",
    drawn(),
)
def output_lies_among_the_values(attend: Attention, using: Conventions, given: Inputs) -> None:
    between(attend(given), *bounds(using, given), using.share(given.key.shape[-2]) * largest(given.value))


@state("one-key", "One key gives its value, whatever is asked.", drawn(masked=False, keys=(1, 1)))
def one_key_gives_its_value(attend: Attention, using: Conventions, given: Inputs) -> None:
    same(attend(given), np.broadcast_to(given.value, given.out_shape), using.share(1) * largest(given.value))


def _another_value(draw: Any, using: Conventions, given: Inputs) -> Example:
    return {
        "other": draw(arrays(given.value.shape, dtype=using.dtype)),
        "factor": using.dtype(draw(st.integers(-3, 3))),
    }


@state(
    "linear",
    "The output is linear in the values: that of value + factor * other is that of value and factor times that of "
    "other.",
    drawn(_another_value),
)
def output_is_linear_in_the_values(
    attend: Attention, using: Conventions, given: Inputs, other: Array, factor: Any
) -> None:
    second, both = given._replace(value=other), given._replace(value=given.value + factor * other)
    same(attend(both), attend(given) + factor * attend(second), 8 * slack(using, given, second, both))


# What the weights are.


def _one_and_zero(draw: Any, using: Conventions, given: Inputs) -> Example:
    value = np.zeros(given.value.shape, using.dtype)
    value[..., 0, :] = 1
    return {"value": value}


@state(
    "scale",
    "The score of a key is q . k / sqrt(d): of two keys, the first has for its weight the sigmoid of the difference of "
    "their scores.",
    drawn(_one_and_zero, masked=False, keys=(2, 2), queries=(1, 2), empty=False),
)
def scores_are_dot_products_over_the_root_of_d(attend: Attention, using: Conventions, given: Inputs) -> None:
    d = given.query.shape[-1]
    query, key = given.query.astype(np.float64), given.key.astype(np.float64)
    difference = query @ np.swapaxes(key[..., :1, :] - key[..., 1:, :], -1, -2) / math.sqrt(d)  # (..., L, 1)
    weight = (1 + np.tanh(difference / 2)) / 2
    same(attend(given), np.broadcast_to(weight, given.out_shape), slack(using, given))


def _a_shift(draw: Any, using: Conventions, given: Inputs) -> Example:
    return {"shift": draw(arrays(given.key.shape[-1:], dtype=using.dtype))}


@state(
    "shift",
    "Adding a constant to all scores of a row changes nothing; adding one vector to every key does just that.",
    drawn(_a_shift),
)
def adding_a_vector_to_every_key_changes_nothing(
    attend: Attention, using: Conventions, given: Inputs, shift: Array
) -> None:
    moved = given._replace(key=given.key + shift)
    same(attend(moved), attend(given), 2 * slack(using, given, moved))


def _two_keys(draw: Any, using: Conventions, given: Inputs) -> Example:
    return two_places(draw, given.key.shape[-2])


@state(
    "exchange-keys",
    "Exchanging two keys, together with their values, changes nothing.",
    drawn(_two_keys, keys=(2, 4), queries=(1, 3), empty=False),
)
def exchanging_keys_changes_nothing(
    attend: Attention, using: Conventions, given: Inputs, first: int, second: int
) -> None:
    order = exchanged(given.key.shape[-2], first, second)
    same(attend(given.at_keys(order)), attend(given), slack(using, given))


@state("listed-twice", "Listing every key twice, with its value, changes nothing.", drawn())
def listing_keys_twice_changes_nothing(attend: Attention, using: Conventions, given: Inputs) -> None:
    twice = given.at_keys([*range(given.key.shape[-2])] * 2)
    same(attend(twice), attend(given), 2 * slack(using, given))


@state(
    "large-scores",
    "Large scores do not overflow: nothing warns, outputs lie among the values, and a key whose score is far above all "
    "others gives its value.",
    drawn(masked=False, keys=(2, 4), queries=(1, 3), magnitude=2.0**50, empty=False),
)
def large_scores_do_not_overflow(attend: Attention, using: Conventions, given: Inputs) -> None:
    with warnings.catch_warnings(), np.errstate(over="warn", divide="warn", invalid="warn"):
        warnings.simplefilter("error", RuntimeWarning)
        out = attend(given)
    low, high = bounds(using, given)
    query, key = given.query.astype(np.longdouble), given.key.astype(np.longdouble)
    scores = query @ np.swapaxes(key, -1, -2)
    size = np.abs(query) @ np.swapaxes(np.abs(key), -1, -2)
    best = scores.max(axis=-1, keepdims=True)
    margin = 1e3 * (1 + rounding(using.dtype, 1) * size.max(axis=-1, keepdims=True))
    wins = scores == best
    clear = np.all(wins | (scores < best - margin), axis=-1, keepdims=True) & (wins.sum(axis=-1, keepdims=True) == 1)
    winner = wins.astype(using.dtype) @ given.value  # the value of the best key, where there is one such
    low, high = np.where(clear, winner, low), np.where(clear, winner, high)
    between(out, low, high, using.share(given.key.shape[-2]) * largest(given.value))


# Who takes part.


def _two_queries(draw: Any, using: Conventions, given: Inputs) -> Example:
    return two_places(draw, given.query.shape[-2])


@state(
    "exchange-queries",
    "Exchanging two queries exchanges their outputs.",
    drawn(_two_queries, queries=(2, 4), keys=(1, 4), empty=False),
)
def exchanging_queries_exchanges_outputs(
    attend: Attention, using: Conventions, given: Inputs, first: int, second: int
) -> None:
    order = exchanged(given.query.shape[-2], first, second)
    expected = attend(given)[..., order, :]
    same(attend(given.at_queries(order)), expected, slack(using, given))


@state(
    "one-query",
    "The output of a query is what it gets when it asks alone.",
    drawn(_two_queries, queries=(2, 4), keys=(1, 4), empty=False),
)
def a_query_is_independent_of_those_beside_it(
    attend: Attention, using: Conventions, given: Inputs, first: int, second: int
) -> None:
    same(attend(given)[..., [first], :], attend(given.at_queries([first])), slack(using, given))


@state(
    "batch",
    "An element of a batch is what it is when computed alone.",
    drawn(keys=(2, 4), queries=(1, 3), empty=False, least_batch=2),
)
def a_batch_is_independent_of_its_neighbours(attend: Attention, using: Conventions, given: Inputs) -> None:
    out = attend(given)
    same(np.zeros(out.shape), np.zeros(given.out_shape))
    for place in np.ndindex(given.batch):
        alone = attend(given.alone(place))
        same(out[place], alone.reshape(given.out_shape[-2:]), slack(using, given))


@state("broadcast", "Broadcasting along the batch is the same as repeating.", drawn())
def broadcasting_is_repeating(attend: Attention, using: Conventions, given: Inputs) -> None:
    same(attend(given), attend(given.repeated()), slack(using, given))


# Masks.


def _whatever(draw: Any, using: Conventions, given: Inputs) -> Example:
    return {
        "masked_key": draw(st.integers(0, given.key.shape[-2] - 1)),
        "holds": using.dtype(draw(st.sampled_from([0.0, 1.0, -1.0, 1e4, 1e30, -1e30]))),
    }


@state(
    "masked-key",
    "A masked key does not matter, whatever it and its value hold.",
    drawn(_whatever, masked=True, keys=(2, 4), queries=(1, 3), empty=False),
)
def a_masked_key_does_not_matter(
    attend: Attention, using: Conventions, given: Inputs, masked_key: int, holds: Any
) -> None:
    here = np.arange(given.key.shape[-2]) == masked_key
    others = np.flatnonzero(~here)
    assert given.mask is not None
    mask = given.mask & ~here
    if using.masked == "any":
        mask = mask | (~mask.any(axis=-1, keepdims=True) & ~here)
    key, value = (np.where(here[:, None], holds, x) for x in (given.key, given.value))
    without = given._replace(mask=mask).at_keys(others)
    same(attend(Inputs(given.query, key, value, mask)), attend(without), slack(using, given))


def _a_key(draw: Any, using: Conventions, given: Inputs) -> Example:
    return {"allowed_key": draw(st.integers(0, given.key.shape[-2] - 1))}


@state(
    "mask-allows",
    "True in a mask allows: a query that may attend to one key alone gets its value.",
    drawn(_a_key, masked=True, keys=(1, 4), queries=(1, 3), empty=False),
)
def true_in_a_mask_allows(attend: Attention, using: Conventions, given: Inputs, allowed_key: int) -> None:
    assert given.mask is not None
    mask = np.broadcast_to(np.arange(given.key.shape[-2]) == allowed_key, given.mask.shape).copy()
    expected = given.value[..., [allowed_key], :]
    same(
        attend(given._replace(mask=mask)),
        np.broadcast_to(expected, given.out_shape),
        using.share(1) * largest(expected),
    )


@state("mask-of-all", "A mask that allows everything is no mask.", drawn(masked=True))
def a_mask_that_allows_everything_is_none(attend: Attention, using: Conventions, given: Inputs) -> None:
    assert given.mask is not None
    unmasked = given._replace(mask=None)
    out = attend(given._replace(mask=np.ones_like(given.mask)))
    same(out, np.broadcast_to(attend(unmasked), given.out_shape), slack(using, given))


@state("masked-row", "A query that may attend to no key gets zero (or not-a-number, by `masked`).", drawn(masked=True))
def a_query_without_keys_gets_nothing(attend: Attention, using: Conventions, given: Inputs) -> None:
    out = attend(given)
    same(np.zeros(out.shape), np.zeros(given.out_shape))
    nothing = ~given.allowed.any(axis=-1, keepdims=True)
    same(out, np.where(nothing, using.left_over, out))
