"""`acg tutorials` writes the book as notebooks, out of a tree of sources and out of what a wheel holds."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from acg_numpy.cli import main
from acg_numpy.cli.commands import tutorials

Captured = pytest.CaptureFixture[str]

ROOT = Path(__file__).parents[3]
CHAPTERS = sorted((ROOT / "tutorials").glob("*.md"))
LINK = re.compile(r"\]\(([^)]+)\)")


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of chapters in something like an installed wheel."""
    folder = tmp_path / "acg_numpy" / "tutorials"
    folder.mkdir(parents=True)
    for number, title in ((1, "A reader"), (2, "A derivative")):
        text = f"# {number}. {title}\n\n*About {number}0 minutes*\n\nIt begins."
        cells = [{"cell_type": "markdown", "id": "cell-1", "metadata": {}, "source": text.splitlines(keepends=True)}]
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (folder / f"0{number}-{title.split()[1]}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (folder / "simple_usage.py").write_text("print(1)\n", encoding="utf-8")
    monkeypatch.setattr(tutorials, "PACKAGE", folder.parent)
    return folder


def names(folder: Path) -> list[str]:
    """The files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_chapters_are_listed_with_the_time_they_take(wheel: Path, capsys: Captured) -> None:
    assert main(["tutorials"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split() for line in out[2:4]] == [
        ["1", "A", "reader", "About", "10", "minutes"],
        ["2", "A", "derivative", "About", "20", "minutes"],
    ]


def test_all_is_written_as_it_is_in_the_wheel(wheel: Path, tmp_path: Path, capsys: Captured) -> None:
    to = tmp_path / "a new" / "folder"
    assert main(["tutorials", "--to", str(to)]) == 0
    assert names(to) == ["01-reader.ipynb", "02-derivative.ipynb", "simple_usage.py"]
    assert all((to / name).read_bytes() == (wheel / name).read_bytes() for name in names(to))
    assert f"jupyter lab '{to}'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("install", "line"),
    [("mine.whl", "%pip install mine.whl"), ("uv pip install mine.whl", "!uv pip install mine.whl")],
)
def test_the_first_cell_installs_what_the_teacher_names(wheel: Path, tmp_path: Path, install: str, line: str) -> None:
    assert main(["tutorials", "1", "--to", str(tmp_path / "book"), "--install", install]) == 0
    first, second = json.loads((tmp_path / "book" / "01-reader.ipynb").read_text("utf-8"))["cells"]
    assert ("".join(first["source"]), first["cell_type"]) == (line, "code")
    assert "".join(second["source"]).startswith("# 1. A reader")
    assert main(["tutorials", "--install", install]) == 2
    assert main(["tutorials", "--check", str(tmp_path / "book"), "--install", install]) == 2


def test_chapters_can_be_chosen_by_number(wheel: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["tutorials", "2", "--to", str(tmp_path / "book")]) == 0
    assert names(tmp_path / "book") == ["02-derivative.ipynb"]
    assert main(["tutorials", "3"]) == 2
    assert "there is no chapter 3; they go from 1 to 2" in capsys.readouterr().err


def test_what_somebody_has_worked_on_is_replaced_when_forced_only(
    wheel: Path, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "book").mkdir()
    mine = tmp_path / "book" / "01-reader.ipynb"
    mine.write_text("mine", encoding="utf-8")
    assert main(["tutorials", "--to", str(tmp_path / "book")]) == 0
    kept, written = capsys.readouterr().out.splitlines()[:2]
    assert "left as it is" in kept
    assert written == str(tmp_path / "book" / "02-derivative.ipynb")
    assert (mine.read_text(encoding="utf-8"), len(names(mine.parent))) == ("mine", 3)
    assert main(["tutorials", "--to", str(tmp_path / "book"), "--force"]) == 0
    assert mine.read_bytes() == (wheel / mine.name).read_bytes()


def test_where_there_are_no_chapters_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(tutorials, "PACKAGE", tmp_path / "acg_numpy")
    assert main(["tutorials", "--to", str(tmp_path)]) == 1
    assert f"there are no chapters in {tmp_path / 'tutorials'}" in capsys.readouterr().err


def test_without_jupytext_a_tree_of_sources_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(tutorials, "find_spec", lambda name: None)
    assert main(["tutorials", "--to", str(tmp_path)]) == 1
    assert "pip install jupytext" in capsys.readouterr().err
    assert names(tmp_path) == []


def test_a_tree_of_sources_is_listed_without_jupytext(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(tutorials, "find_spec", lambda name: None)
    assert main(["tutorials"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(CHAPTERS) + 2


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book, written from the tree of sources."""
    pytest.importorskip("jupytext", reason="converts Markdown to notebooks")
    folder = tmp_path_factory.mktemp("book")
    assert main(["tutorials", "--to", str(folder)]) == 0
    return folder


def cells_of(notebook: Path) -> list[dict[str, Any]]:
    """The cells of a notebook, each with its source in one piece."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_a_notebook_has_the_code_and_folds_of_its_chapter(book: Path, chapter: Path) -> None:
    blocks = chapter.read_text(encoding="utf-8").split("```{code-cell} ipython3\n")[1:]
    told = [block.partition("\n```")[0] for block in blocks]
    code = [cell for cell in cells_of(book / f"{chapter.stem}.ipynb") if cell["cell_type"] == "code"]
    assert len(code) == len(told)
    for cell, text in zip(code, told, strict=True):
        source = cell["source"].removeprefix("# A solution\n")
        assert text.endswith(source)
        head = text.removesuffix(source)
        assert ("Show a solution" in head) == (source != cell["source"])
        folded = "hide-cell" in head or "hide-input" in head
        assert cell["metadata"].get("jupyter") == ({"source_hidden": True} if folded else None)
        assert not cell["outputs"]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_links_in_a_notebook_lead_to_notebooks(book: Path, chapter: Path) -> None:
    text = "\n".join(cell["source"] for cell in cells_of(book / f"{chapter.stem}.ipynb") if cell["cell_type"] != "code")
    places = [place.partition("#")[0] for place in LINK.findall(text) if not place.startswith(("https:", "#"))]
    assert places, "a chapter leads to the next"
    assert set(places) <= set(names(book))


def test_the_same_chapter_becomes_the_same_notebook(book: Path, capsys: Captured) -> None:
    before = {name: (book / name).read_bytes() for name in names(book)}
    capsys.readouterr()
    assert main(["tutorials", "--to", str(book)]) == 0
    assert "left as it is" not in capsys.readouterr().out
    assert {name: (book / name).read_bytes() for name in names(book)} == before


def fill(notebook: Path, *answers: tuple[str, str]) -> None:
    """Replace text in the cells of a notebook."""
    text = json.loads(notebook.read_text(encoding="utf-8"))
    for old, new in answers:
        cell = next(cell for cell in text["cells"] if old in "".join(cell["source"]))
        cell["source"] = "".join(cell["source"]).replace(old, new)
    notebook.write_text(json.dumps(text), encoding="utf-8")


def test_what_is_filled_in_is_checked(book: Path, tmp_path: Path, capsys: Captured) -> None:
    for name in ("01-reader-of-books.ipynb", "03-what-backward-is-given.ipynb"):
        (tmp_path / name).write_bytes((book / name).read_bytes())
    fill(tmp_path / "01-reader-of-books.ipynb", ("prediction = ...", "%time\nprediction = 1 / 8"))
    fill(tmp_path / "03-what-backward-is-given.ipynb", ("    y, length = cache\n    ...", "    return grad_out"))
    capsys.readouterr()
    assert main(["tutorials", "--check", str(tmp_path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    found = {row["name"]: row["status"] for row in told["exercises"]}
    assert (found["prediction"], found["direction_backward"], found["chain"]) == ("right", "wrong", "untouched")
    assert (told["right"], told["of"]) == (1, 6)
    assert main(["tutorials", "1", "--check", str(tmp_path)]) == 0
    assert "1 of 3 are right." in capsys.readouterr().out


def test_a_folder_without_notebooks_or_with_another_file_is_refused(tmp_path: Path, capsys: Captured) -> None:
    assert main(["tutorials", "--check", str(tmp_path)]) == 1
    assert "holds none of these notebooks" in capsys.readouterr().err
    (tmp_path / "01-reader-of-books.ipynb").write_text("{}", encoding="utf-8")
    assert main(["tutorials", "--check", str(tmp_path)]) == 1
    assert "is not a notebook" in capsys.readouterr().err
    assert main(["tutorials", "--check", str(tmp_path), "--to", str(tmp_path)]) == 2
    assert main(["tutorials", "--json"]) == 2
