"""The gradient that arrives at each parameter, and the parameters at which none does."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from acg_numpy import AttentionConditioner, tensor
from acg_numpy.plots import gradient_flow

RNG = np.random.default_rng(0)


@pytest.fixture
def ax():
    return Figure(figsize=(12, 6)).subplots()


def test_what_cannot_learn_is_named(ax):
    conditioner = AttentionConditioner(8, 2, 3, seed=0)
    conditioner(RNG.normal(size=(4, 8)), 1).backward(RNG.normal(size=(4, 8)))
    gradient_flow(conditioner, ax=ax)
    grads = [p.grad for _, p in conditioner.named_parameters()]
    widths = [bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(widths, [np.sqrt(np.mean(np.square(g, dtype=float))) for g in grads])
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert [name for name, width in zip(names, widths, strict=True) if width == 0] == ["attention.key.bias"]
    assert [text.get_text() for text in ax.texts] == ["0, it cannot learn"]


def test_parameters_without_a_gradient_are_counted(ax):
    x = tensor([1.0], requires_grad=True)
    (x * 2.0).backward()
    gradient_flow({"x": x, "y": tensor([1.0], requires_grad=True)}, ax=ax)
    assert ax.get_title() == "1 of 2 parameters have no gradient"
    with pytest.raises(ValueError, match="none of 1 parameters has a gradient"):
        gradient_flow({"y": tensor([1.0], requires_grad=True)})
