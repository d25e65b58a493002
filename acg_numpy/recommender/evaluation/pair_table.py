"""Tables of the test pairs, for anyone's own statistics.

test_pairs.tsv has a row for each pair and a column for each model, with NDCG@10: small, and read by anything.
test_pairs.parquet has a row for each pair and model, and a column for every metric at every cut-off.
"""

import csv
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from acg_numpy.recommender.data.sources.database import database, identifier, literal
from acg_numpy.recommender.evaluation.breakdown import PairFacts
from acg_numpy.recommender.evaluation.metrics import PAIR_METRICS, Rankings
from acg_numpy.recommender.evaluation.protocol import K

FACTS = ("seed", "initialisation", "user_id", "domain", "elsewhere", "positives")  # `user` is a model
TEXTS = ("user_id", "domain")  # among them


class RunRows(NamedTuple):
    """What the rows of one run are made from."""

    seed: int
    initialisation: int  # counted from 0
    facts: PairFacts
    rankings: Mapping[str, Rankings]


class PairRuns(NamedTuple):
    """The test pairs of all runs, and the ids that their numbers stand for."""

    runs: Sequence[RunRows]
    users: npt.NDArray[np.str_]  # (U,)
    domains: npt.NDArray[np.str_]  # (N,)


def write_pair_table(path: str | os.PathLike[str], pairs: PairRuns) -> None:
    """Write ``NDCG@10`` of every model on every test pair, tab-separated, with a header.

    The first columns are the seed of the split, the initialisation (counted from 1), the user and the domain, the
    number of items elsewhere that the user's vector is made from, and the number of items that were to be found.  The
    others are ``NDCG@10`` of each model, with every digit, so that what is computed from the file agrees with
    metrics.json.
    """
    runs, users, domains = pairs
    models = list(runs[0].rankings)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow((*FACTS, *models))
        for seed, initialisation, facts, rankings in runs:
            found = rankings[models[0]].found
            figures = np.stack([rankings[name].measure("ndcg", K) for name in models], axis=1)  # (P, models)
            for row in range(len(facts.users)):
                pair = (users[facts.users[row]], domains[facts.domains[row]])
                numbers = (int(facts.history[row]), int(found[row]))
                # repr of a float is the shortest text that reads back as the same number
                writer.writerow((seed, initialisation + 1, *pair, *numbers, *map(repr, figures[row].tolist())))


def write_pair_metrics(path: str | os.PathLike[str], pairs: PairRuns, cutoffs: Sequence[int]) -> None:
    """Write every metric of every model on every test pair, as Parquet.

    The first columns are those of `write_pair_table`, the others the model and each of `PAIR_METRICS` at each cut-off,
    as ``ndcg@5``, in float64.  Rows are in the order of runs, models and pairs.

    Parameters
    ----------
    path : path
    pairs : PairRuns
    cutoffs : sequence of int
        At most as many as there are ranks in the rankings.
    """
    runs, users, domains = pairs
    metrics = [(metric, k) for k in cutoffs for metric in PAIR_METRICS]
    columns = [*(f"{name} VARCHAR" if name in TEXTS else f"{name} BIGINT" for name in FACTS), "model VARCHAR"]
    columns += [f"{identifier(f'{metric}@{k}')} DOUBLE" for metric, k in metrics]
    with database() as cursor:
        cursor.execute(f"CREATE TEMP TABLE pairs ({', '.join(columns)})")
        for seed, initialisation, facts, rankings in runs:
            for name, ranking in rankings.items():
                count = len(facts.users)
                rows = {
                    "seed": np.full(count, seed),
                    "initialisation": np.full(count, initialisation + 1),
                    "user_id": users[facts.users].astype(object),
                    "domain": domains[facts.domains].astype(object),
                    "elsewhere": facts.history,
                    "positives": ranking.found,
                    "model": np.full(count, name, object),
                    **{f"{metric}@{k}": ranking.measure(metric, k) for metric, k in metrics},
                }
                cursor.register("rows_of_model", rows)
                cursor.execute("INSERT INTO pairs BY NAME SELECT * FROM rows_of_model")
                cursor.unregister("rows_of_model")
        cursor.execute(
            f"COPY pairs TO {literal(os.fspath(path))} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"
        )
