"""The domains of items: which an item has, where rows differ, and which domains are kept."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from acg_numpy.recommender.data.sources.id_codes import BLOCK, Codes, Names
from acg_numpy.recommender.data.sources.roles import MAX_SHOWN
from acg_numpy.text import first_few

DomainOf = Literal["first", "all"]

SEPARATORS = (",", ";", "/")  # that may stand between domains, beside "|"


class DomainFields(NamedTuple):
    """The domains of items in a table: the item of each row, and the field with its domains."""

    name: str
    separator: str | None
    item: Codes
    field: Codes
    fields: list[str]


def memberships(found: DomainFields, domain_of: DomainOf, items: Names, notes: list[str]) -> list[tuple[int, str]]:
    """Return which item belongs to which domain: distinct pairs of an item's code and a domain's name."""
    width = len(found.fields) + 1
    in_order = _first_occurrences(found.item, found.field, width)  # the first row of an item decides
    names_of = [
        tuple(dict.fromkeys(part.strip() for part in _parts(field, found.separator) if part.strip()))
        for field in found.fields
    ]
    domains: dict[int, tuple[str, ...]] = {}
    different: dict[int, None] = {}
    for number, field in zip((in_order // width).tolist(), (in_order % width).tolist(), strict=True):
        names = names_of[field]
        before = domains.setdefault(number, names)
        if before is not names and before != names:
            different[number] = None
            if domain_of == "all":
                domains[number] = tuple(dict.fromkeys((*before, *names)))
    if different:
        decision = "each belongs to all of them" if domain_of == "all" else "the first row decides"
        notes.append(
            f"{found.name}: items with different domains in different rows: {len(different):,} "
            f"(the first: {str(items[next(iter(different))])!r}); {decision}; if ids start again in each domain, "
            "make them differ, as in books:12 and films:12"
        )
    wanted = 1 if domain_of == "first" else None
    return [(number, name) for number, names in domains.items() for name in names[:wanted]]


def join_cases(found: DomainFields) -> DomainFields:
    """Write domains that differ only in case in one way: as in most rows, and of equally many, first in the alphabet.

    Examples
    --------
    >>> field = np.array([0, 1, 1, 1, 2])
    >>> join_cases(DomainFields("taken.csv", "|", np.arange(5), field, ["Books", "books", "FILMS|Books"])).fields
    ['books', 'books', 'FILMS|books']
    """
    rows = np.bincount(found.field[found.field >= 0], minlength=len(found.fields)).tolist()
    parts = [_parts(field, found.separator) for field in found.fields]
    often: Counter[str] = Counter()
    for number, names in zip(rows, parts, strict=True):
        often.update(dict.fromkeys((name.strip() for name in names), number))
    spelling: dict[str, str] = {}
    for name in sorted(often, key=lambda name: (-often[name], name)):
        spelling.setdefault(name.casefold(), name)
    fields = [(found.separator or "").join(spelling[name.strip().casefold()] for name in names) for names in parts]
    return found._replace(fields=fields)


def _parts(field: str, separator: str | None) -> list[str]:
    return field.split(separator) if separator else [field]


def note_joined_domains(fields: Sequence[str], separator: str | None, notes: list[str]) -> None:
    """Note fields that seem to hold several domains with another mark between them, because a part of them recurs.

    Examples
    --------
    >>> notes = []
    >>> note_joined_domains(["Drama, War", "Drama", "Home, Garden"], "|", notes)
    >>> notes  # doctest: +ELLIPSIS
    ["domains that seem to be several with ',' between them, read as one: 1 (the first: 'Drama, War'); ..."]
    """
    if separator is None or any(separator in field for field in fields):
        return
    for mark in SEPARATORS:
        parts = {field: {part.strip() for part in field.split(mark)} for field in fields}
        often = Counter(part for found in parts.values() for part in found)
        joined = [field for field in fields if len(parts[field]) > 1 and any(often[part] > 1 for part in parts[field])]
        if joined:
            notes.append(
                f"domains that seem to be several with {mark!r} between them, read as one: {len(joined):,} (the first: "
                f"{joined[0]!r}); --domain-separator {mark!r} takes them apart (domain_separator={mark!r})"
            )
            return


def _first_occurrences(item: Codes, field: Codes, width: int) -> npt.NDArray[np.int64]:
    """Return the distinct values (R,) of ``item * width + field`` in the order in which they first occur."""
    places = (int(item.max(initial=-1)) + 1) * width
    if places > 8 * len(item):  # a table of all that may occur would be larger than what does
        keys: npt.NDArray[np.int64] = item.astype(np.int64) * width + field
        distinct, place = np.unique(keys, return_index=True)
        return distinct[np.argsort(place)]
    first = np.full(places, len(item))
    for stop in range(len(item), 0, -BLOCK):  # the last block first, so that the first row is written last
        block = slice(max(stop - BLOCK, 0), stop)
        keys = item[block].astype(np.int64) * width + field[block]
        first[keys[::-1]] = np.arange(block.start, block.stop)[::-1]
    distinct = np.flatnonzero(first < len(item))
    return distinct[np.argsort(first[distinct])]


def choose_domains(sizes: Counter[str], max_domains: int | None, min_items: int, notes: list[str]) -> list[str]:
    """Choose the domains to keep, those with most items first, and by name if they have equally many."""
    by_size = sorted(sizes, key=lambda name: (-sizes[name], name))
    large = [name for name in by_size if sizes[name] >= min_items]
    if small := by_size[len(large) :]:
        notes.append(
            f"domains with fewer than {min_items} items, left out: {len(small):,} ({first_few(small, MAX_SHOWN)})"
        )
    if more := large[max_domains:] if max_domains else []:
        notes.append(
            f"domains beyond the {max_domains} with most items, left out: {len(more):,} ({first_few(more, MAX_SHOWN)})"
        )
    return large[:max_domains]
