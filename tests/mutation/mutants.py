"""Mutants: programs with one mistake in them, made by changing one node of the syntax tree.

The mistakes are those that people make in derivatives: a sign, the wrong operator, a factor left out, arguments
exchanged, another axis, a number that is off by one.  Not changed are what no derivative depends on: annotations,
docstrings, the texts of errors, and the questions which NumPy this is.
"""

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

OPERATORS: dict[type, list[type]] = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div], ast.Div: [ast.Mult], ast.Pow: [ast.Mult],
    ast.Mod: [ast.Mult], ast.FloorDiv: [ast.Mult], ast.BitOr: [ast.BitAnd], ast.BitAnd: [ast.BitOr],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is], ast.In: [ast.NotIn],
    ast.NotIn: [ast.In], ast.Lt: [ast.LtE, ast.GtE], ast.LtE: [ast.Lt, ast.Gt], ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt], ast.And: [ast.Or], ast.Or: [ast.And],
}  # fmt: skip
OPPOSITES = [
    ("max", "min"), ("maximum", "minimum"), ("less", "greater"), ("equal", "not_equal"), ("sin", "cos"),
    ("sinh", "cosh"), ("any", "all"), ("_below", "_above"), ("sum", "mean"), ("cumsum", "cumprod"),
    ("exp", "exp2"), ("isposinf", "isneginf"), ("zeros", "ones"),
]  # fmt: skip
EXCHANGED = {a: b for pair in OPPOSITES for a, b in (pair, pair[::-1])}
SYMMETRIC = {"max", "min", "np.maximum", "np.minimum", "np.equal", "np.not_equal", "np.multiply"}  # in two arguments
ABOUT_TYPES = {"isinstance", "hasattr"}
FUNCTIONS = (ast.FunctionDef, ast.Lambda)


class Mutant(NamedTuple):
    """One mistake: where it is, and what stands there for what."""

    file: str
    line: int
    function: str
    change: str  # "before -> after", with a number where a function holds the same change more than once
    lines: range  # those that run where the changed node does
    place: tuple[ast.AST, str, int | None]
    replacement: ast.AST

    @property
    def key(self) -> str:
        """What it is known by from one run to the next."""
        return f"{self.file} {self.function}: {self.change}"

    @property
    def short(self) -> str:
        """The change on one line."""
        return f"{self.file}:{self.line} {self.function}: {self.change}"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within, the tree that it was found in holds the mistake."""
        before = _get(self.place)
        _set(self.place, self.replacement)
        try:
            yield
        finally:
            _set(self.place, before)


def mutants_of(tree: ast.Module, file: str) -> list[Mutant]:
    """All mutants of a module, in the order of its lines."""
    found, seen = [], Counter[tuple[str, str]]()
    for path in _places(tree, []):
        node, function, statement = path[-1][1], _name(path), _statement(path)
        for after in _replacements(node, path):
            before, there = ast.unparse(node), ast.unparse(after)
            if before == there:
                continue
            change = f"{before} -> {there}"
            seen[function, change] += 1
            number = seen[function, change]
            named = change if number == 1 else f"{change} #{number}"
            ast.fix_missing_locations(ast.copy_location(after, node))
            found.append(Mutant(file, node.lineno, function, named, statement, path[-1][0], after))
    return sorted(found, key=lambda mutant: mutant.line)


# Where a node stands, and whether it may be changed.

Place = tuple[ast.AST, str, int | None]
Path = list[tuple[Place, ast.AST]]


def _get(place: Place) -> ast.AST:
    parent, field, index = place
    value = getattr(parent, field)
    return value if index is None else value[index]


def _set(place: Place, node: ast.AST) -> None:
    parent, field, index = place
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def _places(node: ast.AST, path: Path) -> Iterator[Path]:
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "targets", "ctx"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _left_alone(child):
                continue
            deeper = [*path, ((node, field, index), child)]
            if isinstance(child, ast.expr):
                yield deeper
            yield from _places(child, deeper)


def _left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.AnnAssign) and node.value is None:
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # a docstring
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return True  # zip's own check that the lengths are what they always are
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ABOUT_TYPES


def _name(path: Path) -> str:
    """Return the functions around a node, or the NumPy function that a rule is registered for."""
    names = []
    for (parent, field, index), node in path:
        if isinstance(node, ast.FunctionDef):
            names.append(node.name)
        elif (
            field == "args" and index and ast.unparse(getattr(parent, "func", parent)) in ("register_rule", "Primitive")
        ):
            names.append(f"{ast.unparse(parent.args[0])}[{index - 1}]")
    return ".".join(names) or "module"


def _statement(path: Path) -> range:
    """Return the lines of the statement around a node; of a compound one its head; of a default the whole function."""
    for i in range(len(path) - 1, -1, -1):
        node = path[i][1]
        if isinstance(node, ast.Lambda):
            return range(node.lineno, _end(node) + 1)
        if isinstance(node, ast.arguments):
            return range(path[i][0][0].lineno, _end(path[i][0][0]) + 1)
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            return range(node.lineno, body[0].lineno if body else _end(node) + 1)
    raise AssertionError("an expression stands in a statement")


def _end(node: ast.AST) -> int:
    return node.end_lineno or node.lineno


# What may stand in its place.


def _replacements(node: ast.AST, path: Path) -> Iterator[ast.AST]:
    (parent, field, _), _ = path[-1]
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            for other in OPERATORS.get(type(op), []):
                yield ast.BinOp(left, other(), right)
            if isinstance(op, ast.Mult | ast.Div | ast.Add | ast.Sub | ast.MatMult):
                yield left
            if isinstance(op, ast.Mult | ast.Add | ast.MatMult | ast.Div):
                yield right
            if isinstance(op, ast.Sub | ast.Div | ast.MatMult | ast.Mod | ast.FloorDiv):
                yield ast.BinOp(right, op, left)
        case ast.UnaryOp(operand=ast.Constant(value=int() | float() as value), op=ast.USub()):
            yield ast.Constant(value)
            yield ast.Constant(1 - value) if value != 1 else ast.Constant(0)
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Compare(left=left, ops=[op], comparators=comparators):
            for other in OPERATORS.get(type(op), []):
                yield ast.Compare(left, [other()], comparators)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(OPERATORS[type(op)][0](), values)
            yield from values if len(values) == 2 else ()
        case ast.Constant(value=value):
            yield from _other_constants(value, path)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Call():
            yield from _other_calls(node)
        case ast.Attribute(value=value, attr="T" | "mT"):
            yield value
        case ast.Attribute(value=value, attr=attr) if attr in EXCHANGED:
            yield ast.Attribute(value, EXCHANGED[attr], node.ctx)
        case ast.Name(id=name) if name in EXCHANGED and isinstance(parent, ast.Call) and field == "func":
            yield ast.Name(EXCHANGED[name], node.ctx)
        case ast.Tuple(elts=[first, second]) if isinstance(parent, ast.Return | ast.Assign | ast.Subscript):
            yield ast.Tuple([second, first], node.ctx)
    asked = (isinstance(parent, ast.If) and field == "test") or (
        isinstance(parent, ast.comprehension) and field == "ifs"
    )
    if asked and not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp):  # those have their own ways to be wrong
        yield ast.UnaryOp(ast.Not(), node)
    if isinstance(parent, ast.keyword) and parent.arg in ("axis", "keepdims") and not isinstance(node, ast.Constant):
        yield ast.Constant(None if parent.arg == "axis" else True)
    if _is_a_rules_result(path) and not isinstance(node, ast.UnaryOp | ast.Tuple | ast.IfExp):
        yield ast.UnaryOp(ast.USub(), node)


def _other_constants(value: object, path: Path) -> Iterator[ast.AST]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        if isinstance(path[-1][0][0], ast.UnaryOp):
            return  # -1 is one number, changed as such
        yield ast.Constant(value + 1)
        if value > 1:
            yield ast.Constant(value - 1)
    elif value is None and isinstance(path[-1][0][0], ast.arguments | ast.keyword):
        yield ast.Constant(0)


def _other_calls(call: ast.Call) -> Iterator[ast.AST]:
    name = ast.unparse(call.func)
    registers = name in ("register_rule", "composite", "plain", "Primitive", "EachPosition")
    for i in range(1 if registers else 0, 0 if name in SYMMETRIC else len(call.args) - 1):
        if name == "np.swapaxes" and i == 1:
            continue  # it does not matter which axis is named first
        if ast.unparse(call.args[i + 1]) != "None" and not isinstance(call.args[i + 1], ast.Starred):
            swapped = copy.copy(call.args)
            swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
            yield ast.Call(call.func, swapped, call.keywords)
    if registers:
        return
    if name == "np.where" and len(call.args) == 3:
        yield from call.args[1:]
    elif call.args and not isinstance(call.args[0], ast.Starred | ast.GeneratorExp | ast.Constant):
        yield call.args[0]  # as though it were not called
    for i, keyword in enumerate(call.keywords):
        if keyword.arg not in ("strict", None):
            yield ast.Call(call.func, call.args, call.keywords[:i] + call.keywords[i + 1 :])


def _is_a_rules_result(path: Path) -> bool:
    """Check whether a node is what a function of a gradient `g` gives."""
    (parent, field, _), _ = path[-1]
    if isinstance(parent, ast.Lambda) and field == "body":
        return any(argument.arg == "g" for argument in parent.args.args)
    if isinstance(parent, ast.Return):
        inner = next(node for _, node in reversed(path) if isinstance(node, FUNCTIONS))
        return any(argument.arg == "g" for argument in inner.args.args)
    return False
