"""Whether operations are being recorded, a question that every thread answers for itself."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])


class _State(threading.local):
    enabled: bool = True  # are operations on Tensors recorded?
    transforms: int = 0  # how many of `grad`, `vjp`, ... are running their function just now?
    expand: bool = False  # does a hand-derived pair leave the operations of its forward behind, and not one node?


state = _State()


@contextmanager
def recording(enabled: bool, *, transform: bool = False, expand: bool = False) -> Iterator[None]:
    """Switch recording on or off for a block.

    `transform` says that a transform is running its function in it, `expand` that pairs are to be looked into.
    """
    before = state.enabled, state.transforms, state.expand
    state.enabled, state.transforms, state.expand = enabled, before[1] + transform, expand
    try:
        yield
    finally:
        state.enabled, state.transforms, state.expand = before


@overload
def no_grad() -> Any: ...
@overload
def no_grad(function: F) -> F: ...
def no_grad(function: Callable[..., Any] | None = None) -> Any:
    """Record nothing in this block, or in this function, in this thread.

    Examples
    --------
    >>> from acg_numpy import no_grad, tensor
    >>> t = tensor([1.0, 2.0], requires_grad=True)
    >>> with no_grad():
    ...     (2 * t).requires_grad
    False

    As a decorator, with or without parentheses:

    >>> @no_grad
    ... def predict(t):
    ...     return 2 * t
    >>> predict(t).requires_grad
    False
    """
    block = recording(False)
    return block if function is None else block(function)
