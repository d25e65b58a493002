"""The training loop of one model: epochs of shuffled batches, validation, and the values of the best epoch.

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
from acg_numpy.recommender.data.factors import UserVectors
from acg_numpy.recommender.data.pairs import Ids, Pairs, drawn_candidates
from acg_numpy.recommender.evaluation.attention_history import WatchedUsers, attention_snapshot, is_snapshot_epoch
from acg_numpy.recommender.evaluation.protocol import Score, evaluate
from acg_numpy.recommender.training.ranker import Ranker
from acg_numpy.shapes import Array

BATCH = 256  # pairs
VALIDATE_EVERY = 2  # epochs
PATIENCE = 12  # validations without a better one before the training ends
WEIGHT_DECAY = 1e-2


class EpochReport(NamedTuple):
    """What a progress callback receives after each epoch."""

    model: str
    run: int  # counted from 1; while settings are searched for, of the splits that are used for it
    runs: int
    epoch: int  # counted from 1
    epochs: int  # the most there may be
    loss: float  # mean over the epoch's interactions
    validation: float | None  # NDCG@10, where this epoch was validated
    seconds: float  # since this model's training began
    point: int = 0  # which point of a search is tried, counted from 1; 0 when the model is trained to be tested
    points: int = 0


Progress = Callable[[EpochReport], None]
Report = Callable[[int, float, float | None, float], None]
"""Called after each epoch of one training with its number, loss, validation ``NDCG@10`` or None, and seconds."""


class TrainingOutcome(NamedTuple):
    """The history of a training; the ranker itself holds the values of its best epoch."""

    # epoch, loss, validation_epoch, validation_ndcg, and snapshots where users are watched
    history: dict[str, list[Any]]
    best_epoch: int  # counted from 1
    # whether the ceiling ended the training before the patience did: more epochs might have been better
    rising: bool
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


class TrainingState:
    """One model's training between two epochs, as a checkpoint saves and restores it.

    Parameters
    ----------
    ranker : Ranker
        Trained in place.
    seed : int
        Of the run: the order of the batches.
    rate : float
        The learning rate.
    """

    def __init__(self, ranker: Ranker, seed: int, rate: float) -> None:
        self.ranker = ranker
        self.optimiser = AdamW(ranker.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)
        self.shuffle = np.random.default_rng(child_seed(seed, "batches"))
        self.history: dict[str, list[Any]] = {"epoch": [], "loss": [], "validation_epoch": [], "validation_ndcg": []}
        self.best_state: dict[str, Array] = {}
        self.seconds = 0.0

    @property
    def epoch(self) -> int:
        """The number of epochs done."""
        return len(self.history["epoch"])

    @property
    def validations(self) -> list[float]:
        """``NDCG@10`` on the validation pairs, at each validation."""
        return self.history["validation_ndcg"]

    @property
    def best_epoch(self) -> int:
        """The first epoch with the best validation; the last epoch, if there was no validation."""
        return self.history["validation_epoch"][int(np.argmax(self.validations))] if self.validations else self.epoch

    @property
    def validations_since_best(self) -> int:
        """The number of validations after the best one."""
        return len(self.validations) - 1 - int(np.argmax(self.validations)) if self.validations else 0

    def checkpoint(self) -> Checkpoint:
        """Copy everything that the next epoch depends on."""
        arrays = {
            **_with_prefix("parameter", self.ranker.state_dict()),
            **_with_prefix("optimiser", self.optimiser.state_dict()),
            **_with_prefix("best", self.best_state),  # which is never written to, only replaced
        }
        about = {
            "history": {name: list(values) for name, values in self.history.items()},
            "batches": self.shuffle.bit_generator.state,
            "dropout": self.ranker.random_state(),
            "seconds": self.seconds,
        }
        return Checkpoint(arrays, about)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Resume from a checkpoint of the same model with the same options."""
        arrays, about = checkpoint
        self.ranker.load_state_dict(_without_prefix("parameter", arrays))
        self.ranker.load_random_state(about["dropout"])
        self.optimiser.load_state_dict(_without_prefix("optimiser", arrays))
        self.shuffle.bit_generator.state = about["batches"]
        self.best_state = _without_prefix("best", arrays)
        self.history = {name: list(values) for name, values in about["history"].items()}
        self.seconds = about["seconds"]


def train(
    ranker: Ranker,
    training: Pairs,
    validation: Pairs,
    user_vectors: UserVectors,
    *,
    epochs: int,
    seed: int,
    rate: float,
    patience: int = PATIENCE,
    clip_norm: float | None = None,
    schedule: str = "constant",
    report: Report | None = None,
    resume_from: Checkpoint | None = None,
    save: Callable[[Checkpoint], None] | None = None,
    watched: WatchedUsers | None = None,
) -> TrainingOutcome:
    """Train a ranker in place, and leave it, in evaluation mode, with the values of its best validation.

    Validation comes every second epoch and after the last; `patience` validations without a better one are the end.

    Parameters
    ----------
    ranker : Ranker
    training, validation : Pairs
        Where there is nothing to validate on, the last epoch is the best.
    user_vectors : UserVectors
        A user's vector for each target domain: an array (U, N, D) of float32, or what is indexed as one.
    epochs : int
        The most there may be; at least 1.
    seed : int
        Of the run: the order of the batches.
    rate : float
        The learning rate.
    patience : int, default 12
        In validations.
    clip_norm : float, optional
        The largest global norm of a step's gradients; longer ones are shortened to it.
    schedule : str, default "constant"
        One of `schedules.SCHEDULES`.
    report : callable, optional
        Called with epoch, loss, validation ``NDCG@10`` or None, and seconds, after each epoch.
    resume_from : Checkpoint, optional
        The last checkpoint of a training that was stopped; this one resumes there, and ends as that one would have.
    save : callable, optional
        Called after each epoch with a checkpoint of everything that the next one depends on.
    watched : WatchedUsers, optional
        The users whose attention is kept in the history, as `snapshot_epoch` and `snapshot`, from before the first
        step on.

    Returns
    -------
    TrainingOutcome

    Raises
    ------
    FloatingPointError
        If the loss, or with `clip_norm` a gradient, is no longer finite.
    """
    state = TrainingState(ranker, seed, rate)
    if resume_from is not None:
        state.restore(resume_from)
    began = time.perf_counter() - state.seconds
    training = training.with_vector_sums(ranker.catalogue)
    if state.epoch == 0:
        _record_attention(state, user_vectors, watched)
    while state.epoch < epochs and state.validations_since_best < patience:
        epoch = state.epoch + 1
        state.optimiser.lr = rate * SCHEDULES[schedule](epoch, epochs, state.validations)
        loss = _train_epoch(state, training, user_vectors, clip_norm)
        if not np.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} in epoch {epoch}: look for huge user or item vectors")
        state.history["epoch"].append(epoch)
        state.history["loss"].append(loss)
        ndcg = None
        if len(validation) and (epoch % VALIDATE_EVERY == 0 or epoch == epochs):
            ranker.eval()
            ndcg = float(np.mean(evaluate(make_score(ranker, user_vectors), validation)[0]))
            state.history["validation_epoch"].append(epoch)
            state.history["validation_ndcg"].append(ndcg)
            if state.validations_since_best == 0:
                state.best_state = ranker.state_dict()
        _record_attention(state, user_vectors, watched)
        state.seconds = time.perf_counter() - began
        if save is not None:
            save(state.checkpoint())
        if report is not None:
            report(epoch, loss, ndcg, state.seconds)
    if state.best_state:
        ranker.load_state_dict(state.best_state)
    ranker.eval()
    rising = bool(state.validations) and state.validations_since_best < patience
    return TrainingOutcome(state.history, state.best_epoch, rising, state.seconds)


def make_score(ranker: Ranker, user_vectors: UserVectors) -> Score:
    """Make the scoring function of a trained ranker, for `evaluate`."""

    def score(users: Ids, domain: int) -> Array:
        with no_grad():
            condition = ranker(user_vectors[users, domain], np.full(len(users), domain), users)
            scores: Array = ranker.score(condition, domain).data
        return scores

    return score


def _record_attention(state: TrainingState, user_vectors: UserVectors, watched: WatchedUsers | None) -> None:
    """Add a snapshot of attention to the history, at the epochs that have one."""
    if watched is None or not is_snapshot_epoch(state.epoch):
        return
    if (weights := attention_snapshot(state.ranker.model, user_vectors, watched)) is not None:
        state.history.setdefault("snapshot_epoch", []).append(state.epoch)
        state.history.setdefault("snapshot", []).append(weights)


def _train_epoch(state: TrainingState, pairs: Pairs, user_vectors: UserVectors, clip_norm: float | None) -> float:
    ranker, optimiser, total = state.ranker.train(), state.optimiser, 0.0
    sampled = drawn_candidates(pairs.sizes)
    for batch in pairs.batches(state.shuffle.permutation(len(pairs)), BATCH):
        if sampled:
            batch = batch.draw_candidates(state.shuffle)
        loss = ranker.loss(user_vectors[batch.users, batch.domains], batch)
        if not np.isfinite(loss.item()):
            return float(loss.item())  # which the caller refuses, before a gradient of it is
        optimiser.zero_grad()
        loss.backward()
        if clip_norm is not None:
            clip_gradients(optimiser.parameters, clip_norm)
        optimiser.step()
        total += loss.item() * len(batch.positives)
    return total / len(pairs.positives)


def _with_prefix(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def _without_prefix(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(f"{prefix}/"): array for name, array in arrays.items() if name.startswith(f"{prefix}/")}
