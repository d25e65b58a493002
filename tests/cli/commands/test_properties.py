"""What `acg properties` says of a learner's function, and what it exits with."""

import json
from pathlib import Path

import pytest

from acg_numpy.cli import main
from acg_numpy.cli.commands import properties as command
from acg_numpy.cli.commands.properties import KINDS
from acg_numpy.testing import properties

SOURCE = """
import numpy as np

print("not an answer")

def softmax(scores):
    rows, columns = scores.shape
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)

def row(scores):
    return softmax(scores[None])[0]

def doubled(scores):
    return 2 * softmax(scores)

def ending(scores):
    raise SystemExit("enough")
"""
MATRICES = ["--kind", "softmax", "--batch-axes", "1", "--no-empty", "--masked", "any", "--examples", "3"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def test_every_kind_has_its_check() -> None:
    assert {f"check_{kind}" for kind in KINDS} == set(properties.__all__) - {"check_backward_pair"}


def test_a_right_function_exits_with_0_and_a_table(file: Path, capsys: Captured) -> None:
    assert main(["properties", f"{file}:softmax", *MATRICES]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{file}:softmax: passed")
    assert "not an answer" in captured.err


def test_a_wrong_function_exits_with_1_and_counterexamples(file: Path, capsys: Captured) -> None:
    assert main(["properties", f"{file}:doubled", *MATRICES]) == 1
    told = capsys.readouterr().out
    assert "distribution    WRONG" in told
    assert "scores = np.array([[0.0]])" in told
    assert main(["properties", f"{file}:doubled", *MATRICES, "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    failed = {one["name"]: one for one in answer["properties"] if not one["passed"]}
    assert failed["distribution"]["example"] == {"scores": "np.array([[0.0]])"}
    assert answer["passed"] is False
    assert answer["error"] is None


def test_what_the_options_leave_out_is_not_checked(file: Path, capsys: Captured) -> None:
    options = ["--kind", "softmax", "--batch-axes", "0", "--no-empty", "--masked", "any", "--examples", "1"]
    assert main(["properties", f"{file}:row", *options]) == 0
    assert "one-row         not checked" in capsys.readouterr().out
    main(["properties", f"{file}:row", *options, "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in answer["properties"] if one["passed"] is None} == {"one-row"}
    assert answer["passed"] is True


def test_options_for_a_function_of_matrices_are_named(file: Path, capsys: Captured) -> None:
    assert main(["properties", f"{file}:softmax", "--kind", "softmax", "--examples", "1"]) == 1
    told = capsys.readouterr().out
    assert "- --batch-axes N: " in told
    assert "- --no-empty: " in told
    assert "--no-mask" not in told


def test_an_exception_is_shown_once(file: Path, capsys: Captured) -> None:
    assert main(["properties", f"{file}:softmax", "--kind", "softmax", "--examples", "1", "--no-empty"]) == 1
    assert capsys.readouterr().out.count("ValueError: not enough values to unpack") == 1


def test_a_missing_hypothesis_is_named(file: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert main(["properties", f"{file}:softmax", *MATRICES]) == 1
    assert "pip install hypothesis" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["softmx", "ending"])
def test_a_file_that_breaks_is_answered_by_one_json(name: str, file: Path, capsys: Captured) -> None:
    assert main(["properties", f"{file}:{name}", *MATRICES, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine.py", "--kind", "softmax"], "should name a file and a function in it"),
        (["mine.py:f", "--kind", "softmax", "--eps", "1"], "--eps is about another kind than softmax"),
        (["mine.py:f", "--kind", "embedding", "--no-mask"], "--no-mask is about another kind than embedding"),
        (["mine.py:f", "--kind", "softmx"], "did you mean 'softmax'?"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], message: str, capsys: Captured) -> None:
    assert main(["properties", *arguments]) == 2
    assert message in capsys.readouterr().err
