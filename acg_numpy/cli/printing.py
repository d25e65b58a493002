"""Lines on standard output and standard error, with control characters shown as codes.

Every command prints by `echo` and by nothing else, so that an id from a file cannot clear the screen.
"""

from json import dumps  # by name, because other people's code may replace the module's
from typing import Any, TextIO

from acg_numpy.text import printable


def echo(*lines: object, file: TextIO | None = None) -> None:
    r"""Print lines, with control characters shown as codes.

    Parameters
    ----------
    *lines : objects
        One line each.  A line break within one is also shown as a code, so that a name cannot start a new line.
    file : text file, optional
        By default standard output.

    Examples
    --------
    >>> echo("for ann\x1b[2J", "1  Dune\n2  Emma")
    for ann\x1b[2J
    1  Dune\n2  Emma
    """
    for line in lines:
        print(printable(str(line)), file=file)
    print(end="", file=file, flush=True)


def echo_json(answer: dict[str, Any], file: TextIO | None = None) -> None:
    """Print JSON, in ASCII, by default on standard output."""
    echo(*dumps(answer, indent=2, allow_nan=False).split("\n"), file=file)
