"""What came out, and how is it kept?  Metrics, conditions, and the files of the output folder."""

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from acg_numpy import __version__
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.recommender.data import Factors, Interactions, Split
from acg_numpy.recommender.data.checkpoints import replacing
from acg_numpy.recommender.data.pairs import drawn_candidates
from acg_numpy.recommender.evaluation.significance import compared
from acg_numpy.recommender.reporting.notebook import result_html
from acg_numpy.recommender.reporting.words import markdown
from acg_numpy.recommender.serving.recommender import save_taken
from acg_numpy.recommender.serving.trained import OWN_SCALE, Trained, condition_all
from acg_numpy.recommender.training.provided import Given
from acg_numpy.recommender.training.ranker import Ranker
from acg_numpy.shapes import Array

Floats = npt.NDArray[np.float64]


class Outcome(NamedTuple):
    """One model in one run."""

    ranker: Ranker | None  # None for popularity, which has no parameters
    ndcg: Floats  # (P,), one a test pair
    recall: Floats  # (P,)
    parameters: int  # of the model, item biases apart
    seconds: float
    best_epoch: int | None
    history: dict[str, list[Any]] | None
    strength: float | None = None  # of a reference line, chosen on validation
    dependence: dict[str, Any] | None = None  # what an attention's condition depends on; plain numbers and lists


class Run(NamedTuple):
    """All models on one split."""

    seed: int
    sizes: dict[str, int]  # pairs to train, validate and test on
    split: Split
    factors: Factors
    outcomes: dict[str, Outcome]


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What `fit` returns.

    Attributes
    ----------
    arguments : dict
        What `fit` was asked for; a caller may add to it what else should stand in run.json.
    metrics : dict
        What metrics.json holds: "test" with ``NDCG@10`` and ``recall@10`` of every model, "paired" with the difference
        of attention to each other model and its standard error, and what else the report needs.
    history : dict of lists
        "epoch", "loss", "validation_epoch", "validation_ndcg" of attention in the first run; "snapshot_epoch" and
        "snapshot", the attention of a few validation users at some epochs, see
        `acg_numpy.recommender.evaluation.attention_history`.
    conditioner : AttentionConditioner
        Of the first run, in evaluation mode.
    user_vectors : array, shape (users, domains, D), float32
        Each user's vector for each target domain, from all interactions; or as given.
    split, factors : Split, Factors
        Of the first run.
    conditions : array, shape (users, domains, D), float32
        What the conditioner makes of them; zeros where a user has nothing outside the domain (or was given zeros).
    without_elsewhere : int
        How many (user, domain) places those are.
    item_bias : array, shape (items,), float32
        As trained beside the conditioner.
    own_scale : float or None
        What user vectors were divided by, if they were given.
    """

    interactions: Interactions
    arguments: dict[str, Any]
    metrics: dict[str, Any]
    history: dict[str, list[Any]]
    conditioner: AttentionConditioner
    split: Split
    factors: Factors
    user_vectors: Array
    conditions: Array
    without_elsewhere: int
    item_bias: Array
    own_scale: float | None = None

    @classmethod
    def of(
        cls, interactions: Interactions, runs: Sequence[Run], arguments: Mapping[str, Any], given: Given
    ) -> "Result":
        """Sum up runs, and make the conditions with the first one's conditioner, from all interactions."""
        first = runs[0]
        attention = first.outcomes["attention"]
        assert attention.ranker is not None
        assert isinstance(attention.ranker.model, AttentionConditioner)
        assert attention.history is not None
        if given.users is None:
            user_vectors = first.factors.user_vectors(interactions.matrix)
            reachable = interactions.counts_elsewhere > 0
        else:
            user_vectors = given.users.vectors
            reachable = np.any(user_vectors, axis=-1)
        conditions = condition_all(attention.ranker.model, user_vectors, reachable)
        without = int(np.sum(~reachable))
        metrics = {
            **summarise(runs),
            "runs": [{"seed": run.seed, "pairs": run.sizes} for run in runs],
            "users": len(interactions.users),
            "items": len(interactions.items),
            "domains": interactions.domains.tolist(),
            "without_elsewhere": without,
            "drawn_candidates": _drawn(interactions),
            "given": given.terms,
        }
        return cls(
            interactions,
            dict(arguments),
            metrics,
            attention.history,
            attention.ranker.model,
            first.split,
            first.factors,
            user_vectors,
            conditions,
            without,
            attention.ranker.item_bias.data,
            None if given.users is None else given.users.scale,
        )

    @property
    def trained(self) -> Trained:
        """What is needed to condition and rank for users met later; checkpoint.npz holds it."""
        data = self.interactions
        about = {"seed": self.arguments["seed"], "data": data.sha256}
        if self.own_scale is not None:
            about[OWN_SCALE] = self.own_scale
        return Trained(
            self.conditioner, self.factors, self.item_bias, data.items, data.item_domain, data.domains, about
        )

    def __repr__(self) -> str:
        row = self.metrics["test"]["attention"]
        measured = ", ".join(f"{measure} {row[measure]['mean']:.4f}" for measure in ("ndcg@10", "recall@10"))
        return f"<Result: attention {measured}, {len(row['ndcg@10']['values'])} runs>"

    def _repr_markdown_(self) -> str:
        return markdown(self.metrics)

    def _repr_html_(self) -> str:
        return result_html(self.metrics)

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write everything but the pictures to a folder, each file whole or not at all.

        Parameters
        ----------
        folder : path
            Made if it is not there; files of an earlier run are replaced.

        Notes
        -----
        metrics.json, metrics.md, split.tsv, checkpoint.npz, conditions.npy, users.txt, domains.txt, items.txt,
        item_domains.txt, item_vectors.npy, item_bias.npy, interactions.npz, run.json.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        data = self.interactions
        domain_of_item = data.domains[data.item_domain]
        for name, ids in (
            ("users", data.users),
            ("domains", data.domains),
            ("items", data.items),
            ("item_domains", domain_of_item),
        ):
            _write_text(folder / f"{name}.txt", "".join(f"{one}\n" for one in ids.tolist()))
        for name, array in (
            ("conditions", self.conditions),
            ("item_vectors", self.factors.item_vectors),
            ("item_bias", self.item_bias),
        ):
            with replacing(folder / f"{name}.npy") as temporary, open(temporary, "wb") as file:
                np.save(file, array, allow_pickle=False)
        with replacing(folder / "split.tsv") as temporary:
            self.split.write(temporary, data)
        save_taken(folder / "interactions.npz", data, None if self.own_scale is None else self.user_vectors)
        self.trained.save(folder / "checkpoint.npz")
        _write_text(folder / "run.json", _json(self._provenance()))
        _write_text(folder / "metrics.md", markdown(self.metrics))
        _write_text(folder / "metrics.json", _json(self.metrics))

    def _provenance(self) -> dict[str, Any]:
        """Say what this came from: versions, seed, arguments, and the data's hash."""
        packages = {"acg_numpy": __version__, "numpy": np.__version__, "scipy": scipy.__version__}
        return {
            "versions": {"python": platform.python_version(), **packages},
            "platform": f"{sys.platform} {platform.machine()}",
            "seed": self.arguments["seed"],
            "arguments": self.arguments,
            "data": {"sha256": self.interactions.sha256, "notes": list(self.interactions.notes)},
        }


def summarise(runs: Sequence[Run]) -> dict[str, Any]:
    """Condense runs into the "test", "paired" and "dependence" parts of metrics.json."""
    test = {}
    for name in runs[0].outcomes:
        outcomes = [run.outcomes[name] for run in runs]
        test[name] = {
            "ndcg@10": _spread([float(np.mean(o.ndcg)) for o in outcomes]),
            "recall@10": _spread([float(np.mean(o.recall)) for o in outcomes]),
            "parameters": outcomes[0].parameters,
            "seconds": float(np.mean([o.seconds for o in outcomes])),
            "best_epoch": [o.best_epoch for o in outcomes],
        }
        if outcomes[0].strength is not None:
            test[name]["strength"] = [o.strength for o in outcomes]
    others = [name for name in test if name != "attention"]
    return {
        "test": test,
        "paired": {name: paired_difference(runs, name) for name in others},
        "dependence": dependences(runs),
    }


def paired_difference(runs: Sequence[Run], name: str) -> dict[str, float]:
    """Compare attention with another model on the same test pairs: its NDCG@10 minus the other's; see `compared`."""
    return compared(
        [run.outcomes["attention"].ndcg - run.outcomes[name].ndcg for run in runs],
        [run.split.test[:, 0] for run in runs],
    )


def dependences(runs: Sequence[Run]) -> dict[str, Any]:
    """Condense over runs what each attention depends on; "tokens" are those of the first run.

    Notes
    -----
    Runs draw their pairs from the same users, so the standard error of the mean over runs is taken to be no smaller
    than that of one: the mean of theirs.
    """
    found = {}
    for name, outcome in runs[0].outcomes.items():
        each = [d for run in runs if (d := run.outcomes[name].dependence) is not None]
        if outcome.dependence is None or not each:
            continue
        found[name] = {
            "pairs": [d["pairs"] for d in each],
            "ndcg@10": {change: _spread([d["ndcg@10"][change] for d in each]) for change in each[0]["ndcg@10"]},
            "paired": {
                change: {key: float(np.mean([d["paired"][change][key] for d in each])) for key in ("difference", "se")}
                for change in each[0]["paired"]
            },
            "largest change": max(d["largest change"] for d in each),
            "tokens": outcome.dependence["tokens"],
        }
    return found


def _drawn(interactions: Interactions) -> dict[str, dict[str, int]]:
    """Say of which domains training looked at a sample: how many items they have, how many were drawn for a batch."""
    sizes = np.bincount(interactions.item_domain, minlength=len(interactions.domains))
    drawn = drawn_candidates(sizes)
    return {str(interactions.domains[d]): {"items": int(sizes[d]), "drawn": n} for d, n in drawn.items()}


def _spread(values: list[float]) -> dict[str, Any]:
    return {"mean": float(np.mean(values)), "std": float(np.std(values)), "values": values}


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
