"""Pairs keep their positives, however they are picked and grouped."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.data import pairs as pairs_module
from acg_numpy.recommender.data.pairs import Catalogue, sample_pairs
from tests.recommender.problems import problem

seeds = st.integers(0, 10_000)


def with_candidates(seed, monkeypatch, many=4, drawn=3):
    """A batch in a world where 5 items are many, and 3 are drawn of them."""
    monkeypatch.setattr(pairs_module, "MANY_ITEMS", many)
    monkeypatch.setattr(pairs_module, "NUM_DRAWN", drawn)
    interactions, catalogue, pairs, rng = problem(seed)
    return interactions, catalogue, pairs.take(rng.permutation(len(pairs))), rng


@given(seeds)
def test_groups_hold_every_pair_once_with_its_positives(seed):
    interactions, catalogue, pairs, rng = problem(seed)
    index = rng.permutation(len(pairs))[: len(pairs) // 2 + 1]
    batch = pairs.take(index)
    assert sorted(zip(batch.users, batch.domains, strict=True)) == sorted(
        zip(pairs.users[index], pairs.domains[index], strict=True)
    )
    X, seen = interactions.matrix.toarray() > 0, []
    for domain, rows, _, positive, _ in batch.groups():
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
    catalogue = Catalogue.from_interactions(interactions, vectors)
    assert sorted(np.concatenate(catalogue.items)) == list(range(13))
    for domain, (items, scaled) in enumerate(zip(catalogue.items, catalogue.vectors, strict=True)):
        np.testing.assert_array_equal(interactions.item_domain[items], domain)
        np.testing.assert_array_equal(catalogue.position[items], np.arange(len(items)))
        np.testing.assert_allclose(scaled, 3 * vectors[items] / np.sqrt(4))


@pytest.mark.parametrize("seed", range(20))
def test_candidates_are_the_items_taken_and_those_drawn(seed, monkeypatch):
    interactions, catalogue, batch, rng = with_candidates(seed, monkeypatch)
    X, sizes = interactions.matrix.toarray() > 0, batch.sizes
    drawn = batch.draw_candidates(rng)
    assert set(drawn.drawn) == set(np.flatnonzero(sizes > 4))
    for group in drawn.groups():
        items = catalogue.items[group.domain]
        _, chosen = catalogue.candidates(group)
        np.testing.assert_array_equal(group.positive, X[drawn.users[group.rows]][:, chosen])
        if group.domain not in drawn.drawn:
            assert group.weight is None
            np.testing.assert_array_equal(chosen, items)
            continue
        sample = items[drawn.drawn[group.domain]]
        assert len(set(sample)) == 3
        assert set(chosen) == set(sample) | set(chosen[group.positive.any(axis=0)])
        for taken, weight in zip(group.positive, group.weight, strict=True):
            others = ~taken & np.isin(chosen, sample)
            np.testing.assert_array_equal(weight[taken], 1)
            np.testing.assert_array_equal(weight[~taken & ~others], 0)
            if others.any():  # those drawn stand for all that were not taken
                assert weight[others].sum() == pytest.approx(len(items) - taken.sum(), rel=1e-5)


def test_every_item_of_a_domain_is_drawn_as_often(monkeypatch):
    _, _, batch, rng = with_candidates(0, monkeypatch)
    domain = int(np.argmax(batch.sizes))
    drawn = np.concatenate([batch.draw_candidates(rng).drawn[domain] for _ in range(2000)])
    share = np.bincount(drawn, minlength=batch.sizes[domain]) / 2000
    expected = 3 / batch.sizes[domain]
    np.testing.assert_allclose(share, expected, atol=4 * np.sqrt(expected / 2000))


def test_in_small_domains_no_random_number_is_used():
    _, _, pairs, rng = problem(0)
    before = rng.bit_generator.state
    batch = pairs.take(np.arange(len(pairs))).draw_candidates(rng)
    assert rng.bit_generator.state == before
    assert not batch.drawn
    assert all(group.weight is None for group in batch.groups())


@given(seeds)
def test_only_a_few_scores_are_held_at_once_where_domains_are_large(seed):
    _, _, pairs, _ = problem(seed, users=12)
    batch = pairs.take(np.arange(len(pairs)))
    held, pairs_module.SCORES = pairs_module.SCORES, 16
    try:
        groups = list(batch.groups())
    finally:
        pairs_module.SCORES = held
    assert all(group.positive.size <= 16 or len(group.positive) == 1 for group in groups)
    assert sum(len(group.positive) for group in groups) == len(batch)


@given(seeds)
def test_batches_are_what_take_gives_with_sums_and_times_of_their_positives(seed):
    _, catalogue, pairs, rng = problem(seed)
    order = rng.permutation(len(pairs))
    for start, batch in zip(range(0, len(pairs), 4), pairs.with_vector_sums(catalogue).batches(order, 4), strict=True):
        expected = pairs.take(order[start : start + 4])
        for name in ("users", "domains", "offsets", "positives"):
            np.testing.assert_array_equal(getattr(batch, name), getattr(expected, name))
        positive = np.zeros((len(batch), 13), np.int64)
        for p, domain in enumerate(batch.domains):
            taken = batch.positives[batch.offsets[p] : batch.offsets[p + 1]]
            positive[p, catalogue.items[domain][taken]] = 1
            sums = catalogue.vectors[domain][taken].sum(axis=0)
            np.testing.assert_allclose(batch.vector_sums[p], sums, atol=1e-14)
            np.testing.assert_allclose(expected.sum_positives(catalogue)[p], sums, atol=1e-14)
        np.testing.assert_array_equal(batch.times_taken(catalogue), positive.sum(axis=0))


@given(seeds, st.integers(1, 60))
def test_a_sample_has_each_pair_once_and_each_domain_with_its_share(seed, number):
    rng = np.random.default_rng(seed)
    pairs = np.column_stack([np.arange(50), rng.choice([0, 2, 3], 50, p=[0.7, 0.25, 0.05])])
    sampled = sample_pairs(pairs, number, seed)
    np.testing.assert_array_equal(sampled, sample_pairs(pairs, number, seed))
    assert (np.diff(sampled[:, 0]) > 0).all()
    np.testing.assert_array_equal(pairs[sampled[:, 0]], sampled)
    domains, counts = np.unique(pairs[:, 1], return_counts=True)
    kept = np.bincount(sampled[:, 1], minlength=4)[domains]
    assert (np.abs(kept - min(number, 50) * counts / 50) <= 1).all()
    assert min(number, 50) <= len(sampled) <= max(min(number, 50), number + len(domains) - 1)


def test_a_sample_is_drawn_unasked_where_there_are_many_pairs_alone(monkeypatch):
    pairs = np.column_stack([np.arange(40), np.arange(40) % 2])
    assert len(sample_pairs(pairs, None, 0)) == 40
    monkeypatch.setattr(pairs_module, "MANY_PAIRS", 39)
    monkeypatch.setattr(pairs_module, "NUM_SAMPLED", 10)
    assert np.bincount(sample_pairs(pairs, None, 0)[:, 1]).tolist() == [5, 5]
    assert len(sample_pairs(pairs, 1000, 0)) == 40
