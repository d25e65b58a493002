"""Tokens of domains: what is looked up, and what comes back to the table, dense or by rows."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import DomainEmbedding, grad, tensor
from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.module import functional_call

DOMAINS = 5
ids = st.one_of(
    st.integers(0, DOMAINS - 1),
    st.lists(st.integers(0, DOMAINS - 1), max_size=8).map(lambda i: np.array(i, int)),
    st.lists(st.tuples(*[st.integers(0, DOMAINS - 1)] * 2), min_size=1, max_size=3).map(np.array),
)


def pair(num_global_tokens=0, dtype=np.float64):
    """The same tokens with dense and with row-sparse gradients."""
    return [
        DomainEmbedding(DOMAINS, 3, 2, num_global_tokens, sparse_grad=sparse, dtype=dtype, seed=0)
        for sparse in (False, True)
    ]


def contracted(context, seed):
    weights = np.random.default_rng(seed).integers(-9, 9, context.shape).astype(context.dtype)
    return np.sum(weights * context)


@given(st.lists(ids, min_size=1, max_size=3), st.integers(0, 2), st.sampled_from([np.float32, np.float64]))
def test_row_sparse_gradients_are_the_dense_ones_over_several_lookups_and_backwards(lookups, num_global_tokens, dtype):
    dense, sparse = pair(num_global_tokens, dtype)
    for seed, domain_id in enumerate(lookups):
        for tokens in (dense, sparse):
            first, again = tokens(domain_id), tokens(lookups[0])
            np.testing.assert_array_equal(first.numpy(), dense(domain_id).numpy())
            (contracted(first, seed) + contracted(again, seed + 1)).backward()
    found = sparse.tokens.grad
    assert isinstance(found, RowSparseGradient)
    assert isinstance(dense.tokens.grad, np.ndarray)
    np.testing.assert_array_equal(np.asarray(found), dense.tokens.grad, strict=True)
    np.testing.assert_array_equal(found.rows, np.unique(np.concatenate([np.ravel(i).astype(int) for i in lookups])))
    if num_global_tokens:
        np.testing.assert_array_equal(sparse.global_tokens.grad, dense.global_tokens.grad, strict=True)
    sparse.zero_grad()
    assert sparse.tokens.grad is None


@pytest.mark.parametrize("lookup_first", [True, False])
@given(ids, st.booleans())
def test_another_use_of_the_tokens_makes_the_right_gradient_dense(lookup_first, domain_id, at_once):
    both = pair()
    for tokens in both:
        parts = [contracted(tokens(domain_id), 0), np.sum(tokens.tokens**2)]
        if not lookup_first:
            parts.reverse()
        if at_once:
            (parts[0] + parts[1]).backward()
        else:
            parts[0].backward()
            parts[1].backward()
    assert isinstance(both[1].tokens.grad, np.ndarray)
    np.testing.assert_allclose(both[1].tokens.grad, both[0].tokens.grad, rtol=1e-15)


@given(ids)
def test_tokens_that_are_made_of_something_pass_a_dense_gradient_on(domain_id):
    found = []
    for tokens in pair():
        source = tensor(tokens.tokens.numpy(), requires_grad=True)
        contracted(functional_call(tokens, {"tokens": np.tanh(source)}, domain_id), 0).backward()
        found.append(source.grad)
    assert isinstance(found[1], np.ndarray)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-15)


@given(ids)
def test_transforms_give_arrays(domain_id):
    dense, sparse = (
        grad(lambda table, tokens=tokens: np.sum(functional_call(tokens, {"tokens": table}, domain_id) ** 3))(
            tokens.tokens.numpy()
        )
        for tokens in pair()
    )
    assert isinstance(sparse, np.ndarray)
    np.testing.assert_allclose(sparse, dense, rtol=1e-15)


@given(ids)
def test_second_derivatives_are_right(domain_id):
    """Of the sum of x**3 over what was looked up the gradient is 3 x**2 n, and that of its sum 6 x n."""
    for tokens in pair():
        np.sum(tokens(domain_id) ** 3).backward(create_graph=True)
        first = tokens.tokens.grad
        tokens.zero_grad()
        times = np.bincount(np.ravel(domain_id).astype(int), minlength=DOMAINS)[:, None, None]
        np.testing.assert_allclose(first.numpy(), 3 * tokens.tokens.data**2 * times)
        np.sum(first).backward()
        np.testing.assert_allclose(np.asarray(tokens.tokens.grad), 6 * tokens.tokens.data * times)


def test_a_first_order_pass_after_a_recorded_one_adds_to_its_tensor():
    _, tokens = pair()
    np.sum(tokens(1) ** 3).backward(create_graph=True)
    np.sum(tokens(2)).backward()
    expected = np.zeros(tokens.tokens.shape)
    expected[1], expected[2] = 3 * tokens.tokens.data[1] ** 2, 1.0
    np.testing.assert_allclose(tokens.tokens.grad.numpy(), expected)
    tokens.zero_grad()


def test_the_root_of_a_recorded_pass_has_a_dense_gradient_too():
    _, tokens = pair()
    context = tokens(np.array([1, 1]))
    context.backward(np.ones(context.shape), create_graph=True)
    np.testing.assert_array_equal(np.asarray(tokens.tokens.grad)[:, 0, 0], [0, 2, 0, 0, 0])
    assert not isinstance(tokens.tokens.grad, RowSparseGradient)


def test_looking_up_and_carrying_back_takes_no_memory_of_the_tables_size():
    tokens = DomainEmbedding(200_000, 4, 1, sparse_grad=True, seed=0)
    tracemalloc.start()
    try:
        np.sum(tokens(np.arange(0, 200_000, 1000)) ** 2).backward()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < tokens.tokens.nbytes / 20


def test_the_option_shows_and_is_off_by_default():
    assert "num_global_tokens=0, sparse_grad=True)" in repr(DomainEmbedding(3, 2, sparse_grad=True))
    assert "sparse_grad" not in repr(DomainEmbedding(3, 2))
