"""Functions on a grid: interpolation, differences, integrals, spaced numbers and polynomials."""

import numpy as np

from tests.autograd.cases.making import CaseList, between, positive, real

CASES = CaseList()
NODES = np.array([0.0, 1.0, 2.5, 4.0])

CASES.add(np.interp, np.array([0.4, 1.7, 3.1]), NODES, real(4))
CASES.add(np.interp, np.array([[0.4, 1.7], [3.1, 2.2]]), NODES, real(4))
CASES.add(np.interp, np.array([-1.0, 0.3, 5.0]), NODES, real(4))
CASES.add(np.interp, np.array([-1.0, 0.3, 5.0]), NODES, real(4), left=0.5, right=2.0)
CASES.add(np.interp, np.array([-1.2, 0.3, 5.3, 17.2]), NODES, real(4), period=5.0)
CASES.add(np.interp, np.array(1.7), [0, 1, 2], real(3))
CASES.add(np.interp, [0.5, 1.5], np.array([0, 1, 2]), real(3))
CASES.add(np.interp, real(2), np.array([0.1]), real(1))
CASES.add(np.interp, real(0), NODES, real(4))

for edge_order in [1, 2]:
    CASES.add(np.gradient, real(5), edge_order=edge_order)
    CASES.add(np.gradient, real(4, 3), edge_order=edge_order)
    CASES.add(np.gradient, real(4, 3), positive(), 2, edge_order=edge_order)
    CASES.add(np.gradient, real(4), np.cumsum(positive(4)), edge_order=edge_order)
    CASES.add(np.gradient, real(3, 4), np.cumsum(positive(3)), np.cumsum(positive(4)), edge_order=edge_order)
    CASES.add(np.gradient, real(3, 4), 0.5, axis=1, edge_order=edge_order)
CASES.add(np.gradient, real(3, 4), axis=(1, 0))

CASES.add(np.trapezoid, real(4))
CASES.add(np.trapezoid, real(2, 4), np.cumsum(positive(4)))
CASES.add(np.trapezoid, real(4, 2), x=np.cumsum(positive(4)), axis=0)
CASES.add(np.trapezoid, real(2, 4), real(2, 4))
CASES.add(np.trapezoid, real(2, 4), dx=positive())
CASES.add(np.trapezoid, real(2, 4), dx=0.5)

for function in [np.linspace, np.logspace, np.geomspace]:
    CASES.add(function, positive(), positive(), 4)
    CASES.add(function, positive(2), positive(3, 2), 4)
    CASES.add(function, positive(2), 5.0, num=3, axis=-1)
    CASES.add(function, positive(), 3, 3, endpoint=False)
    CASES.add(function, positive(), 3, 1)
    CASES.add(function, positive(2), 3, 0)
    CASES.add(function, positive(), 3, 4, dtype=np.float64)
CASES.add(np.linspace, positive(2), positive(2), 4, retstep=True)
CASES.add(np.logspace, positive(), positive(), 4, base=positive())
CASES.add(np.logspace, positive(2), 1.5, 3, base=positive(2), axis=-1)
CASES.add(np.geomspace, -positive(2), np.array([-7.0, -9.0]), 4)

CASES.add(np.polyval, real(4), real(2, 3))
CASES.add(np.polyval, [1.0, -2.0, 3.0], real(2))
CASES.add(np.polyval, real(3), 1.5)
CASES.add(np.vander, real(3))
CASES.add(np.vander, real(3), 2)
CASES.add(np.vander, real(2), N=4, increasing=True)
for function in [np.polyadd, np.polysub, np.polymul]:
    CASES.add(function, real(3), real(2))
    CASES.add(function, real(2), [1.0, 2.0, 3.0])
    CASES.add(function, real(2), real(3))
CASES.add(np.polymul, real(), real(2))
CASES.add(np.polyder, real(4))
CASES.add(np.polyder, real(4), 2)
CASES.add(np.polyint, real(3))
CASES.add(np.polyint, real(2), 2, [1.0, 2.0])
CASES.add(np.polyint, real(2), m=2, k=3.0)
CASES.add(np.poly, real(3))
CASES.add(np.polyfit, np.array([0.0, 0.7, 1.5, 2.9, 4.0]), real(5), 2)
CASES.add(np.polyfit, np.array([0, 1, 2, 3, 4]), real(5, 2), 1)
CASES.add(np.polyfit, np.array([0, 1, 2, 3, 4]), real(5), 1, w=positive(5))
CASES.add(np.polyfit, between(0.0, 4.0, 4), real(4), deg=1, rcond=1e-12)
