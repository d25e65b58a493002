"""Does it help here?  Train attention and the other models on the same pairs, test all on the same pairs, and compare.

The protocol: some (user, domain) pairs are hidden before anything is computed; a user's vector for a domain comes from
what the user did elsewhere; a model maps it into the domain's own space, where the domain's items are ranked (see
`ranking`).  Each run draws split, initial values, dropout and batches from its own seed.
"""

import os
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy import __version__
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.data import Factors, Interactions, Split, Vectors, draw_split, factorise
from acg_numpy.shapes import Array
from acg_numpy.training.baselines import TRAINED, make_model
from acg_numpy.training.checkpoints import Checkpoint
from acg_numpy.training.dependence import dependence
from acg_numpy.training.given import Given
from acg_numpy.training.keeping import Keeper, fingerprint
from acg_numpy.training.loop import EpochReport, Progress, child_seed, scores_of, train
from acg_numpy.training.optimisers import check_limit
from acg_numpy.training.pairs import Catalogue, Ids, Pairs
from acg_numpy.training.ranking import Ranker, Score, evaluate
from acg_numpy.training.references import REFERENCES, Reference, make_reference
from acg_numpy.training.result import Outcome, Result, Run
from acg_numpy.training.schedules import SCHEDULES

BIAS_FLOOR = 0.01  # item biases start at log(0.01 + share of users who took the item)


def fit(
    interactions: Interactions,
    *,
    seed: int = 0,
    seeds: int = 1,
    epochs: int = 60,
    emb_dim: int = 32,
    heads: int = 4,
    tokens_per_domain: int = 8,
    num_global_tokens: int = 0,
    baselines: bool = True,
    clip_norm: float | None = None,
    schedule: str = "constant",
    split: Split | None = None,
    user_vectors: Vectors | None = None,
    item_vectors: Vectors | None = None,
    check_finite: bool = True,
    progress: Progress | None = None,
    state: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> Result:
    """Train the conditioner on interactions, compare it with other models, and make every user's condition vectors.

    Parameters
    ----------
    interactions : Interactions
        From `acg_numpy.data.read_interactions` or `make_world`.
    seed : int, default 0
        Of the first run; the others count up from it.
    seeds : int, default 1
        How many runs.
    epochs : int, default 60
        At most; the epoch that validates best is kept, and 30 epochs without a better one end a model's training.
    emb_dim : int, default 32
        D, of user vectors, item vectors and conditions.
    heads, tokens_per_domain, num_global_tokens : int
        Of the attention.
    baselines : bool, default True
        Whether to train and test the other models, and the reference lines, too.
    clip_norm : float, optional
        The largest global norm of a step's gradients; longer ones are shortened to it.
    schedule : str, default "constant"
        Of the learning rate: "constant"; "cosine", down to nearly 0 at `epochs`; or "plateau", halved after every 10
        epochs without a better one.
    split : Split, optional
        The pairs to train, validate and test on, in every run; by default each run draws its own.
    user_vectors, item_vectors : Vectors, optional
        In place of those made from the interactions; see `acg_numpy.data.vectors`.  Without `split` they may have seen
        what the test asks for, and the report says so.
    check_finite : bool, default True
        Refuse NaN and infinity in the user vectors before training.
    progress : callable, optional
        Called with an `EpochReport` after each epoch of each model; of what is resumed, first with the last one.
    state : path, optional
        A file that keeps what is done, renewed every few seconds, at the end, and at Ctrl-C.
    resume : bool, default False
        Go on from `state`, if it is there.  What comes out is what would have without a stop.

    Returns
    -------
    Result
        Metrics, history, the first run's conditioner, and the conditions; `result.write(folder)` writes them all.

    Raises
    ------
    ValueError
        If an argument is out of range, the data leaves nothing to train or test on, a user vector is not finite, or
        vectors do not fit the interactions.
    CheckpointError
        If `state` is not a whole state, or one of other arguments or other interactions, which it names.
    Interrupted
        At Ctrl-C, a KeyboardInterrupt, once `state` is written.

    Examples
    --------
    >>> from acg_numpy.data import make_world
    >>> result = fit(make_world(seed=0).interactions, epochs=1, baselines=False)
    >>> sorted(result.metrics["test"])
    ['attention']
    """
    arguments = {
        "seed": seed,
        "seeds": seeds,
        "epochs": epochs,
        "emb_dim": emb_dim,
        "heads": heads,
        "tokens_per_domain": tokens_per_domain,
        "num_global_tokens": num_global_tokens,
        "baselines": baselines,
        "clip_norm": clip_norm,
        "schedule": schedule,
    }
    for name, number, least in (("seed", seed, 0), ("seeds", seeds, 1), ("epochs", epochs, 1)):
        if number < least:
            raise ValueError(f"{name} must be at least {least}, but it is {number}")
    if clip_norm is not None:
        check_limit("clip_norm", clip_norm)
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, but it is {schedule!r}")
    if resume and state is None:
        raise ValueError("resume is True, but there is no state to go on from: say with state= which file it is")
    attention = {"heads": heads, "tokens_per_domain": tokens_per_domain, "num_global_tokens": num_global_tokens}
    domains = interactions.domains.tolist()
    make_model(
        "attention", emb_dim=emb_dim, domain_names=domains, **attention
    )  # refuses now what it would refuse later
    given = Given.of(interactions, emb_dim, split, user_vectors, item_vectors)
    terms = {**arguments, **given.terms, "interactions": _described(interactions), "acg_numpy": __version__}
    training = {"epochs": epochs, "clip_norm": clip_norm, "schedule": schedule}
    runs = []
    with Keeper(state, terms, resume=resume) as keeper:
        for number in range(1, seeds + 1):
            task = _Task.draw(interactions, seed + number - 1, emb_dim, given)
            if check_finite:
                require_finite(task.user_vectors, interactions.users)
            outcomes = {}
            for name in ("popularity", *TRAINED, *REFERENCES) if baselines else ("attention",):
                outcomes[name] = task.outcome(name, attention, training, (number, seeds), progress, keeper)
            runs.append(Run(task.seed, task.sizes(), task.split, task.factors, outcomes))
    return Result.of(interactions, runs, arguments, given)


def _described(interactions: Interactions) -> str:
    """Say in words and figures which interactions these are: what was read, and what came of it."""
    matrix = interactions.matrix
    contents = fingerprint(
        interactions.users,
        interactions.items,
        interactions.domains,
        interactions.item_domain,
        interactions.same_item,
        *(matrix.indptr, matrix.indices, matrix.data),
    )
    return f"{interactions}, {contents} from a file {interactions.sha256[:16]}"


def require_finite(user_vectors: Array, users: npt.NDArray[np.str_]) -> None:
    """Raise ValueError, naming the first user, if `user_vectors` (U, ..., D) hold NaN or infinity."""
    finite = np.isfinite(user_vectors).all(axis=tuple(range(1, user_vectors.ndim)))
    if not finite.all():
        first = int(np.flatnonzero(~finite)[0])
        raise ValueError(
            f"the vector of user {str(users[first])!r} holds NaN or infinity (so do those of {np.sum(~finite) - 1} "
            "others): look for such values where the vectors come from (check_finite=False lets them through)"
        )


@dataclass(frozen=True, eq=False)
class _Task:
    """One run's data: what may be seen, and the pairs to train, validate and test on."""

    seed: int
    interactions: Interactions
    split: Split
    visible: sp.csr_array  # (U, I)
    factors: Factors
    user_vectors: Array  # (U, N, D)
    catalogue: Catalogue
    training: Pairs
    validation: Pairs
    test: Pairs

    @classmethod
    def draw(cls, interactions: Interactions, seed: int, emb_dim: int, given: Given) -> "_Task":
        split = given.split or draw_split(interactions, seed)
        visible = split.visible(interactions)
        factors = factorise(visible, interactions, emb_dim=emb_dim, seed=child_seed(seed, "factors"))
        if given.items is not None:
            factors = replace(factors, item_vectors=given.items.vectors)
        catalogue = Catalogue.of(interactions, factors.item_vectors)

        def pairs_of(pairs: Ids, matrix: Any) -> Pairs:
            return Pairs.of(pairs, matrix, interactions.item_domain, catalogue)

        return cls(
            seed,
            interactions,
            split,
            visible,
            factors,
            factors.user_vectors(visible) if given.users is None else given.users.vectors,
            catalogue,
            training=pairs_of(split.train, visible),
            validation=pairs_of(split.validation, interactions.matrix),
            test=pairs_of(split.test, interactions.matrix),
        )

    def sizes(self) -> dict[str, int]:
        return {"train": len(self.training), "validation": len(self.validation), "test": len(self.test)}

    def outcome(
        self,
        name: str,
        attention: dict[str, int],
        training: dict[str, Any],
        run: tuple[int, int],
        progress: Progress | None,
        keeper: Keeper,
    ) -> Outcome:
        """Train one model, and test it; or go on with it, or take what is finished."""
        key = f"{run[0]}/{name}"
        ranker = self.ranker(name, attention) if name in TRAINED else None

        def report(epoch: int, loss: float, validation: float | None, seconds: float) -> None:
            if progress is not None:
                progress(EpochReport(name, *run, epoch, training["epochs"], loss, validation, seconds))

        finished, under_way = keeper.finished(key), keeper.under_way(key)
        if (kept := finished or under_way) is not None and (history := kept.about["history"]) is not None:
            validation = history["validation_ndcg"][-1] if history["validation_ndcg"] else None
            report(history["epoch"][-1], history["loss"][-1], validation, kept.about["seconds"])
        if finished is not None:
            return taken_up(finished, ranker)

        began = time.perf_counter()
        if name in REFERENCES:
            ndcg, recall, strength, size = self.reference(name)
            outcome = Outcome(None, ndcg, recall, size, time.perf_counter() - began, None, None, strength)
        elif ranker is None:
            ndcg, recall = evaluate(self.popularity(), self.test)
            outcome = Outcome(None, ndcg, recall, 0, time.perf_counter() - began, None, None)
        else:
            trained = train(
                ranker,
                self.training,
                self.validation,
                self.user_vectors,
                seed=self.seed,
                report=report,
                written=under_way,
                keep=lambda course: keeper.keep(key, course),
                **training,
            )
            ndcg, recall = evaluate(scores_of(ranker, self.user_vectors), self.test)
            size = ranker.model.num_parameters()
            outcome = Outcome(ranker, ndcg, recall, size, trained.seconds, trained.best_epoch, trained.history)
            if isinstance(ranker.model, AttentionConditioner):
                names, draw = self.interactions.domains.tolist(), child_seed(self.seed, "dependence")
                outcome = outcome._replace(
                    dependence=dependence(ranker, self.user_vectors, self.test, names, seed=draw)
                )
        keeper.finish(key, written(outcome))
        return outcome

    def ranker(self, name: str, attention: dict[str, int]) -> Ranker:
        """Make the untrained ranker of a model."""
        model = make_model(
            name,
            emb_dim=self.user_vectors.shape[-1],
            domain_names=self.interactions.domains.tolist(),
            seed=child_seed(self.seed, f"{name}/init"),
            **attention,
        )
        return Ranker(model, self.catalogue, np.log(BIAS_FLOOR + self.factors.popularity))

    def reference(self, name: str) -> Reference:
        """Fit and test a reference line."""
        return make_reference(
            name,
            visible=self.visible,
            interactions=self.interactions,
            train=self.split.train,
            validation=self.validation,
            test=self.test,
            seed=child_seed(self.seed, name),
        )

    def popularity(self) -> Score:
        """Score items by the share of users who took them, whoever the user is."""

        def score(users: Ids, domain: int) -> Array:
            share = self.factors.popularity[self.catalogue.items[domain]]
            return np.broadcast_to(share, (len(users), len(share)))

        return score


def written(outcome: Outcome) -> Checkpoint:
    """Write an outcome down: the ranker's values, the other arrays, and what JSON can hold."""
    arrays, about = {}, {}
    for name, value in outcome._asdict().items():
        if isinstance(value, Ranker):
            arrays.update({f"ranker/{key}": array for key, array in value.state_dict().items()})
        elif isinstance(value, np.ndarray):
            arrays[name] = value
        elif name != "ranker":
            about[name] = value
    return Checkpoint(arrays, about)


def taken_up(kept: Checkpoint, ranker: Ranker | None) -> Outcome:
    """Make the outcome again that was written down; the ranker, if it has one, gets its values."""
    state = {name.removeprefix("ranker/"): array for name, array in kept.arrays.items() if name.startswith("ranker/")}
    if ranker is not None:
        ranker.load_state_dict(state)
        ranker.eval()
    arrays = {name: array for name, array in kept.arrays.items() if not name.startswith("ranker/")}
    fields: dict[str, Any] = {**arrays, **kept.about}
    return Outcome(ranker, **fields)
