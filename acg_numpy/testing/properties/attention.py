"""Properties of every scaled dot-product attention: an average of values, weighted by softmax of q . k / sqrt(d).

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
from acg_numpy.testing.properties.attention_examples import (
    Attention,
    Conventions,
    Inputs,
    attention_examples,
    draw_two_indices,
    tolerance,
    transposition,
    value_bounds,
)
from acg_numpy.testing.properties.expectations import (
    expect_between,
    expect_equal,
    expect_form,
    expect_shape,
    expect_unchanged,
    largest_magnitude,
    rounding_error,
)
from acg_numpy.testing.properties.runner import (
    REPEATABLE,
    UNCHANGED,
    Claim,
    Effort,
    Example,
    Property,
    StrategyFactory,
    property_decorator,
    run_all,
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
    max_examples: int | None = None,
    seed: int | None = 0,
) -> None:
    """Look for a counterexample to the properties of scaled dot-product attention.

    Parameters
    ----------
    attention : callable
        `attention(query, key, value)` and `attention(query, key, value, mask)` return the output, (..., n_q, Dv), for
        arrays of shapes (..., n_q, d), (..., n_k, d), (..., n_k, Dv) and booleans (..., n_q, n_k), True where a query
        may attend to a key.
    dtype : floating dtype
        Of the inputs, and so of the output.
    masked : {"zero", "nan", "any"}
        What a query gets that may attend to no key: zero, not-a-number, or anything (such queries are not drawn).
    takes_mask : bool
        Whether there is a mask; if not, the properties about masks are left out.
    batch_axes : int, optional
        How many batch axes there are, the same in query, key and value, if the implementation takes just so many.
        By default any number, which broadcast.
    empty : bool
        Whether axes of size 0 are among what is drawn: no batch, no queries, no keys (which is a query that may attend
        to none), no features in the values.
    rtol : float, optional
        How far results may be apart, relative to the largest value.  By default, what rounding explains.
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
    conventions = Conventions(np.dtype(dtype).type, masked, takes_mask, batch_axes, empty, rtol)
    run_all(ATTENTION, attention, conventions, Effort(max_examples, seed, only))


def _state(name: str, sentence: str, strategy: StrategyFactory) -> Callable[[Claim], Claim]:
    """Return a decorator that makes a property of a claim: `claim(attend, conventions, inputs, ...)`.

    In the claim, `attend(inputs)` is the output.
    """

    def add(claim: Claim) -> Claim:
        def on_arrays(
            attention: Any,
            conventions: Conventions,
            query: Array,
            key: Array,
            value: Array,
            mask: Array | None,
            **more: Any,
        ) -> None:
            claim(Attention(attention), conventions, Inputs(query, key, value, mask), **more)

        property_decorator(ATTENTION)(name, sentence, strategy)(on_arrays)
        return claim

    return add


def _strategy_factory(
    more: Callable[[Any, Conventions, Inputs], Example] | None = None,
    where: Callable[[Conventions], bool] = lambda conventions: True,
    **sizes: Any,
) -> StrategyFactory:
    """Return a function from conventions to a strategy for inputs of these sizes, with what `more` draws to fit.

    It returns None under conventions without a mask if the inputs are to be masked, and where `where` returns False.
    """

    @st.composite
    def examples(draw: Any, conventions: Conventions) -> Example:
        example = draw(attention_examples(conventions, **sizes))
        return {**example, **(more(draw, conventions, Inputs(**example)) if more else {})}

    def strategy(conventions: Conventions) -> st.SearchStrategy[Example] | None:
        left_out = sizes.get("masked") and not conventions.takes_mask
        return examples(conventions) if where(conventions) and not left_out else None

    return strategy


# Form.


@_state("unchanged", UNCHANGED, _strategy_factory())
def _inputs_are_left_as_they_were(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    expect_unchanged(lambda: attend(inputs), *inputs)


@_state(
    "form",
    "The output has shape (..., n_q, Dv), of the batch that all inputs broadcast to, and their dtype.",
    _strategy_factory(),
)
def _output_has_the_form_of_queries_and_values(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    expect_form(attend(inputs), inputs.out_shape, conventions.dtype)


@_state("repeatable", REPEATABLE, _strategy_factory())
def _asked_again_it_gives_the_same(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    first = attend(inputs).copy()
    attend(inputs._replace(query=-inputs.query, value=inputs.value + 1))
    expect_equal(attend(inputs), first, tolerance(conventions, inputs))


# It is an average.


def _identity_values(draw: Any, conventions: Conventions, inputs: Inputs) -> Example:
    num_keys = inputs.key.shape[-2]
    identity = np.broadcast_to(np.eye(num_keys, dtype=conventions.dtype), (*inputs.value.shape[:-1], num_keys))
    return {"value": np.ascontiguousarray(identity)}


@_state(
    "distribution",
    "The weights of a query are a distribution over the keys it may attend to: at least 0, of sum 1, and 0 elsewhere.",
    _strategy_factory(_identity_values),
)
def _weights_are_a_distribution(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    weights = attend(inputs)  # what the identity is averaged to
    any_allowed = inputs.allowed.any(axis=-1, keepdims=True)
    most = np.where(any_allowed, inputs.allowed, conventions.empty_value)
    expect_between(weights, most * 0.0, most, rounding_error(conventions.dtype, 1))
    total = weights.sum(axis=-1, keepdims=True)
    expect_equal(total, np.where(any_allowed, 1.0, total), conventions.relative_tolerance(inputs.key.shape[-2]))


@_state(
    "convex-hull",
    "An output lies between the smallest and the largest of the values that its query may attend to.",
    _strategy_factory(),
)
def _output_lies_among_the_values(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    expect_between(
        attend(inputs),
        *value_bounds(conventions, inputs),
        conventions.relative_tolerance(inputs.key.shape[-2]) * largest_magnitude(inputs.value),
    )


@_state("one-key", "One key gives its value, whatever is asked.", _strategy_factory(masked=False, keys=(1, 1)))
def _one_key_gives_its_value(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    expect_equal(
        attend(inputs),
        np.broadcast_to(inputs.value, inputs.out_shape),
        conventions.relative_tolerance(1) * largest_magnitude(inputs.value),
    )


def _draw_other_value(draw: Any, conventions: Conventions, inputs: Inputs) -> Example:
    return {
        "other": draw(arrays(inputs.value.shape, dtype=conventions.dtype)),
        "factor": conventions.dtype(draw(st.integers(-3, 3))),
    }


@_state(
    "linear",
    "The output is linear in the values: that of value + factor * other is that of value and factor times that of "
    "other.",
    _strategy_factory(_draw_other_value),
)
def _output_is_linear_in_the_values(
    attend: Attention, conventions: Conventions, inputs: Inputs, other: Array, factor: Any
) -> None:
    second, both = inputs._replace(value=other), inputs._replace(value=inputs.value + factor * other)
    expect_equal(
        attend(both), attend(inputs) + factor * attend(second), 8 * tolerance(conventions, inputs, second, both)
    )


# What the weights are.


def _one_hot_values(draw: Any, conventions: Conventions, inputs: Inputs) -> Example:
    value = np.zeros(inputs.value.shape, conventions.dtype)
    value[..., 0, :] = 1
    return {"value": value}


@_state(
    "scale",
    "The score of a key is q . k / sqrt(d): of two keys, the first has for its weight the sigmoid of the difference of "
    "their scores.",
    _strategy_factory(_one_hot_values, masked=False, keys=(2, 2), queries=(1, 2), empty=False),
)
def _scores_are_dot_products_over_the_root_of_d(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    d = inputs.query.shape[-1]
    query, key = inputs.query.astype(np.float64), inputs.key.astype(np.float64)
    difference = query @ np.swapaxes(key[..., :1, :] - key[..., 1:, :], -1, -2) / math.sqrt(d)  # (..., n_q, 1)
    weight = (1 + np.tanh(difference / 2)) / 2
    expect_equal(attend(inputs), np.broadcast_to(weight, inputs.out_shape), tolerance(conventions, inputs))


def _draw_shift(draw: Any, conventions: Conventions, inputs: Inputs) -> Example:
    return {"shift": draw(arrays(inputs.key.shape[-1:], dtype=conventions.dtype))}


@_state(
    "shift",
    "Adding a constant to all scores of a row changes nothing; adding one vector to every key does just that.",
    _strategy_factory(_draw_shift),
)
def _adding_a_vector_to_every_key_changes_nothing(
    attend: Attention, conventions: Conventions, inputs: Inputs, shift: Array
) -> None:
    moved = inputs._replace(key=inputs.key + shift)
    expect_equal(attend(moved), attend(inputs), 2 * tolerance(conventions, inputs, moved))


def _draw_two_keys(draw: Any, conventions: Conventions, inputs: Inputs) -> Example:
    return draw_two_indices(draw, inputs.key.shape[-2])


@_state(
    "exchange-keys",
    "Exchanging two keys, together with their values, changes nothing.",
    _strategy_factory(_draw_two_keys, keys=(2, 4), queries=(1, 3), empty=False),
)
def exchanging_keys_changes_nothing(
    attend: Attention, conventions: Conventions, inputs: Inputs, first: int, second: int
) -> None:
    """Expect the same output for two keys exchanged, with their values: chapter 15 of the book shows this one."""
    order = transposition(inputs.key.shape[-2], first, second)
    exchanged = attend(inputs.select_keys(order))
    expect_equal(exchanged, attend(inputs), tolerance(conventions, inputs))


@_state("listed-twice", "Listing every key twice, with its value, changes nothing.", _strategy_factory())
def _listing_keys_twice_changes_nothing(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    twice = inputs.select_keys([*range(inputs.key.shape[-2])] * 2)
    expect_equal(attend(twice), attend(inputs), 2 * tolerance(conventions, inputs))


@_state(
    "large-scores",
    "Large scores do not overflow: nothing warns, outputs lie among the values, and a key whose score is far above all "
    "others gives its value.",
    _strategy_factory(masked=False, keys=(2, 4), queries=(1, 3), magnitude=2.0**50, empty=False),
)
def _large_scores_do_not_overflow(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    with warnings.catch_warnings(), np.errstate(over="warn", divide="warn", invalid="warn"):
        warnings.simplefilter("error", RuntimeWarning)
        out = attend(inputs)
    low, high = value_bounds(conventions, inputs)
    query, key = inputs.query.astype(np.longdouble), inputs.key.astype(np.longdouble)
    scores = query @ np.swapaxes(key, -1, -2)
    size = np.abs(query) @ np.swapaxes(np.abs(key), -1, -2)
    best = scores.max(axis=-1, keepdims=True)
    margin = 1e3 * (1 + rounding_error(conventions.dtype, 1) * size.max(axis=-1, keepdims=True))
    wins = scores == best
    clear = np.all(wins | (scores < best - margin), axis=-1, keepdims=True) & (wins.sum(axis=-1, keepdims=True) == 1)
    winner = wins.astype(conventions.dtype) @ inputs.value  # the value of the best key, where there is one such
    low, high = np.where(clear, winner, low), np.where(clear, winner, high)
    expect_between(
        out, low, high, conventions.relative_tolerance(inputs.key.shape[-2]) * largest_magnitude(inputs.value)
    )


# Who takes part.


def _draw_two_queries(draw: Any, conventions: Conventions, inputs: Inputs) -> Example:
    return draw_two_indices(draw, inputs.query.shape[-2])


@_state(
    "exchange-queries",
    "Exchanging two queries exchanges their outputs.",
    _strategy_factory(_draw_two_queries, queries=(2, 4), keys=(1, 4), empty=False),
)
def _exchanging_queries_exchanges_outputs(
    attend: Attention, conventions: Conventions, inputs: Inputs, first: int, second: int
) -> None:
    order = transposition(inputs.query.shape[-2], first, second)
    expected = attend(inputs)[..., order, :]
    expect_equal(attend(inputs.select_queries(order)), expected, tolerance(conventions, inputs))


@_state(
    "one-query",
    "The output of a query is what it gets when it asks alone.",
    _strategy_factory(_draw_two_queries, queries=(2, 4), keys=(1, 4), empty=False),
)
def _a_query_is_independent_of_those_beside_it(
    attend: Attention, conventions: Conventions, inputs: Inputs, first: int, second: int
) -> None:
    expect_equal(
        attend(inputs)[..., [first], :], attend(inputs.select_queries([first])), tolerance(conventions, inputs)
    )


@_state(
    "batch",
    "An element of a batch is what it is when computed alone.",
    _strategy_factory(
        where=lambda conventions: conventions.batch_axes != 0, keys=(2, 4), queries=(1, 3), empty=False, least_batch=2
    ),
)
def _a_batch_is_independent_of_its_neighbours(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    out = attend(inputs)
    expect_shape(out, inputs.out_shape)
    for place in np.ndindex(inputs.batch):
        alone = attend(inputs.element(place))
        expect_equal(out[place], alone.reshape(inputs.out_shape[-2:]), tolerance(conventions, inputs))


@_state(
    "broadcast",
    "Broadcasting along the batch is the same as repeating.",
    _strategy_factory(where=lambda conventions: conventions.batch_axes is None),
)
def _broadcasting_is_repeating(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    expect_equal(attend(inputs), attend(inputs.repeat()), tolerance(conventions, inputs))


# Masks.


def _draw_masked_key(draw: Any, conventions: Conventions, inputs: Inputs) -> Example:
    return {
        "masked_key": draw(st.integers(0, inputs.key.shape[-2] - 1)),
        "content": conventions.dtype(draw(st.sampled_from([0.0, 1.0, -1.0, 1e4, 1e30, -1e30]))),
    }


@_state(
    "masked-key",
    "A masked key does not matter, whatever it and its value hold.",
    _strategy_factory(_draw_masked_key, masked=True, keys=(2, 4), queries=(1, 3), empty=False),
)
def _a_masked_key_does_not_matter(
    attend: Attention, conventions: Conventions, inputs: Inputs, masked_key: int, content: Any
) -> None:
    here = np.arange(inputs.key.shape[-2]) == masked_key
    others = np.flatnonzero(~here)
    assert inputs.mask is not None
    mask = inputs.mask & ~here
    if conventions.masked == "any":
        mask = mask | (~mask.any(axis=-1, keepdims=True) & ~here)
    key, value = (np.where(here[:, None], content, x) for x in (inputs.key, inputs.value))
    without = inputs._replace(mask=mask).select_keys(others)
    expect_equal(attend(Inputs(inputs.query, key, value, mask)), attend(without), tolerance(conventions, inputs))


def _draw_allowed_key(draw: Any, conventions: Conventions, inputs: Inputs) -> Example:
    return {"allowed_key": draw(st.integers(0, inputs.key.shape[-2] - 1))}


@_state(
    "mask-allows",
    "True in a mask allows: a query that may attend to one key alone gets its value.",
    _strategy_factory(_draw_allowed_key, masked=True, keys=(1, 4), queries=(1, 3), empty=False),
)
def _true_in_a_mask_allows(attend: Attention, conventions: Conventions, inputs: Inputs, allowed_key: int) -> None:
    assert inputs.mask is not None
    mask = np.broadcast_to(np.arange(inputs.key.shape[-2]) == allowed_key, inputs.mask.shape).copy()
    expected = inputs.value[..., [allowed_key], :]
    expect_equal(
        attend(inputs._replace(mask=mask)),
        np.broadcast_to(expected, inputs.out_shape),
        conventions.relative_tolerance(1) * largest_magnitude(expected),
    )


@_state("mask-of-all", "A mask that allows everything is no mask.", _strategy_factory(masked=True))
def _a_mask_that_allows_everything_is_none(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    assert inputs.mask is not None
    unmasked = inputs._replace(mask=None)
    out = attend(inputs._replace(mask=np.ones_like(inputs.mask)))
    expect_equal(out, np.broadcast_to(attend(unmasked), inputs.out_shape), tolerance(conventions, inputs))


@_state(
    "masked-row",
    "A query that may attend to no key gets zero (or not-a-number, by `masked`).",
    _strategy_factory(where=lambda conventions: conventions.masked != "any", masked=True),
)
def _a_query_without_keys_gets_nothing(attend: Attention, conventions: Conventions, inputs: Inputs) -> None:
    out = attend(inputs)
    expect_shape(out, inputs.out_shape)
    nothing = ~inputs.allowed.any(axis=-1, keepdims=True)
    expect_equal(out, np.where(nothing, conventions.empty_value, out))
