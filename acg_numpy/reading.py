"""Source code of the package's own functions, to be shown where they are explained.

A quotation of code in a chapter would be out of date one day, so chapters ask for the source, as it is in its file.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple


class Source(NamedTuple):
    """Source code that a notebook shows as code."""

    text: str

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text}\n```"


def source(
    definition: Callable[..., Any] | type | ModuleType, *, docstring: bool = False, checks: bool = True
) -> Source:
    """Return the source code of a function, a class or a module, without its first docstring.

    Parameters
    ----------
    definition : function, class or module
        What is shown.
    docstring : bool, default: False
        Show its docstring too.  Those of functions and classes within it are always shown.
    checks : bool, default: True
        Show the calls in a function that do nothing but check its arguments, ``check_...(...)``.  Where they are left
        out, a comment says so.

    Returns
    -------
    Source
        Prints as the code, and is shown in colours by a notebook.

    Raises
    ------
    TypeError
        If there is no source code in Python.

    Examples
    --------
    >>> from acg_numpy.passes import softmax_backward
    >>> source(softmax_backward)
    def softmax_backward(grad_out: Array, cache: SoftmaxCache) -> SoftmaxGrads:
        dP, P = grad_out, cache.P
        mean = np.sum(P * dP, axis=-1, keepdims=True)  # <P, dP>, one number a row
        dS = P * (dP - mean)
        return SoftmaxGrads(dS)
    """
    try:
        text = textwrap.dedent(inspect.getsource(definition))
    except (OSError, TypeError) as error:
        raise TypeError(f"definition is {definition!r}, which has no source code in Python to show") from error
    text = text if checks else _without_checks(text)
    return Source((text if docstring else _without_docstring(text)).strip("\n"))


def _without_checks(text: str) -> str:
    lines = text.splitlines()
    calls = [statement for statement in getattr(ast.parse(text).body[0], "body", []) if _is_check(statement)]
    for place, call in reversed(list(enumerate(calls))):
        comment = [" " * call.col_offset + "# (the arguments are checked here)"]
        lines[call.lineno - 1 : call.end_lineno] = [] if place else comment
    return "\n".join(lines)


def _is_check(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id.startswith("check_")


def _without_docstring(text: str) -> str:
    tree: Any = ast.parse(text)
    first = tree.body[0]
    owner = first if isinstance(first, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) else tree
    if ast.get_docstring(owner) is None or len(owner.body) == 1:  # nothing would be left
        return text
    lines = text.splitlines()
    doc: Any = owner.body[0]
    end = doc.end_lineno
    while end < len(lines) and not lines[end].strip():
        end += 1
    return "\n".join(lines[: doc.lineno - 1] + lines[end:])
