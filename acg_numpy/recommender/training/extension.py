"""A trained run brought up to date: new domains are trained, new items are folded in, and all else stays as it is.

A new domain gets tokens of its own (and an output of its own, where the run's domains have one), which are trained with
the loss of training on the users who took something there; the projections, the shared tokens, the layer norm and the
other domains keep their values.  The biases of its items are trained with it.  A fifth of the pairs of a user and a new
domain is hidden from all of that and tests it, and an eighth of the others says when training ends, as in a first
training.  New items of domains that are known are folded in (see `acg_numpy.recommender.training.new_columns`).
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.autograd import Tensor
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.module import Module
from acg_numpy.recommender.data import DataError, Factors, Interactions, Vectors
from acg_numpy.recommender.data.pairs import Catalogue, Ids, Pairs
from acg_numpy.recommender.data.splits import MIN_ELSEWHERE, MIN_INSIDE, TEST, VALIDATION, Split
from acg_numpy.recommender.data.vectors import OWN_ITEM_SCALE
from acg_numpy.recommender.evaluation.protocol import K, evaluate
from acg_numpy.recommender.models.hyperparameters import DEFAULTS
from acg_numpy.recommender.serving.own_history import OwnHistory, item_weights
from acg_numpy.recommender.serving.recommender import Recommender
from acg_numpy.recommender.serving.run_folder import write_run_folder, write_text
from acg_numpy.recommender.serving.trained import Trained, make_conditioner
from acg_numpy.recommender.training.loop import PATIENCE, Report, child_seed, make_score, train
from acg_numpy.recommender.training.new_columns import Columns, extend_factors
from acg_numpy.recommender.training.ranker import Ranker
from acg_numpy.shapes import Array
from acg_numpy.text import first_few

TOKENS = "domain_embedding.tokens"
OF_A_DOMAIN = (TOKENS, "domain_output.weight", "domain_output.bias")  # the others are shared
EXTENDED = "extended"  # in what a checkpoint says of itself


class Extension(NamedTuple):
    """A run with what was added.

    Attributes
    ----------
    recommender : Recommender
        With today's users and what they took.
    interactions : Interactions
        The same, with the items of the run first.
    summary : dict
        "domains": for each new one its "items", the numbers of pairs of "train", "validation" and "test",
        ``"ndcg@10"`` on the test pairs and that of "popularity", and the "epochs" of training; "items": how many were
        folded into each domain that was known; "parameters": how many numbers were trained, item biases apart.
    notes : tuple of str
        What was left out.
    """

    recommender: Recommender
    interactions: Interactions
    summary: dict[str, Any]
    notes: tuple[str, ...]


def extend(
    trained: Trained,
    interactions: Interactions,
    *,
    domains: Sequence[str] | None = None,
    item_vectors: Vectors | None = None,
    without_interactions: Sequence[tuple[str, str]] = (),
    min_inside: int = MIN_INSIDE,
    min_elsewhere: int = MIN_ELSEWHERE,
    epochs: int = 200,
    patience: int = PATIENCE,
    rate: float | None = None,
    seed: int = 0,
    report: Report | None = None,
) -> Extension:
    """Add today's new domains and items to a trained run, with all else frozen.

    Parameters
    ----------
    trained : Trained
    interactions : Interactions
        All that users took until today, in domains that are known and in new ones.
    domains : sequence of str, optional
        Which new domains to add; by default all.
    item_vectors : Vectors, optional
        Of new items, where the run was trained with item vectors that were brought along.
    without_interactions : sequence of (str, str), optional
        Items that no user took yet, each with a domain; an item of several domains is there once for each.  They need
        `item_vectors`.
    min_inside, min_elsewhere : int, default 3 and 10
        The fewest items of a pair that is held out for validation and test.
    epochs, patience : int, default 200 and 12
    rate : float, optional
        The learning rate; by default that of attention.
    seed : int, default 0
    report : callable, optional
        Called with epoch, loss, validation ``NDCG@10`` or None, and seconds, after each epoch.

    Returns
    -------
    Extension

    Raises
    ------
    DataError
        If there is nothing new, a domain is asked for that is not in the interactions, too few users took something
        in a new domain, or an item needs a vector that is not there.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from acg_numpy.recommender.data import make_world
    >>> from acg_numpy.recommender.training import fit
    >>> taken = make_world(seed=0).interactions
    >>> old = taken.item_domain < 4  # the last domain is not there yet
    >>> before = replace(
    ...     taken,
    ...     items=taken.items[old],
    ...     domains=taken.domains[:4],
    ...     matrix=taken.matrix[:, old],
    ...     item_domain=taken.item_domain[old],
    ...     same_item=taken.same_item[old],
    ... )
    >>> trained = fit(before, epochs=1, baselines=False).trained
    >>> extended = extend(trained, taken, epochs=1)
    >>> list(extended.summary["domains"]) == [taken.domains[4]]
    True
    >>> extended.recommender.trained.conditioner.domain_embedding.num_domains
    5
    """
    trained.require_factors("such a run cannot be extended; train again")
    announced = list(dict.fromkeys(without_interactions))
    if announced and OWN_ITEM_SCALE not in trained.about:
        raise DataError(
            f"no user took {first_few(dict(announced))} yet, and the vectors of this run were made from who took "
            "an item: items without an interaction need --item-vectors, here and in the training of the run (acg train)"
        )
    columns, names, matrix, notes = _align(trained, interactions, domains, announced)
    if len(columns.items) == columns.known:
        raise DataError("nothing is new: the run knows every item of the interactions, in the domains that count")
    today = Interactions(
        interactions.users,
        columns.items,
        np.array(names),
        matrix,
        columns.item_domain,
        np.unique(columns.items, return_inverse=True)[1].astype(np.int64),
        notes=interactions.notes,
        sha256=interactions.sha256,
        titles=_titles(trained, interactions, columns),
    )
    added = np.arange(len(trained.domains), len(names))
    split = _hold_out(today, added, min_inside, min_elsewhere, seed)
    factors, bias = extend_factors(
        trained, columns, split.visible(today), item_vectors, seed=child_seed(seed, "extension/factors")
    )
    conditioner, summary = trained.conditioner, dict[str, Any]()
    if len(added):
        options: dict[str, Any] = {"epochs": epochs, "patience": patience, "seed": seed, "report": report}
        options["rate"] = DEFAULTS["attention"]["rate"] if rate is None else rate
        conditioner, bias, summary = _train_domains(trained, today, split, factors, bias, options)
    folded = np.bincount(columns.item_domain[columns.known :], minlength=len(names))[: len(trained.domains)]
    record = {"domains": [names[d] for d in added], "items": int(folded.sum()), "data": interactions.sha256}
    about = {**trained.about, "data": interactions.sha256, EXTENDED: [*trained.about.get(EXTENDED, []), record]}
    own = trained.own_history
    if own is not None:
        own = replace(own, weights=_extend_weights(own, matrix, columns))
    extended = Trained(
        conditioner, factors, bias, columns.items, columns.item_domain, today.domains, about, today.titles, own
    )
    return Extension(
        Recommender(extended, interactions.users, matrix),
        today,
        {
            "domains": summary,
            "items": {names[d]: n for d, n in enumerate(folded.tolist()) if n},
            "parameters": conditioner.num_parameters() - trained.conditioner.num_parameters(),
        },
        tuple(notes),
    )


def _extend_weights(own: OwnHistory, matrix: sp.csr_array, columns: Columns) -> sp.csr_array:
    """Keep the weights between items of the run, and fit those from and to new ones."""
    same_item = np.unique(columns.items, return_inverse=True)[1]
    old, fitted = own.weights.tocoo(), item_weights(matrix, columns.item_domain, same_item, own.strength).tocoo()
    new = (fitted.row >= columns.known) | (fitted.col >= columns.known)
    data, row, col = (
        np.concatenate([getattr(old, name), getattr(fitted, name)[new]]) for name in ("data", "row", "col")
    )
    weights = sp.csr_array((data, (row, col)), shape=(len(columns.items),) * 2)
    weights.sort_indices()
    return weights


def count_missing(before: Recommender, extension: Extension) -> int:
    """Count the interactions of a run that are not in the extended one, which knows its users without them."""
    today = extension.recommender
    place = {name: n for n, name in enumerate(today.users.tolist())}
    row = np.array([place.get(name, -1) for name in before.users.tolist()], np.int64)
    there = row >= 0
    kept = sp.csr_array(today.taken[row[there]][:, : before.taken.shape[1]]).multiply(before.taken[there])
    return int(before.taken.nnz - kept.nnz)


def write_extension(extension: Extension, folder: str | os.PathLike[str]) -> None:
    """Write an extended run to a folder, from which it is served as any other.

    Parameters
    ----------
    extension : Extension
    folder : path
        Made if it is not there.  It gets the files of `acg_numpy.recommender.serving.run_folder`, with conditions made
        from all of today's interactions, and extension.json with the summary.
    """
    trained, today = extension.recommender.trained, extension.interactions
    write_run_folder(folder, trained, today)
    content = {**extension.summary, "notes": list(extension.notes), "reading": list(today.notes)}
    write_text(Path(folder) / "extension.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _train_domains(
    trained: Trained, today: Interactions, split: Split, factors: Factors, bias: Array, options: Mapping[str, Any]
) -> tuple[AttentionConditioner, Array, dict[str, Any]]:
    """Train the new domains, and test them: the conditioner, the biases of all items, and a summary of each domain."""
    names, first, visible = today.domains.tolist(), len(trained.domains), split.visible(today)
    catalogue = Catalogue.from_interactions(today, factors.item_vectors)
    fresh = _new_domains(trained.conditioner, names[first:], options["seed"])
    ranker = Ranker(_NewDomains(fresh, first), catalogue, bias)
    vectors = factors.user_vectors(visible)
    training, validation, test = (
        Pairs.from_matrix(part, of, today.item_domain, catalogue)
        for part, of in ((split.train, visible), (split.validation, today.matrix), (split.test, today.matrix))
    )
    outcome = train(ranker, training, validation, vectors, **options)
    ndcg = evaluate(make_score(ranker, vectors), test)[0]
    share = [factors.popularity[of_domain] for of_domain in catalogue.items]
    popular = evaluate(lambda users, d: np.tile(share[d], (len(users), 1)), test)[0]
    summary = {}
    for d in range(first, len(names)):
        here = test.domains == d
        summary[names[d]] = {
            "items": len(catalogue.items[d]),
            "train": int(np.sum(training.domains == d)),
            "validation": int(np.sum(validation.domains == d)),
            "test": int(np.sum(here)),
            f"ndcg@{K}": float(ndcg[here].mean()) if here.any() else None,
            "popularity": float(popular[here].mean()) if here.any() else None,
            "epochs": outcome.best_epoch,
        }
    trained_bias = np.where(today.item_domain >= first, ranker.item_bias.data, bias)
    return _joined(trained.conditioner, fresh, names), trained_bias, summary


class _NewDomains(Module):
    """New domains alone, called with their ids after those of the run."""

    def __init__(self, conditioner: AttentionConditioner, first: int) -> None:
        super().__init__()
        self.conditioner, self.first = conditioner, first

    def __call__(self, user_emb: Array, domain_id: Ids) -> Tensor:
        condition: Tensor = self.conditioner(user_emb, domain_id - self.first)
        return condition


def _align(
    trained: Trained, interactions: Interactions, asked: Sequence[str] | None, without: Sequence[tuple[str, str]]
) -> tuple[Columns, list[str], sp.csr_array, list[str]]:
    """Find the column of each item in each domain, new ones after those of the run; and the interactions in them."""
    notes = []
    known = trained.domains.tolist()
    named = dict.fromkeys([*interactions.domains.tolist(), *(domain for _, domain in without)])
    offered = [name for name in named if name not in known]
    for name in asked or ():
        if name not in offered:
            what = "the run knows it already" if name in known else f"those are {first_few(offered)}" if offered else ""
            raise DataError(f"{name!r} is not a new domain of the interactions" + (f"; {what}" if what else ""))
    chosen = offered if asked is None else [name for name in offered if name in asked]
    if left_out := [name for name in offered if name not in chosen]:
        notes.append(f"new domains that were not asked for, left out: {first_few(left_out)}")
    names = [*known, *chosen]
    number = {name: n for n, name in enumerate(names)}
    of_run = zip(trained.items.tolist(), trained.item_domain.tolist(), strict=True)
    column = {key: n for n, key in enumerate(of_run)}
    today = [
        (item, number.get(str(interactions.domains[d]), -1))
        for item, d in zip(interactions.items.tolist(), interactions.item_domain.tolist(), strict=True)
    ]
    later = [(item, number.get(domain, -1)) for item, domain in without]
    for key in today:
        if key[1] >= 0:
            column.setdefault(key, len(column))
    if there := sum(key in column for key in later):
        notes.append(f"items announced that are in the run or in the interactions already: {there:,} of {len(later):,}")
    if elsewhere := sum(domain < 0 for _, domain in later):
        notes.append(f"items announced in a domain that was not asked for, left out: {elsewhere:,} of {len(later):,}")
    for key in later:
        if key[1] >= 0:
            column.setdefault(key, len(column))
    to = np.array([column.get(key, -1) for key in today], np.int64)
    X = interactions.matrix.tocoo()
    kept = to[X.col] >= 0
    entries = (np.ones(int(kept.sum()), np.float32), (X.row[kept], to[X.col[kept]]))
    matrix = sp.csr_array(entries, shape=(X.shape[0], len(column)))
    matrix.sort_indices()
    if gone := len(trained.items) - len(set(to[(to >= 0) & (to < len(trained.items))].tolist())):
        notes.append(f"items of the run that no user took in these interactions: {gone:,} of {len(trained.items):,}")
    items, item_domain = (list(part) for part in zip(*column, strict=True))
    columns = Columns(np.array(items), np.array(item_domain, np.int64), len(trained.items))
    return columns, names, matrix, notes


def _titles(trained: Trained, interactions: Interactions, columns: Columns) -> npt.NDArray[np.str_] | None:
    """Return the titles of all columns; None where none is known."""
    if trained.titles is None and interactions.titles is None:
        return None
    title: dict[str, str] = {}
    for items, titles in ((interactions.items, interactions.titles), (trained.items, trained.titles)):
        if titles is not None:
            title |= {item: text for item, text in zip(items.tolist(), titles.tolist(), strict=True) if text}
    return np.array([title.get(item, "") for item in columns.items.tolist()])


def _hold_out(today: Interactions, added: Ids, min_inside: int, min_elsewhere: int, seed: int) -> Split:
    """Split the pairs of users and new domains; nothing is held out where there are none."""
    nothing = np.zeros((0, 2), np.int64)
    if not len(added):
        return Split(nothing, nothing, nothing)
    is_added = np.isin(np.arange(len(today.domains)), added)
    enough = (today.counts >= min_inside) & (today.counts_elsewhere >= min_elsewhere) & is_added
    pairs = np.random.default_rng(child_seed(seed, "extension/split")).permutation(np.argwhere(enough))
    tested = round(len(pairs) * TEST)
    validated = tested + round((len(pairs) - tested) * VALIDATION)
    if not 0 < tested < validated < len(pairs):
        raise DataError(
            f"{len(pairs):,} pairs of a user and a new domain have at least {min_inside} items inside and "
            f"{min_elsewhere} elsewhere, too few to train, validate and test on: more interactions are needed, or "
            "lower thresholds (min_inside, min_elsewhere)"
        )
    rest = (today.counts > 0) & (today.counts_elsewhere > 0) & is_added
    rest[tuple(pairs[:validated].T)] = False
    return Split(np.argwhere(rest), pairs[tested:validated], pairs[:tested])


def _new_domains(conditioner: AttentionConditioner, names: list[str], seed: int) -> AttentionConditioner:
    """Return a conditioner of new domains alone, whose shared parameters are those of the run, and frozen."""
    options = {**conditioner.options(), "num_domains": len(names), "domain_names": names}
    fresh = AttentionConditioner(**{**options, "seed": child_seed(seed, "extension/init")})
    run, state = conditioner.state_dict(), fresh.state_dict()
    for name in state:
        if name not in OF_A_DOMAIN:
            state[name] = run[name]
        elif name != TOKENS:  # outputs begin at the mean of those of the run
            state[name] = np.repeat(run[name].mean(axis=0, keepdims=True), len(names), axis=0)
    fresh.load_state_dict(state)
    for name, parameter in fresh.named_parameters():
        parameter.requires_grad = name in OF_A_DOMAIN
    return fresh


def _joined(run: AttentionConditioner, fresh: AttentionConditioner, names: list[str]) -> AttentionConditioner:
    """Return a conditioner with the domains of the run, and new ones after them."""
    old, new = run.state_dict(), fresh.state_dict()
    state = {name: np.concatenate([old[name], new[name]]) if name in OF_A_DOMAIN else old[name] for name in old}
    return make_conditioner({**run.options(), "num_domains": len(names), "domain_names": names}, state)
