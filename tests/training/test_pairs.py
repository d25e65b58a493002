"""Pairs keep their positives, however they are picked and grouped."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.training import pairs as pairs_module
from acg_numpy.training.pairs import Catalogue
from tests.training.problems import problem

seeds = st.integers(0, 10_000)


@given(seeds)
def test_groups_hold_every_pair_once_with_its_positives(seed):
    interactions, catalogue, pairs, rng = problem(seed)
    index = rng.permutation(len(pairs))[: len(pairs) // 2 + 1]
    batch = pairs.take(index)
    assert sorted(zip(batch.users, batch.domains, strict=True)) == sorted(
        zip(pairs.users[index], pairs.domains[index], strict=True)
    )
    X, seen = interactions.matrix.toarray() > 0, []
    for domain, rows, positive in batch.groups():
        assert set(batch.domains[rows]) == {domain}
        np.testing.assert_array_equal(positive, X[batch.users[rows]][:, catalogue.items[domain]])
        seen.extend(range(rows.start, rows.stop))
    assert seen == list(range(len(batch)))


@given(seeds)
def test_large_groups_are_cut_and_nothing_is_lost(seed):
    _, _, pairs, _ = problem(seed, users=12)
    batch = pairs.take(np.arange(len(pairs)))
    whole = {group.domain: group.positive for group in batch.groups()}
    size, pairs_module.GROUP = pairs_module.GROUP, 4
    try:
        cut = list(batch.groups())
    finally:
        pairs_module.GROUP = size
    assert max(len(group.positive) for group in cut) <= 4
    for domain, positive in whole.items():
        np.testing.assert_array_equal(np.concatenate([g.positive for g in cut if g.domain == domain]), positive)


@given(seeds)
def test_a_catalogue_holds_every_item_once_in_its_place(seed):
    interactions, catalogue, _, rng = problem(seed)
    vectors = rng.normal(size=(13, 4))
    catalogue = Catalogue.of(interactions, vectors)
    assert sorted(np.concatenate(catalogue.items)) == list(range(13))
    for domain, (items, scaled) in enumerate(zip(catalogue.items, catalogue.vectors, strict=True)):
        np.testing.assert_array_equal(interactions.item_domain[items], domain)
        np.testing.assert_array_equal(catalogue.position[items], np.arange(len(items)))
        np.testing.assert_allclose(scaled, 3 * vectors[items] / np.sqrt(4))
