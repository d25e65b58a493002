"""The result of an experiment: metrics, conditions, and the data files of the output folder."""

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy

from acg_numpy import __version__
from acg_numpy.autograd import no_grad
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.recommender.data import Factors, Interactions, Split
from acg_numpy.recommender.data.checkpoints import replacing
from acg_numpy.recommender.data.factors import UserVectors
from acg_numpy.recommender.data.pairs import drawn_candidates
from acg_numpy.recommender.data.vectors import OWN_ITEM_SCALE
from acg_numpy.recommender.evaluation.breakdown import (
    PairFacts,
    by_domain,
    by_history,
    paired_differences,
    spread,
    summarise_metrics,
)
from acg_numpy.recommender.evaluation.halfway import is_by_time
from acg_numpy.recommender.evaluation.metrics import Rankings
from acg_numpy.recommender.evaluation.pair_table import PairRuns, RunRows, write_pair_metrics, write_pair_table
from acg_numpy.recommender.evaluation.protocol import K
from acg_numpy.recommender.models.ptupcdr import History
from acg_numpy.recommender.serving.fold_in import BlockCallback
from acg_numpy.recommender.serving.own_history import OwnHistory
from acg_numpy.recommender.serving.run_folder import write_array, write_run_folder, write_text
from acg_numpy.recommender.serving.trained import OWN_SCALE, READING, Trained
from acg_numpy.recommender.training.blending import OwnHistoryTest, fit_own_history, summarise_own_history
from acg_numpy.recommender.training.history_vectors import user_vectors
from acg_numpy.recommender.training.provided import Provided
from acg_numpy.recommender.training.ranker import Ranker
from acg_numpy.recommender.training.result_frame import metrics_frame
from acg_numpy.shapes import Array
from acg_numpy.text import counted


class Outcome(NamedTuple):
    """The outcome of one model in one run."""

    ranker: Ranker | None  # None for popularity, which has no parameters
    rankings: Rankings  # of the test pairs
    parameters: int  # of the model, item biases apart
    seconds: float
    best_epoch: int | None
    history: dict[str, list[Any]] | None
    strength: float | None = None  # of a reference line, chosen on validation
    # what an attention's condition depends on; numbers and lists
    dependence: dict[str, Any] | None = None
    parameters_per_domain: int | None = None  # what one more domain would add; None where that depends on its items
    rising: bool = False  # whether the most epochs ended the training, before the patience did


class Run(NamedTuple):
    """The outcomes of all models on one split."""

    seed: int
    initialisation: int  # counted from 0
    sizes: dict[str, int]  # pairs to train, validate and test on
    facts: PairFacts
    split: Split
    factors: Factors
    outcomes: dict[str, Outcome]
    own_history: OwnHistoryTest | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """The result of an experiment, as `fit` returns it.

    Attributes
    ----------
    arguments : dict
        The arguments of `fit`; a caller may add what else should stand in run.json.
    metrics : dict
        The content of metrics.json: "test" with every metric of every model, "paired" with the difference of attention
        to each other model in ``NDCG@10`` and its standard error, "by_domain" and "by_history" with both for groups of
        pairs (see `acg_numpy.recommender.evaluation.breakdown`), "settings" with the hyperparameters of each model and
        what a search tried, "rising" with the models that the most epochs ended, and what else the report needs.
    history : dict of lists
        "epoch", "loss", "validation_epoch", "validation_ndcg" of attention in the first run; "snapshot_epoch" and
        "snapshot", the attention of a few validation users at some epochs, see
        `acg_numpy.recommender.evaluation.attention_history`.
    conditioner : AttentionConditioner
        The one of the first run, in evaluation mode.
    user_vectors : UserVectors
        Each user's vector for each target domain, from all interactions, or as provided: an array (users, domains, D)
        of float32, or, of millions of users, what makes its rows when it is indexed.
    split, factors : Split, Factors
        Those of the first run.
    without_elsewhere : int
        The number of places of a user and a domain where the user has nothing outside the domain (or a vector of zeros
        was provided).
    item_bias : array, shape (items,), float32
        The biases that were trained with the conditioner.
    own_scale : float or None
        The number that user vectors were divided by, if they were provided.
    test_pairs : sequence of RunRows
        The rankings of every model on every test pair, a table for each run: what test_pairs.tsv and
        test_pairs.parquet are written from.
    test_conditions : array, shape (pairs, D), float32, optional
        The conditions that the first run was tested with, of its test pairs in their order: made without what the test
        asks for, where `conditions` are made from everything.
    own_history : OwnHistory, optional
        What the items of a user with some in the domain add to the scores, where that helped on validation.
    own_item_scale : float or None
        The number that item vectors were divided by, if they were provided.
    """

    interactions: Interactions
    arguments: dict[str, Any]
    metrics: dict[str, Any]
    history: dict[str, list[Any]]
    conditioner: AttentionConditioner
    split: Split
    factors: Factors
    user_vectors: UserVectors
    without_elsewhere: int
    item_bias: Array
    own_scale: float | None = None
    test_pairs: Sequence[RunRows] = ()
    test_conditions: Array | None = None
    own_history: OwnHistory | None = None
    own_item_scale: float | None = None

    @classmethod
    def from_runs(
        cls,
        interactions: Interactions,
        runs: Sequence[Run],
        arguments: Mapping[str, Any],
        provided: Provided,
        cutoffs: Sequence[int],
        settings: Mapping[str, Any],
    ) -> "Result":
        """Condense runs, and make the conditions with the first one's conditioner, from all interactions."""
        first = runs[0]
        attention = first.outcomes["attention"]
        assert attention.ranker is not None
        assert isinstance(attention.ranker.model, AttentionConditioner)
        assert attention.history is not None
        if provided.users is None:
            history = History(interactions.matrix, interactions.elsewhere)
            vectors = user_vectors(first.factors, history)
            without = int(np.sum(interactions.counts_elsewhere == 0))
            known = first.split.histories(interactions, first.split.test)
            test_vectors = first.factors.pair_vectors(known, first.split.test[:, 1])
        else:
            vectors = provided.users.vectors
            without = int(np.sum(~np.any(vectors, axis=-1)))
            test_vectors = vectors[tuple(first.split.test.T)]
        with no_grad():
            test_conditions = attention.ranker.model(test_vectors, first.split.test[:, 1]).numpy()
        own_history = fit_own_history(interactions, first.own_history)
        metrics = {
            **summarise(runs, interactions.domains.tolist(), cutoffs),
            "own_history": summarise_own_history(
                [run.own_history for run in runs], own_history, by_time=is_by_time(interactions)
            ),
            "settings": dict(settings),
            "runs": [{"seed": run.seed, "initialisation": run.initialisation + 1, "pairs": run.sizes} for run in runs],
            "users": len(interactions.users),
            "items": len(interactions.items),
            "domains": interactions.domains.tolist(),
            "without_elsewhere": without,
            "drawn_candidates": _sampled_domains(interactions),
            "sampled_pairs": _sampled_pairs(first),
            "given": provided.fingerprints,
            "times": interactions.times is not None,
            "protocol": dict(provided.protocol) if provided.split is None else {"protocol": "given"},
        }
        return cls(
            interactions,
            dict(arguments),
            metrics,
            attention.history,
            attention.ranker.model,
            first.split,
            first.factors,
            vectors,
            without,
            attention.ranker.item_bias.data,
            None if provided.users is None else provided.users.scale,
            [
                RunRows(run.seed, run.initialisation, run.facts, {name: o.rankings for name, o in run.outcomes.items()})
                for run in runs
            ],
            test_conditions,
            own_history,
            None if provided.items is None else provided.items.scale,
        )

    @cached_property
    def conditions(self) -> Array:
        """The conditioner's output for all users' vectors, (users, domains, D), float32.

        Zeros where a user has nothing outside the domain (or a vector of zeros was provided).  It is made when it is
        first asked for; `write` does not hold it.
        """
        if self.own_scale is None:
            return self.trained.conditions(self.interactions.matrix)
        vectors = np.asarray(self.user_vectors)
        return self.trained.condition(vectors, np.asarray(vectors.any(axis=-1)))

    @property
    def trained(self) -> Trained:
        """The trained conditioner with everything needed to serve other users: the content of checkpoint.npz."""
        data = self.interactions
        about = {"seed": self.arguments["seed"], "data": data.sha256}
        if self.own_scale is not None:
            about[OWN_SCALE] = self.own_scale
        if self.own_item_scale is not None:
            about[OWN_ITEM_SCALE] = self.own_item_scale
        if data.reading:
            about[READING] = dict(data.reading)
        return Trained(
            self.conditioner,
            self.factors,
            self.item_bias,
            data.items,
            data.item_domain,
            data.domains,
            about,
            data.titles,
            self.own_history,
        )

    def __repr__(self) -> str:
        row = self.metrics["test"]["attention"]
        measured = ", ".join(f"{measure} {row[measure]['mean']:.4f}" for measure in ("ndcg@10", "recall@10"))
        return f"<Result: attention {measured}, {counted(len(row['ndcg@10']['values']), 'run')}>"

    # A notebook shows the words of the report.  Reports are made from results, so they are imported here and not above.

    def _repr_markdown_(self) -> str:
        from acg_numpy.recommender.reporting.notebook import result_markdown

        return result_markdown(self.metrics)

    def _repr_html_(self) -> str:
        from acg_numpy.recommender.reporting.notebook import result_html

        return result_html(self.metrics)

    def to_frame(self, library: str = "pandas") -> Any:
        """Return the metrics on the test pairs as a table, a row for each model and run.

        Parameters
        ----------
        library : {"pandas", "polars", "arrow"}
            Of the table; it has to be installed.

        Returns
        -------
        pandas.DataFrame, polars.DataFrame or pyarrow.Table
            Columns are "model", "seed", "initialisation" (counted from 1), every metric at every cut-off,
            "parameters", "parameters_per_domain", "best_epoch" and "strength", empty where a model has none.

        Raises
        ------
        ValueError
            If there is no such library here.
        ModuleNotFoundError
            If it is not installed.

        Examples
        --------
        >>> from acg_numpy.recommender.data import make_world
        >>> from acg_numpy.recommender.training import fit
        >>> result = fit(make_world(seed=0).interactions, epochs=1, models=["popularity"])
        >>> result.to_frame().groupby("model")["ndcg@10"].mean()  # doctest: +SKIP
        """
        return metrics_frame(self.metrics, library)

    def write(self, folder: str | os.PathLike[str], *, progress: BlockCallback | None = None) -> None:
        """Write the data files to a folder, each file whole or not at all.

        Parameters
        ----------
        folder : path
            Made if it is not there; files of an earlier run are replaced.
        progress : callable, optional
            Called with a number of users whenever their conditions are written.

        Notes
        -----
        metrics.json, test_pairs.tsv, test_pairs.parquet, split.tsv, checkpoint.npz, conditions.npy (made from all
        interactions), test_conditions.npy (of the first run's test pairs, as they were measured), users.txt,
        domains.txt, items.txt, item_domains.txt, item_vectors.npy, item_bias.npy, interactions.npz, run.json.  The
        report is written by `acg_numpy.recommender.reporting.write_report`.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        data = self.interactions
        own_vectors = None if self.own_scale is None else np.asarray(self.user_vectors)
        write_run_folder(folder, self.trained, data, own_vectors, progress)
        if self.test_conditions is not None:
            write_array(folder / "test_conditions.npy", self.test_conditions)
        with replacing(folder / "split.tsv") as temporary:
            self.split.write(temporary, data)
        pairs = PairRuns(self.test_pairs, data.users, data.domains)
        with replacing(folder / "test_pairs.tsv") as temporary:
            write_pair_table(temporary, pairs)
        with replacing(folder / "test_pairs.parquet") as temporary:
            cutoffs = sorted({*self.arguments["k"], K})
            write_pair_metrics(temporary, pairs, cutoffs)
        write_text(folder / "run.json", _json(self._provenance()))
        write_text(folder / "metrics.json", _json(self.metrics))

    def _provenance(self) -> dict[str, Any]:
        """Return the provenance of the result: versions, seed, arguments, and the data's hash."""
        packages = {"acg_numpy": __version__, "numpy": np.__version__, "scipy": scipy.__version__}
        return {
            "versions": {"python": platform.python_version(), **packages},
            "platform": f"{sys.platform} {platform.machine()}",
            "seed": self.arguments["seed"],
            "arguments": self.arguments,
            "data": {"sha256": self.interactions.sha256, "notes": list(self.interactions.notes)},
        }


def summarise(runs: Sequence[Run], domains: Sequence[str], cutoffs: Sequence[int]) -> dict[str, Any]:
    """Condense runs into the parts of metrics.json that have a row for each model."""
    rankings = [{name: outcome.rankings for name, outcome in run.outcomes.items()} for run in runs]
    facts = [run.facts for run in runs]
    test: dict[str, dict[str, Any]] = summarise_metrics(facts, rankings, cutoffs)
    for name, row in test.items():
        outcomes = [run.outcomes[name] for run in runs]
        row["parameters"] = outcomes[0].parameters
        row["parameters_per_domain"] = outcomes[0].parameters_per_domain
        row["seconds"] = float(np.mean([o.seconds for o in outcomes]))
        row["best_epoch"] = [o.best_epoch for o in outcomes]
        if outcomes[0].strength is not None:
            row["strength"] = [o.strength for o in outcomes]
    return {
        "test": test,
        "paired": paired_differences(facts, rankings),
        "by_domain": by_domain(facts, rankings, domains, cutoffs),
        "by_history": by_history(facts, rankings, cutoffs),
        "dependence": summarise_dependence(runs),
        "rising": {name: seeds for name in test if (seeds := [r.seed for r in runs if r.outcomes[name].rising])},
    }


def summarise_dependence(runs: Sequence[Run]) -> dict[str, Any]:
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
            "ndcg@10": {change: spread([d["ndcg@10"][change] for d in each]) for change in each[0]["ndcg@10"]},
            "paired": {
                change: {key: float(np.mean([d["paired"][change][key] for d in each])) for key in ("difference", "se")}
                for change in each[0]["paired"]
            },
            "largest change": max(d["largest change"] for d in each),
            "tokens": outcome.dependence["tokens"],
        }
    return found


def _sampled_pairs(run: Run) -> dict[str, int]:
    """Return on how many pairs the models were trained, and of how many, where they are not the same."""
    trained_on, available = run.sizes["train"], len(run.split.train)
    return {} if trained_on == available else {"sampled": trained_on, "of": available}


def _sampled_domains(interactions: Interactions) -> dict[str, dict[str, int]]:
    """Return the domains where training compared a sample of items: how many they have, how many a batch draws."""
    sizes = np.bincount(interactions.item_domain, minlength=len(interactions.domains))
    drawn = drawn_candidates(sizes)
    return {str(interactions.domains[d]): {"items": int(sizes[d]), "drawn": n} for d, n in drawn.items()}


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
