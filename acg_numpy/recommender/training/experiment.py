"""The experiment: train attention and the other models on the same pairs, test them on the same pairs, and compare.

It answers whether attention helps on these interactions.  The protocol: some (user, domain) pairs are hidden before
anything is computed; a user's vector for a domain comes from what the user did elsewhere; a model maps it into the
domain's own space, where the domain's items are ranked (see `ranker`).  Each run draws split, initial values, dropout
and batches from its own seed.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy import __version__
from acg_numpy.optim.optimisers import check_limit
from acg_numpy.optim.schedules import SCHEDULES
from acg_numpy.recommender.data import Interactions, Split, Vectors
from acg_numpy.recommender.data.checkpoints import fingerprint
from acg_numpy.recommender.data.splits import MIN_ELSEWHERE, MIN_INSIDE, VALIDATION, check_protocol
from acg_numpy.recommender.evaluation.protocol import CUTOFFS, K
from acg_numpy.recommender.models.factory import make_model
from acg_numpy.recommender.models.hyperparameters import ATTENTION, FOUND, TRAINED, Settings, check_names, search_points
from acg_numpy.recommender.models.item_recommenders import REFERENCES
from acg_numpy.recommender.training.blending import choose_and_test
from acg_numpy.recommender.training.loop import PATIENCE, Progress
from acg_numpy.recommender.training.provided import Provided
from acg_numpy.recommender.training.result import Result, Run
from acg_numpy.recommender.training.resume import ResumableState
from acg_numpy.recommender.training.run import RunData
from acg_numpy.recommender.training.tuning import Choice
from acg_numpy.recommender.training.tuning import tune as search
from acg_numpy.shapes import Array
from acg_numpy.text import counted, joined

DRAWING = {"protocol": "random", "min_inside": MIN_INSIDE, "min_elsewhere": MIN_ELSEWHERE, "validation": VALIDATION}
MODELS = ("popularity", *TRAINED, *REFERENCES)


def fit(
    interactions: Interactions,
    *,
    seed: int = 0,
    seeds: int = 1,
    initialisations: int = 1,
    k: Sequence[int] = CUTOFFS,
    epochs: int = 200,
    patience: int = PATIENCE,
    models: Sequence[str] | None = None,
    baselines: bool = True,
    tune: int = 0,
    sample_pairs: int | None = None,
    emb_dim: int = 32,
    heads: int | None = None,
    inner_dim: int | None = None,
    tokens_per_domain: int | None = None,
    num_global_tokens: int | None = None,
    dropout: float | None = None,
    head_dropout: float | None = None,
    layer_norm: bool | None = None,
    residual: bool | None = None,
    bias: bool | None = None,
    rate: float | None = None,
    clip_norm: float | None = None,
    schedule: str = "constant",
    split: Split | None = None,
    protocol: str = "random",
    min_inside: int = MIN_INSIDE,
    min_elsewhere: int = MIN_ELSEWHERE,
    validation: float = VALIDATION,
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
        From `acg_numpy.recommender.data.read_interactions` or `make_world`.
    seed : int, default 0
        The seed of the first run; the others count up from it.
    seeds : int, default 1
        The number of splits.
    initialisations : int, default 1
        The number of runs on each split, which differ in initial values, order of batches and dropout.
    k : sequence of int, default (5, 10, 20)
        The cut-offs of the metrics.  10 is always among them, because epochs are chosen and models compared at 10.
    epochs : int, default 200
        The most epochs of a model; the epoch that validates best is kept.
    patience : int, default 12
        So many validations (one every 2 epochs) without a better one end the training of a model.
    models : sequence of str, optional
        Which models to train and test; all of them by default.  Attention is always among them, because the conditions
        are made by it.
    baselines : bool, default True
        False is short for `models` of attention alone.
    tune : int, default 0
        How many points of a grid are tried for each model before the runs, on the validation pairs of four splits of
        their own (see `acg_numpy.recommender.training.tuning`); 0 takes the settings in
        `acg_numpy.recommender.models.DEFAULTS`.
    sample_pairs : int, optional
        How many pairs the models are trained on, drawn from each run's seed, each domain with its share; by default
        all, and 30,000 where there are more than a million.  Factors and reference lines are made from all, validation
        and test are complete, and the report says what was sampled.
    emb_dim : int, default 32
        D, the dimension of user vectors, item vectors and conditions.
    heads, inner_dim, tokens_per_domain, num_global_tokens, dropout, head_dropout, layer_norm, residual, bias : optional
        Those of `acg_numpy.AttentionConditioner`, for `attention` and `attention-own-output`, in place of the defaults
        in `acg_numpy.recommender.models.DEFAULTS`; a search leaves them as they are.
    rate : float, optional
        The learning rate of these two models.
    clip_norm : float, optional
        The largest global norm of a step's gradients; longer ones are shortened to it.
    schedule : str, default "constant"
        The schedule of the learning rate: "constant"; "cosine", down to nearly 0 at `epochs`; or "plateau", halved
        after every 10 epochs without a better one.
    split : Split, optional
        The pairs to train, validate and test on, in every run; by default each run draws its own.
    protocol, min_inside, min_elsewhere, validation
        How splits are drawn: see `acg_numpy.recommender.data.draw_split`.
    user_vectors, item_vectors : Vectors, optional
        In place of those made from the interactions; see `acg_numpy.recommender.data.vectors`.
        Without `split` they may have seen what the test asks for, and the report says so.
    check_finite : bool, default True
        Refuse NaN and infinity in the user vectors before training.
    progress : callable, optional
        Called with an `EpochReport` after each epoch of each model; where a model is resumed, first with its last one.
    state : path, optional
        A file that holds what is done, renewed every few seconds, at the end, and at Ctrl-C.
    resume : bool, default False
        Resume from `state`, if it is there.  The result is the one of an experiment that was not stopped.

    Returns
    -------
    Result
        Metrics, history, the first run's conditioner, and the conditions; `result.write(folder)` writes them all, and
        `acg_numpy.recommender.reporting.write_report(result, folder)` the report.

    Raises
    ------
    ValueError
        If an argument is out of range, the data leaves nothing to train or test on, a user vector is not finite, or
        vectors do not fit the interactions.
    CheckpointError
        If `state` is not a whole state, or one of other arguments or other interactions, which it names.
    Interrupted
        At Ctrl-C, a KeyboardInterrupt, once `state` is written.

    Notes
    -----
    Where a domain has more than 5,000 items, a batch compares those taken with a sample of 1,000 others (see
    `acg_numpy.recommender.training.in_domain`); metrics and report say so, and all rankings are over all items.

    Examples
    --------
    >>> from acg_numpy.recommender.data import make_world
    >>> result = fit(make_world(seed=0).interactions, epochs=1, baselines=False)
    >>> sorted(result.metrics["test"])
    ['attention']
    """
    asked = {
        "rate": rate,
        "dropout": dropout,
        "head_dropout": head_dropout,
        "layer_norm": layer_norm,
        "heads": heads,
        "inner_dim": inner_dim,
        "tokens_per_domain": tokens_per_domain,
        "num_global_tokens": num_global_tokens,
        "residual": residual,
        "bias": bias,
    }
    training = {"epochs": epochs, "patience": patience, "clip_norm": clip_norm, "schedule": schedule}
    for argument, number, least in (
        ("seed", seed, 0),
        ("seeds", seeds, 1),
        ("initialisations", initialisations, 1),
        ("epochs", epochs, 1),
        ("patience", patience, 1),
        ("tune", tune, 0),
        *([] if sample_pairs is None else [("sample_pairs", sample_pairs, 1)]),
        *(("k", cutoff, 1) for cutoff in k),
    ):
        if number < least:
            raise ValueError(f"{argument} must be at least {least}, but it is {number}")
    cutoffs = sorted({*k, K})
    for argument, limit in (("clip_norm", clip_norm), ("rate", rate)):
        if limit is not None:
            check_limit(argument, limit)
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be {joined(tuple(SCHEDULES), 'or')}, but it is {schedule!r}")
    if resume and state is None:
        raise ValueError("resume is True, but there is no state to resume from: name its file with state=")
    names = choose_models(models, baselines=baselines)
    arguments: dict[str, Any] = {
        "seed": seed,
        "seeds": seeds,
        "initialisations": initialisations,
        "k": list(k),
        "models": list(names),
        "tune": tune,
        "sample_pairs": sample_pairs,
        "emb_dim": emb_dim,
        **asked,
        **training,
    }
    points = settings_to_try(names, tune, asked)
    # raises for arguments out of range now, and not after other models were trained
    make_model("attention", emb_dim=emb_dim, domain_names=interactions.domains.tolist(), **points["attention"][0])
    drawing: dict[str, Any] = {
        "protocol": protocol,
        "min_inside": min_inside,
        "min_elsewhere": min_elsewhere,
        "validation": validation,
    }
    check_protocol(protocol, min_inside, min_elsewhere, validation)
    if split is not None and drawing != DRAWING:
        others = joined([f"{name}={value!r}" for name, value in drawing.items() if value != DRAWING[name]])
        raise ValueError(f"split is given, so that none is drawn and {others} would do nothing: leave one of them out")
    arguments.update(drawing)
    provided = Provided.align(interactions, emb_dim, split, user_vectors, item_vectors, drawing)
    terms = {
        **arguments,
        "settings": _hash(points),
        **provided.fingerprints,
        "interactions": _description(interactions),
        "acg_numpy": __version__,
    }

    def draw(run_seed: int) -> RunData:
        data = RunData.draw(interactions, run_seed, emb_dim, provided, max(cutoffs), sample_pairs)
        if check_finite and isinstance(data.user_vectors, np.ndarray):
            require_finite(data.user_vectors, interactions.users)
        return data

    runs: list[Run] = []
    with ResumableState(state, terms, resume=resume) as resumable:
        choices = {name: Choice(tried[0], []) for name, tried in points.items()}
        if tune:
            choices = search(points, draw, seed=seed, training=training, progress=progress, state=resumable)
        for number in range(seeds * initialisations):
            if number % initialisations == 0:
                data = draw(seed + number // initialisations)
            data = replace(data, initialisation=number % initialisations)
            outcomes, run = {}, (number + 1, seeds * initialisations)
            for name in names:
                if data.initialisation and name not in TRAINED:
                    outcomes[name] = runs[-1].outcomes[name]  # which draws nothing but the split
                    continue
                settings = choices[name].settings if name in TRAINED else None
                outcomes[name] = data.train_and_test(name, settings, training, run, progress, resumable)
            ranker, own_vectors = outcomes["attention"].ranker, None if provided.users is None else data.user_vectors
            own_history = None if ranker is None else choose_and_test(data, ranker, own_vectors)
            facts = (data.sizes(), data.pair_facts(), data.split, data.factors)
            runs.append(Run(data.seed, data.initialisation, *facts, outcomes, own_history))
    settings_of = {name: {**choice.as_dict(), "default": FOUND[name]} for name, choice in choices.items()}
    return Result.from_runs(interactions, runs, arguments, provided, cutoffs, settings_of)


def choose_models(models: Sequence[str] | None = None, *, baselines: bool = True) -> tuple[str, ...]:
    """Check the models that are asked for, and return them in the order in which they are trained.

    Examples
    --------
    >>> choose_models(["item-ridge", "film"])
    ('film', 'attention', 'item-ridge')
    >>> choose_models(baselines=False)
    ('attention',)
    """
    if models is None:
        return MODELS if baselines else ("attention",)
    if not baselines:
        raise ValueError("baselines is False and models are named: the one is short for attention alone, so leave one")
    return check_names([*([models] if isinstance(models, str) else models), "attention"], MODELS)


def settings_to_try(names: Sequence[str], tune: int, asked: Mapping[str, Any]) -> dict[str, list[Settings]]:
    """Return the points of a search for each trained model among the names: its default alone, without a search.

    Parameters
    ----------
    names : sequence of str
    tune : int
        The number of points; 0 for no search.
    asked : mapping
        Settings of attention in place of its defaults; None where the default stands.
    """
    fixed = {name: value for name, value in asked.items() if value is not None}
    return {
        name: search_points(name, max(tune, 1), fixed if name in ATTENTION else None)
        for name in names
        if name in TRAINED
    }


def _hash(points: Mapping[str, Any]) -> str:
    """Return what tells one table of settings from another."""
    return hashlib.sha256(json.dumps(points).encode()).hexdigest()[:16]


def _description(interactions: Interactions) -> str:
    """Return in words and figures which interactions these are: what was read, and what it contains."""
    matrix = interactions.matrix
    contents = fingerprint(
        interactions.users,
        interactions.items,
        interactions.domains,
        interactions.item_domain,
        interactions.same_item,
        *(matrix.indptr, matrix.indices, matrix.data),
        *([] if interactions.times is None else [interactions.times]),
    )
    return f"{interactions}, {contents} from a file {interactions.sha256[:16]}"


def require_finite(user_vectors: Array, users: npt.NDArray[np.str_]) -> None:
    """Raise ValueError, naming the first user, if `user_vectors` (U, ..., D) hold NaN or infinity."""
    finite = np.isfinite(user_vectors).all(axis=tuple(range(1, user_vectors.ndim)))
    if not finite.all():
        first = int(np.flatnonzero(~finite)[0])
        raise ValueError(
            f"the vector of user {str(users[first])!r} holds NaN or infinity (so do those of "
            f"{counted(int(np.sum(~finite)) - 1, 'other')}): look for such values in the source of the vectors "
            "(check_finite=False lets them through)"
        )
