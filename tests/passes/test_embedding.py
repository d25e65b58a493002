"""The embedding copies rows, and adds up what comes back to them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from acg_numpy.passes import embedding_backward, embedding_forward
from tests.passes.pairs import Call, embedding_calls


@pytest.mark.parametrize("ids", [1, np.int32(1), np.array(1), np.array([1, 0]), np.array([[1], [0]], np.uint8)])
def test_the_output_is_a_copy_of_the_rows_for_any_integer_dtype(ids: Any) -> None:
    table = np.arange(6.0).reshape(3, 2)
    out, _ = embedding_forward(table, ids)
    np.testing.assert_array_equal(out, table[ids])
    assert not np.shares_memory(out, table)


def test_a_row_that_was_used_three_times_gets_three_gradients_added_up() -> None:
    _, cache = embedding_forward(np.zeros((3, 1)), np.array([1, 1, 0, 1]))
    grads = embedding_backward(np.array([[1.0], [10.0], [5.0], [100.0]]), cache)
    np.testing.assert_array_equal(grads.table, [[5.0], [111.0], [0.0]])


def test_a_row_may_be_a_matrix_of_tokens() -> None:
    tokens = np.arange(24.0).reshape(2, 3, 4)
    out, cache = embedding_forward(tokens, np.array([[1, 0, 1]]))
    assert out.shape == (1, 3, 3, 4)
    np.testing.assert_array_equal(
        embedding_backward(np.ones_like(out), cache).table, [np.ones((3, 4)), 2 * np.ones((3, 4))]
    )


@pytest.mark.parametrize(
    ("ids", "error"),
    [
        (3, IndexError),
        (-1, IndexError),
        (True, TypeError),
        (1.0, TypeError),
        (np.array([0.0]), TypeError),
        ("a", TypeError),
    ],
)
def test_ids_never_wrap_round_or_truncate(ids: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="ids "):
        embedding_forward(np.zeros((3, 2)), ids)


def test_an_empty_batch_looks_nothing_up() -> None:
    out, cache = embedding_forward(np.ones((3, 2)), np.zeros((0, 4), int))
    assert out.shape == (0, 4, 2)
    np.testing.assert_array_equal(embedding_backward(out, cache).table, np.zeros((3, 2)))


@given(embedding_calls())
def test_looking_up_is_a_product_with_a_matrix_of_ones_and_zeros(call: Call) -> None:
    table, ids = call.args
    chosen = np.equal.outer(ids, np.arange(len(table))).astype(float)
    out, cache = embedding_forward(table, ids)
    np.testing.assert_array_equal(out, np.tensordot(chosen, table, axes=1))
    back = embedding_backward(out, cache).table
    axes = list(range(np.ndim(ids)))
    np.testing.assert_allclose(back, np.tensordot(chosen, out, axes=(axes, axes)), rtol=1e-12, atol=1e-13)
