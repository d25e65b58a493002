"""What docs/gradcheck.md shows is so."""

import json
import re
from pathlib import Path

import pytest

from acg_numpy.checks.report.mistake_names import MISTAKES
from acg_numpy.checks.settings import METHODS
from acg_numpy.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "gradcheck.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
PAIR, LAYER, INPUTS, REPORT, TESTS = BLOCKS

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PAIR, encoding="utf-8")
    return path


def test_the_table_names_every_mistake_with_its_meaning_and_hint() -> None:
    table = PAGE[PAGE.index("| id | the mistake |") :]
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+) \| (.+) \|$", table, flags=re.MULTILINE)
    assert rows == [(name, naming.meaning, naming.hint) for name, naming in MISTAKES.items()]


def test_the_table_of_methods_has_every_method() -> None:
    table = PAGE[PAGE.index("| `--method` |") : PAGE.index("Steps are chosen")]
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE) == list(METHODS)


def test_the_first_example_fails_as_the_page_says(mine: Path, capsys: Captured) -> None:
    (arguments,) = re.findall(r"^acg (gradcheck) (mine\.py:forward,backward) --inputs \"(.*)\"$", PAGE, re.MULTILINE)
    command, target, inputs = arguments
    assert main([command, target.replace("mine.py", str(mine)), "--inputs", inputs]) == 1
    out = capsys.readouterr().out
    assert "query and key are wrong" in out
    assert "missing-scale" in out


def test_a_file_that_breaks_is_told_as_the_page_says(mine: Path, capsys: Captured) -> None:
    mine.write_text(PAIR.replace("grad_out @ value.T", "grad_out @ value"), encoding="utf-8")
    assert main(["gradcheck", str(mine), "--inputs", "3x4, 5x4, 5x2"]) == 1
    (shown,) = re.findall(r"^```text\n(mine.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    first, *others = shown.splitlines()
    told = capsys.readouterr().err
    assert first.removesuffix("...") in told
    for line in others:
        assert line in told.splitlines()


def test_inputs_of_ones_own_are_drawn_by_the_function_in_the_file(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "mine.py"
    pair = "import numpy as np\n\n\ndef forward(x, y):\n    return x * y, (x, y)\n\n\n"
    pair += "def backward(g, cache):\n    return g * cache[1], g * cache[0]\n\n\n"
    path.write_text(pair + INPUTS, encoding="utf-8")
    assert main(["gradcheck", str(path)]) == 0
    assert "(3, 5)" in capsys.readouterr().out


def test_the_keys_of_the_json_are_those_of_the_page(mine: Path, capsys: Captured) -> None:
    main(["gradcheck", str(mine), "--inputs", "3x4, 5x4, 5x2", "--json"])
    told = json.loads(capsys.readouterr().out)
    table = PAGE[PAGE.index("| key | value |") :]
    rows = re.findall(r"^\| (`.*?`) \| (.*) \|$", table, flags=re.MULTILINE)
    documented = {key: row for keys, row in rows for key in re.findall(r"`(\w+)`", keys)}
    assert list(documented) == list(told)
    assert re.findall(r"`(\w+)`", documented["inputs"]) == list(told["inputs"][0])
    assert re.findall(r"`(\w+)`", documented["worst"]) == list(told["worst"])
    mine.write_text("1 / 0\n", encoding="utf-8")
    main(["gradcheck", str(mine), "--inputs", "3", "--json"])
    broken = json.loads(capsys.readouterr().out)
    assert list(broken) == list(told)
    assert re.findall(r"`(\w+)`", documented["error"]) == list(broken["error"])


def test_the_report_is_what_the_page_says(capsys: Captured) -> None:
    names: dict = {}
    exec(PAIR + REPORT, names)
    report = names["report"]
    assert not report.passed
    assert report.worst.input in ("query", "key")
    assert report.per_input["value"].passed
    assert str(report) in capsys.readouterr().out


def test_the_layer_of_the_page_passes() -> None:
    exec(PAIR + LAYER, {})


def test_the_tests_of_the_page_pass() -> None:
    names: dict = {}
    exec(PAIR + REPORT + TESTS, names)
    for width in (1, 4, 9):
        names["test_backward"](width)
    names["test_backward_at_all_small_shapes"]()
