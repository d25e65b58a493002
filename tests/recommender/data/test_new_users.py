"""What new users did, in the columns of the items that are known."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.data import DataError, read_interactions, read_newcomers

ITEMS = np.array(["Alien", "Dune", "Dune", "Emma", "Heat"])  # Dune stands in two domains


def write(tmp_path, text, name="new.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_column_of_a_taken_item_is_filled_and_twice_is_once(tmp_path):
    new = read_newcomers(write(tmp_path, "user,item\nzoe,Dune\nann,Heat\nzoe,Dune\nzoe,Alien\n"), ITEMS)
    assert new.users.tolist() == ["ann", "zoe"]
    np.testing.assert_array_equal(new.matrix.toarray(), [[0, 0, 0, 0, 1], [1, 1, 1, 0, 0]])
    assert new.matrix.dtype == np.float32
    assert new.notes == ()


def test_unknown_items_are_counted_and_their_users_kept(tmp_path):
    new = read_newcomers(write(tmp_path, "user,item\nann,Heat\nbob,Jaws\nbob,Jaws\nbob,Psycho\n"), ITEMS)
    assert new.users.tolist() == ["ann", "bob"]
    assert new.matrix.nnz == 1
    assert new.notes == ("items that are not known, left out: 2 of 3 (the first: 'Jaws'), in rows: 3 of 4 (75.0%)",)


def test_a_file_without_a_known_item_is_refused_with_examples(tmp_path):
    with pytest.raises(DataError, match=r"none of its 1 items is known \(it begins with '12', .* with 'Alien'\)"):
        read_newcomers(write(tmp_path, "user,item\nann,12\n"), ITEMS)


def test_columns_are_named_and_ratings_looked_at_as_in_training(tmp_path):
    path = write(tmp_path, "who\twhat\tstars\nann\tHeat\t5\nann\tEmma\t1\n")
    new = read_newcomers(path, ITEMS, user="who", item="what", rating="stars", min_rating=4)
    assert new.matrix.indices.tolist() == [4]
    assert new.notes == ("rows with a rating below 4, which do not count: 1",)
    typed = write(tmp_path, "user_id:token\titem_id:token\nann\tHeat\n", "new.inter")
    assert read_newcomers(typed, ITEMS).users.tolist() == ["ann"]
    with pytest.raises(DataError, match="has no column 'user' for the user, nor one of its usual names; it has 'who'"):
        read_newcomers(path, ITEMS)


def test_a_file_is_read_as_the_interactions_of_training_were(tmp_path):
    frame = pd.DataFrame({"who": ["a", "a", "b"], "asin": [1, 2, 1], "kind": ["x", "y", "x"], "stars": [5, 4, 1]})
    options = {"user": "who", "domain": "kind", "rating": "stars", "min_rating": 2.0, "where": "asin < 9"}
    taken = read_interactions(frame, **options, min_items=1)
    assert json.loads(json.dumps(taken.reading)) == taken.reading
    known = {"as_read": taken.reading, "domains": taken.domains.tolist()}
    frame = pd.concat([frame, pd.DataFrame({"who": ["c"], "asin": [7], "kind": ["z"], "stars": [5]})])
    new = read_newcomers(frame, taken.items, **known)
    assert (new.users.tolist(), new.matrix.toarray().tolist()) == (["a", "c"], [[1, 1], [0, 0]])
    unknown = "domains that are not known: 1 (the first: 'z'), in rows: 1 of 4 (25.0%); "
    for note in (
        "as in training: min_rating = 2.0, where = asin < 9",
        "items that are not known, left out: 1 of 3 (the first: '7'), in rows: 1 of 3 (33.3%)",
        unknown + "their items count where they are known",
    ):
        assert note in new.notes
    apart = read_newcomers(
        frame.assign(kind="q, z"),
        taken.items,
        **{**known, "as_read": {**taken.reading, "domain_separator": ","}, "domains": ["z"]},
    )
    assert not any("domains that are not known" in note for note in apart.notes)
    other = read_newcomers(frame, taken.items, **known, min_rating=1)
    assert other.users.tolist() == ["a", "b", "c"]
    assert "unlike in training: min_rating = 1, where training had 2.0" in other.notes
    plain = {**known, "as_read": {**taken.reading, "min_rating": None}}
    assert "unlike in training: min_rating = 1, where training had none" in (
        read_newcomers(frame, taken.items, **plain, min_rating=1).notes
    )
    with pytest.raises(DataError, match=r"no column 'who' for the user, as the .* training had; it has 'user', 'asin'"):
        read_newcomers(frame.rename(columns={"who": "user"}), taken.items, **known)
    floating = frame.astype({"asin": float})
    with pytest.raises(DataError, match=r"'asin' for the item has the type DOUBLE, and .* it had BIGINT, so that the"):
        read_newcomers(floating, taken.items, **known)
    assert read_newcomers(floating, taken.items, **known, normalize_ids=True).matrix.nnz == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="Day"), "no column 'Day', which the condition of training reads .* it has 'user', "),
        (lambda f: f.astype({"Day": str}), "'Day' has the type VARCHAR, and .* condition reads it .*, it had BIGINT: "),
        (lambda f: f.astype({"Day": "datetime64[s]"}), "'Day' has the type TIMESTAMP_S, and .* it had BIGINT: "),
        (lambda f: f.assign(note=1), "'note' has the type BIGINT, and .* it had VARCHAR: convert it, or give a cond"),
    ],
)
def test_the_condition_of_training_needs_its_columns_and_types(change, message):
    frame = pd.DataFrame(
        {"user": list("aab"), "item": list("xyz"), "domain": list("dde"), "Day": [1, 5, 9], "note": "day-off"}
    )
    taken = read_interactions(frame, where="day > 2 AND \"note\" <> 'item' AND abs(day) < 100", min_items=1)
    assert taken.reading["where_columns"] == {"Day": "BIGINT", "note": "VARCHAR"}
    in_case = "CASE WHEN day > 2 THEN true ELSE false END"
    assert read_interactions(frame.assign(end=0), where=in_case, min_items=1).reading["where_columns"] == {
        "Day": "BIGINT"
    }
    known = {"as_read": taken.reading}
    assert read_newcomers(frame.astype({"Day": float}), taken.items, **known).matrix.nnz == 2
    with pytest.raises(DataError, match=message):
        read_newcomers(change(frame), taken.items, **known)
    assert read_newcomers(change(frame), taken.items, **known, where="true").users.tolist() == ["a", "b"]


def test_a_condition_that_fails_is_said_to_be_of_training(tmp_path):
    rows = "user,item,domain,day\na,x,d,5\nb,y,e,9\n"
    taken = read_interactions(write(tmp_path, rows), where="day > 4", min_items=1)
    new = write(tmp_path, "user,item,day\na,x,monday\n")
    with pytest.raises(
        DataError, match=r"cannot be evaluated on .*new.csv: .*; this is the condition of training: give"
    ):
        read_newcomers(new, taken.items, as_read=taken.reading)


@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=20))
def test_the_users_of_the_training_file_come_back_as_they_were(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("again")
    rows = "".join(f"user {u},item {i},{'xy'[i % 2]}\n" for u, i in sorted(pairs))
    path = write(folder, "user,item,domain\n" + rows)
    taken = read_interactions(path, min_items=1)
    new = read_newcomers(path, taken.items)
    assert new.users.tolist() == taken.users.tolist()
    np.testing.assert_array_equal(new.matrix.toarray(), taken.matrix.toarray())
