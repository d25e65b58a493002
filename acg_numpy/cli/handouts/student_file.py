"""The file for a student: the pass as it is in the package, without the body of its backward, and with NumPy alone.

The source is read and not run.  What the forward needs stays as it is written, comments included, but for the checks of
its arguments; what it takes from other files of the package, other pairs among them, is put above it.
"""

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator

from acg_numpy import passes
from acg_numpy.cli.handouts.derivation import derivation_text
from acg_numpy.cli.handouts.package_source import Definition, SourceFile, short_source, used_names, without_checks

WIDTH = 120
GIVEN = "# Given: what this file takes from the rest of acg_numpy, with its documentation cut short."


def pass_names() -> list[str]:
    """List the passes that a hand-out can be made of, in the order of the alphabet.

    Examples
    --------
    >>> pass_names()[:3]
    ['bpr', 'cosine', 'cross_entropy']
    """
    return [name.removesuffix("_forward") for name in passes.__all__ if name.endswith("_forward")]


def student_file(name: str, *, solved: bool = False, derivation: str = "full") -> str:
    """Write the file of a pass for students: derivation, forward, and a backward whose body is to be written.

    Parameters
    ----------
    name : str
        One of `pass_names()`.
    solved : bool
        Keep the body.
    derivation : {"none", "question", "full"}
        How much of the derivation is given.

    Examples
    --------
    >>> print(student_file("softmax").splitlines()[-1])
        raise NotImplementedError("begin with `dP, P = grad_out, cache.P`; end with `return SoftmaxGrads(...)`")
    >>> print(student_file("softmax", solved=True).splitlines()[-1])
        return SoftmaxGrads(dS)
    >>> "acg_numpy" in "".join(line for line in student_file("softmax").splitlines() if "import" in line)
    False
    """
    page = _PassSource(name)
    kept = page.required_definitions(page.backward if solved else _without_body(page.backward))
    given = _Given(page)
    # a student's body may use what the right one uses
    for definition in [*kept, page.backward]:
        given.add_names_of(page.source, definition)
    doc = derivation_text(inspect.getdoc(sys.modules[page.module]) or "", derivation)
    imports = "\n".join(_import_lines(given.imports))
    head = "\n\n".join([f'"""{doc}\n"""', page.task(solved), imports])
    above = [GIVEN, *given.sources] if given.sources else []
    text = "\n\n\n".join([head, *above, *(page.definition_source(node, solved, derivation) for node in kept)])
    return text + "\n"


class _Given:
    """Definitions from the package that a file needs and that are not the exercise, in the order of their use.

    Parameters
    ----------
    page : _PassSource
        The exercise, whose own definitions are left out.

    Attributes
    ----------
    sources : list of str
    imports : dict
        Lines that import from the standard library, as keys.
    """

    def __init__(self, page: "_PassSource") -> None:
        self.page = page
        self.own = {page.forward.name, page.backward.name} | {
            name for name in page.source.definitions if name not in page.other_pairs
        }
        self.sources: list[str] = []
        self.imports: dict[str, None] = {}
        self.seen: set[tuple[str, str]] = set()

    def add_names_of(self, file: SourceFile, definition: ast.AST) -> None:
        """Add whatever a definition in a file uses."""
        for name in sorted(used_names(without_checks(definition))):
            self.add(file, name)

    def add(self, file: SourceFile, name: str) -> None:
        """Add a name that is used in a file."""
        if name in file.package_imports:
            self.add(SourceFile.named(file.package_imports[name]), name)
        elif name in file.imports:
            self.imports |= {file.imports[name]: None}
        elif name in file.definitions and (file.module, name) not in self.seen:
            if file.module == self.page.module and name in self.own:
                return
            self.seen.add((file.module, name))
            if name == "Array":
                self.sources.insert(0, "Array = np.ndarray")
                return
            definition = file.definitions[name]
            self.add_names_of(file, definition)
            self.sources.append(short_source(file, definition))


class _PassSource:
    """A file of `acg_numpy.passes`, seen from one of the pairs in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = getattr(passes, f"{name}_forward").__module__
        self.source = SourceFile.named(self.module)
        self.forward, self.backward = (self.function(f"{name}_{way}") for way in ("forward", "backward"))

    def function(self, name: str) -> ast.FunctionDef:
        """Return a function of the file."""
        found = self.source.definitions[name]
        assert isinstance(found, ast.FunctionDef)
        return found

    @property
    def other_pairs(self) -> set[str]:
        """The names that belong to other pairs of the file: their functions, caches and gradients."""
        others: set[str] = set()
        definitions = self.source.definitions
        for name in pass_names():
            for way in ("forward", "backward"):
                if name != self.name and f"{name}_{way}" in definitions:
                    function = self.function(f"{name}_{way}")
                    others |= {function.name} | (_signature_names(function) & definitions.keys())
        return others - _signature_names(self.forward) - _signature_names(self.backward)

    def required_definitions(self, backward: ast.FunctionDef) -> list[Definition]:
        """List the definitions that stay, in the file's order, the backward last: both functions and what they use."""
        definitions = self.source.definitions
        required, pending, others = set(), {self.forward.name, self.backward.name}, self.other_pairs
        while pending:
            name = pending.pop()
            required.add(name)
            node = without_checks(backward if name == backward.name else definitions[name])
            pending |= (used_names(node) & definitions.keys()) - others - required
        before = [node for name, node in definitions.items() if name in required - {backward.name}]
        return [*before, self.backward]

    def task(self, solved: bool) -> str:
        """Write the task, as a comment."""
        backward = self.backward.name
        if solved:
            return f"# The package's own {backward}, the last function of this file."
        return f"# To write: {backward}, the last function of this file.  To check it:  pytest test_{self.name}.py"

    def definition_source(self, definition: Definition, solved: bool, derivation: str) -> str:
        """Return a definition as it is written, without checks; the backward without its body, unless solved."""
        if definition is not self.backward or solved:
            return self.source.text_of(definition)
        lines = self.source.lines[definition.lineno - 1 : self.backward.body[0].end_lineno]  # up to its docstring
        begin, end = self.hint
        return "\n".join([*lines, *placeholder_lines("" if derivation == "none" else begin, end)])

    @property
    def hint(self) -> tuple[str, str]:
        """Where to begin and where to end: at the letters of the derivation, if the right body begins with them."""
        assert isinstance(self.backward.returns, ast.Name)
        first, end = self.backward.body[1], f"end with `return {self.backward.returns.id}(...)`"
        if isinstance(first, ast.Assign) and _computes_nothing(first):
            text = "\n".join(self.source.lines[first.lineno - 1 : first.end_lineno]).strip()
            return f"begin with `{text}`; ", end
        return "begin at the last line of the forward, with grad_out; ", end


def _import_lines(imports: Iterable[str]) -> Iterator[str]:
    """Yield imports in the usual order: modules, names from modules, NumPy."""
    names: dict[str, list[str]] = {}
    for line in sorted(imports):
        module, _, name = line.removeprefix("from ").partition(" import ")
        if name:
            names.setdefault(module, []).append(name)
    standard = sorted(line for line in imports if line.startswith("import ") and "numpy" not in line)
    standard += [f"from {module} import {', '.join(found)}" for module, found in names.items()]
    yield from [*standard, *[""] * bool(standard), "import numpy as np"]


def _without_body(function: ast.FunctionDef) -> ast.FunctionDef:
    """Return a function with its signature and docstring only."""
    return ast.FunctionDef(
        **{**dict(ast.iter_fields(function)), "body": function.body[:1]}, lineno=function.lineno, col_offset=0
    )


def _computes_nothing(first: ast.Assign) -> bool:
    """Return whether an assignment only gives names to values."""
    plain = (ast.Name, ast.Attribute, ast.Tuple, ast.expr_context)
    return all(isinstance(node, plain) for node in ast.walk(first.value))


def placeholder_lines(begin: str, end: str) -> list[str]:
    """Write the lines that raise NotImplementedError."""
    line = f'    raise NotImplementedError("{begin}{end}")'
    if len(line) <= WIDTH:
        return [line]
    return ["    raise NotImplementedError(", f'        "{begin}"', f'        "{end}"', "    )"]


def _signature_names(function: ast.FunctionDef) -> set[str]:
    """Collect the names in a function's annotations and defaults."""
    parts: Iterable[ast.AST] = [function.args, *([function.returns] if function.returns else [])]
    return set().union(*map(used_names, parts))
