"""The backward pass: the chain rule, from a result to what it was made from.

Tensors are visited from the youngest to the oldest.  A result is younger than its arguments, so when a Tensor's turn
comes, everything made from it has had its own, and its gradient is complete.
"""

from collections.abc import Collection, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from acg_numpy.autograd.nodes import UNRECORDED
from acg_numpy.autograd.operands import as_operand
from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.autograd.state import recording, state
from acg_numpy.autograd.table import Primitive
from acg_numpy.autograd.tensors import Tensor


def backward(root: Tensor, gradient: Any = None, create_graph: bool = False) -> None:
    """Add the gradient of `root` to `.grad` of every leaf; `Tensor.backward` is this."""
    if not root._needs:
        if root._order == UNRECORDED:
            raise ValueError(
                "this Tensor was made while recording was off, so there is nothing to carry back; make it outside of "
                f"no_grad{'' if state().enabled else ', which is in force here too'}"
            )
        raise ValueError(
            "this Tensor requires no gradient, so there is nothing to carry back; make its inputs with "
            f"requires_grad=True{'' if state().enabled else ', and outside of no_grad, which is in force here'}"
        )
    seed = as_gradient(root, gradient, "gradient")
    if isinstance(seed, Tensor) and not create_graph:
        seed = seed.data
    with recording(create_graph):
        for leaf, grad in carry_back([(root, seed)], None, create_graph):
            leaf.grad = grad if leaf.grad is None else leaf.grad + grad


def gradients(results: Sequence[tuple[Tensor, Any]], targets: Sequence[Tensor], create_graph: bool) -> list[Any]:
    """Return gradients of the results with respect to `targets`, leaves or not; zeros where no path leads to one.

    Only the part of the graph that leads from a target to a result is visited.
    """
    between = _between([result for result, _ in results], targets)
    with recording(create_graph):
        found = {
            id(target): grad
            for target, grad in carry_back(results, between, create_graph, frozenset(t._order for t in targets))
        }
    return [found[id(t)] if id(t) in found else np.zeros(t.shape, t.dtype) for t in targets]


def as_gradient(of: Tensor, gradient: Any, name: str) -> Any:
    """Check a gradient that a user gives for a Tensor; none is needed for a single number."""
    if gradient is None:
        if of.size != 1:
            raise ValueError(
                f"{name} must be given for a Tensor of shape {of.shape}; only a single number has gradient 1 by itself"
            )
        return np.ones(of.shape, of.dtype)
    if not isinstance(gradient, Tensor):
        gradient = np.asarray(as_operand(gradient, name))
    if gradient.dtype.kind == "c":
        raise TypeError(f"{name} has dtype {gradient.dtype}; complex numbers have no derivative here")
    if gradient.shape != of.shape:
        raise ValueError(f"{name} has shape {gradient.shape}, but the Tensor has shape {of.shape}")
    return gradient if gradient.dtype == of.dtype else gradient.astype(of.dtype)


@np.errstate(under="ignore")  # a slope that is rounded to 0 is right
def carry_back(
    results: Sequence[tuple[Tensor, Any]],
    between: Collection[int] | None,
    create_graph: bool,
    targets: Collection[int] = (),
) -> list[tuple[Tensor, Any]]:
    """Propagate gradients back, and return (Tensor, gradient) of every leaf, or of every target.

    A Tensor is known by its order, its place in time.  `between` limits the visit, `targets` are where it ends.
    Rules are called with arrays, or with Tensors where the pass is to be differentiated itself.
    """
    youngest: list[int] = []  # a heap of the orders of Tensors that wait for their turn, negated
    # order -> the Tensor, its gradient so far, and whether something else refers to that array as well
    waiting: dict[int, list[Any]] = {}
    arrived: list[tuple[Tensor, Any]] = []
    for result, grad in results:
        order = result._order
        if order in waiting:
            waiting[order][1:] = waiting[order][1] + grad, False
        elif between is None or order in between:
            waiting[order] = [result, grad, True]
            heappush(youngest, -order)

    while youngest:
        order = -heappop(youngest)
        t, g, borrowed = waiting.pop(order)
        if t._record is None or order in targets:
            arrived.append((t, _owned(g, borrowed)))
            continue
        entry, args, values, options, saved = t._record
        rules: Any = None
        ans: Any = t._elements
        if create_graph:
            _check_data(entry, args, values)
        if type(entry) is Primitive:
            if saved is not None:  # guards of large operands
                for guard in saved:
                    guard.check()
            rules = entry.rules
            if create_graph:
                ans, values = t, args
        else:  # a pair gives all its gradients at once
            joint = entry.pull(g, args, options, saved, create_graph)
        place = -1
        for parent in args:
            place += 1
            if not isinstance(parent, Tensor) or not parent._needs:
                continue
            order = parent._order
            if between is not None and order not in between:
                continue
            if rules is None:
                c = joint[place]
            else:
                c = rules[place](g, ans, *values, **options) if options else rules[place](g, ans, *values)
                if c.dtype is not parent._elements.dtype:
                    c = c.astype(parent._elements.dtype, copy=False)
            before = waiting.get(order)
            if before is None:
                waiting[order] = [parent, c, c is g]
                heappush(youngest, -order)
            else:
                before[1] = before[1] + c
                before[2] = False
    return arrived


def _check_data(entry: Any, args: Sequence[Any], values: Sequence[Any]) -> None:
    """Refuse arguments whose `.data` was set since the forward pass, where rules read the Tensors themselves."""
    for place, (argument, value) in enumerate(zip(args, values, strict=False)):
        if isinstance(argument, Tensor) and argument._elements is not value:
            raise RuntimeError(
                f"{entry.name}: .data of argument {place} was set between the forward and the backward pass, which "
                "reads it again; set it after the backward pass"
            )


def _owned(grad: Any, borrowed: bool) -> Any:
    """Return the gradient as an array that nothing else refers to, so that it may be stored and written to."""
    if type(grad) is np.ndarray:
        return grad.copy() if borrowed or grad.base is not None else grad
    return grad if isinstance(grad, Tensor) or type(grad) is RowSparseGradient else np.array(grad)


def _between(results: Sequence[Tensor], targets: Sequence[Tensor]) -> set[int]:
    """Return orders of the Tensors on a path from a target to a result.

    Nothing older than the oldest target can be made from one, so the search ends there.
    """
    oldest = min((t._order for t in targets), default=0)
    reached: dict[int, Tensor] = {}
    stack = list(results)
    while stack:
        t = stack.pop()
        if t._needs and t._order >= oldest and t._order not in reached:
            reached[t._order] = t
            if t._record is not None:
                stack.extend(a for a in t._record[1] if isinstance(a, Tensor))
    found = {t._order for t in targets}
    for order in sorted(reached):
        made_by = reached[order]._record
        if made_by is not None and any(isinstance(a, Tensor) and a._order in found and a._needs for a in made_by[1]):
            found.add(order)
    return found
