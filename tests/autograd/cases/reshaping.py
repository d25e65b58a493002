"""Functions that change shapes and move axes."""

import numpy as np

from tests.autograd.cases.making import CaseList, real

CASES = CaseList()

CASES.add(np.reshape, real(2, 3), (3, 2))
CASES.add(np.reshape, real(2, 3), -1)
if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
    CASES.add(np.reshape, real(2, 3), shape=(6, 1))
CASES.add(np.reshape, real(2, 0), (0, 5))
CASES.add(np.ravel, real(2, 3))
CASES.add(np.ravel, a=real(2, 0))
for axis in [0, -1, (0, 2), (-1, 1)]:
    CASES.add(np.expand_dims, real(2, 3), axis)
CASES.add(np.expand_dims, a=real(0, 3), axis=0)
for axis in [None, 0, -2, (0, 2)]:
    CASES.add(np.squeeze, real(1, 2, 1, 3), axis)
CASES.add(np.squeeze, a=real(1, 0), axis=0)
for order in [None, (1, 0, 2), (-1, 0, 1), [2, 1, 0]]:
    CASES.add(np.transpose, real(2, 3, 4), order)
CASES.add(np.transpose, a=real(2, 0, 4), axes=(2, 0, 1))
for function in [np.matrix_transpose, np.linalg.matrix_transpose]:
    CASES.add(function, real(2, 3))
    CASES.add(function, real(2, 3, 4))
CASES.add(np.swapaxes, real(2, 3, 4), 0, -1)
CASES.add(np.swapaxes, a=real(2, 3), axis1=1, axis2=0)
CASES.add(np.moveaxis, real(2, 3, 4), 0, -1)
CASES.add(np.moveaxis, real(2, 3, 4), (0, -1), (1, 0))
CASES.add(np.moveaxis, a=real(2, 0, 4), source=[2], destination=[0])
for axis in range(-3, 3):
    for start in range(-3, 4):
        CASES.add(np.rollaxis, real(1, 2, 3), axis, start)
CASES.add(np.rollaxis, real(2, 3), 1)
for axis in [None, 0, -1, (0, 1)]:
    CASES.add(np.flip, real(2, 3), axis)
CASES.add(np.flip, m=real(0, 3))
CASES.add(np.flip, real(2, 3))
CASES.add(np.fliplr, real(2, 3))
CASES.add(np.flipud, real(2, 3))
CASES.add(np.flipud, real(3))
for k in range(-1, 5):
    CASES.add(np.rot90, real(2, 3), k)
CASES.add(np.rot90, real(2, 3, 2), 1, (0, 2))
CASES.add(np.rot90, real(2, 3))
CASES.add(np.rot90, real(2, 3, 2), k=3, axes=(-1, 1))
for shift in (np.fft.fftshift, np.fft.ifftshift):
    CASES.add(shift, real(2, 3))
    CASES.add(shift, real(2, 3), 1)
    CASES.add(shift, real(5), axes=(0,))
CASES.add(np.roll, real(2, 3), 1)
CASES.add(np.roll, real(2, 3), -2, 1)
CASES.add(np.roll, real(2, 3), (1, -1), (0, 1))
CASES.add(np.roll, real(2, 3), 2, axis=(0, -1))
CASES.add(np.roll, real(2, 3), (1, 2), axis=1)
CASES.add(np.roll, a=real(0, 3), shift=1, axis=0)
CASES.add(np.copy, real(2, 3))
CASES.add(np.copy, a=real(0))
CASES.add(np.broadcast_to, real(3), (2, 3))
CASES.add(np.broadcast_to, real(2, 1), (4, 2, 3))
CASES.add(np.broadcast_to, real(), (2,))
CASES.add(np.broadcast_to, array=real(1, 3), shape=(0, 3))
CASES.add(np.broadcast_arrays, real(3), real(2, 1))
CASES.add(np.broadcast_arrays, real(2, 3), 1.0)

CASES.add(np.transpose, real(3), 0)
CASES.add(np.roll, real(2, 3), [1, 2], axis=[0, 1])
CASES.add(np.roll, real(2, 3), np.array([1, 2]), axis=(0, 1))
for function in [np.ravel, np.copy]:
    CASES.add(function, real(2, 3), order="F")
CASES.add(np.copy, real(2, 3), subok=True)
CASES.add(np.reshape, real(2, 3), (3, 2), order="F")
CASES.add(np.squeeze, real(), axis=0)
CASES.add(np.meshgrid, real(2), real(3))
CASES.add(np.meshgrid, real(2), real(3), real(2), indexing="ij")
CASES.add(np.meshgrid, real(2), real(3), sparse=True)
CASES.add(np.meshgrid, real(2), real())
CASES.add(np.meshgrid, real(2), real(3), copy=False)
CASES.add(np.full_like, real(2, 3), 1.5)
