"""Arrays that are written and read within one call and then needed no more: kept for the next, since memory that is
new costs more to touch than a product costs to compute.
"""

import math
import threading

import numpy as np

from acg_numpy.shapes import Array

MOST = 2**26  # bytes that one array of scratch space may hold on to


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
