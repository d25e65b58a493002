"""`acg handout`: an exercise for a class, to write a backward pass, with inputs that reveal every classic mistake."""

import argparse
import sys
from pathlib import Path

from acg_numpy.cli.options import Parser, Subcommands, whole_number
from acg_numpy.cli.output_files import differing_files, refuse, write_files
from acg_numpy.cli.printing import echo
from acg_numpy.text import did_you_mean, joined, paragraph

DESCRIPTION = """\
Make a hand-out for a class: a pass of this package with its derivation, a backward without a body, and
everything that is needed to check it.

examples:
  acg handout softmax --to softmax                   a folder to hand out; begin with its README.md
  acg handout linear --to linear --seed 3            other numbers than last year's class had
  acg handout layer_norm --to norm --solution        with the answer, and all mistakes that are revealed
  cd softmax && pytest                               what a student does: a test for each gradient
  cd softmax && python grade.py --json out.json      what an autograder does: a point for each gradient
"""

PASSES = """\
DIR gets PASS.py with the derivation, the forward and an empty backward; PASS_inputs.py with the inputs, found such that
the right backward passes with no blind spot and each classic mistake fails and is named; test_PASS.py for pytest;
grade.py; and README.md for student and teacher.  All of it is made from the package's own source.

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
        usage="acg handout PASS --to DIR [options]",
        description=DESCRIPTION,
    )
    parser.make_epilog = _help_epilog
    parser.set_defaults(parser=parser)
    parser.add_argument("name", metavar="PASS", help="the pass whose backward is to be written")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder for the hand-out")
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="seed of the inputs")
    parser.add_argument("--solution", action="store_true", help="add the answer, and the mistakes that are revealed")
    parser.add_argument("--force", action="store_true", help="replace files in DIR that differ")


def run(arguments: argparse.Namespace) -> int:
    """Make and write the hand-out, and print what to do with it."""
    from acg_numpy.cli.handouts.student_file import pass_names

    parser: Parser = arguments.parser
    name: str = arguments.name.removesuffix("_backward").removesuffix("_forward")
    known = pass_names()
    if name not in known:
        parser.error(f"there is no pass {name!r}; known are {joined(known)}{did_you_mean(name, known, head='; ')}")

    from acg_numpy.cli.handouts.files import handout_files
    from acg_numpy.cli.handouts.revealing_inputs import NoInputsError

    if sys.stderr.isatty():
        echo("trying inputs on every known mistake; this takes some seconds", file=sys.stderr)
    try:
        files = handout_files(name, seed=arguments.seed, solution=arguments.solution)
    except NoInputsError as error:
        return refuse(f"{error}; try another --seed")
    others = differing_files(arguments.to, files)
    if others and not arguments.force:
        return refuse(f"{arguments.to} holds other files called {joined(others)}; --force replaces them")
    write_files(arguments.to, files)
    echo(*(arguments.to / file for file in files), "")
    echo(f"To try it as a student would, write {name}_backward in {name}.py, and run pytest in that folder.")
    return 0
