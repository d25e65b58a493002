"""A check of another person's file for `acg gradcheck --isolate`, with the file in a child.

The forward that is differentiated is the file's own, called in the child.  It cannot be traced there, so a mistake is
told from the gradients alone, and less often by name.
"""

import ast
from collections.abc import Sequence
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
from acg_numpy.cli.grading.child.messages import MessageError
from acg_numpy.cli.grading.child_process import ChildEnded, ChildProcess, ChildStartError, Limits
from acg_numpy.cli.grading.remote_pair import RemotePair, ended_in_words, function_line, refuse_unloaded
from acg_numpy.cli.grading.submissions import SubmissionError, read_source

SECONDS = 60.0
UNTRACED = "the forward could not be followed"
FEWER_MISTAKES = (
    "the forward runs in another process and is not traced, so only mistakes that show in the gradients as a whole "
    "were tried: a sign, a factor, an exchange, a sum left out"
)
UNSEEN_BLIND_SPOTS = "the forward runs in another process and is not traced, so blind spots were not looked for"


def isolated_report(
    file: Path, functions: tuple[str, str], inputs: Sequence[Any], *, method: str, seed: int, dtype: Any
) -> tuple[GradientReport, str]:
    """Check a forward and a backward in a child, and return the report and what the file printed.

    Parameters
    ----------
    file : path
    functions : tuple of str
        The names of the forward and the backward: `out, cache = forward(*inputs)`, `backward(grad_out, cache)`.
    inputs : sequence
    method, seed, dtype
        As for `check_backward`.

    Raises
    ------
    LearnerError
        If the file cannot be run, or does not answer.
    """
    try:
        source = read_source(file)
        with ChildProcess(str(file), source, functions, {}, Limits(seconds=SECONDS)) as child:
            try:
                refuse_unloaded(child)
                report = _check(RemotePair(child, None, functions), source, inputs, method, seed, dtype)
            except ChildEnded as ended:
                raise ended_in_words(ended, str(file), source) from None
            return report, child.printed.text
    except ContractError as error:
        raise LearnerError(str(error), Place(file, function_line(source, functions[0]))) from None
    except (SubmissionError, ChildStartError, MessageError) as error:
        raise LearnerError(str(error), Place(file)) from None
    except ChildEnded as ended:
        raise ended_in_words(ended, str(file), source) from None


def _check(pair: RemotePair, source: str, inputs: Sequence[Any], method: str, seed: int, dtype: Any) -> GradientReport:
    """Compare the gradients, and look at conduct."""
    settings = read_settings(method, rtol=1e-5, atol=0.0, step=None, seed=seed, dtype=dtype)
    arguments = read_arguments(pair.forward, inputs, _parameter_names(source, pair.names[0], len(inputs)))
    report, subject = compare_gradients(
        Pair(pair.forward, pair.backward, arguments, f"check_backward of {pair.names[1]}"), settings
    )
    rng = np.random.default_rng([settings.seed, 1])
    conduct = find_side_effects(pair.forward, pair.backward, arguments, subject.grad_outs, rng)
    report = replace(report, notes=(*report.notes, *conduct.notes), hints=settings.hints)
    report = add_findings(report, subject, settings, conduct.faults)
    notes = [note for note in report.notes if not note.startswith(UNTRACED)]
    return replace(report, notes=(*notes, UNSEEN_BLIND_SPOTS if report.passed else FEWER_MISTAKES))


def _parameter_names(source: str, function: str, number: int) -> list[str]:
    """Return the names of the first parameters of a function, from its source."""
    found = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == function]
    names = [one.arg for node in found[-1:] for one in (*node.args.posonlyargs, *node.args.args)][:number]
    return [*names, *(f"input_{place}" for place in range(len(names), number))]
