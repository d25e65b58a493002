"""Scratch memory that is kept from call to call, because new memory costs more to touch than a product to compute.

`scratch` holds arrays that are written and read within one call; `buffer_pool` lends those that live from a forward to
its backward.
"""

import math
import threading

import numpy as np

from acg_numpy.shapes import Array

MOST_BYTES = 2**26  # that scratch memory may hold on to
MOST_FREE = 8  # buffers of the pool


class Scratch(threading.local):
    """One growing buffer for each name; each thread has its own."""

    def __init__(self) -> None:
        self.buffers: dict[tuple[str, np.dtype[np.generic]], Array] = {}

    def get(self, name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
        """Return an array of that shape, not cleared; it is valid until the name is asked for again."""
        size = math.prod(shape)
        if size * dtype.itemsize > MOST_BYTES:
            return np.empty(shape, dtype)
        buffer = self.buffers.get((name, dtype))
        if buffer is None or buffer.size < size:
            buffer = self.buffers[name, dtype] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)


scratch = Scratch()


class Lease:
    """Array that is held from a forward to its backward, and then lent to the next forward.

    It goes back when the last reference to the lease is gone, so a holder of views of `array` must hold the lease too.
    """

    def __init__(self, array: Array, buffer: Array) -> None:
        self.array, self.buffer = array, buffer

    def __del__(self) -> None:
        if buffer_pool is not None:  # it is None when the interpreter ends
            buffer_pool.give_back(self.buffer)


class BufferPool(threading.local):
    """Buffers that are not on loan at the moment, the one that came back last on top; each thread has its own."""

    def __init__(self) -> None:
        self.free: list[Array] = []

    def lend(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Lease:
        """Return a lease of an array of that shape, not cleared."""
        size = math.prod(shape) * dtype.itemsize
        for place in range(len(self.free) - 1, -1, -1):
            if size <= self.free[place].size <= 2 * size + 4096:
                buffer = self.free.pop(place)
                break
        else:
            buffer = np.empty(size, np.uint8)
        return Lease(buffer[:size].view(dtype).reshape(shape), buffer)

    def give_back(self, buffer: Array) -> None:
        """Keep a buffer for the next call, and only a few of them."""
        self.free.append(buffer)
        while len(self.free) > MOST_FREE or sum(b.size for b in self.free) > MOST_BYTES:
            self.free.pop(0)


buffer_pool = BufferPool()
