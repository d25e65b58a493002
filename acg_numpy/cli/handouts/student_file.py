"""The file for a student: the pass as it is in the package, without the body of its backward.

The source is read and not run: what the forward needs stays as it is written, comments included; other pairs of the
same file are imported, because a student should write one backward and not read four.
"""

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from acg_numpy import passes

Definition: TypeAlias = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
WIDTH = 120


def pass_names() -> list[str]:
    """List the passes that a hand-out can be made of, in the order of the alphabet.

    Examples
    --------
    >>> pass_names()[:3]
    ['bpr', 'cosine', 'cross_entropy']
    """
    return [name.removesuffix("_forward") for name in passes.__all__ if name.endswith("_forward")]


def student_file(name: str, *, solved: bool = False) -> str:
    """Write the file of a pass for students: derivation, forward, and a backward whose body is to be written.

    Parameters
    ----------
    name : str
        One of `pass_names()`.
    solved : bool
        Keep the body.

    Examples
    --------
    >>> print(student_file("softmax").splitlines()[-1])
        raise NotImplementedError("begin with `dP, P = grad_out, cache.P`; end with `return SoftmaxGrads(...)`")
    >>> print(student_file("softmax", solved=True).splitlines()[-1])
        return SoftmaxGrads(dS)
    """
    page = _PassSource(name)
    kept = page.required_definitions(page.backward if solved else _without_body(page.backward))
    # A student's body may use what the right one uses.
    used = _used_names(page.backward).union(*(_used_names(definition) for definition in kept))
    head = "\n\n".join([page.derivation, page.task(solved), "\n".join(page.imports(used))])
    return "\n\n\n".join([head, *(page.definition_source(definition, solved) for definition in kept)]) + "\n"


class _PassSource:
    """A file of `acg_numpy.passes`, seen from one of the pairs in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = getattr(passes, f"{name}_forward").__module__
        self.source = inspect.getsource(sys.modules[self.module])
        self.lines = self.source.splitlines()
        self.tree = ast.parse(self.source)
        self.definitions = dict(self._iterate_definitions())
        self.forward, self.backward = (self.function(f"{name}_{way}") for way in ("forward", "backward"))

    def _iterate_definitions(self) -> Iterator[tuple[str, Definition]]:
        """Go through what the file defines, by name, in its order."""
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name, node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                yield node.targets[0].id, node
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield node.target.id, node

    def function(self, name: str) -> ast.FunctionDef:
        """Return a function of the file."""
        found = self.definitions[name]
        assert isinstance(found, ast.FunctionDef)
        return found

    @property
    def other_pairs(self) -> set[str]:
        """The names that belong to other pairs of the file: their functions, caches and gradients."""
        others: set[str] = set()
        for name in pass_names():
            for way in ("forward", "backward"):
                if name != self.name and f"{name}_{way}" in self.definitions:
                    function = self.function(f"{name}_{way}")
                    others |= {function.name} | (_signature_names(function) & self.definitions.keys())
        return others - _signature_names(self.forward) - _signature_names(self.backward)

    def required_definitions(self, backward: ast.FunctionDef) -> list[Definition]:
        """List the definitions that stay, in the file's order, the backward last: both functions and what they use."""
        required, pending, others = set(), {self.forward.name, self.backward.name}, self.other_pairs
        while pending:
            name = pending.pop()
            required.add(name)
            node = backward if name == backward.name else self.definitions[name]
            pending |= (_used_names(node) & self.definitions.keys()) - others - required
        before = [node for name, node in self.definitions.items() if name in required - {backward.name}]
        return [*before, self.backward]

    @property
    def derivation(self) -> str:
        """The docstring of the file."""
        doc = self.tree.body[0]
        return "\n".join(self.lines[: doc.end_lineno])

    def task(self, solved: bool) -> str:
        """Write the task, as a comment."""
        backward = self.backward.name
        if solved:
            return f"# The package's own {backward}, the last function of this file."
        return f"# To write: {backward}, the last function of this file.  To check it:  pytest test_{self.name}.py"

    def imports(self, used: set[str]) -> Iterator[str]:
        """Yield the imports of the file that are still used, NumPy in any case, and those of the other pairs."""
        from_package = {self.module: sorted(used & self.other_pairs)}
        groups: dict[int, list[str]] = {0: [], 1: ["import numpy as np"], 2: []}
        for node in self.tree.body:
            if isinstance(node, ast.Import):
                here = [alias.name for alias in node.names if alias.name in used]  # not `import numpy as np`
                groups[0] += [f"import {name}" for name in here]
            elif isinstance(node, ast.ImportFrom):
                here = [alias.name for alias in node.names if alias.name in used]
                module = node.module or ""
                if here and module.startswith("acg_numpy"):
                    from_package[module] = here
                elif here:
                    groups[0].append(_import_statement(module, here))
        groups[2] = [_import_statement(module, here) for module, here in sorted(from_package.items()) if here]
        for number, group in groups.items():
            yield from [""] * (number > 0 and bool(group)) + group

    def definition_source(self, definition: Definition, solved: bool) -> str:
        """Return a definition as it is written; the backward without its body, unless solved."""
        if definition is not self.backward or solved:
            return "\n".join(self.lines[definition.lineno - 1 : definition.end_lineno])
        head = self.lines[definition.lineno - 1 : self.backward.body[0].end_lineno]  # up to its docstring
        return "\n".join([*head, *_placeholder(*self.hint)])

    @property
    def hint(self) -> tuple[str, str]:
        """Where to begin and where to end: at the letters of the derivation, if the right body begins with them."""
        assert isinstance(self.backward.returns, ast.Name)
        first, end = self.backward.body[1], f"end with `return {self.backward.returns.id}(...)`"
        if isinstance(first, ast.Assign) and _computes_nothing(first):
            return f"begin with `{ast.get_source_segment(self.source, first)}`; ", end
        return "begin at the last line of the forward, with grad_out; ", end


def _without_body(function: ast.FunctionDef) -> ast.FunctionDef:
    """Return a function with its signature and docstring only."""
    return ast.FunctionDef(
        **{**dict(ast.iter_fields(function)), "body": function.body[:1]}, lineno=function.lineno, col_offset=0
    )


def _computes_nothing(first: ast.Assign) -> bool:
    """Return whether an assignment only gives names to values."""
    plain = (ast.Name, ast.Attribute, ast.Tuple, ast.expr_context)
    return all(isinstance(node, plain) for node in ast.walk(first.value))


def _placeholder(begin: str, end: str) -> list[str]:
    """Write the lines that raise NotImplementedError."""
    line = f'    raise NotImplementedError("{begin}{end}")'
    if len(line) <= WIDTH:
        return [line]
    return ["    raise NotImplementedError(", f'        "{begin}"', f'        "{end}"', "    )"]


def _import_statement(module: str, found: list[str]) -> str:
    """Write an import from a module, on several lines if it is long."""
    line = f"from {module} import {', '.join(found)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in found), ")"])


def _used_names(node: ast.AST) -> set[str]:
    """Collect the names that a piece of source uses."""
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}


def _signature_names(function: ast.FunctionDef) -> set[str]:
    """Collect the names in a function's annotations and defaults."""
    parts: Iterable[ast.AST] = [function.args, *([function.returns] if function.returns else [])]
    return set().union(*map(_used_names, parts))
