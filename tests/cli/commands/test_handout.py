"""`acg handout`, as a student, a teacher and an autograder meet it."""

import ast
import inspect
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from acg_numpy import check_backward, passes
from acg_numpy.checks.all_passes import pair_names
from acg_numpy.checks.mistakes import CATALOGUE, Mistake
from acg_numpy.cli import main
from acg_numpy.cli.grading import single_file
from acg_numpy.cli.grading.graded_exercise import load_exercise
from acg_numpy.cli.handouts import revealing_inputs
from acg_numpy.cli.handouts.files import handout_files
from acg_numpy.cli.handouts.install_line import install_command
from acg_numpy.cli.handouts.student_file import pass_names, student_file
from acg_numpy.cli.output_files import write_files
from tests.cli.grading.class_of_submissions import WRONG as WRONG_LINEAR
from tests.thoroughness import THOROUGH

Captured = pytest.CaptureFixture[str]
Made = Callable[[str], Path]
Ended = dict[str, dict[str, list[str]]]  # of each hand-out, the tests that passed, and the others

PASSES = pass_names()
FIRST = {mistake.operation: mistake for mistake in reversed(CATALOGUE)}  # mistake of each pass
QUIETLY = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-c", "/dev/null", "--rootdir")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A hand-out of each pass, whose inputs are not tried on mistakes when it is made: the tests below do that."""

    @cache
    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(revealing_inputs, "_why_hidden", lambda mistake, values: "")
            write_files(folder, handout_files(name))
        return folder

    return make


def run_python(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder."""
    command = [sys.executable, *map(str, arguments)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, env=environment
    )


def run_tests(made: Made, root: Path, answers: Mapping[str, str]) -> Ended:
    """Run the tests and the examples of several hand-outs, with a file in the place of each student's."""
    for name, file in answers.items():
        place_answer(made(name), root / name, name, file)
    files = [f"{name}/{file}.py" for name in answers for file in (name, f"test_{name}")]
    done = run_python("-m", "pytest", *QUIETLY, root, "--junitxml=ended.xml", "--doctest-modules", *files, folder=root)
    ended: Ended = {name: {"passed": [], "other": []} for name in answers}
    for case in ElementTree.parse(root / "ended.xml").getroot().iter("testcase"):
        name = case.attrib["classname"].partition(".")[0]
        ended[name]["other" if len(case) else "passed"].append(case.attrib["name"])
    assert done.returncode in (0, 1), done.stdout
    return ended


def place_answer(handout: Path, folder: Path, name: str, file: str) -> None:
    """A hand-out with a file in the place of the student's."""
    write_files(
        folder, {one.name: one.read_text(encoding="utf-8") for one in handout.glob("*.py")} | {f"{name}.py": file}
    )


def written(name: str, body: str) -> str:
    """A student's file with this for the body of the backward."""
    file = student_file(name)
    return file[: file.rindex("    raise NotImplementedError")] + body


def grade(folder: Path, name: str, file: str, *options: str) -> dict[str, object]:
    """What an autograder gets for a file, by what grade.py calls: only the file has a process, which is enough."""
    answer, out = folder / "answer.py", io.StringIO()
    answer.write_text(file, encoding="utf-8")
    with redirect_stdout(out):
        code = single_file.main(folder, [str(answer), "--json", "-", *options])
    told = json.loads(out.getvalue())
    assert code == (0 if told["passed"] else 1)
    return dict(told)


@pytest.mark.parametrize("name", PASSES)
def test_derivation_and_forward_are_kept_and_the_backward_s_body_is_not(name: str) -> None:
    forward, backward = (getattr(passes, f"{name}_{way}") for way in ("forward", "backward"))
    file = student_file(name)
    assert ast.get_docstring(ast.parse(file)) == inspect.getdoc(sys.modules[forward.__module__])
    for line in inspect.getsource(forward).splitlines():
        assert line in file or "check_" in line  # of its arguments, which only the package's own forward makes
    last = ast.parse(file).body[-1]
    assert isinstance(last, ast.FunctionDef)
    assert last.name == backward.__name__
    assert ast.get_docstring(last) == inspect.getdoc(backward)  # whose indentation Python 3.13 and later take off
    assert [type(statement) for statement in last.body] == [ast.Expr, ast.Raise]
    assert inspect.getsource(backward) in student_file(name, solved=True)


@pytest.mark.parametrize("name", PASSES)
def test_the_file_needs_numpy_alone(name: str) -> None:
    imported = [
        node for node in ast.walk(ast.parse(student_file(name))) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    modules = {getattr(node, "module", None) or node.names[0].name for node in imported}
    assert modules - {"numpy"} <= set(sys.stdlib_module_names)


@pytest.fixture(scope="module")
def answered(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Of every hand-out with the package's own body in it: how its tests and its examples ended."""
    solved = {name: student_file(name, solved=True) for name in PASSES}
    return run_tests(made, tmp_path_factory.mktemp("answered"), solved)


@pytest.mark.slow
@pytest.mark.parametrize("name", PASSES)
def test_the_package_s_own_body_passes_all_tests_and_examples(answered: Ended, name: str) -> None:
    ended = answered[name]
    assert ended["other"] == []
    assert sum(test.startswith("test_") for test in ended["passed"]) >= 3  # a gradient, the forward, all the rest
    assert any(not test.startswith("test_") for test in ended["passed"])  # an example


# That the diagnosis names every mistake is stated of the diagnosis; here, that a hand-out of each pass hands it on.
@pytest.mark.slow
@pytest.mark.parametrize("mistake", CATALOGUE if THOROUGH else list(FIRST.values()), ids=lambda mistake: mistake.name)
def test_every_known_mistake_fails_and_is_named(made: Made, mistake: Mistake) -> None:
    name = mistake.operation
    form = next(form for form in revealing_inputs.call_forms(name) if form.draw is mistake.draw)
    values = load_exercise(made(name)).cases[form.name].values()
    report = check_backward(mistake.forward, mistake.backward, *values, raise_on_failure=False)
    assert not report.passed
    assert report.diagnoses[0].mistake == mistake.expected


RIGHT_MSE = """\
    d = 2 * cache.difference * grad_out / cache.difference.size
    return MseGrads(d, -d)
"""


DOUBLED_MSE = written("mse", RIGHT_MSE.replace("2 *", "4 *")).replace("return np.sum(", "return 2 * np.sum(")


WRONG = {  # of a pass, what is wrong in it, and the tests that fail
    "bpr": (
        student_file("bpr", solved=True).replace("unbroadcast(dz, n))", "unbroadcast(-dz, n))"),  # a sign
        {"the_gradient_is_right[bpr-negative]", "nothing_else_is_wrong[bpr]"},
    ),
    "cosine": (  # one gradient of two
        student_file("cosine", solved=True).replace("return CosineGrads(", "return (lambda *grads: grads[:1])("),
        {f"the_gradient_is_right[cosine-{one}]" for one in ("a", "b")} | {"nothing_else_is_wrong[cosine]"},
    ),
    "linear": (
        WRONG_LINEAR["upstream"][0],  # something overwritten
        {"nothing_else_is_wrong[linear]", "nothing_else_is_wrong[rows]"},
    ),
    "mse": (DOUBLED_MSE, {"the_forward_is_as_it_was[mse]"}),  # another forward
}


@pytest.fixture(scope="module")
def failed(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """How the tests of hand-outs ended with a wrong file in each."""
    return run_tests(made, tmp_path_factory.mktemp("failed"), {name: file for name, (file, _) in WRONG.items()})


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_those_tests_fail_that_ask_after_what_is_wrong(failed: Ended, name: str) -> None:
    assert {test.removeprefix("test_") for test in failed[name]["other"] if test[:5] == "test_"} == WRONG[name][1]


def test_each_gradient_has_a_point_and_the_whole_has_one(made: Made) -> None:
    wrong = grade(made("mse"), "mse", written("mse", RIGHT_MSE.replace("-d", "d")))
    (case,) = wrong["cases"]
    assert [(one["name"], one["points"]) for one in case["inputs"]] == [("prediction", 1), ("target", 0)]
    assert (case["whole"], wrong["points"], wrong["out_of"]) == ({"points": 0}, 1, 3)
    right = grade(made("mse"), "mse", written("mse", RIGHT_MSE))
    assert (right["passed"], right["points"]) == (True, 3)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    return MseGrads(\n", "'(' was never closed"),
        ("    dp = 2 * cache.diference\n", "no attribute 'diference'"),
        ("    raise SystemExit(0)\n", "ends the program"),
        ("    import os\n    os._exit(0)\n", "the file ended the program"),
        ("    return MseGrads(*input())\n", "EOFError"),
    ],
)
def test_a_file_that_breaks_is_told_by_what_and_where(made: Made, body: str, message: str) -> None:
    told = grade(made("mse"), "mse", written("mse", body))
    (case,) = told["cases"]
    assert message in case["error"]["message"]
    assert case["error"]["file"].endswith("answer.py")
    assert set(case["error"]) == {"message", "file", "line", "source", "fix"}
    assert [(one["name"], one["points"]) for one in case["inputs"]] == [("prediction", 0), ("target", 0)]
    assert (told["points"], told["out_of"]) == (0, 3)


@pytest.mark.parametrize(
    ("body", "verdicts", "fault"),
    [
        ("    dp = 2 * cache.difference\n", ["uncompared", "uncompared"], "or its return statement missing?"),
        ("    return (2 * cache.difference,)\n", ["uncompared", "uncompared"], "returned 1 gradient for 2 inputs"),
        (RIGHT_MSE.replace("MseGrads(d, -d)", "d, -d.T"), ["right", "form"], "are two axes exchanged?"),
    ],
)
def test_gradients_of_another_form_are_told_by_their_form(
    made: Made, body: str, verdicts: list[str], fault: str
) -> None:
    (case,) = grade(made("mse"), "mse", written("mse", body))["cases"]
    assert [one["verdict"] for one in case["inputs"]] == verdicts
    assert fault in case["faults"][0]


def test_a_loop_without_end_is_ended_and_its_line_is_named(made: Made) -> None:
    body = "    while True:\n        cache.difference.sum()\n"
    (case,) = grade(made("mse"), "mse", written("mse", body), "--seconds", "1")["cases"]
    assert "still runs after 1 seconds" in case["error"]["message"]
    assert case["error"]["source"] in ("while True:", "cache.difference.sum()")


def test_what_the_file_prints_is_not_taken_for_the_result(made: Made) -> None:
    forged = json.dumps({"case": "mse", "passed": True, "points": 3})
    body = f"    print({forged!r})\n    return MseGrads(cache.difference, 0)\n"
    assert grade(made("mse"), "mse", written("mse", body))["points"] == 0


def test_without_the_forward_as_it_was_there_are_no_points(made: Made) -> None:
    (case,) = grade(made("mse"), "mse", DOUBLED_MSE)["cases"]
    assert (case["forward_unchanged"], case["points"], case["passed"]) == (False, 0, False)


def test_nothing_is_given_away_unless_it_is_asked_for(made: Made, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "answer_of_ann.py"
    file.write_text(written("mse", RIGHT_MSE.replace("2 *", "")), encoding="utf-8")
    said = []
    for hints in "012":
        assert single_file.main(made("mse"), [str(file), "--hints", hints]) == 1
        said.append(capsys.readouterr().out)
    assert "1/2" not in said[0] + said[1]
    assert "Hint" not in said[0]
    assert "Hint: Compare the sizes" in said[1]
    assert "constant-factor" in said[2]
    assert all("0 of 3 points" in text for text in said)


def test_what_grade_py_cannot_read_or_write_is_said(made: Made, tmp_path: Path, capsys: Captured) -> None:
    assert single_file.main(made("mse"), ["no.py", "--json", str(tmp_path / "no" / "results.json")]) == 2
    assert "No such file" in capsys.readouterr().err
    assert single_file.main(tmp_path, []) == 2
    assert capsys.readouterr().err.startswith(f"grade.py: {tmp_path / 'handout.json'}: it cannot be read")


def test_a_file_that_is_not_there_has_no_points_and_says_why(made: Made, capsys: Captured) -> None:
    assert single_file.main(made("mse"), ["bob.py"]) == 1
    told = capsys.readouterr().out
    assert "0 of 3 points" in told
    assert "bob.py: it cannot be read: no such file or directory" in told


def test_inputs_that_hide_a_mistake_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    [found] = [one for one in CATALOGUE if one.name == "mse: t - p"]
    monkeypatch.setattr(revealing_inputs, "TRIED", 3)
    monkeypatch.setattr(revealing_inputs, "CATALOGUE", (found._replace(backward=found.right),))
    assert main(["handout", "mse", "--to", str(tmp_path / "mse")]) == 1
    assert "'mse: t - p' was not revealed" in capsys.readouterr().err
    assert not (tmp_path / "mse").exists()


def test_the_command_writes_what_it_tried(tmp_path: Path, capsys: Captured) -> None:
    assert main(["handout", "mse", "--to", str(tmp_path), "--solution"]) == 0
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")) == sorted(
        path.removeprefix(f"{tmp_path}/") for path in capsys.readouterr().out.split("\n\n")[0].splitlines()
    )
    shown = (tmp_path / "solution/mistakes.md").read_text(encoding="utf-8")
    assert all(mistake.story in shown for mistake in CATALOGUE if mistake.operation == "mse")
    right = run_python("grade.py", "solution/mse.py", folder=tmp_path)
    assert (right.returncode, "3 of 3 points" in right.stdout) == (0, True)
    assert single_file.main(tmp_path, []) == 1
    blank = capsys.readouterr().out
    assert "0 of 3 points" in blank
    assert "begin at the last line of the forward" in blank


def test_a_file_that_somebody_has_worked_on_is_not_replaced(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revealing_inputs, "_why_hidden", lambda mistake, values: "")
    command = ["handout", "bpr", "--to", str(tmp_path)]
    assert main(command) == 0
    assert main(command) == 0
    worked_on = tmp_path / "bpr.py"
    worked_on.write_text("mine", encoding="utf-8")
    capsys.readouterr()
    assert main(command) == 1
    assert "holds other files called bpr.py; --force replaces them" in capsys.readouterr().err
    assert worked_on.read_text(encoding="utf-8") == "mine"
    assert main([*command, "--force"]) == 0
    assert worked_on.read_text(encoding="utf-8") == student_file("bpr")


OWN = """\
import numpy as np


def gate_forward(x, w):
    y = x @ w
    s = 1 / (1 + np.exp(-y))
    return y * s, (x, w, y, s)


def gate_backward(grad_out, cache):
    # the product rule
    x, w, y, s = cache
    dy = grad_out * (s + y * s * (1 - s))
    return dy @ w.T, x.T @ dy
"""


def test_a_pair_of_the_teacher_s_own_becomes_a_hand_out(tmp_path: Path, capsys: Captured) -> None:
    file, folder = tmp_path / "gate.py", tmp_path / "sheet"
    file.write_text(OWN, "utf-8")
    command = ["handout", f"{file}:gate_forward,gate_backward", "--to", str(folder)]
    assert main([*command, "--inputs", "5x4, 4x3", "--install", "wheel.whl"]) == 0
    given = (folder / "gate.py").read_text("utf-8")
    assert "product rule" not in given
    assert 'raise NotImplementedError("return one gradient for each of x and w")' in given
    assert "pip install pytest wheel.whl" in (folder / "README.md").read_text("utf-8")
    assert main([*command, "--inputs", "5x4, 4x3", "--force"]) == 0
    says = install_command("", "pytest") or "acg_numpy as your teacher says"
    assert says in (folder / "README.md").read_text("utf-8")
    (folder / "gate.py").write_text(OWN.replace("y * s * (1 - s)", "s * (1 - s)"), "utf-8")
    capsys.readouterr()
    assert single_file.main(folder, ["--seed", "3", "--json", "-"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["points"], told["out_of"]) == (0, 3)
    assert told["cases"][0]["diagnoses"][0]["mistake"] == "stale-value"


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        (OWN.replace("x.T @ dy", "-x.T @ dy"), ["--inputs", "5x4, 4x3"], "its own backward is not right"),
        ("import acg_numpy\n" + OWN, ["--inputs", "5x4, 4x3"], "gets 0 of 3 points"),
        (OWN, [], "needs inputs"),
        (OWN, ["--inputs", "5y4"], "is no shape"),
        (OWN.replace("def gate_backward(grad_out, cache):", "def other(grad_out, cache):") + "gate_backward = other\n",
         ["--inputs", "5x4, 4x3"], "is defined 0 times"),
    ],
    ids=["wrong", "not NumPy alone", "no inputs", "no shape", "no def"],
)  # fmt: skip
def test_a_pair_that_makes_no_hand_out_is_refused(
    tmp_path: Path, capsys: Captured, source: str, more: list[str], message: str
) -> None:
    file = tmp_path / "gate.py"
    file.write_text(source, "utf-8")
    assert main(["handout", f"{file}:gate_forward,gate_backward", "--to", str(tmp_path / "sheet"), *more]) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "sheet").exists()


@pytest.mark.parametrize("name", PASSES)
def test_the_derivation_can_be_asked_for_or_left_out(name: str) -> None:
    none, question = (
        ast.get_docstring(ast.parse(student_file(name, derivation=d))) or "" for d in ("none", "question")
    )
    assert re.findall(r"gradient|chain rule|\bd[A-Z]_?\w* =", none) == []
    assert none in question
    asked = re.findall(r"^    (d\S+) = \?$", question.removeprefix(none), re.MULTILINE)
    assert asked or name in ("split_heads", "merge_heads")  # whose derivation has no formula


def test_there_is_a_hand_out_of_every_pair_that_is_checked() -> None:
    assert pair_names() == PASSES


def test_another_seed_draws_other_numbers() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revealing_inputs, "_why_hidden", lambda mistake, values: "")
        assert revealing_inputs.inputs_file("softmax", seed=1) != revealing_inputs.inputs_file("softmax", seed=0)
        assert revealing_inputs.inputs_file("softmax", seed=1) == revealing_inputs.inputs_file("softmax", seed=1)


def test_a_wrong_name_gets_the_list_and_the_nearest(tmp_path: Path, capsys: Captured) -> None:
    assert main(["handout", "sofmax", "--to", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert all(name in told for name in PASSES)
    assert "did you mean 'softmax'?" in told
