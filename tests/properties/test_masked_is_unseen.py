"""Masked means unseen: what a masked key, value, query or context holds, NaN and infinity included, changes nothing.

Forward and backward, at first and second order, in the passes, in tiles, in the modules and in every kernel.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from acg_numpy import AttentionConditioner, MultiHeadCrossAttention, Tensor, from_passes, grad, tensor
from acg_numpy.kernels import tiled
from acg_numpy.kernels.planning import CONTEXT_KERNELS, KERNELS
from acg_numpy.layers import Linear
from acg_numpy.passes import (
    cross_entropy_backward,
    cross_entropy_forward,
    multi_head_attention_backward,
    multi_head_attention_forward,
    scaled_dot_product_backward,
    scaled_dot_product_forward,
)

L, S, D, H = 4, 5, 4, 2
BAD = [np.nan, np.inf, -np.inf]


class Attention(NamedTuple):
    """A function of queries, keys and values (or a context), and a mask, with the names of what may be masked."""

    function: Callable[..., Any]
    rows: tuple[str, ...]


def multi_head(**options: Any) -> Attention:
    weights = np.random.default_rng(9).normal(size=(4, D, D))
    projections = [x for W in weights for x in (W, np.ones(D))]
    attend = from_passes(multi_head_attention_forward, multi_head_attention_backward)
    return Attention(lambda x, c, mask: attend(x, c, *projections, mask, num_heads=H, **options), ("query", "context"))


def module(kernel: str, *, replaced: bool = False) -> Attention:
    attention = MultiHeadCrossAttention(D, H, kernel=kernel, dtype=np.float64, seed=0)
    if replaced:
        attention.value.__class__ = type("Same", (Linear,), {})
    return Attention(lambda x, c, mask: attention(x, c, mask=mask), ("query", "context"))


ATTENTIONS = {
    "scaled_dot_product": Attention(
        from_passes(scaled_dot_product_forward, scaled_dot_product_backward), ("query", "key", "value")
    ),
    "tiled": Attention(tiled.attend, ("query", "key", "value")),
    "multi_head_attention": multi_head(),
    **{f"module, {kernel}": module(kernel) for kernel in CONTEXT_KERNELS},
    **{f"module step by step, {kernel}": module(kernel, replaced=True) for kernel in CONTEXT_KERNELS},
}
every_attention = pytest.mark.parametrize("attention", ATTENTIONS.values(), ids=ATTENTIONS)
every_bad = pytest.mark.parametrize("bad", BAD, ids=str)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "BLOCK_ROWS", 2)
    monkeypatch.setattr(tiled, "BLOCK_BYTES", 32)


def array_of(x: Any) -> Any:
    return x.numpy() if isinstance(x, Tensor) else x


def inputs(attention: Attention, batch: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(*batch, L if name == "query" else S, D)) for name in attention.rows]


def slopes(attention: Attention, arrays: list[Any], mask: Any, rows: Any = slice(None)) -> list[Any]:
    """Outputs, and first and second derivatives, of a loss of some of the outputs' rows."""

    def loss(*arguments: Any) -> Any:
        return np.sum(np.tanh(attention.function(*arguments, mask)[..., rows, :]) ** 2)

    places = tuple(range(len(arrays)))

    def steepness(*arguments: Any) -> Any:
        return sum(np.sum(g**2) for g in grad(loss, argnums=places)(*arguments))

    out = array_of(attention.function(*arrays, mask))[..., rows, :]
    return [out, *grad(loss, argnums=places)(*arrays), *grad(steepness, argnums=places)(*arrays)]


@every_bad
@pytest.mark.parametrize("batch", [(), (3,)], ids=str)
@every_attention
def test_rows_that_no_pair_sees_may_hold_anything(attention: Attention, batch: tuple[int, ...], bad: float) -> None:
    arrays = inputs(attention, batch)
    mask = np.random.default_rng(1).random((*batch, L, S)) < 0.7
    mask[..., -1], mask[..., 0] = False, True
    mask[..., 1, :] = False
    expected = slopes(attention, arrays, mask)
    for name, array in zip(attention.rows, arrays, strict=True):
        array[..., 1 if name == "query" else -1, :] = bad
    for found, known in zip(slopes(attention, arrays, mask), expected, strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-11)


@every_bad
@every_attention
def test_shared_rows_that_no_element_sees_may_hold_anything(attention: Attention, bad: float) -> None:
    arrays = inputs(attention, ())
    mask = np.random.default_rng(1).random((3, L, S)) < 0.5
    mask[..., 0], mask[..., -1] = True, False
    arrays[0] = np.broadcast_to(arrays[0], (3, L, D)).copy()
    expected = slopes(attention, arrays, mask)
    for array in arrays[1:]:
        array[-1] = bad
    for found, known in zip(slopes(attention, arrays, mask), expected, strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-11)


@pytest.mark.filterwarnings("ignore:(invalid|overflow):RuntimeWarning")  # from the one query that sees the key
@every_bad
@every_attention
def test_queries_that_do_not_see_a_key_are_not_changed_by_it(attention: Attention, bad: float) -> None:
    """A causal mask: the last query alone sees the last key, and is alone in being spoilt by it."""
    arrays, mask = inputs(attention, ()), np.tril(np.ones((L, S), bool), 1)
    mask[:-1, -1], mask[-1, -1] = False, True
    before = slice(0, L - 1)
    expected = slopes(attention, arrays, mask, before)[:2]
    for array in arrays[1:]:
        array[-1] = bad
    out = array_of(attention.function(*arrays, mask))
    np.testing.assert_allclose(out[before], expected[0], rtol=1e-9, atol=1e-11)
    if np.isnan(bad):  # infinity may have the score -inf, and then weight 0
        assert np.isnan(out[-1]).all()
    query = tensor(arrays[0], requires_grad=True)
    np.sum(np.tanh(attention.function(query, *arrays[1:], mask)[before]) ** 2).backward()
    assert query.grad is not None
    np.testing.assert_allclose(np.asarray(query.grad)[before], expected[1][before], rtol=1e-9, atol=1e-11)


@every_bad
@pytest.mark.parametrize("form", ["a domain each", "one domain", "every domain"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_token_or_a_user_behind_a_mask_may_hold_anything(kernel: str, form: str, bad: float) -> None:
    rng = np.random.default_rng(0)
    users, ids = rng.normal(size=(6, D)), {"a domain each": np.array([0, 2, 1, 0, 2, 1]), "one domain": 1}.get(form)
    if form == "every domain":
        users, ids = users[:, None], np.array([2, 0, 1])
    mask = rng.random((*np.broadcast_shapes(users.shape[:-1], np.shape(ids)), 5)) < 0.7
    mask[..., 0], mask[..., 1], mask[..., -1] = True, False, False
    mask[2] = False

    def run(value: float) -> list[Any]:
        conditioner = AttentionConditioner(
            D, H, 3, tokens_per_domain=3, num_global_tokens=2, kernel=kernel, dtype=np.float64, seed=0
        )
        conditioner.domain_embedding.tokens.data[:, 1] = value
        conditioner.domain_embedding.global_tokens.data[-1] = value
        given = users.copy()
        given[2] = value
        user_emb = tensor(given, requires_grad=True)
        condition, attention = conditioner(user_emb, ids, mask=mask, return_attention=True)
        (np.sum(np.tanh(condition) ** 2) + np.sum(attention**3)).backward()
        return [condition.numpy(), attention.numpy(), user_emb.grad, *(p.grad for p in conditioner.parameters())]

    for found, known in zip(run(bad), run(0.5), strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-11)


@every_bad
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_token_that_others_see_spoils_none_but_them(kernel: str, bad: float) -> None:
    users = np.random.default_rng(0).normal(size=(4, D))
    mask = np.ones((4, 3), bool)
    mask[1:, -1] = False
    conditions = []
    for value in (0.5, bad):
        conditioner = AttentionConditioner(D, H, 1, tokens_per_domain=3, kernel=kernel, dtype=np.float64, seed=0)
        conditioner.domain_embedding.tokens.data[:, -1] = value
        with np.errstate(invalid="ignore", over="ignore"):
            conditions.append(conditioner(users, 0, mask=mask).numpy())
    np.testing.assert_allclose(conditions[1][1:], conditions[0][1:], rtol=1e-9, atol=1e-11)
    assert not np.isfinite(conditions[1][0]).all()


@every_bad
def test_a_masked_candidate_may_hold_anything(bad: float) -> None:
    rng = np.random.default_rng(0)
    logits, target, mask = rng.normal(size=(3, 4)), rng.random((3, 4)), np.ones((3, 4), bool)
    mask[:, 2], mask[1] = False, False

    def run() -> list[Any]:
        loss, cache = cross_entropy_forward(logits, target, mask)
        return [loss, *cross_entropy_backward(np.float64(1.0), cache)[:2]]

    expected = run()
    logits[~mask] = target[~mask] = bad
    for found, known in zip(run(), expected, strict=True):
        np.testing.assert_array_equal(found, known)


def test_a_logit_of_minus_infinity_under_target_zero_is_masked() -> None:
    logits, target = np.array([[0.5, -np.inf, 1.0], [-np.inf] * 3]), np.array([[0.25, 0.0, 0.75], [0.0] * 3])
    results = []
    for mask in (None, np.isfinite(logits)):
        loss, cache = cross_entropy_forward(logits, target, mask)
        results.append([loss, *cross_entropy_backward(np.float64(1.0), cache)[:2]])
    for found, known in zip(*results, strict=True):
        np.testing.assert_array_equal(found, known)
    assert np.isfinite(results[0][0])
    loss, _ = cross_entropy_forward(logits[:1], np.array([[0.0, 1.0, 0.0]]))
    assert loss == np.inf
