"""Unusual indices, conditions, weights and orders mean for a Tensor what they mean for an array, or are refused."""

import numpy as np
import pytest

from acg_numpy import tensor

X = np.array([1.2, -0.7, 2.5, 0.4])

INDICES = {
    "booleans": np.array([True, False, True, True]),
    "one boolean": np.True_,
    "a list of booleans": [True, False, True, False],
    "few booleans": np.array([True]),
    "none": None,
    "a slice": slice(2),
    "an ellipsis": ...,
    "floats": np.array([1.0, 2.0]),
    "a float": 1.0,
    "an empty list": [],
    "unsigned bytes": np.array([1, 3], np.uint8),
    "negative": [-1, -4],
    "out of range": [4],
    "a number without axes": np.array(2),
    "an integer of NumPy": np.int32(1),
    "two axes": [[0, 1], [3, 3]],
    "a tuple": (1, 2),
    "text": "1",
}
BY_INDEX = {
    "getitem": lambda x, i: x[i],
    "take": np.take,
    "take, clipped": lambda x, i: np.take(x, i, mode="clip"),
    "take of columns": lambda x, i: np.take(np.stack([x, x]), i, axis=1),
    "take_along_axis": lambda x, i: np.take_along_axis(x, i, 0),
    "choose": lambda x, i: np.choose(i, [x, X, x, X]),
    "repeat": np.repeat,
    "delete": np.delete,
    "insert": lambda x, i: np.insert(x, i, 9.0),
    "split": lambda x, i: np.split(x, i)[0],
    "add.reduceat": np.add.reduceat,
    "roll": np.roll,
    "expand_dims": np.expand_dims,
    "sum over an axis": np.sum,
    "partition": np.partition,
    "bincount": lambda x, i: np.bincount(i, weights=x),
    "diagonal": lambda x, i: np.diag(x, i),
    "tile": np.tile,
    "reshape": np.reshape,
    "diff": lambda x, i: np.diff(x, i),
}
CONDITIONS = {
    "integers": np.array([2, 0, 1, 0]),
    "floats": np.array([np.nan, 0.0, 1.0, 0.0]),
    "booleans": X > 0,
    "few": np.array([True, False]),
    "one": np.True_,
    "none": None,
    "two axes": np.eye(4) > 0,
}
BY_CONDITION = {
    "where": lambda x, c: np.where(c, x, 0.0),
    "select": lambda x, c: np.select([c], [x], 7.0),
    "compress": lambda x, c: np.compress(c, x),
    "extract": lambda x, c: np.extract(c, x),
    "piecewise": lambda x, c: np.piecewise(x, [c], [lambda v: 2.0 * v]),
    "a sum": lambda x, c: np.sum(x, where=c),
    "a mean": lambda x, c: np.mean(x, where=c),
    "a variance": lambda x, c: np.var(x, where=c),
    "a maximum": lambda x, c: np.max(x, where=c, initial=-9.0),
    "getitem": lambda x, c: x[c],
}
WEIGHTS = {
    "negative": np.array([-1, 2, 1, 1]),
    "fractions": np.array([0.5, 2.0, 1.0, 1.0]),
    "few": np.array([2]),
    "too many": np.arange(1, 6),
    "two axes": np.ones((2, 2), int),
    "no axis": np.array(2),
    "zeros": np.zeros(4, int),
    "right": np.array([1, 2, 1, 3]),
}
BY_WEIGHT = {
    "average": lambda x, w: np.average(x, weights=w),
    "cov, aweights": lambda x, w: np.cov(x, aweights=w),
    "cov, fweights": lambda x, w: np.cov(x, fweights=w),
    "quantile": lambda x, w: np.quantile(x, 0.4, weights=w, method="inverted_cdf"),
    "bincount": lambda x, w: np.bincount([0, 1, 1, 0], weights=x * w),
    "histogram": lambda x, w: np.histogram(X, bins=2, weights=x * w)[0],
}
ORDERS = {"a fraction": 0.5, "negative": -1, "zero": 0, "a boolean": True, "large": 9, "a float": 2.0, "none": None}
BY_ORDER = {
    "cov": lambda x, n: np.cov(x, ddof=n),
    "var": lambda x, n: np.var(x, ddof=n),
    "diff": lambda x, n: np.diff(x, n=n),
    "norm": lambda x, n: np.linalg.norm(x, ord=n),
    "matrix_power": lambda x, n: np.linalg.matrix_power(np.reshape(x, (2, 2)), n),
    "vander": np.vander,
    "rot90": lambda x, n: np.rot90(np.reshape(x, (2, 2)), n),
    "linspace": lambda x, n: np.linspace(x[0], x[1], n),
    "moveaxis": lambda x, n: np.moveaxis(np.reshape(x, (2, 2)), n, 0),
    "tensordot": lambda x, n: np.tensordot(np.reshape(x, (2, 2)), np.reshape(x, (2, 2)), n),
    "cumsum": lambda x, n: np.cumsum(x, axis=n),
    "array_split": lambda x, n: np.array_split(x, n)[0],
    "tril": lambda x, n: np.tril(np.reshape(x, (2, 2)), n),
    "pad": lambda x, n: np.pad(x, n),
    "quantile": lambda x, n: np.quantile(x, n),
}
ARGUMENTS = [(BY_INDEX, INDICES), (BY_CONDITION, CONDITIONS), (BY_WEIGHT, WEIGHTS), (BY_ORDER, ORDERS)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("calls", "arguments"), ARGUMENTS, ids=["indices", "conditions", "weights", "orders"])
def test_an_argument_means_what_it_means_to_numpy(calls, arguments):
    wrong = []
    for name, call in calls.items():
        for kind, argument in arguments.items():
            try:
                expected, refused = np.asarray(call(X.copy(), argument)), None
            except Exception as error:
                expected, refused = None, error
            try:
                out = call(tensor(X, requires_grad=True), argument)
            except Exception:
                continue  # a word, and no wrong number
            out = out.numpy() if hasattr(out, "numpy") else np.asarray(out)
            if refused is not None:
                wrong.append(f"{name}, {kind}: NumPy refuses it ({refused!r}), a Tensor gives {out}")
            elif out.shape != expected.shape or not np.allclose(out, expected, equal_nan=True):
                wrong.append(f"{name}, {kind}: {out} for {expected}")
    assert not wrong, "\n".join(wrong)
