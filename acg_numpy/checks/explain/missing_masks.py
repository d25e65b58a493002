"""The gradient of the forward replayed without its masks, as if nothing were masked or dropped."""

from collections.abc import Iterator
from itertools import chain, combinations
from typing import Any

import numpy as np

from acg_numpy.checks.explain.case import Case, Explanation
from acg_numpy.checks.explain.corruptions import try_call
from acg_numpy.shapes import Array
from acg_numpy.text import joined

# more than a corruption at one edge, and more than another value of the graph in the place of the right one
_COST = 1.75


def mask_explanations(case: Case) -> Iterator[Explanation]:
    """Replay the forward with boolean inputs all True, and integers and floats that are masks all ones."""
    if case.replay is None or not all(case.fits(i) for i in case.wrong):
        return
    open_masks: dict[str, Any] = {name: np.ones_like(value) for name, value in case.others.items() if is_mask(value)}
    for name, value in zip(case.names, case.values, strict=True):
        if _is_dropout_mask(value):
            open_masks[name] = np.ones_like(value)
    names = list(open_masks)
    for some in chain.from_iterable(combinations(names, count) for count in range(1, len(names) + 1)):
        graph = try_call(case.replay, {name: open_masks[name] for name in some})
        gradients = None if graph is None else try_call(graph.gradients, case.grad_outs)
        if graph is None or gradients is None:
            continue
        replayed = graph.at_inputs(gradients)
        expected = [
            r if i in case.wrong else right for i, (r, right) in enumerate(zip(replayed, case.right, strict=True))
        ]
        residual = case.residual(expected)
        if residual <= case.tolerance:
            message = f"this is the gradient of the forward without {joined(some)}"
            support = sum(case.right[i].size for i in case.wrong)
            yield Explanation("missing-mask", _COST, residual, message, support=support)


def is_mask(value: Array) -> bool:
    """Check whether an array that is held fixed masks something: it is False somewhere, or holds zeros and ones."""
    if value.dtype == bool:
        return not np.all(value)
    return value.dtype.kind in "iu" and np.array_equal(np.unique(value), [0, 1])


def _is_dropout_mask(value: Array) -> bool:
    """Check whether an array holds zeros and one positive value."""
    different = np.unique(value)
    return len(different) == 2 and different[0] == 0 and different[1] > 0
