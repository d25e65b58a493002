"""Sorting users by domain puts each user in one place, beside those of the same domain."""

import itertools
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from acg_numpy.kernels.conditioning import sort_results, unsort_results
from acg_numpy.kernels.grouping import every_domain, group

N = 6
ids_of_users = hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(0, N - 1))


@given(ids_of_users)
def test_sorted_users_lie_by_domain_in_the_order_in_which_they_came(ids: Any) -> None:
    groups = group(ids, N)
    assert not groups.every
    np.testing.assert_array_equal(groups.present, np.unique(ids))
    np.testing.assert_array_equal(groups.sort(ids), np.repeat(groups.present, groups.counts))
    places = groups.sort(np.arange(len(ids)))
    for start, count in zip(groups.starts, groups.counts, strict=True):
        assert np.all(np.diff(places[start : start + count]) > 0)


@given(ids_of_users)
def test_unsorting_undoes_sorting_and_shares_no_memory(ids: Any) -> None:
    groups, rows = group(ids, N), np.random.default_rng(0).normal(size=(len(ids), 2))
    assert np.shape(groups.starts) == np.shape(groups.counts)
    ordered = groups.sort(rows)
    back = groups.unsort(ordered)
    np.testing.assert_array_equal(back, rows)
    assert not np.shares_memory(back, ordered)


def test_sorting_into_an_array_that_is_given_fills_it() -> None:
    groups, rows, room = group(np.array([2, 0, 2]), 3), np.array([[1.0], [2.0], [3.0]]), np.empty((3, 1))
    assert groups.sort(rows, out=room) is room
    np.testing.assert_array_equal(room, [[2.0], [1.0], [3.0]])


def test_users_of_one_domain_are_sorted_already() -> None:
    ids = np.array([4, 4, 4])
    groups = group(ids, 5)
    assert groups.order is None
    assert groups.sort(ids) is ids
    assert group(np.array([4, 1]), 5).order is not None
    ids[0] = 0
    np.testing.assert_array_equal(groups.present, [4])  # a copy: what the caller does later does not matter
    assert group(np.array([], int), 5).order is not None


@pytest.mark.parametrize("num_domains", [2**16 - 1, 2**16, 2**16 + 1, 2**16 + 2, 2**17])
def test_a_domain_s_number_may_be_beyond_sixteen_bits(num_domains: int) -> None:
    ids = np.array([num_domains - 1, 1, num_domains - 1, 0, num_domains - 2])
    groups = group(ids, num_domains)
    np.testing.assert_array_equal(groups.present, [0, 1, num_domains - 2, num_domains - 1])
    np.testing.assert_array_equal(groups.sort(ids), np.sort(ids))


@given(ids_of_users, st.integers(1, 10), st.booleans())
def test_parts_hold_every_row_once_and_no_more_than_fit_in_cache(ids: Any, chunk: int, every: bool) -> None:
    groups = every_domain(np.unique(ids), 7) if every else group(ids, N)
    seen = []
    for part in groups.parts(chunk):
        rows = range(part.target.start, part.target.stop)
        assert 1 <= len(rows) <= chunk
        assert part.source.stop - part.source.start == len(rows)
        first = int(groups.starts[part.domain])
        assert part.source.start == (part.target.start - first if every else part.target.start)
        assert first <= part.target.start < part.target.stop <= first + groups.counts[part.domain]
        seen += rows
    assert seen == list(range(int(groups.counts.sum())))
    assert len(groups.parts(chunk)) == sum(-(-count // chunk) for count in groups.counts.tolist())


@given(ids_of_users)
@example(np.repeat(np.arange(N), [1, 2, 4, 4, 5, 8]))
@example(np.repeat(np.arange(3), [1, 1, 1]))
def test_batches_hold_every_user_once_and_less_than_half_is_padding(ids: Any) -> None:
    groups = group(ids, N)
    domains = [int(domain) for batch in groups.batches for domain in batch.domains]
    assert sorted(domains) == list(range(len(groups.present)))
    for wide, narrow in itertools.pairwise(groups.batches):
        assert 2 * narrow.width <= wide.width
    for batch in groups.batches:
        counts = groups.counts[batch.domains]
        assert batch.width == counts.max()
        assert batch.width < 2 * counts.min()
        expected = [(row, column) for row, count in enumerate(counts) for column in range(count)]
        assert list(zip(batch.row.tolist(), batch.column.tolist(), strict=True)) == expected
        np.testing.assert_array_equal(batch.target, groups.starts[batch.domains][batch.row] + batch.column)


@given(ids_of_users, st.booleans())
def test_rows_go_to_their_domains_and_come_back(ids: Any, every: bool) -> None:
    rng = np.random.default_rng(0)
    if every:
        groups, values = every_domain(np.arange(3), len(ids)), rng.normal(size=(len(ids), 3, 2, 4))
        rows = sort_results(values, groups)
        assert rows.shape == (3 * len(ids), 2, 4)
        for domain in range(3):
            np.testing.assert_array_equal(rows[domain * len(ids) : (domain + 1) * len(ids)], values[:, domain])
    else:
        groups, values = group(ids, N), rng.normal(size=(len(ids), 2, 4))
        rows = sort_results(values, groups)
    if len(ids):
        np.testing.assert_array_equal(unsort_results(rows, groups), values)
    assert sort_results(None, groups) is None
