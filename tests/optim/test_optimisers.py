"""Optimisers against their equations written out, and against PyTorch's."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.optim.optimisers import SGD, AdamW, clip_gradients


@dataclass(eq=False)
class Leaf:
    """All that an optimiser asks of a parameter."""

    data: np.ndarray
    grad: np.ndarray | None = None


def gradients(seed, steps, shape):
    return np.random.default_rng(seed).normal(size=(steps, *shape))


rates = st.sampled_from([1e-3, 3e-2, 0.5])
decays = st.sampled_from([0.0, 1e-2, 0.3])
keeps = st.sampled_from([0.0, 0.5, 0.9, 0.999])


@given(rates, decays, keeps, keeps, st.sampled_from([1e-8, 1e-2]), st.integers(0, 99))
def test_adamw_is_its_equations(lr, decay, beta1, beta2, eps, seed):
    leaf = Leaf(gradients(seed + 1, 1, (2, 3))[0])
    p, m, v = leaf.data.copy(), 0.0, 0.0
    optimiser = AdamW([leaf], lr=lr, weight_decay=decay, betas=(beta1, beta2), eps=eps)
    for t, g in enumerate(gradients(seed, 5, (2, 3)), start=1):
        leaf.grad = g
        optimiser.step()
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        p = p - lr * decay * p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    np.testing.assert_allclose(leaf.data, p, rtol=1e-10, atol=1e-12)


@given(rates, decays, keeps, st.integers(0, 99))
def test_sgd_is_its_equations(lr, decay, momentum, seed):
    leaf = Leaf(gradients(seed + 1, 1, (3,))[0])
    p, velocity = leaf.data.copy(), 0.0
    optimiser = SGD([leaf], lr, momentum=momentum, weight_decay=decay)
    for g in gradients(seed, 5, (3,)):
        leaf.grad = g
        optimiser.step()
        velocity = momentum * velocity + g
        p = p - lr * decay * p - lr * velocity
    np.testing.assert_allclose(leaf.data, p, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adamw_agrees_with_pytorch(dtype):
    torch = pytest.importorskip("torch")
    starts = [gradients(s, 1, shape)[0].astype(dtype) for s, shape in enumerate([(4, 3), (3,), ()])]
    ours = [Leaf(np.array(x)) for x in starts]
    theirs = [torch.tensor(x, requires_grad=True) for x in starts]
    optimiser, reference = AdamW(ours), torch.optim.AdamW(theirs, lr=3e-3, weight_decay=1e-2)
    rng = np.random.default_rng(7)
    for step in range(20):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            absent = i == 1 and step % 3 == 0  # what takes part only now and then counts its own steps
            g = rng.normal(size=a.data.shape).astype(dtype)
            a.grad, b.grad = (None, None) if absent else (g, torch.tensor(g))
        optimiser.step()
        reference.step()
    for a, b in zip(ours, theirs, strict=True):
        assert a.data.dtype == dtype
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("make", [AdamW, lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=0.1)])
def test_a_parameter_without_a_gradient_is_left_alone(make):
    moved, left = Leaf(np.ones(3), np.ones(3)), Leaf(np.ones(2))
    make([moved, left]).step()
    assert np.all(moved.data != 1)
    np.testing.assert_array_equal(left.data, 1.0)


@pytest.mark.parametrize("make", [AdamW, lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=0.1)])
def test_the_array_is_updated_in_place_and_the_gradient_not_touched(make):
    array, g = np.ones((2, 3), np.float32), np.full((2, 3), 0.5, np.float32)
    leaf = Leaf(array, g)
    make([leaf]).step()
    assert leaf.data is array
    assert np.all(array < 1)
    np.testing.assert_array_equal(g, 0.5)


@pytest.mark.parametrize("make", [AdamW, lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=0.1)])
def test_weights_decay_apart_from_the_gradient(make):
    leaf = Leaf(np.full(3, 2.0), np.zeros(3))
    optimiser = make([leaf])
    optimiser.step()
    np.testing.assert_allclose(leaf.data, 2.0 * (1 - optimiser.lr * optimiser.weight_decay), rtol=1e-15)


@pytest.mark.parametrize("make", [AdamW, lambda p: SGD(p, 0.1, momentum=0.9)])
def test_a_stored_optimiser_goes_on_as_if_it_were_the_same(make):
    steps = gradients(3, 6, (4,))
    whole, halves = Leaf(np.ones(4)), Leaf(np.ones(4))
    uninterrupted, first = make([whole]), make([halves])
    second = make([halves])
    for t, g in enumerate(steps):
        whole.grad = halves.grad = g
        uninterrupted.step()
        if t == 3:
            second.load_state_dict(first.state_dict())
        (first if t < 3 else second).step()
    np.testing.assert_array_equal(whole.data, halves.data)


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing():
    leaf = Leaf(np.ones(4), np.ones(4))
    optimiser = AdamW([leaf])
    optimiser.step()
    before = optimiser.state_dict()
    with pytest.raises(ValueError, match=r"missing \['mean.0', 'square.0', 'steps'\], unknown \['velocity.0'\]"):
        optimiser.load_state_dict(SGD([leaf], 0.1).state_dict())
    with pytest.raises(ValueError, match=r"shape \(5,\), but this optimiser's is \(4,\)"):
        optimiser.load_state_dict({**before, "square.0": np.ones(5)})
    for name, array in optimiser.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("make", [AdamW, lambda p: SGD(p, 0.1)])
def test_gradients_are_forgotten_on_request(make):
    leaf = Leaf(np.ones(4), np.ones(4))
    make([leaf]).zero_grad()
    assert leaf.grad is None


def test_a_state_is_a_copy():
    leaf = Leaf(np.ones(4), np.ones(4))
    optimiser = AdamW([leaf])
    state = optimiser.state_dict()
    optimiser.step()
    assert not state["mean.0"].any()


def test_rounding_noise_is_not_blown_up_to_full_steps():
    """The bias of attention's keys has gradient zero, for which floating point hands over a few ulps of the others."""
    rng = np.random.default_rng(0)
    weight, dead = Leaf(np.zeros((8, 8), np.float32)), Leaf(np.zeros(8, np.float32))
    optimiser = AdamW([weight, dead], weight_decay=0.0, eps=1e-12)
    for _ in range(100):
        weight.grad = rng.normal(size=(8, 8)).astype(np.float32)
        dead.grad = (rng.normal(size=8) * 1e-7).astype(np.float32)
        optimiser.step()
    np.testing.assert_array_equal(dead.data, 0.0)
    assert np.all(weight.data != 0)


def test_small_but_resolvable_gradients_are_followed_at_full_length():
    large = Leaf(np.zeros(3, np.float32), np.ones(3, np.float32))
    small = Leaf(np.zeros(3, np.float32), np.full(3, 1e-5, np.float32))
    AdamW([large, small], lr=0.1, eps=1e-12).step()
    np.testing.assert_allclose(small.data, -0.1, rtol=1e-5)


shapes = st.lists(st.sampled_from([(), (3,), (2, 4), (0,), (5, 1, 2)]), min_size=1, max_size=4)


@given(shapes, st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.integers(0, 99))
def test_clipped_gradients_keep_their_direction_and_stay_within_the_limit(shapes, limit, scale, seed):
    before = [scale * gradients(seed + i, 1, shape)[0] for i, shape in enumerate(shapes)]
    leaves = [Leaf(np.zeros(g.shape), g.copy()) for g in before]
    norm = clip_gradients(leaves, limit)
    joined, clipped = (np.concatenate([np.ravel(g) for g in gs]) for gs in (before, [leaf.grad for leaf in leaves]))
    np.testing.assert_allclose(norm, np.linalg.norm(joined), rtol=1e-12)
    np.testing.assert_allclose(clipped, joined * min(1.0, limit / norm if norm else 1.0), rtol=1e-12)
    assert [np.shape(leaf.grad) for leaf in leaves] == shapes


def test_gradients_within_the_limit_are_not_touched_and_missing_ones_stay_missing():
    g = np.array([3.0, 4.0], np.float32)
    leaves = [Leaf(np.ones(2, np.float32), g), Leaf(np.ones(3))]
    assert clip_gradients(leaves, 5.0) == 5.0
    assert leaves[0].grad is g
    assert leaves[1].grad is None
    assert clip_gradients(leaves, 1.0) == 5.0
    assert leaves[0].grad.dtype == np.float32
    np.testing.assert_array_equal(g, [3.0, 4.0])  # the array may be someone else's too
    assert clip_gradients(leaves[1:], 1.0) == 0.0


def test_gradients_whose_squares_overflow_are_clipped_all_the_same():
    leaf = Leaf(np.zeros(2, np.float32), np.array([3e30, 4e30], np.float32))
    np.testing.assert_allclose(clip_gradients([leaf], 1.0), 5e30, rtol=1e-6)
    np.testing.assert_allclose(leaf.grad, [0.6, 0.8], rtol=1e-6)


def test_clipping_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    ours = [Leaf(np.zeros(s), gradients(i, 1, s)[0]) for i, s in enumerate([(4, 3), (3,), ()])]
    theirs = [torch.zeros(leaf.data.shape, dtype=torch.float64, requires_grad=True) for leaf in ours]
    for a, b in zip(ours, theirs, strict=True):
        b.grad = torch.tensor(a.grad)
    norm = torch.nn.utils.clip_grad_norm_(theirs, 0.5)
    np.testing.assert_allclose(clip_gradients(ours, 0.5), norm.item(), rtol=1e-12)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-5)  # theirs adds 1e-6 to the norm


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gradients_without_a_direction_are_not_clipped_but_refused(bad):
    leaf = Leaf(np.zeros(2), np.array([1.0, bad]))
    what = "NaN" if np.isnan(bad) else "infinity"
    with pytest.raises(FloatingPointError, match=rf"gradient of parameters\[1\], of shape \(2,\), holds {what}"):
        clip_gradients([Leaf(np.zeros(3), np.ones(3)), leaf], 1.0)
    assert leaf.grad[0] == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("momentum", [None, 0.0, 0.9])
def test_a_gradient_that_is_not_finite_is_named_and_nothing_is_updated(momentum, place, sparse, bad):
    leaves = [Leaf(np.ones((3, 2)), np.full((3, 2), 0.5)) for _ in range(3)]
    optimiser = AdamW(leaves) if momentum is None else SGD(leaves, 0.1, momentum=momentum)
    optimiser.step()
    before, state = [leaf.data.copy() for leaf in leaves], optimiser.state_dict()
    leaves[place].grad[1, 0] = bad
    if sparse:
        leaves[place].grad = RowSparseGradient(np.array([0, 1]), leaves[place].grad[:2], (3, 2))
    with pytest.raises(FloatingPointError, match=rf"gradient of parameters\[{place}\], of shape \(3, 2\), holds"):
        optimiser.step()
    for leaf, data in zip(leaves, before, strict=True):
        np.testing.assert_array_equal(leaf.data, data)
    for name, array in optimiser.state_dict().items():
        np.testing.assert_array_equal(array, state[name])


def test_a_gradient_whose_squares_overflow_makes_no_other_count_as_noise():
    huge, small = Leaf(np.zeros(2, np.float32), np.full(2, 1e25, np.float32)), Leaf(np.zeros(2), np.full(2, 1e20))
    optimiser = AdamW([huge, small], lr=0.1, weight_decay=0.0)
    with np.errstate(over="ignore"):  # of Adam's average square
        optimiser.step()
    np.testing.assert_allclose(small.data, -0.1)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="parameters is empty"):
        AdamW(iter([]))
    leaf = Leaf(np.ones(2))
    with pytest.raises(ValueError, match="twice"):
        SGD([leaf, leaf], 0.1)
    with pytest.raises(ValueError, match="lr must be a finite number of at least 0, but it is -1"):
        SGD([leaf], -1)
    with pytest.raises(ValueError, match="lr must be a finite number of at least 0, but it is nan"):
        AdamW([leaf], lr=float("nan"))
    with pytest.raises(ValueError, match=r"betas\[1\] must be at least 0.0 and below 1.0, but it is 1.0"):
        AdamW([leaf], betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="weight_decay must be a finite number of at least 0, but it is inf"):
        AdamW([leaf], weight_decay=float("inf"))
    with pytest.raises(ValueError, match="eps must be above 0, but it is 0"):
        AdamW([leaf], eps=0)
    with pytest.raises(ValueError, match=r"momentum must be at least 0\.0 and below 1\.0, but it is 1\.5"):
        SGD([leaf], 0.1, momentum=1.5)
    for limit in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=f"limit must be a finite number above 0, but it is {limit}"):
            clip_gradients([leaf], limit)
