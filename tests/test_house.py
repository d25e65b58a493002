"""The rules of the house, see CONTRIBUTING: where modules lie, and how they, tests and messages are named."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "acg_numpy"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

MIRRORS = {  # folders whose modules are named after those of another
    "checks/mistakes": "passes",
    "testing/properties": "passes",
    "cli/commands": "a subcommand each",
}
MOST_MODULES = 14
LARGE = {
    "checks/explain": "a file a family of mistakes: the search reads them one after the other",
    "cli/commands": "a file a subcommand",
}
MOST_WORDS = 12  # of a test's name
# words that a reader of technical English meets nowhere else, by what they are about
UNCOMMON = r"mend(?:s|ed|ing)?|somebody(?:'s)?|nobody(?:'s)?|everybody(?:'s)?|whoever|whomever|how-manieth|of like"


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_a_stem_occurs_once_in_the_package() -> None:
    stems = Counter(path.stem for path in MODULES if relative(path.parent) not in MIRRORS)
    assert [stem for stem, times in stems.items() if times > 1] == []


def test_a_folder_holds_at_most_fourteen_modules() -> None:
    sizes = Counter(relative(path.parent) for path in MODULES)
    assert {folder: size for folder, size in sizes.items() if size > MOST_MODULES and folder not in LARGE} == {}


def test_one_module_alone_looks_for_the_nearest_name() -> None:
    assert [relative(path) for path in MODULES if "difflib" in path.read_text(encoding="utf-8")] == ["text.py"]


def definitions(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements of a tree, at any depth, without the expressions in them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield node
            yield from definitions(node)


def mirrored(path: Path) -> bool:
    """Whether a test lies where the module lies that it tests."""
    folder = path.parent.relative_to(ROOT / "tests")
    if folder.parts and folder.parts[0] in ("properties", "whole", "benchmarks", "mutation"):
        return True
    stem = path.stem.removeprefix("test_")
    return any((base / folder / name).exists() for base in (PACKAGE, ROOT) for name in (f"{stem}.py", stem))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_test_mirrors_a_module_and_its_names_are_short(path: Path) -> None:
    names = [
        node.name
        for node in definitions(tree_of(path))
        if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_"
    ]
    assert [name for name in names if len(name.removeprefix("test_").split("_")) > MOST_WORDS] == []
    assert mirrored(path) or path.name == Path(__file__).name


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_the_english_is_plain(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(rf"\b(?:{UNCOMMON})\b", text, re.IGNORECASE) == []
    summary = (ast.get_docstring(tree_of(path)) or "").partition("\n")[0]
    assert summary.endswith(".")


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_summary_holds_nothing_that_reads_as_an_address(path: Path) -> None:
    """The site makes a link of NDCG@10, unless it is written as code."""
    documented = [node for node in definitions(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    summaries = [(ast.get_docstring(node) or "").partition("\n")[0] for node in documented]
    assert [summary for summary in summaries if re.search(r"\w@\w", re.sub("`+[^`]*`+", "", summary))] == []


def test_the_walks_of_contributing_lead_through_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:acg_numpy|tests|tutorials|docs)/[\w./-]*)`", text))
    assert len(paths) > 40
    paths = {path for path in paths if "gelu" not in path}  # the example of an operation to add
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []
