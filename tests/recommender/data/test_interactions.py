"""What is inside a domain, what is elsewhere, and which shapes fit together."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given

from acg_numpy.recommender.data import DataError, Interactions
from tests.recommender.data.strategies import interactions, interactions_of


@given(interactions())
def test_an_item_is_inside_a_domain_or_elsewhere(taken: Interactions) -> None:
    X = taken.matrix.toarray()
    for d in range(len(taken.domains)):
        inside = set(taken.same_item[taken.item_domain == d].tolist())
        for u in range(len(taken.users)):
            items = set(taken.same_item[X[u] > 0].tolist())
            assert taken.counts[u, d] == len(items & inside)
            assert taken.counts_elsewhere[u, d] == len(items - inside)
        assert {n for n, other in zip(taken.same_item.tolist(), taken.elsewhere[d], strict=True) if not other} == inside


def test_a_shared_item_is_elsewhere_where_no_column_of_it_is_inside() -> None:
    #                           item 0 is in both domains, item 1 in the first, item 2 in the second
    taken = interactions_of(np.ones((1, 4)), item_domain=[0, 1, 0, 1], same_item=[0, 0, 1, 2])
    assert taken.elsewhere.tolist() == [[False, False, False, True], [False, False, True, False]]
    assert taken.counts.tolist() == [[2, 2]]
    assert taken.counts_elsewhere.tolist() == [[1, 1]]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"item_domain has shape \(3,\).*each of 2 items"):
        interactions_of(np.ones((2, 2)), item_domain=[0, 1, 1], same_item=[0, 1])
    with pytest.raises(ValueError, match="from 0 to 0"):
        interactions_of(np.ones((2, 2)), item_domain=[0, 1], num_domains=1)
    whole = interactions_of(np.ones((2, 2)), item_domain=[0, 1])
    with pytest.raises(ValueError, match=r"matrix has shape \(2, 2\), but there are 1 users"):
        Interactions(whole.users[:1], whole.items, whole.domains, whole.matrix, whole.item_domain)


def test_it_says_how_much_it_holds() -> None:
    assert repr(interactions_of(np.eye(3), item_domain=[0, 1, 1])) == (
        "<Interactions: 3 interactions of 3 users with 3 items in 2 domains>"
    )


@pytest.mark.parametrize(
    "separator", ["\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
)
def test_an_id_that_would_be_two_lines_is_refused_by_name(separator: str) -> None:
    parts = {"users": ["ann", "bob"], "items": ["Dune", "Emma"], "domains": ["books", "films"]}
    for name in parts:
        ids = {**parts, name: [*parts[name][:1], f"x{separator}"]}
        with pytest.raises(DataError, match=rf"^the {name[:-1]} 'x.+' holds a separator of lines"):
            Interactions(
                **{key: np.array(values) for key, values in ids.items()},
                matrix=sp.csr_array(np.eye(2, dtype=np.float32)),
                item_domain=np.array([0, 1]),
            )
