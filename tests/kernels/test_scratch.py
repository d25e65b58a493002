"""Memory that is used again: never by two at once, never another thread's, never without bound."""

import threading
from typing import Any

import numpy as np
import pytest

from acg_numpy.kernels import scratch as module
from acg_numpy.kernels.scratch import BufferPool, Scratch

single, double = np.dtype(np.float32), np.dtype(np.float64)


@pytest.fixture
def scratch() -> Scratch:
    return Scratch()


@pytest.fixture
def buffer_pool(monkeypatch: pytest.MonkeyPatch) -> BufferPool:
    """One of its own, to which leases that end give back."""
    fresh = BufferPool()
    monkeypatch.setattr(module, "buffer_pool", fresh)
    return fresh


def address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


class TestScratch:
    def test_an_array_has_the_shape_and_dtype_that_were_asked_for(self, scratch: Scratch) -> None:
        for shape in [(), (3,), (2, 0), (4, 5)]:
            for dtype in (single, double):
                found = scratch.get("a", shape, dtype)
                assert found.shape == shape
                assert found.dtype == dtype

    def test_each_name_and_dtype_has_one_piece_of_memory(self, scratch: Scratch) -> None:
        first = scratch.get("a", (4,), double)
        assert np.shares_memory(first, scratch.get("a", (2, 2), double))
        assert not np.shares_memory(first, scratch.get("b", (4,), double))
        assert not np.shares_memory(first, scratch.get("a", (4,), single))

    def test_it_grows_and_does_not_shrink(self, scratch: Scratch) -> None:
        small = scratch.get("a", (4,), double)
        large = scratch.get("a", (5,), double)
        assert not np.shares_memory(small, large)
        assert np.shares_memory(large, scratch.get("a", (4,), double))
        assert np.shares_memory(large, scratch.get("a", (5,), double))

    def test_what_is_too_large_is_not_kept(self, scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MOST_BYTES", 32)
        assert np.shares_memory(scratch.get("a", (8,), single), scratch.get("a", (8,), single))
        kept = scratch.buffers["a", single]
        huge = scratch.get("a", (9,), single)
        assert huge.shape == (9,)
        assert huge.dtype == single
        assert scratch.buffers["a", single] is kept

    def test_each_thread_has_its_own(self, scratch: Scratch) -> None:
        mine, theirs = scratch.get("a", (4,), double), []
        thread = threading.Thread(target=lambda: theirs.append(scratch.get("a", (4,), double)))
        thread.start()
        thread.join()
        assert not np.shares_memory(mine, theirs[0])


class TestLent:
    def test_a_lease_is_an_array_of_the_requested_shape_and_dtype(self, buffer_pool: BufferPool) -> None:
        for dtype in (single, double):
            lease = buffer_pool.lend((3, 4), dtype)
            assert lease.array.shape == (3, 4)
            assert lease.array.dtype == dtype
            assert lease.buffer.nbytes >= lease.array.nbytes

    def test_what_is_on_loan_is_lent_to_nobody_else(self, buffer_pool: BufferPool) -> None:
        first, second = buffer_pool.lend((8,), double), buffer_pool.lend((8,), double)
        assert not np.shares_memory(first.array, second.array)

    def test_what_came_back_is_lent_again_the_last_one_first(self, buffer_pool: BufferPool) -> None:
        first, second = buffer_pool.lend((8,), double), buffer_pool.lend((8,), double)
        places = [address(first.array), address(second.array)]
        del first, second
        again, once_more = buffer_pool.lend((8,), double), buffer_pool.lend((4, 2), double)
        assert [address(once_more.array), address(again.array)] == places
        assert buffer_pool.free == []

    def test_a_buffer_that_is_too_small_is_passed_over(self, buffer_pool: BufferPool) -> None:
        small, large = np.empty(64, np.uint8), np.empty(72, np.uint8)
        for order in ([small, large], [large, small]):
            buffer_pool.free = list(order)
            lease = buffer_pool.lend((9,), double)
            assert lease.buffer is large
            assert [id(buffer) for buffer in buffer_pool.free] == [id(small)]
            del lease

    @pytest.mark.parametrize(("size", "taken"), [(79, False), (80, True), (2 * 80 + 4096, True), (4257, False)])
    def test_it_lends_buffers_of_at_most_twice_the_size_and_a_page(
        self, buffer_pool: BufferPool, size: int, taken: bool
    ) -> None:
        buffer = np.empty(size, np.uint8)
        buffer_pool.give_back(buffer)
        assert (buffer_pool.lend((10,), double).buffer is buffer) == taken

    def test_no_more_than_a_few_are_kept_those_that_came_back_last(self, buffer_pool: BufferPool) -> None:
        buffers = [np.empty(8, np.uint8) for _ in range(module.MOST_FREE + 2)]
        for buffer in buffers[: module.MOST_FREE]:
            buffer_pool.give_back(buffer)
        assert len(buffer_pool.free) == module.MOST_FREE
        for buffer in buffers[module.MOST_FREE :]:
            buffer_pool.give_back(buffer)
        assert [id(kept) for kept in buffer_pool.free] == [id(buffer) for buffer in buffers[2:]]

    def test_nor_more_bytes_than_that(self, buffer_pool: BufferPool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MOST_BYTES", 20)
        first, second, third = (np.empty(10, np.uint8) for _ in range(3))
        buffer_pool.give_back(first)
        buffer_pool.give_back(second)
        assert len(buffer_pool.free) == 2
        buffer_pool.give_back(third)
        assert [id(kept) for kept in buffer_pool.free] == [id(second), id(third)]
        buffer_pool.give_back(np.empty(21, np.uint8))
        assert buffer_pool.free == []

    def test_a_lease_may_end_after_the_interpreter_let_go_of_everything(
        self, buffer_pool: BufferPool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lease = buffer_pool.lend((2,), double)
        monkeypatch.setattr(module, "buffer_pool", None)
        del lease  # an error in here would be a warning, and warnings are errors
        assert buffer_pool.free == []

    def test_each_thread_has_its_own(self, buffer_pool: BufferPool) -> None:
        buffer_pool.give_back(np.empty(80, np.uint8))
        seen = []
        thread = threading.Thread(target=lambda: seen.append(list(buffer_pool.free)))
        thread.start()
        thread.join()
        assert seen == [[]]
