"""`acg grade`, on a class of more than seventy submissions, each in a process of its own."""

import csv
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import acg_numpy
from acg_numpy.checks.report.mistake_names import MISTAKES
from acg_numpy.cli import main
from acg_numpy.cli.grading.child_process import Limits
from acg_numpy.cli.grading.class_grading import ClassGrades, Options, grade_class
from acg_numpy.cli.grading.graded_exercise import HandoutError, load_exercise
from acg_numpy.cli.grading.judge import judge_file
from acg_numpy.cli.grading.submissions import SubmissionError
from acg_numpy.cli.handouts import revealing_inputs
from acg_numpy.cli.handouts.files import handout_files
from acg_numpy.cli.output_files import write_files
from tests.cli.grading.class_of_submissions import BROKEN, DISHONEST, HONEST, NAME, WRONG

pytestmark = pytest.mark.slow

Captured = pytest.CaptureFixture[str]
Row = dict[str, str]

ROOT = Path(acg_numpy.__file__).parent.parent
OUT_OF = 8  # two cases of three gradients and the whole
SECONDS = 20  # of a machine with other things to do
NEVER_ENDING = ("endless", "forks", "sleeps", "traps")  # which take all the time that they are given
BRIEFLY = 1.5
UNREADABLE = ("symlink", "large", "pipe") if sys.platform != "win32" else ("large",)


@pytest.fixture(scope="module", autouse=True)
def any_inputs() -> Iterator[None]:
    """Take the first inputs that are drawn: that they reveal every mistake is what the tests of the hand-out state."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revealing_inputs, "_why_hidden", lambda mistake, values: "")
        yield


@pytest.fixture(scope="module")
def handout(any_inputs: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hand-out."""
    folder = tmp_path_factory.mktemp("handout")
    write_files(folder, handout_files(NAME))
    return folder


@pytest.fixture(scope="module")
def graded(handout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grades of the whole class, which may read nothing of what a mistake is called."""
    folder, out = tmp_path_factory.mktemp("submissions"), tmp_path_factory.mktemp("graded")
    one_of_two = {name: text for name, (text, _) in {**WRONG, **BROKEN}.items()}
    for name, text in {**HONEST, **one_of_two, **DISHONEST}.items():
        if name in NEVER_ENDING:
            continue
        (folder / f"{name}.py").write_bytes(text.replace("ROOT", repr(str(ROOT))).encode())
    if "symlink" in UNREADABLE:
        (folder / "symlink.py").symlink_to(folder / "right.py")
        os.mkfifo(folder / "pipe.py")
    with (folder / "large.py").open("wb") as file:
        file.truncate(100 << 20)
    beside = folder / "beside"
    beside.mkdir()
    (beside / f"{NAME}.py").write_text(HONEST["right"])
    for module in ("numpy", "sitecustomize", "usercustomize", "typing"):
        (beside / f"{module}.py").write_text("raise SystemExit('this is not the module that was meant')")
    command = ["grade", str(handout), str(folder), "--out", str(out), "--hints", "0", "--seconds", str(SECONDS)]
    assert main([*command, "--seed", "7", "--jobs", "2"]) == 0
    return out


@pytest.fixture(scope="module")
def ended(handout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grades of those who never end, of whom nothing is lost if they get little time."""
    folder, out = tmp_path_factory.mktemp("never-ending"), tmp_path_factory.mktemp("ended")
    for name in NEVER_ENDING:
        (folder / f"{name}.py").write_text(DISHONEST[name], "utf-8")
    command = ["grade", str(handout), str(folder), "--out", str(out), "--seed", "7", "--jobs", "2"]
    assert main([*command, "--seconds", str(BRIEFLY)]) == 0
    return out


@pytest.fixture(scope="module")
def rows(graded: Path, ended: Path) -> dict[str, Row]:
    """The rows of both tables, by student."""
    return {row["student"]: row for out in (graded, ended) for row in read_rows(out)}


def read_rows(out: Path) -> list[Row]:
    with (out / "grades.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", [*HONEST, "beside"])
def test_right_answers_get_all_points(rows: dict[str, Row], name: str) -> None:
    row = rows[name]
    assert (row["points"], row["out_of"], row["passed"], row["mistakes"]) == (str(OUT_OF), str(OUT_OF), "true", ""), row


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_get_the_mistake_by_its_id(rows: dict[str, Row], name: str) -> None:
    row = rows[name]
    assert row["passed"] == "false"
    assert int(row["points"]) < OUT_OF
    assert row["mistakes"].split() == [WRONG[name][1]]


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_get_the_reason(rows: dict[str, Row], name: str) -> None:
    assert (rows[name]["points"], rows[name]["passed"]) == ("0", "false")
    assert BROKEN[name][1] in rows[name]["note"]


@pytest.mark.parametrize("name", [*DISHONEST, *UNREADABLE])
def test_no_dishonest_file_gets_a_point_for_what_it_did_not_compute(rows: dict[str, Row], name: str) -> None:
    row = rows[name]
    own = ["linear: x", "rows: x"]  # what these compute themselves, but for one gradient
    points = [row[c] for c in row if ": " in c and not (name in ("batched", "lists", "dual") and c in own)]
    assert row["passed"] == "false"
    assert set(points) == {"0"}, row
    assert "Traceback" not in row["note"]


def test_nothing_was_written_and_everyone_has_a_row(rows: dict[str, Row]) -> None:
    assert not (ROOT / "was_here").exists()
    assert rows.keys() == {*HONEST, *WRONG, *BROKEN, *DISHONEST, "beside", *UNREADABLE}


def test_students_read_no_mistake_without_hints(graded: Path) -> None:
    pages = [file.read_text("utf-8") for file in (graded / "students").iterdir()]
    assert len(pages) > 100
    assert not any(re.search(rf"\b({'|'.join(MISTAKES)})\b|Hint|Evidence|finite difference", page) for page in pages)
    assert not any("<script" in file.read_text("utf-8") for file in (graded / "students").glob("*.html"))
    assert not any("\x1b" in page for page in pages)


def test_the_teacher_reads_mistakes_and_what_was_tried(graded: Path) -> None:
    page = (graded / "class.html").read_text("utf-8")
    assert "<th>mean-for-sum</th><td>1</td>" in page
    assert "imports subprocess" in page
    assert "linear_backward calls linear_forward" in page
    assert "tried: open" in page
    assert "more bytes" in page


def test_each_table_scrolls_by_keyboard_and_has_a_name(graded: Path) -> None:
    for name in ("class.html", "students/sign.html"):
        page = (graded / name).read_text("utf-8")
        regions = re.findall(r'<div class="table" tabindex="0" role="region" aria-label="[^"]+"><table>', page)
        assert len(regions) == page.count("<table>") > 0


def test_gradescope_gets_a_test_for_each_point(graded: Path) -> None:
    found = json.loads((graded / "students/sign.results.json").read_text("utf-8"))
    assert (found["score"], sum(test["max_score"] for test in found["tests"])) == (4, OUT_OF)
    assert [test["output"] for test in found["tests"][:4]] == ["wrong", "right", "right", "wrong"]


# keys and types of results.json: https://gradescope-autograders.readthedocs.io/en/latest/specs/
VISIBILITY = {"hidden", "after_due_date", "after_published", "visible"}
OUTPUT_FORMATS = {"text", "html", "simple_format", "md", "ansi"}
OF_ALL = {"score": float, "execution_time": float, "output": str, "output_format": str, "test_output_format": str}
OF_ALL |= {"test_name_format": str, "visibility": str, "stdout_visibility": str, "extra_data": dict, "tests": list}
OF_TEST = {"score": float, "max_score": float, "status": str, "name": str, "name_format": str, "number": str}
OF_TEST |= {"output": str, "output_format": str, "tags": list, "visibility": str, "extra_data": dict}


def test_results_have_the_keys_and_types_that_gradescope_reads(graded: Path) -> None:
    files = sorted(graded.glob("students/*.results.json"))
    assert len(files) > 60
    for file in files:
        found = json.loads(file.read_text("utf-8"))
        assert found["tests"]
        assert {"score", "tests"} <= set(found) <= set(OF_ALL)
        for part, keys in [(found, OF_ALL), *((test, OF_TEST) for test in found["tests"])]:
            assert set(part) <= set(keys), file.name
            for key, value in part.items():
                assert isinstance(value, (int, float) if keys[key] is float else keys[key]), (file.name, key)
                assert not isinstance(value, bool)
            assert part["visibility"] in VISIBILITY
        assert found["stdout_visibility"] == "hidden"
        assert found["output_format"] in OUTPUT_FORMATS
        assert {test["status"] for test in found["tests"]} <= {"passed", "failed"}
        assert all(0 <= test["score"] <= test["max_score"] == 1 for test in found["tests"])
        assert found["score"] <= sum(test["score"] for test in found["tests"])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small class, in which two files end the process that judges them, where nothing holds them back."""
    folder = tmp_path_factory.mktemp("small")
    for name, text in {"ann": HONEST["right"], "bob": WRONG["sign"][0], "eve": DISHONEST["kills"]}.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="a process has no parent that it could kill")
def test_a_supervisor_may_die_with_a_file(
    handout: Path, small: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    command = ["grade", str(handout), str(small), "--out", str(tmp_path), "--jobs", "1", "--seed", "7"]
    assert main([*command, "--isolate", "none"]) == 0
    told = capsys.readouterr()
    assert "1 with all points" in told.out
    assert told.err == ""
    found = {row["student"]: row for row in read_rows(tmp_path)}
    assert "ended from outside twice" in found["eve"]["note"]
    assert list(temporary.iterdir()) == []
    assert [found[name]["points"] for name in ("ann", "bob", "eve")] == ["8", "4", "0"]

    # what is done is recognised, one is graded again, and a roster is joined
    (small / "bob.py").write_text(HONEST["right"], "utf-8")
    roster = tmp_path / "roster.csv"
    roster.write_text("Student,ID,Section\nEve,1,A\nBob,2,B\nZoe,3,B\nAnn,4,A\n", "utf-8")
    again = [*command, "--isolate", "none", "--only", "bob", "--roster", str(roster)]
    assert main(again) == 0
    told = capsys.readouterr()
    assert "2 of them not run again" in told.out
    assert "bob: 4 -> 8 of 8 points" in told.out
    assert "missing: 'Zoe'" in told.out
    joined = read_rows(tmp_path)
    assert [(row["Student"], row["Section"], row["points"]) for row in joined] == [
        ("Eve", "A", "0"), ("Bob", "B", "8"), ("Zoe", "B", "0"), ("Ann", "A", "8"),
    ]  # fmt: skip
    assert joined[2]["note"].startswith("missing")


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="Bubblewrap is not installed")
def test_bubblewrap_holds_what_the_process_alone_does_not(handout: Path) -> None:
    exercise, limits = load_exercise(handout), Limits(seconds=SECONDS, isolate="bwrap")
    right = judge_file(exercise, "right.py", HONEST["right"], limits)
    assert right["passed"]
    killer = judge_file(exercise, "kills.py", DISHONEST["killsall"], limits)
    assert killer["points"] == 0


def test_a_wall_that_is_not_installed_is_named(
    handout: Path, small: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["grade", str(handout), str(small), "--out", str(tmp_path / "out"), "--isolate", "bwrap"]) == 1
    told = capsys.readouterr().err
    assert "bwrap is not installed" in told
    assert "--isolate process" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{handout}/no", "{small}"], "is no folder: give the hand-out"),
        (["{small}", "{small}"], "handout.json: it cannot be read"),
        (["{handout}", "{small}/ann.py"], "neither a folder nor a zip file"),
        (["{handout}", "{small}/no"], "no such file or directory"),
        (["{handout}", "{small}", "--only", "annn"], "did you mean 'ann'?"),
        (["{handout}", "{small}", "--seed", "0"], "drew the inputs that were handed out"),
        (["{handout}", "{small}", "--roster", "{small}/no.csv"], "no.csv: it cannot be read"),
    ],
)
def test_what_cannot_be_graded_is_said(
    handout: Path, small: Path, tmp_path: Path, capsys: Captured, arguments: list[str], message: str
) -> None:
    given = [argument.format(handout=handout, small=small) for argument in arguments]
    assert main(["grade", *given, "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


OWN = (
    "import numpy as np\n\n\ndef twice_forward(x, w):\n    return 2 * x @ w, (x, w)\n\n\n"
    "def twice_backward(grad_out, cache):\n    raise NotImplementedError('write it')\n"
)
DESCRIBED = {
    "exercise": "twice", "forward": "twice_forward", "backward": "twice_backward", "inputs": ["3x4, 4x2"], "seed": 0,
    "acg_numpy": "0.1", "source": OWN,
}  # fmt: skip
CHANGED = {
    "exercise": [3, None, "", " ", "../twice", "a/b", "a\0b", ".hidden", ["twice"]],
    "forward": [3, None, "", "foo", "twice"],
    "backward": [3, None, "", "foo"],
    "inputs": [None, "3x", [], [3], {}, 7, True, ["3x"], ["3x4"], ["2x2, 5x5"], ["3x4, 4x2, 1"], ["3x4, 4x2", "3"]],
    "seed": ["0", -1, 1.5, True, None],
    "source": [3, None, "", "def (", "\0", "x = 1", f"1 / 0\n{OWN}", OWN.replace("2 * x", "x.nothing")],
}
NO_DESCRIPTION = [
    "",
    "{",
    "null",
    "[]",
    "3",
    "{}",
    *(json.dumps({k: 0 for k in DESCRIBED if k != key}) for key in CHANGED),
]


def grade_one(sheet: Path, folder: Path, out: Path, **options: Any) -> ClassGrades:
    return grade_class(sheet, folder, out, Options(seed=7, isolate="none", jobs=1, **options), lambda *_: None)


@pytest.mark.parametrize("key", CHANGED)
def test_a_changed_handout_is_refused_by_its_key(small: Path, tmp_path: Path, key: str) -> None:
    for value in CHANGED[key]:
        (tmp_path / "handout.json").write_text(json.dumps({**DESCRIBED, key: value}))
        with pytest.raises(HandoutError, match=re.escape(f"{tmp_path / 'handout.json'}: it")) as caught:
            grade_one(tmp_path, small, tmp_path / "out")
        assert "acg handout" in str(caught.value)
        assert key != "exercise" or "exercise is" in str(caught.value)


@pytest.mark.parametrize("text", NO_DESCRIPTION)
def test_what_describes_no_handout_is_refused(small: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "handout.json").write_text(text)
    with pytest.raises(HandoutError, match=r"handout\.json: it (is not JSON|should hold exercise, )"):
        grade_one(tmp_path, small, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("--seconds", ["0", "-1", "nan", "inf", "1e12", "86401", "x", ""]),
        ("--seed", ["-1", "1.5", "x", "9" * 5000]),
        ("--jobs", ["0", "-1", "2.5", "x"]),
        ("--hints", ["3", "-1", "x"]),
        ("--isolate", ["", "docker"]),
        ("--only", [""]),
        ("--out", ["{small}/ann.py"]),
    ],
)
def test_an_extreme_option_is_refused_by_its_name(
    handout: Path, small: Path, tmp_path: Path, capsys: Captured, name: str, values: list[str]
) -> None:
    for value in values:
        command = ["grade", str(handout), str(small), "--out", str(tmp_path / "out"), "--seed", "7"]
        assert main([*command, f"{name}={value.format(small=small)}"]) in (1, 2)
        assert name in capsys.readouterr().err


def test_the_largest_options_are_taken(handout: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "ann.py").write_text(HONEST["right"])
    command = ["grade", str(handout), str(tmp_path), "--out", str(tmp_path / "out"), "--isolate", "none"]
    assert main([*command, "--seconds", "86400", "--jobs", "9" * 30, "--seed", "9" * 30]) == 0
    assert "1 with all points" in capsys.readouterr().out


def test_a_table_holds_one_set_of_options_and_no_one_else(handout: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "class", tmp_path / "out"
    folder.mkdir()
    for name in ("ann", "bob", "zoe"):
        (folder / f"{name}.py").write_bytes(b"\0")  # which is not run
    grade_one(handout, folder, out)
    for more in ({"hints": 0}, {"seconds": 9.0}):
        with pytest.raises(SubmissionError, match="one table holds one set of options"):
            grade_one(handout, folder, out, only="ann", **more)
    (folder / "bob.py").write_text("x = 1")
    (folder / "dan.py").write_bytes(b"\0")
    found = grade_one(handout, folder, out, only="ann")
    assert (found.outdated, found.changed) == (["bob", "dan"], ["ann: nothing is different"])
    assert "not graded yet" in {one.submission.student: one.note for one in found.graded}["dan"]
    (folder / "zoe.py").unlink()
    assert grade_one(handout, folder, out).kept == ["zoe"]  # of whom nothing is lost
    table = read_rows(out)
    assert [row["student"] for row in table] == ["ann", "bob", "dan", "zoe"]
    assert table[-1]["note"].startswith("graded before; no file among these submissions")
    assert len(list(out.rglob("zoe*"))) == len(list(out.rglob("ann*"))) == 3
    roster = tmp_path / "roster.csv"
    roster.write_text("Student\nann\nzoe\nbob\ndan\n")
    found = grade_one(handout, folder, out, hints=0, roster=roster)
    assert (found.kept, found.apart) == ([], ["zoe"])
    assert (out / "students/zoe.html").exists()


@pytest.mark.parametrize("damage", ["", "[]", '{"seed": 1}', "changed"])
def test_damaged_records_are_graded_again_and_inputs_are_refused(handout: Path, tmp_path: Path, damage: str) -> None:
    (tmp_path / "ann.py").write_bytes(b"\0")
    out = tmp_path / "out"
    grade_one(handout, tmp_path, out)
    for file in (out / "reports/ann.json", out / "grading.json"):
        file.write_text(file.read_text().replace("0", "1") if damage == "changed" else damage)
        if file.name == "ann.json":
            assert grade_one(handout, tmp_path, out).recognised == 0
        else:
            with pytest.raises(HandoutError, match=r"grading\.json was changed, or is damaged"):
                grade_one(handout, tmp_path, out)


def test_another_exercise_needs_another_folder_for_its_grades(handout: Path, tmp_path: Path) -> None:
    (tmp_path / "ann.py").write_bytes(b"\0")
    grade_one(handout, tmp_path, tmp_path / "out")
    (tmp_path / "handout.json").write_text(json.dumps(DESCRIBED))
    with pytest.raises(HandoutError, match="holds the grades of the exercise linear; give another --out for twice"):
        grade_one(tmp_path, tmp_path, tmp_path / "out")
