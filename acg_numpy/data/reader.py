"""How does a file of interactions become `Interactions`?

    user,item,domain,rating            user_id:token  item_id:token  rating:float      item_id:token  class:token_seq
    ann,Dune,books,5                   196            242            3.0               242            Comedy
    ann,Alien,films,4                  186            302            3.0               302            Drama Crime
    bob,Emma,books,2                   CSV or TSV on the left, RecBole's .inter with the .item beside it on the right

Rows are read, malformed ones counted; those below the least rating go; each item gets its domain, or its domains; the domains with most items
stay; users and items are numbered in the order of their ids.  So the order of the rows does not matter (but where the domain stands in
the rows and an item has different ones, the first row decides).
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.data.interactions import DataError, Interactions
from acg_numpy.data.tables import ID, NUMBER, Column, Table

DomainOf = Literal["first", "all"]


class _Codes(dict[str, int]):
    """Numbers for strings, in the order in which they are first asked for."""

    def __missing__(self, text: str) -> int:
        self[text] = code = len(self)
        return code

    def of(self, texts: Iterable[str]) -> npt.NDArray[np.int32]:
        return np.fromiter(map(self.__getitem__, texts), dtype=np.int32)


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
        A text file in UTF-8 with a header.  One row is one interaction; a pair of user and item that stands in several rows is one interaction.
    items : path, optional
        A second such file, with the domain of each item.  Not needed where `path` has a column for the domain, or is a RecBole
        `.inter` file with its `.item` file beside it.
    user, item, domain, rating, timestamp : str
        Names of the columns.  `user_id` and `item_id` are found without being named, and types in the header (`class:token_seq`) need not
        be given.  Times are not used; a name given for them is checked to exist.
    min_rating : float, optional
        Rows with a rating below it do not count; by default ratings are not looked at.
    domain_of : {"first", "all"}
        What a field with several domains (separated by "|", in RecBole sequences by spaces) means: the item is of the first, or of all.
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
    user_column = table.column(_default(table, user, "user"), ID, role="user")
    item_column = table.column(_default(table, item, "item"), ID, role="item")
    wanted = [user_column, item_column]
    if min_rating is not None:
        wanted.append(table.column(rating, NUMBER, role="rating"))
    if timestamp != "timestamp":
        table.column(timestamp, NUMBER, role="timestamp")
    item_table = _item_table(table, items, domain)
    if item_table is None:
        wanted.append(_domain_column(table, domain))

    notes: list[str] = []
    user_codes, item_codes, fields = _Codes(), _Codes(), _Codes()
    taken_user, taken_item, row_field = [], [], []
    low = 0
    for block in table.blocks(wanted):
        if min_rating is not None:
            high = np.fromiter(map(float, block[2]), dtype=np.float64) >= min_rating
            low += int(np.sum(~high))
            block = [[text for text, keep in zip(column, high, strict=True) if keep] for column in block]
        taken_user.append(user_codes.of(block[0]))
        taken_item.append(item_codes.of(block[1]))
        if item_table is None:
            row_field.append(fields.of(block[-1]))
    _note_malformed(table, notes)
    if low:
        notes.append(f"{low:,} rows with a rating below {min_rating:g} do not count")
    u, i = _joined(taken_user), _joined(taken_item)
    if not len(u):
        raise DataError(f"{table.path} has no interactions{': ' + '; '.join(notes) if notes else ' below its header'}")

    if item_table is None:
        item_of_field, field_of_item = i, _joined(row_field)
        source, separator = table, table.sequence_separator(wanted[-1])
    else:
        item_of_field, field_of_item = _read_items(item_table, item, domain, item_codes, fields, notes)
        source, separator = item_table, item_table.sequence_separator(_domain_column(item_table, domain))
    belongs = _memberships(item_of_field, field_of_item, list(fields), separator, domain_of, source, list(item_codes), notes)
    files = [table.path, *([item_table.path] if item_table else [])]
    return _assemble(u, i, list(user_codes), list(item_codes), belongs, max_domains, min_items, notes, files)


def _default(table: Table, name: str, role: str) -> str:
    """Take `user_id` for `user`, and `item_id` for `item`, where the file calls them so and no other name was asked for."""
    return f"{role}_id" if name == role and role not in table.columns and f"{role}_id" in table.columns else name


def _domain_column(table: Table, domain: str) -> Column:
    try:
        return table.column(domain, ID, role="domain")
    except DataError as error:
        raise DataError(f"{error} (domain= names the column, items= a second file that has it)") from None


def _item_table(table: Table, items: str | os.PathLike[str] | None, domain: str) -> Table | None:
    """Find the file that says which domain an item belongs to; None where the interactions say it themselves."""
    if items is not None:
        return Table(items)
    beside = table.path.with_suffix(".item")
    if table.plain(domain) not in table.columns and beside != table.path and beside.exists():
        return Table(beside)
    return None


def _read_items(
    table: Table, item: str, domain: str, item_codes: dict[str, int], fields: _Codes, notes: list[str]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Read the domain fields of the items that were taken: their numbers, and the numbers of the fields."""
    wanted = [table.column(_default(table, item, "item"), ID, role="item"), _domain_column(table, domain)]
    numbers, texts = [], []
    for names, domains in table.blocks(wanted):
        known = [(item_codes[name], text) for name, text in zip(names, domains, strict=True) if name in item_codes]
        numbers.append(np.array([number for number, _ in known], dtype=np.int32))
        texts.append(fields.of(text for _, text in known))
    _note_malformed(table, notes)
    return _joined(numbers), _joined(texts)


def _memberships(
    item: npt.NDArray[np.int32],
    text: npt.NDArray[np.int32],
    texts: list[str],
    separator: str | None,
    domain_of: DomainOf,
    table: Table,
    names: list[str],
    notes: list[str],
) -> list[tuple[int, str]]:
    """Say which item belongs to which domain: distinct pairs of an item's number and a domain's name."""
    order = np.lexsort((np.arange(len(item)), item))
    pair = np.stack([item[order], text[order]], axis=1)
    new = np.ones(len(pair), dtype=bool)
    new[1:] = (pair[1:] != pair[:-1]).any(axis=1)  # runs of one item with one text, which is nearly all there is
    domains: dict[int, dict[str, None]] = {}
    several = []
    for number, field in pair[new].tolist():
        parts = texts[field].split(separator) if separator else [texts[field]]
        found = dict.fromkeys(part.strip() for part in parts if part.strip())
        before = domains.setdefault(number, found)
        if before is not found and list(before) != list(found):
            several.append(number)
            if domain_of == "all":
                before.update(found)
    if several:
        different = sorted(set(several))
        notes.append(
            f"{len(different):,} items have different domains in different rows of {table.path.name} (the first: {names[different[0]]!r}); "
            + ("each is of all of them" if domain_of == "all" else "the first row decides")
            + "; if ids are numbered anew in each domain, make them differ, as in books:12 and films:12"
        )
    return [(n, name) for n, found in domains.items() for name in (list(found)[:1] if domain_of == "first" else found)]


def _assemble(
    u: npt.NDArray[np.int32],
    i: npt.NDArray[np.int32],
    user_names: list[str],
    item_names: list[str],
    belongs: list[tuple[int, str]],
    max_domains: int | None,
    min_items: int,
    notes: list[str],
    files: Sequence[Path],
) -> Interactions:
    """Choose the domains, number users and items by their ids, and fill the matrix."""
    taken_items = set(np.unique(i).tolist())
    sizes: dict[str, int] = {}
    for number, name in belongs:
        sizes[name] = sizes.get(name, 0) + (number in taken_items)
    lost = taken_items - {number for number, _ in belongs}
    if lost:
        rows = int(np.isin(i, list(lost)).sum())
        notes.append(f"{len(lost):,} items have no domain (the first: {item_names[min(lost)]!r}); their {rows:,} rows do not count")
    by_size = sorted((name for name, size in sizes.items() if size), key=lambda name: (-sizes[name], name))
    large = [name for name in by_size if sizes[name] >= min_items]
    domains = large[:max_domains]
    if len(large) < len(by_size):
        notes.append(f"{len(by_size) - len(large):,} domains have fewer than {min_items} items and are left out: {_few(by_size[len(large) :])}")
    if len(domains) < len(large):
        notes.append(f"the {len(domains)} domains with most items are kept; left out are {_few(large[len(domains) :])}")
    if len(domains) < 2:
        what = f"only one domain is left, {domains[0]!r}" if domains else "no domain is left"
        because = f" ({'; '.join(notes)})" if notes else ""
        raise DataError(f"{files[0]}: {what}, but two at least are needed, to map users from one to the other{because}")

    number_of = {name: d for d, name in enumerate(domains)}
    columns = sorted((item_names[number], number_of[name], number) for number, name in belongs if name in number_of and number in taken_items)
    item_domain = np.array([d for _, d, _ in columns], dtype=np.int64)
    item_number = np.array([number for _, _, number in columns], dtype=np.int64)
    distinct, same_item = np.unique(item_number, return_inverse=True)
    kept = np.isin(i, distinct)
    u, i = u[kept], i[kept]
    present = np.unique(u)
    by_name = present[np.argsort(np.array([user_names[n] for n in present.tolist()]), kind="stable")]
    row_of = np.empty(len(user_names), dtype=np.int64)
    row_of[by_name] = np.arange(len(by_name))

    item_matrix = sp.csr_array((np.ones(len(u), np.float32), (row_of[u], np.searchsorted(distinct, i))), shape=(len(by_name), len(distinct)))
    item_matrix.data[:] = 1  # duplicate rows were added up
    matrix = item_matrix if (same_item == np.arange(len(columns))).all() else sp.csr_array(item_matrix.tocsc()[:, same_item])
    matrix.sort_indices()
    return Interactions(
        users=np.array([user_names[n] for n in by_name.tolist()]),
        items=np.array([name for name, _, _ in columns]),
        domains=np.array(domains),
        matrix=matrix,
        item_domain=item_domain,
        same_item=same_item.astype(np.int64),
        notes=tuple(notes),
        sha256=_sha256(files),
    )


def _note_malformed(table: Table, notes: list[str]) -> None:
    if table.malformed.count:
        notes.append(f"{table.path.name}: {table.malformed.describe()}")


def _joined(parts: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int32)


def _few(names: list[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")


def _sha256(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
