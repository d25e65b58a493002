"""A teacher's own pair as a hand-out: the file without the body of its backward, and inputs by description."""

import ast
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.contract.checked_inputs import names_from_signature
from acg_numpy.checks.learner.errors import LearnerError, Place
from acg_numpy.checks.learner.input_specs import Piece, draw_inputs, read_inputs
from acg_numpy.checks.learner.loading import check_learner, load_learner
from acg_numpy.cli.handouts.revealing_inputs import evaluate_source, input_source
from acg_numpy.cli.handouts.student_file import placeholder_lines
from acg_numpy.cli.handouts.task import Task
from acg_numpy.text import joined

DRAWS = 20  # from which inputs with the fewest blind spots are taken


class OwnPair(NamedTuple):
    """A teacher's own pair.

    Attributes
    ----------
    task : Task
    solved : str
        The teacher's file.
    cases, gradients : list of str
        The names of the cases, and of the inputs that have a gradient, None for the others.
    blind_spots : list of str
        Mistakes that would pass at all inputs that were drawn.
    """

    task: Task
    solved: str
    cases: list[str]
    gradients: list[str]
    blind_spots: list[str]


def own_pair(file: Path, functions: tuple[str, str], specs: Sequence[str], seed: int) -> OwnPair:
    """Make a hand-out's task of a teacher's own file.

    Parameters
    ----------
    file : path
    functions : tuple of str
        The names of the forward and the backward.
    specs : sequence of str
        Descriptions of inputs, as for `acg gradcheck --inputs`; each makes a case.
    seed : int
        Draws the inputs.

    Raises
    ------
    LearnerError
        If the file cannot be run, is not in the form that a hand-out needs, or its own backward is not right.
    InputsError
        If inputs are not described.
    """
    pieces = [read_inputs(spec) for spec in specs]
    learner = load_learner(file, *functions)
    solved = file.read_text(encoding="utf-8")
    names = names_from_signature(learner.forward, len(pieces[0]))
    spots: list[str] = []
    drawn: list[list[str]] = []
    for place, one in enumerate(pieces):
        sources, found = _draw_revealing(partial(check_learner, learner), one, [seed, place])
        drawn.append(sources)
        spots += [spot for spot in found if spot not in spots]
    cases = _case_names(len(specs))
    task = Task(
        name=file.stem,
        forward=functions[0],
        backward=functions[1],
        source=without_body(solved, file, functions[1], names),
        inputs=_inputs_text(file.stem, names, cases, drawn, seed),
        specs=list(specs),
        seed=seed,
    )
    gradients = [name if piece.floating else "None" for name, piece in zip(names, pieces[0], strict=True)]
    return OwnPair(task, solved, cases, gradients, spots)


def own_inputs(name: str, names: Sequence[str], specs: Sequence[str], seed: int) -> str:
    """Write a file of inputs of a teacher's own pair, as they are drawn.

    Parameters
    ----------
    name : str
        Of the exercise.
    names : sequence of str
        Of the inputs.
    specs : sequence of str
    seed : int
    """
    drawn = [
        [input_source(value) for value in draw_inputs(read_inputs(spec), np.random.default_rng([seed, place]))]
        for place, spec in enumerate(specs)
    ]
    return _inputs_text(name, names, _case_names(len(specs)), drawn, seed)


def _case_names(number: int) -> list[str]:
    """Name cases."""
    return ["inputs"] if number == 1 else [f"inputs {place + 1}" for place in range(number)]


def _draw_revealing(check: Any, pieces: tuple[Piece, ...], seed: list[int]) -> tuple[list[str], list[str]]:
    """Draw inputs, as source, at which the right backward passes with the fewest blind spots."""
    rng = np.random.default_rng(seed)
    best: tuple[list[str], list[str]] | None = None
    failed: LearnerError | None = None
    for _ in range(DRAWS):
        sources = [input_source(value) for value in draw_inputs(pieces, rng)]
        report = check([evaluate_source(text) for text in sources])
        if not report.passed:
            message = f"its own backward is not right at inputs that were drawn:\n{report}"
            failed = LearnerError(message, Place(Path(report.title)), "acg gradcheck says more")
            continue
        spots = [spot.message for spot in report.blind_spots]
        if best is None or len(spots) < len(best[1]):
            best = sources, spots
        if not spots:
            break
    if best is None:
        assert failed is not None
        raise failed
    return best


INPUTS = '''\
"""Inputs for {name}: {specs}.

A case is one call of the forward: its positional arguments, by name.  The numbers were drawn and rounded, so that they
can be read.
"""

import numpy as np

SEED = {seed}
OPTIONS = {{}}  # keyword arguments of the forward, the same for all cases

CASES = {{
{body}
}}
'''


def _inputs_text(
    name: str, names: Sequence[str], cases: Sequence[str], drawn: Sequence[Sequence[str]], seed: int
) -> str:
    """Write the file of inputs."""
    body = "\n".join(
        f'    "{case}": {{\n'
        + "".join(f'        "{one}": {source},\n' for one, source in zip(names, sources, strict=True))
        + "    },"
        for case, sources in zip(cases, drawn, strict=True)
    )
    return INPUTS.format(name=name, specs=joined(list(names)), seed=seed, body=body)


def without_body(source: str, file: Path, backward: str, names: Sequence[str]) -> str:
    """Leave the body of a function out of a file, but for its docstring; it raises NotImplementedError instead.

    Parameters
    ----------
    source : str
    file : path
    backward : str
        The name of the function.
    names : sequence of str
        The names of the forward's inputs.
    """
    found = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == backward]
    if len(found) != 1:
        fix = f"define it once, by def {backward}(grad_out, cache):, at the top level of the file"
        raise LearnerError(f"{backward} is defined {len(found)} times in it", Place(file), fix)
    function, lines = found[0], source.splitlines()
    first = function.body[0]
    described = ast.get_docstring(function) is not None
    if first.lineno == function.lineno or (described and len(function.body) == 1):
        fix = "write its body on lines of its own, below its def and its docstring"
        raise LearnerError(f"{backward} has no body that could be left out", Place(file, function.lineno), fix)
    head_end = (first.end_lineno or first.lineno) if described else _end_of_head(function, lines)
    gradients = "the gradient of" if len(names) == 1 else "one gradient for each of"
    end = f"return {gradients} {joined(names)}"
    end_line = function.end_lineno or len(lines)
    while end_line < len(lines) and re.match(r"\s+#", lines[end_line]):  # a comment at the end of the body
        end_line += 1
    kept = [*lines[:head_end], *placeholder_lines("", end), *lines[end_line:]]
    return "\n".join(kept).rstrip("\n") + "\n"


def _end_of_head(function: ast.FunctionDef, lines: Sequence[str]) -> int:
    """Return the number of the last line of a function's head; comments between it and the body are left out."""
    parts: list[Any] = list(ast.walk(function.args))
    last: int = max([function.lineno, *(getattr(part, "end_lineno", None) or 0 for part in parts)])
    if function.returns is not None:
        last = max(last, function.returns.end_lineno or 0)
    while not lines[last - 1].partition("#")[0].rstrip().endswith(":"):
        last += 1
    return last
