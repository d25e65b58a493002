"""How is one model trained?  In epochs of shuffled batches, with looks at the validation pairs; the best look is kept.

The randomness of a run comes from its seed alone, by `child_seed`: each purpose draws from a stream of its own, so that
a model's figures do not depend on which others are trained beside it.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd import no_grad
from acg_numpy.shapes import Array
from acg_numpy.training.optimisers import AdamW
from acg_numpy.training.pairs import Ids, Pairs
from acg_numpy.training.ranking import Ranker, Score, evaluate

BATCH = 256  # pairs
VALIDATE_EVERY = 2  # epochs
PATIENCE = 15  # looks at the validation pairs without a better one before the training ends
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2


class EpochReport(NamedTuple):
    """What a progress callback is told after each epoch."""

    model: str
    run: int  # counted from 1
    runs: int
    epoch: int  # counted from 1
    epochs: int
    loss: float  # mean over the epoch's interactions
    validation: float | None  # NDCG@10, where this epoch was looked at
    seconds: float  # since this model's training began


Progress = Callable[[EpochReport], None]


class Trained(NamedTuple):
    """What came of it; the ranker itself holds the values of its best epoch."""

    history: dict[str, list[Any]]  # epoch, loss, validation_epoch, validation_ndcg
    best_epoch: int  # counted from 1
    seconds: float


def child_seed(seed: int, purpose: str) -> int:
    """Derive from a run's seed the seed of one purpose, unlike that of any other purpose or run.

    Examples
    --------
    >>> child_seed(0, "batches") == child_seed(0, "batches"), child_seed(0, "batches") == child_seed(1, "batches")
    (True, False)
    """
    child = np.random.SeedSequence(seed, spawn_key=tuple(purpose.encode()))
    return int(child.generate_state(1, np.uint32)[0])


def train(
    ranker: Ranker,
    training: Pairs,
    validation: Pairs,
    user_vectors: Array,
    *,
    epochs: int,
    seed: int,
    report: Callable[[int, float, float | None, float], None] | None = None,
) -> Trained:
    """Train a ranker in place, and leave it, in evaluation mode, with the values of its best validation.

    Validation comes every second epoch and after the last; 15 looks without a better one end the training early.

    Parameters
    ----------
    ranker : Ranker
    training, validation : Pairs
        Where there is nothing to validate on, the last epoch is the best.
    user_vectors : array, shape (U, N, D), float32
        A user's vector for each target domain.
    epochs : int
        At least 1.
    seed : int
        Of the run: the order of the batches.
    report : callable, optional
        Told epoch, loss, validation NDCG@10 or None, and seconds, after each epoch.

    Returns
    -------
    Trained

    Raises
    ------
    FloatingPointError
        If the loss is not finite any more.
    """
    began = time.perf_counter()
    optimiser = AdamW(ranker.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    shuffle = np.random.default_rng(child_seed(seed, "batches"))
    history: dict[str, list[Any]] = {"epoch": [], "loss": [], "validation_epoch": [], "validation_ndcg": []}
    best, best_epoch, best_state, looks_since = -np.inf, epochs, None, 0
    for epoch in range(1, epochs + 1):
        ranker.train()
        loss = _one_epoch(ranker, optimiser, training, user_vectors, shuffle.permutation(len(training)))
        if not np.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} in epoch {epoch}: look for huge user or item vectors")
        history["epoch"].append(epoch)
        history["loss"].append(loss)
        ndcg = None
        if len(validation) and (epoch % VALIDATE_EVERY == 0 or epoch == epochs):
            ranker.eval()
            ndcg = float(np.mean(evaluate(scores_of(ranker, user_vectors), validation)[0]))
            history["validation_epoch"].append(epoch)
            history["validation_ndcg"].append(ndcg)
            looks_since += 1
            if ndcg > best:
                best, best_epoch, best_state, looks_since = ndcg, epoch, ranker.state_dict(), 0
        if report is not None:
            report(epoch, loss, ndcg, time.perf_counter() - began)
        if looks_since == PATIENCE:
            break
    if best_state is not None:
        ranker.load_state_dict(best_state)
    ranker.eval()
    return Trained(history, best_epoch, time.perf_counter() - began)


def scores_of(ranker: Ranker, user_vectors: Array) -> Score:
    """Make the scoring function of a trained ranker, for `evaluate`."""

    def score(users: Ids, domain: int) -> Array:
        with no_grad():
            condition = ranker(user_vectors[users, domain], np.full(len(users), domain))
            scores: Array = ranker.score(condition, domain).numpy()
        return scores

    return score


def _one_epoch(
    ranker: Ranker, optimiser: AdamW, pairs: Pairs, user_vectors: Array, order: npt.NDArray[np.int64]
) -> float:
    total = 0.0
    for start in range(0, len(order), BATCH):
        batch = pairs.take(order[start : start + BATCH])
        loss = ranker.loss(user_vectors[batch.users, batch.domains], batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(batch.positives)
    return total / len(pairs.positives)
