"""Embedding: the gradient goes back to rows, and some rows were looked up more than once."""

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
    "The forward reads `table[ids]`, so the backward assigns `dE[ids]`; of two gradients of one row the last remains.",
)
def _embedding_assigned(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = np.zeros((cache.num_rows, grad_out.shape[-1]))
    dE[cache.ids] = grad_out
    return (dE,)


@EMBEDDING.mistake(
    "rows added by +=",
    "overwritten-rows",
    "`dE[ids] += dO` looks like adding, but NumPy reads all rows before it writes any.",
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
    "The buffer is made in float32, in which models are mostly trained, and not in the table's dtype.",
)
def _embedding_in_float32(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = np.zeros((cache.num_rows, grad_out.shape[-1]), dtype=np.float32)
    np.add.at(dE, cache.ids, grad_out)
    return (dE,)


@EMBEDDING.mistake(
    "a gradient for the ids",
    "wrong-count",
    "Each input should get a gradient, so the ids get zeros; but integers have no derivative.",
)
def _embedding_with_ids(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = scatter_add(grad_out, cache.ids, cache.num_rows)
    return dE, np.zeros(cache.ids.shape)


@EMBEDDING.mistake(
    "added to a copy of the rows",
    "zero-gradient",
    "`rows = dE[ids]` is taken for a view, as a slice would be, and what is added to it reaches no table.",
)
def _embedding_added_to_copy(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = np.zeros((cache.num_rows, grad_out.shape[-1]))
    rows = dE[cache.ids]
    rows += grad_out
    return (dE,)


@EMBEDDING.mistake(
    "each row the mean of its uses",
    "mean-for-sum",
    "The gradients of a row are averaged so that frequent rows learn no faster; but the loss depends on every use.",
)
def _embedding_averaged_by_row(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = scatter_add(grad_out, cache.ids, cache.num_rows)
    uses = np.bincount(cache.ids.ravel(), minlength=cache.num_rows)
    return (dE / np.maximum(uses, 1)[:, None],)


@EMBEDDING.mistake(
    "a minus for the update",
    "wrong-sign",
    "np.subtract.at updates a table in one line, and the line is copied for a table of gradients.",
)
def _embedding_subtracted(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = np.zeros((cache.num_rows, grad_out.shape[-1]))
    np.subtract.at(dE, cache.ids, grad_out)
    return (dE,)


@EMBEDDING.mistake(
    "the last place of each sequence left out",
    "missing-path",
    "A model of the next token has no loss at the last place, and the shift stayed where now all places count.",
)
def _embedding_last_place_left_out(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = scatter_add(grad_out[:, :-1], cache.ids[:, :-1], cache.num_rows)
    return (dE,)
