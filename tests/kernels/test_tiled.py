"""Attention in tiles is attention: the classroom's numbers, whatever the blocks."""

import itertools
import tracemalloc
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import MultiHeadCrossAttention, hvp, tensor
from acg_numpy.checks import check_backward
from acg_numpy.kernels import tiled
from acg_numpy.kernels.planning import plan_for_context
from acg_numpy.passes import scaled_dot_product_backward, scaled_dot_product_forward
from tests.checks.comparing import compare_only

TOLERANCES = {"float64": 1e-10, "float32": 3e-5}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of at most 2 queries and 16 scores, so that small problems have many."""
    monkeypatch.setattr(tiled, "BLOCK_ROWS", 2)
    monkeypatch.setattr(tiled, "BLOCK_BYTES", 64)


@st.composite
def problems(draw: st.DrawFn, least: int = 0, dtypes: tuple[str, ...] = tuple(TOLERANCES)) -> tuple[Any, ...]:
    """Queries, keys, values and a mask whose leading axes broadcast; scores up to hundreds, rows without a key."""
    shapes = hnp.mutually_broadcastable_shapes(num_shapes=4, max_dims=2, min_side=least, max_side=3)
    batches = draw(shapes).input_shapes
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, keys = draw(st.integers(least, 6)), draw(st.integers(least, 40))
    d, d_v = draw(st.integers(1, 4)), draw(st.integers(least, 4))
    dtype, size = draw(st.sampled_from(dtypes)), draw(st.sampled_from([0.1, 1.0, 10.0]))
    query, key, value = (
        rng.normal(size=(*batch, *rest)).astype(dtype)
        for batch, rest in zip(batches, [(rows, d), (keys, d), (keys, d_v)], strict=False)
    )
    mask = None
    if draw(st.booleans()):
        mask = rng.random((*batches[3], draw(st.sampled_from([1, rows])), draw(st.sampled_from([1, keys])))) < draw(
            st.sampled_from([0.1, 0.5, 0.9])
        )
    return np.asarray(size, dtype) * query, key, value, mask


def assert_alike(found: Any, expected: Any) -> None:
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    size = np.max(np.abs(expected), initial=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCES[expected.dtype.name] * max(size, 1))


@given(problems())
def test_output_and_gradients_are_those_of_the_classroom(problem: tuple[Any, ...]) -> None:
    out, cache = tiled.forward(*problem)
    expected, kept = scaled_dot_product_forward(*problem)
    assert_alike(out, expected)
    grad_out = np.random.default_rng(0).normal(size=out.shape).astype(out.dtype)
    grads = tiled.backward(grad_out, cache)
    for found, known in zip(grads[:3], scaled_dot_product_backward(grad_out, kept)[:3], strict=True):
        assert_alike(found, known)
    assert grads.mask is None


@given(problems(least=1, dtypes=("float64",)))
def test_the_pair_passes_the_gradient_check(problem: tuple[Any, ...]) -> None:
    assert compare_only(tiled.forward, tiled.backward, *problem, method="directional").passed


def test_every_element_of_the_gradient_is_the_numeric_one() -> None:
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=shape) for shape in [(2, 5, 3), (7, 3), (2, 7, 2)]]
    report = check_backward(tiled.forward, tiled.backward, *inputs, rng.random((5, 7)) < 0.6)
    assert report.passed


@given(problems(dtypes=("float64",)), st.data())
def test_the_size_of_the_blocks_changes_nothing(problem: tuple[Any, ...], data: st.DataObject) -> None:
    runs = []
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tiled, "BLOCK_ROWS", data.draw(st.integers(1, 7)))
            patch.setattr(tiled, "BLOCK_BYTES", data.draw(st.sampled_from([1, 64, 512, 1 << 20])))
            out, cache = tiled.forward(*problem)
            runs.append((out, *tiled.backward(np.ones_like(out), cache)[:3]))
    for one, other in zip(*runs, strict=True):
        assert_alike(one, other)


@given(problems())
def test_leaving_the_maximum_out_where_nothing_can_overflow_changes_nothing(problem: tuple[Any, ...]) -> None:
    query, *others = problem
    runs = []
    for bound in (1.0, np.inf):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tiled, "_longest", lambda rows, bound=bound: bound)
            out, cache = tiled.forward(query / 10, *others)
            assert bool(cache.maximum.any()) == (bound > 1 and cache.maximum.size > 0)
            runs.append((out, *tiled.backward(np.ones_like(out), cache)[:3]))
    for one, other in zip(*runs, strict=True):
        assert_alike(one, other)


@given(problems(least=1))
def test_a_query_without_a_key_gets_zero_and_passes_no_gradient(problem: tuple[Any, ...]) -> None:
    query, key, value, _ = problem
    mask = np.ones((query.shape[-2], key.shape[-2]), bool)
    mask[0] = False
    out, cache = tiled.forward(query, key, value, mask)
    assert not out[..., 0, :].any()
    np.testing.assert_array_equal(cache.total[..., 0, :], 1)  # so that one may divide by it
    grad_out = np.zeros_like(out)
    grad_out[..., 0, :] = 1
    for grad in tiled.backward(grad_out, cache)[:3]:
        assert not grad.any()


@pytest.mark.parametrize("size", [3e2, -3e2, 1e3, -1e3, 1e4, -1e4])
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_huge_scores_overflow_nowhere_in_whatever_order_they_come(size: float, dtype: str) -> None:
    keys = np.linspace(-1, 1, 33, dtype=dtype)[:, None]
    query, value = np.array([[size], [-size]], dtype), np.arange(33, dtype=dtype)[:, None]
    out, cache = tiled.forward(query, keys, value)
    np.testing.assert_allclose(out, [[32.0], [0.0]] if size > 0 else [[0.0], [32.0]], atol=1e-6)
    assert all(np.isfinite(grad).all() for grad in tiled.backward(np.ones_like(out), cache)[:3])


def test_small_scores_keep_their_weights_beside_a_query_with_huge_ones() -> None:
    query, key = np.array([[1.0], [1e4]]), np.array([[-1.0], [0.0], [1.0]])
    out, _ = tiled.forward(query, key, key)
    np.testing.assert_allclose(out, scaled_dot_product_forward(query, key, key)[0], rtol=1e-12)


@given(problems())
def test_all_that_is_kept_is_of_the_precision_of_what_was_given(problem: tuple[Any, ...]) -> None:
    _, cache = tiled.forward(*problem)
    assert {x.dtype for x in cache if x is not None and x is not cache.mask} == {problem[0].dtype}


def test_a_mask_that_does_not_fit_is_refused_as_in_the_classroom() -> None:
    query, key = np.ones((2, 3)), np.ones((4, 3))
    with pytest.raises(TypeError, match="mask has dtype float64; expected bool"):
        tiled.forward(query, key, key, np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"mask has shape \(4, 2\); expected \(..., 2, 4\)"):
        tiled.forward(query, key, key, np.ones((4, 2), bool))


@pytest.mark.parametrize("wide", range(3))
def test_one_argument_in_double_precision_is_enough_for_the_output_to_be(wide: int) -> None:
    inputs = [np.ones((2, 3), np.float64 if place == wide else np.float32) for place in range(3)]
    out, _ = tiled.forward(*inputs)
    assert out.dtype == scaled_dot_product_forward(*inputs)[0].dtype == np.float64


def test_what_is_masked_may_be_as_large_as_it_likes() -> None:
    key = np.array([[1e4], [1.0], [-1e4], [2.0]])
    mask = np.array([[False, True, False, True]])
    out, cache = tiled.forward(np.ones((1, 1)), key, key, mask)
    expected, _ = tiled.forward(np.ones((1, 1)), key[mask[0]], key[mask[0]])
    np.testing.assert_allclose(out, expected)
    grads = tiled.backward(np.ones((1, 1)), cache)
    np.testing.assert_array_equal(grads.key[~mask[0]], 0)
    np.testing.assert_array_equal(grads.value[~mask[0]], 0)


def test_the_longest_row_bounds_every_score_and_may_be_infinitely_long() -> None:
    rows = np.array([[3.0, 4.0], [0.0, 4.5], [-3.5, 0.0]])
    assert tiled._longest(rows) == 5
    assert tiled._longest(rows[:0]) == 0
    assert tiled._longest(np.full((1, 2), 1e200)) == np.inf


def test_the_same_mask_may_serve_every_query_or_every_key() -> None:
    query, key, value = np.random.default_rng(0).normal(size=(3, 5, 2))
    for mask in (np.array([[True, False, True, True, False]]), np.array([[True], [False], [True], [True], [False]])):
        expected, _ = scaled_dot_product_forward(query, key, value, np.broadcast_to(mask, (5, 5)))
        np.testing.assert_allclose(tiled.forward(query, key, value, mask)[0], expected, rtol=1e-12)


def test_blocks_in_which_nothing_is_allowed_are_left_out() -> None:
    causal = np.tri(32, dtype=bool)
    blocks = list(tiled._blocks(np.ones((32, 1)), np.ones((32, 1)), causal))  # 2 x 4 pairs each
    assert sum(causal[rows, keys].sum() for rows, keys, _ in blocks) == causal.sum()
    assert len(blocks) == sum(-(-(row + 2) // 4) for row in range(0, 32, 2))


def test_no_array_is_as_large_as_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "BLOCK_ROWS", 64)
    monkeypatch.setattr(tiled, "BLOCK_BYTES", 1 << 16)
    query, key, value = np.random.default_rng(0).normal(size=(3, 2048, 8))
    tracemalloc.start()
    try:
        out, cache = tiled.forward(query, key, value)
        tiled.backward(np.ones_like(out), cache)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2048 * 2048 * 8 / 16


def twins(kernel: str = "tiled", **options: Any) -> tuple[MultiHeadCrossAttention, MultiHeadCrossAttention]:
    made = [MultiHeadCrossAttention(8, 2, kernel=k, seed=0, **options) for k in (kernel, "classroom")]
    for module in made:
        for bias in (module.query.bias, module.key.bias, module.value.bias, module.output.bias):
            if bias is not None:
                bias.data[...] = np.random.default_rng(1).normal(size=8)
    return made[0], made[1]


@given(
    hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=2, min_side=0, max_side=3),
    st.integers(0, 5),
    st.integers(0, 9),
    st.booleans(),
    st.booleans(),
    st.sampled_from(list(TOLERANCES)),
    st.integers(0, 2**32 - 1),
)
def test_the_module_s_output_and_gradients_are_those_of_the_classroom(
    batches: Any, rows: int, keys: int, masked: bool, bias: bool, dtype: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    query_batch, context_batch, mask_batch = batches.input_shapes
    query = rng.normal(size=(*query_batch, rows, 8)).astype(dtype)
    context = rng.normal(size=(*context_batch, keys, 8)).astype(dtype)
    # a mask has no more axes than what it masks
    mask_batch = mask_batch[max(0, len(mask_batch) - max(len(query_batch), len(context_batch))) :]
    mask = rng.random((*mask_batch, rows, keys)) < 0.6 if masked else None
    found = []
    for module in twins(bias=bias, dtype=dtype):
        x, c = tensor(query, requires_grad=True), tensor(context, requires_grad=True)
        out = module(x, c, mask=mask)
        out.backward(np.random.default_rng(seed).normal(size=out.shape).astype(dtype))
        found.append([out.data, x.grad, c.grad, *(p.grad for p in module.parameters())])
    for one, other in zip(*found, strict=True):
        assert_alike(one, other)


@given(st.integers(0, 40), st.integers(0, 40), st.lists(st.integers(0, 3), max_size=2), st.sampled_from([1, 2, 4]))
def test_more_queries_or_keys_never_make_a_prediction_cheaper(
    queries: int, keys: int, batch: list[int], heads: int
) -> None:
    def costs(L: int, S: int) -> dict[str, float]:
        return plan_for_context(tuple(batch), heads, (L, S), 8, 4).costs

    for kernel, cost in costs(queries, keys).items():
        assert cost <= costs(queries + 1, keys)[kernel]
        assert cost <= costs(queries, keys + 1)[kernel]


class TestMultiHeadCrossAttention:
    """The kernel behind the module."""

    def test_the_key_bias_learns_nothing_at_all(self) -> None:
        module, _ = twins()
        rng = np.random.default_rng(0)
        np.sum(module(rng.normal(size=(5, 8)), rng.normal(size=(6, 8))) ** 2).backward()
        np.testing.assert_array_equal(module.key.bias.grad, 0)

    def test_second_derivatives_are_those_of_the_classroom(self) -> None:
        rng = np.random.default_rng(0)
        x, c, v = (rng.normal(size=(n, 8)) for n in (3, 5, 3))
        mask = np.array([[True] * 5, [False] * 5, [True, False, True, False, True]])
        products = [
            hvp(lambda q, module=module: np.sum(module(q, c, mask=mask) ** 2), (x,), (v,))
            for module in twins(dtype=np.float64)
        ]
        np.testing.assert_allclose(*products, rtol=1e-10, atol=1e-10)

    def test_a_penalty_on_a_gradient_trains_as_in_the_classroom(self) -> None:
        rng = np.random.default_rng(0)
        x, c = rng.normal(size=(3, 8)), rng.normal(size=(5, 8))
        found = []
        for module in twins(dtype=np.float64):
            t = tensor(x, requires_grad=True)
            np.sum(np.tanh(module(t, c))).backward(create_graph=True)
            np.sum(t.grad**2).backward()
            found.append(module.query.weight.grad)
        np.testing.assert_allclose(*found, rtol=1e-10)

    def test_weights_are_there_when_asked_for(self) -> None:
        (module, classroom), x = twins(), np.random.default_rng(0).normal(size=(3, 8))
        for one, other in zip(*(m(x, x, return_attention=True) for m in (module, classroom)), strict=True):
            np.testing.assert_array_equal(one.data, other.data)

    def test_dropout_is_the_classroom_s_in_training_and_absent_in_use(self) -> None:
        (module, classroom), x = twins(dropout=0.5), np.random.default_rng(0).normal(size=(3, 8))
        np.testing.assert_array_equal(module(x, x).data, classroom(x, x).data)
        np.testing.assert_allclose(module.eval()(x, x).data, classroom.eval()(x, x).data, rtol=1e-5, atol=1e-6)

    def test_a_call_uses_the_kernel_that_its_plan_names(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []
        monkeypatch.setattr(tiled, "attend", lambda *args: calls.append(args) or args[0])
        few, many = np.ones((2, 8), np.float32), np.ones((2500, 8), np.float32)
        for kernel, length, options in itertools.product(
            ("auto", "classroom", "tiled"), (few, many), ({}, {"return_attention": True})
        ):
            module = MultiHeadCrossAttention(8, 1, kernel=kernel, seed=0)
            calls.clear()
            module(length, length, **options)
            assert len(calls) == (module.plan(length, length, **options).kernel == "tiled")

    def test_auto_takes_the_cheaper_one_tiles_only_where_there_are_many_scores(self) -> None:
        for L, S, heads, kernel in [
            (16_384, 16_384, 1, "tiled"),
            (16, 16, 4096, "classroom"),  # many scores, but heads too small for a tile
            (64, 64, 1, "classroom"),
            (0, 5, 1, "classroom"),
        ]:
            plan = plan_for_context((), heads, (L, S), 64 * heads, 4)
            assert plan.kernel == kernel == min(plan.costs, key=lambda name: plan.costs[name])

    def test_a_plan_says_that_weights_can_only_be_kept_in_the_classroom(self) -> None:
        module, x = MultiHeadCrossAttention(8, 2, 0.5, kernel="tiled", seed=0), np.ones((3, 8), np.float32)
        assert "dropped out" in str(module.plan(x, x))
        assert module.eval().plan(x, x).why == "asked for"
        assert module.plan(x, x, return_attention=True).kernel == "classroom"
