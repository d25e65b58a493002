"""The properties that `acg_numpy.testing` states for any implementation hold for the passes, and for the tiles."""

from typing import Any

import numpy as np
import pytest

from acg_numpy.kernels import tiled
from acg_numpy.passes import (
    embedding_forward,
    layer_norm_forward,
    scaled_dot_product_backward,
    scaled_dot_product_forward,
    softmax_backward,
    softmax_forward,
)
from acg_numpy.testing import properties, strategies
from tests.thoroughness import FEW_EXAMPLES

every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@every_dtype
def test_softmax_is_a_softmax(dtype: Any) -> None:
    properties.check_softmax(lambda scores: softmax_forward(scores)[0], dtype=dtype)


@every_dtype
def test_scaled_dot_product_attention_is_attention(dtype: Any) -> None:
    properties.check_attention(lambda *inputs: scaled_dot_product_forward(*inputs)[0], dtype=dtype)


@every_dtype
def test_the_embedding_is_an_embedding(dtype: Any) -> None:
    properties.check_embedding(lambda table, ids: embedding_forward(table, ids)[0], dtype=dtype)


@every_dtype
def test_layer_norm_is_a_layer_norm(dtype: Any) -> None:
    properties.check_layer_norm(lambda x, weight, bias: layer_norm_forward(x, weight, bias)[0], dtype=dtype)


def test_the_backward_of_attention_is_its_derivative_wherever_it_is_tried() -> None:
    inputs = strategies.attention_inputs(masked=True, max_side=3, magnitude=2.0)
    properties.check_backward_pair(scaled_dot_product_forward, scaled_dot_product_backward, inputs)


def test_the_backward_of_softmax_is_its_derivative_wherever_it_is_tried() -> None:
    scores = strategies.arrays(strategies.shapes(min_dims=1, max_side=3), magnitude=2.0).map(lambda S: (S,))
    properties.check_backward_pair(softmax_forward, softmax_backward, scores)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_attention_in_tiles_is_attention(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "BLOCK_ROWS", 2)
    monkeypatch.setattr(tiled, "BLOCK_BYTES", 64)
    few = 2 * FEW_EXAMPLES.max_examples
    properties.check_attention(lambda *inputs: tiled.forward(*inputs)[0], dtype=dtype, max_examples=few)
