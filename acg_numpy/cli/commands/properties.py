"""`acg properties`: a check of what the mathematics promises of a softmax, an attention, a layer norm, an embedding."""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acg_numpy.cli.capture import output_to_stderr, user_interrupts
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
            function = find_function(function_name, run_file(file), file)
            found = list(_check_all(arguments.kind, function, options))
        except BaseException as error:  # a file may raise anything
            if asked:
                raise KeyboardInterrupt from None
            failure = error if isinstance(error, LearnerError) else LearnerError(describe_error(error), Place(file))
        if failure is not None:
            answer = _error_as_json(arguments.kind, failure)
        else:
            passed = all(violation is None for *_, violation in found)
            records = [_as_json(*one) for one in found]
            answer = {"kind": arguments.kind, "passed": passed, "properties": records, "error": None}
        if arguments.json:
            echo_json(answer, file=results)
        elif failure is None:
            echo(*_lines(arguments.target, found), file=results)
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


def _check_all(
    kind: str, function: Callable[..., Any], options: dict[str, Any]
) -> "Iterator[tuple[str, str, PropertyViolation | None]]":
    """Yield each property's name, its sentence, and the counterexample or None."""
    from acg_numpy.testing import PropertyViolation, properties
    from acg_numpy.testing.properties.attention import ATTENTION
    from acg_numpy.testing.properties.embedding import EMBEDDING
    from acg_numpy.testing.properties.layer_norm import LAYER_NORM
    from acg_numpy.testing.properties.softmax import SOFTMAX

    stated = {"softmax": SOFTMAX, "attention": ATTENTION, "layer_norm": LAYER_NORM, "embedding": EMBEDDING}[kind]
    check = partial(getattr(properties, f"check_{kind}"), function, **options)
    for each in stated:
        try:
            check(only=[each.name])
        except PropertyViolation as violation:
            yield each.name, each.sentence, violation
        else:
            yield each.name, each.sentence, None


def _as_json(name: str, sentence: str, violation: "PropertyViolation | None") -> dict[str, Any]:
    """Write what was found of one property as JSON takes it; values are written as code."""
    from acg_numpy.testing.violation import format_code, format_value

    record: dict[str, Any] = {"name": name, "sentence": sentence, "passed": violation is None}
    if violation is None:
        return {**record, "violated": None, "example": None, "expected": None, "got": None}
    return {
        **record,
        "violated": violation.property,
        "example": {key: format_code(value) for key, value in violation.example.items()},
        "expected": format_value(violation.expected),
        "got": format_value(violation.got),
    }


def _verdict(sentence: str, violation: "PropertyViolation | None") -> str:
    if violation is None:
        return "right"
    return "WRONG" if violation.property == sentence else "raises"


def _lines(target: str, found: "list[tuple[str, str, PropertyViolation | None]]") -> Iterator[str]:
    """Yield a table of the properties, then each counterexample; the same exception is shown once."""
    from acg_numpy.text import counted, text_table

    broken = [violation for *_, violation in found if violation is not None]
    verdict = f"FAILED, {len(broken)} of {counted(len(found), 'check')}" if broken else "passed"
    yield f"{target}: {verdict}"
    yield ""
    rows = [(name, _verdict(sentence, violation), sentence) for name, sentence, violation in found]
    yield from text_table([("property", "verdict", "in words"), *rows], longest=90)
    shown: set[str] = set()
    for violation in broken:
        key = str(violation.got) if violation.__cause__ is not None else violation.name
        if key not in shown:
            shown.add(key)
            yield from ("", *str(violation).split("\n"))
