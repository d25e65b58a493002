"""Faults that show in a backward and sit in the forward: it draws dice, or writes into what it is given.

No backward could be right for such a forward, so here the backward is the right one.
"""

from typing import Any

import numpy as np

from acg_numpy.checks.everything import dropout_factors
from acg_numpy.checks.mistakes import dropout, probabilities
from acg_numpy.checks.mistakes.mistake import Mistake
from acg_numpy.passes.dropout import DropoutCache, dropout_backward, dropout_forward
from acg_numpy.passes.softmax import SoftmaxCache, softmax_backward
from acg_numpy.shapes import Array


def dropout_drawing(x: Array, dropout_mask: Array) -> tuple[Array, DropoutCache]:
    """Drop with a mask drawn here, of the shape of the one that is given."""
    return dropout_forward(x, dropout_factors(np.random.default_rng(), *dropout_mask.shape))


def softmax_shifting(scores: Array) -> tuple[Array, SoftmaxCache]:
    """Softmax of scores from which their maximum is taken off in place."""
    scores -= np.max(scores, axis=-1, keepdims=True)
    E = np.exp(scores)
    P = E / np.sum(E, axis=-1, keepdims=True)
    return P, SoftmaxCache(P)


def mistake(name: str, expected: str, story: str, forward: Any, right: Any, draw: Any) -> Mistake:
    """An entry whose forward is the wrong one of the two."""
    return Mistake(name, name.partition(":")[0], expected, story, forward, right, right, draw)


MISTAKES = (
    mistake(
        "dropout: a mask drawn in the forward",
        "random-forward",
        "A dropout layer draws its own mask as a rule; then no two calls agree, and nothing can be compared.",
        dropout_drawing,
        dropout_backward,
        dropout.draw_dropout,
    ),
    mistake(
        "softmax: the maximum taken off the caller's scores",
        "mutated-input",
        "The trick against overflow is written as `-=`, which shifts the scores of whoever called.",
        softmax_shifting,
        softmax_backward,
        probabilities.draw_scores,
    ),
)
