"""The state of recording: whether operations are recorded, for each thread and each asyncio task.

A context variable holds the state inside the block that was entered last, which knows the state around it.  A block
removes itself when it is left, wherever it stands among the others: two generators that are closed out of order leave
nothing behind.
"""

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, NamedTuple, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])


class State(NamedTuple):
    """What is done in this context, the block that says so, and the state around that block."""

    enabled: bool = True  # operations on Tensors are recorded
    transforms: int = 0  # number of transforms (`grad`, `vjp`, ...) that are running their function
    expand: bool = False  # a hand-derived pair records the operations of its forward, not one node
    block: "recording | None" = None
    around: "State | None" = None


_STATE: ContextVar[State] = ContextVar("recording", default=State())  # noqa: B039
state = _STATE.get  # called for each operation: state().enabled


class recording:
    """Context manager that switches recording on or off.

    Parameters
    ----------
    enabled : bool
    transform : bool
        Whether a transform runs its function in the block.
    expand : bool
        Whether pairs record the operations of their forward.
    """

    __slots__ = ("enabled", "expand", "transform")

    def __init__(self, enabled: bool, *, transform: bool = False, expand: bool = False) -> None:
        self.enabled, self.transform, self.expand = enabled, transform, expand

    def _state_inside(self, around: State) -> State:
        return State(self.enabled, around.transforms + self.transform, self.expand, self, around)

    def __enter__(self) -> None:
        _STATE.set(self._state_inside(state()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        inside, later = state(), []
        while inside.block is not self:
            if inside.block is None or inside.around is None:
                return  # a generator that was closed in another thread or task than the one that ran it
            later.append(inside.block)
            inside = inside.around
        remaining = inside.around or State()
        for block in reversed(later):
            remaining = block._state_inside(remaining)
        _STATE.set(remaining)

    def __call__(self, function: F) -> F:
        """Return the function with its body in such a block."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function.__name__} is a generator, whose body runs after the call; use `with no_grad():` inside it"
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with recording(self.enabled, transform=self.transform, expand=self.expand):
                    return await function(*args, **kwargs)

            return awaited  # type: ignore[return-value]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with recording(self.enabled, transform=self.transform, expand=self.expand):
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]


@overload
def no_grad() -> Any: ...
@overload
def no_grad(function: F) -> F: ...
def no_grad(function: Callable[..., Any] | None = None) -> Any:
    """Record nothing in this block, or in this function, in this thread and asyncio task.

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
