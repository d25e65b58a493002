"""A case: a NumPy function, and arguments to call it with.

Every floating array among the arguments, however deep in lists and tuples, is differentiated by; whole numbers,
booleans and plain Python numbers are part of the call.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

_seeds = itertools.count()


class Case(NamedTuple):
    """One call, by the key that the table knows the function under: itself, or (ufunc, method)."""

    name: str
    key: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def inputs(self) -> list[np.ndarray]:
        """The floating arrays."""
        return [leaf for leaf in leaves_of((self.args, self.kwargs)) if is_input(leaf)]

    def call(self, *inputs: Any) -> Any:
        """The call with other values, arrays or Tensors, in place of the inputs."""
        values = iter(inputs)
        args, kwargs = put_in_place((self.args, self.kwargs), values)
        return self.function(*args, **kwargs)

    @property
    def function(self) -> Callable[..., Any]:
        """What is called."""
        return getattr(*self.key) if isinstance(self.key, tuple) else self.key


class CaseList(list[Case]):
    """Cases in the making: `add(np.sum, x, axis=0)` reads like the call it stands for."""

    def add(self, key: Any, *args: Any, **kwargs: Any) -> None:
        method = isinstance(key, tuple) and key[0].__name__
        name = f"{method}.{key[1]}" if method else key.__name__
        number = sum(case.name.split("-")[0] == name for case in self)
        self.append(Case(f"{name}-{number}", key, args, kwargs))


def is_input(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and np.issubdtype(leaf.dtype, np.floating)


def leaves_of(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in leaves_of(branch)]
    return [tree]


def put_in_place(tree: Any, values: Any) -> Any:
    if isinstance(tree, dict):
        return {key: put_in_place(branch, values) for key, branch in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(put_in_place(branch, values) for branch in tree)
    return next(values) if is_input(tree) else tree


def between(low: float, high: float, *shape: int) -> np.ndarray:
    """Numbers between two bounds, another draw at each call."""
    return np.asarray(np.random.default_rng(next(_seeds)).uniform(low, high, size=shape))


def real(*shape: int) -> np.ndarray:
    """Numbers of either sign, none of them near 0."""
    rng = np.random.default_rng(next(_seeds))
    return np.asarray(rng.choice([-1.0, 1.0], size=shape) * rng.uniform(0.3, 2.0, size=shape))


def positive(*shape: int) -> np.ndarray:
    """Numbers well above 0."""
    return between(0.5, 2.5, *shape)


def regular(*shape: int) -> np.ndarray:
    """Stacks of square matrices that have an inverse and are not symmetric."""
    return real(*shape) + 4.0 * np.eye(shape[-1])
