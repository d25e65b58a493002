"""A reader of interactions: which rows count, which domains an item has, and which domains are kept.

    user,item,domain,rating            user_id:token  item_id:token  rating:float      item_id:token  class:token_seq
    ann,Dune,books,5                   196            242            3.0               242            Comedy
    ann,Alien,films,4                  186            302            3.0               302            Drama Crime
    bob,Emma,books,2                   CSV or TSV on the left, RecBole's .inter with the .item beside it on the right

`sources` opens files and tables and reads their rows.  Here rows below the minimum rating are dropped; each item gets
its domain, or its domains; the domains with most items are kept; users and items are numbered in the order of their
ids.  So the order of the rows does not matter (except where the domain is in the rows and an item has different ones:
the first row decides).
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data.interactions import DataError, Interactions, taken_matrix
from acg_numpy.recommender.data.reading_options import record_reading
from acg_numpy.recommender.data.sources.id_codes import BLOCK, Codes, Names
from acg_numpy.recommender.data.sources.item_domains import (
    DomainFields,
    DomainOf,
    choose_domains,
    join_cases,
    memberships,
    note_joined_domains,
)
from acg_numpy.recommender.data.sources.numbers.numeric_ids import NumericRows
from acg_numpy.recommender.data.sources.oddities import (
    note_domains,
    note_ratings,
    note_spellings,
    refuse_swallowed_rows,
)
from acg_numpy.recommender.data.sources.opening import OpenSource, Source, open_source
from acg_numpy.recommender.data.sources.roles import (
    A_FILE_A_DOMAIN,
    ITEM_ROLES,
    Columns,
    domain_from_name,
    find_by_name,
    find_columns,
    find_item_columns,
    find_role,
)
from acg_numpy.recommender.data.sources.rows import Choice, StagedRows
from acg_numpy.recommender.data.sources.tables import TextOptions
from acg_numpy.text import joined


def read_interactions(
    source: Source,
    *,
    items: Source | None = None,
    user: str | None = None,
    item: str | None = None,
    domain: str | None = None,
    rating: str | None = None,
    timestamp: str | None = None,
    title: str | None = None,
    min_rating: float | None = None,
    where: str | None = None,
    domain_of: DomainOf = "first",
    domain_separator: str | None = None,
    max_domains: int | None = None,
    min_items: int = 3,
    header: bool = True,
    quotes: bool = True,
    encoding: str = "utf-8",
    keep_null_ids: bool = False,
    normalize_ids: bool = False,
    items_columns: Mapping[str, str] | None = None,
    items_header: bool | None = None,
    items_encoding: str | None = None,
) -> Interactions:
    r"""Read which users took which items, from files of any usual format or from a table in memory.

    Parameters
    ----------
    source : path, DataFrame, Arrow table, DuckDB relation, or sequence of these
        CSV, TSV, RecBole's `.inter`, JSON lines (each also compressed by gzip or zstd), Parquet, or Feather; a glob or
        several files; a pipe; "-" for standard input; a pandas or polars DataFrame.  One row is one interaction;
        several rows with the same user and item are one interaction.  Where no file has a column for the domain, the
        name of a file is the domain of its rows.
    items : as `source`, optional
        A second such table, with the domain of each item, and perhaps its title.  Not needed where `source` has a
        column for the domain, or is a RecBole `.inter` file with its `.item` file beside it.
    user, item, domain, rating, timestamp, title : str, optional
        Names of the columns, or their numbers from 1.  By default usual names are looked for (`userId`, `reviewerID`,
        `asin`, `genres`, ...).  Types in the header (`class:token_seq`) need not be given.
    min_rating : float, optional
        Rows with a rating below it do not count; by default all rows count, and the notes say so.
    where : str, optional
        A condition in SQL over the columns of `source`, as in "rating >= 4 and timestamp > 1600000000"; rows for which
        it does not hold do not count.
    domain_of : {"first", "all"}
        Whether an item with several domains in its field belongs to the first, or to all.
    domain_separator : str, optional
        What separates several domains in a field; by default "|", in RecBole sequences a space.
    max_domains : int, optional
        Keep this many domains, those with most items.
    min_items : int, default 3
        Keep domains with at least so many items.
    header : bool, default True
        Whether the first line of a text file names the columns; without, they are named by number.
    quotes : bool, default True
        Whether double quotes enclose fields of text files.
    encoding : str, default "utf-8"
        Of text files, by its name in Python.
    keep_null_ids : bool, default False
        Whether `nan`, `NULL`, `None` and the like are ids; by default they are missing ones.
    normalize_ids : bool, default False
        Whether ids lose spaces around them and ".0" after a whole number, and take Unicode's composed form (NFC), and
        domains that differ only in case are one, in the spelling of most rows.
    items_columns : mapping, optional
        Names or numbers of the columns of `items`, by role: "item", "domain", "title".  A role that is not in it has
        the column of `items` with the name that `item`, `domain` or `title` gives, else one with a usual name.
    items_header : bool, optional
        Whether the first line of `items` names its columns; by default as `header`.
    items_encoding : str, optional
        Of `items`, where it is text; by default as `encoding`.

    Returns
    -------
    Interactions
        Its `notes` say what was left out and why, and what is odd.

    Raises
    ------
    DataError
        If a file cannot be read or is not a table, a column is missing, nothing is left, or only one domain is.
    ValueError
        If an option has a value that it cannot have.
    TypeError
        If `source` is of a type that is not read.

    Examples
    --------
    >>> import tempfile
    >>> rows = [
    ...     "userId,title,genre",
    ...     'ann,"Dune, Part 1",books',
    ...     "ann,Alien,films",
    ...     "bob,Emma,books",
    ...     "bob,Alien,films",
    ... ]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "taken.csv"
    ...     _ = path.write_text("\n".join(rows), encoding="utf-8")
    ...     taken = read_interactions(path, item="title", min_items=1)
    >>> taken
    <Interactions: 4 interactions of 2 users with 3 items in 2 domains>
    >>> taken.items.tolist(), taken.domains.tolist()
    (['Alien', 'Dune, Part 1', 'Emma'], ['books', 'films'])
    >>> taken.notes
    ("columns: user 'userId', domain 'genre'",)
    """
    if domain_of not in ("first", "all"):
        raise ValueError(f"domain_of must be 'first' or 'all', but it is {domain_of!r}")
    if domain_separator == "":
        raise DataError("domain_separator must be one character or more, but it is empty")
    for name, number in (("max_domains", max_domains), ("min_items", min_items)):
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, but it is {number}")

    given = {"user": user, "item": item, "domain": domain, "rating": rating, "timestamp": timestamp, "title": title}
    if unknown := [role for role in items_columns or {} if role not in ITEM_ROLES]:
        raise ValueError(f"items_columns has {unknown[0]!r}, but its roles are {joined(list(map(repr, ITEM_ROLES)))}")
    text = TextOptions(header, quotes, encoding)
    choice = Choice(min_rating, where, keep_null_ids, normalize_ids)
    options = {**vars(choice), **text._asdict(), "max_domains": max_domains, "min_items": min_items}
    notes: list[str] = []
    digest = hashlib.sha256()
    with open_source(source, text) as opened:
        separate = items if items is not None else _find_items_beside(opened, domain)
        own = {"items_columns": items_columns, "items_header": items_header, "items_encoding": items_encoding}
        if separate is None and (named := [name for name, value in own.items() if value is not None]):
            raise DataError(
                f"{opened.name}: {named[0]} (--{named[0].replace('_', '-')}) is about a table of items, and none is "
                "given: items=FILE (--items FILE) names it"
            )
        columns = find_columns(opened, given, notes, need_domain=separate is None, need_rating=min_rating is not None)
        rows = read_rows(opened, columns, choice, notes)
        options |= {"domain_of": domain_of, "domain_separator": domain_separator}
        options |= {"items": str(items) if isinstance(items, (str, Path)) else None}
        reading = record_reading(opened.tables, columns, options)
        opened.update_digest(digest)
        if separate is None:
            found = _domains_in_rows(opened, rows, columns)
    if separate is not None:
        of_items = TextOptions(header if items_header is None else items_header, quotes, items_encoding or encoding)
        with open_source(separate, of_items) as opened_items:
            in_rows = any(position is not None for position in columns["title"])
            if title is not None and not in_rows and find_by_name(opened_items.tables[0], title) is None:
                raise DataError(f"neither {opened.name} nor {opened_items.name} has a column {title!r} for the title")
            found = _read_items(
                opened_items, find_item_columns(opened_items, items_columns or {}, given, notes), rows, choice, notes
            )
            opened_items.update_digest(digest)
    if domain_separator is not None:
        found = found._replace(separator=domain_separator)
    note_joined_domains(found.fields, found.separator, notes)
    if normalize_ids:
        found = join_cases(found)
    belongs = memberships(found, domain_of, rows.items, notes)
    del found
    rows = rows._replace(domain=np.empty(0, np.int32))  # 4 bytes a row less before the matrix is made
    _note_items_without_domain(rows, belongs, notes)
    domains = choose_domains(Counter(name for _, name in belongs), max_domains, min_items, notes)
    note_domains(domains, None if separate is not None else _column_of_domain(columns, opened), notes)
    if len(domains) < 2:
        raise _too_few_domains(opened.name, domains, notes, in_items=separate is not None)
    return replace(_assemble(rows, belongs, domains, notes, digest.hexdigest()), reading=reading)


def _too_few_domains(name: str, domains: list[str], notes: list[str], *, in_items: bool) -> DataError:
    """Make the error for one domain or none, with what to do about it."""
    left = f"only one domain is left, {domains[0]!r}" if domains else "no domain is left"
    because = f" ({'; '.join(notes)})" if notes else ""
    another = "--items-columns domain=NAME" if in_items else "--domain-column NAME"
    advice = [f"{another} names a column with finer ones", A_FILE_A_DOMAIN]
    if not in_items:
        advice.insert(1, "--items FILE is a table with the domain of each item")
    if any("domains with fewer than" in note for note in notes):
        advice.insert(0, "--min-items 1 keeps small domains")
    return DataError(
        f"{name}: {left}, but at least two are needed, to lead from one to another{because}: {'; '.join(advice)}"
    )


def _column_of_domain(columns: Columns, opened: OpenSource) -> str | None:
    """Return the name of the domain's column, where the tables have one."""
    position = columns["domain"][0]
    return None if position is None else opened.tables[0].columns[position]


class Rows(NamedTuple):
    """The rows that count, as codes (R,), and the ids that the codes stand for, in the order of the ids."""

    user: Codes
    item: Codes
    timestamp: npt.NDArray[np.float64] | None
    users: Names
    items: Names
    titles: dict[str, str]
    domain: Codes  # of the field as it is in the table; -1 where another table has the domains
    domains: Names


def _find_items_beside(opened: OpenSource, domain: str | None) -> Path | None:
    """Find a RecBole file of items beside one of interactions that does not name the domains itself."""
    table = opened.tables[0]
    if len(opened.tables) > 1 or table.path is None:
        return None
    if domain is not None and find_by_name(table, domain) is not None:
        return None
    if domain is None and find_role(opened.tables, None, "domain", need=False)[0] is not None:
        return None
    beside = Path(opened.name).with_suffix(".item")
    return beside if beside != Path(opened.name) and beside.exists() else None


def read_rows(opened: OpenSource, columns: Columns, choice: Choice, notes: list[str]) -> Rows:
    """Read the rows that count; note what is left out, and what is odd.

    Raises
    ------
    DataError
        If a table cannot be read, a quote has swallowed rows, or no row is left.
    """
    numeric = NumericRows.read(opened.tables, columns, choice)
    staged = numeric or _stage(opened, columns, choice, notes)
    if numeric is not None:
        numeric.note_left_out(notes)
    if not staged.count(0):
        raise DataError(
            f"{opened.name} has no interactions below its header" + (f" ({'; '.join(notes)})" if notes else "")
        )
    note_ratings(staged, notes)
    user, users = staged.encode("user")
    item, items = staged.encode("item")
    if isinstance(staged, StagedRows):  # whole numbers are all written in one way
        for role in ("user", "item"):
            note_spellings(staged, role, notes)
    times = None
    if any(position is not None for position in columns.get("timestamp", [])):
        times = staged.numbers("timestamp")
        if unknown := int(np.isnan(times).sum()):
            notes.append(
                f"rows whose time is neither a number nor a date: {unknown:,} (the first: "
                f"{staged.text_at('timestamp', int(np.argmax(np.isnan(times))))!r}); they count, but have no time"
            )
    domain, domains = np.full(len(user), -1, np.int32), np.empty(0, np.str_)
    if any(position is not None for position in columns.get("domain", [])):
        domain, domains = staged.encode("domain")
    elif "domain" in columns:
        domain = staged.sources()
        domains = np.array([domain_from_name(table) for table in opened.tables])
    return Rows(user, item, times, users, items, staged.titles(), domain, domains)


def _stage(opened: OpenSource, columns: Columns, choice: Choice, notes: list[str]) -> StagedRows:
    """Stage rows as text, and note what is left out."""
    staged = StagedRows.stage(opened.cursor, opened.tables, columns, choice)
    for table in opened.tables:
        table.refuse_other_encodings(opened.cursor)
    staged.note_left_out(notes)
    for number in range(len(opened.tables)):
        refuse_swallowed_rows(staged, number, notes)
    return staged


def _domains_in_rows(opened: OpenSource, rows: Rows, columns: Columns) -> DomainFields:
    position = columns["domain"][0]
    separator = None if position is None else opened.tables[0].separator(position)
    return DomainFields(opened.tables[0].short_name, separator, rows.item, rows.domain, rows.domains.tolist())


def _read_items(opened: OpenSource, columns: Columns, rows: Rows, choice: Choice, notes: list[str]) -> DomainFields:
    """Read the domains and titles of the items that were taken from a table of items."""
    own = Choice(keep_null_ids=choice.keep_null_ids, normalize_ids=choice.normalize_ids)
    staged = _stage(opened, columns, own, notes)
    if not staged.count(0):
        raise DataError(f"{opened.name} has no items below its header" + (f" ({'; '.join(notes)})" if notes else ""))
    item, names = staged.encode("item")
    field, fields = staged.encode("domain")
    taken = {name: n for n, name in enumerate(rows.items.tolist())}
    item = np.array([taken.get(name, -1) for name in names.tolist()], np.int32)[item]
    known = item >= 0
    rows.titles.update(staged.titles())
    position = columns["domain"][0]
    separator = None if position is None else opened.tables[0].separator(position)
    return DomainFields(opened.tables[0].short_name, separator, item[known], field[known], fields.tolist())


def _assemble(
    rows: Rows, belongs: list[tuple[int, str]], domains: list[str], notes: list[str], sha256: str
) -> Interactions:
    """Make the interactions, with users and items in the order of their ids."""
    domain_number = {name: d for d, name in enumerate(domains)}
    columns = sorted((n, domain_number[name]) for n, name in belongs if name in domain_number)
    distinct, same_item = np.unique([n for n, _ in columns], return_inverse=True)

    number = np.full(len(rows.items), -1, np.int32)
    number[distinct] = np.arange(len(distinct))
    user, timestamp = rows.user, rows.timestamp
    item = rows.item if len(distinct) == len(rows.items) else number[rows.item]
    if (item < 0).any():
        kept = item >= 0
        user, item, timestamp = user[kept], item[kept], None if timestamp is None else timestamp[kept]
    present = np.flatnonzero(np.bincount(user, minlength=len(rows.users)))
    if len(present) < len(rows.users):
        user = np.searchsorted(present, user).astype(np.int32)
    shape, times = (len(present), len(distinct)), None
    if timestamp is None:
        matrix = taken_matrix(user, item, shape)
    else:
        matrix, times = _with_times(user, item, timestamp, shape)
    if repeated := len(user) - matrix.nnz:
        u, i = _first_repeated(user, item, matrix)
        notes.append(
            f"rows that repeat a user and an item, which count once: {repeated:,} (the first: user "
            f"{str(rows.users[present[u]])!r}, item {str(rows.items[distinct[i]])!r})"
        )
    if len(same_item) > len(distinct):  # an item of several domains has a column in each
        counted = (np.arange(1, matrix.nnz + 1), matrix.indices, matrix.indptr)
        numbered = sp.csr_array(counted, shape=matrix.shape)[:, same_item]
        numbered.sort_indices()
        times = None if times is None else times[numbered.data - 1]
        ones = np.ones(numbered.nnz, np.float32)
        matrix = sp.csr_array((ones, numbered.indices, numbered.indptr), shape=numbered.shape)
    names = _narrow(rows.items[[n for n, _ in columns]])
    titles = np.array([rows.titles.get(name, "") for name in names.tolist()]) if rows.titles else None
    return Interactions(
        users=_narrow(rows.users[present]),
        items=names,
        domains=np.array(domains),
        matrix=matrix,
        item_domain=np.array([d for _, d in columns], dtype=np.int64),
        same_item=same_item,
        notes=tuple(notes),
        sha256=sha256,
        times=times,
        titles=titles,
    )


def _first_repeated(user: Codes, item: Codes, matrix: sp.csr_array) -> tuple[int, int]:
    """Return the first user and item, in their order, of which there are several rows."""
    rows_of_user = np.bincount(user, minlength=matrix.shape[0])
    u = int(np.argmax(rows_of_user > np.diff(matrix.indptr)))
    blocks = (slice(start, start + BLOCK) for start in range(0, len(user), BLOCK))
    taken = np.sort(np.concatenate([item[block][user[block] == u] for block in blocks]))
    return u, int(taken[1:][taken[1:] == taken[:-1]][0])


def _narrow(names: Names) -> Names:
    """Return the same names as an array that is as wide as the longest."""
    return names.astype(f"<U{max(1, np.strings.str_len(names).max(initial=1))}", copy=False)


def _with_times(
    user: Codes, item: Codes, timestamp: npt.NDArray[np.float64], shape: tuple[int, int]
) -> tuple[sp.csr_array, npt.NDArray[np.float64]]:
    """Return the matrix with 1 where a user took an item, and the earliest time of each entry, NaN if it has none."""
    rows = sp.coo_array((timestamp, (user, item)), shape=shape)
    rows.has_canonical_format = True  # which keeps repeated pairs apart, where their times would be added
    pairs = rows.tocsr()
    pairs.sort_indices()
    times, indices, indptr = pairs.data, pairs.indices, pairs.indptr
    first = np.ones(len(indices), bool)
    np.not_equal(indices[1:], indices[:-1], out=first[1:])
    first[indptr[:-1][np.diff(indptr) > 0]] = True
    if not first.all():
        starts = np.flatnonzero(first)
        times, indices = np.fmin.reduceat(times, starts), indices[starts]
        indptr = np.searchsorted(starts, indptr).astype(indptr.dtype)
    return sp.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=shape), times


def _note_items_without_domain(rows: Rows, belongs: list[tuple[int, str]], notes: list[str]) -> None:
    without = np.setdiff1d(np.arange(len(rows.items)), [number for number, _ in belongs])
    if len(without):
        notes.append(
            f"items without a domain: {len(without):,} (the first: {str(rows.items[without[0]])!r}); "
            f"rows with them, which do not count: {int(np.isin(rows.item, without).sum()):,}"
        )
