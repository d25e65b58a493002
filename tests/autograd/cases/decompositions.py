"""Decompositions, and what is solved with them."""

import numpy as np

from tests.autograd.cases.making import CaseList, real, regular

CASES = CaseList()


def definite(*shape):
    """Stacks of symmetric positive definite matrices."""
    half = regular(*shape)
    return half @ np.swapaxes(half, -1, -2) / 8.0


SHAPES = [(1, 1), (3, 3), (2, 3, 3), (0, 2, 2), (0, 0)]
for shape in SHAPES:
    CASES.add(np.linalg.cholesky, definite(*shape))
    CASES.add(np.linalg.eigh, definite(*shape))
    CASES.add(np.linalg.eigvalsh, real(*shape))
CASES.add(np.linalg.cholesky, definite(3, 3), upper=True)
CASES.add(np.linalg.cholesky, definite(3, 3), upper=False)
CASES.add(np.linalg.eigh, definite(3, 3) + real(3, 3), "U")
CASES.add(np.linalg.eigvalsh, real(3, 3), UPLO="U")
for shape in [(3, 3), (4, 2), (2, 4), (2, 3, 2), (2, 2, 3), (1, 1), (0, 2, 3)]:
    CASES.add(np.linalg.svd, real(*shape), full_matrices=False)
    CASES.add(np.linalg.svd, real(*shape), compute_uv=False)
    CASES.add(np.linalg.svdvals, real(*shape))
    CASES.add(np.linalg.qr, real(*shape))
    CASES.add(np.linalg.qr, real(*shape), mode="r")
    CASES.add(np.linalg.pinv, real(*shape))
CASES.add(np.linalg.svd, regular(3, 3))
CASES.add(np.linalg.qr, real(2, 3), "complete")
CASES.add(np.linalg.pinv, real(3, 2), rcond=1e-9)
CASES.add(np.linalg.pinv, real(3, 2), rtol=1e-9)
for a, b in [((4, 2), (4,)), ((4, 2), (4, 3)), ((2, 4), (2,)), ((3, 3), (3, 2))]:
    CASES.add(np.linalg.lstsq, real(*a), real(*b))
    CASES.add(np.linalg.lstsq, real(*a), real(*b), rcond=1e-9)
