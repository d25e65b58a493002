"""The expression of a source file that is running: its line, its text, and how often anything ran before it."""

import bisect
import linecache
import re
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

import numpy as np

from acg_numpy import autograd
from acg_numpy.autograd.nodes import next_order

# A frame is traced or hidden by its file: nothing else distinguishes the lines of a forward from those of NumPy and the
# engine.  All are found from their modules, wherever these lie.
_HIDDEN = (str(Path(autograd.__file__).parent), str(Path(np.__file__).parent), str(Path(__file__).parent), "<frozen")

# what stands before an expression that is a whole statement but for the name that it is given
_WHOLE = re.compile(r"(return|[\w.]+ *=)?")
# a longer expression is shown by its line
_LONGEST = 100


class Line(NamedTuple):
    """An expression of a forward, by the line that it begins on."""

    file: str
    number: int
    expression: str = ""

    @property
    def text(self) -> str:
        """The expression; the source of the whole line, without its comment, where that is not known."""
        return self.expression or linecache.getline(self.file, self.number).partition("  #")[0].strip()

    def __str__(self) -> str:
        if not self.text:
            return f"line {self.number}"
        # a cell of a notebook has its source but no file, only a number that means nothing to its reader
        where = f"{Path(self.file).name}:" if Path(self.file).is_file() else "line "
        return f"{where}{self.number}: {self.text}"


def calling_frame() -> FrameType | None:
    """Return the innermost frame outside NumPy, the engine and this package: the one that runs the forward."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_hidden(frame):
        frame = frame.f_back
    return frame


def is_hidden(frame: FrameType) -> bool:
    """Check whether a frame is NumPy's, the engine's or this package's own."""
    return frame.f_code.co_filename.startswith(_HIDDEN) or frame.f_globals.get("__name__", "").startswith("scipy.")


def current_line(frame: FrameType) -> Line:
    """Return the expression that a frame is running."""
    return _line_at(frame.f_code, frame.f_lasti)


def _line_at(code: CodeType, instruction: int) -> Line:
    """Return the expression that an instruction belongs to."""
    positions = list(code.co_positions())[instruction // 2]
    first, last, start, stop = positions
    number = first or code.co_firstlineno
    if last is None or start is None or stop is None:
        return Line(code.co_filename, number)
    lines = [linecache.getline(code.co_filename, n).rstrip("\n").encode() for n in range(number, last + 1)]
    if not all(lines):
        return Line(code.co_filename, number)
    before, after = lines[0][:start].decode(errors="replace"), lines[-1][stop:].decode(errors="replace")
    lines[-1] = lines[-1][:stop]
    lines[0] = lines[0][start:]
    text = " ".join(part.decode(errors="replace").partition("  #")[0].strip() for part in lines)
    whole = _WHOLE.fullmatch(before.strip()) and not after.partition("#")[0].strip(" ;")
    return Line(code.co_filename, number, "" if whole or len(text) > _LONGEST else text)


class VisitLog:
    """Log of one trace: what ran when, and where values left the graph, so that no gradient comes back from there.

    Each operation is a visit to an expression; the time of a visit is its place in the order in which Tensors are made.

    Attributes
    ----------
    exits : list of (Line or None, str)
        The expression at which values left, and how.
    thread : int
        The one that traces.
    """

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.exits: list[tuple[Line | None, str]] = []
        self._times: list[int] = []
        self._places: list[tuple[CodeType, int]] = []
        self._lines: dict[tuple[CodeType, int], Line] = {}

    def note(self) -> None:
        """Log that the expression of the calling frame runs from now on."""
        frame = calling_frame()
        if frame is not None:
            self._times.append(next_order())
            self._places.append((frame.f_code, frame.f_lasti))

    def note_exit(self, how: str) -> None:
        """Log that the expression of the calling frame takes values out of the graph."""
        frame = calling_frame()
        self.exits.append((None if frame is None else current_line(frame), how))

    def raising_line(self, error: BaseException) -> Line | None:
        """Return the innermost expression of a forward that an error came through."""
        found, step = None, error.__traceback__
        while step is not None:
            if not is_hidden(step.tb_frame):
                found = _line_at(step.tb_frame.f_code, step.tb_lasti)
            step = step.tb_next
        return found

    def line_at(self, order: int) -> tuple[Line | None, int]:
        """Return the expression that ran when the Tensor of this order was made, and the number of the visit."""
        number = bisect.bisect(self._times, order) - 1
        if number < 0:
            return None, number
        place = self._places[number]
        if place not in self._lines:
            self._lines[place] = _line_at(*place)
        return self._lines[place], number
