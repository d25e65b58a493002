"""`acg handout`: an exercise for a class, to write a backward pass, with inputs that reveal every classic mistake."""

import argparse
import sys
from pathlib import Path

from acg_numpy.cli.handouts.install_line import install_command
from acg_numpy.cli.options import Parser, Subcommands, whole_number
from acg_numpy.cli.output_files import differing_files, refuse, write_files
from acg_numpy.cli.printing import echo
from acg_numpy.text import did_you_mean, joined, paragraph

DESCRIPTION = """\
Make a hand-out for a class: a pass of this package with its derivation, or a pair of your own; a backward without a
body; and everything that is needed to check it.

examples:
  acg handout softmax --to softmax                   a folder to hand out; begin with its README.md
  acg handout linear --to linear --seed 3            other numbers than last year's class had
  acg handout layer_norm --to norm --solution        with the answer, and all mistakes that are revealed
  acg handout softmax --to exam --derivation question      which gradients to derive, and not how
  acg handout mine.py:forward,backward --inputs "3x4, 4x2" --to mine      of a pair of your own
  cd softmax && pytest                               what a student does: a test for each gradient
  cd softmax && python grade.py --json out.json      what an autograder does: a point for each gradient
"""

PASSES = """\
DIR gets PASS.py with the derivation, the forward and an empty backward; PASS_inputs.py with the inputs, found such that
the right backward passes with no blind spot and each classic mistake fails and is named; test_PASS.py for pytest;
grade.py; handout.json, which acg grade reads; and README.md for student and teacher.  All of it is made from the
package's own source, or from your file.  TEXT of --inputs is that of acg gradcheck; each one makes a case.

{passes}

exit codes: 0, written; 1, not written, with the reason; 2, wrong usage; 130, interrupted.
"""


def _help_epilog() -> str:
    """Make the end of the help, which lists the passes."""
    from acg_numpy.cli.handouts.student_file import pass_names

    return PASSES.format(passes=paragraph(f"PASS is one of {joined(pass_names(), 'or')}."))


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "handout",
        help="make an exercise for a class: a backward pass to write",
        usage="acg handout PASS | FILE.py:FORWARD,BACKWARD --inputs TEXT --to DIR [options]",
        description=DESCRIPTION,
    )
    parser.make_epilog = _help_epilog
    parser.add_argument("name", metavar="PASS", help="the pass whose backward is to be written, or your own file")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder for the hand-out")
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="seed of the inputs")
    parser.add_argument("--solution", action="store_true", help="add the answer, and the mistakes that are revealed")
    parser.add_argument(
        "--derivation",
        choices=("none", "question", "full"),
        default="full",
        help="how much of it is given: none, which gradients to derive, all",
    )
    parser.add_argument(
        "--install", default="", metavar="TEXT", help="what students install for the tests: a wheel or an address"
    )
    parser.add_argument(
        "--inputs", action="append", metavar="TEXT", help="inputs of your own pair; may be given several times"
    )
    parser.add_argument("--force", action="store_true", help="replace files in DIR that differ")


def run(arguments: argparse.Namespace) -> int:
    """Make and write the hand-out, and print what to do with it."""
    parser: Parser = arguments.parser
    if ".py" in arguments.name:
        return _run_own(arguments, parser)
    if arguments.inputs is not None:
        parser.error(
            "--inputs goes with a file of your own: acg handout FILE.py:FORWARD,BACKWARD --inputs TEXT --to DIR"
        )
    from acg_numpy.cli.handouts.student_file import pass_names

    name: str = arguments.name.removesuffix("_backward").removesuffix("_forward")
    known = pass_names()
    if name not in known:
        parser.error(f"there is no pass {name!r}; known are {joined(known)}{did_you_mean(name, known, head='; ')}")

    from acg_numpy.cli.handouts.files import handout_files
    from acg_numpy.cli.handouts.revealing_inputs import NoInputsError

    if sys.stderr.isatty():
        echo("trying inputs on every known mistake; this takes some seconds", file=sys.stderr)
    how = {"derivation": arguments.derivation, "install": arguments.install}
    try:
        files = handout_files(name, seed=arguments.seed, solution=arguments.solution, **how)
    except NoInputsError as error:
        return refuse(f"{error}; try another --seed")
    return _write(arguments, files, name, f"{name}_backward")


def _run_own(arguments: argparse.Namespace, parser: Parser) -> int:
    """Make the hand-out of a pair of the teacher's own, and see that its own backward gets all points."""
    file, functions = _read_target(arguments.name, parser)
    if not arguments.inputs:
        parser.error('a pair of your own needs inputs: --inputs "3x4, 4x2", for instance')
    if arguments.derivation != parser.get_default("derivation"):
        parser.error(
            "--derivation goes with a pass of this package: in a file of your own, write what you want to give"
        )

    from acg_numpy.checks.learner.errors import LearnerError
    from acg_numpy.checks.learner.input_specs import InputsError
    from acg_numpy.cli.grading.child_process import ChildStartError, Limits
    from acg_numpy.cli.grading.graded_exercise import task_exercise
    from acg_numpy.cli.grading.judge import judge_file
    from acg_numpy.cli.handouts.files import own_handout_files
    from acg_numpy.cli.handouts.own_pair import own_pair

    try:
        pair = own_pair(file, functions, arguments.inputs, arguments.seed)
        files = own_handout_files(pair, solution=arguments.solution, install=arguments.install)
        found = judge_file(task_exercise(pair.task, file), file.name, pair.solved, Limits(seconds=60.0))
    except InputsError as error:
        parser.error(f"--inputs: {error}")
    except (LearnerError, ChildStartError) as error:
        echo(*str(error).split("\n"), file=sys.stderr)
        return 1
    if not found["passed"]:
        lines = [line for case in found["cases"] for line in case["all_lines"]]
        echo(*lines, file=sys.stderr)
        return refuse(f"{file}: graded as a student's file it gets {found['points']} of {found['out_of']} points")
    for spot in pair.blind_spots:
        echo(f"acg: a mistake that would pass at these inputs: {spot}", file=sys.stderr)
    return _write(arguments, files, pair.task.name, functions[1])


def _read_target(target: str, parser: Parser) -> tuple[Path, tuple[str, str]]:
    """Split FILE.py:FORWARD,BACKWARD."""
    file, colon, names = target.rpartition(":")
    functions = [name.strip() for name in names.split(",")]
    if not colon or len(functions) != 2 or not all(map(str.isidentifier, functions)):
        parser.error(f"{target!r} should name a file and its two functions, as in mine.py:forward,backward")
    path = Path(file)
    if not path.stem.isidentifier() or path.suffix != ".py":
        parser.error(f"{file!r}: tests import it by its name, so that should be letters, digits and _, as in mine.py")
    return path, (functions[0], functions[1])


def _write(arguments: argparse.Namespace, files: dict[str, str], name: str, backward: str) -> int:
    """Write the files, unless others are in their place."""
    others = differing_files(arguments.to, files)
    if others and not arguments.force:
        return refuse(f"{arguments.to} holds other files called {joined(others)}; --force replaces them")
    write_files(arguments.to, files)
    echo(*(arguments.to / file for file in files), "")
    echo(f"To try it as a student would, write {backward} in {name}.py, and run pytest in that folder.")
    echo(f"To grade a class:  acg grade {arguments.to} SUBMISSIONS --out grades")
    if not install_command(arguments.install):
        echo("README.md has no line that installs acg_numpy; --install TEXT writes one, of a wheel or an address")
    return 0
