"""How an input lies in memory is no part of the mathematics: a right gradient is right in whatever order it comes."""

from typing import Any

import numpy as np
import pytest

from acg_numpy.checks import check_backward, gradcheck
from acg_numpy.passes import linear_backward, linear_forward

LAYOUTS = {
    "C": lambda x: x,
    "Fortran": np.asfortranarray,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "turned round": lambda x: x[::-1, ::-1],
    "a slice of something larger": lambda x: np.pad(x, 2)[2:-2, 2:-2],
    "every other one": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
}
layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


@layouts
@pytest.mark.parametrize("method", ["central", "richardson", "complex", "directional"])
def test_a_right_backward_passes_whatever_the_layout_of_its_inputs(layout: Any, method: str) -> None:
    rng = np.random.default_rng(0)
    x, weight = layout(rng.normal(size=(3, 4))), layout(rng.normal(size=(4, 2)))
    assert check_backward(linear_forward, linear_backward, x, weight, rng.normal(size=2), method=method).passed


@layouts
def test_a_right_gradient_passes_whatever_the_layout_of_its_inputs(layout: Any) -> None:
    x = layout(np.random.default_rng(0).normal(size=(3, 4)))
    assert gradcheck(lambda x: np.sum(np.tanh(x) ** 2), x, second_order=True).passed
