"""A wrong argument is refused with its name, what it was, and what would have done."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from acg_numpy.passes import (
    bpr_forward,
    cosine_forward,
    cross_entropy_forward,
    diversity_forward,
    domain_linear_forward,
    dropout_forward,
    embedding_forward,
    layer_norm_forward,
    linear_forward,
    log_softmax_forward,
    merge_heads_forward,
    mse_forward,
    multi_head_attention_forward,
    scaled_dot_product_forward,
    softmax_forward,
    split_heads_forward,
)


def ones(*shape: int) -> Any:
    return np.ones(shape)


def attend(**changed: Any) -> Any:
    arguments = {"query": ones(2, 4), "key": ones(3, 4), "value": ones(3, 5)}
    return scaled_dot_product_forward(**{**arguments, **changed})


def attend_by_heads(**changed: Any) -> Any:
    arguments: dict[str, Any] = {"query": ones(2, 4), "context": ones(3, 4), "num_heads": 2}
    for name in ("query", "key", "value", "output"):
        arguments |= {f"{name}_weight": ones(4, 4), f"{name}_bias": ones(4)}
    return multi_head_attention_forward(**{**arguments, **changed})


def map_by_domain(**changed: Any) -> Any:
    arguments = {"x": ones(5, 3), "ids": np.zeros(5, int), "weight": ones(2, 3, 4), "bias": ones(2, 4)}
    return domain_linear_forward(**{**arguments, **changed})


allowed = np.ones((2, 3), dtype=bool)

REFUSALS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: attend_by_heads(head_dropout_mask=ones(2, 3)),
        ValueError,
        "head_dropout_mask has shape (2, 3); expected (..., 2, 4): one row for each query, one column for each feature",
    ),
    (
        lambda: attend_by_heads(head_dropout_mask=np.ones((2, 4), bool)),
        TypeError,
        "head_dropout_mask has dtype bool; expected factors, as head_dropout_mask / keep_rate makes",
    ),
    (
        lambda: attend_by_heads(output_weight=None),
        ValueError,
        "output_bias is given, but output_weight is None: give both or neither",
    ),
    (
        lambda: map_by_domain(weight=ones(3, 4)),
        ValueError,
        "weight has shape (3, 4); expected (domains, in, out), a matrix for each domain",
    ),
    (lambda: map_by_domain(x=ones(5, 4)), ValueError, "x has 4 features (shape (5, 4)), but weight takes 3"),
    (lambda: map_by_domain(bias=ones(4)), ValueError, "bias has shape (4,); expected (2, 4), a row for each domain"),
    (lambda: map_by_domain(ids=np.array([0, 0, 2, 0, 0])), IndexError, "but the number of domains in weight is 2"),
    (lambda: map_by_domain(ids=np.zeros(4, int)), ValueError, "axes do not broadcast: x has (5,), ids has (4,)"),
    (lambda: softmax_forward([1.0, 2.0]), TypeError, "scores is a list; expected an array"),  # type: ignore[arg-type]
    (
        lambda: softmax_forward(np.array(1.0)),
        ValueError,
        "scores has shape (); expected (..., features), which scores[None] has",
    ),
    (lambda: log_softmax_forward(np.arange(3)), TypeError, "scores has dtype int64; expected floating numbers"),
    (
        lambda: attend(query=ones(4)),
        ValueError,
        "query has shape (4,); expected (..., rows, features), which query[None] has",
    ),
    (lambda: attend(query=ones(2, 3)), ValueError, "query has 3 features (shape (2, 3)), but key has 4 (shape (3, 4))"),
    (lambda: attend(value=ones(2, 5)), ValueError, "key has 3 rows (shape (3, 4)), but value has 2 (shape (2, 5))"),
    (
        lambda: attend(query=ones(2, 0), key=ones(3, 0)),
        ValueError,
        "query has shape (2, 0); expected at least one feature",
    ),
    (
        lambda: attend(query=ones(5, 2, 4), key=ones(6, 3, 4)),
        ValueError,
        "axes do not broadcast: query has (5,), key has (6,), value has ()",
    ),
    (
        lambda: attend(mask=ones(2, 3)),
        TypeError,
        "mask has dtype float64; expected bool, True where attention is allowed",
    ),
    (
        lambda: attend(mask=allowed.T),
        ValueError,
        "mask has shape (3, 2); expected (..., 2, 3): one row for each query, one column for each key",
    ),
    (lambda: attend(mask=allowed[0]), ValueError, "mask has shape (3,); expected (..., 2, 3)"),
    (lambda: attend(dropout_mask=allowed), TypeError, "dropout_mask has dtype bool; expected factors"),
    (lambda: attend(dropout_mask=ones(3, 2)), ValueError, "dropout_mask has shape (3, 2); expected (..., 2, 3)"),
    (
        lambda: attend_by_heads(num_heads=3),
        ValueError,
        "num_heads is 3, which does not divide 4, the last axis of query_weight; 1, 2 or 4 would",
    ),
    (lambda: attend_by_heads(num_heads=0), ValueError, "num_heads is 0"),
    (
        lambda: attend_by_heads(context=ones(3, 5)),
        ValueError,
        "context has 5 features (shape (3, 5)), but key_weight takes 4",
    ),
    (
        lambda: attend_by_heads(dropout_mask=ones(3, 2, 3)),
        ValueError,
        "axes do not broadcast: dropout_mask has (3,), scores has (2,)",
    ),
    (
        lambda: attend_by_heads(dropout_mask=ones(2, 3, 2)),
        ValueError,
        "dropout_mask has shape (2, 3, 2); expected (..., 2, 3): one row for each query, one column for each key",
    ),
    (
        lambda: attend_by_heads(output_weight=ones(4)),
        ValueError,
        "output_weight has shape (4,); expected two axes, in by out",
    ),
    (
        lambda: attend_by_heads(output_bias=ones(3)),
        ValueError,
        "output_bias has shape (3,); expected (4,), one number for each column of output_weight",
    ),
    (lambda: attend_by_heads(value_bias=ones(3)), ValueError, "value_bias has shape (3,); expected (4,)"),
    (
        lambda: attend_by_heads(output_weight=ones(5, 4)),
        ValueError,
        "value_weight makes 4 features, but output_weight has shape (5, 4)",
    ),
    (
        lambda: attend_by_heads(key_weight=ones(4, 6), key_bias=None),
        ValueError,
        "query_weight makes 4 features, but key_weight makes 6",
    ),
    (
        lambda: attend_by_heads(mask=np.ones((3, 3), bool)),
        ValueError,
        "mask has shape (3, 3); expected (..., 2, 3)",
    ),
    (
        lambda: attend_by_heads(mask=np.ones((2, 2, 2, 3), bool)),
        ValueError,
        "mask has shape (2, 2, 2, 3), but the scores are (2, 3): leave out the axis of the heads, which share the mask",
    ),
    (
        lambda: linear_forward(ones(2, 3), ones(4, 3)),
        ValueError,
        "x has 3 features (shape (2, 3)), but weight takes 4 (shape (4, 3), in by out); weight.T would fit",
    ),
    (lambda: linear_forward(ones(2, 3), ones(3)), ValueError, "weight has shape (3,); expected two axes, in by out"),
    (lambda: linear_forward(ones(2, 3), ones(3, 4), ones(3)), ValueError, "bias has shape (3,); expected (4,)"),
    (
        lambda: split_heads_forward(ones(2, 6), num_heads=4),
        ValueError,
        "num_heads is 4, which does not divide 6, the last axis of x; 1, 2, 3 or 6 would",
    ),
    (
        lambda: split_heads_forward(ones(6), num_heads=2),
        ValueError,
        "x has shape (6,); expected (..., rows, features), which x[None] has",
    ),
    (
        lambda: merge_heads_forward(ones(2, 3)),
        ValueError,
        "x has shape (2, 3); expected (..., heads, rows, features), which x[None] has",
    ),
    (lambda: dropout_forward(ones(2, 3), ones(2)), ValueError, "x has (2, 3), dropout_mask has (2,)"),
    (lambda: dropout_forward(ones(3), np.ones(3, bool)), TypeError, "as dropout_mask / keep_rate makes"),
    (
        lambda: layer_norm_forward(ones(2, 4), ones(3), None),
        ValueError,
        "weight has shape (3,); expected (4,), one number for each feature of x",
    ),
    (
        lambda: layer_norm_forward(ones(2, 4), ones(4), ones(1)),
        ValueError,
        "bias has shape (1,); expected (4,), one number for each feature of x",
    ),
    (lambda: layer_norm_forward(ones(), ones(4), None), ValueError, "x has shape (); expected (..., features)"),
    (
        lambda: layer_norm_forward(ones(2, 0), ones(0), None),
        ValueError,
        "x has shape (2, 0); expected at least one feature",
    ),
    (
        lambda: mse_forward(ones(3, 1), ones(3)),
        ValueError,
        "prediction has shape (3, 1), but target has (3,); expected the same",
    ),
    (lambda: mse_forward(ones(0), ones(0)), ValueError, "prediction has shape (0,), no elements to take a mean of"),
    (lambda: cross_entropy_forward(ones(2, 3), ones(3)), ValueError, "logits has shape (2, 3), but target has (3,)"),
    (
        lambda: cross_entropy_forward(ones(2, 3), np.array([0, 1])),
        TypeError,
        "target has dtype int64; expected floating numbers",
    ),
    (lambda: cross_entropy_forward(ones(2, 3), ones(2, 3), ones(3)), TypeError, "expected bool, True for candidates"),
    (
        lambda: cross_entropy_forward(ones(2, 3), ones(2, 3), allowed[None]),
        ValueError,
        "mask has shape (1, 2, 3); expected one that broadcasts to (2, 3)",
    ),
    (lambda: cosine_forward(ones(2, 3), ones(3)), ValueError, "a has shape (2, 3), but b has (3,); expected the same"),
    (
        lambda: cosine_forward(ones(), ones()),
        ValueError,
        "a has shape (); expected (..., features), which a[None] has",
    ),
    (
        lambda: cosine_forward(ones(3), ones()),
        ValueError,
        "b has shape (); expected (..., features), which b[None] has",
    ),
    (lambda: cosine_forward(ones(0, 3), ones(0, 3)), ValueError, "a has shape (0, 3), no elements to take a mean of"),
    (
        lambda: cross_entropy_forward(ones(), ones()),
        ValueError,
        "logits has shape (); expected (..., features), which logits[None] has",
    ),
    (lambda: bpr_forward(ones(0), ones(2, 1)), ValueError, "positive has shape (0,), no elements to take a mean of"),
    (lambda: bpr_forward(ones(2, 1), ones(0)), ValueError, "negative has shape (0,), no elements to take a mean of"),
    (
        lambda: diversity_forward(ones(3)),
        ValueError,
        "x has shape (3,); expected (..., rows, features), which x[None] has",
    ),
    (lambda: diversity_forward(ones(2, 0)), ValueError, "x has shape (2, 0), no elements to take a mean of"),
    (
        lambda: embedding_forward(ones(), 0),
        ValueError,
        "table has shape (); expected (..., features), which table[None] has",
    ),
    (
        lambda: embedding_forward(ones(3, 2), 3),
        IndexError,
        "ids holds 3, but the number of rows in table is 3 (ids run from 0 to 2)",
    ),
    (lambda: bpr_forward(ones(2), ones(3)), ValueError, "positive has (2,), negative has (3,)"),
    (lambda: diversity_forward(ones(1, 3)), ValueError, "x has shape (1, 3), sets of 1 row; expected at least 2"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[message for *_, message in REFUSALS])
def test_it_is_refused_by_name(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call()
