"""Embedding: each row's gradient is a sum over all places where the row was looked up."""

from typing import Any

import numpy as np

from acg_numpy.checks.mistakes.operations import Grads, Operation, sizes
from acg_numpy.checks.random_inputs import repeated_ids
from acg_numpy.passes.embedding import EmbeddingCache, embedding_backward, embedding_forward
from acg_numpy.passes.scatter import scatter_add
from acg_numpy.shapes import Array


def _draw_embedding(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw a table of N rows, and (B, T) ids that repeat within a sequence and between two."""
    N, D, B, T = sizes(rng, distinct, 4)
    ids = repeated_ids(rng, N, B, T)
    ids[-1, -1] = ids[0, 0]
    return rng.normal(size=(N, D)), ids


EMBEDDING = Operation("embedding", embedding_forward, embedding_backward, _draw_embedding)


@EMBEDDING.mistake(
    "rows assigned",
    "overwritten-rows",
    "The forward reads `table[ids]`, so the backward assigns `dE[ids]`. If a row is used twice, only the last "
    "gradient remains.",
)
def _embedding_assigned(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = np.zeros((cache.num_rows, grad_out.shape[-1]))
    dE[cache.ids] = grad_out
    return (dE,)


@EMBEDDING.mistake(
    "rows added by +=",
    "overwritten-rows",
    "`dE[ids] += dO` seems to add every row, but NumPy reads all rows before it writes, so repeated ids count once.",
)
def _embedding_added_at_once(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = np.zeros((cache.num_rows, grad_out.shape[-1]))
    dE[cache.ids] += grad_out
    return (dE,)


@EMBEDDING.mistake(
    "averaged over the ids",
    "mean-for-sum",
    "The gradient is averaged over the batch, although the loss is already an average.",
)
def _embedding_averaged(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = scatter_add(grad_out, cache.ids, cache.num_rows)
    return (dE / cache.ids.size,)


@EMBEDDING.mistake(
    "a new table for each sequence",
    "last-only",
    "The array of zeros is made inside the loop, so each turn discards the gradients of the turn before.",
)
def _embedding_of_last_sequence(grad_out: Array, cache: EmbeddingCache) -> Grads:
    for dO, ids in zip(grad_out, cache.ids, strict=True):
        dE = np.zeros((cache.num_rows, dO.shape[-1]))
        np.add.at(dE, ids, dO)
    return (dE,)


@EMBEDDING.mistake(
    "grad_out returned as it is",
    "wrong-shape",
    "A lookup copies rows, so the gradient is returned unchanged, and not added to the rows of the table.",
)
def _embedding_passed_on(grad_out: Array, cache: EmbeddingCache) -> Grads:
    return (grad_out.copy(),)


@EMBEDDING.mistake(
    "added up in float32",
    "wrong-dtype",
    "The buffer is made in float32, the dtype of most models, and not in the dtype of the table.",
)
def _embedding_in_float32(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = np.zeros((cache.num_rows, grad_out.shape[-1]), dtype=np.float32)
    np.add.at(dE, cache.ids, grad_out)
    return (dE,)


@EMBEDDING.mistake(
    "a gradient for the ids",
    "wrong-count",
    "Each floating-point input has a gradient, and here the ids get one of zeros. Integers have no derivative.",
)
def _embedding_with_ids(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = scatter_add(grad_out, cache.ids, cache.num_rows)
    return dE, np.zeros(cache.ids.shape)


@EMBEDDING.mistake(
    "added to a copy of the rows",
    "zero-gradient",
    "`rows = dE[ids]` is taken for a view, as a slice is. It is a copy, so what is added to it does not reach "
    "the table.",
)
def _embedding_added_to_copy(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = np.zeros((cache.num_rows, grad_out.shape[-1]))
    rows = dE[cache.ids]
    rows += grad_out
    return (dE,)


@EMBEDDING.mistake(
    "each row the mean of its uses",
    "mean-for-sum",
    "The gradients of a row are averaged so that frequent rows learn no faster. But the loss depends on every "
    "use of a row.",
)
def _embedding_averaged_by_row(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = scatter_add(grad_out, cache.ids, cache.num_rows)
    uses = np.bincount(cache.ids.ravel(), minlength=cache.num_rows)
    return (dE / np.maximum(uses, 1)[:, None],)


@EMBEDDING.mistake(
    "a minus for the update",
    "wrong-sign",
    "np.subtract.at updates a table in one line, and this line is copied to compute the gradient of the table.",
)
def _embedding_subtracted(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = np.zeros((cache.num_rows, grad_out.shape[-1]))
    np.subtract.at(dE, cache.ids, grad_out)
    return (dE,)


@EMBEDDING.mistake(
    "the last place of each sequence left out",
    "missing-path",
    "A model of the next token has no loss at the last position. The shift was copied to a model in which all "
    "positions count.",
)
def _embedding_last_place_left_out(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = scatter_add(grad_out[:, :-1], cache.ids[:, :-1], cache.num_rows)
    return (dE,)
