"""Columns found by their role: by the name that was given, by number, or by the names that files usually have."""

import re
from collections.abc import Mapping, Sequence

from acg_numpy.recommender.data.interactions import DataError
from acg_numpy.text import did_you_mean, joined

# fmt: off
USUAL_NAMES: Mapping[str, tuple[str, ...]] = {  # in lower case, without marks; the likeliest first
    "user": (
        "user", "userid", "uid", "username", "reviewer", "reviewerid", "customer", "customerid", "member", "memberid",
        "visitor", "visitorid", "account", "accountid", "profile", "profileid", "reader", "listener", "person",
        "personid",
    ),
    "item": (
        "item", "itemid", "iid", "asin", "parentasin", "product", "productid", "movie", "movieid", "film", "filmid",
        "book", "bookid", "isbn", "track", "trackid", "song", "songid", "artist", "artistid", "anime", "animeid",
        "game", "gameid", "appid", "article", "articleid", "news", "newsid", "business", "businessid", "recipe",
        "recipeid", "sku",
    ),
    "domain": (
        "domain", "domains", "category", "categories", "maincategory", "genre", "genres", "department", "section",
        "class", "kind", "market", "store",
    ),
    "rating": (
        "rating", "ratings", "score", "stars", "overall", "rate", "bookrating", "reviewrating", "preference", "label",
        "playcount", "plays", "count", "weight", "hours", "star",
    ),
    "timestamp": (
        "timestamp", "time", "unixreviewtime", "date", "datetime", "createdat", "reviewtime", "ts", "when", "day",
    ),
    "title": (
        "title", "movietitle", "booktitle", "producttitle", "itemname", "name", "itemtitle", "trackname", "songname",
        "prodname", "productname", "bookname", "moviename", "artistname",
    ),
}
# fmt: on


def normalised(name: str) -> str:
    """Reduce a name to its letters and digits in lower case: `User_ID` and `userId` are one."""
    return re.sub(r"[\W_]", "", name.casefold())


def find_column(
    columns: Sequence[str], name: str | None, role: str, *, where: str, strict: bool = True
) -> tuple[int, str] | None:
    """Find the position of a column by its role.

    Parameters
    ----------
    columns : sequence of str
        The names that there are.
    name : str, optional
        The name, or the number (from 1) of the column; by default a name that is usual for the role.
    role : str
        A key of `USUAL_NAMES`, or, with `name`, any word for messages.
    where : str
        The file, for messages.
    strict : bool, default True
        Whether it is an error if there is none; else the answer is None.

    Returns
    -------
    position : int
    remark : str
        Empty, or another column that might have been meant.

    Raises
    ------
    DataError
        If there is no such column, or several; the message lists those there are.

    Examples
    --------
    >>> find_column(["reviewerID", "asin", "overall"], None, "user", where="reviews.csv")
    (0, '')
    """
    if name is not None:
        exact = [n for n, column in enumerate(columns) if column == name]
        if not exact and name.isdecimal() and 1 <= int(name) <= len(columns):
            return int(name) - 1, ""
        if len(exact) == 1:
            return exact[0], ""
        problem = f"has no column {name!r}" if not exact else f"has {len(exact)} columns {name!r}"
        near = "" if exact else did_you_mean(name, list(columns), head="; ")
        raise DataError(f"{where} {problem} for the {role}; it has {_listed(columns)}{near}")
    usual = USUAL_NAMES[role]
    found = sorted((usual.index(key), n) for n, column in enumerate(columns) if (key := normalised(column)) in usual)
    if not found:
        if not strict:
            return None
        raise DataError(
            f"{where} has no column {role!r} for the {role}, nor one of its usual names; it has {_listed(columns)}"
        )
    best = [n for rank, n in found if rank == found[0][0]]
    if len(best) > 1:
        raise DataError(
            f"{where} has {len(best)} columns that may be the {role}: {joined([repr(columns[n]) for n in best])}"
        )
    others = [columns[n] for _, n in found[1:]]
    remark = f"{joined([repr(other) for other in others], 'and')} might be the {role} too" if others else ""
    return best[0], remark


def has_usual_name(names: Sequence[str]) -> bool:
    """Return whether a name is usual for any role.

    Examples
    --------
    >>> has_usual_name(["Movie-ID", "x"]), has_usual_name(["ann", "Dune"])
    (True, False)
    """
    return any(normalised(name) in usual for name in names for usual in USUAL_NAMES.values())


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(map(repr, columns))
