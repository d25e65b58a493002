"""Splits of pairs of a user and a domain into training, validation and test, by one of three protocols.

A pair (u, d) asks: given all that user u did outside domain d, what does u take in d?  The answer can be computed and
judged if u took at least 3 items inside d and 10 outside (`min_inside`, `min_elsewhere`).  What is held out is hidden
before anything is computed: from the factors, from the popularity, from the vectors of other domains.  Every other pair
with a visible interaction inside d is for training.

    random           A random fifth of those pairs is the test, and an eighth of the others (`validation`) validation.
                     All interactions of both are hidden.  Times are not used, so what a user did later elsewhere helps
                     to rank what the user did earlier in d.
    leave-last-out   Of each user the pair entered last is held out, where a pair is entered with the first interaction
                     inside, and only what the user did elsewhere before that counts as outside.  A random eighth of
                     these pairs is validation, the others are the test.  Of a user with a held-out pair everything
                     from the entry on is hidden, in all domains: no user's own future is seen, but that of others is.
    temporal         All users have one calendar.  The test begins when four fifths of the interactions have happened,
                     validation when seven eighths of those before have.  Training sees nothing from the beginning of
                     validation on, of any user.  Pairs entered from a beginning on, up to the next, are validation or
                     test; validation pairs are judged by what happened before the test begins.  The user's vector for
                     a held-out pair is made from everything that the user did elsewhere before the entry, with the
                     factors of training: in use, too, a user's history is known when the question is asked.

Two interactions at the same time are not before each other.  Under `temporal` nothing is drawn, and every seed gives
the same split.
"""

import csv
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data.interactions import DataError, Interactions, domain_counts, entry_blocks
from acg_numpy.recommender.data.sources.cells import read_cells
from acg_numpy.shapes import Array
from acg_numpy.text import first_few, joined

MIN_INSIDE, MIN_ELSEWHERE = 3, 10
TEST, VALIDATION = 0.2, 0.125  # shares: of all, and of what is left
WRITTEN_AT_ONCE = 1 << 16  # pairs, as numbers of Python
PROTOCOLS = ("random", "leave-last-out", "temporal")
PARTS = ("train", "validation", "test")
COLUMNS, TIMES = ("user", "domain", "part"), ("cut", "until")  # of a file; the last two of a split by time


@dataclass(frozen=True, eq=False)
class Split:
    """Pairs of user and domain, for training, validation and test.

    Parameters
    ----------
    train, validation, test : array of int64, shape (P, 2)
        Columns are the index of the user and of the domain; sorted by user, then domain; no pair is listed twice.
    cut : array of float64, shape (U,), optional
        Of a split by time: training sees what each user did before this time, inf where it sees all.
    until : float, default inf
        Validation pairs are judged by what happened before this time.
    """

    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]
    cut: npt.NDArray[np.float64] | None = None
    until: float = np.inf

    def visible(self, interactions: Interactions) -> sp.csr_array:
        """Hide what training must not see: all interactions of test and validation pairs, and what is after a cut.

        Returns
        -------
        sparse array (CSR), shape (U, I), float32
            X without what is hidden.  If one column of an item with several domains is hidden, all of them are.
        """
        hidden = np.zeros((len(interactions.users), len(interactions.domains)), dtype=bool)
        for pairs in (self.validation, self.test):
            hidden[pairs[:, 0], pairs[:, 1]] = True
        if self.cut is None:
            return _hide(interactions, hidden)
        return _keep(interactions.matrix, _times(interactions) < self.cut[_rows(interactions.matrix)])

    def judged(self, interactions: Interactions) -> sp.csr_array:
        """Return the interactions that validation pairs are judged by, sparse (U, I)."""
        if self.cut is None:
            return interactions.matrix
        return _keep(interactions.matrix, _times(interactions) < self.until)

    def histories(
        self, interactions: Interactions, pairs: npt.NDArray[np.int64], visible: sp.csr_array | None = None
    ) -> sp.csr_array:
        """Return the interactions that the user's vector of each held-out pair is made from.

        Parameters
        ----------
        interactions : Interactions
        pairs : array of int64, shape (P, 2)
            Held-out pairs of user and domain.
        visible : sparse array, optional
            What `visible` returns, if it is at hand.

        Returns
        -------
        sparse array (CSR), shape (P, I), float32
            None of them in the pair's domain.  In a split by time all that the user did before entering the domain.
        """
        if self.cut is None:
            return sp.csr_array((self.visible(interactions) if visible is None else visible)[pairs[:, 0]])
        number = sp.csr_array(
            (np.arange(interactions.matrix.nnz), interactions.matrix.indices, interactions.matrix.indptr),
            shape=interactions.matrix.shape,
        )[pairs[:, 0]]
        entered = entry_times(interactions)[pairs[:, 0], pairs[:, 1]]
        earlier = _times(interactions)[number.data] < entered[_rows(number)]
        ones = np.ones(number.nnz, np.float32)
        return _keep(sp.csr_array((ones, number.indices, number.indptr), shape=number.shape), earlier)

    def write(self, path: str | os.PathLike[str], interactions: Interactions) -> None:
        """Write the split as text: tab-separated columns user, domain and part, one pair in each line.

        A split by time has two more, cut and until: training sees what the user did before `cut`, and a validation pair
        is judged by what happened before `until`.

        Parameters
        ----------
        path : path
        interactions : Interactions
            Those that the split was drawn from, which have the ids.
        """
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerow(COLUMNS if self.cut is None else (*COLUMNS, *TIMES))
            for part in PARTS:
                until = self.until if part == "validation" else np.inf
                pairs = getattr(self, part)
                for start in range(0, len(pairs), WRITTEN_AT_ONCE):
                    for user, domain in pairs[start : start + WRITTEN_AT_ONCE].tolist():
                        times = () if self.cut is None else (repr(float(self.cut[user])), repr(float(until)))
                        writer.writerow((interactions.users[user], interactions.domains[domain], part, *times))


def draw_split(
    interactions: Interactions,
    seed: int,
    *,
    protocol: str = "random",
    min_inside: int = MIN_INSIDE,
    min_elsewhere: int = MIN_ELSEWHERE,
    validation: float = VALIDATION,
) -> Split:
    """Draw a split.

    Parameters
    ----------
    interactions : Interactions
    seed : int
        The same seed gives the same split.
    protocol : {"random", "leave-last-out", "temporal"}
        What is held out; the module's docstring defines the three.  The last two need times.
    min_inside, min_elsewhere : int, default 3 and 10
        The fewest items that a user must have taken inside the domain and outside for the pair to be held out.
    validation : float, default 0.125
        The share of validation in what is not for the test; under "leave-last-out" in what is held out.

    Returns
    -------
    Split

    Raises
    ------
    DataError
        If a part would be empty, or the protocol needs times and not every interaction has one.
    ValueError
        If an argument is out of range.

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
    check_protocol(protocol, min_inside, min_elsewhere, validation)
    if protocol != "random":
        _require_times(interactions, protocol)
    rng = np.random.default_rng(seed)
    if protocol == "temporal":
        test_cut, validation_cut = _calendar(interactions, validation)
        return split_at(interactions, validation_cut, test_cut, min_inside=min_inside, min_elsewhere=min_elsewhere)
    if protocol == "leave-last-out":
        entered = entry_times(interactions)
        eligible = (interactions.counts >= min_inside) & (_counts_before(interactions, entered) >= min_elsewhere)
        users = np.flatnonzero(eligible.any(axis=1))
        last = np.argmax(np.where(eligible, entered, -np.inf), axis=1)[users]
        held_out = rng.permutation(np.stack([users, last], axis=1))
        num_validation = round(len(held_out) * validation)
        cut = np.full(len(interactions.users), np.inf)
        cut[users] = entered[users, last]
        split = Split(held_out[:0], _sort(held_out[:num_validation]), _sort(held_out[num_validation:]), cut)
        found = f"{len(users):,} users have a pair with"
    else:
        eligible = (interactions.counts >= min_inside) & (interactions.counts_elsewhere >= min_elsewhere)
        shuffled = rng.permutation(np.argwhere(eligible))
        num_test = round(len(shuffled) * TEST)
        held_out, rest = shuffled[:num_test], shuffled[num_test:]
        num_validation = round(len(rest) * validation)
        split = Split(held_out[:0], _sort(rest[:num_validation]), _sort(held_out))
        found = f"{len(shuffled):,} pairs of a user and a domain have"
    return _with_training(split, interactions, f"{found} {_thresholds(min_inside, min_elsewhere)}")


def split_at(
    interactions: Interactions,
    validation_cut: float,
    test_cut: float,
    *,
    min_inside: int = MIN_INSIDE,
    min_elsewhere: int = MIN_ELSEWHERE,
) -> Split:
    """Split by the calendar, with the given times as the beginnings of validation and test.

    Nothing that happened from `test_cut` on changes what training and validation see.

    Raises
    ------
    DataError
        If a part would be empty, or not every interaction has a time.
    """
    _require_times(interactions, "temporal")
    entered = entry_times(interactions)
    known = _counts_before(interactions, entered) >= min_elsewhere
    before_test = _keep(interactions.matrix, _times(interactions) < test_cut)
    inside = domain_counts(before_test, interactions.item_domain, len(interactions.domains))
    test = known & (interactions.counts >= min_inside) & (entered >= test_cut) & np.isfinite(entered)
    validation = known & (inside >= min_inside) & (entered >= validation_cut) & (entered < test_cut)
    cut = np.full(len(interactions.users), float(validation_cut))
    split = Split(np.argwhere(test)[:0], np.argwhere(validation), np.argwhere(test), cut, float(test_cut))
    found = f"{test.sum() + validation.sum():,} pairs of a user and a domain that were entered late enough have"
    return _with_training(split, interactions, f"{found} {_thresholds(min_inside, min_elsewhere)}")


def check_protocol(protocol: str, min_inside: int, min_elsewhere: int, validation: float) -> None:
    """Raise ValueError, naming the argument, if one of those of `draw_split` is out of range."""
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol must be {joined(PROTOCOLS, 'or')}, but it is {protocol!r}")
    for name, number in (("min_inside", min_inside), ("min_elsewhere", min_elsewhere)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, but it is {number}")
    if not 0 < validation < 1:
        raise ValueError(f"validation must be a share between 0 and 1, but it is {validation}")


def entry_times(interactions: Interactions) -> npt.NDArray[np.float64]:
    """Return when each user did something in each domain for the first time, (U, N); inf where never."""
    entered = np.full(interactions.counts.shape, np.inf)
    domain = interactions.item_domain[interactions.matrix.indices]
    np.minimum.at(entered, (_rows(interactions.matrix), domain), _times(interactions))
    return entered


def read_split(path: str | os.PathLike[str], interactions: Interactions) -> Split:
    """Read a split that `Split.write` wrote, or one made elsewhere.

    Parameters
    ----------
    path : path
        A delimited text file with columns user, domain and part (train, validation or test); of a split by time also
        cut and until.
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
    known = [
        {name: n for n, name in enumerate(names.tolist())}
        for names in (interactions.users, interactions.domains, np.array(PARTS))
    ]
    rows: list[tuple[int, int, int]] = []
    times: list[tuple[str, ...]] = []
    for names in read_cells(path, COLUMNS, optional=TIMES):
        for column, name, numbers in zip(COLUMNS, names, known, strict=False):
            if name not in numbers:
                raise DataError(f"{path}: the {column} {name!r} is not known (known are {first_few(numbers)})")
        rows.append((known[0][names[0]], known[1][names[1]], known[2][names[2]]))
        times.append(names[3:])
    entries = np.array(rows, dtype=np.int64).reshape(-1, 3)
    pairs, often = np.unique(entries[:, :2], axis=0, return_counts=True)
    if (often > 1).any():
        repeated = _describe_pair(pairs[often > 1][0], interactions)
        raise DataError(f"{path}: {repeated} is listed more than once; a pair belongs to one part")
    train, validation, test = (_sort(entries[entries[:, 2] == part, :2]) for part in range(len(PARTS)))
    split = Split(train, validation, test)
    if any(times):
        _require_times(interactions, f"of {path}")
        split = replace(split, **_read_cuts(path, entries, times, len(interactions.users)))
    judged = domain_counts(split.judged(interactions), interactions.item_domain, len(interactions.domains))
    seen = domain_counts(split.visible(interactions), interactions.item_domain, len(interactions.domains))
    for part, counts in zip(PARTS, (seen, judged, interactions.counts), strict=True):
        pairs = getattr(split, part)
        if not len(pairs):
            raise DataError(f"{path}: no pair is for {part}")
        empty = pairs[counts[pairs[:, 0], pairs[:, 1]] == 0]
        if len(empty):
            raise DataError(
                f"{path}: {_describe_pair(empty[0], interactions)} is for {part}, but has no interaction there"
            )
    return split


def _read_cuts(
    path: str | os.PathLike[str], entries: npt.NDArray[np.int64], texts: list[tuple[str, ...]], num_users: int
) -> dict[str, Any]:
    """Read what the columns cut and until say of each pair (user, domain, part): one cut a user, one end in all."""
    try:
        times = np.array(texts, dtype=np.float64)
    except ValueError as error:
        raise DataError(f"{path}: cut and until must be numbers, inf where there is no limit ({error})") from None
    cut = np.full(num_users, -np.inf)  # a user without a pair in the file did nothing before the cut
    cut[entries[:, 0]] = times[:, 0]
    until = np.unique(times[entries[:, 2] == PARTS.index("validation"), 1])
    if np.isnan(times).any() or (cut[entries[:, 0]] != times[:, 0]).any() or len(until) > 1:
        raise DataError(f"{path}: cut must be the same for all pairs of a user, and until for all of validation")
    return {"cut": cut, "until": float(until[0]) if len(until) else np.inf}


def _with_training(split: Split, interactions: Interactions, found: str) -> Split:
    """Add every pair with something visible inside to training; refuse a split with an empty part."""
    if not len(split.test) or not len(split.validation):
        raise DataError(
            f"{found}: {len(split.test):,} would be for the test and {len(split.validation):,} for validation, and "
            "there must be some for both; more interactions are needed, or lower thresholds"
        )
    seen = domain_counts(split.visible(interactions), interactions.item_domain, len(interactions.domains))
    hidden = np.zeros(seen.shape, dtype=bool)
    for pairs in (split.validation, split.test):
        hidden[pairs[:, 0], pairs[:, 1]] = True
    train = np.argwhere((seen > 0) & ~hidden)
    if not len(train):
        raise DataError(
            "all interactions were drawn for validation and test and none is left for training: more are needed"
        )
    return replace(split, train=train)


def _thresholds(min_inside: int, min_elsewhere: int) -> str:
    return f"at least {min_inside} interactions inside the domain and {min_elsewhere} outside"


def _require_times(interactions: Interactions, protocol: str) -> None:
    if interactions.times is None:
        raise DataError(
            f"the protocol {protocol!r} needs the time of every interaction, and these have none: name their column "
            "with timestamp= (--timestamp-column), or use the protocol 'random'"
        )
    if unknown := int(np.isnan(interactions.times).sum()):
        raise DataError(
            f"the protocol {protocol!r} needs the time of every interaction, and {unknown:,} of "
            f"{interactions.matrix.nnz:,} have none: leave those rows out, or use the protocol 'random'"
        )


def _times(interactions: Interactions) -> npt.NDArray[np.float64]:
    _require_times(interactions, "temporal")
    assert interactions.times is not None
    return interactions.times


def _calendar(interactions: Interactions, validation: float) -> tuple[float, float]:
    """Return when test and validation begin; an item of several domains counts once."""
    distinct = np.unique(interactions.same_item, return_index=True)[1]
    times = _times(interactions)[np.isin(interactions.matrix.indices, distinct)]
    test_cut = float(np.quantile(times, 1 - TEST, method="higher"))
    earlier = times[times < test_cut]
    return test_cut, float(np.quantile(earlier, 1 - validation, method="higher")) if len(earlier) else test_cut


def _counts_before(interactions: Interactions, limits: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Count the different items that each user took before a time, one for each domain, (U, N)."""
    matrix, times = interactions.matrix, _times(interactions)
    distinct = np.unique(interactions.same_item, return_index=True)[1]
    first = np.isin(matrix.indices, distinct)
    user, times = _rows(matrix)[first], times[first]
    counts = np.zeros(limits.shape, np.int64)
    for d in range(limits.shape[1]):
        counts[:, d] = np.bincount(user[times < limits[user, d]], minlength=len(counts))
    return counts


def _hide(interactions: Interactions, hidden: npt.NDArray[np.bool_]) -> sp.csr_array:
    """Remove the interactions of hidden pairs (U, N) from the matrix, with every other column of the same items."""
    X, keep = interactions.matrix, np.empty(interactions.matrix.nnz, bool)
    several = bool((interactions.same_item != np.arange(len(interactions.items))).any())
    for _, user, entries in entry_blocks(X):
        items = X.indices[entries]
        kept = ~hidden[user, interactions.item_domain[items]]
        for d, elsewhere in enumerate(interactions.elsewhere if several else ()):
            kept &= ~hidden[user, d] | elsewhere[items]
        keep[entries] = kept
    return _keep(X, keep)


def _keep(matrix: sp.csr_array, kept: npt.NDArray[np.bool_]) -> sp.csr_array:
    """Keep some of the stored entries."""
    index = matrix.indptr.dtype
    indptr = np.concatenate([np.zeros(1, index), np.cumsum(kept, dtype=index)])[matrix.indptr]
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


def _rows(matrix: sp.csr_array) -> npt.NDArray[np.int64]:
    """Return the row of each stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _sort(pairs: Array) -> npt.NDArray[np.int64]:
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _describe_pair(pair: Array, interactions: Interactions) -> str:
    return f"the pair of user {str(interactions.users[pair[0]])!r} and domain {str(interactions.domains[pair[1]])!r}"
