"""The chapters are made alike: what a reader looks for is in each, and at its place."""

import ast
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "tutorials").glob("[0-9][0-9]-*.md"))
PAGES = [*CHAPTERS, *sorted((ROOT / "docs").glob("*.md"))]
SHORTEST, LONGEST = 10, 30  # minutes of reading
WORDS, LINES, FORMULAS = 200, 20, 2  # words of prose, lines of code and formulas that a reader takes in a minute
WIDEST = 88  # letters of code that fit on a page
CELL = re.compile(
    r"^```\{code-cell\} ipython3\n(?:---\n(?P<head>.*?)---\n)?(?P<tags>:tags: .*?\n)?(?P<code>.*?)^```$", re.M | re.S
)


def split(text):
    """Head and code of each cell."""
    return [((cell["head"] or "") + (cell["tags"] or ""), cell["code"]) for cell in CELL.finditer(text)]


def cells(path):
    return split(path.read_text())


def name(path):
    return path.stem


def minutes(chapter):
    """What the line below the title says: minutes to read, and for the exercises."""
    found = re.search(
        r"^\*(?:Core · about|About) (\d+) minutes, and (\d+) for the exercises\*$", chapter.read_text(), re.MULTILINE
    )
    assert found, "the line below the title says how long it takes"
    return int(found[1]), int(found[2])


def counted(text):
    """Minutes by the number of words, lines of code and formulas."""
    prose, code = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), "".join(code for _, code in split(text))
    return len(prose.split()) / WORDS + len(code.splitlines()) / LINES + prose.count("$$") / 2 / FORMULAS


def test_there_are_twenty_and_the_fifth_to_the_eighth_are_the_core():
    assert [int(path.stem[:2]) for path in CHAPTERS] == list(range(1, 21))
    assert [int(path.stem[:2]) for path in CHAPTERS if "*Core · about" in path.read_text()] == [5, 6, 7, 8]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=name)
def test_a_chapter_says_what_it_is_and_what_it_takes(chapter):
    text = chapter.read_text()
    assert re.search(rf"^# {int(chapter.stem[:2])}\. \S", text, re.MULTILINE)
    reading, _ = minutes(chapter)
    assert SHORTEST <= reading <= LONGEST
    assert abs(reading - counted(text.split("\n## Exercises\n")[0])) <= 5
    for lead in ("**What you'll do.**", "**What you'll learn.**", "**What you'll need.**"):
        assert text.count(lead) == 1
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[-3:] == ["Which mistake is this?", "Exercises", "What to read next"]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=name)
def test_a_chapter_ends_in_a_box_of_the_same_form(chapter):
    text, exercises = chapter.read_text().split("\n## Exercises\n")
    box = text.rstrip().split("\n\n")[-1]
    assert box.startswith("> **In short**\n>\n")
    assert re.findall(r"^> - \*\*(\w+)\*\*: ", box, re.MULTILINE) == ["Formula", "Idea", "Mistake"]
    assert "(../reading-a-report.md)" in exercises or chapter.stem.startswith("01")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=name)
def test_an_exercise_has_a_stub_that_is_skipped_and_a_solution(chapter):
    exercises = re.split(r"^### Exercise ", chapter.read_text().split("\n## Exercises\n")[1], flags=re.MULTILINE)[1:]
    assert 2 <= len(exercises) <= 4
    for number, exercise in enumerate(exercises, start=1):
        assert exercise.startswith(f"{int(chapter.stem[:2])}.{number}: ")
        heads = [head for head, _ in split(exercise)]
        assert sum("skip-execution" in head for head in heads) == 1
        assert sum("hide-cell" in head and "Show a solution" in head for head in heads) >= 1


@pytest.mark.parametrize("chapter", CHAPTERS, ids=name)
def test_a_chapter_shows_the_package_s_code_and_draws_a_picture(chapter):
    assert re.search(r"\bsource\(", chapter.read_text())
    assert any("alt:" in head for head, _ in cells(chapter))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_cell_is_python_that_fits_on_a_page(page):
    for _, code in cells(page):
        ast.parse(re.sub(r"^%.*$", "", code, flags=re.MULTILINE))
        assert max((len(line) for line in code.splitlines()), default=0) <= WIDEST


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_link_to_a_page_leads_to_one(page):
    chapters = {f"tutorials/{chapter.name}" for chapter in CHAPTERS}  # where they are copied to when the site is built
    known = chapters | {path.name for path in (ROOT / "docs").glob("*.md")}
    for target in re.findall(r"\]\(([^)#:]+\.md)(?:#[^)]*)?\)", page.read_text()):
        assert os.path.normpath(os.path.join("tutorials" if page in CHAPTERS else "", target)) in known


@pytest.mark.parametrize("chapter", CHAPTERS, ids=name)
def test_the_book_s_contents_name_the_chapter_and_its_minutes(chapter):
    title = re.search(r"^# \d+\. (.*)$", chapter.read_text(), re.MULTILINE)[1]
    reading, exercises = minutes(chapter)
    row = f"| {int(chapter.stem[:2])} | [{title}](tutorials/{chapter.name}) | {reading} + {exercises} |"
    assert row in (ROOT / "docs" / "book.md").read_text()


def test_the_chapter_on_comparisons_has_the_leads_of_the_results():
    code = "".join(code for _, code in cells(CHAPTERS[19]))
    leads = ast.literal_eval(re.search(r"^LEADS = (\{.*?^\})", code, re.MULTILINE | re.DOTALL)[1])
    table = (ROOT / "docs" / "results.md").read_text().replace("*", "").replace("\N{MINUS SIGN}", "-")
    for name, (lead, error) in leads.items():
        row = re.search(rf"^\| {re.escape(name)} \| [^|]+ \| (\S+) ± (\S+) \|", table, re.MULTILINE)
        assert row, name
        assert [float(row[1]), float(row[2])] == pytest.approx([lead, error], abs=6e-4)
