"""PyTorch's operations have the properties too, through adapters of three lines; its conventions are arguments."""

from typing import Any

import numpy as np
import pytest

from acg_numpy.testing.properties import check_attention, check_embedding, check_layer_norm, check_softmax

torch = pytest.importorskip("torch")

dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def tensor(x: Any) -> Any:
    return None if x is None else torch.tensor(np.array(x))


def attention(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
    attend = torch.nn.functional.scaled_dot_product_attention
    return attend(tensor(query), tensor(key), tensor(value), attn_mask=tensor(mask)).numpy()


@dtypes
def test_attention_over_batches_that_broadcast(dtype: Any) -> None:
    check_attention(attention, dtype=dtype, empty=False)


@dtypes
def test_attention_where_axes_may_be_empty(dtype: Any) -> None:
    # where there are no keys, PyTorch does not broadcast: the output has the batch of the queries alone
    check_attention(attention, dtype=dtype, batch_axes=1)


@dtypes
def test_softmax_which_makes_a_row_of_minus_infinity_not_a_number(dtype: Any) -> None:
    check_softmax(lambda scores: torch.softmax(tensor(scores), -1).numpy(), dtype=dtype, masked="nan")


@dtypes
def test_embedding_whose_rows_are_vectors(dtype: Any) -> None:
    # where rows have no features, PyTorch refuses an id as well, but with a RuntimeError
    embed = torch.nn.functional.embedding
    check_embedding(lambda table, ids: embed(tensor(ids), tensor(table)).numpy(), dtype=dtype, row_axes=1, empty=False)


@dtypes
def test_layer_norm(dtype: Any) -> None:
    def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
        return torch.nn.functional.layer_norm(tensor(x), x.shape[-1:], tensor(weight), tensor(bias)).numpy()

    check_layer_norm(layer_norm, dtype=dtype)
