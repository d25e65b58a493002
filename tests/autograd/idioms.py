"""Lines of numeric code as people write them, and the arrays that they are about.

An idiom is an expression in NumPy and SciPy; each array whose name occurs in it is differentiated by.  Those that are
refused have a part of what the error must say.
"""

import itertools
from types import CodeType

import numpy as np
from scipy import sparse, special

_RNG = np.random.default_rng(20)
_HALF = _RNG.normal(size=(3, 3))

ARRAYS = {
    "t": np.array(0.7),
    "v": np.array([0.9, -1.4, 0.3, 2.1, -0.6]),
    "u": np.array([1.3, 0.4, -0.8, 0.5, 1.9]),
    "w": np.array([0.5, 1.5, 1.0, 2.0, 0.7]),
    "y": np.array([0.2, 1.1, 1.9, 3.2, 4.4]),
    "x": _RNG.permutation(12).reshape(3, 4) * 0.37 - 1.9,
    "a": _HALF + 4.0 * np.eye(3),
    "b": _RNG.normal(size=(3, 2)),
    "s": _HALF @ _HALF.T + 2.0 * np.eye(3),
    "p": np.array([0.1, 0.3, 0.4, 0.15, 0.05]),
    "holes": np.array([[1.0, np.nan, 2.5], [0.4, -1.2, np.nan]]),
}
CONSTANTS = {
    "np": np,
    "special": special,
    "sparse": sparse.csr_array(np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 3.0]])),
    "ids": np.array([0, 2, 2, 1, 0]),
    "mask": np.array([True, False, True, True, False]),
    "table": np.arange(12.0).reshape(3, 4),
    "grid": np.linspace(0.0, 5.0, 7),
    "view": np.lib.stride_tricks.sliding_window_view,
}

_EXPRESSIONS = """
np.average(v)
np.average(v, weights=w)
np.average(x, axis=0, weights=v[:3])
np.average(v, weights=w, returned=True)[1]
np.real(v) + np.imag(v)
np.conj(v) * v
np.real_if_close(v)
np.abs(v) * np.exp(t)
np.nansum(holes)
np.nanmean(holes, axis=1)
np.nanmax(holes, axis=0)
np.nanmin(holes)
np.nanstd(holes, axis=1, ddof=1)
np.nanvar(holes)
np.nanmedian(holes, axis=1)
np.nancumsum(holes)
np.nanprod(holes, axis=0)
np.nancumprod(holes, axis=1)
np.nanquantile(holes, 0.3, axis=1)
np.nanpercentile(holes, [20, 70])
np.sinc(v)
np.sinc(v * t)
np.select([v < 0, v > 1], [v**2, np.sqrt(np.abs(v))], 3.0)
np.select([v < 0], [u], default=0.5)
np.choose([0, 1, 1, 0, 1], [v, u])
np.choose(ids, [v, 2.0, t])
np.piecewise(v, [v < 0, v >= 0], [lambda z: -z, lambda z: z**2])
np.piecewise(v, [v < 0], [0.0, np.sqrt])
np.where(v > 0, np.log(np.abs(v)), v)
np.cross(v[:3], u[:3])
np.cross(b.T, v[:3])
np.linalg.cross(v[:3], u[1:4])
np.kron(v[:2], b)
np.kron(a, np.eye(2))
np.trapezoid(v, y)
np.trapezoid(x, dx=t, axis=0)
np.linspace(t, v[0], 5)
np.linspace(0.0, v, 4, axis=1)
np.logspace(t, v[0], 4)
np.geomspace(w[0], w[1], 5)
np.meshgrid(v, u)[0]
np.add(*np.meshgrid(v[:2], u[:3], indexing="ij"))
np.block([[a, b], [b.T, np.eye(2)]])
np.block([v, t])
np.insert(v, 2, t)
np.insert(x, 1, v[:3], axis=1)
np.delete(v, [1, 3])
np.delete(x, slice(1, 3), axis=1)
np.compress(mask, v)
np.extract(mask, v)
np.extract(v > 0, v)
np.partition(v, 2)
np.partition(x, 1, axis=0)
np.gradient(v)
np.gradient(v, y)
np.gradient(x, 0.5, axis=1, edge_order=2)
np.gradient(x)[1]
np.ediff1d(v)
np.ediff1d(v, to_begin=t)
np.interp(t, y, v)
np.interp(grid, y, v)
np.interp(v, [-2.0, 0.0, 3.0], u[:3])
np.interp(grid, y, v, period=4.7)
np.convolve(v, u)
np.convolve(v, [0.25, 0.5, 0.25], mode="same")
np.correlate(v, u[:2])
np.correlate(v, u, "full")
np.cov(x)
np.cov(v, u)
np.cov(x, rowvar=False, aweights=w[:3])
np.corrcoef(x)
np.corrcoef(v, u)[0, 1]
np.polyval(v, t)
np.polyval([1.0, -2.0, 0.5], v)
np.polyfit(y, v, 2)
np.polyfit(y, v, 1, w=w)
np.polyval(np.polyder(v), t)
np.polymul(v, u[:2])
np.polyint(v)
np.poly(v[:3])
np.vander(v, 3)
np.vander(v, increasing=True) @ u
np.median(v)
np.median(x, axis=1)
np.quantile(v, 0.3)
np.quantile(x, [0.1, 0.6], axis=0)
np.quantile(v, t)
np.quantile(v, 0.45, method="hazen")
np.percentile(v, 37)
np.subtract(*np.percentile(v, [75, 25]))
np.i0(v)
np.i0(v * np.sqrt(1 - (grid[:5] / 6) ** 2))
np.unwrap(4 * v)
np.unwrap(x, axis=0, period=1.3)
np.apply_along_axis(np.cumsum, 1, x)
np.apply_along_axis(lambda row: row / np.sum(row**2), 0, x)
np.apply_over_axes(np.sum, x, [0, 1])
np.bincount(ids, weights=v)
np.bincount(ids, weights=v, minlength=5) / np.maximum(np.bincount(ids, minlength=5), 1)
np.histogram(y, bins=3, weights=v)[0]
np.histogram(v, bins=[-2.0, 0.0, 3.0], weights=w)[0]
np.histogram(v, bins=3)[1]
np.stack([v, u], axis=1)
np.concatenate([v, np.atleast_1d(t), u])
np.column_stack([v, u, np.ones(5)])
view(v, 3)
np.mean(view(v, 2), axis=-1)
np.max(view(x, (2, 2)), axis=(2, 3))
np.linalg.cholesky(s)
2 * np.sum(np.log(np.diag(np.linalg.cholesky(s))))
np.linalg.solve(np.linalg.cholesky(s), b)
np.linalg.eigh(s)[0]
np.linalg.eigh(s)[1] ** 2
np.linalg.eigvalsh(s)
np.linalg.eigvalsh((a + a.T) / 2)[-1]
np.linalg.svd(x, compute_uv=False)
np.linalg.svd(b, full_matrices=False)[0] ** 2
np.linalg.svdvals(x)
np.linalg.qr(b)[1]
np.linalg.qr(b)[0]
np.linalg.qr(x, mode="r")
np.linalg.pinv(x)
np.linalg.pinv(b) @ v[:3]
np.linalg.lstsq(b, v[:3])[0]
np.linalg.lstsq(b, a)[1]
np.linalg.multi_dot([v[:3], a, b])
np.linalg.multi_dot([a, s, b])
np.linalg.matrix_power(a, 3)
np.linalg.matrix_power(a, -2)
np.linalg.norm(v, 3)
np.linalg.norm(v, 1)
np.linalg.norm(x, 2)
np.linalg.norm(x, "nuc")
np.linalg.norm(x, ord=np.inf, axis=1)
np.linalg.norm(x - v[:4], axis=1)
np.linalg.cond(a)
np.linalg.cond(a, 1)
np.linalg.tensorsolve(np.reshape(np.kron(a, np.eye(2)), (3, 2, 3, 2)), b)
np.linalg.tensorinv(np.reshape(np.kron(a, np.eye(2)), (3, 2, 3, 2)))
np.linalg.vector_norm(x, axis=0, ord=4)
np.linalg.matrix_norm(a, ord=-2)
np.linalg.det(a)
np.linalg.slogdet(s)[1]
np.linalg.inv(s) @ b
v[:3] @ np.linalg.solve(s, v[:3])
np.trace(np.linalg.inv(s) @ a)
np.outer(v, u) - np.linalg.outer(u, v)
np.einsum("ij,jk,ik->", a, b, b)
np.logaddexp.reduce(x, axis=1)
x - np.logaddexp.reduce(x, axis=1, keepdims=True)
np.sum(x, where=x > 0)
np.mean(x, axis=1, where=x < 2)
np.max(v, initial=0.25)
np.prod(w, initial=2.0)
np.roll(x, [1, 2], axis=[0, 1])
np.transpose(v, 0)
np.ravel(x, order="F")
np.reshape(x, (4, 3), order="F")
np.tanh(25 + t)
np.arctan2(1e-200 * v, 1e-200 * u)
np.expm1(-30 - w)
np.diff(x, n=2, axis=1)
np.cumsum(v)[::-1]
np.sort(v)[-2:]
np.tril(a) @ np.triu(a)
np.clip(v, -1.0, t)
np.fmod(v, 0.8)
np.modf(v)[0]
np.ldexp(v, 3)
np.unique(v)
np.heaviside(y - y, v)
np.trim_zeros(v * mask)
np.resize(v, (2, 4))
special.erf(v)
special.expit(v) * (1 - special.expit(v))
special.gammaln(w)
special.digamma(w)
special.xlogy(p, p)
special.logit(p)
special.ndtr(v)
special.log_ndtr(-30 * w)
special.erfc(v / np.sqrt(2))
special.betaln(w, p)
special.rel_entr(p, w)
special.huber(1.0, v)
special.j0(v)
special.i1e(w)
special.boxcox(w, 0.5)
b.T @ sparse.T
np.matmul(np.linalg.inv(a), b)
"""

RIGHT = [line for line in _EXPRESSIONS.strip().splitlines() if line]

REFUSED = {
    "np.array([v, u])": r"np\.stack",
    "np.asarray([t, t])": r"np\.stack",
    "np.r_[v, u]": r"np\.stack",
    "np.c_[v, u]": r"np\.stack",
    "np.fft.fft(v)": "complex",
    "np.fft.rfft(v)": "complex",
    "np.linalg.eig(a)": r"np\.linalg\.eigh",
    "np.linalg.eigvals(a)": r"np\.linalg\.eigvalsh",
    "np.roots(v)": "complex",
    "np.astype(v, complex)": "complex",
    "np.linalg.svd(x)": "full_matrices=False",
    "np.linalg.qr(b, mode='complete')": "reduced",
    "np.copyto(table[0], v[:4])": r"np\.where",
    "np.put(v, [0], t)": r"np\.where",
    "np.fill_diagonal(a, t)": r"np\.where",
    "np.histogram2d(v, u, weights=w)": r"np\.bincount",
    "np.intersect1d(v, u)": "equal",
    "np.cross(v[:2], u[:2])": r"a\[\.\.\., 0\]",
    "special.logsumexp(v)": r"np\.logaddexp\.reduce",
    "special.softmax(v)": r"np\.logaddexp\.reduce",
    "special.log_softmax(v)": r"np\.logaddexp\.reduce",
    "special.jv(t, 1.0)": "argument 0",
    "sparse @ a": r"np\.matmul\(sparse, t\)",
    "np.quantile(v, t, method='hazen')": "linear",
    "np.quantile(v, 0.5, weights=w, method='inverted_cdf')": "weights",
    "np.ravel(x, order='K')": "order",
    "np.sum(v, out=np.zeros(()))": "out",
    "np.add.at(table, (0, 0), t)": "scatter_add",
    "np.savetxt('nowhere', v)": "values alone",
    "np.pad(v, 1, constant_values=t)": "constant_values",
}


def arrays_of(expression: str) -> dict[str, np.ndarray]:
    """The arrays whose names occur in an expression."""
    return {name: ARRAYS[name] for name in sorted(_names(compile(expression, "idiom", "eval"))) if name in ARRAYS}


def _names(code: CodeType) -> set[str]:
    inner = (c for c in code.co_consts if isinstance(c, CodeType))
    return set(itertools.chain(code.co_names, *(_names(c) for c in inner)))


def evaluate(expression: str, names: list[str], values: tuple) -> object:
    """The value of an expression for other arrays, or Tensors."""
    return eval(expression, {**CONSTANTS, **dict(zip(names, values, strict=True))})
