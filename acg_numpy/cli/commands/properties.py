"""`acg properties`: a check of what the mathematics promises of a softmax, an attention, a layer norm, an embedding."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from acg_numpy.cli.capture import ProcessState, output_to_stderr, user_interrupts
from acg_numpy.cli.options import EXIT_CODES, Parser, Subcommands, real_number, whole_number
from acg_numpy.cli.printing import echo, echo_json

if TYPE_CHECKING:
    from acg_numpy.checks.learner.errors import LearnerError
    from acg_numpy.testing import PropertyViolation

KINDS = ("softmax", "attention", "layer_norm", "embedding")

DESCRIPTION = """\
Check a function of your own against the properties that the mathematics promises, and show the smallest counterexample.

examples:
  acg properties mine.py:softmax --kind softmax
  acg properties mine.py:softmax --kind softmax --batch-axes 1 --no-empty --masked any       written for matrices
  acg properties mine.py:attention --kind attention --no-mask --json
"""

FORM = f"""\
The function is called as softmax(scores), attention(query, key, value, mask), layer_norm(x, weight, bias) or
embedding(table, ids), and returns one array.  The file is run, so check only files that you would run.

{EXIT_CODES}"""


class Finding(NamedTuple):
    """What was found of one property: its name, its sentence, the verdict in a word, and the counterexample or None."""

    name: str
    sentence: str
    verdict: str
    violation: "PropertyViolation | None" = None


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "properties",
        help="check what the mathematics promises of an operation",
        usage="acg properties FILE.py:NAME --kind KIND [options]",
        description=DESCRIPTION,
        epilog=FORM,
    )
    parser.add_argument("target", metavar="FILE.py:NAME", help="your file, and the function in it")
    parser.add_argument("--kind", choices=KINDS, required=True, help="what the function is")
    parser.add_argument(
        "--batch-axes", type=whole_number(0), metavar="N", help="number of axes before the last ones that it takes"
    )
    parser.add_argument("--no-empty", action="store_true", help="leave out axes of size 0")
    parser.add_argument(
        "--masked", choices=("zero", "nan", "any"), help="result for a row that is masked throughout (default: zero)"
    )
    parser.add_argument("--no-mask", action="store_true", help="an attention that takes no mask")
    parser.add_argument("--eps", type=real_number(), metavar="X", help="number that a layer norm adds to the variance")
    parser.add_argument(
        "--outside", choices=("refuse", "any"), help="what an embedding does with ids out of range (default: refuse)"
    )
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64", help="dtype of the inputs")
    parser.add_argument(
        "--examples", type=whole_number(1), default=100, metavar="N", help="number of examples of each property"
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="seed of the examples")
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Check every property, print what was found, and return the exit code."""
    from acg_numpy.checks.learner.errors import LearnerError, Place, describe_error
    from acg_numpy.checks.learner.loading import find_function, run_file
    from acg_numpy.cli.gradcheck_output import error_lines

    parser: Parser = arguments.parser
    name, colon, function_name = arguments.target.rpartition(":")
    if not colon or not name or not function_name.isidentifier():
        parser.error(f"{arguments.target!r} should name a file and a function in it, as in mine.py:softmax")
    file, options = Path(name), _options_of_kind(arguments, parser)
    if find_spec("hypothesis") is None:
        missing = LearnerError("the search for counterexamples needs Hypothesis: pip install hypothesis", Place(file))
        if arguments.json:
            echo_json(_error_as_json(arguments.kind, missing))
        else:
            echo(*error_lines(missing), file=sys.stderr)
        return 1
    failure: LearnerError | None = None
    with user_interrupts() as asked, output_to_stderr() as results:
        try:
            with ProcessState():
                function = find_function(function_name, run_file(file), file)
                found = list(_check_all(arguments.kind, function, options))
        except BaseException as error:  # a file may raise anything
            if asked:
                raise KeyboardInterrupt from None
            failure = error if isinstance(error, LearnerError) else LearnerError(describe_error(error), Place(file))
        if failure is not None:
            answer = _error_as_json(arguments.kind, failure)
        else:
            passed = all(finding.violation is None for finding in found)
            records = [_as_json(finding) for finding in found]
            answer = {"kind": arguments.kind, "passed": passed, "properties": records, "error": None}
        if arguments.json:
            echo_json(answer, file=results)
        elif failure is None:
            echo(*_lines(arguments.target, found, options), file=results)
    if failure is not None and not arguments.json:
        echo(*error_lines(failure), file=sys.stderr)
    return 0 if answer["passed"] else 1


def _error_as_json(kind: str, error: "LearnerError") -> dict[str, Any]:
    """Write what kept the check from being made, under the keys of an answer."""
    from acg_numpy.cli.gradcheck_output import learner_error_as_json

    return {"kind": kind, "passed": False, "properties": [], "error": learner_error_as_json(error)}


def _options_of_kind(arguments: argparse.Namespace, parser: Parser) -> dict[str, Any]:
    """Return the options of the check; one that is about another kind is wrong usage."""
    own = {
        "softmax": ("masked",),
        "attention": ("masked", "takes_mask"),
        "layer_norm": ("eps",),
        "embedding": ("outside",),
    }[arguments.kind]
    options: dict[str, Any] = {"dtype": arguments.dtype, "empty": not arguments.no_empty}
    options |= {"batch_axes": arguments.batch_axes, "seed": arguments.seed, "max_examples": arguments.examples}
    given = {"masked": arguments.masked, "eps": arguments.eps, "outside": arguments.outside}
    given["takes_mask"] = False if arguments.no_mask else None
    for name, value in given.items():
        if value is not None and name not in own:
            option = "no-mask" if name == "takes_mask" else name
            parser.error(f"--{option} is about another kind than {arguments.kind}")
        if value is not None:
            options[name] = value
    return options


def _check_all(kind: str, function: Callable[..., Any], options: dict[str, Any]) -> "Iterator[Finding]":
    """Check each property."""
    from acg_numpy.testing import PropertyViolation, properties
    from acg_numpy.testing.properties.attention import ATTENTION
    from acg_numpy.testing.properties.embedding import EMBEDDING
    from acg_numpy.testing.properties.layer_norm import LAYER_NORM
    from acg_numpy.testing.properties.runner import NothingToCheckError
    from acg_numpy.testing.properties.softmax import SOFTMAX

    stated = {"softmax": SOFTMAX, "attention": ATTENTION, "layer_norm": LAYER_NORM, "embedding": EMBEDDING}[kind]
    check = partial(getattr(properties, f"check_{kind}"), function, **options)
    for each in stated:
        try:
            check(only=[each.name])
        except PropertyViolation as violation:
            yield Finding(each.name, each.sentence, _verdict(violation), violation)
        except NothingToCheckError:
            yield Finding(each.name, each.sentence, "not checked")
        else:
            yield Finding(each.name, each.sentence, "right")


def _as_json(finding: Finding) -> dict[str, Any]:
    """Write what was found of one property as JSON takes it; values are written as code."""
    from acg_numpy.testing.violation import format_code, format_value

    violation = finding.violation
    passed = None if finding.verdict == "not checked" else violation is None
    record = {"name": finding.name, "sentence": finding.sentence, "passed": passed, "verdict": finding.verdict}
    if violation is None:
        return {**record, "violated": None, "example": None, "expected": None, "got": None}
    return {
        **record,
        "violated": violation.property,
        "example": {key: format_code(value) for key, value in violation.example.items()},
        "expected": format_value(violation.expected),
        "got": format_value(violation.got),
    }


def _verdict(violation: "PropertyViolation") -> str:
    from acg_numpy.testing.properties.runner import VALID

    return "raises" if violation.property == VALID else "WRONG"


def _lines(target: str, found: Sequence[Finding], options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of the properties, then each counterexample; the same exception is shown once."""
    from acg_numpy.text import counted, text_list, text_table

    broken = [finding.violation for finding in found if finding.violation is not None]
    checked = sum(finding.verdict != "not checked" for finding in found)
    yield f"{target}: " + (f"FAILED, {len(broken)} of {counted(checked, 'check')}" if broken else "passed")
    yield ""
    rows = [(finding.name, finding.verdict, finding.sentence) for finding in found]
    yield from text_table([("property", "verdict", "in words"), *rows], longest=90)
    shown: set[str] = set()
    for violation in broken:
        key = str(violation.got) if violation.__cause__ is not None else violation.name
        if key not in shown:
            shown.add(key)
            yield from ("", *str(violation).split("\n"))
    yield from text_list("Options that leave such inputs out", list(_options_that_help(broken, options)))


def _options_that_help(violations: "Sequence[PropertyViolation]", options: Mapping[str, Any]) -> Iterator[str]:
    """Yield what to say of a function that takes fewer kinds of input than were drawn."""
    raised = [violation.example for violation in violations if _verdict(violation) == "raises"]
    if raised and options["batch_axes"] is None:
        yield "--batch-axes N: the function takes N axes before those of a row or, of an attention, of a matrix"
    if options["empty"] and any(getattr(value, "size", 1) == 0 for example in raised for value in example.values()):
        yield "--no-empty: the function takes no axes of size 0"
    if options.get("takes_mask", True) and any("mask" in example for example in raised):
        yield "--no-mask: the function takes no mask"
