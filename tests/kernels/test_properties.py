"""Attention in tiles is attention by the properties that `acg_numpy.testing` states for anybody's implementation."""

from typing import Any

import numpy as np
import pytest

from acg_numpy.kernels import tiled
from acg_numpy.testing import properties


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_attention_in_tiles_is_attention(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "BLOCK_ROWS", 2)
    monkeypatch.setattr(tiled, "BLOCK_BYTES", 64)
    properties.check_attention(lambda *inputs: tiled.forward(*inputs)[0], dtype=dtype, max_examples=20)
