"""Inputs described in words are drawn as described."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.checks.learner.input_specs import InputsError, draw_inputs, read_inputs

shapes = st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple)


generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def drawn(text, rng):
    *_, value = draw_inputs(read_inputs(f"1, {text}"), rng)
    return value


@given(shapes, generators)
def test_every_kind_has_the_shape_that_was_written(shape, rng):
    size = "x".join(map(str, shape))
    for kind, dtype in (("", "float64"), ("positive:", "float64"), ("bool:", "bool"), ("int<7:", "int64")):
        value = drawn(kind + size, rng)
        assert (value.shape, value.dtype) == (shape, dtype)


@given(st.integers(1, 20), shapes, generators)
def test_whole_numbers_are_below_their_bound_and_one_repeats(bound, shape, rng):
    ids = drawn(f"int<{bound}:{'x'.join(map(str, shape))}", rng)
    assert np.all((ids >= 0) & (ids < bound))
    assert ids.size < 2 or len(np.unique(ids)) < ids.size


@given(st.integers(1, 5), st.integers(2, 5), generators)
def test_every_row_of_a_mask_keeps_something_and_leaves_something_out(rows, columns, rng):
    mask = drawn(f"bool:{rows}x{columns}", rng)
    assert np.all(mask.any(axis=-1) & ~mask.all(axis=-1))


@given(shapes, generators)
def test_positive_numbers_stay_clear_of_zero(shape, rng):
    values = drawn(f"positive:{'x'.join(map(str, shape))}", rng)
    assert np.all((values >= 0.5) & (values <= 2.0))


def test_scalars_are_numbers_and_none_is_none():
    rng = np.random.default_rng(0)
    assert [type(drawn(text, rng)) for text in ("scalar", "int<3:scalar", "none")] == [float, int, type(None)]


def test_the_same_seed_draws_the_same_inputs():
    one, other = (draw_inputs(read_inputs("3x4, int<9:5"), np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "piece 1 is empty"),
        ("3x4,", "piece 2 is empty"),
        ("3x4, 5*4", "piece 2, '5*4', is no shape"),
        ("3x4, -1", "piece 2, '-1', is no shape"),
        ("3x4, 5.0", "piece 2, '5.0', is no shape"),
        ("3x4, bool", "piece 2, 'bool', says what it is but not how large"),
        ("3x4, int<7", "piece 2, 'int<7', says what it is but not how large"),
        ("3x4, int:3", "piece 2, 'int:3', needs a bound: \"int<7:3\""),
        ("3x4, int<0:3", "piece 2, 'int<0:3', has no whole number to draw"),
        ("3x4, complex:3", "piece 2, 'complex:3', is of no known kind"),
        ("3x4, :3", "piece 2, ':3', is of no known kind"),
        ("3000x4000", "piece 1, '3000x4000', holds 12,000,000 numbers"),
        ("bool:3, int<2:4", "holds no floating input"),
    ],
)
def test_a_piece_that_cannot_be_read_is_named(text, message):
    with pytest.raises(InputsError) as caught:
        read_inputs(text)
    assert message in str(caught.value)


DESCRIPTIONS = {
    "": 'piece 1 is empty: write "3x4", "5", "scalar", "positive:3x4", "bool:3x5", "int<7:3" or "none"',
    "3x4, 5y4": 'piece 2, \'5y4\', is no shape: write sizes joined by x, as in "3x4", or "scalar"',
    "bool": "piece 1, 'bool', says what it is but not how large: add a shape, as in \"bool:3x4\"",
    "positive": "piece 1, 'positive', says what it is but not how large: add a shape, as in \"positive:3x4\"",
    "int: 3": "piece 1, 'int: 3', needs a bound: \"int<7:3\" draws from 0 to 6",
    "int<0:3": "piece 1, 'int<0:3', has no whole number to draw: the bound should be 1 or more, as in \"int<7:3\"",
    f"int<{2**63}:3": f"piece 1, 'int<{2**63}:3', has no whole number to draw: the bound should be 1 or more, as in "
    '"int<7:3"',
    "odd:3": 'piece 1, \'odd:3\', is of no known kind: write "3x4", "5", "scalar", "positive:3x4", "bool:3x5", '
    '"int<7:3" or "none"',
    "1000x1001": "piece 1, '1000x1001', holds 1,001,000 numbers, and a check shifts each: use a smaller shape",
    "bool:3,none": "'bool:3,none' holds no floating input, so there is no gradient to check: add one, as in \"3x4\"",
}


@pytest.mark.parametrize("text", DESCRIPTIONS)
def test_a_refusal_is_the_whole_sentence(text):
    with pytest.raises(InputsError) as caught:
        read_inputs(text)
    assert str(caught.value) == DESCRIPTIONS[text]


def test_the_largest_inputs_and_bounds_are_taken():
    assert read_inputs("1000x1000")[0].shape == (1000, 1000)
    assert read_inputs(f"1, int<{2**63 - 1}:3")[1].shape == (3,)
    pieces = read_inputs(" 3x4 ,NONE, positive : 2")
    assert [piece.text for piece in pieces] == ["3x4", "NONE", "positive : 2"]
    assert [piece.shape for piece in pieces] == [(3, 4), (), (2,)]
    assert [piece.floating for piece in pieces] == [True, False, True]
