"""How does a file of interactions become `Interactions`?

    user,item,domain,rating            user_id:token  item_id:token  rating:float      item_id:token  class:token_seq
    ann,Dune,books,5                   196            242            3.0               242            Comedy
    ann,Alien,films,4                  186            302            3.0               302            Drama Crime
    bob,Emma,books,2                   CSV or TSV on the left, RecBole's .inter with the .item beside it on the right

Rows are read, malformed ones counted; those below the least rating go; each item gets its domain, or its domains; the
domains with most items stay; users and items are numbered in the order of their ids.  So the order of the rows does
not matter (but where the domain stands in the rows and an item has different ones, the first row decides).
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data.delimited_text import ID, NUMBER, Column, Table
from acg_numpy.recommender.data.interactions import DataError, Interactions

DomainOf = Literal["first", "all"]
Numbers = npt.NDArray[np.int32]


def read_interactions(
    path: str | os.PathLike[str],
    *,
    items: str | os.PathLike[str] | None = None,
    user: str = "user",
    item: str = "item",
    domain: str = "domain",
    rating: str = "rating",
    timestamp: str = "timestamp",
    min_rating: float | None = None,
    domain_of: DomainOf = "first",
    max_domains: int | None = None,
    min_items: int = 3,
) -> Interactions:
    """Read who took what from a CSV, TSV or RecBole file.

    Parameters
    ----------
    path : path
        A text file in UTF-8 with a header.  One row is one interaction; a pair of user and item that stands in
        several rows is one interaction.
    items : path, optional
        A second such file, with the domain of each item.  Not needed where `path` has a column for the domain, or is
        a RecBole `.inter` file with its `.item` file beside it.
    user, item, domain, rating, timestamp : str
        Names of the columns.  `user_id` and `item_id` are found without being named, and types in the header
        (`class:token_seq`) need not be given.  Times are not used; a name given for them is checked to exist.
    min_rating : float, optional
        Rows with a rating below it do not count; by default ratings are not looked at.
    domain_of : {"first", "all"}
        What a field with several domains (separated by "|", in RecBole sequences by spaces) means: the item is of the
        first, or of all.
    max_domains : int, optional
        Keep this many domains, those with most items.
    min_items : int, default 3
        Keep domains with at least so many items.

    Returns
    -------
    Interactions
        Its `notes` say what was left out and why.

    Raises
    ------
    DataError
        If a file cannot be read or is no table, a column is missing, nothing is left, or only one domain is.
    ValueError
        If an option has a value that it cannot have.

    Examples
    --------
    >>> import tempfile
    >>> rows = ["user,item,domain", 'ann,"Dune, Part 1",books', "ann,Alien,films", "bob,Emma,books", "bob,Alien,films"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "taken.csv"
    ...     _ = path.write_text("\\n".join(rows), encoding="utf-8")
    ...     taken = read_interactions(path, min_items=1)
    >>> taken
    <Interactions: 4 interactions of 2 users with 3 items in 2 domains>
    >>> taken.items.tolist(), taken.domains.tolist()
    (['Alien', 'Dune, Part 1', 'Emma'], ['books', 'films'])
    """
    if domain_of not in ("first", "all"):
        raise ValueError(f"domain_of must be 'first' or 'all', but it is {domain_of!r}")
    for name, number in (("max_domains", max_domains), ("min_items", min_items)):
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, but it is {number}")

    table = Table(path)
    wanted = [
        table.column(default_name(table, name, role), ID, role=role) for name, role in ((user, "user"), (item, "item"))
    ]
    if min_rating is not None:
        wanted.append(table.column(rating, NUMBER, role="rating"))
    if timestamp != "timestamp":
        table.column(timestamp, NUMBER, role="timestamp")
    item_table = _item_table(table, items, domain)
    if item_table is None:
        wanted.append(_domain_column(table, domain))

    notes: list[str] = []
    taken = read_rows(table, wanted, min_rating, notes)
    if item_table is None:
        named = _Named(table, wanted[-1], taken.item, taken.domain, list(taken.domains))
    else:
        named = _read_items(item_table, item, domain, taken.items, notes)
    belongs = _memberships(named, domain_of, list(taken.items), notes)
    _note_homeless(taken, belongs, notes)
    domains = _choose(Counter(name for _, name in belongs), max_domains, min_items, notes)
    if len(domains) < 2:
        left = f"only one domain is left, {domains[0]!r}" if domains else "no domain is left"
        because = f" ({'; '.join(notes)})" if notes else ""
        raise DataError(f"{path}: {left}, but two at least are needed, to lead from one to another{because}")
    files = [table.path, *([item_table.path] if item_table else [])]
    return _assemble(taken, belongs, domains, tuple(notes), _sha256(files))


class _Codes(dict[str, int]):
    """Numbers for strings, in the order in which they are first asked for."""

    def __missing__(self, text: str) -> int:
        self[text] = code = len(self)
        return code

    def of(self, texts: Iterable[str]) -> Numbers:
        return np.fromiter(map(self.__getitem__, texts), dtype=np.int32)


@dataclass(frozen=True)
class _Taken:
    """The rows that count, as numbers (R,), and what the numbers stand for."""

    user: Numbers
    item: Numbers
    domain: Numbers  # the domain's field as it stands; empty where another file has it
    users: _Codes
    items: _Codes
    domains: _Codes


class _Named(NamedTuple):
    """What a file says of items' domains: the item of each row, and the field beside it."""

    table: Table
    column: Column
    item: Numbers
    field: Numbers
    fields: list[str]


def read_rows(table: Table, wanted: Sequence[Column], min_rating: float | None, notes: list[str]) -> _Taken:
    """Read user, item, the rating where one is the least, the domain where it is wanted; note what is left out."""
    codes = (_Codes(), _Codes(), _Codes())
    numbers: tuple[list[Numbers], ...] = ([], [], [])
    low = 0
    for block in table.blocks(wanted):
        if min_rating is not None:
            high = [float(text) >= min_rating for text in block.pop(2)]
            low += high.count(False)
            block = [list(compress(fields, high)) for fields in block]
        for fields, code, parts in zip(block, codes, numbers, strict=False):  # there may be no domain among the fields
            parts.append(code.of(fields))
    _note_malformed(table, notes)
    if low:
        notes.append(f"rows with a rating below {min_rating:g}, which do not count: {low:,}")
    user, item, domain = (np.concatenate([np.empty(0, np.int32), *parts]) for parts in numbers)
    if not len(user):
        raise DataError(
            f"{table.path} has no interactions below its header" + (f" ({'; '.join(notes)})" if notes else "")
        )
    return _Taken(user, item, domain, *codes)


def default_name(table: Table, name: str, role: str) -> str:
    """Take `user_id` for `user`, and `item_id` for `item`, if the file calls them so and no other name was given."""
    return f"{role}_id" if name == role and role not in table.columns and f"{role}_id" in table.columns else name


def _domain_column(table: Table, domain: str) -> Column:
    try:
        return table.column(domain, ID, role="domain")
    except DataError as error:
        raise DataError(
            f"{error} (domain or --domain-column names it; items or --items is a file that has it)"
        ) from None


def _item_table(table: Table, items: str | os.PathLike[str] | None, domain: str) -> Table | None:
    """Find the file that says which domain an item belongs to; None where the interactions say it themselves."""
    if items is not None:
        return Table(items)
    beside = table.path.with_suffix(".item")
    if table.plain(domain) not in table.columns and beside != table.path and beside.exists():
        return Table(beside)
    return None


def _read_items(table: Table, item: str, domain: str, items: _Codes, notes: list[str]) -> _Named:
    """Read what a file of items says of those that were taken."""
    wanted = [table.column(default_name(table, item, "item"), ID, role="item"), _domain_column(table, domain)]
    codes = _Codes()
    numbers, fields = [], []
    for names, texts in table.blocks(wanted):
        known = [name in items for name in names]
        numbers += [items[name] for name in compress(names, known)]
        fields.append(codes.of(compress(texts, known)))
    _note_malformed(table, notes)
    field = np.concatenate([np.empty(0, np.int32), *fields])
    return _Named(table, wanted[1], np.array(numbers, dtype=np.int32), field, list(codes))


def _memberships(named: _Named, domain_of: DomainOf, items: list[str], notes: list[str]) -> list[tuple[int, str]]:
    """Say which item belongs to which domain: distinct pairs of an item's number and a domain's name."""
    separator = named.table.sequence_separator(named.column)
    order = np.argsort(named.item, kind="stable")
    pair = np.stack([named.item, named.field], axis=1)[order]
    new = np.ones(len(pair), dtype=bool)
    new[1:] = (pair[1:] != pair[:-1]).any(axis=1)  # drops repetitions, which is nearly everything
    domains: dict[int, dict[str, None]] = {}
    different: dict[int, None] = {}
    for number, field in pair[new].tolist():
        parts = named.fields[field].split(separator) if separator else [named.fields[field]]
        found = dict.fromkeys(part.strip() for part in parts if part.strip())
        before = domains.setdefault(number, found)
        if list(before) != list(found):
            different[number] = None
            if domain_of == "all":
                before.update(found)
    if different:
        decision = "each belongs to all of them" if domain_of == "all" else "the first row decides"
        notes.append(
            f"{named.table.path.name}: items with different domains in different rows: {len(different):,} "
            f"(the first: {items[next(iter(different))]!r}); {decision}; if ids are numbered anew in each domain, "
            "make them differ, as in books:12 and films:12"
        )
    wanted = 1 if domain_of == "first" else None
    return [(number, name) for number, found in domains.items() for name in list(found)[:wanted]]


def _choose(sizes: Counter[str], max_domains: int | None, min_items: int, notes: list[str]) -> list[str]:
    """Choose the domains to keep, most items first, by name where they have as many."""
    by_size = sorted(sizes, key=lambda name: (-sizes[name], name))
    large = [name for name in by_size if sizes[name] >= min_items]
    if small := by_size[len(large) :]:
        notes.append(f"domains with fewer than {min_items} items, left out: {len(small):,} ({_few(small)})")
    if more := large[max_domains:] if max_domains else []:
        notes.append(f"domains beyond the {max_domains} with most items, left out: {len(more):,} ({_few(more)})")
    return large[:max_domains]


def _assemble(
    taken: _Taken, belongs: list[tuple[int, str]], domains: list[str], notes: tuple[str, ...], sha256: str
) -> Interactions:
    """Number users and items in the order of their ids, and fill the matrix."""
    item_names, domain_number = list(taken.items), {name: d for d, name in enumerate(domains)}
    columns = sorted((item_names[n], domain_number[name], n) for n, name in belongs if name in domain_number)
    distinct, same_item = np.unique([n for _, _, n in columns], return_inverse=True)

    kept = np.isin(taken.item, distinct)
    user, item = taken.user[kept], np.searchsorted(distinct, taken.item[kept])
    present = np.unique(user)
    names = np.array(list(taken.users))[present]
    by_name = np.argsort(names, kind="stable")
    row = np.empty(len(taken.users), dtype=np.int64)
    row[present[by_name]] = np.arange(len(present))

    by_item = sp.csc_array((np.ones(len(user), np.float32), (row[user], item)), shape=(len(present), len(distinct)))
    by_item.data[:] = 1  # repeated rows were added up
    matrix = by_item[:, same_item].tocsr()
    return Interactions(
        users=names[by_name],
        items=np.array([name for name, _, _ in columns]),
        domains=np.array(domains),
        matrix=matrix,
        item_domain=np.array([d for _, d, _ in columns], dtype=np.int64),
        same_item=same_item,
        notes=notes,
        sha256=sha256,
    )


def _note_homeless(taken: _Taken, belongs: list[tuple[int, str]], notes: list[str]) -> None:
    homeless = np.setdiff1d(np.arange(len(taken.items)), [number for number, _ in belongs])
    if len(homeless):
        rows = int(np.isin(taken.item, homeless).sum())
        first = list(taken.items)[homeless[0]]
        notes.append(
            f"items without a domain: {len(homeless):,} (the first: {first!r}); "
            f"rows with them, which do not count: {rows:,}"
        )


def _note_malformed(table: Table, notes: list[str]) -> None:
    if table.malformed.count:
        notes.append(f"{table.path.name}: {table.malformed.describe()}")


def _few(names: list[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")


def _sha256(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
