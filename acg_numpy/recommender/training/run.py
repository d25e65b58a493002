"""One run: one split, the data that training may see, and the outcome of each model."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from acg_numpy.recommender.data import Factors, Interactions, Split, draw_split, factorise
from acg_numpy.recommender.data.checkpoints import Checkpoint
from acg_numpy.recommender.data.factors import UserVectors
from acg_numpy.recommender.data.pairs import Catalogue, Ids, Pairs, sample_pairs
from acg_numpy.recommender.evaluation.ablation import dependence
from acg_numpy.recommender.evaluation.attention_history import WatchedUsers, choose_watched_users
from acg_numpy.recommender.evaluation.breakdown import PairFacts
from acg_numpy.recommender.evaluation.metrics import Rankings
from acg_numpy.recommender.evaluation.protocol import K, Score, rank
from acg_numpy.recommender.models.factory import make_model
from acg_numpy.recommender.models.hyperparameters import Settings
from acg_numpy.recommender.models.item_recommenders import REFERENCES, Reference, make_reference
from acg_numpy.recommender.models.ptupcdr import History
from acg_numpy.recommender.training.history_vectors import user_vectors
from acg_numpy.recommender.training.loop import (
    EpochReport,
    Progress,
    Report,
    TrainingOutcome,
    child_seed,
    make_score,
    train,
)
from acg_numpy.recommender.training.provided import Provided
from acg_numpy.recommender.training.ranker import Ranker
from acg_numpy.recommender.training.result import Outcome
from acg_numpy.recommender.training.resume import ResumableState
from acg_numpy.shapes import Array

BIAS_FLOOR = 0.01  # item biases start at log(0.01 + share of users who took the item)
WHOSE_DEPENDENCE = ("attention", "one-key")  # on user, domain and tokens is measured


@dataclass(frozen=True, eq=False)
class RunData:
    """The data of one run: the visible interactions, and the pairs to train, validate and test on."""

    seed: int
    interactions: Interactions
    split: Split
    visible: sp.csr_array  # (U, I)
    factors: Factors
    history: History
    user_vectors: UserVectors  # (U, N, D)
    catalogue: Catalogue
    training: Pairs
    validation: Pairs
    test: Pairs
    depth: int  # ranks that are kept of each ranking
    initialisation: int = 0  # counted from 0: on the same split, other initial values, batches and dropout

    @classmethod
    def draw(
        cls,
        interactions: Interactions,
        seed: int,
        emb_dim: int,
        provided: Provided,
        depth: int = K,
        sample: int | None = None,
    ) -> "RunData":
        """Draw the split of a run, unless it is provided, and make from it what the models need.

        Parameters are those of `fit`; `sample` is its `sample_pairs`.
        """
        split = provided.split or draw_split(interactions, seed, **provided.protocol)
        visible = split.visible(interactions)
        factors = factorise(visible, interactions, emb_dim=emb_dim, seed=child_seed(seed, "factors"))
        if provided.items is not None:
            factors = replace(factors, item_vectors=provided.items.vectors)
        catalogue = Catalogue.from_interactions(interactions, factors.item_vectors)

        history = make_history(split, interactions, visible)
        vectors = user_vectors(factors, history) if provided.users is None else provided.users.vectors

        def pairs_of(pairs: Ids, matrix: Any) -> Pairs:
            return Pairs.from_matrix(pairs, matrix, interactions.item_domain, catalogue)

        return cls(
            seed,
            interactions,
            split,
            visible,
            factors,
            history,
            vectors,
            catalogue,
            training=pairs_of(sample_pairs(split.train, sample, child_seed(seed, "sample of pairs")), visible),
            validation=pairs_of(split.validation, split.judged(interactions)),
            test=pairs_of(split.test, interactions.matrix),
            depth=depth,
        )

    @property
    def model_seed(self) -> int:
        """The seed of what a model draws: the run's own, for the first initialisation."""
        return child_seed(self.seed, f"initialisation {self.initialisation}") if self.initialisation else self.seed

    def pair_facts(self) -> PairFacts:
        """Return the test pairs, and what the tables by group need to know of them."""
        distinct = np.zeros(len(self.interactions.items), np.float32)
        distinct[np.unique(self.interactions.same_item, return_index=True)[1]] = 1
        taken = self.split.histories(self.interactions, self.split.test, self.visible) @ distinct  # none in the domain
        training = np.bincount(self.training.domains, minlength=len(self.interactions.domains))
        history = np.rint(taken).astype(np.int64)
        return PairFacts(self.test.users, self.test.domains, history, training, self.test.sizes)

    def query(self, domain: int) -> sp.csr_array:
        """Return what is known of every user when asked about a domain, (U, I): the visible interactions.

        In a split by time it is, for held-out pairs, all that the user did before entering the domain.
        """
        if self.split.cut is None:
            return self.visible
        held_out = np.concatenate([self.split.validation, self.split.test])
        asked = held_out[held_out[:, 1] == domain]
        row = np.arange(len(self.interactions.users))
        row[asked[:, 0]] = len(row) + np.arange(len(asked))
        stacked = sp.vstack([self.visible, self.split.histories(self.interactions, asked)], format="csr")
        return sp.csr_array(stacked[row])

    def sizes(self) -> dict[str, int]:
        """Return the numbers of pairs to train, validate and test on."""
        return {"train": len(self.training), "validation": len(self.validation), "test": len(self.test)}

    def train_and_test(
        self,
        name: str,
        settings: Settings | None,
        training: Mapping[str, Any],
        run: tuple[int, int],
        progress: Progress | None,
        state: ResumableState,
    ) -> Outcome:
        """Train one model, and test it; or resume its training, or return its finished outcome."""
        key = f"{run[0]}/{name}"
        report = make_report(progress, name, run, training["epochs"])
        if (finished := state.finished(key)) is not None:
            replay(report, finished)
            return outcome_from_checkpoint(finished, None if settings is None else self.ranker(name, settings))

        began = time.perf_counter()
        if name in REFERENCES:
            rankings, strength, size = self.reference(name)
            outcome = Outcome(None, rankings, size, time.perf_counter() - began, None, None, strength)
        elif settings is None:
            rankings = rank(self.popularity(), self.test, self.depth)
            seconds = time.perf_counter() - began
            outcome = Outcome(None, rankings, 0, seconds, None, None, parameters_per_domain=0)
        else:
            watched = choose_watched_users(self.split.validation) if name == "attention" else None
            ranker, trained = self.train(name, settings, training, key, report, state, watched)
            rankings = rank(make_score(ranker, self.user_vectors), self.test, self.depth)
            size = ranker.model.num_parameters()
            more = self.ranker(name, settings, one_more=True).model.num_parameters() - size
            outcome = Outcome(ranker, rankings, size, trained.seconds, trained.best_epoch, trained.history)
            outcome = outcome._replace(parameters_per_domain=more, rising=trained.rising)
            if name in WHOSE_DEPENDENCE:
                names, draw = self.interactions.domains.tolist(), child_seed(self.seed, "dependence")
                outcome = outcome._replace(
                    dependence=dependence(ranker, self.user_vectors, self.test, names, seed=draw)
                )
        state.finish(key, outcome_to_checkpoint(outcome))
        return outcome

    def train(
        self,
        name: str,
        settings: Settings,
        training: Mapping[str, Any],
        key: str,
        report: Report,
        state: ResumableState,
        watched: WatchedUsers | None = None,
    ) -> tuple[Ranker, TrainingOutcome]:
        """Train one model, or resume its training; the state has it under `key`."""
        ranker = self.ranker(name, settings)
        if (in_progress := state.in_progress(key)) is not None:
            replay(report, in_progress)
        trained = train(
            ranker,
            self.training,
            self.validation,
            self.user_vectors,
            seed=self.model_seed,
            rate=settings["rate"],
            report=report,
            resume_from=in_progress,
            save=lambda checkpoint: state.update(key, checkpoint),
            watched=watched,
            **training,
        )
        return ranker, trained

    def ranker(self, name: str, settings: Settings, *, one_more: bool = False) -> Ranker:
        """Return the untrained ranker of a model; for its size, of one with a domain more."""
        names = self.interactions.domains.tolist()
        model = make_model(
            name,
            emb_dim=self.user_vectors.shape[-1],
            domain_names=[*names, f"beside {names}"] if one_more else names,
            item_vectors=self.factors.components,
            seed=child_seed(self.model_seed, f"{name}/init"),
            **settings,
        )
        history = self.history if name == "ptupcdr" else None
        return Ranker(model, self.catalogue, np.log(BIAS_FLOOR + self.factors.popularity), history)

    def reference(self, name: str) -> Reference:
        """Fit and test a reference line."""
        return make_reference(
            name,
            visible=self.visible,
            query=self.query,
            interactions=self.interactions,
            train=self.split.train,
            validation=self.validation,
            test=self.test,
            depth=self.depth,
            seed=child_seed(self.seed, name),
        )

    def popularity(self) -> Score:
        """Return the score of items by the share of users who took them, the same for every user."""

        def score(users: Ids, domain: int) -> Array:
            share = self.factors.popularity[self.catalogue.items[domain]]
            return np.broadcast_to(share, (len(users), len(share)))

        return score


def make_history(split: Split, interactions: Interactions, visible: sp.csr_array) -> History:
    """Return what is known of every user when asked about every domain, as `RunData.query` has it for one of them."""
    if split.cut is None:
        return History(visible, interactions.elsewhere)
    held_out = np.concatenate([split.validation, split.test])
    users, domains = len(interactions.users), len(interactions.domains)
    row = np.repeat(np.arange(users)[:, None], domains, axis=1)
    row[tuple(held_out.T)] = users + np.arange(len(held_out))
    taken = sp.vstack([visible, split.histories(interactions, held_out)], format="csr")
    return History(sp.csr_array(taken), interactions.elsewhere, row)


def make_report(
    progress: Progress | None, name: str, run: tuple[int, int], epochs: int, point: tuple[int, int] = (0, 0)
) -> Report:
    """Return what a training calls after each epoch, which tells `progress` which model and run it is."""

    def report(epoch: int, loss: float, validation: float | None, seconds: float) -> None:
        if progress is not None:
            progress(EpochReport(name, *run, epoch, epochs, loss, validation, seconds, *point))

    return report


def replay(report: Report, checkpoint: Checkpoint) -> None:
    """Report the last epoch of what the state has, if that was a training."""
    if (history := checkpoint.about["history"]) is not None:
        validation = history["validation_ndcg"][-1] if history["validation_ndcg"] else None
        report(history["epoch"][-1], history["loss"][-1], validation, checkpoint.about["seconds"])


def outcome_to_checkpoint(outcome: Outcome) -> Checkpoint:
    """Return an outcome as a checkpoint: the ranker's values, the other arrays, and what JSON can hold."""
    arrays, about = {}, {}
    for name, value in outcome._asdict().items():
        if isinstance(value, Ranker):
            arrays.update({f"ranker/{key}": array for key, array in value.state_dict().items()})
        elif isinstance(value, Rankings):
            arrays.update({f"{name}/{key}": array for key, array in value._asdict().items()})
        elif name != "ranker":
            about[name] = value
    return Checkpoint(arrays, about)


def outcome_from_checkpoint(checkpoint: Checkpoint, ranker: Ranker | None) -> Outcome:
    """Return the outcome of a checkpoint; the ranker, if it has one, gets its values."""
    saved = checkpoint.arrays
    if ranker is not None:
        own = {name.removeprefix("ranker/"): array for name, array in saved.items() if name.startswith("ranker/")}
        ranker.load_state_dict(own)
        ranker.eval()
    rankings = Rankings(**{name: saved[f"rankings/{name}"] for name in Rankings._fields})
    return Outcome(ranker, rankings, **checkpoint.about)
