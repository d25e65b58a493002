"""A reader of files of interactions.

    user,item,domain,rating            user_id:token  item_id:token  rating:float      item_id:token  class:token_seq
    ann,Dune,books,5                   196            242            3.0               242            Comedy
    ann,Alien,films,4                  186            302            3.0               302            Drama Crime
    bob,Emma,books,2                   CSV or TSV on the left, RecBole's .inter with the .item beside it on the right

Rows are read, and malformed ones counted; rows below the minimum rating are dropped; each item gets its domain, or its
domains; the domains with most items are kept; users and items are numbered in the order of their ids.  So the order of
the rows does not matter (except where the domain is in the rows and an item has different ones: the first row decides).
"""

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data.delimited_text import ID, NUMBER, TEXT, Column, Table
from acg_numpy.recommender.data.interactions import DataError, Interactions
from acg_numpy.text import first_few

MAX_SHOWN = 8  # names of domains in a note

DomainOf = Literal["first", "all"]
Codes = npt.NDArray[np.int32]


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
    r"""Read which users took which items from a CSV, TSV or RecBole file.

    Parameters
    ----------
    path : path
        A text file in UTF-8 with a header.  One row is one interaction; several rows with the same user and item
        are one interaction.
    items : path, optional
        A second such file, with the domain of each item.  Not needed where `path` has a column for the domain, or is
        a RecBole `.inter` file with its `.item` file beside it.
    user, item, domain, rating, timestamp : str
        Names of the columns.  `user_id` and `item_id` are found without being named, and types in the header
        (`class:token_seq`) need not be given.  A column for the time need not be there, unless it is given another
        name; it holds numbers, or dates in ISO 8601 (in UTC, where they name no zone).
    min_rating : float, optional
        Rows with a rating below it do not count; by default ratings are ignored.
    domain_of : {"first", "all"}
        Whether an item with several domains in its field (separated by "|", in RecBole sequences by spaces) belongs to
        the first, or to all.
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
        If a file cannot be read or is not a table, a column is missing, nothing is left, or only one domain is.
    ValueError
        If an option has a value that it cannot have.

    Examples
    --------
    >>> import tempfile
    >>> rows = ["user,item,domain", 'ann,"Dune, Part 1",books', "ann,Alien,films", "bob,Emma,books", "bob,Alien,films"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "taken.csv"
    ...     _ = path.write_text("\n".join(rows), encoding="utf-8")
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
        table.find_column(default_name(table, name, role), ID, role=role)
        for name, role in ((user, "user"), (item, "item"))
    ]
    if min_rating is not None:
        wanted.append(table.find_column(rating, NUMBER, role="rating"))
    if timestamp != "timestamp" or "timestamp" in table.columns:
        wanted.append(table.find_column(timestamp, TEXT, role="timestamp"))
    item_table = _item_table(table, items, domain)
    if item_table is None:
        wanted.append(_domain_column(table, domain))

    notes: list[str] = []
    rows = read_rows(table, wanted, min_rating, notes)
    if item_table is None:
        domain_fields = _DomainFields(table, wanted[-1], rows.item, rows.domain, list(rows.domains))
    else:
        domain_fields = _read_items(item_table, item, domain, rows.items, notes)
    belongs = _memberships(domain_fields, domain_of, list(rows.items), notes)
    _note_items_without_domain(rows, belongs, notes)
    domains = _choose_domains(Counter(name for _, name in belongs), max_domains, min_items, notes)
    if len(domains) < 2:
        left = f"only one domain is left, {domains[0]!r}" if domains else "no domain is left"
        because = f" ({'; '.join(notes)})" if notes else ""
        raise DataError(f"{path}: {left}, but at least two are needed, to lead from one to another{because}")
    files = [table.path, *([item_table.path] if item_table else [])]
    return _assemble(rows, belongs, domains, tuple(notes), _sha256(files))


class _Codes(dict[str, int]):
    """Integer codes of strings, in the order in which they are first looked up."""

    def __missing__(self, text: str) -> int:
        self[text] = code = len(self)
        return code

    def encode(self, texts: Iterable[str]) -> Codes:
        return np.fromiter(map(self.__getitem__, texts), dtype=np.int32)


@dataclass(frozen=True)
class _Rows:
    """The rows that count, as codes (R,), and the strings that the codes stand for."""

    user: Codes
    item: Codes
    domain: Codes  # the field as it is in the file; empty where another file has the domains
    time: npt.NDArray[np.float64]  # NaN where it is not known; empty where there are no times
    users: _Codes
    items: _Codes
    domains: _Codes


class _DomainFields(NamedTuple):
    """The domains of items in a file: the item of each row, and the field with its domains."""

    table: Table
    column: Column
    item: Codes
    field: Codes
    fields: list[str]


def read_rows(table: Table, wanted: Sequence[Column], min_rating: float | None, notes: list[str]) -> _Rows:
    """Read user, item, the rating if there is a minimum, time and domain if wanted; note what is left out."""
    codes = (_Codes(), _Codes(), _Codes())
    numbers: tuple[list[Codes], ...] = ([], [], [])
    roles = [column.role for column in wanted]
    rating, timestamp = (roles.index(role) if role in roles else None for role in ("rating", "timestamp"))
    low = 0
    times: list[npt.NDArray[np.float64]] = [np.empty(0)]
    for block in table.blocks(wanted):
        if rating is not None and min_rating is not None:
            high = [float(text) >= min_rating for text in block[rating]]
            low += high.count(False)
            block = [list(compress(fields, high)) for fields in block]
        if timestamp is not None:
            times.append(_read_times(block[timestamp]))
        block = [fields for n, fields in enumerate(block) if n not in (rating, timestamp)]
        for fields, code, parts in zip(block, codes, numbers, strict=False):  # there may be no domain among the fields
            parts.append(code.encode(fields))
    _note_malformed(table, notes)
    if low:
        notes.append(f"rows with a rating below {min_rating:g}, which do not count: {low:,}")
    user, item, domain = (np.concatenate([np.empty(0, np.int32), *parts]) for parts in numbers)
    if not len(user):
        raise DataError(
            f"{table.path} has no interactions below its header" + (f" ({'; '.join(notes)})" if notes else "")
        )
    time = np.concatenate(times)
    if unknown := int(np.isnan(time).sum()):
        notes.append(f"rows whose time is neither a number nor a date: {unknown:,}; they count, but have no time")
    return _Rows(user, item, domain, time, *codes)


def _read_times(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Read numbers, or dates as seconds since 1970; NaN where a text is neither."""
    try:
        times = np.fromiter(map(float, texts), np.float64)
    except ValueError:
        times = np.fromiter(map(_read_time, texts), np.float64)
    times[~np.isfinite(times)] = np.nan
    return times


def _read_time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        date = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return math.nan
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def default_name(table: Table, name: str, role: str) -> str:
    """Return `user_id` for `user`, and `item_id` for `item`, if the file has them and no other name was given."""
    return f"{role}_id" if name == role and role not in table.columns and f"{role}_id" in table.columns else name


def _domain_column(table: Table, domain: str) -> Column:
    try:
        return table.find_column(domain, ID, role="domain")
    except DataError as error:
        raise DataError(
            f"{error} (domain or --domain-column names it; items or --items is a file that has it)"
        ) from None


def _item_table(table: Table, items: str | os.PathLike[str] | None, domain: str) -> Table | None:
    """Find the file that says which domain an item belongs to; None where the interactions say it themselves."""
    if items is not None:
        return Table(items)
    beside = table.path.with_suffix(".item")
    if table.strip_type(domain) not in table.columns and beside != table.path and beside.exists():
        return Table(beside)
    return None


def _read_items(table: Table, item: str, domain: str, items: _Codes, notes: list[str]) -> _DomainFields:
    """Read the domains of the items that were taken from a file of items."""
    wanted = [table.find_column(default_name(table, item, "item"), ID, role="item"), _domain_column(table, domain)]
    codes = _Codes()
    numbers, fields = [], []
    for names, texts in table.blocks(wanted):
        known = [name in items for name in names]
        numbers += [items[name] for name in compress(names, known)]
        fields.append(codes.encode(compress(texts, known)))
    _note_malformed(table, notes)
    field = np.concatenate([np.empty(0, np.int32), *fields])
    return _DomainFields(table, wanted[1], np.array(numbers, dtype=np.int32), field, list(codes))


def _memberships(
    found: _DomainFields, domain_of: DomainOf, items: list[str], notes: list[str]
) -> list[tuple[int, str]]:
    """Return which item belongs to which domain: distinct pairs of an item's code and a domain's name."""
    separator = found.table.sequence_separator(found.column)
    order = np.argsort(found.item, kind="stable")
    pair = np.stack([found.item, found.field], axis=1)[order]
    new = np.ones(len(pair), dtype=bool)
    new[1:] = (pair[1:] != pair[:-1]).any(axis=1)  # drops repetitions, which are nearly all rows
    domains: dict[int, dict[str, None]] = {}
    different: dict[int, None] = {}
    for number, field in pair[new].tolist():
        parts = found.fields[field].split(separator) if separator else [found.fields[field]]
        names = dict.fromkeys(part.strip() for part in parts if part.strip())
        before = domains.setdefault(number, names)
        if list(before) != list(names):
            different[number] = None
            if domain_of == "all":
                before.update(names)
    if different:
        decision = "each belongs to all of them" if domain_of == "all" else "the first row decides"
        notes.append(
            f"{found.table.path.name}: items with different domains in different rows: {len(different):,} "
            f"(the first: {items[next(iter(different))]!r}); {decision}; if ids start again in each domain, "
            "make them differ, as in books:12 and films:12"
        )
    wanted = 1 if domain_of == "first" else None
    return [(number, name) for number, names in domains.items() for name in list(names)[:wanted]]


def _choose_domains(sizes: Counter[str], max_domains: int | None, min_items: int, notes: list[str]) -> list[str]:
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


def _assemble(
    rows: _Rows, belongs: list[tuple[int, str]], domains: list[str], notes: tuple[str, ...], sha256: str
) -> Interactions:
    """Make the interactions, with users and items in the order of their ids."""
    item_names, domain_number = list(rows.items), {name: d for d, name in enumerate(domains)}
    columns = sorted((item_names[n], domain_number[name], n) for n, name in belongs if name in domain_number)
    distinct, same_item = np.unique([n for _, _, n in columns], return_inverse=True)

    kept = np.isin(rows.item, distinct)
    user, item = rows.user[kept], np.searchsorted(distinct, rows.item[kept])
    present = np.unique(user)
    names = np.array(list(rows.users))[present]
    by_name = np.argsort(names, kind="stable")
    row = np.empty(len(rows.users), dtype=np.int64)
    row[present[by_name]] = np.arange(len(present))

    # of repeated rows the earliest counts, and one without a time only where none of them has one
    time = rows.time[kept] if len(rows.time) else np.zeros(len(user))
    in_order = np.lexsort((time, item, row[user]))
    cell = (row[user] * len(distinct) + item)[in_order]
    first = in_order[np.flatnonzero(np.diff(cell, prepend=-1))]
    shape = (len(present), len(distinct))
    number = sp.csc_array((np.arange(1, len(first) + 1), (row[user[first]], item[first])), shape=shape)
    matrix = number[:, same_item].tocsr()  # which of the interactions each entry is, counted from 1
    times = time[first][matrix.data - 1] if len(rows.time) else None
    matrix = sp.csr_array((np.ones(matrix.nnz, np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)
    return Interactions(
        users=names[by_name],
        items=np.array([name for name, _, _ in columns]),
        domains=np.array(domains),
        matrix=matrix,
        item_domain=np.array([d for _, d, _ in columns], dtype=np.int64),
        same_item=same_item,
        notes=notes,
        sha256=sha256,
        times=times,
    )


def _note_items_without_domain(rows: _Rows, belongs: list[tuple[int, str]], notes: list[str]) -> None:
    without = np.setdiff1d(np.arange(len(rows.items)), [number for number, _ in belongs])
    if len(without):
        first = list(rows.items)[without[0]]
        notes.append(
            f"items without a domain: {len(without):,} (the first: {first!r}); "
            f"rows with them, which do not count: {int(np.isin(rows.item, without).sum()):,}"
        )


def _note_malformed(table: Table, notes: list[str]) -> None:
    if table.malformed.count:
        notes.append(f"{table.path.name}: {table.malformed.describe()}")


def _sha256(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
