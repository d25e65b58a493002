"""What strategies of arrays and shapes draw, what they never draw, and what a failing example shrinks to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.testing.strategies import arrays, shapes
from tests.testing.drawing import FLOATS, STARTS, drawn, layout, smallest


@FLOATS
@pytest.mark.parametrize(("least", "most"), [(1e-3, 10.0), (1e-30, 1e30), (0.1, 0.3), (50.0, 70.0), (1e-9, 1e-7)])
def test_numbers_are_zero_or_within_the_bounds(dtype, least, most):
    for x in drawn(arrays(shapes(), dtype=dtype, smallest=least, magnitude=most), 100):
        size = np.abs(x[x != 0]).astype(np.float64)
        assert x.dtype == dtype
        assert np.all((size >= least) & (size <= most))


@FLOATS
def test_both_bounds_are_reached_and_so_is_what_lies_between(dtype):
    sizes = np.abs(
        np.concatenate([x.ravel() for x in drawn(arrays((4, 4), dtype=dtype, smallest=1e-30, magnitude=1e30))])
    )
    exponents = np.rint(np.log10(sizes[sizes > 0].astype(np.float64)))
    assert sizes.max() == pytest.approx(1e30)
    assert sizes[sizes > 0].min() == pytest.approx(1e-30)
    assert set(range(-29, 30)) <= set(exponents)


def test_zeros_ties_and_both_signs_are_frequent_and_so_are_fractions():
    examples = drawn(arrays((3, 4)))
    share = {
        "a zero": np.mean([np.any(x == 0) for x in examples]),
        "no zero": np.mean([np.all(x != 0) for x in examples]),
        "all zero": np.mean([np.all(x == 0) for x in examples]),
        "all alike, not zero": np.mean([np.ptp(x) == 0 and x[0, 0] != 0 for x in examples]),
        "a tie for the largest of a row": np.mean(
            [np.any(np.sum(x == x.max(-1, keepdims=True), -1) > 1) for x in examples]
        ),
        "both signs": np.mean([x.min() < 0 < x.max() for x in examples]),
        "fractions": np.mean([np.any(x % 1) for x in examples]),
        "whole numbers alone": np.mean([not np.any(x % 1) for x in examples]),
    }
    assert not {what: how for what, how in share.items() if how < 0.02}


@FLOATS
def test_every_layout_is_drawn_read_only_and_writeable(dtype):
    found = {(layout(x), x.flags.writeable) for x in drawn(arrays((2, 3), dtype=dtype))}
    assert found == {
        (how, may) for how in ("C", "Fortran", "negative strides", "not contiguous") for may in (True, False)
    }


def test_what_surrounds_a_slice_is_not_a_number():
    slices = [x for x in drawn(arrays((2, 3)), 100) if layout(x) == "not contiguous"]
    assert slices
    assert all(np.isnan(x.base).sum() == x.base.size - x.size for x in slices)


def test_without_other_layouts_arrays_are_contiguous_and_writeable():
    for x in drawn(arrays(shapes(), any_layout=False), 100):
        assert x.flags.c_contiguous
        assert x.flags.writeable


@given(shapes().flatmap(lambda shape: st.tuples(st.just(shape), arrays(shape), arrays(shape, dtype=np.bool_))))
def test_an_array_has_the_shape_that_was_asked_for_whatever_its_layout(example):
    shape, numbers, truths = example
    assert isinstance(numbers, np.ndarray)
    assert numbers.shape == truths.shape == shape
    assert truths.dtype == np.bool_


def test_no_two_parts_of_a_large_array_are_alike():
    examples = drawn(arrays((4, 4, 4, 4)), 60)
    assert np.mean([any(np.array_equal(x[0], x[i]) for i in (1, 2, 3)) for x in examples]) < 0.5


def test_booleans_are_mixed_all_true_and_all_false():
    counts = [int(x.sum()) for x in drawn(arrays((2, 3), dtype=np.bool_), 100)]
    assert set(counts) == set(range(7))


def test_shapes_have_every_number_of_axes_and_every_size():
    found = drawn(shapes(min_dims=1, max_dims=3, max_side=4))
    assert {len(shape) for shape in found} == {1, 2, 3}
    assert {n for shape in found for n in shape} == {0, 1, 2, 3, 4}
    assert {n for shape in drawn(shapes(min_side=2, max_side=3), 100) for n in shape} == {2, 3}
    assert {n for shape in drawn(shapes(max_side=16)) for n in shape} == set(range(17))
    assert drawn(shapes(max_dims=0), 1) == [()]
    assert {n for shape in drawn(shapes(max_side=0), 20) for n in shape} == {0}


@STARTS
def test_an_array_shrinks_to_one_small_number(start):
    x = smallest(arrays(shapes()), lambda x: np.any(x > 3), start)
    assert x.shape == ()
    assert 3 < x <= 4
    x = smallest(arrays(shapes(min_dims=1)), lambda x: np.any(x < -2), start)
    assert x.shape == (1,)
    assert -3 <= x < -2


def test_an_array_shrinks_element_by_element_to_zeros():
    x = smallest(arrays((4, 5)), lambda x: np.any(x[2:] > 3))
    assert np.count_nonzero(x) == 1
    assert 3 < x.max() <= 4
    assert x.flags.c_contiguous
    assert x.flags.writeable


def test_an_array_shrinks_to_the_power_of_ten_that_matters():
    extremes = arrays(shapes(), smallest=1e-30, magnitude=1e30)
    large = smallest(extremes, lambda x: np.any(x > 1e20))
    small = smallest(extremes, lambda x: np.any((x > 0) & (x < 1e-20)))
    assert large.shape == small.shape == ()
    assert 1e20 < large <= 1e22
    assert 1e-22 <= small < 1e-20


@pytest.mark.parametrize("matters", ["Fortran", "negative strides", "not contiguous"])
def test_a_layout_that_matters_is_kept_and_all_else_shrinks(matters):
    x = smallest(arrays(shapes()), lambda x: layout(x) == matters)
    assert x.size <= 4
    assert not x.any()
    assert x.flags.writeable


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: arrays((2,), dtype=np.int64), TypeError, "int64; expected a floating one or bool"),
        (lambda: arrays((2,), dtype=np.float16, magnitude=1e30), ValueError, "magnitude=1e[+]30"),
        (lambda: arrays((2,), smallest=2.0, magnitude=1.0), ValueError, "the first no larger"),
        (lambda: arrays((2,), smallest=0.0), ValueError, "smallest=0"),
        (lambda: shapes(min_dims=3, max_dims=2), ValueError, "min_dims=3"),
        (lambda: shapes(min_side=3, max_side=2), ValueError, "min_side=3"),
    ],
)
def test_what_cannot_be_drawn_is_refused_when_it_is_asked_for(make, error, says):
    with pytest.raises(error, match=says):
        make()
