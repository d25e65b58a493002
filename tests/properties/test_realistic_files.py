"""Whatever form people's interactions have: they are read as they are, or refused with the cause and the fix."""

import gzip
import io
import os
import re
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from acg_numpy.recommender.data import DataError, read_interactions
from tests.properties.realistic_files import (
    FILES,
    ITEM_ROWS,
    LIKED,
    PAIR_ROWS,
    PLAIN,
    ROWS,
    TITLES,
    WITH_ITEMS,
    WORLD,
    RealisticFile,
    as_quoted,
    beside_items,
    lines,
    recbole,
    text,
)
from tests.recommender.data.test_reader import triples


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_a_file_gives_its_interactions_or_the_cause_and_the_fix(file: RealisticFile, tmp_path: Path) -> None:
    if "pandas" in file.name:
        pytest.importorskip("pandas")
    source = file.write(tmp_path)
    if file.error:
        with pytest.raises(DataError) as refused:
            read_interactions(source, **{"min_items": 1, **file.options})
        assert re.search(file.error, str(refused.value))
        return
    taken = read_interactions(source, min_items=1, **file.options)
    assert triples(taken) == (WORLD if file.gives is None else file.gives)
    for note in file.notes:
        assert any(note in found for found in taken.notes), taken.notes


@pytest.mark.parametrize(("header", "items_header", "options", "error"), WITH_ITEMS)
def test_a_table_of_items_has_columns_and_a_header_of_its_own(
    tmp_path: Path, header: str, items_header: str, options: dict[str, Any], error: str
) -> None:
    items = "\n".join([*([items_header] if items_header else []), *map(as_quoted, ITEM_ROWS)])
    source = beside_items(tmp_path, lines(PAIR_ROWS, header), items)
    if error:
        with pytest.raises(DataError, match=error):
            read_interactions(source, items=tmp_path / "items.csv", **options)
        return
    taken = read_interactions(source, items=tmp_path / "items.csv", **options)
    assert triples(taken) == WORLD
    assert taken.titles is not None
    assert taken.titles.tolist() == [TITLES[item] for item in taken.items.tolist()]


def test_a_table_of_items_may_have_an_encoding_of_its_own(tmp_path: Path) -> None:
    source = text("\n".join(["user,item,stars", *(f"u{n % 9}é,{n % 8},5" for n in range(72))]))(tmp_path)
    items = tmp_path / "items.csv"
    items.write_text("item,domain,title\n" + "\n".join(f"{n},{'ab'[n % 2]},Amélie {n}" for n in range(8)), "latin-1")
    with pytest.raises(DataError, match=r"items.csv is not UTF-8 text .*--items-encoding"):
        read_interactions(source, items=items)
    taken = read_interactions(source, items=items, items_encoding="latin-1")
    assert taken.titles is not None
    assert taken.titles[0] == "Amélie 0"
    assert taken.users[0] == "u0é"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"items_columns": {"item": "1"}}, r"items_columns \(--items-columns\) is about a table of items, and none"),
        ({"items_header": True}, r"items_header \(--items-header\) is about a table of items, and none is given"),
        ({"items_encoding": "latin-1"}, r"items_encoding \(--items-encoding\) is about a table of items, and none"),
        ({"items_columns": {"user": "1"}, "items": "items.csv"}, "items_columns has 'user', but its roles are 'item'"),
    ],
)
def test_options_of_a_table_of_items_are_refused_without_one(
    tmp_path: Path, options: dict[str, Any], error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        read_interactions(text(PLAIN)(tmp_path), **options)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(PLAIN))
    writer.start()
    taken = read_interactions(pipe, min_items=1)
    writer.join()
    assert triples(taken) == WORLD


def test_standard_input_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PLAIN.encode())))
    assert triples(read_interactions("-", min_items=1)) == WORLD


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04[Content_Types].xml",
        b"BZh",
        b"[{}]",
        b"{'a': 1}",
        b"\xff\xfe",
        gzip.compress(b"PAR1", mtime=0),
        gzip.compress(b"a", mtime=0)[:-2],
        b"a,b\n1,2\n",
        b"{]",
    ],
)
def test_messages_do_not_name_the_copy_of_standard_input(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with pytest.raises(DataError, match=r"^standard input (is|has|cannot)") as refused:
        read_interactions("-")
    assert "spooled" not in str(refused.value)


def test_titles_are_kept_beside_the_items(tmp_path: Path) -> None:
    taken = read_interactions(recbole(tmp_path), min_items=1, min_rating=4)
    assert triples(taken) == LIKED
    assert taken.titles is not None
    assert taken.titles.tolist() == [TITLES[item] for item in taken.items.tolist()]


def test_the_digest_is_of_what_was_read_whatever_its_form(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path = text(PLAIN)(tmp_path)
    frame = pandas.read_csv(path)
    digests = {read_interactions(frame, min_items=1).sha256, read_interactions(frame.copy(), min_items=1).sha256}
    assert len(digests) == 1
    frame.loc[3, "rating"] = 9
    assert read_interactions(frame, min_items=1).sha256 not in digests


@pytest.mark.parametrize("where", ["rating >", "stars > 3", "1; DROP TABLE x", "rating = 'many'"])
def test_a_condition_that_cannot_be_evaluated_is_refused_with_the_columns(tmp_path: Path, where: str) -> None:
    with pytest.raises(DataError, match=r'where=.*cannot be evaluated on .*taken\.csv.*its columns are "user", "item"'):
        read_interactions(text(PLAIN)(tmp_path), where=where)


@pytest.mark.parametrize("source", [b"taken.csv", 3, None, {"user": [1]}])
def test_a_source_of_another_type_is_refused_by_name(source: object) -> None:
    with pytest.raises(TypeError, match="must be a path, a pandas or polars DataFrame"):
        read_interactions(source)


def test_feather_and_arrow_tables_are_read_through_pyarrow(tmp_path: Path) -> None:
    feather = pytest.importorskip("pyarrow.feather")
    csv = pytest.importorskip("pyarrow.csv")
    table = csv.read_csv(text(PLAIN)(tmp_path))
    feather.write_feather(table, str(tmp_path / "taken.feather"))
    for source in (table, tmp_path / "taken.feather"):
        assert triples(read_interactions(source, min_items=1)) == WORLD


def test_frames_of_polars_are_read(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    path = text(PLAIN)(tmp_path)
    for frame in (polars.read_csv(path), polars.scan_csv(path)):
        assert triples(read_interactions(frame, min_items=1)) == WORLD


def test_addresses_are_fetched_through_fsspec(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for name, part in (("a.csv", ROWS[:200]), ("b.csv", ROWS[200:])):
        memory.pipe(f"/taken/{name}", lines(part).encode())
    assert triples(read_interactions("memory://taken/*.csv", min_items=1)) == WORLD
    with pytest.raises(DataError, match=r"memory://taken/c\.csv cannot be read: there is no such file"):
        read_interactions("memory://taken/c.csv")


@pytest.mark.parametrize(
    ("source", "package"), [("s3://bucket/taken.csv", "fsspec"), ("taken.feather", "acg_numpy\\[interop\\]")]
)
def test_a_library_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, package: str
) -> None:
    for module in ("fsspec", "pyarrow"):
        monkeypatch.setitem(sys.modules, module, None)
    if "://" not in source:
        source = str(text(b"ARROW1\x00\x00" * 9, source)(tmp_path))
    with pytest.raises(DataError, match=f"not installed: pip install .?{package}"):
        read_interactions(source)


@pytest.mark.parametrize(("said", "shown"), [("Unable to locate credentials", "Unable to locate"), ("", "DriverError")])
def test_errors_of_a_driver_s_own_class_are_said_in_its_words(
    monkeypatch: pytest.MonkeyPatch, said: str, shown: str
) -> None:
    def fail(*args: object) -> None:
        raise type("DriverError", (Exception,), {})(said)

    monkeypatch.setitem(sys.modules, "fsspec", SimpleNamespace(open_files=fail))
    with pytest.raises(DataError, match=f"s3://bucket/taken.csv cannot be read: {shown}"):
        read_interactions("s3://bucket/taken.csv")


def test_what_fsspec_lacks_is_said_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ImportError("no module of that protocol")

    monkeypatch.setitem(sys.modules, "fsspec", SimpleNamespace(open_files=fail))
    with pytest.raises(DataError, match="cannot be read: no module of that protocol; or copy the file here"):
        read_interactions("sftp://host/taken.csv")
    with pytest.raises(DataError, match="not installed: pip install s3fs, or copy the file here"):
        read_interactions("s3://bucket/taken.csv")


@pytest.mark.parametrize("amount", ["nonsense", "", "1e3"])
def test_an_amount_of_memory_that_is_none_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, amount: str
) -> None:
    monkeypatch.setattr("acg_numpy.recommender.data.sources.database._database", [])
    monkeypatch.setattr("acg_numpy.recommender.data.sources.database.MEMORY_LIMIT", amount)
    with pytest.raises(DataError, match=f"ACG_READ_MEMORY is '{amount}'"):
        read_interactions(text(PLAIN)(tmp_path))
