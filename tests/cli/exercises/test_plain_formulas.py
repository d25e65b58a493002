"""Plain formulas: what a terminal and a file show of the book's formulas."""

import ast
import re
from pathlib import Path

from acg_numpy.checks.report.mistake_names import MISTAKES
from acg_numpy.cli.exercises.plain_formulas import CODE, plain_formula, plain_text
from acg_numpy.cli.exercises.worker import every_exercise

EXERCISES = every_exercise(Path(__file__).parents[3] / "tutorials")


def test_no_latex_is_left_in_any_exercise_or_hint() -> None:
    """Prose without its code has no backslash, no dollar and no brace, and every code page of Windows has its signs."""
    texts = {f"{e.label} {part}": getattr(e, part) for e in EXERCISES for part in ("task", "afterword")}
    texts |= {name: f"{naming.meaning} {naming.hint}" for name, naming in MISTAKES.items()}
    found = {name: plain_text(text) for name, text in texts.items()}
    assert sum("$" in text for text in texts.values()) > 50
    assert {name: text for name, text in found.items() if re.search(r"[\\${}]", CODE.sub("", text))} == {}
    assert {name: text for name, text in found.items() if not CODE.sub("", text).isascii()} == {
        name: text for name, text in found.items() if re.search("[·±]", CODE.sub("", text))
    }


def test_no_check_says_latex() -> None:
    """What a check raises or prints is shown as it is."""
    trees = {e.label: ast.parse(f"{e.given}\n{e.check}") for e in EXERCISES}
    texts = [
        (label, node.value)
        for label, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert len(texts) > 500
    assert [one for one in texts if re.search(r"\\[a-zA-Z]|\$", one[1])] == []


def test_code_of_a_text_stays_as_it_is() -> None:
    code = [code for e in EXERCISES for code in CODE.findall(e.task)]
    assert len(code) > 100
    assert [one for one in code if one not in plain_text(f"$x$ {one} $y$")] == []


def test_a_formula_that_is_not_whole_ends() -> None:
    for formula in ("", "{", "}", "}}{", "x^", "x_", r"\frac", r"\frac{a", r"\sqrt", "\\", "^_^"):
        assert not re.search(r"[\\{}]", plain_formula(formula))
