"""Whatever accident a file of interactions has had: it is refused by name, or what is read is what stands there."""

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acg_numpy.recommender.data import (
    DataError,
    describe_interactions,
    make_world,
    read_interactions,
    read_newcomers,
    read_split,
)
from tests.damage import damaged_bytes, read_unless_refused
from tests.recommender.data.test_reader import triples

in_tmp_path = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

QUOTED = (
    b'user,item,domain,rating\nann,"Dune, 1",books,5\nann,Alien,films|books,4\nbob,"E""a",books,2\nbob,Heat,films,1\n'
)
WINDOWS = "\ufeffuser;item;domain\r\nu;1;café\r\nu;2;b\r\nv;3;b\r\n".encode()
TYPED = "user_id:token\titem_id:token\trating:float\tdomain:token_seq\n7\ta\t5.0\tDrama War\n8\tb\t4\tCrimé\n".encode()
FILES = st.sampled_from([QUOTED, WINDOWS, TYPED])


def rows_that_stand_there(content: bytes) -> tuple[set[tuple[str, str, str]], set[tuple[str, str, str]]]:
    """Return user, item and the field of domains of the rows that must be read, and of those that may be.

    A line without quotes is a row, whoever parses it.  Where there are quotes, parsers differ in what is a row.
    """
    text = content.decode("utf-8-sig")
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    head = lines[0]
    typed = head.count(":token") >= 2
    unquoted = re.sub(r'"[^"]*"', "", head)
    mark = next(m for m in ("\t", ",", ";", "|", ",") if m in unquoted or m == ",")
    mark = ";" if mark == "," and "," not in unquoted and ";" in unquoted else mark
    names = [name.split(":")[0] if typed else name for name in next(csv.reader([head], delimiter=mark))]
    roles = [re.sub(r"[\W_]", "", name.casefold()) for name in names]
    places = [next(n for n, role in enumerate(roles) if role in (wanted, f"{wanted}id")) for wanted in ("user", "item")]
    places.append(roles.index("domain"))

    header = tuple(names[p] for p in places)  # which a file of several joined ones repeats

    def whole(rows: Iterable[list[str]]) -> set[tuple[str, str, str]]:
        picked = {tuple(row[p] for p in places) for row in rows if len(row) == len(names)} - {header}
        return {row for row in picked if all(0 < len(cell) <= 1000 and not set(cell) & set("\n\r\0") for cell in row)}

    plain = whole(line.split(mark) for line in lines[1:] if '"' not in line or typed)
    parsed = whole(list(csv.reader(io.StringIO(text, newline=""), delimiter=mark))[1:])
    return plain, plain | parsed


@given(content=FILES.flatmap(lambda whole: damaged_bytes(whole, times=3)))
@settings(in_tmp_path, max_examples=max(60, 2 * settings.default.max_examples))
def test_what_is_read_from_a_damaged_file_is_what_stands_there(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.csv"
    path.write_bytes(content)
    taken = read_unless_refused(lambda: read_interactions(path, min_items=1), path, DataError)
    if taken is None:
        return
    must, may = rows_that_stand_there(content)
    read = triples(taken)
    with_domain = {item for _, item, field in must if field.strip(" |")}
    assert {(user, item) for user, item, _ in must if item in with_domain} <= {(user, item) for user, item, _ in read}
    for user, item, domain in read:
        assert any((user, item) == row[:2] for row in may)
        assert any(item == row[1] and domain in [*map(str.strip, row[2].split("|")), *row[2].split()] for row in may)


@given(content=FILES.flatmap(damaged_bytes), options=st.sampled_from([{"min_rating": 3.0}, {"domain_of": "all"}]))
@in_tmp_path
def test_options_do_not_change_what_can_go_wrong(tmp_path: Path, content: bytes, options: dict) -> None:
    path = tmp_path / "damaged.inter"
    path.write_bytes(content)
    taken = read_unless_refused(lambda: read_interactions(path, min_items=1, **options), path, DataError)
    if taken is None:
        return
    assert describe_interactions(taken).what


@given(content=st.sampled_from([b"item,domain\nDune,books\nAlien,films\n", TYPED]).flatmap(damaged_bytes))
@in_tmp_path
def test_a_damaged_table_of_items_is_named_or_read(tmp_path: Path, content: bytes) -> None:
    path, items = tmp_path / "taken.csv", tmp_path / "items.csv"
    path.write_bytes(b"user,item\nann,Dune\nann,Alien\nbob,a\n")
    items.write_bytes(content)
    taken = read_unless_refused(
        lambda: read_interactions(path, items=items, min_items=1), items, DataError, or_else="domain is left"
    )
    if taken is None:
        return
    assert {(user, item) for user, item, _ in triples(taken)} <= {("ann", "Dune"), ("ann", "Alien"), ("bob", "a")}


WORLD = make_world(seed=0).interactions
PAIRS = [(0, 0, "train"), (1, 1, "validation"), (2, 0, "test"), (3, 2, "test")]
SPLIT = "".join(
    f"{user}\t{domain}\t{part}\n"
    for user, domain, part in [
        ("user", "domain", "part"),
        *((WORLD.users[u], WORLD.domains[d], part) for u, d, part in PAIRS),
    ]
).encode()


@given(content=damaged_bytes(SPLIT))
@in_tmp_path
def test_a_damaged_split_is_refused_or_holds_whole_pairs(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "split.tsv"
    path.write_bytes(content)
    split = read_unless_refused(lambda: read_split(path, WORLD), path, DataError)
    if split is None:
        return
    listed = [content.decode("utf-8-sig").count(f"\t{part}") for part in ("train", "validation", "test")]
    assert [len(split.train), len(split.validation), len(split.test)] == listed


@given(content=damaged_bytes(QUOTED))
@in_tmp_path
def test_damaged_newcomers_are_refused_by_name_or_known_items_are_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "new.csv"
    path.write_bytes(content)
    newcomers = read_unless_refused(lambda: read_newcomers(path, ["Dune, 1", "Alien", "Heat"]), path, DataError)
    if newcomers is None:
        return
    assert newcomers.matrix.shape == (len(newcomers.users), 3)


def test_a_quote_left_open_in_the_header_loses_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('user,item,"domain\nu,1,"a\nu,2,b\nu,3,c\n')  # the first row was lost once, and nothing said so
    with pytest.raises(DataError, match=r"a\.csv, line 1: a quote is opened in the header.*close it"):
        read_interactions(path, min_items=1)


@pytest.mark.parametrize("before", [1, 5, 40_000])
def test_a_byte_that_is_no_text_is_told_with_its_line(tmp_path: Path, before: int) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"user,item,domain\n" + "ä,1,a\n".encode() * before + b"u,caf\xe9,a\nu,2,\xff\n")
    with pytest.raises(DataError, match=rf"a byte 0xe9 in line {before + 2} cannot be read"):
        read_interactions(path)


def test_a_character_cut_by_the_end_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("user,item,domain\nu,1,ä".encode()[:-1])
    with pytest.raises(DataError, match="a byte 0xc3 in line 2 cannot be read"):
        read_interactions(path)


def test_an_underscore_makes_no_number(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item,domain,rating\nu,1,a,1_0\nu,2,a,4\nu,3,b,4\n")
    taken = read_interactions(path, min_rating=3, min_items=1)
    assert triples(taken) == {("u", "2", "a"), ("u", "3", "b")}
    assert "line 2: the rating '1_0' is not a number" in taken.notes[0]


def test_a_header_longer_than_any_field_may_be_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"user,item,{'x' * 200_000}\n")
    with pytest.raises(DataError, match=r"a\.csv is not a text file: a header with the names"):
        read_interactions(path)


def test_a_disk_that_fails_is_told_in_its_own_words(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.symlink_to("/proc/self/mem")  # where nothing can be read at the beginning
    if not path.exists():
        pytest.skip("this system has no /proc")
    for encoding in ("utf-8", "latin-1"):
        with pytest.raises(DataError, match=r"a\.csv cannot be read: input/output error"):
            read_interactions(path, encoding=encoding)
