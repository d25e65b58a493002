"""However a call is written, it is the same call: by position, by keyword, with Tensors in lists or as Parameters."""

import inspect

import numpy as np
import pytest

from acg_numpy import Parameter, Tensor, tensor, vjp
from tests.autograd.cases.all import CASES

VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def signature_of(function):
    """A signature to write calls by, or None where NumPy tells none or takes any number of arrays."""
    if isinstance(function, np.ufunc):
        return None
    try:
        signature = inspect.signature(function)
    except ValueError:
        return None
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    return None if inspect.Parameter.VAR_POSITIONAL in kinds else signature


def by_keyword(signature, bound):
    """All that may be given by keyword, by keyword."""
    args, kwargs = [], {}
    for name, value in bound.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.POSITIONAL_ONLY:
            args.append(value)
        elif kind is inspect.Parameter.VAR_KEYWORD:
            kwargs.update(value)
        else:
            kwargs[name] = value
    return args, kwargs


def by_position(signature, bound):
    """All that may be given by position, by position, with NumPy's own defaults for what lies between."""
    args, kwargs = [], {}
    may = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    last = max(i for i, p in enumerate(signature.parameters.values()) if p.name in bound and p.kind in may)
    for place, (name, parameter) in enumerate(signature.parameters.items()):
        if parameter.kind in may:
            if place <= last:
                args.append(bound.get(name, parameter.default))
        elif name in bound:
            kwargs.update(bound[name] if parameter.kind is inspect.Parameter.VAR_KEYWORD else {name: bound[name]})
    return args, kwargs


POSITIONAL_ONLY = {np.unique_values, np.unique_all, np.unique_counts, np.unique_inverse}  # their signatures hide it
WRITTEN = [case for case in CASES if case.function not in POSITIONAL_ONLY and signature_of(case.function) is not None]


def floats(out):
    several = out if isinstance(out, list | tuple) else [out]
    return tuple(o for o in several if isinstance(o, Tensor) or np.issubdtype(np.asarray(o).dtype, np.floating))


@pytest.mark.parametrize("form", [by_keyword, by_position])
def test_a_call_may_be_written_by_keyword_and_by_position(form):
    assert len(WRITTEN) > 300
    for case in WRITTEN:
        signature = signature_of(case.function)
        args, kwargs = form(signature, dict(signature.bind(*case.args, **case.kwargs).arguments))
        rewritten = case._replace(args=tuple(args), kwargs=kwargs)
        order = [next(i for i, x in enumerate(case.inputs) if x is y) for y in rewritten.inputs]
        out, pull = vjp(lambda *inputs, case=case: floats(case.call(*inputs)), *case.inputs)
        again, pull_again = vjp(lambda *inputs, case=rewritten: floats(case.call(*inputs)), *rewritten.inputs)
        grad_outs = tuple(np.full(o.shape, 1.5) for o in out)
        assert all(map(np.array_equal, out, again)), case
        expected = pull(grad_outs)
        for place, found in zip(order, pull_again(grad_outs), strict=True):
            assert np.array_equal(found, expected[place]), case


X = np.array([[1.0, 2.5], [3.0, 4.0]])

CALLS = {
    "in a list beside an array": lambda t: np.concatenate([t, X]),
    "in a tuple": lambda t: np.vstack((X, t)),
    "twice in a list": lambda t: np.stack([t, t]),
    "in a list of rows": lambda t: np.stack([t[0], t[1] * 2, X[0]]),
    "as the first keyword": lambda t: np.sum(a=t),
    "as the second keyword": lambda t: np.tensordot(X, b=t),
    "as both keywords": lambda t: np.dot(a=t, b=t),
    "as an operand of einsum": lambda t: np.einsum("ij,jk,ki->", X, t, t),
    "to the right of an array": lambda t: X @ t,
    "to the right of a number": lambda t: 2.0 / t,
    "to the right of a NumPy number": lambda t: np.float64(2.0) * t,
    "to the right of a list": lambda t: [1.0, 2.0] - t,
    "in a method of a ufunc": lambda t: np.add.reduce(t, axis=1, keepdims=True),
    "in an outer product": lambda t: np.multiply.outer(X[0], t),
    "in every place of where": lambda t: np.where(t > 2, t, -t),
    "with axes from NumPy": lambda t: np.sum(t, axis=np.int64(1)) + np.max(t, axis=tuple(np.array([0]))),
    "with a shape from NumPy": lambda t: np.reshape(t, np.array([4, 1])),
}


@pytest.mark.parametrize("kind", [tensor, Parameter], ids=["Tensor", "Parameter"])
@pytest.mark.parametrize("name", CALLS)
def test_a_tensor_is_found_wherever_it_stands_and_a_parameter_is_one(name, kind):
    leaf = tensor(X, requires_grad=True) if kind is tensor else Parameter(X)
    out = CALLS[name](leaf)
    assert type(out) is Tensor
    assert np.allclose(out.data, CALLS[name](X))
    direction = np.array([[0.3, -0.7], [1.1, 0.2]])
    seed = np.random.default_rng(0).normal(size=out.shape)
    out.backward(seed)
    slope = np.sum(seed * (CALLS[name](X + 1e-6 * direction) - CALLS[name](X - 1e-6 * direction))) / 2e-6
    assert np.sum(leaf.grad * direction) == pytest.approx(slope, rel=1e-6)
