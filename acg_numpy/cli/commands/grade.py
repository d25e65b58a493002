"""`acg grade`: points for a class, by a parent that judges and children that only answer."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from acg_numpy.cli.options import Parser, Subcommands, seconds_of_a_day, whole_number
from acg_numpy.cli.output_files import refuse
from acg_numpy.cli.printing import echo
from acg_numpy.text import counted, first_few, text_table

if TYPE_CHECKING:
    from acg_numpy.cli.grading.class_grading import ClassGrades
    from acg_numpy.cli.grading.class_record import Graded

DESCRIPTION = """\
Grade what a class has handed in.  Each file answers forward and backward in a process of its own, which has NumPy and
nothing else; this process compares the answers with numeric derivatives of the forward that was handed out, at inputs
drawn afresh.

examples:
  acg grade sheets/softmax submissions/ --out grades            a folder, or a zip from Canvas or Moodle
  acg grade sheets/softmax submissions.zip --out grades --roster roster.csv --hints 0
  acg grade sheets/softmax submissions/ --out grades --only ann      one student again, and what changed
"""

FILES = """\
DIR gets grades.csv (a row for each student, a column for each gradient and case, and those of the roster), class.html
for the teacher, students/NAME.html for each student, students/NAME.results.json for Gradescope, and reports/ with all
that is known.  Files that were graded before with the same hand-out and options are not run again.

A file is run with your rights, as far as this system cannot hold it: docs/teaching.md says what is prevented, what is
detected and what is not.

exit codes: 0, graded; 1, not graded, with the reason; 2, wrong usage; 130, interrupted: the same command goes on.
"""


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "grade",
        help="grade what a class has handed in",
        usage="acg grade HANDOUT SUBMISSIONS --out DIR [options]",
        description=DESCRIPTION,
        epilog=FILES,
    )
    parser.add_argument("handout", type=Path, metavar="HANDOUT", help="the folder that acg handout made")
    parser.add_argument("submissions", type=Path, metavar="SUBMISSIONS", help="a folder or a zip, by student")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the grades")
    parser.add_argument(
        "--seed", type=whole_number(0), metavar="N", help="seed of the inputs (default: drawn once, and kept in DIR)"
    )
    parser.add_argument("--roster", type=Path, metavar="FILE.csv", help="the class: who is missing, columns to keep")
    parser.add_argument(
        "--only", metavar="STUDENT", help="grade one student again, by name or id, and print what changed"
    )
    parser.add_argument(
        "--hints",
        type=int,
        choices=(0, 1, 2),
        default=1,
        help="what students read: 0, right or wrong; 1, a hint as well; 2, everything",
    )
    parser.add_argument(
        "--isolate",
        choices=("process", "bwrap", "none"),
        default="process",
        help="how a file is confined: by limits of this system; by Bubblewrap as well; by time only",
    )
    parser.add_argument("--seconds", type=seconds_of_a_day(), default=10.0, metavar="N", help="time limit of a file")
    parser.add_argument(
        "--jobs",
        type=whole_number(1),
        metavar="N",
        help="files at the same time (default: one for each processor)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Grade, and print what came out."""
    from acg_numpy.cli.grading.child_process import ChildStartError
    from acg_numpy.cli.grading.class_grading import Options, grade_class
    from acg_numpy.cli.grading.graded_exercise import HandoutError
    from acg_numpy.cli.grading.roster import RosterError
    from acg_numpy.cli.grading.submissions import SubmissionError

    parser: Parser = arguments.parser
    if arguments.out.exists() and not arguments.out.is_dir():
        parser.error(f"--out {arguments.out}: it is a file; give the name of a folder")
    options = Options(
        seed=arguments.seed,
        roster=arguments.roster,
        only=arguments.only,
        hints=arguments.hints,
        isolate=arguments.isolate,
        seconds=arguments.seconds,
        jobs=arguments.jobs or os.cpu_count() or 1,
    )
    try:
        grades = grade_class(arguments.handout, arguments.submissions, arguments.out, options, _show_progress)
    except (ChildStartError, HandoutError, RosterError, SubmissionError) as error:
        return refuse(str(error))
    echo(*_summary_lines(grades, arguments.out))
    return 0


def _show_progress(done: int, number: int, graded: "Graded") -> None:
    """Print who was graded, on a terminal."""
    if sys.stderr.isatty():
        result = graded.result
        points = f"{result['points']} of {result['out_of']} points"
        echo(f"{done} of {number}: {graded.submission.student}, {points}", file=sys.stderr)


def _summary_lines(grades: "ClassGrades", out: Path) -> list[str]:
    """Write what came out, in a few lines."""
    graded = grades.graded
    passed = sum(bool(one.result["passed"]) for one in graded)
    lines = [f"{counted(len(graded), 'submission')}, {passed} with all points; inputs by seed {grades.seed}"]
    if grades.recognised:
        lines.append(f"{grades.recognised} of them not run again: they were graded before")
    rows = [(mistake, str(number)) for mistake, number in grades.mistakes.most_common(10)]
    if rows:
        lines += ["", *text_table([("mistake", "students"), *rows])]
    if grades.missing:
        lines += ["", f"missing: {first_few(grades.missing)}"]
    if grades.changed:
        lines += ["", *grades.changed]
    if grades.outdated:
        lines += ["", f"not graded now, though new or changed: {first_few(grades.outdated)}; without --only they are"]
    fix = f"to leave someone out, remove their file in {out / 'reports'}"
    if grades.kept:
        lines += ["", f"kept from before, without a file among these submissions: {first_few(grades.kept)}; {fix}"]
    if grades.apart:
        head = "not in the table, because they were graded before by other options and have no file here"
        lines += ["", f"{head}: {first_few(grades.apart)}; {fix}"]
    looks = [one.submission.student for one in graded if one.result["looks"]]
    if looks:
        lines += ["", f"read the files of {first_few(looks)}: class.html says why"]
    return [*lines, "", *(str(out / name) for name in ("grades.csv", "class.html", "students"))]
