"""Agreement is found under any names, and chance is not taken for it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.data import taste_agreement


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 6))
def test_tokens_that_are_tastes_agree_whatever_their_order_and_head(seed: int, heads: int, tastes: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(tastes), size=80)
    attention = rng.random((80, heads * tastes))
    attention[:, rng.permutation(heads * tastes)[:tastes]] = 2 * weights + 1  # scale and offset do not count
    assert taste_agreement(attention.reshape(80, heads, tastes), weights) == pytest.approx(1)


def test_exchanged_users_agree_by_chance_alone() -> None:
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(4), size=2000)
    attention = np.stack([weights, weights], axis=1)
    assert taste_agreement(attention, weights) == pytest.approx(1)
    assert abs(taste_agreement(attention, rng.permutation(weights))) < 0.1


def test_uniform_attention_agrees_with_nothing() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(4), size=50)
    assert taste_agreement(np.full((50, 2, 4), 0.25, dtype=np.float32), weights) == 0


def test_users_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="attention is of 3 users, but weights are of 4"):
        taste_agreement(np.ones((3, 1, 2)), np.ones((4, 2)))
