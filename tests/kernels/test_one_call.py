"""The pair that every kernel is behind, called by itself: dtypes, shapes, and calls that leave one another alone."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.kernels.conditioning import condition_backward, condition_forward, groups_for

KERNELS = ("classroom", "absorbed", "grouped", "gathered")
kernels = pytest.mark.parametrize("kernel", KERNELS)


class Call(NamedTuple):
    """Eleven arrays that have gradients (None where there is none), three that have none, and options."""

    arrays: tuple[Any, ...]
    others: tuple[Any, ...]
    options: dict[str, Any]


@st.composite
def calls(draw: st.DrawFn, dtype: Any = np.float64) -> Call:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    N, T, G, H = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.integers(1, 3))
    D, K, users = H * draw(st.integers(1, 3)), T + G, draw(st.integers(0, 9))
    every = draw(st.booleans())
    ids = rng.permutation(N)[: draw(st.integers(1, N))] if every else rng.integers(0, N, users)
    rows = (users, len(ids)) if every else (users,)
    biased = draw(st.lists(st.booleans(), min_size=4, max_size=4))
    projections = [(rng.normal(size=(D, D)), rng.normal(size=D) if bias else None) for bias in biased]
    arrays = (
        rng.normal(size=(users, D)),
        rng.normal(size=(N, T, D)),
        rng.normal(size=(G, D)) if G else None,
        *(array for projection in projections for array in projection),
    )
    mask = rng.random((*rows, K)) < 0.6 if draw(st.booleans()) else None
    dropped = (rng.random((*rows, H, K)) < 0.7).astype(dtype) / dtype(0.7) if draw(st.booleans()) else None
    options = {
        "num_heads": H,
        "groups": groups_for(ids, N, users, every),
        "with_weights": draw(st.booleans()),
        "sparse_grad": draw(st.booleans()),
    }
    return Call(tuple(x if x is None else x.astype(dtype) for x in arrays), (ids, mask, dropped), options)


def forward(call: Call, kernel: str) -> tuple[tuple[Any, ...], Any]:
    """Output, weights too where they are wanted, and the cache."""
    found, cache = condition_forward(*call.arrays, *call.others, **call.options, kernel=kernel)
    return found if call.options["with_weights"] else (found,), cache


def backward(call: Call, outputs: tuple[Any, ...], cache: Any) -> list[Any]:
    """Gradients, from random ones of the outputs, as arrays."""
    rng = np.random.default_rng(0)
    grads_out = tuple(rng.normal(size=out.shape).astype(out.dtype) for out in outputs)
    grads = condition_backward(grads_out if call.options["with_weights"] else grads_out[0], cache)
    return [grad if grad is None else np.asarray(grad) for grad in grads]


@kernels
@given(st.data())
def test_outputs_and_gradients_have_the_dtype_and_shape_that_they_should(kernel: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    call = data.draw(calls(dtype))
    outputs, cache = forward(call, kernel)
    ids, groups = call.others[0], call.options["groups"]
    users, D = call.arrays[0].shape
    rows = (users, len(ids)) if groups.every else (users,)
    K = call.arrays[1].shape[1] + (0 if call.arrays[2] is None else len(call.arrays[2]))
    assert outputs[0].shape == (*rows, D)
    assert all(out.shape == (*rows, call.options["num_heads"], K) for out in outputs[1:])
    assert all(out.dtype == dtype for out in outputs)
    for x, grad in zip(call.arrays, backward(call, outputs, cache), strict=True):
        assert (grad is None) == (x is None)
        if x is not None:
            assert grad.shape == x.shape
            assert grad.dtype == dtype


@kernels
@given(st.data())
def test_each_kernel_gives_the_numbers_of_the_classroom(kernel: str, data: st.DataObject) -> None:
    call = data.draw(calls())
    expected, kept = forward(call, "classroom")
    outputs, cache = forward(call, kernel)
    for found, known in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-10)
    for found, known in zip(backward(call, outputs, cache), backward(call, expected, kept), strict=True):
        if known is not None:
            np.testing.assert_allclose(found, known, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("sparse", [False, True])
@kernels
@given(calls())
def test_the_table_s_gradient_is_row_sparse_only_where_it_is_wanted(kernel: str, sparse: bool, call: Call) -> None:
    call.options["sparse_grad"] = sparse
    outputs, cache = forward(call, kernel)
    grads = condition_backward(outputs if call.options["with_weights"] else outputs[0], cache)
    shared = kernel == "classroom" or not call.options["groups"].counts.sum()
    assert isinstance(grads[1], np.ndarray if shared or not sparse else RowSparseGradient)


@kernels
@given(st.data())
def test_calls_between_a_forward_and_its_backward_do_not_disturb_it(kernel: str, data: st.DataObject) -> None:
    call, other = data.draw(calls()), data.draw(calls())
    for x in (*call.arrays, *call.others):
        if x is not None:
            x.setflags(write=False)
    outputs, cache = forward(call, kernel)
    alone = [np.copy(x) for x in (*outputs, *filter(lambda grad: grad is not None, backward(call, outputs, cache)))]
    outputs, cache = forward(call, kernel)
    other_outputs, other_cache = forward(other, kernel)
    backward(other, other_outputs, other_cache)
    disturbed = (*outputs, *filter(lambda grad: grad is not None, backward(call, outputs, cache)))
    for one, two in zip(alone, disturbed, strict=True):
        np.testing.assert_array_equal(one, two)
