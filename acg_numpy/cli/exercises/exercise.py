"""Exercises of the book, read out of its chapters: the task, the part to fill in, the check and a solution.

An exercise stands under its own heading, `### Exercise 4.1: a scale and a shift`.  Cells with code that it gives come
first; then a cell with the tag skip-execution, whose last `...` ends the part to fill in, and whose rest is the check;
then a folded cell with a solution, and words to read when it is done.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from acg_numpy.cli.exercises.book import Cell, chapter_files, read_cells
from acg_numpy.cli.exercises.setup_slice import Statement, required_source, statements

HEADING = re.compile(r"^### Exercise (\d+)\.(\d+): (.+)$", re.MULTILINE)
TITLE = re.compile(r"^# (?:\d+\. )?(.+)$", re.MULTILINE)


class Exercise(NamedTuple):
    """An exercise of the book.

    Attributes
    ----------
    chapter, number : int
        4 and 1 of exercise 4.1; number 0 for a short one.
    part : str
        The title of its chapter.
    title : str
        Its own.
    task : str
        What to do, in Markdown.
    before : tuple of Statement
        The chapter before it.
    given : str
        What it gives beside that.
    shown : str
        The part of it that is not folded away.
    blank : str
        The part to fill in, as it is handed out.
    check : str
        What is run after it: an exercise is solved if this raises nothing.
    solution : str
        An answer.
    afterword : str
        What to read when it is solved, in Markdown.
    letter : str
        "a" of the short exercise 4a; empty for one of the book.
    """

    chapter: int
    number: int
    part: str
    title: str
    task: str
    before: tuple[Statement, ...]
    given: str
    shown: str
    blank: str
    check: str
    solution: str
    afterword: str
    letter: str = ""

    @property
    def name(self) -> str:
        """The name that is stable when chapters move: the first name that the answer binds."""
        return next(name for statement in statements(self.blank) for name in sorted(statement.changes))

    @property
    def label(self) -> str:
        """Chapter and number, "4.1", or chapter and letter, "4a"."""
        return f"{self.chapter}{self.letter}" if self.letter else f"{self.chapter}.{self.number}"

    @property
    def imports(self) -> str:
        """The imports that blank and solution use, for the head of a file."""
        used = frozenset[str]().union(*(s.uses for s in statements(f"{self.blank}\n{self.solution}")))
        known = [*self.before, *statements(self.given)]
        sources = (s.source for s in known if s.source.startswith(("import ", "from ")) and s.binds & used)
        return "\n".join(dict.fromkeys(sources))

    def setup(self, answer: str = "") -> str:
        """Return what exercise and answer need of the chapter before it, Python."""
        return required_source(self.before, "\n".join([self.given, self.blank, self.solution, self.check]), answer)


def read_exercises(folder: Path) -> list[Exercise]:
    """Read the exercises of all chapters in a folder, in the order of the book."""
    return [exercise for file in chapter_files(folder) for exercise in chapter_exercises(file)]


def chapter_exercises(file: Path) -> list[Exercise]:
    """Read the exercises of one chapter.

    Parameters
    ----------
    file : path
        A chapter, as Markdown or as a notebook, which may be filled in.
    """
    cells = read_cells(file)
    title = next((found[1] for cell in cells if not cell.code and (found := TITLE.search(cell.text))), file.stem)
    before: list[Statement] = []
    exercises = []
    for heading, own in _sections(cells):
        if heading is None:
            before += [s for cell in own if cell.code for s in statements(_without_magics(cell.text))]
            continue
        exercise = _exercise(heading, title, own, before)
        exercises.append(exercise)
        before += statements(exercise.given)
    return exercises


def exercise_cells(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Return the cells of code under the heading of each exercise, by its label."""
    return {
        f"{heading[1]}.{heading[2]}": [
            cell._replace(text=_without_magics(cell.text)) for cell in own if cell.code and cell.text.strip()
        ]
        for heading, own in _sections(cells)
        if heading is not None
    }


def _sections(cells: Sequence[Cell]) -> Iterator[tuple[re.Match[str] | None, list[Cell]]]:
    """Cut a chapter at the headings of its exercises."""
    heading: re.Match[str] | None = None
    own: list[Cell] = []
    for cell in cells:
        end = 0
        if not cell.code:
            for found in HEADING.finditer(cell.text):
                yield heading, [*own, cell._replace(text=cell.text[end : found.start()])]
                heading, own, end = found, [], found.end()
        own.append(cell._replace(text=cell.text[end:]))
    yield heading, own


def _exercise(heading: re.Match[str], part: str, cells: Sequence[Cell], before: Sequence[Statement]) -> Exercise:
    code = [cell for cell in cells if cell.code]
    givens = [cell for cell in code if not cell.tags & {"skip-execution", "hide-cell"}]
    given = "\n".join(cell.text for cell in givens)
    shown = "\n".join(cell.text for cell in givens if "hide-input" not in cell.tags)
    stub = next(cell.text for cell in code if "skip-execution" in cell.tags)
    solved = next(cell.text for cell in code if "hide-cell" in cell.tags)
    blank, check = split_answer(stub)
    solution, _ = split_answer(solved, check)
    first = next(i for i, cell in enumerate(cells) if cell.code and "skip-execution" in cell.tags)
    last = max(i for i, cell in enumerate(cells) if cell.code)
    task, afterword = ("\n".join(c.text.strip() for c in some if not c.code) for some in (cells[:first], cells[last:]))
    afterword = re.split(r"^## ", afterword, maxsplit=1, flags=re.MULTILINE)[0]
    return Exercise(
        int(heading[1]), int(heading[2]), part, heading[3], task.strip(), tuple(before), given, shown, blank, check,
        solution, afterword.strip(),
    )  # fmt: skip


def split_answer(cell: str, check: str = "") -> tuple[str, str]:
    r"""Split a cell into the answer and its check.

    Parameters
    ----------
    cell : str
        What is handed out, or an answer.
    check : str
        That of the exercise.  Without it the answer ends where the last `...` stands.

    Returns
    -------
    answer, check : str

    Examples
    --------
    >>> split_answer("def f(x):\n    ...\n\n\ncheck_f(f)\n")
    ('def f(x):\n    ...\n', 'check_f(f)\n')
    >>> split_answer("def f(x):\n    return x\n\n\ncheck_f(f)\nprint(1)\n", check="check_f(f)\n")
    ('def f(x):\n    return x\n', 'check_f(f)\nprint(1)\n')
    """
    body = ast.parse(cell).body
    if check:
        begin = ast.dump(ast.parse(check).body[0])
        end = next((i for i, node in enumerate(body) if ast.dump(node) == begin), len(body))
    else:
        blanks = [i for i, node in enumerate(body) if _has_blank(node)]
        end = blanks[-1] + 1 if blanks else len(body)
    if end == len(body):
        return cell.rstrip("\n") + "\n", ""
    node = body[end]
    line = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
    lines = cell.splitlines()
    return "\n".join(lines[: line - 1]).rstrip("\n") + "\n", "\n".join(lines[line - 1 :]).rstrip("\n") + "\n"


def _has_blank(node: ast.stmt) -> bool:
    """Return whether there is a `...` that stands for something to write, and not for axes in an index."""
    inside = {
        id(part) for found in ast.walk(node) if isinstance(found, ast.Subscript) for part in ast.walk(found.slice)
    }
    return any(isinstance(n, ast.Constant) and n.value is ... and id(n) not in inside for n in ast.walk(node))


def _without_magics(code: str) -> str:
    return re.sub(r"^%.*$", "", code, flags=re.MULTILINE)
