"""Files as people have them: one world of interactions, written in many forms, with what each must give.

The world: 40 users, 24 items in three domains, 480 rows with ratings from 1 to 5 and times.
"""

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

DOMAINS = ("books", "films", "games")
RNG = np.random.default_rng(0)
PAIRS = sorted({(int(u), int(i)) for u, i in zip(RNG.integers(0, 40, 700), RNG.integers(0, 24, 700), strict=True)})[
    :480
]
ROWS = [
    (f"u{u:02}", f"i{i:02}", DOMAINS[i % 3], 1 + (7 * u + 3 * i) % 5, 1_600_000_000 + 1000 * u + i) for u, i in PAIRS
]
WORLD = {row[:3] for row in ROWS}
LIKED = {row[:3] for row in ROWS if row[3] >= 4}
TITLES = {f"i{i:02}": f'The "{i}th", or: Ähre' for i in range(24)}


@dataclass(frozen=True)
class RealisticFile:
    """A file, and what reading it must give: the interactions, or an error; and what the notes must say.

    `write` makes it in a folder and returns the source.
    """

    name: str
    write: Callable[[Path], Any]
    options: dict[str, Any] = field(default_factory=dict)
    gives: set[tuple[str, str, str]] | None = None  # by default the world
    notes: tuple[str, ...] = ()
    error: str = ""


def lines(rows: list[tuple], header: str = "user,item,domain,rating,timestamp", mark: str = ",") -> str:
    return "\n".join([*([header] if header else []), *(mark.join(map(str, row)) for row in rows)]) + "\n"


def text(content: str | bytes, name: str = "taken.csv", encoding: str = "utf-8") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@cache
def table_of_rows() -> duckdb.DuckDBPyConnection:
    """A database of its own with the table `taken`."""
    connection = duckdb.connect()
    connection.execute(
        'CREATE TABLE taken ("user" VARCHAR, item VARCHAR, domain VARCHAR, rating INT, timestamp BIGINT)'
    )
    connection.executemany("INSERT INTO taken VALUES (?, ?, ?, ?, ?)", ROWS)
    return connection


def sql(query: str, name: str, options: str) -> Callable[[Path], Path]:
    """Write a file by DuckDB, from the table `taken`."""

    def write(folder: Path) -> Path:
        path = folder / name
        with table_of_rows().cursor() as connection:
            connection.execute(f"COPY ({query}) TO '{path}' ({options})")
        return path

    return write


def several(folder: Path) -> list[Path]:
    paths = []
    for domain in DOMAINS:
        paths.append(folder / f"{domain}.csv")
        rows = [(u, i, r) for u, i, d, r, _ in ROWS if d == domain]
        paths[-1].write_text(lines(rows, "userId,productId,stars"))
    return paths


def beside(name: str, content: str, other: str) -> Callable[[Path], Path]:
    """Write a file whose name is a pattern that matches another file, which is beside it."""

    def write(folder: Path) -> Path:
        text(lines([("other", "other", "other", 1, 1)]), other)(folder)
        return text(content, name)(folder)

    return write


def partitioned(key: str, query: str) -> Callable[[Path], Path]:
    """Write Parquet into a folder that is called by the value of a column."""

    def write(folder: Path) -> Path:
        (folder / f"{key}=books").mkdir()
        return sql(query, "taken.parquet", "FORMAT parquet")(folder / f"{key}=books")

    return write


def partitions(folder: Path) -> str:
    for domain in DOMAINS:
        (folder / f"domain={domain}").mkdir()
        query = f"SELECT * EXCLUDE domain FROM taken WHERE domain = '{domain}'"
        sql(query, "0.parquet", "FORMAT parquet")(folder / f"domain={domain}")
    return str(folder / "*" / "*.parquet")


def cut_short(folder: Path) -> Path:
    path = sql("FROM taken", "taken.csv.zst", "FORMAT csv, COMPRESSION zstd")(folder)
    path.write_bytes(path.read_bytes()[:-3])
    return path


def in_one_of_two(folder: Path) -> list[Path]:
    return [text(PLAIN, "a.csv")(folder), text(lines([r[:2] for r in ROWS], "user,item"), "b.csv")(folder)]


def with_column(value: Any) -> Callable[[Path], Any]:
    return lambda folder: frame(folder).assign(more=[value] * len(ROWS))


def as_quoted(row: tuple[str, ...]) -> str:
    return ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row)


def beside_items(folder: Path, rows: str, items: str) -> Path:
    """Write interactions beside items.csv, which has the domains and titles."""
    text(items, "items.csv")(folder)
    return text(rows, "taken.csv")(folder)


def recbole(folder: Path) -> Path:
    (folder / "w.item").write_text(
        "item_id:token\tname:token_seq\tclass:token_seq\n"
        + "".join(f"i{i:02}\t{TITLES[f'i{i:02}']}\t{DOMAINS[i % 3]} {DOMAINS[(i + 1) % 3]}\n" for i in range(24))
    )
    (folder / "w.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        + "".join(f"{u}\t{i}\t{r}.0\t{t}\n" for u, i, _, r, t in ROWS)
    )
    return folder / "w.inter"


def sqlite(folder: Path) -> Path:
    with sqlite3.connect(folder / "taken.db") as base:
        base.execute("CREATE TABLE t (a)")
    return folder / "taken.db"


def zipped(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "taken.zip", "w") as archive:
        archive.writestr("taken.csv", lines(ROWS))
    return folder / "taken.zip"


def frame(folder: Path) -> Any:
    import pandas as pd

    return pd.DataFrame(ROWS, columns=["user", "item", "domain", "rating", "timestamp"])


PLAIN = lines(ROWS)
ITEM_ROWS = [(TITLES[i], DOMAINS[int(i[1:]) % 3], i) for i in sorted(TITLES)]
PAIR_ROWS = [(i, u, r) for u, i, _, r, _ in ROWS]  # the item first, so that a number taken for another table shows
JSON = (
    "\n".join(
        json.dumps(
            dict(zip(("reviewerID", "asin", "categories", "overall", "unixReviewTime"), (u, i, [d], r, t), strict=True))
        )
        for u, i, d, r, t in ROWS
    )
    + "\n"
)
QUOTED = "user,item,title,domain\n" + "".join(
    f'{u},{i},"{TITLES[i].replace(chr(34), chr(34) * 2)}",{d}\n' for u, i, d, *_ in ROWS
)
FIRST = ROWS[:10]
RATED = {row[:3] for row in ROWS}

BY_NUMBER = {"user": "2", "item": "1", "header": False}
OWN_NUMBERS = {"item": "3", "domain": "2", "title": "1"}
OWN_NAMES = {"item": "i", "domain": "d", "title": "t"}
WITH_ITEMS = [  # headers of the interactions and of the items, options, and the error if there is one
    ("asin,userId,stars", "name,genre,asin", {}, ""),
    ("asin,who,stars", "name,genre,asin", {"user": "who"}, ""),
    ("what,who,stars", "name,genre,what", {"user": "who", "item": "what"}, ""),
    ("what,who,stars", "label,kind,what", {"user": "who", "item": "what", "domain": "kind", "title": "label"}, ""),
    ("asin,userId,stars", "name,genre,asin", {"title": "nam"}, "neither .*taken.csv nor .*items.csv has .* 'nam' for"),
    ("what,who,stars", "t,d,i", {"user": "who", "item": "what"}, "items.csv has no column 'item'.*items-columns"),
    ("what,who,stars", "t,d,i", {"user": "who", "item": "what", "items_columns": OWN_NAMES}, ""),
    ("what,who,stars", "t,d,i", {"user": "2", "item": "1", "items_columns": OWN_NUMBERS}, ""),
    ("asin,userId,stars", "", {}, "--items items.csv --items-header no --items-columns item=1,domain=3,title=2"),
    ("asin,userId,stars", "", {"items_header": False}, "items.csv has no column 'item'.*its first row is"),
    ("asin,userId,stars", "", {"items_header": False, "items_columns": OWN_NUMBERS}, ""),
    ("", "", {}, "acg inspect taken.csv --no-header --user-column 1 --item-column 2 --domain-column 3"),
    ("", "", BY_NUMBER, "name columns by number, as in --items items.csv --items-header no --items-columns item=1"),
    ("", "", {**BY_NUMBER, "items_columns": OWN_NUMBERS}, ""),
    ("", "", {**BY_NUMBER, "domain": "2", "items_columns": {"item": "3", "title": "1"}}, ""),
    ("", "name,genre,asin", BY_NUMBER, "its first row looks like a header.*--items-header yes"),
    ("", "name,genre,asin", {**BY_NUMBER, "items_header": True}, ""),
    ("", "t,d,i", {**BY_NUMBER, "items_header": True, "items_columns": OWN_NUMBERS}, ""),
    ("", "t,d,i", {**BY_NUMBER, "items_columns": {"item": "4"}}, "items.csv has no column '4' for the item"),
]

FILES = [
    RealisticFile("a plain CSV", text(PLAIN), notes=("there are ratings, from 1 to 5, and they are not looked at",)),
    RealisticFile("ratings of 4 and above", text(PLAIN), {"min_rating": 4}, LIKED, ("rows with a rating below 4",)),
    RealisticFile(
        "a condition", text(PLAIN), {"where": "rating >= 4 and timestamp > 0"}, LIKED, ("does not hold, left out",)
    ),
    RealisticFile("Windows line ends and a byte order mark", text("\ufeff" + PLAIN.replace("\n", "\r\n"))),
    RealisticFile("line ends of both kinds", text(PLAIN.replace("\n", "\r\n", 5)), notes=("both end a row",)),
    RealisticFile(
        "semicolons and decimal commas",
        text(lines([(*r[:3], f"{r[3]},0") for r in ROWS], "user;item;domain;rating", ";")),
        {"min_rating": 4},
        LIKED,
    ),
    RealisticFile("a sep= line", text("sep=;\n" + lines(ROWS, "user;item;domain;rating;timestamp", ";"))),
    RealisticFile("tabs", text(lines(ROWS, "user\titem\tdomain\trating\ttimestamp", "\t"), "taken.tsv")),
    RealisticFile("bars", text(lines(ROWS, "user|item|domain|rating|timestamp", "|"))),
    RealisticFile(
        "double colons without a header",
        text(lines(ROWS, "", "::"), "ratings.dat"),
        {"header": False, "user": "1", "item": "2", "domain": "3"},
    ),
    RealisticFile(
        "domains with commas between them",
        text(lines([(u, i, f'"{d}, rare"') for u, i, d, *_ in ROWS], "user,item,genres")),
        {"domain_separator": ","},
    ),
    RealisticFile(
        "domains with commas between them, not said",
        text(lines([(u, i, f'"{d}, rare"') for u, i, d, *_ in ROWS], "user,item,genres")),
        gives={(u, i, f"{d}, rare") for u, i, d in WORLD},
        notes=("several with ',' between them, read as one: 3 (the first: 'books, rare'); --domain-separator ','",),
    ),
    RealisticFile(
        "an empty separator of domains", text(PLAIN), {"domain_separator": ""}, error="domain_separator must"
    ),
    RealisticFile(
        "JSON lines with votes for genres",
        text(JSON.replace('["', '{"').replace('"]', '": 5}'), "genres.jsonl"),
        error="'categories' is nested.*jq -c '.categories |= keys'",
    ),
    RealisticFile(
        "JSON lines with votes under a name with a space",
        text(JSON.replace('["', '{"').replace('"]', '": 5}').replace('"categories"', '"my genres"'), "genres.jsonl"),
        {"domain": "my genres"},
        error="""'my genres' is nested.*jq -c '."my genres" .= keys'""",
    ),
    RealisticFile(
        "JSON lines with an object that is not read",
        text(JSON.replace("{", '{"style": {"Format:": "Hardcover"}, '), "reviews.jsonl"),
        {"where": "overall >= 4"},
        LIKED,
    ),
    RealisticFile(
        "dicts of Python",
        text("".join(f"{{u'user': u'{u}', u'item': '{i}'}}\n" for u, i, *_ in ROWS), "reviews.json"),
        error="a dict of Python a line.*ast.literal_eval.*< reviews.json",
    ),
    RealisticFile(
        "quotes behind backslashes",
        text("user;item;domain;title\n" + "".join(f'"{u}";"{i}";"{d}";"The \\"{i}\\""\n' for u, i, d, *_ in ROWS)),
        error=r"""a backslash stands before a quote in a field.*sed 's/\\\\"/""/g'""",
    ),
    RealisticFile(
        "decimal commas in quotes between commas",
        text(lines([(*r[:3], f'"{r[3]},5"') for r in ROWS], "user,item,domain,rating")),
        {"min_rating": 4},
        LIKED,
    ),
    RealisticFile(
        "thousands with commas",
        text(lines([(*r[:3], f'"{r[3]},000"') for r in ROWS], "user,item,domain,plays")),
        {"min_rating": 4},
        error="the rating '[1-5],000' is not a number",
    ),
    RealisticFile(
        "spaces between columns",
        text(lines(ROWS, "user item domain rating timestamp", " ")),
        error="none of the marks between columns.*tr -s ' '",
    ),
    RealisticFile("a page of HTML", text("<!DOCTYPE html>\n<p>404</p>\n"), error="page of HTML or XML"),
    RealisticFile("a pointer of Git LFS", text("version https://git-lfs.github.com/spec/v1\n"), error="git lfs pull"),
    RealisticFile(
        "UTF-16 without a mark", text(PLAIN, encoding="utf-16-le"), error="--encoding utf-16-le.*iconv -f UTF-16LE -t"
    ),
    RealisticFile("UTF-16 of the other order", text(PLAIN, encoding="utf-16-be"), {"encoding": "utf-16-be"}),
    RealisticFile(
        "no header and unread columns",
        text(lines(ROWS, "", "::"), "ratings.dat"),
        {"header": False, "user": "1", "item": "2", "domain": "3"},
        notes=(f"ratings.dat: columns that are not read, with the first cell of each: 4 ('{ROWS[0][3]}') and 5 (",),
    ),
    RealisticFile(
        "one domain of several",
        text(lines([r[:4] for r in ROWS if r[2] == "books"], "reviewerID,asin,category,overall")),
        error="only one domain is left, 'books'.*--domain-column.*--items FILE.*acg inspect books.csv films.csv",
    ),
    RealisticFile(
        "reviews of one category",
        text(lines([(*r[:2], r[3]) for r in ROWS], "user_id,parent_asin,rating")),
        error="no column 'domain'.*--domain-column.*--items FILE.*acg inspect books.csv films.csv",
    ),
    RealisticFile(
        "small domains alone",
        text(PLAIN),
        {"min_items": 99},
        error="no domain is left.*--min-items 1 keeps small domains",
    ),
    RealisticFile(
        "no header, not said",
        text(lines([(u[1:], i[1:], d, r) for u, i, d, r, _ in ROWS], "")),
        error="the first row looks like data",
    ),
    RealisticFile(
        "no header, by number", text(lines(ROWS, "")), {"header": False, "user": "1", "item": "2", "domain": "3"}
    ),
    RealisticFile(
        "usual names",
        text(lines(ROWS, "userId,movieId,genres,rating,timestamp")),
        notes=("columns: user 'userId', item 'movieId', domain 'genres'",),
    ),
    RealisticFile("names with spaces and capitals", text(lines(ROWS, "User ID,Product-ID,Category,Stars,Date"))),
    RealisticFile(
        "two columns that may be the user",
        text(lines([(r[0], *r) for r in ROWS], "user_id,userId,item,domain,rating,timestamp")),
        error="2 columns that may be the user",
    ),
    RealisticFile("gzip", lambda folder: text(gzip.compress(PLAIN.encode()), "taken.csv.gz")(folder)),
    RealisticFile("zstd", sql("FROM taken", "taken.csv.zst", "FORMAT csv, COMPRESSION zstd")),
    RealisticFile("Parquet", sql("FROM taken", "taken.parquet", "FORMAT parquet")),
    RealisticFile(
        "Parquet with numbers as ids",
        sql(
            'SELECT CAST(substr("user", 2) AS BIGINT) AS user_id, item, domain FROM taken',
            "taken.parquet",
            "FORMAT parquet",
        ),
        gives={(str(int(u[1:])), i, d) for u, i, d in WORLD},
    ),
    RealisticFile(
        "Parquet with floating ids",
        sql(
            'SELECT CAST(substr("user", 2) AS DOUBLE) AS user_id, item, domain FROM taken',
            "taken.parquet",
            "FORMAT parquet",
        ),
        {"normalize_ids": True},
        {(str(int(u[1:])), i, d) for u, i, d in WORLD},
    ),
    RealisticFile(
        "Parquet with floating ids, not said",
        sql(
            'SELECT CAST(substr("user", 2) AS DOUBLE) AS user_id, item, domain FROM taken',
            "taken.parquet",
            "FORMAT parquet",
        ),
        gives={(f"{int(u[1:])}.0", i, d) for u, i, d in WORLD},
        notes=("every user ends in '.0'",),
    ),
    RealisticFile(
        "Parquet with a list of genres",
        sql("SELECT \"user\", item, [domain, 'rare'] AS genres FROM taken", "taken.parquet", "FORMAT parquet"),
    ),
    RealisticFile("JSON lines", text(JSON, "reviews.jsonl")),
    RealisticFile("JSON lines by gzip", lambda folder: text(gzip.compress(JSON.encode()), "reviews.json.gz")(folder)),
    RealisticFile(
        "JSON lines with a broken one",
        text(JSON + "{broken\n", "reviews.jsonl"),
        notes=("1 of 481 rows malformed and left out (not a JSON object: the first is line 481",),
    ),
    RealisticFile("one JSON array", text("[" + JSON.strip().replace("\n", ",") + "]", "reviews.json"), error="jq -c"),
    RealisticFile("a file a domain", several, notes=("the name of each file is the domain",)),
    RealisticFile("a glob", lambda folder: str(several(folder)[0].parent / "*.csv")),
    RealisticFile("a glob without files", lambda folder: str(folder / "*.parquet"), error="matches no file"),
    RealisticFile("RecBole", recbole),
    RealisticFile("a DataFrame of pandas", frame),
    RealisticFile("a relation of DuckDB", lambda folder: duckdb.from_csv_auto(str(text(PLAIN)(folder)))),
    RealisticFile(
        "Latin-1",
        text(PLAIN.replace("books", "bücher"), encoding="latin-1"),
        {"encoding": "latin-1"},
        {(u, i, d.replace("books", "bücher")) for u, i, d in WORLD},
    ),
    RealisticFile(
        "Latin-1, not said", text(PLAIN.replace("books", "bücher"), encoding="latin-1"), error="a byte 0xfc in line"
    ),
    RealisticFile("UTF-16", text(PLAIN, encoding="utf-16"), {"encoding": "utf-16"}),
    RealisticFile("UTF-16, not said", text(PLAIN, encoding="utf-16"), error="text in UTF-16.*iconv"),
    RealisticFile("a zip archive", zipped, error="zip archive.*unzip"),
    RealisticFile(
        "an Excel workbook",
        text(b"PK\x03\x04" + b"." * 26 + b"[Content_Types].xml", "a.xlsx"),
        error="Excel.*read_excel",
    ),
    RealisticFile(
        "a tar archive", text(b"a.csv".ljust(257, b"\0") + b"ustar", "a.tar"), error="tar archive.*tar xf a.tar"
    ),
    RealisticFile(
        "a tar archive by gzip",
        text(gzip.compress(b"a.csv".ljust(257, b"\0") + b"ustar"), "a.tgz"),
        error="tar archive.*tar xf a.tgz",
    ),
    RealisticFile("a database of DuckDB", text(b"12345678DUCK", "a.duckdb"), error="database of DuckDB.*COPY t TO"),
    RealisticFile("a stream of Arrow", text(b"\xff" * 4 + b"\0" * 9, "a.arrows"), error="stream of Arrow.*open_stream"),
    RealisticFile("a Stata file", text(b"<stata_dta><header>", "a.dta"), error="Stata file.*read_stata"),
    RealisticFile("Parquet by gzip", text(gzip.compress(b"PAR1" * 9), "a.parquet.gz"), error="gunzip a.parquet.gz"),
    RealisticFile(
        "a DataFrame of pandas with users in its index",
        lambda folder: frame(folder).set_index("user"),
        error="no column 'user'.*index 'user' is not read: reset_index",
    ),
    RealisticFile(
        "DataFrames of pandas without domains",
        lambda folder: [frame(folder).drop(columns="domain")] * 2,
        error=r"no column 'domain'.*frame.assign\(domain='books'\)",
    ),
    RealisticFile(
        "a time that is none",
        text(PLAIN.replace(str(ROWS[3][4]), "never")),
        notes=("neither a number nor a date: 1 (the first: 'never')",),
    ),
    RealisticFile("an SQLite database", sqlite, error="SQLite.*sqlite3 -header -csv"),
    RealisticFile(
        "an Excel workbook of old", text(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, "a.xls"), error="Excel.*CSV"
    ),
    RealisticFile("titles with quotes and commas", text(QUOTED)),
    RealisticFile(
        "a quote that swallows rows",
        text(QUOTED.replace('"The ""5th', '"The ""5th', 1).replace('Ähre",games', "Ähre,games", 1)),
        error="a quote is opened here.*--no-quotes",
    ),
    RealisticFile(
        "a quote that swallows rows, by gzip",
        lambda folder: text(gzip.compress(QUOTED.replace('Ähre",games', "Ähre,games", 1).encode()), "taken.csv.gz")(
            folder
        ),
        error="a quote is opened here.*--no-quotes",
    ),
    RealisticFile(
        "line ends of both kinds, by gzip",
        lambda folder: text(gzip.compress(PLAIN.replace("\n", "\r\n", 5).encode()), "taken.csv.gz")(folder),
    ),
    RealisticFile(
        "quotes that are none",
        text("user,item,domain,title\n" + "".join(f'{u},{i},{d},5" disk\n' for u, i, d, *_ in ROWS)),
        {"quotes": False},
    ),
    RealisticFile(
        "missing users",
        text(PLAIN + "nan,i00,books,5,1\nNULL,i00,books,5,1\n\\N,i01,films,5,1\n"),
        notes=("3 of 483 rows malformed", "'NULL' stands for a missing one; line 484: the user"),
    ),
    RealisticFile(
        "a user who is called null",
        text(PLAIN + "NULL,i00,books,5,1\n"),
        {"keep_null_ids": True},
        WORLD | {("NULL", "i00", "books")},
    ),
    RealisticFile(
        "0 and 1",
        text(lines([(*r[:3], int(r[3] > 3)) for r in ROWS], "user,item,domain,label")),
        notes=("there are ratings, 0 and 1,",),
    ),
    RealisticFile(
        "play counts",
        text(lines([(*r[:3], 3 ** (n % 7) + n) for n, r in enumerate(ROWS)], "user,item,domain,plays")),
        notes=("counts from 1 to",),
    ),
    RealisticFile(
        "ids with and without .0",
        text(PLAIN + "7,i00,books,5,1\n7.0,i01,films,5,1\n"),
        gives=WORLD | {("7", "i00", "books"), ("7.0", "i01", "films")},
        notes=("users that differ only",),
    ),
    RealisticFile(
        "ids with spaces",
        text(PLAIN + "u00 ,i00,books,5,1\n"),
        {"normalize_ids": True},
        WORLD | {("u00", "i00", "books")},
    ),
    RealisticFile(
        "domains in two cases",
        text(PLAIN + "u00,j00,BOOKS,5,1\n"),
        gives=WORLD | {("u00", "j00", "BOOKS")},
        notes=("domains that differ only in case or in Unicode's form", "--normalize-ids joins them"),
    ),
    RealisticFile(
        "domains in two cases, joined",
        text(PLAIN + "u00,j00,BOOKS,5,1\n"),
        {"normalize_ids": True},
        WORLD | {("u00", "j00", "books")},
    ),
    RealisticFile(
        "no genres listed",
        text(PLAIN + "u00,j00,(no genres listed),5,1\n"),
        gives=WORLD | {("u00", "j00", "(no genres listed)")},
        notes=("""for none: '(no genres listed)'; --where "domain <> '(no genres listed)'" leaves it out""",),
    ),
    RealisticFile(
        "rows that repeat",
        text(PLAIN + lines(FIRST, "")),
        notes=(
            f"rows that repeat a user and an item, which count once: 10 (the first: user 'u00', item '{FIRST[0][1]}')",
        ),
    ),
    RealisticFile(
        "rows that contradict",
        text(PLAIN + lines([(*r[:3], 6 - r[3], 1) for r in ROWS if r[3] == 5], "")),
        {"min_rating": 4},
        LIKED,
        ("rated more than once, below 4 and not below it, which count as taken: ", "(the first: user 'u0"),
    ),
    RealisticFile("a second header", text(PLAIN + PLAIN), notes=("line 482: it repeats the header",)),
    RealisticFile(
        "short and long rows",
        text(PLAIN + "u00,i00\nu00,i00,books,5,1,more\n"),
        notes=("line 482: 2 fields, where the header has 5", "line 483: 6 fields"),
    ),
    RealisticFile("blank lines", text(PLAIN.replace("\n", "\n\n", 40))),
    RealisticFile("an empty file", text(""), error="is empty"),
    RealisticFile("a pickle", text(b"\x80\x04\x95" * 20, "taken.pkl"), error="pickle.*could run code"),
    RealisticFile("a name that is a pattern", beside("a[1].csv", PLAIN, "a1.csv")),
    RealisticFile("JSON lines in a name that is a pattern", beside("a*.jsonl", JSON, "ab.jsonl")),
    RealisticFile("folders of partitions", partitions),
    RealisticFile("a folder that looks like a partition", partitioned("user", "FROM taken")),
    RealisticFile("a folder", lambda folder: folder, error="is a folder: name its files, as in"),
    RealisticFile("a path without a name", lambda folder: "", error="is not the path of a file"),
    RealisticFile("a path with a null character", lambda folder: "a\0.csv", error="is not the path of a file"),
    RealisticFile(
        "gzip with another byte",
        text(gzip.compress(PLAIN.encode())[:-8] + bytes(8), "taken.csv.gz"),
        error="is damaged, crc.*gzip -t",
    ),
    RealisticFile("zstd cut short", cut_short, error="is damaged, it ends too early.*zstd -t"),
    RealisticFile(
        "Latin-1 by gzip",
        text(gzip.compress(PLAIN.replace("books", "b\xfccher").encode("latin-1")), "taken.csv.gz"),
        {"encoding": "latin-1"},
        {(u, i, d.replace("books", "bücher")) for u, i, d in WORLD},
    ),
    RealisticFile(
        "Parquet where an encoding is named",
        sql("FROM taken", "taken.parquet", "FORMAT parquet"),
        {"encoding": "cp1252"},
    ),
    RealisticFile("an encoding of bytes", text(PLAIN), {"encoding": "base64"}, error="'base64' is not known"),
    RealisticFile(
        "line ends of the old Macintosh in places",
        text(PLAIN.replace("\n", "\r", 3)),
        error="some of its lines end in a carriage return alone",
    ),
    RealisticFile("a domain in one of two files", in_one_of_two, error="b.csv has no column for the domain"),
    RealisticFile("a condition with a comment", text(PLAIN), {"where": "rating >= 4 -- liked"}, LIKED),
    RealisticFile("a condition with loose parentheses", text(PLAIN), {"where": "rating > 9) OR (rating >= 4"}, LIKED),
    RealisticFile("an empty condition", text(PLAIN), {"where": " "}, error="where is empty"),
    RealisticFile("a condition with a gap", text(PLAIN), {"where": "rating > ?"}, error="where=.*cannot be evaluated"),
    RealisticFile(
        "a condition beside a column without a name",
        text(lines(ROWS, "user,item,domain,rating,")),
        {"where": "rating >= 4"},
        LIKED,
    ),
    RealisticFile(
        "spaces after commas",
        text(PLAIN.replace(",", ", ")),
        gives={(u, f" {i}", f"{d}") for u, i, d in WORLD},
        notes=("every item has spaces around it",),
    ),
    RealisticFile(
        "JSON lines with lists of lists", text(JSON.replace("[", "[[").replace("]", '], ["rare"]]'), "a.jsonl")
    ),
    RealisticFile(
        "Parquet with lists of lists",
        sql('SELECT "user", item, [[domain]] AS genres FROM taken', "taken.parquet", "FORMAT parquet"),
        error="'genres' is nested",
    ),
    RealisticFile("a DataFrame of pandas with a nested column", with_column({"a": 1})),
    RealisticFile("a DataFrame of pandas with a column that is not read", with_column(1j), error="complex128"),
]
