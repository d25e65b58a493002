"""What a file of interactions says is what is read, and what cannot be read is said."""

import csv
import io
import math
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acg_numpy.recommender.data import DataError, Interactions, read_interactions
from acg_numpy.recommender.data.sources import id_codes, item_domains
from acg_numpy.recommender.data.sources.rows import StagedRows

in_tmp_path = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

#: Any string that can be an id: not empty, without line breaks and NUL.
IDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"),
    min_size=1,
    max_size=8,
)


def triples(taken: Interactions) -> set[tuple[str, str, str]]:
    users, items = taken.matrix.nonzero()
    return {
        (str(taken.users[u]), str(taken.items[i]), str(taken.domains[taken.item_domain[i]]))
        for u, i in zip(users, items, strict=True)
    }


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def as_table(rows: list[tuple[str, ...]], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return text.getvalue()


@given(
    pairs=st.lists(st.tuples(IDS, IDS), min_size=2, max_size=30),
    delimiter=st.sampled_from([",", "\t", ";"]),
    data=st.data(),
)
@in_tmp_path
def test_every_interaction_is_read_whatever_the_ids(
    tmp_path: Path, pairs: list[tuple[str, str]], delimiter: str, data: st.DataObject
) -> None:
    items = sorted({item for _, item in pairs})
    domain = {item: ("left", "right")[n % 2] for n, item in enumerate(items)}
    rows = [(user, item, domain[item]) for user, item in pairs]
    path = tmp_path / "taken.txt"
    path.write_text(as_table([("user", "item", "domain"), *rows], delimiter), encoding="utf-8", newline="")
    if len(items) < 2:
        with pytest.raises(DataError, match="only one domain"):
            read_interactions(path, min_items=1)
        return
    taken = read_interactions(path, min_items=1, keep_null_ids=True)
    assert triples(taken) == set(rows)
    assert set(taken.matrix.data.tolist()) == {1.0}  # rows that stand twice are one interaction
    assert taken.users.tolist() == sorted({user for user, _ in pairs})
    usual = ("repeat", "differ only in", "ends in '.0'", "has spaces around it")
    assert all(any(word in note for word in usual) for note in taken.notes)

    shuffled = data.draw(st.permutations(rows))
    path.write_text(as_table([("user", "item", "domain"), *shuffled], delimiter), encoding="utf-8", newline="")
    again = read_interactions(path, min_items=1, keep_null_ids=True)
    np.testing.assert_array_equal(again.matrix.toarray(), taken.matrix.toarray())  # the order of rows does not matter
    np.testing.assert_array_equal(again.items, taken.items)


@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_bytes_are_refused_or_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "anything"
    for header in (b"", b"user,item,domain\n", b"user_id:token\titem_id:token\tdomain:token_seq\n"):
        path.write_bytes(header + content)
        try:
            taken = read_interactions(path, min_items=1)
        except DataError:
            continue
        assert taken.matrix.nnz > 0
        assert len(taken.domains) >= 2


RECBOLE = (
    (
        "user_id:token\titem_id:token\trating:float\ttimestamp:float",
        "7\ta\t5.0\t1",
        "7\tb\t3.0\t2",
        "8\tb\t4\t3",
        "8\tc\t4.5\t4",
    ),
    (
        "item_id:token\tmovie_title:token_seq\tclass:token_seq",
        'a\tThe "Burbs\tDrama War',
        "b\tO Brother\tComedy",
        "c\tHeat\tCrime Drama",
        "d\tNobody Saw It\tWestern",
    ),
)


def recbole(folder: Path) -> Path:
    write(folder / "films.item", *RECBOLE[1])
    return write(folder / "films.inter", *RECBOLE[0])


def test_recbole_files_are_read_with_the_items_beside_them(tmp_path: Path) -> None:
    taken = read_interactions(recbole(tmp_path), domain="class", min_items=1)
    assert triples(taken) == {("7", "a", "Drama"), ("7", "b", "Comedy"), ("8", "b", "Comedy"), ("8", "c", "Crime")}
    assert taken.domains.tolist() == ["Comedy", "Crime", "Drama"]
    same = read_interactions(recbole(tmp_path), domain="class:token_seq", user="user_id:token", min_items=1)
    assert triples(same) == triples(taken)


def test_low_ratings_do_not_count(tmp_path: Path) -> None:
    taken = read_interactions(recbole(tmp_path), domain="class", min_rating=4, min_items=1)
    assert triples(taken) == {("7", "a", "Drama"), ("8", "b", "Comedy"), ("8", "c", "Crime")}
    assert taken.notes == (
        "rows with a rating below 4, which do not count: 1",
        "columns of films.item: title 'movie_title'",
    )


def test_each_interaction_has_its_earliest_time(tmp_path: Path) -> None:
    rows = ("u,a,x,7", "u,b,x y,5", "v,b,x y,2.5", "u,a,x,3", "v,a,x,when", "v,a,x,9", "v,c,y,?", "w,c,y,2020-01-02")
    path = write(tmp_path / "taken.csv", "user,item,domain,timestamp", *(row.replace(" ", "|") for row in rows))
    taken = read_interactions(path, domain_of="all", min_items=1)
    assert taken.times is not None
    found = {}
    for entry, user in enumerate(np.repeat(np.arange(3), np.diff(taken.matrix.indptr))):
        column = taken.matrix.indices[entry]
        key = taken.users[user], taken.items[column], taken.domains[taken.item_domain[column]]
        found[tuple(map(str, key))] = float(taken.times[entry])
    new_year = 86400 * 18263.0
    assert math.isnan(found.pop(("v", "c", "y")))
    assert found == {
        ("u", "a", "x"): 3,
        ("u", "b", "x"): 5,
        ("u", "b", "y"): 5,
        ("v", "b", "x"): 2.5,
        ("v", "b", "y"): 2.5,
        ("v", "a", "x"): 9,
        ("w", "c", "y"): new_year,
    }
    of_times = "rows whose time is neither a number nor a date: 2 (the first: 'when'); they count, but have no time"
    assert taken.notes[0] == of_times
    assert set(taken.matrix.data.tolist()) == {1.0}


def test_an_item_of_all_its_domains_is_a_column_in_each(tmp_path: Path) -> None:
    taken = read_interactions(recbole(tmp_path), domain="class", domain_of="all", min_items=1)
    expected = {("7", "a", "Drama"), ("7", "a", "War"), ("7", "b", "Comedy"), ("8", "b", "Comedy"), ("8", "c", "Crime")}
    assert triples(taken) == expected | {("8", "c", "Drama")}
    assert taken.domains.tolist() == ["Drama", "Comedy", "Crime", "War"]  # most items first
    by_name = {}
    for name, number in zip(taken.items.tolist(), taken.same_item.tolist(), strict=True):
        assert by_name.setdefault(name, number) == number
    assert len(set(by_name.values())) == 3


def test_a_bar_separates_domains_where_there_are_no_types(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "user,item,domain", "u,1,Action|Sci-Fi", "u,2,Home & Garden", "v,3,|Sci-Fi|")
    first = read_interactions(path, min_items=1)
    assert set(first.domains.tolist()) == {"Action", "Home & Garden", "Sci-Fi"}
    assert read_interactions(path, min_items=1, domain_of="all").domains.tolist()[0] == "Sci-Fi"


def test_domains_may_come_from_a_table_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path / "taken.tsv", "who\twhat\tstars", "ann\tDune\t5", "ann\tAlien\t4", "bob\tSolaris\t5")
    items = write(tmp_path / "items.csv", "what,kind", '"Dune",book', "Alien,film", "Unseen,song")
    taken = read_interactions(path, items=items, user="who", item="what", domain="kind", min_items=1)
    assert triples(taken) == {("ann", "Dune", "book"), ("ann", "Alien", "film")}
    assert taken.notes[-1] == "items without a domain: 1 (the first: 'Solaris'); rows with them, which do not count: 1"


def test_the_domains_with_most_items_are_kept(tmp_path: Path) -> None:
    sizes = {"a": 2, "b": 5, "c": 3, "d": 3, "e": 1}
    rows = [f"u,{name}{n},{name}" for name, size in sizes.items() for n in range(size)]
    path = write(tmp_path / "a.csv", "user,item,domain", *rows)
    assert read_interactions(path, min_items=1).domains.tolist() == ["b", "c", "d", "a", "e"]
    assert read_interactions(path).domains.tolist() == ["b", "c", "d"]
    taken = read_interactions(path, min_items=2, max_domains=2)
    assert taken.domains.tolist() == ["b", "c"]
    assert taken.notes == (
        "domains with fewer than 2 items, left out: 1 ('e')",
        "domains beyond the 2 with most items, left out: 2 ('d', 'a')",
    )


def test_parquet_and_csv_of_many_blocks_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (id_codes, item_domains):
        monkeypatch.setattr(module, "BLOCK", 1000)
    drawn = (
        "SELECT CAST(hash(i) % 3000 AS INTEGER) AS user, 'i' || hash(i + 1) % 500 AS item, hash(i) % 4 AS domain, "
        "i AS timestamp, CAST(hash(i + 2) % 5 AS INTEGER) AS rating FROM range(20000) t(i)"
    )
    paths = [tmp_path / "taken.parquet", tmp_path / "taken.csv"]
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({drawn}) TO '{paths[0]}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
        connection.execute(f"COPY (FROM '{paths[0]}') TO '{paths[1]}' (FORMAT csv, HEADER)")
    for options in ({"domain_of": "all"}, {"min_rating": 2, "where": "timestamp > 5000"}):
        one, other = (read_interactions(path, **options) for path in paths)
        assert one.matrix.nnz > 5000
        assert (one.matrix != other.matrix).nnz == 0
        for name in ("users", "items", "domains", "item_domain", "times"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.notes == tuple(note.replace(paths[1].name, paths[0].name) for note in other.notes)


@pytest.mark.parametrize(
    "where",
    [
        '"random"() < 0.5',
        'row_number() OVER (PARTITION BY "user" ORDER BY time) <= 3',
        '"user" IN (SELECT range % 900 FROM range(3000))',
    ],
)
def test_a_condition_that_varies_does_not_mix_rows(tmp_path: Path, where: str) -> None:
    path = tmp_path / "taken.parquet"
    with duckdb.connect() as connection:  # the item of a row begins with its user
        connection.execute(
            "COPY (SELECT hash(i) % 997 AS \"user\", (hash(i) % 997) || '-' || i % 5 AS item, i % 2 AS domain, "
            f"i AS time FROM range(20000) t(i)) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)"
        )
    taken = read_interactions(path, where=where)
    assert taken.matrix.nnz > 1000
    assert all(item.startswith(f"{user}-") for user, item, _ in triples(taken))


def test_an_unclosed_quote_is_found_behind_a_row_of_its_text(tmp_path: Path) -> None:
    rows = ["u,i,a", "v,i,a", '"u,i,a', "v,j,b", 'w",j,b', "w,i,a"]
    with pytest.raises(DataError, match="line 4: a quote is opened here"):
        read_interactions(write(tmp_path / "taken.csv", "user,item,domain", *rows))


def test_two_ids_of_one_hash_are_kept_apart(tmp_path: Path) -> None:
    one, other = "c1f5S71IRaaaadvP", "F03vpUuT92oj6X81"
    assert len(set(duckdb.sql(f"SELECT hash('{one}'), hash('{other}')").fetchall()[0])) == 1
    rows = [f"{one},i,a", f"{other},j,b", f"{other},k,a"]
    taken = read_interactions(write(tmp_path / "taken.csv", "user,item,domain", *rows), min_items=1)
    assert triples(taken) == {tuple(row.split(",")) for row in rows}


def test_rows_that_change_while_they_are_read_are_refused() -> None:
    tables = id_codes.HashTables(np.array([12, 7], np.uint64))
    with pytest.raises(DataError, match="rows have changed while they were read"):
        tables.positions(np.array([7, 8], np.uint64))


def test_numbers_of_columns_without_a_header_are_no_header(tmp_path: Path) -> None:
    path = write(tmp_path / "taken.csv", "1,2,3", "1,4,x", "5,2,3", "5,4,x")
    taken = read_interactions(path, header=False, user="1", item="2", domain="3", min_items=1)
    assert triples(taken) == {("1", "2", "3"), ("1", "4", "x"), ("5", "2", "3"), ("5", "4", "x")}


def test_lines_of_bad_rows_between_two_colons_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "ratings.dat", "1::a::x", "2::b::y", "::b::y", "2::c::x")
    taken = read_interactions(path, header=False, user="1", item="2", domain="3", min_items=1)
    assert any("line 3: the user is empty" in note for note in taken.notes), taken.notes


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_a_file_that_is_replaced_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    path, other = (tmp_path / f"{name}.{format_}" for name in ("taken", "other"))
    for file, descending in ((path, ""), (other, "DESC")):
        rows = f"SELECT i % 3 AS user, i AS item, i % 2 AS domain FROM range(12) t(i) ORDER BY i {descending}"
        duckdb.sql(f"COPY ({rows}) TO '{file}'")
    encode = StagedRows.encode

    def replace_then_encode(staged: StagedRows, role: str) -> tuple[Any, Any]:
        if other.exists():
            other.replace(path)
        return encode(staged, role)

    monkeypatch.setattr(StagedRows, "encode", replace_then_encode)
    with pytest.raises(
        DataError, match=r"taken\.\w+ has changed while it was read: read a file that nothing writes to"
    ):
        read_interactions(path, min_items=1)


def test_bytes_that_are_no_text_are_refused_in_any_column(tmp_path: Path) -> None:
    path = tmp_path / "taken.parquet"
    for role in ("title", "timestamp"):
        duckdb.sql(
            f"SELECT i AS \"user\", i AS item, i % 2 AS domain, '\\xE9'::BLOB AS {role} FROM range(9) t(i)"
        ).to_parquet(str(path))
        with pytest.raises(DataError, match=r"cannot be read: .*UTF8"):
            read_interactions(path)


def test_malformed_rows_are_counted_and_the_first_told_by_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "user,item,domain,rating",
        "u,1,a,5",
        '"two\nlines",1,a,5',  # lines 3 and 4
        "u,2,b",
        "",
        ",2,b,4",
        "u,2,b,many",
        "u,2,b,nan",
        "u,2,b,4",
        "u,3,b,5,5",
        f"{'x' * 1001},3,b,5",
    )
    taken = read_interactions(path, min_rating=1, min_items=1)
    assert triples(taken) == {("u", "1", "a"), ("u", "2", "b")}
    assert taken.notes == (
        "a.csv: 7 of 9 rows malformed and left out ("
        "line 3: the user 'two\\nlines' holds a line break or a null character; "
        "line 5: 3 fields, where the header has 4; "
        "line 7: the user is empty; "
        "line 8: the rating 'many' is not a number; "
        "line 9: the rating 'nan' is not a number; ...)",
        "a.csv: quoted fields with line breaks: 1 (the first: 'two\\nlines')",
    )


def test_malformed_rows_are_told_by_line_beyond_the_first_block(tmp_path: Path) -> None:
    rows = [f"u{n % 50},{n % 7},{'ab'[n % 7 % 2]}" for n in range(3000)]
    rows[2500] = "short"
    taken = read_interactions(write(tmp_path / "a.csv", "user,item,domain", *rows))
    assert taken.notes == (
        "a.csv: 1 of 3,000 rows malformed and left out (line 2502: 1 field, where the header has 3)",
        "rows that repeat a user and an item, which count once: 2,649 (the first: user 'u0', item '0')",
    )


def test_an_item_with_different_domains_in_different_rows_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "user,item,domain", "u,12,books", "v,12,films", "v,13,films", "u,14,books")
    taken = read_interactions(path, min_items=1)
    assert triples(taken) == {("u", "12", "books"), ("v", "12", "books"), ("v", "13", "films"), ("u", "14", "books")}
    assert (
        "items with different domains in different rows: 1 (the first: '12'); the first row decides" in taken.notes[0]
    )
    both = read_interactions(path, min_items=1, domain_of="all")
    assert ("u", "12", "films") in triples(both)


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item,domain\r\nu,1,a\r\nu,2,b\r\n", encoding="utf-8-sig", newline="")
    assert triples(read_interactions(path, min_items=1)) == {("u", "1", "a"), ("u", "2", "b")}


def test_the_hash_is_of_all_that_was_read(tmp_path: Path) -> None:
    path = recbole(tmp_path)
    before = read_interactions(path, domain="class", min_items=1).sha256
    assert read_interactions(path, domain="class", min_items=1).sha256 == before
    write(tmp_path / "films.item", *RECBOLE[1], "e\tNew\tWestern")
    assert read_interactions(path, domain="class", min_items=1).sha256 != before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "the first line of .* is blank"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is a picture, which is not read: a table was expected"),
        (b"PK\x03\x04\x14\x00\x00\x00", "is a zip archive, which is not read: unzip taken.csv"),
        (b"\x01\x00\x00\x00,\n", "is not a text file"),
        ("user,item,domain\nu,caf\xe9,a\n".encode("latin-1"), r"is not UTF-8 text \(a byte 0xe9"),
        (b"user,item,domain\n", "has no interactions below its header"),
        (
            b"user,item\nu,1\n",
            r"has no column 'domain' for the domain, nor one.*; it has 'user', 'item'; --domain-column NAME",
        ),
        (b"who,item,domain\nu,1,a\n", "has no column 'user' for the user, nor one of its.*'who', 'item', 'domain'"),
        (b"user,item,domain,item\nu,1,a,1\n", "has 2 columns that may be the item: 'item' and 'item'"),
        (b"user,item,domain\nu,1,a\nu,2,a\nu,3,a\n", "only one domain is left, 'a', but at least two are needed"),
        (b"user,item,domain\nu,1,a\nu,2,b\n", r"no domain is left.*fewer than 3 items, left out: 2 \('a', 'b'\)"),
        (
            b"user,item,domain\nu,1\n,,\n",
            r"no interactions below its header \(.*line 2: 2 fields.*line 3: the user is empty",
        ),
        (
            b'user,item,domain\nu,1,"a' + b"x" * 200_000,
            "no interactions below its header.*line 2: a quote is opened and not closed",
        ),
    ],
)
def test_a_file_that_will_not_do_is_refused_with_the_reason(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "taken.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_interactions(path)


def test_files_that_are_not_there_or_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv cannot be read: no such file"):
        read_interactions(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="is a folder: name its files"):
        read_interactions(tmp_path)
    with pytest.raises(DataError, match=r"nowhere\.item cannot be read"):
        read_interactions(recbole(tmp_path), items=tmp_path / "nowhere.item")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"min_rating": 3.0, "rating": "stars"},
            "has no column 'stars' for the rating; it has 'user_id', 'item_id', 'rating'",
        ),
        ({"timestamp": "when"}, "has no column 'when' for the timestamp"),
        (
            {"domain": "genre"},
            r"films\.item has no column 'genre' for the domain; it has 'item_id', 'movie_title', 'class'",
        ),
    ],
)
def test_a_missing_column_is_told_with_those_there_are(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_interactions(recbole(tmp_path), **{"domain": "class", **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domain_of": "last"}, "domain_of must be 'first' or 'all', but it is 'last'"),
        ({"max_domains": 0}, "max_domains must be at least 1"),
        ({"min_items": 0}, "min_items must be at least 1"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_interactions(recbole(tmp_path), domain="class", **options)
