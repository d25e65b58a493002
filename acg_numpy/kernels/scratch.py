"""Arrays that are written and read within one call and then needed no more: kept for the next, since memory that is
new costs more to touch than a product costs to compute.
"""

import math
import threading

import numpy as np

from acg_numpy.shapes import Array

MOST = 2**26  # bytes that scratch space may hold on to


class Scratch(threading.local):
    """One growing buffer for each name, each thread its own."""

    def __init__(self) -> None:
        self.buffers: dict[tuple[str, np.dtype[np.generic]], Array] = {}

    def get(self, name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
        """An array of that shape with whatever was left in it; it is good until the name is asked for again."""
        size = math.prod(shape)
        if size * dtype.itemsize > MOST:
            return np.empty(shape, dtype)
        buffer = self.buffers.get((name, dtype))
        if buffer is None or buffer.size < size:
            buffer = self.buffers[name, dtype] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)


scratch = Scratch()


class Lease:
    """An array that is kept from a forward to its backward, and then lent to the next forward.

    It goes back when nobody holds the lease any more, so whoever holds views of `array` has to hold the lease as well.
    """

    def __init__(self, array: Array, buffer: Array) -> None:
        self.array, self.buffer = array, buffer

    def __del__(self) -> None:
        if lent is not None:  # as it is when the interpreter ends
            lent.give_back(self.buffer)


class Lent(threading.local):
    """Buffers that are not on loan at the moment, each thread its own, the one that came back last on top."""

    def __init__(self) -> None:
        self.free: list[Array] = []

    def take(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Lease:
        """An array of that shape, with whatever was left in it."""
        size = math.prod(shape) * dtype.itemsize
        for place in range(len(self.free) - 1, -1, -1):
            if size <= self.free[place].size <= 2 * size + 4096:
                buffer = self.free.pop(place)
                break
        else:
            buffer = np.empty(size, np.uint8)
        return Lease(buffer[:size].view(dtype).reshape(shape), buffer)

    def give_back(self, buffer: Array) -> None:
        """Keep a buffer for the next, and no more of them than a few."""
        self.free.append(buffer)
        while len(self.free) > MOST_FREE or sum(b.size for b in self.free) > MOST:
            self.free.pop(0)


MOST_FREE = 8
lent = Lent()
