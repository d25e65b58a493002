"""User vectors know nothing of their target domain; item vectors know nothing but their own."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given
from hypothesis import strategies as st

from acg_numpy.recommender.data import DataError, Factors, Interactions, factorise, make_world
from acg_numpy.recommender.data import factors as factors_module
from tests.recommender.data.strategies import interactions, interactions_of


def factors_of(taken: Interactions, **options: int) -> Factors:
    try:
        return factorise(taken.matrix, taken, **options)
    except DataError:
        assume(False)
        raise


@given(interactions(), st.data())
def test_a_vector_for_a_domain_is_blind_to_what_happened_there(taken: Interactions, data: st.DataObject) -> None:
    factors = factors_of(taken)
    target = data.draw(st.integers(0, len(taken.domains) - 1))
    X = taken.matrix.toarray()
    changed = X.copy()
    inside = ~taken.elsewhere[target]
    changed[:, inside] = 1 - changed[:, inside]
    before, after = (factors.user_vectors(sp.csr_array(x))[:, target] for x in (X, changed))
    np.testing.assert_array_equal(before, after)  # not one bit


@given(interactions())
def test_user_vectors_are_as_the_formula_says(taken: Interactions) -> None:
    factors = factors_of(taken, emb_dim=8)
    X = taken.matrix.toarray().astype(np.float64)
    for d in range(len(taken.domains)):
        expected = (X * factors.item_weight * taken.elsewhere[d]) @ factors.components / factors.scale
        np.testing.assert_allclose(factors.user_vectors(taken.matrix)[:, d], expected, atol=1e-5)


@given(interactions())
def test_vectors_of_pairs_have_the_bits_of_all_vectors(taken: Interactions) -> None:
    factors = factors_of(taken)
    users, domains = np.divmod(np.arange(len(taken.users) * len(taken.domains)), len(taken.domains))
    expected = factors.user_vectors(taken.matrix)[users, domains]
    np.testing.assert_array_equal(factors.pair_vectors(taken.matrix[users], domains), expected)


def test_many_interactions_are_factorised_in_few_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = make_world(seed=0).interactions
    exact = factorise(taken.matrix, taken, emb_dim=8)
    monkeypatch.setattr(factors_module, "MANY", 0)
    monkeypatch.setattr(factors_module, "BLOCK", 300)  # users
    monkeypatch.setattr(factors_module, "NUMBERS", 300 * 5 * 8)
    few = factorise(taken.matrix, taken, emb_dim=8)
    assert few.scale == pytest.approx(exact.scale, rel=1e-3)
    weighted = factors_module.scale_columns(taken.matrix, exact.item_weight)
    energy = [float(np.sum((weighted @ one.components) ** 2)) for one in (exact, few)]
    assert energy[1] == pytest.approx(energy[0], rel=1e-3)
    assert few.user_vectors(taken.matrix).std(dtype=np.float64) == pytest.approx(1, abs=1e-5)
    for d in range(len(taken.domains)):  # inner products of items have no sign or rotation
        products = [vectors @ vectors.T for vectors in (one.item_vectors[taken.columns(d)] for one in (exact, few))]
        assert np.linalg.norm(products[1]) == pytest.approx(np.linalg.norm(products[0]), rel=0.02)


@given(interactions())
def test_user_vectors_and_item_vectors_have_unit_deviation(taken: Interactions) -> None:
    factors = factors_of(taken)
    assert factors.user_vectors(taken.matrix).std(dtype=np.float64) == pytest.approx(1, abs=1e-5)
    if factors.item_vectors.any():
        assert factors.item_vectors.std(dtype=np.float64) == pytest.approx(1, abs=1e-5)


@given(interactions(several_domains=False))
def test_components_span_the_best_approximation_of_the_weighed_matrix(taken: Interactions) -> None:
    factors = factors_of(taken, emb_dim=6)
    X = taken.matrix.toarray().astype(np.float64)
    weight = 1 / np.sqrt(1 + X.sum(axis=0))
    np.testing.assert_allclose(factors.item_weight, weight, rtol=1e-6)
    V = factors.components.astype(np.float64)
    left = np.linalg.norm(X * weight - (X * weight) @ V @ V.T)
    best = np.linalg.norm(np.linalg.svd(X * weight, compute_uv=False)[6:])
    assert left == pytest.approx(best, abs=1e-4)


@given(interactions(several_domains=False))
def test_inner_products_of_item_vectors_are_those_of_the_domains_best_approximation(taken: Interactions) -> None:
    factors = factors_of(taken)
    X = taken.matrix.toarray() / np.sqrt(1 + taken.matrix.sum(axis=0))  # X * w
    products, scaled = [], []
    for d in range(len(taken.domains)):
        columns = taken.columns(d)
        rank = min(24, len(columns) - 1, len(taken.users) - 1)
        if rank < 1:
            continue
        _, sigma, vt = np.linalg.svd(X[:, columns])
        sigma = np.pad(sigma, (0, 60))[: len(columns)]
        if sigma[rank] > 0.99 * sigma[rank - 1]:
            assume(False)  # where the cut falls between equals, the best approximation is not unique
        products.append((vt[:rank].T * sigma[:rank]) @ vt[:rank])
        vectors = factors.item_vectors[columns].astype(np.float64)
        scaled.append(vectors @ vectors.T)
    assume(any(p.any() for p in products))
    ratio = sum(np.trace(s) for s in scaled) / sum(np.trace(p) for p in products)  # the one scale of all domains
    for product, of_vectors in zip(products, scaled, strict=True):
        np.testing.assert_allclose(of_vectors, ratio * product, atol=1e-3 * max(ratio * np.abs(product).max(), 1e-6))


@given(interactions(several_domains=False), st.data())
def test_item_vectors_of_a_domain_point_where_they_do_whatever_happens_elsewhere(
    taken: Interactions, data: st.DataObject
) -> None:
    domain = data.draw(st.integers(0, len(taken.domains) - 1))
    inside = taken.item_domain == domain
    other = taken.matrix.toarray()
    other[:, ~inside] = 1 - other[:, ~inside]
    a = factors_of(taken).item_vectors[inside].astype(np.float64)
    b = factors_of(interactions_of(other, taken.item_domain, num_domains=len(taken.domains))).item_vectors[inside]
    assume(a.any() and b.any())
    a, b = a @ a.T, b.astype(np.float64) @ b.T
    np.testing.assert_allclose(a / np.trace(a), b / np.trace(b), atol=1e-4)


@given(interactions(several_domains=False))
def test_an_item_named_in_two_domains_counts_once_for_everybody_else(taken: Interactions) -> None:
    X = taken.matrix.toarray()
    doubled = np.concatenate([np.arange(X.shape[1]), [0]])  # item 0 again, in a further domain of its own
    several = interactions_of(
        X[:, doubled], np.append(taken.item_domain, len(taken.domains)), doubled.tolist(), len(taken.domains) + 1
    )
    one, two = factors_of(taken, emb_dim=5), factors_of(several, emb_dim=5)
    for d in range(len(taken.domains)):
        if d != taken.item_domain[0]:
            a = one.user_vectors(taken.matrix)[:, d].astype(np.float64) * one.scale
            b = two.user_vectors(several.matrix)[:, d].astype(np.float64) * two.scale
            sigma = np.linalg.svd(X * one.item_weight, compute_uv=False)
            assume(sigma[5] < 0.99 * sigma[4])
            np.testing.assert_allclose(a @ a.T, b @ b.T, atol=1e-4 * max(1.0, np.abs(a @ a.T).max()))


def test_the_same_seed_gives_the_same_figures_and_any_the_signs() -> None:
    rng = np.random.default_rng(0)
    taken = interactions_of(rng.random((80, 60)) < 0.3, np.repeat([0, 1, 2], 20))
    a, b, c = (factorise(taken.matrix, taken, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a.components, b.components)
    np.testing.assert_array_equal(a.item_vectors, b.item_vectors)
    np.testing.assert_allclose(a.components[:, :5], c.components[:, :5], atol=1e-4)


def test_users_with_nothing_elsewhere_have_the_zero_vector() -> None:
    taken = interactions_of(np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1]]), [0, 0, 1, 1])
    vectors = factorise(taken.matrix, taken, emb_dim=4).user_vectors(taken.matrix)
    assert not vectors[0, 0].any()
    assert vectors[0, 1].any()


def test_components_beyond_the_rank_are_zeros() -> None:
    taken = interactions_of(np.ones((6, 5)), [0, 0, 0, 1, 1])  # of rank 1
    factors = factorise(taken.matrix, taken, emb_dim=8)
    assert factors.components.shape == (5, 8)
    assert factors.components[:, 0].all()
    assert not factors.components[:, 1:].any()


def test_new_users_are_folded_in_by_their_own_row_alone() -> None:
    rng = np.random.default_rng(1)
    taken = interactions_of(rng.random((40, 30)) < 0.3, np.repeat([0, 1], 15))
    factors = factorise(taken.matrix, taken)
    np.testing.assert_allclose(
        factors.user_vectors(taken.matrix[[7]])[0], factors.user_vectors(taken.matrix)[7], rtol=1e-5, atol=1e-6
    )
    with pytest.raises(ValueError, match="matrix has 29 columns, but the factors know 30 items"):
        factors.user_vectors(taken.matrix[:, :29])


@pytest.mark.parametrize(
    ("taken", "message"),
    [
        (np.zeros((3, 4)), "no interaction is visible"),
        (np.ones((1, 4)), "at least two users, two items and two domains are needed"),
    ],
)
def test_interactions_that_lead_nowhere_are_refused(taken: np.ndarray, message: str) -> None:
    nothing = interactions_of(taken, [0, 0, 1, 1])
    with pytest.raises(DataError, match=message):
        factorise(nothing.matrix, nothing)


def test_wrong_arguments_are_refused() -> None:
    taken = interactions_of(np.ones((3, 4)), [0, 0, 1, 1])
    with pytest.raises(ValueError, match="emb_dim must be at least 1, but it is 0"):
        factorise(taken.matrix, taken, emb_dim=0)
    with pytest.raises(ValueError, match=r"visible has shape \(2, 4\)"):
        factorise(taken.matrix[:2], taken)
