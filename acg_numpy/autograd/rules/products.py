"""Derivatives of products: matmul, einsum, cross, kron, convolve, and those that are written with them."""

import string
from typing import Any

import numpy as np

from acg_numpy.autograd.registry import composite, register_rule
from acg_numpy.autograd.rules.joining import as_array
from acg_numpy.autograd.table import EachPosition, NoDerivativeError
from acg_numpy.shapes import unbroadcast

# matmul.  For matrices dX = dO Y', dY = X' dO; vectors are matrices with an axis left out.


def matmul_left(g: Any, ans: Any, x: Any, y: Any) -> Any:
    """Return dX = dO Y'."""
    if y.ndim == 1:
        return unbroadcast(g[..., None] * y, x)
    if x.ndim == 1:
        return unbroadcast((y @ g[..., None])[..., 0], x)
    return unbroadcast(g @ y.mT, x)


def matmul_right(g: Any, ans: Any, x: Any, y: Any) -> Any:
    """Return dY = X' dO; a matrix used for a whole batch collects its gradient in one product."""
    if x.ndim == 1:
        return unbroadcast(x * g if y.ndim == 1 else x[:, None] * g[..., None, :], y)
    if y.ndim == 1:
        return unbroadcast(g[..., None] * x, y)
    if y.ndim == 2 and x.ndim > 2:
        return np.reshape(x, (-1, x.shape[-1])).T @ np.reshape(g, (-1, g.shape[-1]))
    return unbroadcast(x.mT @ g, y)


register_rule(np.matmul, matmul_left, matmul_right)


if hasattr(np, "matvec"):  # NumPy 2.2

    @composite(np.matvec)
    def matvec(x1: Any, x2: Any) -> Any:
        """Multiply a stack of matrices by a stack of vectors."""
        return np.matmul(x1, np.expand_dims(x2, -1))[..., 0]

    @composite(np.vecmat)
    def vecmat(x1: Any, x2: Any) -> Any:
        """Multiply a stack of vectors by a stack of matrices."""
        return np.matmul(np.expand_dims(x1, -2), x2)[..., 0, :]


@composite(np.dot)
def dot(a: Any, b: Any) -> Any:
    """Multiply as matmul does up to two axes; beyond, sum over the last axis of a and the last but one of b."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(as_array(a), as_array(b))
    if np.ndim(b) <= 2:
        return np.matmul(a, b)
    return np.tensordot(a, b, axes=(-1, -2))


@composite(np.inner)
def inner(a: Any, b: Any) -> Any:
    """Sum products over the last axis of both."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(as_array(a), as_array(b))
    return np.tensordot(a, b, axes=(-1, -1))


@composite(np.outer)
def outer(a: Any, b: Any) -> Any:
    """Multiply each element of an array by each of another."""
    return np.ravel(a)[:, None] * np.ravel(b)


@composite(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    """Return the dot product of all elements."""
    return np.matmul(np.ravel(a), np.ravel(b))


@composite(np.vecdot)
def vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    """Sum products along an axis."""
    return np.sum(np.multiply(x1, x2), axis=axis)


@composite(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum over pairs of axes: move them last and first, and multiply matrices."""
    a_ndim, b_ndim = np.ndim(a), np.ndim(b)
    if isinstance(axes, int | np.integer):
        a_axes, b_axes = list(range(a_ndim - axes, a_ndim)), list(range(axes))
    else:
        a_axes, b_axes = ([int(i) for i in np.atleast_1d(s)] for s in axes)
    a_axes, b_axes = [i % a_ndim for i in a_axes], [i % b_ndim for i in b_axes]
    if [np.shape(a)[i] for i in a_axes] != [np.shape(b)[i] for i in b_axes]:
        raise ValueError(f"tensordot: axes {axes} pair lengths that differ, in shapes {np.shape(a)} and {np.shape(b)}")
    a_free = [i for i in range(a_ndim) if i not in a_axes]
    b_free = [i for i in range(b_ndim) if i not in b_axes]
    a_shape, b_shape = [np.shape(a)[i] for i in a_free], [np.shape(b)[i] for i in b_free]
    summed = int(np.prod([np.shape(a)[i] for i in a_axes]))
    left = np.reshape(np.transpose(a, a_free + a_axes), (int(np.prod(a_shape)), summed))
    right = np.reshape(np.transpose(b, b_axes + b_free), (summed, int(np.prod(b_shape))))
    return np.reshape(left @ right, a_shape + b_shape)


# einsum.  Along its labels it is linear in each operand, so the gradient of one is an einsum of `g` with the others.


@composite(np.einsum)
def einsum(*operands: Any, optimize: Any = False) -> Any:
    """Bring each form of call into one: a subscript for each operand, all labels letters, the output named."""
    if not isinstance(operands[0], str):
        operands = _from_lists(operands)
    text, arrays = operands[0].replace(" ", ""), operands[1:]
    inputs, arrow, output = text.partition("->")
    subscripts = inputs.split(",")
    if len(subscripts) != len(arrays):
        raise ValueError(f"einsum: {text!r} names {len(subscripts)} operands, got {len(arrays)}")
    unused = [c for c in string.ascii_letters if c not in text]
    rank = 0
    for i, (subscript, array) in enumerate(zip(subscripts, arrays, strict=True)):
        if "..." in subscript:
            n = np.ndim(array) - len(subscript.replace("...", ""))
            rank = max(rank, n)
            subscripts[i] = subscript.replace("...", "".join(unused[-n:]) if n else "")
    batch = "".join(unused[-rank:]) if rank else ""
    if not arrow:
        named = "".join(subscripts)
        output = batch + "".join(sorted(c for c in set(named) - set(batch) if named.count(c) == 1))
    else:
        output = output.replace("...", batch)
    return contract(*arrays, subscripts=tuple(subscripts), output=output, optimize=optimize)


def _from_lists(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    def letters(labels: Any) -> str:
        return "".join("..." if label is Ellipsis else string.ascii_letters[label] for label in labels)

    arrays, labels = operands[:-1:2], operands[1::2]
    text = ",".join(letters(label) for label in labels[: len(operands) // 2])
    if len(operands) % 2:
        arrays, text = operands[:-1:2], text + "->" + letters(operands[-1])
    return text, *arrays


def _contract(*arrays: Any, subscripts: tuple[str, ...], output: str, optimize: Any = False) -> Any:
    return np.einsum(",".join(subscripts) + "->" + output, *arrays, optimize=optimize)


def _contraction(
    place: int, g: Any, ans: Any, *arrays: Any, subscripts: tuple[str, ...], output: str, optimize: Any = False
) -> Any:
    """Return the gradient of one operand."""
    x, own = arrays[place], subscripts[place]
    lengths: dict[str, int] = {}
    for array, labels in zip(arrays, subscripts, strict=True):
        for label, n in zip(labels, np.shape(array), strict=True):
            lengths[label] = max(lengths.get(label, 1), n) if n else 0
    rest = [(a, s) for i, (a, s) in enumerate(zip(arrays, subscripts, strict=True)) if i != place]
    once = "".join(dict.fromkeys(own))  # each label once; the diagonal is filled below
    known = set(output).union(*(s for _, s in rest))
    found = "".join(label for label in once if label in known)
    grad = np.einsum(
        ",".join([output, *(s for _, s in rest)]) + "->" + found, g, *(a for a, _ in rest), optimize=optimize
    )
    # A label that is in this operand alone was summed out: every element along it gets the same.
    grad = np.reshape(grad, tuple(np.shape(grad)[found.index(c)] if c in found else 1 for c in once))
    grad = np.broadcast_to(grad, tuple(lengths[c] for c in once))
    if once != own:  # a repeated label took the diagonal: the gradient goes there, and 0 elsewhere
        unused = iter(c for c in string.ascii_letters if c not in own)
        names, eyes, seen = [], [], set()
        for label in own:
            name = next(unused) if label in seen else label
            if label in seen:
                eyes.append((np.eye(lengths[label], dtype=grad.dtype), label + name))
            seen.add(label)
            names.append(name)
        grad = np.einsum(",".join([once, *(s for _, s in eyes)]) + "->" + "".join(names), grad, *(e for e, _ in eyes))
    return unbroadcast(grad, x)


contract = register_rule(_contract, EachPosition(_contraction), name="np.einsum")


# Products of elements in other arrangements.


@composite(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Return the cross products of vectors of three components."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = np.moveaxis(as_array(a), axisa, -1), np.moveaxis(as_array(b), axisb, -1)
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        raise NoDerivativeError(
            f"np.cross: vectors of three components are needed, got {x.shape[-1]} and {y.shape[-1]}; in the plane it "
            "is a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]"
        )
    after, before = np.array([1, 2, 0]), np.array([2, 0, 1])
    return np.moveaxis(x[..., after] * y[..., before] - x[..., before] * y[..., after], -1, axisc)


@composite(np.kron)
def kron(a: Any, b: Any) -> Any:
    """Return the array whose blocks are b times each element of a."""
    a, b = as_array(a), as_array(b)
    ndim = max(a.ndim, b.ndim)
    outer_shape = (1,) * (ndim - a.ndim) + a.shape
    inner_shape = (1,) * (ndim - b.ndim) + b.shape
    rows = np.reshape(a, [side for n in outer_shape for side in (n, 1)])
    columns = np.reshape(b, [side for n in inner_shape for side in (1, n)])
    return np.reshape(rows * columns, [n * m for n, m in zip(outer_shape, inner_shape, strict=True)])


# Convolution.  out_k = sum_j a_j v_{k-j}, so the gradient of a_j is sum_k g_k v_{k-j}: the gradient convolved with the
# reversed v, from where the two overlap whole.


def _convolve(a: Any, v: Any) -> Any:
    return np.convolve(a, v)


convolve_full: Any = register_rule(
    _convolve,
    lambda g, ans, a, v: convolve_full(g, np.flip(v))[v.shape[0] - 1 : v.shape[0] - 1 + a.shape[0]],
    lambda g, ans, a, v: convolve_full(g, np.flip(a))[a.shape[0] - 1 : a.shape[0] - 1 + v.shape[0]],
    name="np.convolve",
)
CONVOLUTION_MODES = ("full", "same", "valid")


@composite(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Convolve two sequences."""
    a, v = (np.atleast_1d(as_array(x)) for x in (a, v))
    return _cut_to_mode("np.convolve", a, v, mode)


@composite(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Convolve a sequence with another one in reverse."""
    a, v = as_array(a), np.flip(as_array(v))
    return _cut_to_mode("np.correlate", a, v, mode)


def _cut_to_mode(name: str, a: Any, v: Any, mode: str) -> Any:
    """Return a convolution as long as a mode says, cut from the whole one."""
    if a.ndim != 1 or v.ndim != 1 or not a.size or not v.size:
        raise ValueError(f"{name}: two sequences that are not empty are needed, got shapes {a.shape} and {v.shape}")
    if mode not in CONVOLUTION_MODES:
        raise ValueError(f"{name}: mode is {mode!r}; there are {', '.join(CONVOLUTION_MODES)}")
    short, long = sorted((a.size, v.size))
    whole = convolve_full(a, v)
    if mode == "same":
        begin = (short - 1) // 2 if name == "np.convolve" or v.size <= a.size else short // 2
        return whole[begin : begin + long]
    return whole if mode == "full" else whole[short - 1 : long]
