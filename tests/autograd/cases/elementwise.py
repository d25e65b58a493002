"""Functions of one element, and of two."""

import numpy as np

from acg_numpy.autograd.rules.elementwise import sech_squared
from tests.autograd.cases.making import CaseList, between, positive, real

CASES = CaseList()

DOMAINS = {
    real: [
        np.positive, np.conjugate, np.negative, np.square, np.reciprocal, np.exp,
        np.exp2, np.expm1, np.cbrt, np.sin, np.cos, np.tan,
        np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh, np.deg2rad, np.radians, np.rad2deg, np.degrees, np.absolute,
        np.fabs, np.nan_to_num,
    ],
    positive: [np.log, np.log2, np.log10, np.log1p, np.sqrt],
    lambda *shape: between(-0.9, 0.9, *shape): [np.arcsin, np.arccos, np.arctanh],
    lambda *shape: between(1.2, 3.0, *shape): [np.arccosh],
}  # fmt: skip

for domain, functions in DOMAINS.items():
    for function in functions:
        for shape in [(2, 3), (), (0, 3)]:
            CASES.add(function, domain(*shape))

for function in [
    np.add, np.subtract, np.multiply, np.divide, np.logaddexp, np.logaddexp2, np.arctan2, np.hypot, np.maximum,
    np.minimum, np.fmax, np.fmin, np.copysign,
]:  # fmt: skip
    CASES.add(function, real(2, 3), real(2, 3))
    CASES.add(function, real(2, 1), real(3))
    CASES.add(function, real(3), real(2, 1, 3))
    CASES.add(function, real(), real(2))
    CASES.add(function, real(0, 3), real(3))
    CASES.add(function, real(0, 1), real(1, 3))
    CASES.add(function, real(2, 3), 1.7)
    CASES.add(function, -0.6, real(2, 3))
    CASES.add(function, real(2, 3), np.array([1, 2, -3]))

for function in [np.power, np.float_power]:
    CASES.add(function, positive(2, 3), real(2, 3))
    CASES.add(function, positive(2, 1), real(3))
    CASES.add(function, real(2, 3), 3)
    CASES.add(function, real(2, 3), -2.0)
    CASES.add(function, real(2, 3), np.array([0, 1, 2]))
    CASES.add(function, 2.5, real(2, 3))
    CASES.add(function, 0.5, real(2, 3))
    CASES.add(function, real(2, 1), np.array([0, 1, 2]))
    CASES.add(function, positive(0, 3), real(3))

for function in [np.remainder, np.fmod, np.divmod]:
    for x in (np.array([5.3, -2.2, 7.9]), np.array([[5.3], [-2.2]]), np.zeros((0, 1))):
        CASES.add(function, x, np.array([2.0, 3.1, 1.7]))
    CASES.add(function, np.array([5.3, -2.2]), 2)
    CASES.add(function, 5.3, np.array([2.0, 3.1]))

CASES.add(np.where, np.array([True, False, True]), real(2, 3), real(2, 3))
CASES.add(np.where, np.array([[True], [False]]), real(3), real(2, 1))
CASES.add(np.where, np.array([[True], [False]]), real(2, 3), 0.0)
CASES.add(np.where, np.array([1, 0, 2]), -1.0, real(3))
CASES.add(np.where, np.zeros((0, 3), dtype=bool), real(3), real())

CASES.add(np.clip, real(3, 4), -0.8, 0.9)
CASES.add(np.clip, real(3, 4), a_min=-0.8, a_max=0.9)
CASES.add(np.clip, real(3, 4), None, 0.9)
CASES.add(np.clip, real(3, 4), -0.8, None)
CASES.add(np.clip, real(3, 4), between(-1.0, -0.5, 4), between(0.5, 1.0, 3, 1))
CASES.add(np.clip, real(3, 4), between(0.5, 1.0, 4), between(-1.0, -0.5, 4))  # the upper end wins where they cross
CASES.add(np.clip, real(0, 4), -0.8, 0.9)
CASES.add(np.clip, real(4), between(-1.0, -0.5, 3, 1), between(0.5, 1.0, 3, 1))
if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
    CASES.add(np.clip, real(3, 4), min=-0.8)
    CASES.add(np.clip, real(3, 4), max=0.9)
    CASES.add(np.clip, real(3, 4), a_max=0.9, a_min=None)
CASES.add(np.nan_to_num, real(2, 3), nan=1.0, posinf=2.0, neginf=-2.0)

# A list beside an array is an array.
for function in [np.add, np.divide, np.hypot, np.maximum]:
    CASES.add(function, real(2), [1.5, -2.5])
    CASES.add(function, [1.5, -2.5], real(2))
CASES.add(np.power, positive(2), [2.0, 3.0])
CASES.add(np.where, [True, False], real(2), [1.0, 2.0])

CASES.add(np.astype, real(2, 3), np.float64)

for function in [np.sinc, np.i0, np.real, np.real_if_close, np.frexp, np.modf]:
    for shape in [(2, 3), (), (0, 3)]:
        CASES.add(function, real(*shape))
CASES.add(np.sinc, np.array([0.0, 1e-9, 0.2, 0.4, 30.3]))
CASES.add(np.i0, np.array([0.0, -1e-3, 7.9, 8.1, 40.0]))
CASES.add(np.real_if_close, real(2), tol=10)
CASES.add(np.modf, np.array([1.7, -2.3, 0.4]))
CASES.add(np.frexp, np.array([1.7, -2.3, 0.4, 1000.0]))
CASES.add(np.ldexp, real(2, 3), np.array([1, -2, 0]))
CASES.add(np.ldexp, real(3), 4)
CASES.add(np.ldexp, real(3), np.array([[1], [2]]))
for function in [np.nextafter, np.heaviside]:
    CASES.add(function, real(2, 3), real(2, 3))
    CASES.add(function, real(2, 1), real(3))
    CASES.add(function, real(3), real(2, 1))
CASES.add(np.heaviside, np.array([-1, 0, 2]), real(3))
CASES.add(np.heaviside, np.array([0, 0]), real(3, 1))
CASES.add(np.arctan, np.array([1e6, -40.0]))
CASES.add(np.tanh, np.array([3.0, -2.5]))
CASES.add(np.astype, real(2, 3), np.float64, copy=False)
CASES.add(sech_squared, real(2, 3))
