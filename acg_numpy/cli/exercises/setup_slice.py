"""The statements of a chapter that a piece of its code needs: a backward program slice.

So an exercise runs without the training, the pictures and the timings that stand before it in its chapter.
"""

import ast
import dis
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType
from typing import NamedTuple


class Statement(NamedTuple):
    """A statement at the top of a chapter, with the names that it looks up, binds, and binds or changes.

    One that defines something is an import, a function or a class.
    """

    source: str
    defines: bool
    uses: frozenset[str]
    binds: frozenset[str]
    changes: frozenset[str]


def statements(source: str) -> list[Statement]:
    r"""Split source into its statements.

    Examples
    --------
    >>> [sorted(statement.changes) for statement in statements("import numpy as np\nx = np.ones(3)\nx[0] = 2.0")]
    [['np'], ['x'], ['x']]

    An import of several names is one statement for each, so that one of them does not bring the others along.
    """
    return list(_statements(source))


@functools.lru_cache(maxsize=4096)
def _statements(source: str) -> tuple[Statement, ...]:
    """Split source into its statements; each source once, because an exercise asks for those of its chapter often."""
    lines = re.split(rb"\r\n|\r|\n", source.encode())
    return tuple(_statement(part, node) for node in _decorated(ast.parse(source).body) for part in _parts(lines, node))


def required_source(before: Sequence[Statement], source: str, answer: str = "") -> str:
    """Return what a piece of source needs of the statements before it, in their order.

    Parameters
    ----------
    before : sequence of Statement
        In the order in which they run.
    source : str
        Python.
    answer : str
        More of it, written by a learner: of the statements before it, it may use functions, classes and imports.  An
        array that happens to have the name of one that the learner forgot to define should not stand in for it.
    """
    needed = _needed_names(source)
    needed |= _needed_names(answer) & {name for statement in before if statement.defines for name in statement.binds}
    chosen: set[int] = set()
    while True:
        more = [i for i, statement in enumerate(before) if i not in chosen and statement.changes & needed]
        if not more:
            return "\n".join(before[i].source for i in sorted(chosen))
        chosen.update(more)
        needed.update(*(before[i].uses for i in more))


def _needed_names(source: str) -> set[str]:
    """Return the names that source looks up before it binds them."""
    needed: set[str] = set()
    bound: set[str] = set()
    for statement in statements(source):
        needed |= statement.uses - bound
        bound |= statement.binds
    return needed


def _parts(lines: Sequence[bytes], node: ast.stmt) -> list[str]:
    """Return the source of a statement; of an import, one for each name."""
    if isinstance(node, ast.Import):
        return [ast.unparse(ast.Import([alias])) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [ast.unparse(ast.ImportFrom(node.module, [alias], node.level)) for alias in node.names]
    part = [*lines[node.lineno - 1 : node.end_lineno]]
    part[-1] = part[-1][: node.end_col_offset]
    part[0] = part[0][node.col_offset :]
    return [b"\n".join(part).decode()]


def _decorated(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Let a definition begin at its first decorator."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.decorator_list:
            node.lineno, node.col_offset = node.decorator_list[0].lineno, 0
        yield node


def _statement(source: str, node: ast.stmt) -> Statement:
    code = compile(source, "<chapter>", "exec")
    bound = frozenset(_bound_names(code))
    defines = isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
    return Statement(source, defines, frozenset(_loaded_names(code)), bound, bound.union(_changed_names(node)))


def _loaded_names(code: CodeType) -> Iterator[str]:
    """Yield the names that code looks up outside of itself, also those within its functions."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_GLOBALS"):
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _loaded_names(constant)


def _bound_names(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname == "STORE_NAME":
            yield str(instruction.argval)


def _changed_names(node: ast.stmt) -> Iterator[str]:
    """Yield the names whose objects a statement changes: `x[0] = 1`, `x.data[...] = 1`, `x.load(y)`."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = list(node.targets)
    elif isinstance(node, ast.AugAssign):
        targets = [node.target]
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        targets = [node.value.func]
    for target in targets:
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
            if isinstance(target, ast.Name):
                yield target.id
