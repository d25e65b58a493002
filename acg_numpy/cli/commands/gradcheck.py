"""`acg gradcheck`: a check of backward passes, which names the mistake that a wrong one makes."""

import argparse
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acg_numpy.cli.capture import ProcessState, output_to_stderr, user_interrupts
from acg_numpy.cli.gradcheck_catalogue import check_catalogue
from acg_numpy.cli.options import Parser, Subcommands, whole_number
from acg_numpy.cli.printing import echo, echo_json

if TYPE_CHECKING:
    from acg_numpy.checks.all_passes import TimedCheck
    from acg_numpy.checks.learner.loading import Learner
    from acg_numpy.checks.report.report import GradientReport

OF_FILES = ("inputs", "hints", "bind", "init", "params", "grads", "forward", "backward")
METHODS = ("central", "richardson", "complex", "directional")  # of `checks.settings`, which takes long to import

DESCRIPTION = """\
Check hand-written backward passes against numeric derivatives, and name the mistake that a wrong one makes.

examples:
  acg gradcheck                                        all passes of this package, and the whole conditioner
  acg gradcheck mine.py:forward,backward --inputs "3x4, 4x2, 2"
  acg gradcheck mine.py:forward,backward --inputs "3x4, 5x4, 5x2, bool:3x5" --hints 1
  acg gradcheck mine.py:Linear --init "4, 3" --params W,b --grads dW,db --inputs "5x4"        a layer
  acg gradcheck mine.py:svm_loss --inputs "3x4, int<4:3"     a function that returns (loss, gradients)
  acg gradcheck mine.py --json                         functions forward, backward and inputs(rng) in the file
  acg gradcheck --catalogue                            how often the right mistake is named
"""

FORM = """\
FILE.py has two functions in NumPy,

    out, cache = forward(*inputs)             out: an array, or a tuple of them
    grads = backward(grad_out, cache)         one gradient for each input, None for integers and booleans

or a class with methods of these names, or a function that returns (loss, gradients).  It is run, so check only files
that you would run.  What it prints goes to standard error.

TEXT of --inputs has a piece for each input: "3x4" are normally distributed numbers, "scalar" is one, "positive:3x4"
lie between 1/2 and 2, "bool:3x5" is a mask, "int<7:3" three whole numbers from 0 to 6, "none" is None.  Sizes that all
differ reveal most.  Without --inputs, the file's own function inputs(rng) has to return a tuple.
TEXT of --init are the constructor's arguments: "width=4, W=4x3, b=array:3, name='relu'".

exit codes: 0, it passed; 1, it failed, or the file could not be run, with the reason; 2, wrong usage; 130, interrupted.
"""


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "gradcheck",
        help="check backward passes, and name the mistake",
        usage="acg gradcheck [FILE.py[:FORWARD,BACKWARD | :CLASS | :LOSS]] [options]",
        description=DESCRIPTION,
        epilog=FORM,
    )
    parser.add_argument(
        "target", nargs="?", metavar="FILE.py:NAMES", help="your file, and the functions or the class in it"
    )
    parser.add_argument("--inputs", metavar="TEXT", help="the inputs at which to check them")
    parser.add_argument(
        "--hints",
        type=int,
        choices=(0, 1, 2),
        help="0: right or wrong, for each input; 1: a hint as well; 2: everything (default: 2)",
    )
    parser.add_argument("--method", choices=METHODS, default="central", help="how numeric derivatives are taken")
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, metavar="N", help="seed of inputs and gradients of outputs"
    )
    parser.add_argument(
        "--bind",
        action="append",
        metavar="NAME=JSON",
        help='a parameter that is no input, as bn_param={"mode": "train"}; may be given several times',
    )
    parser.add_argument(
        "--dtype", choices=("float64", "float32"), default="float64", help="dtype in which the gradients are computed"
    )
    parser.add_argument("--isolate", action="store_true", help="run the file in a confined process, as acg grade does")
    layer = parser.add_argument_group("a class")
    layer.add_argument("--init", metavar="TEXT", help="the arguments of its constructor")
    layer.add_argument("--params", metavar="NAMES", help="its parameters, or a dict or list of them")
    layer.add_argument("--grads", metavar="NAMES", help="where their gradients are after a backward")
    layer.add_argument("--forward", metavar="NAME", help="its method (default: forward)")
    layer.add_argument("--backward", metavar="NAME", help="its method (default: backward)")
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else")
    parser.add_argument("--catalogue", action="store_true", help="no check: measure how well known mistakes are named")


def run(arguments: argparse.Namespace) -> int:
    """Check, print the report, and return the exit code."""
    parser: Parser = arguments.parser
    if arguments.catalogue:
        if arguments.target is not None or any(getattr(arguments, option) is not None for option in OF_FILES):
            parser.error("--catalogue goes without a file, --inputs and --hints: it has its own")
        return check_catalogue(arguments)
    if arguments.target is None:
        for option in OF_FILES:
            if getattr(arguments, option) is not None:
                parser.error(f"--{option} goes with a file: acg gradcheck FILE.py:FORWARD,BACKWARD --{option} ...")
        return _check_all_passes(arguments)
    return _check_file(arguments, parser)


def _check_file(arguments: argparse.Namespace, parser: Parser) -> int:
    """Check a file of the user's own; whatever it raises becomes an answer."""
    from acg_numpy.checks.learner.errors import LearnerError, Place, describe_error
    from acg_numpy.cli.gradcheck_output import error_as_json, error_lines, report_as_json, report_lines

    file, names = _read_target(arguments.target, parser)
    hints = 2 if arguments.hints is None else arguments.hints
    failure: LearnerError | None = None
    with user_interrupts() as asked, output_to_stderr() as results:
        try:
            with _warnings_with_lines(), ProcessState():
                report = _report_on_file(arguments, file, names, parser)
        except SystemExit:  # of the parser: wrong usage
            raise
        except BaseException as error:
            if asked:
                raise KeyboardInterrupt from None
            failure = error if isinstance(error, LearnerError) else LearnerError(describe_error(error), Place(file))
        if failure is None:
            if arguments.json:
                echo_json(report_as_json(report, hints), file=results)
            else:
                echo(*report_lines(report, hints), file=results)
        elif arguments.json:
            echo_json(error_as_json(failure), file=results)
    if failure is not None and not arguments.json:
        echo(*error_lines(failure), file=sys.stderr)
    return 0 if failure is None and report.passed else 1


def _report_on_file(
    arguments: argparse.Namespace, file: Path, names: tuple[str, ...], parser: Parser
) -> "GradientReport":
    """Run a file, and check what it holds."""
    from acg_numpy.checks.learner.targets import LayerOptions, load_target

    if arguments.isolate:
        return _report_in_child(arguments, file, names, parser)
    bound = _read_bound(arguments.bind or [], parser)
    given = {name: getattr(arguments, name) for name in LayerOptions._fields}
    options = LayerOptions(**{name: value for name, value in given.items() if value is not None})
    target = load_target(file, names, bound, options, arguments.seed)
    inputs = _make_inputs(arguments, target.learner, parser)
    return target.check(inputs, method=arguments.method, seed=arguments.seed, dtype=arguments.dtype)


def _report_in_child(
    arguments: argparse.Namespace, file: Path, names: tuple[str, ...], parser: Parser
) -> "GradientReport":
    """Check a forward and a backward in a process that holds them back."""
    import numpy as np

    from acg_numpy.checks.learner.input_specs import InputsError, draw_inputs, read_inputs
    from acg_numpy.cli.grading.isolated_check import isolated_report

    others = [name for name in ("bind", "init", "params", "grads", "forward", "backward") if getattr(arguments, name)]
    if len(names) != 2 or others or arguments.inputs is None:
        parser.error(
            '--isolate goes with two functions and --inputs: acg gradcheck FILE.py:f,b --inputs "3x4" --isolate'
        )
    try:
        inputs = draw_inputs(read_inputs(arguments.inputs), np.random.default_rng(arguments.seed))
    except InputsError as error:
        parser.error(f"--inputs: {error}")
    how = {"method": arguments.method, "seed": arguments.seed, "dtype": arguments.dtype}
    report, printed = isolated_report(file, (names[0], names[1]), inputs, **how)
    echo(*printed.splitlines(), file=sys.stderr)
    return report


def _read_bound(pairs: Sequence[str], parser: Parser) -> dict[str, Any]:
    """Read NAME=JSON; what is no JSON is a text."""
    bound: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip().isidentifier():
            parser.error(f"--bind {pair!r} should be a name and a value, as in mode='\"train\"'")
        try:
            bound[name.strip()] = json.loads(value)
        except ValueError:
            if not value.strip().isidentifier():
                parser.error(f"--bind {pair!r}: the value is no JSON; write texts in double quotes, and true or false")
            bound[name.strip()] = value.strip()
    return bound


def _read_target(target: str, parser: Parser) -> tuple[Path, tuple[str, ...]]:
    """Split FILE.py:NAMES; the names may be left out where they are forward and backward."""
    file, colon, names = target.rpartition(":")
    if not colon or names.endswith(".py"):
        return Path(target), ("forward", "backward")
    functions = tuple(name.strip() for name in names.split(","))
    readable = all(part.isidentifier() for name in functions for part in name.split("."))
    if not file or len(functions) > 2 or not readable:
        parser.error(
            f"{target!r} should name a file and what to check in it, "
            "as in mine.py:forward,backward, mine.py:Class or mine.py:loss"
        )
    return Path(file), functions


def _make_inputs(arguments: argparse.Namespace, learner: "Learner", parser: Parser) -> tuple[Any, ...]:
    """Make the inputs: as described on the command line, else by the file's own function."""
    import numpy as np

    from acg_numpy.checks.learner.input_specs import InputsError, draw_inputs, read_inputs
    from acg_numpy.checks.learner.loading import draw_own_inputs

    rng = np.random.default_rng(arguments.seed)
    if arguments.inputs is not None:
        try:
            return draw_inputs(read_inputs(arguments.inputs, floating=arguments.params is None), rng)
        except InputsError as error:
            parser.error(f"--inputs: {error}")
    if learner.inputs is None:
        parser.error('there are no inputs: say --inputs "3x4, 4x2", for instance, or define inputs(rng) in the file')
    return draw_own_inputs(learner, rng)


@contextmanager
def _warnings_with_lines() -> Iterator[None]:
    """Print each warning of the user's code once, with its line."""
    printed: set[str] = set()

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
        text = f"{filename}:{lineno}: {message}"
        if text not in printed:
            printed.add(text)
            echo(text, file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = show
        yield


def _check_all_passes(arguments: argparse.Namespace) -> int:
    """Check every pair of `acg_numpy.passes` and the whole conditioner."""
    from acg_numpy.checks.all_passes import check_pairs
    from acg_numpy.cli.gradcheck_output import report_as_json

    checked = [*check_pairs(method=arguments.method, seed=arguments.seed), *_check_conditioners(arguments)]
    if arguments.json:
        reports = [
            {**report_as_json(one.report), "name": one.name, "seconds": round(one.seconds, 3)} for one in checked
        ]
        echo_json({"passed": all(one.report.passed for one in checked), "checks": reports})
    else:
        echo(*_summary_lines(checked))
    return 0 if all(one.report.passed for one in checked) else 1


def _check_conditioners(arguments: argparse.Namespace) -> "Iterator[TimedCheck]":
    """Check the engine's gradient of a condition by the user and by every parameter, plain and with every option."""
    import numpy as np

    from acg_numpy import AttentionConditioner, gradcheck
    from acg_numpy.checks.all_passes import run_timed
    from acg_numpy.module import functional_call

    plain: dict[str, Any] = {}
    every_option: dict[str, Any] = {
        "dropout": 0.3,
        "num_global_tokens": 2,
        "inner_dim": 8,
        "head_dropout": 0.3,
        "output_per_domain": True,
        "residual": True,
        "layer_norm": True,
    }
    for name, options in (("AttentionConditioner", plain), ("the same, every option on", every_option)):
        model = AttentionConditioner(6, 2, 3, tokens_per_domain=4, dtype=np.float64, seed=arguments.seed, **options)
        rng = np.random.default_rng(arguments.seed)
        parameters = {key: rng.normal(size=value.shape) for key, value in model.state_dict().items()}
        drawn = model.random_state()

        def condition(user_emb: Any, domain_id: Any, *values: Any, model: Any = model, drawn: Any = drawn) -> Any:
            model.load_random_state(drawn)  # so that each call drops the same weights
            named = dict(zip(model.state_dict(), values, strict=True))
            return functional_call(model, named, user_emb, domain_id)

        inputs = (rng.normal(size=(5, 6)), np.array([0, 2, 2, 1, 0]), *parameters.values())
        options_of_check = {"method": arguments.method, "seed": arguments.seed, "raise_on_failure": False}
        names = ("user_emb", "domain_id", *parameters)
        yield run_timed(name, partial(gradcheck, condition, *inputs, names=names, **options_of_check))


def _summary_lines(checked: "list[TimedCheck]") -> Iterator[str]:
    """Yield a table, then what is worth knowing, then the whole report on each check that failed."""
    from acg_numpy.checks.report.hints import verdict
    from acg_numpy.text import text_list, text_table

    rows: list[tuple[str, ...]] = [
        ("checked", "verdict", "inputs", "elements", "wrong", "undecided", "relative error", "seconds")
    ]
    for name, report, seconds in checked:
        compared = [c for c in report.comparisons if c.analytic is not None]
        counts = [sum(c.num_right for c in compared), sum(c.num_wrong for c in compared), report.undecided]
        worst = report.worst
        rows.append(
            (
                name,
                "right" if report.passed else "WRONG",
                str(sum(verdict(c) != "held" for c in report.comparisons)),
                f"{sum(counts):,}",
                *map(str, counts[1:]),
                "" if worst is None else f"{worst.relative_error:.0e}",
                f"{seconds:.2f}",
            )
        )
    yield from text_table(rows)
    passed = sum(one.report.passed for one in checked)
    total = sum(one.seconds for one in checked)
    yield ""
    yield f"{passed} of {len(checked)} are right; {total:.1f} seconds."
    yield from text_list("Worth knowing", [f"{one.name}: {note}" for one in checked for note in one.report.notes])
    for one in checked:
        if not one.report.passed:
            yield from ("", *str(one.report).split("\n"))
