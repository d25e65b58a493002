"""Chapters of the book as cells of prose and code, from Markdown or from a notebook, without jupytext."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

CELL = re.compile(
    r"^```\{code-cell\} ipython3\n(?:---\n(?P<head>.*?)---\n)?(?::tags: \[(?P<tags>.*?)\]\n\n?)?(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
HEAD_TAGS = re.compile(r"^tags: \[(.*?)\]$", re.MULTILINE)
FOLDED_HEADING = "# A solution\n"  # which a notebook has above a folded solution, see acg_numpy/cli/notebooks.py


class Cell(NamedTuple):
    """One cell of a chapter.

    Attributes
    ----------
    code : bool
        Whether it holds Python; otherwise Markdown.
    tags : frozenset of str
        Of a cell of code: skip-execution for a part to fill in, hide-cell for a solution.
    text : str
        What it holds.
    """

    code: bool
    tags: frozenset[str]
    text: str


def chapters_folder(package: Path) -> Path:
    """Return the folder with the chapters: beside the modules of a wheel, or at the top of a source tree."""
    within = package / "tutorials"
    return within if within.is_dir() else package.parent / "tutorials"


def chapter_files(folder: Path) -> list[Path]:
    """List the files of the chapters in a folder, in the order of the book."""
    return [file for kind in ("ipynb", "md") for file in sorted(folder.glob(f"[0-9][0-9]-*.{kind}"))]


def read_cells(file: Path) -> list[Cell]:
    """Read the cells of a chapter.

    Parameters
    ----------
    file : path
        A MyST Markdown notebook, or an .ipynb file.

    Raises
    ------
    ValueError
        If it is a file of another kind.
    """
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return _markdown_cells(text)
    try:
        return [_notebook_cell(cell) for cell in json.loads(text)["cells"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is not a notebook ({type(error).__name__}: {error})") from None


def _markdown_cells(text: str) -> list[Cell]:
    cells, end = [], 0
    for found in CELL.finditer(text):
        cells.append(Cell(False, frozenset(), text[end : found.start()]))
        head = HEAD_TAGS.search(found["head"] or "")
        tags = found["tags"] or (head[1] if head else "")
        cells.append(Cell(True, frozenset(re.findall(r"[\w-]+", tags)), found["code"]))
        end = found.end()
    return [*cells, Cell(False, frozenset(), text[end:])]


def _notebook_cell(cell: dict[str, Any]) -> Cell:
    text = "".join(cell["source"]).removeprefix(FOLDED_HEADING)
    return Cell(cell["cell_type"] == "code", frozenset(cell["metadata"].get("tags", ())), text + "\n")
