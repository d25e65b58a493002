"""Every pair of the classroom, with a strategy for calls of it at unusual shapes.

Shapes, masks and options are drawn by Hypothesis, values by a generator whose seed Hypothesis draws.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from acg_numpy import passes


class Call(NamedTuple):
    """Positional arguments and options of one call of a forward."""

    args: tuple[Any, ...]
    options: dict[str, Any]


class Pair(NamedTuple):
    """A forward, its backward, and calls to try them at."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    calls: st.SearchStrategy[Call]


sides = st.integers(1, 4)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def batches(count: int) -> st.SearchStrategy[tuple[tuple[int, ...], ...]]:
    """Leading axes of several arguments, that broadcast."""
    shapes = hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=2, max_side=3)
    return shapes.map(lambda drawn: drawn.input_shapes)


def dropout_factors(rng: np.random.Generator, shape: tuple[int, ...], keep: float = 0.7) -> Any:
    return (rng.random(shape) < keep) / keep


def distributions(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    weights = rng.random(shape)
    return weights / weights.sum(axis=-1, keepdims=True)


@st.composite
def embedding_calls(draw: st.DrawFn) -> Call:
    rng, num_rows = draw(generators), draw(sides)
    table = rng.normal(size=(num_rows, *draw(st.lists(sides, max_size=2))))
    ids = draw(
        hnp.arrays(
            np.int64, hnp.array_shapes(min_dims=0, max_dims=2, max_side=4), elements=st.integers(0, num_rows - 1)
        )
    )
    return Call((table, ids), {})


@st.composite
def linear_calls(draw: st.DrawFn) -> Call:
    rng, (batch,), d_in, d_out = draw(generators), draw(batches(1)), draw(sides), draw(sides)
    bias = rng.normal(size=d_out) if draw(st.booleans()) else None
    return Call((rng.normal(size=(*batch, d_in)), rng.normal(size=(d_in, d_out)), bias), {})


@st.composite
def domain_linear_calls(draw: st.DrawFn) -> Call:
    rng, (batch, ids_batch) = draw(generators), draw(batches(2))
    domains, d_in, d_out = draw(sides), draw(sides), draw(sides)
    bias = rng.normal(size=(domains, d_out)) if draw(st.booleans()) else None
    ids = rng.integers(0, domains, ids_batch)
    return Call((rng.normal(size=(*batch, d_in)), ids, rng.normal(size=(domains, d_in, d_out)), bias), {})


@st.composite
def split_calls(draw: st.DrawFn) -> Call:
    rng, (batch,), rows, width, heads = draw(generators), draw(batches(1)), draw(sides), draw(sides), draw(sides)
    return Call((rng.normal(size=(*batch, rows, heads * width)),), {"num_heads": heads})


@st.composite
def merge_calls(draw: st.DrawFn) -> Call:
    rng, (batch,) = draw(generators), draw(batches(1))
    return Call((rng.normal(size=(*batch, draw(sides), draw(sides), draw(sides))),), {})


@st.composite
def score_calls(draw: st.DrawFn) -> Call:
    rng, (batch,) = draw(generators), draw(batches(1))
    return Call((3 * rng.normal(size=(*batch, draw(sides))),), {})


@st.composite
def scaled_dot_product_calls(draw: st.DrawFn) -> Call:
    rng, shapes = draw(generators), draw(batches(5))
    L, S, d, d_v = (draw(sides) for _ in range(4))
    query, key, value = (
        rng.normal(size=(*batch, *rest)) for batch, rest in zip(shapes, [(L, d), (S, d), (S, d_v)], strict=False)
    )
    mask = rng.random((*shapes[3], L, S)) < 0.7 if draw(st.booleans()) else None
    dropout_mask = dropout_factors(rng, (*shapes[4], L, S)) if draw(st.booleans()) else None
    return Call((query, key, value, mask, dropout_mask), {})


@st.composite
def multi_head_attention_calls(draw: st.DrawFn) -> Call:
    rng, (query_batch, context_batch, mask_batch) = draw(generators), draw(batches(3))
    L, S, heads, d, d_v = (draw(st.integers(1, 3)) for _ in range(5))
    widths = {"x": draw(sides), "c": draw(sides), "out": draw(sides)}
    query = rng.normal(size=(*query_batch, L, widths["x"]))
    context = rng.normal(size=(*context_batch, S, widths["c"]))
    biased, projected = draw(st.booleans()), draw(st.sampled_from([True, True, False]))
    projections: list[Any] = []
    for d_in, d_out in [
        (widths["x"], heads * d),
        (widths["c"], heads * d),
        (widths["c"], heads * d_v),
        (heads * d_v, widths["out"]),
    ]:
        projections += [rng.normal(size=(d_in, d_out)), rng.normal(size=d_out) if biased else None]
    if not projected:
        projections[-2:] = None, None
    batch = np.broadcast_shapes(query_batch, context_batch)
    mask_batch = mask_batch[max(0, len(mask_batch) - len(batch)) :]  # a mask has no more axes than what it masks
    mask = rng.random((*mask_batch, L, S)) < 0.7 if draw(st.booleans()) else None
    dropout_mask = dropout_factors(rng, (*batch, heads, L, S)) if draw(st.booleans()) else None
    head_dropout_mask = dropout_factors(rng, (*batch, L, heads * d_v)) if draw(st.booleans()) else None
    masks = (mask, dropout_mask, head_dropout_mask)
    return Call((query, context, *projections, *masks), {"num_heads": heads})


@st.composite
def dropout_calls(draw: st.DrawFn) -> Call:
    rng, (x_shape, mask_shape) = draw(generators), draw(batches(2))
    return Call((rng.normal(size=x_shape), dropout_factors(rng, mask_shape)), {})


@st.composite
def layer_norm_calls(draw: st.DrawFn) -> Call:
    rng, (batch,), D = draw(generators), draw(batches(1)), draw(sides)
    bias = rng.normal(size=D) if draw(st.booleans()) else None
    return Call((rng.normal(size=(*batch, D)), rng.normal(size=D), bias), {"eps": draw(st.sampled_from([1e-3, 0.5]))})


@st.composite
def mse_calls(draw: st.DrawFn) -> Call:
    rng, (shape,) = draw(generators), draw(batches(1))
    return Call((rng.normal(size=shape), rng.normal(size=shape)), {})


@st.composite
def cross_entropy_calls(draw: st.DrawFn) -> Call:
    rng, (batch,), K = draw(generators), draw(batches(1)), draw(sides)
    target = distributions(rng, (*batch, K)) * (1.0 if draw(st.booleans()) else rng.random((*batch, 1)))
    shape = draw(st.sampled_from([(*batch, K), (K,)]))
    mask = rng.random(shape) < 0.7 if draw(st.booleans()) else None
    return Call((3 * rng.normal(size=(*batch, K)), target, mask), {})


@st.composite
def cosine_calls(draw: st.DrawFn) -> Call:
    rng, (batch,), D = draw(generators), draw(batches(1)), draw(sides)
    return Call((_away_from_zero(rng, (*batch, D)), _away_from_zero(rng, (*batch, D))), {})


@st.composite
def bpr_calls(draw: st.DrawFn) -> Call:
    rng, (positive, negative) = draw(generators), draw(batches(2))
    return Call((rng.normal(size=positive), 3 * rng.normal(size=negative)), {})


@st.composite
def diversity_calls(draw: st.DrawFn) -> Call:
    rng, (batch,), rows, D = draw(generators), draw(batches(1)), draw(st.integers(2, 4)), draw(sides)
    return Call((_away_from_zero(rng, (*batch, rows, D)),), {})


def _away_from_zero(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Rows that no small step turns round."""
    return rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape)


def _pair(name: str, calls: st.SearchStrategy[Call]) -> Pair:
    return Pair(getattr(passes, f"{name}_forward"), getattr(passes, f"{name}_backward"), calls)


PAIRS = {
    name: _pair(name, calls)
    for name, calls in {
        "embedding": embedding_calls(),
        "linear": linear_calls(),
        "domain_linear": domain_linear_calls(),
        "split_heads": split_calls(),
        "merge_heads": merge_calls(),
        "softmax": score_calls(),
        "log_softmax": score_calls(),
        "scaled_dot_product": scaled_dot_product_calls(),
        "multi_head_attention": multi_head_attention_calls(),
        "dropout": dropout_calls(),
        "layer_norm": layer_norm_calls(),
        "mse": mse_calls(),
        "cross_entropy": cross_entropy_calls(),
        "cosine": cosine_calls(),
        "bpr": bpr_calls(),
        "diversity": diversity_calls(),
    }.items()
}
