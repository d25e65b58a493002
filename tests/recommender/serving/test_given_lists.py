"""Lists of another system are read in their order, and what cannot be judged is counted."""

from types import SimpleNamespace

import numpy as np
import pytest

from acg_numpy.recommender.data import DataError
from acg_numpy.recommender.serving.given_lists import read_lists

TRAINED = SimpleNamespace(
    items=np.array(["Dune", "Emma", "Dune", "Alien"]),  # Dune is a book and a film
    item_domain=np.array([0, 0, 1, 1]),
    domains=np.array(["books", "films"]),
)
IN_ORDER = "no column rank or score: each list is in the order of its rows"
USERS = np.array(["ann", "bob"])


def read(tmp_path, text):
    path = tmp_path / "lists.csv"
    path.write_text(text, encoding="utf-8")
    return read_lists(path, TRAINED, USERS)


def order(lists, user, columns=(0, 1, 2, 3)):
    [scores] = lists.scores(np.array([user]), np.array(columns))
    return [columns[n] for n in np.argsort(-scores) if np.isfinite(scores[n])]


@pytest.mark.parametrize(
    "text",
    [
        "user,item\nann,Alien\nbob,Emma\nann,Emma\n",
        "user,item,rank\nann,Emma,2\nbob,Emma,1\nann,Alien,1\n",
        "score,userId,movieId\n0.5,ann,Emma\n-3,bob,Emma\n0.75,ann,Alien\n",
        "user,item,score,rank\nann,Emma,9,2\nbob,Emma,1,1\nann,Alien,1,1\n",
    ],
)
def test_lists_are_in_order_of_rank_or_score_or_row(tmp_path, text):
    lists = read(tmp_path, text)
    assert (order(lists, 0), order(lists, 1)) == ([3, 1], [1])
    named = "rank" in text or "score" in text
    assert lists.notes == (() if named else (IN_ORDER,))


def test_an_item_of_several_domains_is_listed_where_the_file_says(tmp_path):
    everywhere = read(tmp_path, "user,item\nann,Emma\nann,Dune\n")
    assert (order(everywhere, 0, (0, 1)), order(everywhere, 0, (2, 3))) == ([1, 0], [2])
    films = read(tmp_path, "user,item,domain\nann,Emma,books\nann,Dune,films\n")
    assert (order(films, 0, (0, 1)), order(films, 0, (2, 3))) == ([1], [2])


def test_what_is_left_out_is_counted(tmp_path):
    lists = read(tmp_path, "user,item\nann,Emma\nann,Ulysses\nzoe,Emma\nann,Alien\nann,Emma\n")
    assert order(lists, 0) == [1, 3]
    assert lists.notes == (
        IN_ORDER,
        "lists of users that are not judged, left out: 1",
        "rows with items that are not known, left out: 1 of 4 ('Ulysses')",
        "rows that repeat an item of the same list, of which the first place counts: 1",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item,rank\nann,Emma,first\n", r"row 1 \(counted from 1, without the header\) has not a number"),
        ("user,item\nann,\n", "row 1 .* has not a user and an item"),
        ("user,item\nzoe,Emma\n", r"a list of none of the 2 users that are judged \(it begins with 'zoe'\)"),
        ("user,place\nann,Emma\n", "has no column 'item' for the item"),
        ("user,item\nann,Emma,7\nann,Alien\n", "1 of its rows do not fit the table"),
    ],
)
def test_a_file_that_is_no_list_is_refused_by_name(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)
