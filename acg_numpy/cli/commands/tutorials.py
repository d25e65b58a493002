"""`acg tutorials`: the chapters of the book as Jupyter notebooks, from the installed package alone."""

import argparse
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from acg_numpy.cli.exercises.book import chapter_files, chapters_folder
from acg_numpy.cli.handouts.install_line import install_command
from acg_numpy.cli.notebooks import to_notebook
from acg_numpy.cli.options import Parser, Subcommands, whole_number
from acg_numpy.cli.output_files import differing_files, refuse, write_files
from acg_numpy.cli.printing import echo, echo_json
from acg_numpy.text import text_table

DESCRIPTION = """\
Write the chapters of the book as Jupyter notebooks, which you can run and work in.

examples:
  acg tutorials                          which chapters there are, and how long they take
  acg tutorials --to book                all of them
  acg tutorials 5 6 7 8 --to book        the core
  acg tutorials --to book --install acg_numpy-0.1.0-py3-none-any.whl     with a first cell that installs it
  acg tutorials --check book             which exercises in these notebooks are right
"""

NOTES = """\
Exercises have a cell to fill in and a folded solution.  What you have worked on in DIR is left alone: a chapter that is
there and differs is replaced with --force only.  The whole book with --to includes simple_usage.py, a script.

--check reads what is filled in in the notebooks of DIR, checks each exercise in a process of its own, by the check of
the installed book, and prints a table; with --json, for a program.  Like that of acg learn, the table is not for marks.

exit codes: 0, written, or nothing is wrong; 1, not written, with the reason, or something is wrong; 2, wrong usage;
130, interrupted.
"""

PACKAGE = Path(__file__).parents[2]
HEADING = re.compile(r"^# (?:\d+\. )?(.+)$", re.MULTILINE)
TIME = re.compile(r"^\*([^*\n]*minutes[^*\n]*)\*$", re.MULTILINE)


class _Chapter(NamedTuple):
    """A chapter in its file: a notebook in a wheel, Markdown in a source tree."""

    file: Path

    @property
    def number(self) -> int:
        """The number in the name of the file, 06-softmax.md."""
        return int(self.file.name[:2])

    @property
    def target(self) -> str:
        """The name of the notebook."""
        return f"{self.file.stem}.ipynb"

    def notebook(self) -> str:
        """Return the text of the notebook."""
        text = self.file.read_text(encoding="utf-8")
        return text if self.file.suffix == ".ipynb" else to_notebook(text)

    def row(self) -> tuple[str, str, str]:
        """Return number, title, and how long it takes, as the chapter itself says."""
        text = self.file.read_text(encoding="utf-8")
        if self.file.suffix == ".ipynb":
            text = "".join(json.loads(text)["cells"][0]["source"])
        heading, time = HEADING.search(text), TIME.search(text)
        return str(self.number), heading[1] if heading else self.file.stem, time[1] if time else ""


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "tutorials",
        help="write the chapters of the book as notebooks",
        usage="acg tutorials [CHAPTER ...] [--to DIR [--install TEXT] [--force] | --check DIR [--json]]",
        description=DESCRIPTION,
        epilog=NOTES,
    )
    parser.add_argument(
        "chapters", nargs="*", type=whole_number(1), metavar="CHAPTER", help="chapter numbers (default: all)"
    )
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help="folder for the notebooks; without it the chapters are listed"
    )
    parser.add_argument(
        "--install",
        metavar="TEXT",
        help="with --to: begin each notebook with a cell that installs a wheel or an address",
    )
    parser.add_argument("--force", action="store_true", help="replace notebooks in DIR that differ")
    parser.add_argument("--check", type=Path, metavar="DIR", help="check the exercises of the notebooks in DIR")
    parser.add_argument("--json", action="store_true", help="with --check: print JSON")


def run(arguments: argparse.Namespace) -> int:
    """List or write the chapters, and print how to go on."""
    parser: Parser = arguments.parser
    folder = chapters_folder(PACKAGE)
    chapters = [_Chapter(file) for file in chapter_files(folder)]
    if not chapters:
        return refuse(
            f"there are no chapters in {folder}: this copy of acg_numpy was not made from a complete source tree"
        )
    numbers = [chapter.number for chapter in chapters]
    for number in arguments.chapters:
        if number not in numbers:
            parser.error(f"there is no chapter {number}; they go from {numbers[0]} to {numbers[-1]}")
    chosen = [chapter for chapter in chapters if not arguments.chapters or chapter.number in arguments.chapters]
    if arguments.install is not None and arguments.to is None:
        parser.error("--install is for --to")
    if arguments.check is not None:
        if arguments.to is not None:
            parser.error("--to writes and --check reads: give one of them")
        return _check(folder, arguments.check, [chapter.file for chapter in chosen], as_json=arguments.json)
    if arguments.json:
        parser.error("--json is for --check")
    if arguments.to is None:
        echo(*text_table([("chapter", "title", "time"), *(chapter.row() for chapter in chosen)], longest=None))
        echo("", "acg tutorials --to DIR writes them as notebooks.")
        return 0
    if chosen[0].file.suffix == ".md" and find_spec("jupytext") is None:
        return refuse("in a source tree the chapters are Markdown, which jupytext converts: pip install jupytext")
    scripts = [] if arguments.chapters else sorted(folder.glob("*.py"))
    echo(*_write(arguments.to, chosen, scripts, install=arguments.install or "", force=arguments.force))
    return 0


def _check(folder: Path, filled: Path, chapters: Sequence[Path], *, as_json: bool) -> int:
    """Check the notebooks of a folder, print what came of it, and return the exit code."""
    from acg_numpy.cli.exercises.filled_notebooks import check_notebooks
    from acg_numpy.cli.exercises.practice_folder import verdict_table, verdicts_as_json

    try:
        found = check_notebooks(folder, filled, chapters)
    except ValueError as error:
        return refuse(str(error))
    if not found:
        return refuse(f"{filled} holds none of these notebooks: acg tutorials --to {filled} writes them")
    exercises, verdicts = zip(*found, strict=True)
    if as_json:
        echo_json(verdicts_as_json(exercises, verdicts))
    else:
        echo(*verdict_table(exercises, verdicts))
    return int(any(verdict.status == "wrong" for verdict in verdicts))


def _write(
    folder: Path, chapters: Sequence[_Chapter], scripts: Sequence[Path], *, install: str, force: bool
) -> Iterator[str]:
    """Write what is not there, leave what has been worked on, and yield a line on each file."""
    files = {chapter.target: _with_install_cell(chapter.notebook(), install) for chapter in chapters}
    files |= {script.name: script.read_text(encoding="utf-8") for script in scripts}
    worked_on = [] if force else differing_files(folder, files)
    write_files(folder, {name: text for name, text in files.items() if name not in worked_on})
    for name in files:
        yield f"{folder / name}{'  (left as it is: it differs; --force replaces it)' if name in worked_on else ''}"
    yield ""
    yield "To read and run them:"
    yield "  pip install jupyterlab hypothesis"
    yield f"  jupyter lab {shlex.quote(str(folder))}"


def _with_install_cell(notebook: str, install: str) -> str:
    """Begin a notebook with a cell that installs this package, if it is said from where."""
    if not install:
        return notebook
    command = install_command(install)
    found = json.loads(notebook)
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "install",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
    }
    found["cells"].insert(0, {**cell, "source": [f"{'%' if command.startswith('pip ') else '!'}{command}"]})
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"
