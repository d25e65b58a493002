"""A source file of the package, read as a syntax tree: what it defines, what it imports, and pieces of its text."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cache
from typing import TypeAlias, TypeVar

Definition: TypeAlias = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
Node = TypeVar("Node", bound=ast.AST)


class SourceFile:
    """A source file of the package.

    Parameters
    ----------
    module : str
        As in `acg_numpy.passes.softmax`.

    Attributes
    ----------
    lines : list of str
    definitions : dict
        What the file defines, by name, in its order.
    imports, package_imports : dict
        From a name to the line that imports it, and to the module of this package that it comes from.
    """

    def __init__(self, module: str) -> None:
        self.module = module
        source = inspect.getsource(importlib.import_module(module))
        self.lines = source.splitlines()
        tree = ast.parse(source)
        self.definitions = dict(_iterate_definitions(tree))
        self.imports: dict[str, str] = {}
        self.package_imports: dict[str, str] = {}
        for node in tree.body:
            if isinstance(node, ast.Import):
                self.imports |= {a.asname or a.name: f"import {a.name}" for a in node.names if a.name != "numpy"}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("acg_numpy"):
                self.package_imports |= {alias.name: node.module or "" for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                self.imports |= {alias.name: f"from {node.module} import {alias.name}" for alias in node.names}

    @staticmethod
    @cache
    def named(module: str) -> "SourceFile":
        """Return the file of a module, read once."""
        return SourceFile(module)

    def text_of(self, definition: ast.AST, *, short: bool = False) -> str:
        """Return a definition as it is written, but for the checks of its arguments.

        Parameters
        ----------
        definition : AST
        short : bool
            Whether of its docstring only the first line is kept.
        """
        assert isinstance(definition, Definition)
        decorators = getattr(definition, "decorator_list", [])
        first = min([definition.lineno, *(decorator.lineno for decorator in decorators)])
        left_out = {line for node in _checks(definition) for line in _lines_of(node)}
        doc = docstring_node(definition)
        if short and doc is not None:
            left_out |= set(_lines_of(doc)) - {doc.lineno}
        kept = []
        for number in range(first, (definition.end_lineno or first) + 1):
            line = self.lines[number - 1]
            if number in left_out:
                continue
            if short and doc is not None and number == doc.lineno and doc.end_lineno != doc.lineno:
                line += '"""'
            kept.append(line)
        return "\n".join(kept)


def short_source(file: SourceFile, definition: ast.AST) -> str:
    """Return a definition with the first line of its docstring."""
    return file.text_of(definition, short=True)


def docstring_node(definition: ast.AST) -> ast.Expr | None:
    """Return the docstring of a function or a class."""
    if isinstance(definition, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(definition) is not None:
        first = definition.body[0]
        assert isinstance(first, ast.Expr)
        return first
    return None


def used_names(node: ast.AST) -> set[str]:
    """Collect the names that a piece of source uses."""
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}


def without_checks(definition: Node) -> Node:
    """Return a function without the checks of its arguments; everything else as it is."""
    checks = list(_checks(definition))
    if not checks or not isinstance(definition, ast.FunctionDef):
        return definition
    body = [node for node in definition.body if node not in checks]
    fields = {**dict(ast.iter_fields(definition)), "body": body}
    return type(definition)(**fields, lineno=definition.lineno, col_offset=0)


def _checks(definition: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements of a function that check its arguments, and return them where they are in order."""
    for node in definition.body if isinstance(definition, ast.FunctionDef) else []:
        value = node.value if isinstance(node, ast.Expr | ast.Assign) else None
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id.startswith("check_"):
            yield node


def _lines_of(node: ast.stmt | ast.Expr) -> range:
    """Return the numbers of the lines of a statement."""
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _iterate_definitions(tree: ast.Module) -> Iterator[tuple[str, Definition]]:
    """Go through what a file defines, by name, in its order."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node
