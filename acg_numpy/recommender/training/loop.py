"""How is one model trained?  In epochs of shuffled batches, with looks at the validation pairs; the best look is kept.

The randomness of a run comes from its seed alone, by `child_seed`: each purpose draws from a stream of its own, so that
a model's figures do not depend on which others are trained beside it.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.autograd import no_grad
from acg_numpy.optim.optimisers import AdamW, clip_gradients
from acg_numpy.optim.schedules import SCHEDULES
from acg_numpy.recommender.data.checkpoints import Checkpoint
from acg_numpy.recommender.data.pairs import Ids, Pairs, drawn_candidates
from acg_numpy.recommender.evaluation.attention_history import Watched, is_kept, snapshot
from acg_numpy.recommender.evaluation.protocol import Score, evaluate
from acg_numpy.recommender.training.ranker import Ranker
from acg_numpy.shapes import Array

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

    history: dict[
        str, list[Any]
    ]  # epoch, loss, validation_epoch, validation_ndcg, and snapshots where users are watched
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


class Course:
    """One model's training, which goes on epoch by epoch, and can be written down and taken up again between two.

    Parameters
    ----------
    ranker : Ranker
        Trained in place.
    seed : int
        Of the run: the order of the batches.
    """

    def __init__(self, ranker: Ranker, seed: int) -> None:
        self.ranker = ranker
        self.optimiser = AdamW(ranker.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self.shuffle = np.random.default_rng(child_seed(seed, "batches"))
        self.history: dict[str, list[Any]] = {"epoch": [], "loss": [], "validation_epoch": [], "validation_ndcg": []}
        self.best_state: dict[str, Array] = {}
        self.seconds = 0.0

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.history["epoch"])

    @property
    def looks(self) -> list[float]:
        """What the looks at the validation pairs came to."""
        return self.history["validation_ndcg"]

    @property
    def best_epoch(self) -> int:
        """The first epoch whose look is the best one; the last epoch, if there was no look."""
        return self.history["validation_epoch"][int(np.argmax(self.looks))] if self.looks else self.epoch

    @property
    def looks_since(self) -> int:
        """How many looks came after the best one."""
        return len(self.looks) - 1 - int(np.argmax(self.looks)) if self.looks else 0

    def written(self) -> Checkpoint:
        """Copy all that the next epoch depends on."""
        arrays = {
            **_under("parameter", self.ranker.state_dict()),
            **_under("optimiser", self.optimiser.state_dict()),
            **_under("best", self.best_state),  # which is never written to, only replaced
        }
        about = {
            "history": {name: list(values) for name, values in self.history.items()},
            "batches": self.shuffle.bit_generator.state,
            "dropout": self.ranker.random_state(),
            "seconds": self.seconds,
        }
        return Checkpoint(arrays, about)

    def take_up(self, written: Checkpoint) -> None:
        """Go on from where a course of the same model with the same options was written down."""
        arrays, about = written
        self.ranker.load_state_dict(_of("parameter", arrays))
        self.ranker.load_random_state(about["dropout"])
        self.optimiser.load_state_dict(_of("optimiser", arrays))
        self.shuffle.bit_generator.state = about["batches"]
        self.best_state = _of("best", arrays)
        self.history = {name: list(values) for name, values in about["history"].items()}
        self.seconds = about["seconds"]


def train(
    ranker: Ranker,
    training: Pairs,
    validation: Pairs,
    user_vectors: Array,
    *,
    epochs: int,
    seed: int,
    clip_norm: float | None = None,
    schedule: str = "constant",
    report: Callable[[int, float, float | None, float], None] | None = None,
    written: Checkpoint | None = None,
    keep: Callable[[Checkpoint], None] | None = None,
    watched: Watched | None = None,
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
    clip_norm : float, optional
        The largest global norm of a step's gradients; longer ones are shortened to it.
    schedule : str, default "constant"
        One of `schedules.SCHEDULES`.
    report : callable, optional
        Told epoch, loss, validation ``NDCG@10`` or None, and seconds, after each epoch.
    written : Checkpoint, optional
        What `keep` was told in a training that was stopped; this one goes on from there, and ends as that would have.
    keep : callable, optional
        Told after each epoch all that the next one depends on.
    watched : Watched, optional
        Whose attention to keep in the history, as `snapshot_epoch` and `snapshot`, from before the first step on.

    Returns
    -------
    Trained

    Raises
    ------
    FloatingPointError
        If the loss, or with `clip_norm` a gradient, is not finite any more.
    """
    course = Course(ranker, seed)
    if written is not None:
        course.take_up(written)
    began = time.perf_counter() - course.seconds
    if course.epoch == 0:
        _look(course, user_vectors, watched)
    while course.epoch < epochs and course.looks_since < PATIENCE:
        epoch = course.epoch + 1
        course.optimiser.lr = LEARNING_RATE * SCHEDULES[schedule](epoch, epochs, course.looks)
        loss = _one_epoch(course, training, user_vectors, clip_norm)
        if not np.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} in epoch {epoch}: look for huge user or item vectors")
        course.history["epoch"].append(epoch)
        course.history["loss"].append(loss)
        ndcg = None
        if len(validation) and (epoch % VALIDATE_EVERY == 0 or epoch == epochs):
            ranker.eval()
            ndcg = float(np.mean(evaluate(scores_of(ranker, user_vectors), validation)[0]))
            course.history["validation_epoch"].append(epoch)
            course.history["validation_ndcg"].append(ndcg)
            if course.looks_since == 0:
                course.best_state = ranker.state_dict()
        _look(course, user_vectors, watched)
        course.seconds = time.perf_counter() - began
        if keep is not None:
            keep(course.written())
        if report is not None:
            report(epoch, loss, ndcg, course.seconds)
    if course.best_state:
        ranker.load_state_dict(course.best_state)
    ranker.eval()
    return Trained(course.history, course.best_epoch, course.seconds)


def scores_of(ranker: Ranker, user_vectors: Array) -> Score:
    """Make the scoring function of a trained ranker, for `evaluate`."""

    def score(users: Ids, domain: int) -> Array:
        with no_grad():
            condition = ranker(user_vectors[users, domain], np.full(len(users), domain))
            scores: Array = ranker.score(condition, domain).data
        return scores

    return score


def _look(course: Course, user_vectors: Array, watched: Watched | None) -> None:
    """Keep where attention goes now, at the epochs that are kept."""
    if watched is None or not is_kept(course.epoch):
        return
    if (weights := snapshot(course.ranker.model, user_vectors, watched)) is not None:
        course.history.setdefault("snapshot_epoch", []).append(course.epoch)
        course.history.setdefault("snapshot", []).append(weights)


def _one_epoch(course: Course, pairs: Pairs, user_vectors: Array, clip_norm: float | None) -> float:
    ranker, optimiser, total = course.ranker.train(), course.optimiser, 0.0
    order, many = course.shuffle.permutation(len(pairs)), drawn_candidates(pairs.sizes)
    for start in range(0, len(order), BATCH):
        batch = pairs.take(order[start : start + BATCH])
        if many:
            batch = batch.draw_candidates(course.shuffle)
        loss = ranker.loss(user_vectors[batch.users, batch.domains], batch)
        optimiser.zero_grad()
        loss.backward()
        if clip_norm is not None:
            clip_gradients(optimiser.parameters, clip_norm)
        optimiser.step()
        total += loss.item() * len(batch.positives)
    return total / len(pairs.positives)


def _under(part: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{part}/{name}": array for name, array in arrays.items()}


def _of(part: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(f"{part}/"): array for name, array in arrays.items() if name.startswith(f"{part}/")}
