"""Functions that nobody thought of: short programs of smooth NumPy operations, drawn step by step.

A program is a list of steps; each takes earlier values and appends one, and the last is its result.  What the steps
are is data, so a program can be run on arrays and on Tensors, run in another order, and printed where it fails.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from acg_numpy.testing.strategies import arrays, shapes


class Step(NamedTuple):
    """An operation, and the places of the values that it takes."""

    text: str
    operation: Callable[..., Any]
    operands: tuple[int, ...]

    def __repr__(self):
        return self.text.format(*(f"v{i}" for i in self.operands))


class Program(NamedTuple):
    """A function of several arrays, step by step."""

    inputs: int
    steps: tuple[Step, ...]

    def __call__(self, *inputs):
        return self.run(inputs, range(len(self.steps)))

    def run(self, inputs, order):
        """The result, with the steps taken in some order in which each finds its operands."""
        values = dict(enumerate(inputs))
        for place in order:
            step = self.steps[place]
            values[self.inputs + place] = step.operation(*(values[i] for i in step.operands))
        return values[self.inputs + len(self.steps) - 1]

    def __repr__(self):
        return "; ".join(f"v{self.inputs + i} = {step}" for i, step in enumerate(self.steps))


ONE = {
    "sin({})": np.sin,
    "cos({})": np.cos,
    "tanh({})": np.tanh,
    "arctan({})": np.arctan,
    "exp(-{}**2)": lambda v: np.exp(-(v**2)),
    "sqrt(1 + {}**2)": lambda v: np.sqrt(1.0 + v * v),
    "log1p({}**2)": lambda v: np.log1p(np.square(v)),
    "1 / (2 + sin({}))": lambda v: 1.0 / (2.0 + np.sin(v)),
    "logaddexp({}, 0)": lambda v: np.logaddexp(v, 0.0),
    "-{}": np.negative,
    "{} * 0.5": lambda v: v * 0.5,
    "sum({})": np.sum,
    "ravel({})": np.ravel,
    "{}[None]": lambda v: v[None],
    "transpose({})": np.transpose,
}
WITH_AXES = {
    "sum({}, 0)": lambda v: np.sum(v, axis=0),
    "mean({}, -1, keepdims)": lambda v: np.mean(v, axis=-1, keepdims=True),
    "var({}, 0)": lambda v: np.var(v, axis=0),
    "prod(tanh({}), -1)": lambda v: np.prod(np.tanh(v), axis=-1),
    "softmax({})": lambda v: np.exp(np.tanh(v)) / np.sum(np.exp(np.tanh(v)), axis=-1, keepdims=True),
    "cumsum({}, 0)": lambda v: np.cumsum(v, axis=0),
    "{}[::-1]": lambda v: v[::-1],
    "{}[..., [0, -1, 0]]": lambda v: v[..., [0, -1, 0]],
    "repeat({}, 2, 0)": lambda v: np.repeat(v, 2, axis=0),
    "reshape({}, (-1, 1))": lambda v: np.reshape(v, (-1, 1)),
    "{0} @ transpose({0})": lambda v: np.tanh(v) @ np.transpose(np.tanh(v)),
    "einsum('i...,i...->...', {0}, {0})": lambda v: np.einsum("i...,i...->...", np.tanh(v), np.sin(v)),
}
TWO = {
    "{} + {}": np.add,
    "{} - {}": np.subtract,
    "sin({}) * tanh({})": lambda v, w: np.sin(v) * np.tanh(w),
    "{} / (2 + cos({}))": lambda v, w: v / (2.0 + np.cos(w)),
    "hypot(1 + {}**2, {})": lambda v, w: np.hypot(1.0 + v * v, w),
    "(2 + sin({})) ** tanh({})": lambda v, w: (2.0 + np.sin(v)) ** np.tanh(w),
    "outer({}, {})": lambda v, w: np.outer(np.tanh(v), np.tanh(w)),
    "concatenate(ravel({}), ravel({}))": lambda v, w: np.concatenate([np.ravel(v), np.ravel(w)]),
}
ANY_SHAPES = {"outer({}, {})", "concatenate(ravel({}), ravel({}))"}
LARGEST = 60  # elements of a value: outer products of outer products grow


def broadcastable(*shapes):
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def possible(values):
    """Every step that may come next, after these values."""
    places = range(len(values) - 1, -1, -1)  # the latest first, so that a program that shrinks is a chain
    found = [Step(text, f, (i,)) for i in places for text, f in ONE.items()]
    found += [
        Step(text, f, (i,))
        for i in places
        for text, f in WITH_AXES.items()
        if values[i].ndim and (values[i].ndim < 3 or "@" not in text)
    ]
    found += [
        Step(text, f, (i, j))
        for i in places
        for j in places
        for text, f in TWO.items()
        if text in ANY_SHAPES or broadcastable(values[i].shape, values[j].shape)
    ]
    return found


@st.composite
def programs(draw, inputs, max_steps=5):
    """Programs that these inputs can be put into, with a result of at least one element."""
    values, steps = list(inputs), []
    for _ in range(draw(st.integers(1, max_steps))):
        step = draw(st.sampled_from(possible(values)))
        value = np.asarray(step.operation(*(values[i] for i in step.operands)))
        if value.size > LARGEST or value.ndim > 4:
            step = Step("sum({})", np.sum, step.operands[:1])
            value = np.asarray(np.sum(values[step.operands[0]]))
        steps.append(step)
        values.append(value)
    return Program(len(inputs), tuple(steps))


def some_arrays(shape):
    """Small numbers, lying in memory in every way."""
    return arrays(shape, magnitude=2.0, smallest=0.01)


@st.composite
def points(draw, number=2):
    """Some arrays to put into a program, of shapes that need not fit."""
    return tuple(draw(some_arrays(shapes(max_dims=2, max_side=3, min_side=1))) for _ in range(number))


def like(arrays_given):
    """Directions: arrays of the same shapes."""
    return st.tuples(*(some_arrays(np.shape(a)) for a in arrays_given))
