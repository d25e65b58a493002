"""`acg handout`: a backward pass to write, for a class, with inputs at which every classic mistake shows."""

import argparse
import sys
from pathlib import Path

from acg_numpy.cli.options import Parser, Subcommands, whole
from acg_numpy.cli.output_files import changed, place, refused
from acg_numpy.text import did_you_mean, paragraph

DESCRIPTION = """\
Make a hand-out for a class: a pass of this package with its derivation, the body of its backward left to be written,
and everything that tells whether it is right.

examples:
  acg handout softmax --to softmax                   a folder to hand out; begin with its README.md
  acg handout linear --to linear --seed 3            other numbers than last year's class had
  acg handout layer_norm --to norm --solution        with the answer, and all mistakes that show
  cd softmax && pytest                               what a student does: a test for each gradient
  cd softmax && python grade.py --json out.json      what an autograder does: a point for each gradient
"""

PASSES = """\
DIR gets PASS.py with the derivation, the forward and an empty backward; PASS_inputs.py with the inputs, found such that
the right backward passes with no blind spot and each classic mistake fails and is named; test_PASS.py for pytest;
grade.py; and README.md for student and teacher.  All of it is made from the package's own source.

{passes}

exit codes: 0, written; 1, not written, and why is said; 2, wrong usage; 130, interrupted.
"""


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "handout",
        help="make a backward pass to write, for a class",
        usage="acg handout PASS --to DIR [options]",
        description=DESCRIPTION,
        epilog=PASSES.format(passes=paragraph(f"PASS is one of {_listed()}.")),
    )
    parser.set_defaults(parser=parser)
    parser.add_argument("name", metavar="PASS", help="the pass whose backward is to be written")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder for the hand-out")
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="draws the inputs")
    parser.add_argument("--solution", action="store_true", help="add the answer, and the mistakes that show")
    parser.add_argument("--force", action="store_true", help="replace files in DIR that are otherwise")


def run(arguments: argparse.Namespace) -> int:
    """Make, write, and say what to do with it."""
    from acg_numpy.checks.all_passes import names_of_pairs

    parser: Parser = arguments.parser
    name: str = arguments.name.removesuffix("_backward").removesuffix("_forward")
    if name not in names_of_pairs():
        parser.error(f"there is no pass {name!r} among {_listed()}{did_you_mean(name, names_of_pairs(), head='; ')}")

    from acg_numpy.cli.handouts.files import files_of
    from acg_numpy.cli.handouts.revealing_inputs import NoInputsError

    if sys.stderr.isatty():
        print("trying inputs on every known mistake; this takes some seconds", file=sys.stderr)
    try:
        files = files_of(name, seed=arguments.seed, solution=arguments.solution)
    except NoInputsError as error:
        return refused(f"{error}; try another --seed")
    others = changed(arguments.to, files)
    if others and not arguments.force:
        return refused(f"{arguments.to} holds other files called {', '.join(others)}; --force replaces them")
    place(arguments.to, files)
    print("\n".join(str(arguments.to / file) for file in files))
    print()
    print(
        paragraph(f"To try it as a student would, write {name}_backward in {name}.py, and run pytest in that folder.")
    )
    return 0


def _listed() -> str:
    from acg_numpy.checks.all_passes import names_of_pairs

    return ", ".join(names_of_pairs())
