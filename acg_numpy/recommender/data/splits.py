"""Splits of pairs of a user and a domain into training, validation and test.

A pair (u, d) asks: given all that user u did outside domain d, what does u take in d?  The answer can be computed and
judged if u took at least 3 items inside d and 10 outside.  A random fifth of those pairs is the test, and an eighth of
the others is validation.  All interactions of both are hidden before anything is computed: from the factors, from the
popularity, from the vectors of other domains.  Every other pair with a visible interaction inside d is for training.
"""

import csv
import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data.delimited_text import ID, Table
from acg_numpy.recommender.data.interactions import DataError, Interactions, domain_counts
from acg_numpy.shapes import Array
from acg_numpy.text import first_few

MIN_INSIDE, MIN_OUTSIDE = 3, 10
PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Pairs of user and domain, for training, validation and test.

    Parameters
    ----------
    train, validation, test : array of int64, shape (P, 2)
        Columns are the index of the user and of the domain; sorted by user, then domain; no pair is listed twice.
    """

    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]

    def visible(self, interactions: Interactions) -> sp.csr_array:
        """Hide the interactions of all test and validation pairs.

        Returns
        -------
        sparse array (CSR), shape (U, I), float32
            X without what is hidden.  If one column of an item with several domains is hidden, all of them are.
        """
        hidden = np.zeros((len(interactions.users), len(interactions.domains)), dtype=bool)
        for pairs in (self.validation, self.test):
            hidden[pairs[:, 0], pairs[:, 1]] = True
        return _hide(interactions, hidden)

    def write(self, path: str | os.PathLike[str], interactions: Interactions) -> None:
        """Write the split as text: tab-separated columns user, domain and part, one pair in each line.

        Parameters
        ----------
        path : path
        interactions : Interactions
            Those that the split was drawn from, which have the ids.
        """
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerow(("user", "domain", "part"))
            for part in PARTS:
                for user, domain in getattr(self, part).tolist():
                    writer.writerow((interactions.users[user], interactions.domains[domain], part))


def draw_split(interactions: Interactions, seed: int) -> Split:
    """Draw a split at random.

    Parameters
    ----------
    interactions : Interactions
    seed : int
        The same seed gives the same split.

    Returns
    -------
    Split

    Raises
    ------
    DataError
        If a part would be empty.

    Examples
    --------
    >>> from acg_numpy.recommender.data import make_world
    >>> taken = make_world(seed=0).interactions
    >>> split = draw_split(taken, seed=0)
    >>> seen = split.visible(taken)
    >>> user, domain = split.test[0]
    >>> int(taken.counts[user, domain]) >= 3, int(seen[[user]][:, taken.columns(domain)].sum())
    (True, 0)
    """
    eligible = np.argwhere((interactions.counts >= MIN_INSIDE) & (interactions.counts_elsewhere >= MIN_OUTSIDE))
    num_test = round(len(eligible) / 5)
    num_validation = round((len(eligible) - num_test) / 8)
    if not num_test or not num_validation:
        raise DataError(
            f"{len(eligible)} pairs of a user and a domain have at least {MIN_INSIDE} interactions inside the domain "
            f"and {MIN_OUTSIDE} outside; a fifth of them for the test and an eighth of the others for validation leaves"
            " nothing to test on: more interactions are needed"
        )
    shuffled = np.random.default_rng(seed).permutation(eligible)
    hidden = np.zeros(interactions.counts.shape, dtype=bool)
    hidden[tuple(shuffled[: num_test + num_validation].T)] = True
    seen = domain_counts(_hide(interactions, hidden), interactions.item_domain, len(interactions.domains))
    train = np.argwhere((seen > 0) & ~hidden)
    if not len(train):
        raise DataError(
            "all interactions were drawn for validation and test and none is left for training: more are needed"
        )
    return Split(train, _sort(shuffled[num_test : num_test + num_validation]), _sort(shuffled[:num_test]))


def read_split(path: str | os.PathLike[str], interactions: Interactions) -> Split:
    """Read a split that `Split.write` wrote, or one made elsewhere.

    Parameters
    ----------
    path : path
        A delimited text file with columns user, domain and part (train, validation or test).
    interactions : Interactions
        Every user and domain named must be among its own.

    Returns
    -------
    Split

    Raises
    ------
    DataError
        If the file cannot be read, names a user or domain that is unknown, lists a pair twice or under another part,
        leaves a part empty, or has a pair with no interaction to learn from or to test on.
    """
    table = Table(path)
    wanted = [table.find_column(name, ID) for name in ("user", "domain", "part")]
    known = [
        {name: n for n, name in enumerate(names.tolist())}
        for names in (interactions.users, interactions.domains, np.array(PARTS))
    ]
    rows: list[tuple[int, int, int]] = []
    for block in table.blocks(wanted):
        for names in zip(*block, strict=True):
            for column, name, numbers in zip(wanted, names, known, strict=True):
                if name not in numbers:
                    raise DataError(f"{path}: the {column.role} {name!r} is not known (known are {first_few(numbers)})")
            rows.append((known[0][names[0]], known[1][names[1]], known[2][names[2]]))
    if table.malformed.count:
        raise DataError(f"{path}: {table.malformed.describe()}")
    entries = np.array(rows, dtype=np.int64).reshape(-1, 3)
    pairs, times = np.unique(entries[:, :2], axis=0, return_counts=True)
    if (times > 1).any():
        repeated = _describe_pair(pairs[times > 1][0], interactions)
        raise DataError(f"{path}: {repeated} is listed more than once; a pair belongs to one part")
    split = Split(*(_sort(entries[entries[:, 2] == part, :2]) for part in range(len(PARTS))))
    seen = domain_counts(split.visible(interactions), interactions.item_domain, len(interactions.domains))
    for part, counts in zip(PARTS, (seen, interactions.counts, interactions.counts), strict=True):
        pairs = getattr(split, part)
        if not len(pairs):
            raise DataError(f"{path}: no pair is for {part}")
        empty = pairs[counts[pairs[:, 0], pairs[:, 1]] == 0]
        if len(empty):
            raise DataError(
                f"{path}: {_describe_pair(empty[0], interactions)} is for {part}, but has no interaction there"
            )
    return split


def _hide(interactions: Interactions, hidden: npt.NDArray[np.bool_]) -> sp.csr_array:
    """Remove the interactions of hidden pairs (U, N) from the matrix, with every other column of the same items."""
    X = interactions.matrix
    user = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    keep = ~hidden[user, interactions.item_domain[X.indices]]
    if not (interactions.same_item == np.arange(len(interactions.items))).all():
        for d, elsewhere in enumerate(interactions.elsewhere):
            keep &= ~hidden[user, d] | elsewhere[X.indices]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(user[keep], minlength=X.shape[0]))])
    return sp.csr_array((X.data[keep], X.indices[keep], indptr), shape=X.shape)


def _sort(pairs: Array) -> npt.NDArray[np.int64]:
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _describe_pair(pair: Array, interactions: Interactions) -> str:
    return f"the pair of user {str(interactions.users[pair[0]])!r} and domain {str(interactions.domains[pair[1]])!r}"
