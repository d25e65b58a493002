"""A description of interactions before training: sizes, overlaps, oddities and advice."""

from typing import Any, NamedTuple

import numpy as np

from acg_numpy.recommender.data.interactions import Interactions
from acg_numpy.recommender.data.splits import MIN_ELSEWHERE, MIN_INSIDE
from acg_numpy.shapes import Array
from acg_numpy.text import first_few

FEW_ITEMS = 3  # what `acg train` leaves out
SMALL_DOMAIN = 20  # items; where the first ten are half of all, most rankings look good
FEW_PAIRS = 150  # in a domain, of which a fifth is the test: fewer than 30 tell models apart badly
FEW_SHARED = 10  # users in both of two domains
MAX_SHOWN = 8  # domains in the table of overlaps, and names in a sentence
SETTLED = (  # beginnings of notes that leave nothing to decide: what was found, and what an option asked for
    "columns",
    "there is no column for the domain",
    "rows with a rating below",
    "rows for which",
    "rows that repeat",
)

Rows = tuple[tuple[str, ...], ...]


class Description(NamedTuple):
    """A description of a file, in words and in figures.

    Attributes
    ----------
    what : str
        In a sentence.
    figures : dict
        The same and more, as JSON takes it.
    tables : tuple of tables
        Rows of cells, the first of them the header.
    oddities : tuple of str
        Unexpected properties of the file.
    advice : tuple of str
        What to do about it, or next.
    """

    what: str
    figures: dict[str, Any]
    tables: tuple[Rows, ...] = ()
    oddities: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


def describe_interactions(interactions: Interactions) -> Description:
    """Count users, items, domains, overlaps and oddities, and say what that means for training.

    Parameters
    ----------
    interactions : Interactions
        Preferably read with `min_items=1`, so that small domains are included.

    Returns
    -------
    Description

    Examples
    --------
    >>> from acg_numpy.recommender.data import make_world
    >>> found = describe_interactions(make_world(seed=0).interactions)
    >>> found.figures["users"], found.figures["items"], found.figures["pairs"]["test"]
    (1000, 500, 846)
    >>> found.advice
    ('nothing here speaks against training: acg train FILE --out DIR',)
    """
    users, items, taken = len(interactions.users), len(interactions.items), interactions.matrix.nnz
    names = interactions.domains.tolist()
    counts, elsewhere = interactions.counts, interactions.counts_elsewhere
    active = counts > 0
    eligible = (counts >= MIN_INSIDE) & (elsewhere >= MIN_ELSEWHERE)  # (U, N)
    shared = (active.T.astype(np.float32) @ active.astype(np.float32)).astype(np.int64)  # (N, N)
    num_test = round(int(eligible.sum()) / 5)
    domains = [
        {
            "name": name,
            "items": int(np.sum(interactions.item_domain == d)),
            "users": int(active[:, d].sum()),
            "interactions": int(counts[:, d].sum()),
            "median": float(np.median(counts[active[:, d], d])) if active[:, d].any() else 0.0,
            "elsewhere": int(np.sum(active[:, d] & (elsewhere[:, d] > 0))),
            "pairs": int(eligible[:, d].sum()),
        }
        for d, name in enumerate(names)
    ]
    figures = {
        "users": users,
        "items": items,
        "interactions": taken,
        "density": taken / (users * items),
        "domains": domains,
        "users_in_both": shared.tolist(),
        "pairs": {
            "eligible": int(eligible.sum()),
            "test": num_test,
            "validation": round((int(eligible.sum()) - num_test) / 8),
        },
    }
    what = f"{interactions}; {figures['density']:.2%} of all that could be"
    oddities = (*interactions.notes, *_oddities(interactions, elsewhere))
    settled = all(note.startswith(SETTLED) for note in interactions.notes)
    advice = _advice(figures, shared, names, settled=settled)
    return Description(what, figures, (_domain_table(domains), _shared_table(names, shared)), oddities, advice)


def _domain_table(domains: list[dict[str, Any]]) -> Rows:
    header = ("domain", "items", "users", "of them elsewhere too", "interactions", "median a user", "pairs to judge by")
    rows = [
        (
            d["name"],
            *(f"{d[column]:,}" for column in ("items", "users", "elsewhere", "interactions")),
            f"{d['median']:g}",
            f"{d['pairs']:,}",
        )
        for d in domains
    ]
    return (header, *rows)


def _shared_table(names: list[str], shared: Array) -> Rows:
    few = names[:MAX_SHOWN]
    more = "" if len(few) == len(names) else f" ({MAX_SHOWN} largest)"
    rows = [(name, *(f"{shared[row, column]:,}" for column in range(len(few)))) for row, name in enumerate(few)]
    return ((f"users in both{more}", *few), *rows)


def _oddities(interactions: Interactions, elsewhere: Array) -> list[str]:
    X, oddities = interactions.matrix, []
    users, of_item = X.shape[0], np.bincount(X.indices, minlength=X.shape[1])
    of_user = np.diff(X.indptr)
    nowhere = int(np.sum((interactions.counts > 0).sum(axis=1) == 1))
    if nowhere:
        oddities.append(
            f"users who took something in one domain only: {nowhere:,} of {users:,}; nothing leads to that domain, and "
            "their conditions there are zeros"
        )
    if once := int(np.sum(of_user == 1)):
        oddities.append(f"users with a single interaction: {once:,}")
    if once := int(np.sum(of_item == 1)):
        oddities.append(f"items that a single user took: {once:,} of {len(of_item):,}")
    if int(of_user.max(initial=0)) * 2 > len(of_item):
        who = int(np.argmax(of_user))
        oddities.append(f"user {str(interactions.users[who])!r} took {of_user[who] / len(of_item):.0%} of all items")
    if int(of_item.max(initial=0)) * 2 > users:
        what = int(np.argmax(of_item))
        oddities.append(f"item {str(interactions.items[what])!r} was taken by {of_item[what] / users:.0%} of all users")
    several = len(interactions.items) - len(np.unique(interactions.same_item))
    if several:
        oddities.append(f"items in more than one domain stand in each of them: {several:,} columns more than items")
    return oddities


def _advice(figures: dict[str, Any], shared: Array, names: list[str], *, settled: bool) -> tuple[str, ...]:
    advice = []
    domains = figures["domains"]

    def domains_where(condition: Any) -> list[str]:
        return [d["name"] for d in domains if condition(d)]

    if few := domains_where(lambda d: d["items"] < FEW_ITEMS):
        advice.append(f"fewer than {FEW_ITEMS} items: {_names(few)}; training leaves them out (--min-items)")
    if small := domains_where(lambda d: FEW_ITEMS <= d["items"] < SMALL_DOMAIN):
        advice.append(
            f"fewer than {SMALL_DOMAIN} items: {_names(small)}; where ten are shown out of so few, most rankings look "
            f"good: leave them out (--min-items {SMALL_DOMAIN}), or join them to others"
        )
    if alone := domains_where(lambda d: d["items"] >= FEW_ITEMS and not d["elsewhere"]):
        advice.append(
            f"no overlap: no user who took something in {_names(alone)} took anything elsewhere, so nothing leads "
            "there; are the users' ids the same in all domains?"
        )
    pairs = figures["pairs"]
    if not pairs["test"] or not pairs["validation"]:
        advice.append(
            f"too little to train on: {pairs['eligible']} pairs of a user and a domain have at least {MIN_INSIDE} "
            f"interactions inside and {MIN_ELSEWHERE} outside, and a test and a validation are drawn from them"
        )
        return tuple(advice)
    if thin := domains_where(lambda d: d["items"] >= FEW_ITEMS and d["elsewhere"] and d["pairs"] < FEW_PAIRS):
        advice.append(
            f"fewer than {FEW_PAIRS} pairs to judge by: {_names(thin)}; a fifth of them is the test, too few to tell "
            "models apart there: more users, or fewer domains (--max-domains)"
        )
    apart = [
        f"{names[a]!r} and {names[b]!r}"
        for a in range(len(names))
        for b in range(a + 1, len(names))
        if shared[a, b] < FEW_SHARED and min(domains[a]["pairs"], domains[b]["pairs"]) > 0
    ]
    if apart:
        rest = f", and {len(apart) - 4} pairs more" if len(apart) > 4 else ""
        advice.append(
            f"fewer than {FEW_SHARED} users in both: {'; '.join(apart[:4])}{rest}; one says little of the other"
        )
    if advice:
        return tuple(advice)
    if settled:
        return ("nothing here speaks against training: acg train FILE --out DIR",)
    return (
        "the sizes do not speak against training, but what is worth knowing may: decide whether the file is read as it "
        "is meant, and then acg train FILE --out DIR",
    )


def _names(names: list[str]) -> str:
    return first_few(names, MAX_SHOWN)
