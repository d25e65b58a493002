"""Which file does a student get?  The pass as it stands in the package, without the body of its backward.

The source is read and not run: what the forward needs stays as it is written, comments included; other pairs of the
same file are imported, since a student is to write one backward and not to read four.
"""

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from acg_numpy import passes
from acg_numpy.checks.all_passes import names_of_pairs

Definition: TypeAlias = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
WIDTH = 120


def student_file(name: str, *, solved: bool = False) -> str:
    """The file of a pass for students: derivation, forward, and a backward whose body is to be written.

    Parameters
    ----------
    name : str
        One of `acg_numpy.checks.all_passes.names_of_pairs()`.
    solved : bool
        Leave the body where it is.

    Examples
    --------
    >>> print(student_file("softmax").splitlines()[-1])
        raise NotImplementedError("begin with `dP, P = grad_out, cache.P`; end with `return SoftmaxGrads(...)`")
    >>> print(student_file("softmax", solved=True).splitlines()[-1])
        return SoftmaxGrads(dS)
    """
    page = Page(name)
    kept = page.needed_by(page.backward if solved else blanked(page.backward))
    tools = {node.id for node in names_in(page.backward)}  # what the right body uses is at hand for another one too
    used = tools.union(*(names(definition) for definition in kept))
    head = "\n\n".join([page.derivation, page.task(solved), "\n".join(page.imports(used))])
    return "\n\n\n".join([head, *(page.text_of(definition, solved) for definition in kept)]) + "\n"


class Page:
    """A file of `acg_numpy.passes`, seen from one of the pairs in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = getattr(passes, f"{name}_forward").__module__
        self.source = inspect.getsource(sys.modules[self.module])
        self.lines = self.source.splitlines()
        self.tree = ast.parse(self.source)
        self.definitions = dict(self.defined())
        self.forward, self.backward = (self.function(f"{name}_{way}") for way in ("forward", "backward"))

    def defined(self) -> Iterator[tuple[str, Definition]]:
        """What the file defines, by name, in its order."""
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name, node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                yield node.targets[0].id, node
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield node.target.id, node

    def function(self, name: str) -> ast.FunctionDef:
        """A function of the file."""
        found = self.definitions[name]
        assert isinstance(found, ast.FunctionDef)
        return found

    @property
    def foreign(self) -> set[str]:
        """What belongs to the other pairs of the file: their functions, caches and gradients."""
        others: set[str] = set()
        for name in names_of_pairs():
            for way in ("forward", "backward"):
                if name != self.name and f"{name}_{way}" in self.definitions:
                    function = self.function(f"{name}_{way}")
                    others |= {function.name} | (names_in_signature(function) & self.definitions.keys())
        return others - names_in_signature(self.forward) - names_in_signature(self.backward)

    def needed_by(self, backward: ast.FunctionDef) -> list[Definition]:
        """What of the file stays, in its order, and the backward last: both functions, and what these are made of."""
        stays, ahead, foreign = set(), {self.forward.name, self.backward.name}, self.foreign
        while ahead:
            name = ahead.pop()
            stays.add(name)
            node = backward if name == backward.name else self.definitions[name]
            ahead |= (names(node) & self.definitions.keys()) - foreign - stays
        before = [node for name, node in self.definitions.items() if name in stays - {backward.name}]
        return [*before, self.backward]

    @property
    def derivation(self) -> str:
        """The docstring of the file."""
        doc = self.tree.body[0]
        return "\n".join(self.lines[: doc.end_lineno])

    def task(self, solved: bool) -> str:
        """What is to be done here, as a comment."""
        backward = self.backward.name
        if solved:
            return f"# The package's own {backward}, the last function of this file."
        return f"# To write: {backward}, the last function of this file.  To check it:  pytest test_{self.name}.py"

    def imports(self, used: set[str]) -> Iterator[str]:
        """The imports of the file that are still of use, NumPy in any case, and what the other pairs are used for."""
        taken = {self.module: sorted(used & self.foreign)}
        groups: dict[int, list[str]] = {0: [], 1: ["import numpy as np"], 2: []}
        for node in self.tree.body:
            if isinstance(node, ast.Import):
                here = [alias.name for alias in node.names if alias.name in used]  # `import numpy as np` apart
                groups[0] += [f"import {name}" for name in here]
            elif isinstance(node, ast.ImportFrom):
                here = [alias.name for alias in node.names if alias.name in used]
                module = node.module or ""
                if here and module.startswith("acg_numpy"):
                    taken[module] = here
                elif here:
                    groups[0].append(imported(module, here))
        groups[2] = [imported(module, here) for module, here in sorted(taken.items()) if here]
        for number, group in groups.items():
            yield from [""] * (number > 0 and bool(group)) + group

    def text_of(self, definition: Definition, solved: bool) -> str:
        """A definition as it is written; the backward without its body, unless solved."""
        if definition is not self.backward or solved:
            return "\n".join(self.lines[definition.lineno - 1 : definition.end_lineno])
        head = self.lines[definition.lineno - 1 : self.backward.body[0].end_lineno]  # up to its docstring
        return "\n".join([*head, *raising(*self.hint)])

    @property
    def hint(self) -> tuple[str, str]:
        """Where to start: with the letters of the derivation, where the right body begins by giving them."""
        assert isinstance(self.backward.returns, ast.Name)
        first, end = self.backward.body[1], f"end with `return {self.backward.returns.id}(...)`"
        if isinstance(first, ast.Assign) and only_names(first):
            return f"begin with `{ast.get_source_segment(self.source, first)}`; ", end
        return "begin at the last line of the forward, with grad_out; ", end


def blanked(function: ast.FunctionDef) -> ast.FunctionDef:
    """A function with nothing but its signature."""
    return ast.FunctionDef(
        **{**dict(ast.iter_fields(function)), "body": function.body[:1]}, lineno=function.lineno, col_offset=0
    )


def only_names(first: ast.Assign) -> bool:
    """Whether an assignment computes nothing and only gives names."""
    plain = (ast.Name, ast.Attribute, ast.Tuple, ast.expr_context)
    return all(isinstance(node, plain) for node in ast.walk(first.value))


def raising(begin: str, end: str) -> list[str]:
    """The lines that raise NotImplementedError."""
    line = f'    raise NotImplementedError("{begin}{end}")'
    if len(line) <= WIDTH:
        return [line]
    return ["    raise NotImplementedError(", f'        "{begin}"', f'        "{end}"', "    )"]


def imported(module: str, found: list[str]) -> str:
    """An import from a module, on several lines where it is long."""
    line = f"from {module} import {', '.join(found)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in found), ")"])


def names(node: ast.AST) -> set[str]:
    """The names that a piece of source uses."""
    return {found.id for found in names_in(node)}


def names_in(node: ast.AST) -> Iterator[ast.Name]:
    """The nodes of these names."""
    return (found for found in ast.walk(node) if isinstance(found, ast.Name))


def names_in_signature(function: ast.FunctionDef) -> set[str]:
    """The names in a function's annotations and defaults."""
    parts: Iterable[ast.AST] = [function.args, *([function.returns] if function.returns else [])]
    return set().union(*map(names, parts))
