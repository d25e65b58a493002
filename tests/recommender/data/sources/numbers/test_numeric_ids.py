"""Ids in digits are read as numbers, with the same result and the same notes as when they are read as text."""

import gzip
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from acg_numpy.recommender.data import DataError, read_interactions
from acg_numpy.recommender.data.sources.numbers import numeric_ids
from acg_numpy.recommender.data.sources.numbers.numeric_ids import NumericRows
from acg_numpy.recommender.data.sources.opening import open_source
from acg_numpy.recommender.data.sources.rows import Choice

ROLES = {"user": [0], "item": [1], "rating": [2], "timestamp": [3]}
IDS = ["1", "2", "3", "10", "123456789012345", "4294967295", "4294967296"]
ODD_IDS = ["007", "+7", "-1", " 7", "7 ", "7.0", "7.", "1e3", "1_0", "", "x", "0x1F", "1234567890123456", "\u0661"]
RATINGS = ["0", "1", "5", "0.5", "4.0", "3.25", "3.125", "10", "", "12345678"]
ODD_RATINGS = ["4,5", ".5", "5.", "-1", "1e1", "nan", "inf", "3.14159", "1.2.3", "1_0", "x", "1234567.5"]
TIMES = ["0", "978300760", "1700000000", "1700000000123", ""]
ODD_TIMES = ["2001-09-09", "1700000000.5", "-5", "12345678901234567"]


def mostly(usual: list[str], odd: list[str]) -> st.SearchStrategy[str]:
    return st.one_of(*[st.sampled_from(usual)] * 9, st.sampled_from(odd))


TABLES = st.lists(
    st.tuples(mostly(IDS, ODD_IDS), mostly(IDS, ODD_IDS), mostly(RATINGS, ODD_RATINGS), mostly(TIMES, ODD_TIMES)),
    min_size=1,
    max_size=6,
)


def read(paths: list[Path], min_rating: float | None, delimiter: str) -> object:
    kwargs = {"min_items": 1, "min_rating": min_rating}
    if delimiter == "::":
        kwargs |= {"header": False, "user": "1", "item": "2", "rating": "3", "timestamp": "4"}
    try:
        taken = read_interactions(paths, **kwargs)
    except DataError as error:
        return str(error)
    times = np.nan_to_num(taken.times, nan=-1).tolist()
    ids = (taken.users.tolist(), taken.items.tolist(), taken.domains.tolist(), taken.item_domain.tolist())
    return (*ids, taken.matrix.toarray().tolist(), times, taken.notes, taken.sha256)


ROW = ("1", "2", "5", "0")


@example(first=[ROW, ("1", "3", "", "0")], second=[ROW], delimiter=",", ending="\n", rated=True, packed=True)
@example(
    first=[ROW, ("1", "2", "2", "")],
    second=[ROW, ("2", "2", "1", "")],
    delimiter="::",
    ending="\r\n",
    rated=True,
    packed=False,
)
@given(
    first=TABLES,
    second=TABLES,
    delimiter=st.sampled_from([",", "\t", ";", "|", "::"]),
    ending=st.sampled_from(["\n", "\r\n"]),
    rated=st.booleans(),
    packed=st.booleans(),
)
def test_numbers_and_texts_give_the_same_interactions_and_notes(
    tmp_path_factory: pytest.TempPathFactory,
    first: list,
    second: list,
    delimiter: str,
    ending: str,
    rated: bool,
    packed: bool,
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    paths = [folder / f"{name}.csv{'.gz' if packed else ''}" for name in ("books", "films")]
    for path, rows in zip(paths, (first, second), strict=True):
        lines = [delimiter.join(row) for row in rows]
        if delimiter != "::":
            lines.insert(0, delimiter.join(["userId", "movieId", "rating", "timestamp"]))
        written = (ending.join(lines) + ending).encode()
        path.write_bytes(gzip.compress(written) if packed else written)
    as_numbers = read(paths, 3.0 if rated else None, delimiter)
    with mock.patch.object(NumericRows, "read", return_value=None):
        assert as_numbers == read(paths, 3.0 if rated else None, delimiter)


def is_numeric(path: Path, text: str) -> bool:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    with open_source(path) as opened:
        return NumericRows.read(opened.tables, ROLES, Choice()) is not None


def test_plain_files_are_read_as_numbers_and_others_as_text(tmp_path: Path) -> None:
    header, row = "userId,movieId,rating,timestamp\n", "{},{},{},{}\n"
    usual = (IDS, IDS, RATINGS, TIMES)
    plain = header + "".join(row.format(*cells) for cells in zip(*usual, strict=False))
    assert is_numeric(tmp_path / "plain.csv", plain)
    assert is_numeric(tmp_path / "plain.csv.gz", plain)
    for column, odd in enumerate((ODD_IDS, ODD_IDS, ODD_RATINGS, ODD_TIMES)):
        for cell in odd:
            cells = [values[0] for values in usual]
            cells[column] = cell
            assert not is_numeric(tmp_path / "odd.csv", header + "1,2,3,4\n" + row.format(*cells)), cell
    for text in (
        '"1",2,3,4\n',
        "1,2,3\n",
        "1,2,3,4,5\n",
        "\n1,2,3,4\n",
        "1,2,3,4\n\n",
        header,
        "1,2,3,4\r5,6,7,8\n",
        "",
    ):
        assert not is_numeric(tmp_path / "odd.csv", header + text), text


def test_lines_that_cross_the_blocks_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(n * 7 % 50, n, n % 10 / 2, 10**9 + n) for n in range(200)]
    path = tmp_path / "rows.csv"
    path.write_text("u,i,r,t\n" + "\n".join(",".join(map(str, row)) for row in rows), encoding="utf-8")
    monkeypatch.setattr(numeric_ids, "CHUNK", 61)
    with open_source(path) as opened:
        found = NumericRows.read(opened.tables, ROLES, Choice())
    assert found is not None
    user, users = found.encode("user")
    item, items = found.encode("item")
    assert users[user].tolist() == [str(row[0]) for row in rows]
    assert items[item].tolist() == [str(row[1]) for row in rows]
    assert users.tolist() == sorted(users.tolist())
    assert found.numbers("rating").tolist() == [row[2] for row in rows]
    assert found.numbers("timestamp").tolist() == [row[3] for row in rows]


@given(st.lists(st.integers(0, 10**15), min_size=1), st.integers(0, 10**15))
def test_table_of_numbers_orders_texts_and_knows_strangers(numbers: list[int], other: int) -> None:
    table = numeric_ids.NumberTable(np.array([*numbers, *range(9)]))
    assert table.names.tolist() == sorted({str(number) for number in [*numbers, *range(9)]})
    found = int(table.positions(np.array([other]))[0])
    assert found == -1 or table.names[found] == str(other)
    assert (found == -1) == (str(other) not in table.names)
