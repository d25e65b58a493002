"""Vectors of one's own find their users and items by id, whatever the order; what does not fit is refused by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.data import DataError, Vectors, make_world, read_vectors
from acg_numpy.recommender.data.vectors import align_item_vectors, align_user_vectors

WORLD = make_world(seed=0).interactions
USERS, ITEMS, DOMAINS = WORLD.users, WORLD.items, WORLD.domains
RNG = np.random.default_rng(0)
OF_USERS, OF_ITEMS = RNG.normal(size=(len(USERS), 4)) * 7, RNG.normal(size=(len(ITEMS), 4)) / 7


@given(st.integers(0, 10_000))
def test_the_order_of_ids_does_not_matter_nor_do_strangers(seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(USERS) + 1)
    ids, vectors = np.append(USERS, "a stranger"), np.vstack([OF_USERS, np.full((1, 4), 1e6)])
    found = align_user_vectors(Vectors(ids[order], vectors[order]), WORLD, 4)
    np.testing.assert_allclose(found.vectors[:, 2] * found.scale, OF_USERS, rtol=1e-5)
    assert found.vectors.shape == (1000, 5, 4)
    assert found.vectors.dtype == np.float32
    assert found.vectors.strides[1] == 0  # one vector for all domains takes the memory of one
    assert found.vectors[:, 0].std() == pytest.approx(1, rel=1e-5)
    assert found.scale == pytest.approx(OF_USERS.std())


@given(st.permutations(range(5)))
def test_a_vector_for_each_domain_goes_by_the_names_of_the_domains(order):
    each = RNG.normal(size=(len(USERS), 5, 4))
    named = align_user_vectors(Vectors(USERS, each[:, order], DOMAINS[order]), WORLD, 4)
    np.testing.assert_allclose(named.vectors * named.scale, each, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(named.vectors, align_user_vectors(Vectors(USERS, each), WORLD, 4).vectors)


def test_items_get_one_vector_each():
    found = align_item_vectors(Vectors(ITEMS[::-1], OF_ITEMS[::-1]), WORLD, 4)
    np.testing.assert_allclose(found.vectors * found.scale, OF_ITEMS, rtol=1e-5)
    with pytest.raises(DataError, match=r"items have one vector each, \(n, D\)"):
        align_item_vectors(Vectors(ITEMS, OF_ITEMS[:, None]), WORLD, 4)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "users.npz"
    np.savez(path, ids=USERS.tolist(), vectors=OF_USERS)
    read = read_vectors(path)
    assert read.ids.tolist() == USERS.tolist()
    np.testing.assert_array_equal(read.vectors, OF_USERS)
    np.savez(path, ids=[12, 7], vectors=[[1, 2], [3, 4]], domains=["a"])
    assert read_vectors(path).ids.tolist() == ["12", "7"]
    assert read_vectors(path).vectors.dtype == np.float64


def test_what_does_not_fit_the_interactions_is_named():
    few = Vectors(USERS[3:], OF_USERS[3:], source="mine.npz")
    with pytest.raises(DataError, match=r"mine\.npz has no vector for 3 of 1,000 users .the first: 'user-000'"):
        align_user_vectors(few, WORLD, 4)
    with pytest.raises(DataError, match=r"has no vector for 500 of 500 items .*its ids are like 'user-000'"):
        align_item_vectors(Vectors(USERS, OF_USERS), WORLD, 4)
    with pytest.raises(DataError, match=r"4 dimensions, but the conditioner has 32; set emb_dim \(--emb-dim\) to 4"):
        align_user_vectors(Vectors(USERS, OF_USERS), WORLD, 32)
    each = RNG.normal(size=(len(USERS), 4, 4))
    with pytest.raises(DataError, match="are for 4 domains, but 5 there are"):
        align_user_vectors(Vectors(USERS, each), WORLD, 4)
    with pytest.raises(DataError, match="no vectors for the domain 'podcasts'"):
        align_user_vectors(Vectors(USERS, each, DOMAINS[:4]), WORLD, 4)
    with pytest.raises(DataError, match="are for 4 domains, but 5 are named there"):
        align_user_vectors(Vectors(USERS, each, DOMAINS), WORLD, 4)
    with pytest.raises(DataError, match="all numbers are the same"):
        align_user_vectors(Vectors(USERS, np.ones_like(OF_USERS)), WORLD, 4)


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [
        (["a", "b"], np.ones((3, 2)), r"2 ids, but vectors of shape \(3, 2\); expected \(2, D\) or \(2, N, D\)"),
        (["a"], np.ones(1), "expected"),
        ([["a"]], np.ones((1, 2)), r"ids of shape \(1, 1\)"),
        (["a", "a"], np.ones((2, 2)), "the id 'a' is listed more than once"),
        (["a", "b"], np.array([[1, 2], [np.nan, 1]]), "the vector of 'b' holds NaN or infinity .so do those of 0"),
        ([1.5], np.ones((1, 2)), "ids are of dtype float64; expected strings"),
        (["a"], np.ones((1, 2), complex), "vectors are of dtype complex128; expected floating numbers"),
    ],
)
def test_vectors_that_are_none_are_refused(tmp_path, ids, vectors, message):
    path = tmp_path / "mine.npz"
    np.savez(path, ids=ids, vectors=vectors)
    with pytest.raises(DataError, match=f"{path}.*{message}"):
        read_vectors(path)


def test_a_file_that_is_something_else_is_refused(tmp_path):
    path = tmp_path / "mine.npz"
    with pytest.raises(DataError, match="cannot be read: no such file"):
        read_vectors(path)
    path.write_text("user,1,2,3\n")
    with pytest.raises(DataError, match=r"is not an \.npz file"):
        read_vectors(path)
    np.savez(path, V=np.ones(3))
    with pytest.raises(DataError, match="holds 'V', but no array 'ids'"):
        read_vectors(path)
    np.savez(path, ids=np.array(["a", 1], dtype=object), vectors=np.ones((2, 2)))
    with pytest.raises(DataError, match=r"Python objects.*store ids as strings"):
        read_vectors(path)
    np.savez(path, ids=["a"], vectors=np.ones((1, 1000)))
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError, match="truncated or damaged"):
        read_vectors(path)
