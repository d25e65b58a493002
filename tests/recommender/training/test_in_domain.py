"""The in-domain loss: its textbook formula, and its gradient in three ways."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.autograd import from_passes, tensor
from acg_numpy.checks import check_backward, gradcheck
from acg_numpy.passes import log_softmax_backward, log_softmax_forward
from acg_numpy.recommender.data import pairs as pairs_module
from acg_numpy.recommender.training.in_domain import in_domain_backward, in_domain_forward, in_domain_loss
from tests.recommender.problems import masked, problem

seeds = st.integers(0, 10_000)
log_softmax = from_passes(log_softmax_forward, log_softmax_backward)


def batch_of(seed):
    """A batch, its catalogue, and conditions and biases in float64."""
    _, catalogue, pairs, rng = problem(seed)
    batch = pairs.take(rng.permutation(len(pairs))[: len(pairs) // 2 + 1])
    return batch, catalogue, rng.normal(size=(len(batch), 4)), rng.normal(size=13)


@given(seeds)
def test_the_loss_is_the_cross_entropy_over_items_averaged_over_interactions(seed):
    interactions, catalogue, pairs, rng = problem(seed)
    batch = pairs.take(np.arange(len(pairs)))
    C, bias = rng.normal(size=(len(batch), 4)), rng.normal(size=13)
    candidate, positive = masked(interactions, batch)

    vectors = np.zeros((13, 4))
    for items, scaled in zip(catalogue.items, catalogue.vectors, strict=True):
        vectors[items] = scaled * np.sqrt(4) / 3
    S = np.where(candidate, 3 * C @ vectors.T / np.sqrt(4) + bias, -np.inf)
    log_p = S - np.log(np.sum(np.exp(S), axis=1, keepdims=True))
    expected = -np.sum(log_p[positive]) / np.sum(positive)

    loss = in_domain_loss(C, bias, batch=batch, catalogue=catalogue)
    assert float(loss) == pytest.approx(expected, rel=1e-10)


@given(seeds)
def test_hand_derived_is_what_the_engine_gets_from_the_formula(seed):
    batch, catalogue, C, b = batch_of(seed)

    def by_formula(condition, bias):
        total = 0.0
        for domain, rows, _, positive, _ in batch.groups():
            S = condition[rows] @ catalogue.vectors[domain].T + bias[catalogue.items[domain]]
            total = total - np.sum(log_softmax(S) * positive)
        return total / len(batch.positives)

    grads = []
    for loss in (by_formula, lambda c, b: in_domain_loss(c, b, batch=batch, catalogue=catalogue)):
        condition, bias = tensor(C, requires_grad=True), tensor(b, requires_grad=True)
        loss(condition, bias).backward()
        grads.append((condition.grad, bias.grad))
    for one, other in zip(*grads, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-13)


def drawn_batch(seed, monkeypatch, drawn):
    """A batch for which, in domains of more than 4 items, `drawn` of them are candidates beside the positives."""
    monkeypatch.setattr(pairs_module, "MANY_ITEMS", 4)
    monkeypatch.setattr(pairs_module, "NUM_DRAWN", drawn)
    batch, catalogue, C, b = batch_of(seed)
    assert (batch.sizes > 4).any()
    return batch, catalogue, C, b


@pytest.mark.parametrize("seed", range(5))
def test_with_every_item_drawn_the_estimate_is_the_loss(seed, monkeypatch):
    batch, catalogue, C, b = drawn_batch(seed, monkeypatch, 5)
    whole = {d: np.arange(size) for d, size in enumerate(batch.sizes) if size > 4}
    everything = dataclasses.replace(batch, drawn=whole)
    sides = []
    for one in (batch, everything):
        loss, cache = in_domain_forward(C, b, batch=one, catalogue=catalogue)
        sides.append((loss, *in_domain_backward(np.float64(1), cache)))
    for exact, estimate in zip(*sides, strict=True):
        np.testing.assert_allclose(estimate, exact, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_estimate_of_the_denominator_is_right_on_average(seed, monkeypatch):
    batch, catalogue, C, b = drawn_batch(seed, monkeypatch, 3)
    for group in batch.groups():
        if batch.sizes[group.domain] <= 4:
            continue
        rows, positive = group.rows, group.positive
        E = np.exp(C[rows] @ catalogue.vectors[group.domain].T + b[catalogue.items[group.domain]])
        size, n = positive.shape[1], positive.sum(axis=1)
        # Every subset of 3 items is as likely.  Where a pair took nearly all items, a draw may hold none of the
        # others; given that it holds m > 0 of them, the estimate is right on average.
        for pair in range(len(positive)):
            by_number = {}
            for subset in itertools.combinations(range(size), 3):
                one = batch.take(np.arange(len(batch))[rows][[pair]])
                (drawn,) = dataclasses.replace(one, drawn={group.domain: np.array(subset)}).groups()
                Z = np.sum(E[pair, drawn.candidates] * drawn.weight[0].astype(float))
                by_number.setdefault(int(np.sum(~positive[pair, list(subset)])), []).append(Z)
            for others, found in by_number.items():
                if others or n[pair] == size:
                    assert np.mean(found) == pytest.approx(E[pair].sum(), rel=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_with_drawn_candidates_too_the_gradient_is_the_numeric_derivative(seed, monkeypatch):
    batch, catalogue, C, b = drawn_batch(seed, monkeypatch, 3)
    batch = batch.draw_candidates(np.random.default_rng(seed))
    assert batch.drawn

    def forward(condition, item_bias):
        return in_domain_forward(condition, item_bias, batch=batch, catalogue=catalogue)

    assert check_backward(forward, in_domain_backward, C, b).passed
    loss = from_passes(forward, in_domain_backward)
    assert gradcheck(lambda c, b: loss(c, b), C, b, second_order=True).passed


@pytest.mark.parametrize("seed", [0, 1])
def test_hand_derived_is_the_numeric_derivative_at_first_and_second_order(seed):
    batch, catalogue, C, b = batch_of(seed)

    def forward(condition, item_bias):
        return in_domain_forward(condition, item_bias, batch=batch, catalogue=catalogue)

    assert check_backward(forward, in_domain_backward, C, b).passed
    loss = from_passes(forward, in_domain_backward)
    assert gradcheck(lambda c, b: loss(c, b), C, b, second_order=True).passed


def test_float32_stays_float32():
    batch, catalogue, C, b = batch_of(0)
    single = type(catalogue)(
        catalogue.items, tuple(v.astype(np.float32) for v in catalogue.vectors), catalogue.position
    )
    loss, cache = in_domain_forward(C.astype(np.float32), b.astype(np.float32), batch=batch, catalogue=single)
    assert loss.dtype == np.float32
    assert {g.dtype for g in in_domain_backward(np.float32(1), cache)} == {np.dtype(np.float32)}


def test_items_of_domains_that_are_not_in_the_batch_get_no_gradient():
    batch, catalogue, C, b = batch_of(0)
    only = batch.take(np.flatnonzero(batch.domains == 1))
    _, cache = in_domain_forward(C[: len(only)], b, batch=only, catalogue=catalogue)
    grad = in_domain_backward(np.float64(1), cache).item_bias
    assert set(np.flatnonzero(grad)) == set(catalogue.items[1])


@pytest.mark.parametrize(("scale", "shift"), [(30, 0), (1000, 0), (1, -200)])
def test_huge_scores_neither_overflow_nor_lose_the_candidates_that_count(scale, shift, monkeypatch):
    batch, catalogue, C, b = drawn_batch(0, monkeypatch, 2)
    b = b + shift
    batch = batch.draw_candidates(np.random.default_rng(0))
    sides = []
    for dtype in (np.float32, np.float64):
        vectors = tuple(v.astype(dtype) for v in catalogue.vectors)
        typed = type(catalogue)(catalogue.items, vectors, catalogue.position)
        loss, cache = in_domain_forward((scale * C).astype(dtype), b.astype(dtype), batch=batch, catalogue=typed)
        sides.append((loss, *in_domain_backward(dtype(1), cache)))
    for single, double in zip(*sides, strict=True):
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-4)


def test_a_batch_without_pairs_is_refused():
    batch, catalogue, C, bias = batch_of(0)
    with pytest.raises(ValueError, match="batch holds no pairs"):
        in_domain_loss(C[:0], bias, batch=batch.take(np.arange(0)), catalogue=catalogue)
