"""The exercise of a hand-out as its grader sees it: the reference, and inputs drawn afresh."""

import ast
import hashlib
import json
import linecache
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from acg_numpy.checks.contract.checked_inputs import names_from_signature
from acg_numpy.checks.learner.input_specs import InputsError, read_inputs
from acg_numpy.checks.learner.loading import run_file
from acg_numpy.cli.handouts.task import DESCRIPTION, Task, run_text
from acg_numpy.text import first_few

MOST_SEEDS = 20  # tried for inputs that reveal all mistakes


class HandoutError(ValueError):
    """A folder that is no hand-out, or one that cannot be graded by."""


class Exercise(NamedTuple):
    """An exercise: the names of its functions, the reference, and the inputs that are to be graded at.

    Attributes
    ----------
    name : str
    functions : tuple of str
        The names of the forward and the backward.
    reference : callable
        The forward, with its options.
    options : dict
        Keyword arguments of the student's forward.
    cases : dict
        From the name of a case to its inputs, by name.
    seed : int
        That drew the inputs, and draws the gradients of the outputs.
    source : str
        The file as it was handed out.
    """

    name: str
    functions: tuple[str, str]
    reference: Callable[..., Any]
    options: dict[str, Any]
    cases: dict[str, dict[str, Any]]
    seed: int
    source: str


def read_description(folder: Path) -> dict[str, Any]:
    """Read what a hand-out says about itself.

    Raises
    ------
    HandoutError
        If it says nothing.
    """
    file = folder / DESCRIPTION
    fix = "make a hand-out by acg handout NAME --to DIR, and grade by that folder"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise HandoutError(f"{file}: it cannot be read ({(error.strerror or str(error)).lower()}); {fix}") from None
    except ValueError:
        raise HandoutError(f"{file}: it is not JSON; {fix}") from None
    keys = ("exercise", "forward", "backward", "inputs", "seed", "source")
    if not isinstance(found, dict) or any(key not in found for key in keys):
        raise HandoutError(f"{file}: it should hold {', '.join(keys)}; {fix}")
    if changed := next(_changes(found), None):
        raise HandoutError(f"{file}: it was changed: {changed}; {fix}")
    return found


def _changes(found: dict[str, Any]) -> Iterator[str]:
    """Yield what cannot be as it was written."""
    from acg_numpy.cli.handouts.student_file import pass_names

    texts = ("exercise", "forward", "backward", "source")
    yield from (
        f"{key} is {_shown(found[key])}, and should be text" for key in texts if not isinstance(found[key], str)
    )
    name, specs, seed = (found[key] for key in ("exercise", "inputs", "seed"))
    if not name.strip() or name.startswith(".") or not name.isprintable() or re.search(r'[/\\:*?"<>|]', name):
        yield f"exercise is {_shown(name)}, and should be the name of a file, without .py"
    if type(seed) is not int or seed < 0:
        yield f"seed is {_shown(seed)}, and should be a whole number, 0 or more"
    if specs is None and name not in pass_names():
        yield f"exercise is {_shown(name)}, which is no pass of the package, and there are no inputs"
    elif specs is not None:
        yield from _changed_inputs(specs)
    try:
        body = ast.parse(found["source"]).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield f"its source is no Python ({type(error).__name__}: {error})"
        return
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    for key in ("forward", "backward"):
        if found[key] not in defined:
            yield f"{key} is {_shown(found[key])}, and its source defines {first_few(sorted(defined)) or 'no function'}"


def _changed_inputs(specs: Any) -> Iterator[str]:
    """Yield what is wrong with descriptions of inputs."""
    if not isinstance(specs, list) or not specs or not all(isinstance(spec, str) for spec in specs):
        yield f'inputs is {_shown(specs)}, and should be null, or a list of texts such as ["3x4, 4"]'
        return
    for spec in specs:
        try:
            read_inputs(spec)
        except InputsError as error:
            yield f"inputs holds {_shown(spec)}: {error}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def load_exercise(folder: Path, inputs: str | None = None) -> Exercise:
    """Load an exercise, with its own inputs or with others.

    Parameters
    ----------
    folder : path
        The hand-out.
    inputs : str, optional
        The text of a file of inputs; by default that of the hand-out.
    """
    described = read_description(folder)
    file = folder / f"{described['exercise']}.py"
    of_inputs = folder / f"{described['exercise']}_inputs.py"
    module = vars(run_file(of_inputs)) if inputs is None else run_text(inputs, of_inputs.name)
    cases, options = module.get("CASES"), module.get("OPTIONS")
    if not (isinstance(cases, dict) and cases and all(isinstance(case, dict) and case for case in cases.values())):
        raise HandoutError(f"{of_inputs}: CASES should be a dict of cases, each a dict of inputs")
    if not isinstance(options, dict) or type(module.get("SEED")) is not int:
        raise HandoutError(f"{of_inputs}: OPTIONS should be a dict, and SEED a whole number")
    return _make_exercise(described["forward"], described["backward"], described["source"], file, module)


def task_exercise(task: Task, file: Path) -> Exercise:
    """Make the exercise of a task that is about to be handed out."""
    module = run_text(task.inputs, f"{task.name}_inputs.py")
    return _make_exercise(task.forward, task.backward, task.source, file, module)


def _make_exercise(forward: str, backward: str, source: str, file: Path, module: dict[str, Any]) -> Exercise:
    """Make an exercise of the text that was handed out, and of a file of inputs that was run."""
    options = module["OPTIONS"]
    reference = partial(_handed_out(source, file, forward), **options)
    return Exercise(file.stem, (forward, backward), reference, options, module["CASES"], module["SEED"], source)


def _handed_out(source: str, file: Path, forward: str) -> Callable[..., Any]:
    """Run the file as it was handed out, whatever has been done to it since, and return its forward.

    It keeps the name of the file, so that the lines in a report are those that a student sees.
    """
    name = str(file)
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    module = ModuleType(f"handed_out_{file.stem}")
    try:
        exec(compile(source, name, "exec"), vars(module))
        found: Callable[..., Any] = vars(module)[forward]
    except Exception as error:
        message = f"{file.parent / DESCRIPTION}: its source cannot be run ({type(error).__name__}: {error})"
        raise HandoutError(f"{message}; make the hand-out again by acg handout") from None
    return found


def fresh_inputs(folder: Path, seed: int) -> str:
    """Write a file of inputs like those of a hand-out, with other numbers.

    Raises
    ------
    HandoutError
        If the seed is that of the hand-out.
    """
    from acg_numpy.cli.handouts.own_pair import own_inputs
    from acg_numpy.cli.handouts.revealing_inputs import inputs_file

    described = read_description(folder)
    if seed == described["seed"]:
        raise HandoutError(f"--seed {seed} drew the inputs that were handed out: give another one")
    name = described["exercise"]
    if described["inputs"] is None:
        return inputs_file(name, seed)
    forward = _handed_out(described["source"], folder / f"{name}.py", described["forward"])
    try:
        names = names_from_signature(forward, len(read_inputs(described["inputs"][0])))
        text = own_inputs(name, names, described["inputs"], seed)
        for case in run_text(text, f"{name}_inputs.py")["CASES"].values():
            forward(*case.values())
    except Exception as error:
        problem = f"its forward does not take its inputs ({type(error).__name__}: {error})"
        fix = "make the hand-out again by acg handout"
        raise HandoutError(f"{folder / DESCRIPTION}: it was changed: {problem}; {fix}") from None
    return text


def handout_hash(folder: Path) -> str:
    """Return a hash of what a hand-out is graded by."""
    text = json.dumps(read_description(folder), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
