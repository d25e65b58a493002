"""Descriptions of inputs such as "3x4, 5x4, bool:3x5, int<7:3", and the inputs drawn from them.

One piece an input, separated by commas, each a shape with the kind of its values before it:

    3x4             normally distributed numbers, 3 rows of 4;  "5" is a row of 5,  "scalar" a single number
    positive:3x4    numbers between 1/2 and 2, for logarithms, roots and denominators
    bool:3x4        a mask with both answers in every row
    int<7:3         three of the whole numbers 0 to 6, one of them twice: ids, targets
    none            None, for an input that is left out
"""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.random_inputs import random_mask, repeated_ids
from acg_numpy.shapes import Array

LARGEST = 1_000_000
EXAMPLES = '"3x4", "5", "scalar", "positive:3x4", "bool:3x5", "int<7:3" or "none"'


class InputsError(ValueError):
    """Error in a description of inputs; the message names the piece."""


class Piece(NamedTuple):
    """Description of one input, with a function that draws it."""

    text: str
    shape: tuple[int, ...]
    draw: Callable[[np.random.Generator], Any]
    floating: bool


def read_inputs(text: str, *, floating: bool = True) -> tuple[Piece, ...]:
    """Read a description of inputs.

    Parameters
    ----------
    text : str
        Pieces as shown at the head of this file, separated by commas.
    floating : bool
        Whether one has to be floating.

    Raises
    ------
    InputsError
        If a piece cannot be read, or none is floating.

    Examples
    --------
    >>> pieces = read_inputs("3x4, scalar, bool:3x5, int<7:3")
    >>> rng = np.random.default_rng(0)
    >>> [(np.shape(value), np.asarray(value).dtype.name) for value in draw_inputs(pieces, rng)]
    [((3, 4), 'float64'), ((), 'float64'), ((3, 5), 'bool'), ((3,), 'int64')]
    >>> read_inputs("3x4, 5y4")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    ...
    InputsError: piece 2, '5y4', is no shape: write sizes joined by x, as in "3x4", or "scalar"
    """
    pieces = tuple(_read_piece(piece.strip(), place) for place, piece in enumerate(text.split(","), start=1))
    if floating and not any(piece.floating for piece in pieces):
        raise InputsError(f'{text!r} holds no floating input, so there is no gradient to check: add one, as in "3x4"')
    return pieces


def draw_inputs(pieces: tuple[Piece, ...], rng: np.random.Generator) -> tuple[Any, ...]:
    """Draw the described inputs."""
    return tuple(piece.draw(rng) for piece in pieces)


def _read_piece(text: str, place: int) -> Piece:
    """Read one piece."""
    where = f"piece {place}, {text!r},"
    if not text:
        raise InputsError(f"piece {place} is empty: write {EXAMPLES}")
    if text.lower() == "none":
        return Piece(text, (), lambda rng: None, floating=False)
    head, colon, tail = text.rpartition(":")
    kind = head.strip().replace(" ", "")
    if not colon and re.match(r"(bool|int|positive)", text):
        raise InputsError(f'{where} says what it is but not how large: add a shape, as in "{text}:3x4"')
    shape = _read_shape(tail.strip(), where)
    if kind == "" and not colon:
        return Piece(text, shape, lambda rng: _as_float(rng.normal(size=shape)), floating=True)
    if kind == "positive":
        return Piece(text, shape, lambda rng: _as_float(rng.uniform(0.5, 2.0, shape)), floating=True)
    if kind == "bool":
        return Piece(text, shape, lambda rng: random_mask(rng, *shape), floating=False)
    if below := re.fullmatch(r"int<(\d+)", kind):
        bound = int(below[1])
        if not 0 < bound < 2**63:
            raise InputsError(f'{where} has no whole number to draw: the bound should be 1 or more, as in "int<7:3"')
        return Piece(text, shape, lambda rng: _as_int(repeated_ids(rng, bound, *shape)), floating=False)
    if kind == "int":
        raise InputsError(f'{where} needs a bound: "int<7:{tail.strip()}" draws from 0 to 6')
    raise InputsError(f"{where} is of no known kind: write {EXAMPLES}")


def _read_shape(text: str, where: str) -> tuple[int, ...]:
    """Read "3x4", or "scalar"."""
    if text == "scalar":
        return ()
    if not re.fullmatch(r"\d+(x\d+)*", text):
        raise InputsError(f'{where} is no shape: write sizes joined by x, as in "3x4", or "scalar"')
    shape = tuple(map(int, text.split("x")))
    if math.prod(shape) > LARGEST:
        raise InputsError(f"{where} holds {math.prod(shape):,} numbers, and a check shifts each: use a smaller shape")
    return shape


def _as_float(values: Any) -> Array | float:
    """Return a single number as a float, an array as it is."""
    return values if np.ndim(values) else float(values)


def _as_int(values: Array) -> Array | int:
    """Return a single id as an int, an array as it is."""
    return values if np.ndim(values) else int(values)
