"""The judgement of one file: a report for each case, and points, by a parent that trusts nothing but arrays."""

import ast
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from acg_numpy.checks.backward_pass import Pair, compare_gradients
from acg_numpy.checks.contract.checked_inputs import ContractError, read_arguments
from acg_numpy.checks.contract.side_effects import find_side_effects
from acg_numpy.checks.findings import add_findings
from acg_numpy.checks.learner.errors import LearnerError, Place
from acg_numpy.checks.report.report import GradientReport
from acg_numpy.checks.settings import read_settings
from acg_numpy.cli.gradcheck_output import error_as_json, error_lines, report_as_json, report_lines
from acg_numpy.cli.grading.child.confinement import SWITCHED_OFF
from acg_numpy.cli.grading.child.messages import MessageError
from acg_numpy.cli.grading.child.student_module import is_program
from acg_numpy.cli.grading.child_process import ChildEnded, ChildProcess, Limits
from acg_numpy.cli.grading.graded_exercise import Exercise
from acg_numpy.cli.grading.remote_pair import RemotePair, ended_in_words, function_line, refuse_unloaded

Result = dict[str, Any]
OTHER_FORWARD = "the forward no longer computes what it did, so the backward cannot be judged: restore the forward"
TIMEOUT = re.compile(r"(Timeout \(\d+:\d\d:\d\d.*\)!\nT|Current t)hread 0x.*", re.DOTALL)  # of faulthandler
# what a derivation in NumPy may import; anything else is shown to the teacher
USUAL = frozenset(
    """
    abc cmath collections copy dataclasses doctest enum fractions functools itertools math numbers numpy pytest random
    statistics time typing typing_extensions unittest warnings __future__
    """.split()  # noqa: SIM905, a list of words is read more easily
)
# by which a program looks at itself or at the system: attributes of frames, functions and modules, and built-in names
UNUSUAL = frozenset(
    """
    ag_frame attrgetter builtins co_code cr_frame ctypes ctypeslib eval exec f_back f_builtins f_globals f_locals
    faulthandler gc get_field get_referrers gi_frame importlib inspect io methodcaller modules multiprocessing os
    pathlib pickle resource signal socket subprocess sys tb_frame tb_next thread threading traceback types
    """.split()  # noqa: SIM905, a list of words is read more easily
)
UNUSUAL_NAMES = frozenset(["compile", "eval", "exec", "getattr", "globals", "locals", "open", "setattr", "vars"])
USUAL_DUNDERS = frozenset(
    """
    __all__ __author__ __call__ __doc__ __eq__ __file__ __init__ __iter__ __len__ __main__ __name__ __post_init__
    __repr__ __str__ __version__
    """.split()  # noqa: SIM905, a list of words is read more easily
)
LARGEST_STEP = 0.02  # of a numeric derivative
DUNDER = re.compile(r"__[a-z]\w*")


def judge_file(exercise: Exercise, file: str, source: str, limits: Limits, hints: int = 2) -> Result:
    """Judge a file, and return what is known about it.

    Parameters
    ----------
    exercise : Exercise
    file : str
        Its name.
    source : str
    limits : Limits
    hints : {0, 1, 2}
        How much the reports for the student reveal.

    Returns
    -------
    dict
        `cases`, with a report at the level of the hints in `lines` and the whole in `all_lines`; `passed`, `points`,
        `out_of`, `mistakes`; and for the teacher `printed`, `looks` and `held`.
    """
    began = time.monotonic()
    judged: dict[str, Result] = {}
    mistakes: list[str] = []
    found: Result = {"printed": "", "looks": [*unusual_names(source, exercise.source)], "held": []}
    failure: LearnerError | None = None
    try:
        with ChildProcess(file, source, exercise.functions, exercise.options, limits, exercise.source) as child:
            found["held"] = child.held
            try:
                refuse_unloaded(child)
                for case, inputs in exercise.cases.items():
                    pair = RemotePair(child, exercise.reference, exercise.functions)
                    judged[case] = _judge_case(pair, inputs, exercise.seed, hints, mistakes)
                    found["looks"] += [look for look in pair.looks if look not in found["looks"]]
            except ChildEnded as ended:
                failure = ended_in_words(ended, file, source)
            except (MessageError, LearnerError) as error:
                failure = error if isinstance(error, LearnerError) else _no_message_error(error, file)
            finally:
                found["looks"] += [f"tried: {event}" for event in _events(child)]
                child.kill()
                found["printed"] = TIMEOUT.sub("", child.printed.text)
    except ChildEnded as ended:
        failure = ended_in_words(ended, file, source)
    return {
        **_summed(exercise, file, judged, failure),
        "mistakes": list(dict.fromkeys(mistakes)),
        "seconds": round(time.monotonic() - began, 2),
        **found,
    }


def zero_result(exercise: Exercise, file: str, error: LearnerError) -> Result:
    """Return the result of a file that was not run, with the reason."""
    return {
        **_summed(exercise, file, {}, error),
        "mistakes": [],
        "seconds": 0.0,
        "printed": "",
        "looks": [],
        "held": [],
    }


def _summed(exercise: Exercise, file: str, judged: Mapping[str, Result], failure: LearnerError | None) -> Result:
    """Sum the points of all cases; those that were not judged have none."""
    results = [
        {"case": case, **(judged[case] if case in judged else zero_points(inputs, failure))}
        for case, inputs in exercise.cases.items()
    ]
    return {
        "pass": exercise.name,
        "file": file,
        "passed": all(one["passed"] for one in results),
        "points": sum(one["points"] for one in results),
        "out_of": sum(one["out_of"] for one in results),
        "cases": results,
    }


def _no_message_error(error: MessageError, file: str) -> LearnerError:
    return LearnerError(f"the file wrote into the pipe of the answers ({error})", Place(Path(file)))


def _events(child: ChildProcess) -> Iterator[str]:
    """Yield what the hook in the child reported, each once."""
    seen = child.seen
    # of the switch Python makes use itself, in a recursion that is too deep; where it matters, it costs the points
    yield from dict.fromkeys(event[:200] for event in seen[:50] if isinstance(event, str) and event != SWITCHED_OFF)


def _judge_case(pair: RemotePair, inputs: Mapping[str, Any], seed: int, hints: int, mistakes: list[str]) -> Result:
    """Judge one case."""
    child = pair.child
    try:
        report = check_remote(pair, inputs, seed)
    except ContractError as error:
        line = function_line(child.source, pair.names[0])
        place = Place(Path(child.file)) if line is None else Place(Path(child.file), line)
        return zero_points(inputs, LearnerError(str(error), place))
    except LearnerError as error:
        return zero_points(inputs, error)
    mistakes += [] if report.passed else [diagnosis.mistake for diagnosis in report.diagnoses[:1]]
    unchanged = bool(pair.same_forward)
    reasons = [OTHER_FORWARD] * (not unchanged) + [pair.numeric] * bool(pair.numeric)
    more = [line for reason in reasons for line in ("", reason)]
    allowed = not reasons
    whole = int(allowed and report.passed)
    found = report_as_json(report, hints)
    entries = [
        {**entry, "points": None if entry["held"] is not None else int(allowed and entry["verdict"] == "right")}
        for entry in found["inputs"]
    ]
    return {
        **found,
        "passed": bool(whole),
        "inputs": entries,
        "forward_unchanged": unchanged,
        "numeric": pair.numeric or None,
        **_sum_points(entries, whole),
        "lines": report_lines(report, hints) + more,
        "all_lines": report_lines(report, 2) + more,
    }


def check_remote(pair: RemotePair, inputs: Mapping[str, Any], seed: int = 0) -> GradientReport:
    """Check a pair in a child, as `check_backward` checks one in this process, against the reference.

    Parameters
    ----------
    pair : RemotePair
    inputs : mapping
        By name.
    seed : int
        Draws the gradients of the outputs.
    """
    settings = read_settings("central", rtol=1e-5, atol=0.0, step=None, seed=seed)
    arguments = read_arguments(pair.reference_forward, list(inputs.values()), list(inputs))
    title = f"check_backward of {pair.names[1]}"
    report, subject = compare_gradients(Pair(pair.reference_forward, pair.backward, arguments, title), settings)
    rng = np.random.default_rng([settings.seed, 1])
    conduct = find_side_effects(pair.forward, pair.backward, arguments, subject.grad_outs, rng)
    report = replace(report, notes=(*report.notes, *conduct.notes), hints=settings.hints)
    return add_findings(report, subject, settings, conduct.faults)


def zero_points(inputs: Mapping[str, Any], error: LearnerError | None) -> Result:
    """Return the result of a case that could not be checked: the error, and no point for any gradient."""
    entries = [
        {
            "name": name,
            "shape": list(np.shape(value)),
            "held": None if _is_floating(value) else "None" if value is None else str(np.asarray(value).dtype),
            "verdict": "uncompared" if _is_floating(value) else "held",
            "points": 0 if _is_floating(value) else None,
        }
        for name, value in inputs.items()
    ]
    told: Result = {}
    if error is not None:
        told = {**error_as_json(error), "lines": error_lines(error), "all_lines": error_lines(error)}
    return {**told, "inputs": entries, "forward_unchanged": None, "numeric": None, **_sum_points(entries, 0)}


def _sum_points(inputs: list[Result], whole: int) -> Result:
    """Sum the points of a case: one for each gradient, and one for the whole."""
    points = [entry["points"] for entry in inputs if entry["points"] is not None]
    return {"whole": {"points": whole}, "points": sum(points) + whole, "out_of": len(points) + 1}


def _is_floating(value: Any) -> bool:
    """Return whether an input has a gradient."""
    return value is not None and np.asarray(value).dtype.kind == "f"


def unusual_names(source: str, handed_out: str = "") -> Iterator[str]:
    r"""Yield what a file uses that a forward and a backward have no use for, for a teacher to look at.

    Parameters
    ----------
    source : str
    handed_out : str
        The file without an answer; its statements are not looked at.

    Examples
    --------
    >>> list(unusual_names("import os, numpy\nx = eval('1')"))
    ['imports os', 'uses eval']
    """
    try:
        # as bytes, because a line such as `# coding: utf-7` decides what the child reads in them
        tree = ast.parse(source.encode("utf-8", "surrogateescape"))
        given = {ast.dump(node) for node in ast.parse(handed_out).body}
        body = [node for node in tree.body if not is_program(node) and ast.dump(node) not in given]
        nodes = [inner for node in body for inner in ast.walk(node)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    # texts that stand for themselves, and the functions of calls, are looked at with what is around them
    seen = {id(node.value) for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
    seen |= {id(node.func) for node in nodes if isinstance(node, ast.Call) and _is_getattr(node.func)}
    found = dict.fromkeys(look for node in nodes if id(node) not in seen for look in _looks_at(node))
    yield from list(found)[:20]


def _looks_at(node: ast.AST) -> Iterator[str]:
    """Yield what is unusual in one node of a program, whichever way it is written."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [a.name for a in node.names if isinstance(node, ast.Import) or a.name.strip("_") in UNUSUAL]
        names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
        tops = [name.partition(".")[0] for name in names]
        yield from (f"imports {top}" for top in tops if top not in USUAL)
    elif isinstance(node, ast.Name) and (node.id in UNUSUAL_NAMES or _is_unusual_dunder(node.id)):
        yield f"uses {node.id}"
    elif isinstance(node, ast.FunctionDef):
        if _is_unusual_dunder(node.name):
            yield f"defines {node.name}"
        if _steps_in_loop(node):
            yield f"{node.name} has a loop and a small number, as numeric derivatives have"
    elif isinstance(node, ast.Call) and _is_getattr(node.func):
        name = node.args[1] if len(node.args) > 1 else None
        if not isinstance(name, ast.Constant):
            yield "calls getattr with a name that it computes"
        elif str(name.value).strip("_") in UNUSUAL:
            yield f"uses {name.value!s}"
    elif isinstance(node, ast.Attribute | ast.MatchClass):
        names = [node.attr] if isinstance(node, ast.Attribute) else node.kwd_attrs
        yield from (f"uses {name}" for name in names if name.strip("_") in UNUSUAL or _is_unusual_dunder(name))
    elif isinstance(node, ast.Constant) and {*DUNDER.findall(str(node.value))} - USUAL_DUNDERS:
        yield f"holds the text {str(node.value)[:40]!r}"


def _steps_in_loop(function: ast.FunctionDef) -> bool:
    """Return whether a function has both a loop and a number that may be the step of a difference."""
    inner = list(ast.walk(function))
    small = any(
        isinstance(n, ast.Constant) and type(n.value) is float and 0 < abs(n.value) <= LARGEST_STEP for n in inner
    )
    power = any(  # such as 10**-6, and not a root, d**-0.5
        isinstance(n, ast.BinOp)
        and isinstance(n.op, ast.Pow)
        and isinstance(n.left, ast.Constant)
        and isinstance(n.right, ast.UnaryOp)
        for n in inner
    )
    return (small or power) and any(isinstance(n, ast.For | ast.While | ast.comprehension) for n in inner)


def _is_getattr(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "getattr"


def _is_unusual_dunder(name: str) -> bool:
    return name.startswith("__") and name not in USUAL_DUNDERS
