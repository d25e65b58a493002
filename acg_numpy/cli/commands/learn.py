"""`acg learn`: the exercises of the book one after another, checked whenever a file is saved."""

import argparse
from pathlib import Path

from acg_numpy.cli.options import Parser, Subcommands, whole_number
from acg_numpy.cli.output_files import refuse
from acg_numpy.cli.printing import echo, echo_json

DESCRIPTION = """\
Practise: every exercise of the book with short ones between, and every pass of the package, as files to fill in.

examples:
  acg learn practice                 lay the files out, and begin; the same command goes on where you were
  acg learn practice --from 7        begin at chapter 7
  acg learn practice --once          check all files that were changed, and print a table
  acg learn practice --once --json   the same for a program
"""

NOTES = """\
The exercise at hand is checked in a process of its own whenever its file is saved. Right: it moves on. Wrong: it says
what fails. Keys: h, a hint (up to three levels, the last names the mistake); s, the solution, after three tries that
differ; n, the next exercise; l, the list; r, the file as it was handed out (what stood there is kept beside it); q, the
end.  Where standard input is not a terminal, or with --plain, a key is a line.

DIR/.acg-learn.json keeps what is solved, by the names of exercises; killing the command loses nothing.  Files that are
there are never replaced.  It runs without SciPy, Hypothesis and Matplotlib: exercises that need one say so.  The
table is not for marks, because answers can be looked up.

exit codes: 0, done, and with --once nothing is wrong; 1, not done, or with --once something is wrong; 2, wrong usage;
130, interrupted.
"""

PACKAGE = Path(__file__).parents[2]


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "learn",
        help="practise: exercises as files, checked at every save",
        usage="acg learn DIR [--from CHAPTER] [--plain] [--once [--json]]",
        description=DESCRIPTION,
        epilog=NOTES,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder for the files, made if it is not there")
    parser.add_argument("--from", dest="start", type=whole_number(1), metavar="CHAPTER", help="the chapter to begin at")
    parser.add_argument("--plain", action="store_true", help="lines of text alone, for screen readers")
    parser.add_argument("--once", action="store_true", help="check all files once, and print a table")
    parser.add_argument("--json", action="store_true", help="with --once: print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Lay out the files, and practise or check them all."""
    from acg_numpy.cli.exercises.book import chapters_folder
    from acg_numpy.cli.exercises.practice_folder import PracticeFolder, verdict_table, verdicts_as_json
    from acg_numpy.cli.exercises.worker import every_exercise

    parser: Parser = arguments.parser
    if arguments.json and not arguments.once:
        parser.error("--json is for --once")
    chapters = chapters_folder(PACKAGE)
    exercises = every_exercise(chapters)
    if exercises[0].chapter != 1:
        return refuse(f"there are no chapters in {chapters}: this copy of acg_numpy was not made from a complete tree")
    last = exercises[-1].chapter
    if arguments.start is not None and arguments.start > last:
        parser.error(f"there is no chapter {arguments.start}; they go from 1 to {last}, which is every pass")
    if arguments.folder.exists() and not arguments.folder.is_dir():
        return refuse(f"{arguments.folder} is a file: give the name of a folder")
    folder = PracticeFolder(arguments.folder, chapters, exercises)
    if arguments.once:
        verdicts = folder.check_all()
        if arguments.json:
            echo_json(verdicts_as_json(exercises, verdicts))
        else:
            echo(*verdict_table(exercises, verdicts))
        return int(any(verdict.status == "wrong" for verdict in verdicts))

    from acg_numpy.cli.exercises.keyboard import Events, single_keys
    from acg_numpy.cli.exercises.practice import Practice

    practice = Practice(folder, arguments.start, plain=arguments.plain)
    try:
        with single_keys(not arguments.plain) as single:
            practice.run(Events(folder.folder, lambda: folder.file(practice.current), single=single))
    except KeyboardInterrupt:  # handled here, because what handles it for training needs SciPy
        echo("", "What is done is kept. To go on, give the same command.")
        return 130
    return 0
