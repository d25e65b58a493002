"""Sorting users by domain puts each user in one place, beside those of the same domain."""

import itertools
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.kernels import grouping
from acg_numpy.kernels.grouping import every_domain, group

N = 6
ids_of_users = hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(0, N - 1))


def rows_of(groups: Any, place: int) -> Any:
    """Return the sorted rows of one of the domains that occur, without those that pad it."""
    return slice(groups.starts[place], groups.starts[place] + groups.counts[place])


@given(ids_of_users, st.integers(0, 12))
def test_sorted_users_lie_by_domain_in_the_order_in_which_they_came(ids: Any, spare: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "SPARE", spare)
        groups = group(ids, N)
        assert not groups.every
        np.testing.assert_array_equal(np.sort(groups.present), np.unique(ids))
        padding = len(groups.counts) * groups.counts.max(initial=0) - len(ids)
        assert np.all(np.diff(groups.present) > 0) if padding <= spare else np.all(np.diff(groups.counts) <= 0)
        domains, places = groups.sort(ids), groups.sort(np.arange(1, len(ids) + 1))
        assert len(domains) == groups.num_rows == sum(groups.sizes)
    assert np.count_nonzero(places) == groups.num_results == len(ids)
    for place, domain in enumerate(groups.present):
        assert np.all(domains[rows_of(groups, place)] == domain)
        assert np.all(np.diff(places[rows_of(groups, place)]) > 0)


@given(ids_of_users)
def test_unsorting_undoes_sorting_and_shares_no_memory(ids: Any) -> None:
    groups, rows = group(ids, N), np.random.default_rng(0).normal(size=(len(ids), 2))
    assert np.shape(groups.starts) == np.shape(groups.counts)
    ordered = groups.sort(rows)
    back = groups.unsort(ordered)
    np.testing.assert_array_equal(back, rows)
    assert not np.shares_memory(back, ordered)


@pytest.mark.parametrize(("spare", "expected"), [(0, [1.0, 3.0, 2.0]), (1, [2.0, 0.0, 1.0, 3.0])])
def test_sorting_into_an_array_that_is_given_fills_it(monkeypatch: Any, spare: int, expected: list[float]) -> None:
    monkeypatch.setattr(grouping, "SPARE", spare)
    groups, rows, room = group(np.array([2, 0, 2]), 3), np.array([1.0, 2.0, 3.0]), np.full(len(expected), 9.0)
    assert groups.sort(rows, out=room) is room
    np.testing.assert_array_equal(room, expected)


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
def test_a_domain_s_number_may_be_beyond_sixteen_bits(monkeypatch: Any, num_domains: int) -> None:
    monkeypatch.setattr(grouping, "SPARE", 0)
    ids = np.array([num_domains - 1, 1, num_domains - 1, 0, num_domains - 2])
    groups = group(ids, num_domains)
    np.testing.assert_array_equal(groups.present, [num_domains - 1, 0, 1, num_domains - 2])
    np.testing.assert_array_equal(groups.sort(ids), np.repeat(groups.present, [2, 1, 1, 1]))


@pytest.mark.parametrize("every", [False, True])
@given(ids=ids_of_users.filter(len), chunk=st.integers(1, 12), spare=st.integers(0, 6))
def test_blocks_hold_every_row_once_and_no_more_than_fit_in_cache(
    ids: Any, chunk: int, spare: int, every: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "CHUNK", chunk)
        patch.setattr(grouping, "SPARE", spare)
        groups = every_domain(np.unique(ids), 7) if every else group(ids, N)
        blocks = groups.blocks
        assert groups.num_rows - groups.num_results <= spare * len(blocks)
    assert [row for block in blocks for row in range(block.rows.stop)[block.rows]] == list(range(groups.num_rows))
    for block in blocks:
        sizes = groups.sizes[block.domains]
        number = block.rows.stop - block.rows.start
        assert block.n == len(sizes)
        assert number == block.n * block.m <= chunk
        assert set(sizes) == {block.m} or (block.n == 1 and block.m < sizes[0])  # or a piece of one domain
        first = groups.starts[block.domains.start]
        assert block.source.start == (block.rows.start - first if every else block.rows.start)
        assert block.source.stop - block.source.start == (block.m if every else number)
    assert all(size >= count for size, count in zip(groups.sizes, groups.counts, strict=True))


@pytest.mark.parametrize("every", [False, True])
def test_no_user_is_left_out_of_the_blocks_wherever_padding_ends(monkeypatch: Any, every: bool) -> None:
    for counts, chunk, spare in itertools.product(itertools.product(range(1, 5), repeat=3), (1, 2, 3), (0, 1, 2, 20)):
        monkeypatch.setattr(grouping, "CHUNK", chunk)
        monkeypatch.setattr(grouping, "SPARE", spare)
        groups = every_domain(np.arange(3), counts[0]) if every else group(np.repeat(np.arange(3), counts), 3)
        rows = [row for block in groups.blocks for row in range(block.rows.start, block.rows.stop)]
        assert rows == list(range(groups.num_rows)), (counts, chunk, spare)


def test_sizes_that_differ_a_little_are_padded_and_equal_ones_are_not(monkeypatch: Any) -> None:
    monkeypatch.setattr(grouping, "SPARE", 3)
    groups = group(np.repeat(np.arange(9), [1, 1, 5, 4, 3, 1, 1, 1, 1]), 9)
    np.testing.assert_array_equal(groups.present, [2, 3, 4, 0, 1, 5, 6, 7, 8])
    assert [(block.n, block.m) for block in groups.blocks] == [(3, 5), (6, 1)]
    assert groups.num_rows == 15 + 6


@given(ids_of_users.filter(len))
def test_padding_puts_rows_side_by_side_with_zeros_elsewhere(ids: Any) -> None:
    groups = group(ids, N)
    values = np.random.default_rng(0).uniform(1, 2, (len(ids), 2)).astype(np.float32)
    ordered = groups.sort(values)
    assert ordered.dtype == np.float32
    for block in groups.blocks:
        wide = block.split(ordered)
        assert wide.shape == (block.n, block.m, 2)
        assert np.shares_memory(wide, ordered)
        for rows, place in zip(wide, range(block.domains.start, block.domains.stop), strict=True):
            count = groups.counts[place]
            np.testing.assert_array_equal(rows[:count], ordered[rows_of(groups, place)])
            assert not rows[count:].any()


@given(ids_of_users, st.booleans())
def test_rows_go_to_their_domains_and_come_back(ids: Any, every: bool) -> None:
    rng = np.random.default_rng(0)
    if every:
        groups, values = every_domain(np.arange(3), len(ids)), rng.normal(size=(len(ids), 3, 2, 4))
        rows = groups.sort_results(values)
        assert rows.shape == (3 * len(ids), 2, 4)
        for domain in range(3):
            np.testing.assert_array_equal(rows[domain * len(ids) : (domain + 1) * len(ids)], values[:, domain])
    else:
        groups, values = group(ids, N), rng.normal(size=(len(ids), 2, 4))
        rows = groups.sort_results(values)
    if len(ids):
        np.testing.assert_array_equal(groups.unsort_results(rows), values)
    for block in groups.blocks:
        np.testing.assert_array_equal(groups.results_of_blocks(values, "test")(block), block.split(rows))
