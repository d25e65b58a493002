"""The table of test pairs, a row for each pair and a column for each model, for anyone's own statistics."""

import csv
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from acg_numpy.recommender.evaluation.breakdown import PairFacts
from acg_numpy.recommender.evaluation.metrics import Rankings
from acg_numpy.recommender.evaluation.protocol import K

FACTS = ("seed", "initialisation", "user_id", "domain", "elsewhere", "positives")  # `user` is a model


class RunRows(NamedTuple):
    """What the rows of one run are made from."""

    seed: int
    initialisation: int  # counted from 0
    facts: PairFacts
    rankings: Mapping[str, Rankings]


def write_pair_table(
    path: str | os.PathLike[str],
    runs: Sequence[RunRows],
    users: npt.NDArray[np.str_],
    domains: npt.NDArray[np.str_],
) -> None:
    """Write ``NDCG@10`` of every model on every test pair, tab-separated, with a header.

    The first columns are the seed of the split, the initialisation (counted from 1), the user and the domain, the
    number of items elsewhere that the user's vector is made from, and the number of items that were to be found.  The
    others are ``NDCG@10`` of each model, with every digit, so that what is computed from the file agrees with
    metrics.json.

    Parameters
    ----------
    path : path
    runs : sequence of RunRows
    users : array of str, shape (U,)
    domains : array of str, shape (N,)
    """
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
