"""Updates in place: however parameters lie in memory and are moved together, each is moved as if it were alone."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.optim import flat_buffer
from acg_numpy.optim.optimisers import SGD, AdamW, clip_gradients
from tests.optim.test_optimisers import Leaf

OPTIMISERS = {
    "adamw": lambda leaves: AdamW(leaves, lr=0.1, weight_decay=0.1),
    "sgd": lambda leaves: SGD(leaves, 0.1, momentum=0.9, weight_decay=0.1),
}
every_optimiser = pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)

shapes = st.sampled_from([(), (0,), (1,), (7,), (3, 4), (5, 6), (2, 3, 4), (50,)])
dtypes = st.sampled_from([np.float32, np.float64])
layouts = st.sampled_from(["C", "F", "strided"])


def laid_out(array, layout):
    """The same numbers, lying in memory in another way."""
    if layout != "strided" or not array.ndim:
        return np.array(array, order="F" if layout == "F" else "C")
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


@every_optimiser
@given(st.lists(st.tuples(shapes, dtypes, layouts, layouts), min_size=1, max_size=6), st.data())
def test_parameters_moved_together_move_as_each_would_alone(make, made, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat_buffer, "BLOCK", data.draw(st.sampled_from([1, 8, 20, 1000])))
        leaves = [Leaf(laid_out(rng.normal(size=shape).astype(dtype), layout)) for shape, dtype, layout, _ in made]
        alone = [Leaf(leaf.data.copy()) for leaf in leaves]
        together, apart = make(leaves), [make([leaf]) for leaf in alone]
        for _ in range(3):
            for leaf, single, (shape, dtype, _, layout) in zip(leaves, alone, made, strict=True):
                single.grad = rng.choice([-1, 1], shape).astype(dtype) if rng.random() < 0.8 else None
                leaf.grad = None if single.grad is None else laid_out(single.grad, layout)
            together.step()
            for optimiser in apart:
                optimiser.step()
    for leaf, single in zip(leaves, alone, strict=True):
        np.testing.assert_allclose(leaf.data, single.data, rtol=1e-6 if single.data.dtype == np.float32 else 1e-13)
    state = together.state_dict()
    for i, optimiser in enumerate(apart):
        for name, array in optimiser.state_dict().items():
            if name != "steps":
                np.testing.assert_allclose(state[name.replace("0", str(i))], array, rtol=1e-6)


@every_optimiser
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_step_allocates_nothing_of_a_parameters_size(make, order):
    shapes = [(1000, 500), (300, 200), (200,), (200, 200)]
    leaves = [Leaf(np.ones(s, np.float32, order), np.ones(s, np.float32)) for s in shapes]
    optimiser = make(leaves)
    tracemalloc.start()
    try:
        optimiser.step()
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        optimiser.step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    copies = flat_buffer.BLOCK * 4 if order == "F" else 0  # such a parameter is moved in copies, of a block each
    assert peak - before < 2 * copies + 40_000 < leaves[0].data.nbytes


def test_the_norm_of_gradients_takes_no_memory_of_their_size():
    leaf = Leaf(np.ones(1), np.ones((1000, 1000), np.float32))
    tracemalloc.start()
    try:
        assert clip_gradients([leaf], 1e4) == 1e3
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < leaf.grad.nbytes / 20


def test_a_stored_state_does_not_tell_how_parameters_were_moved(monkeypatch):
    def state():
        leaves = [Leaf(np.ones((3, 4)), np.full((3, 4), 0.5)), Leaf(np.ones(5), np.full(5, 2.0))]
        optimiser = AdamW(leaves)
        optimiser.step()
        return optimiser.state_dict()

    together = state()
    monkeypatch.setattr(flat_buffer, "BLOCK", 2)
    by_blocks = state()
    assert list(together) == ["steps", "mean.0", "mean.1", "square.0", "square.1"]
    for name, array in together.items():
        np.testing.assert_array_equal(array, by_blocks[name])
