"""`acg learn` and `acg tutorials --check` in real processes, where nothing but NumPy can be imported."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from acg_numpy.cli.exercises import worker
from acg_numpy.cli.exercises.worker import check_in_process, every_exercise

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CHAPTERS = ROOT / "tutorials"
EXERCISES = {exercise.name: exercise for exercise in every_exercise(CHAPTERS)}
BLOCKED = ["scipy", "matplotlib", "hypothesis", "duckdb", "watchfiles", "tqdm", "resource", "termios", "fcntl", "pwd"]
MISSING = ["fork", "killpg", "setsid", "getpgid", "getuid", "O_NONBLOCK"]  # from `os` on Windows
PATIENCE = 120.0  # seconds, of a machine with other things to do


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing but NumPy can be imported."""
    site = tmp_path / "site"
    site.mkdir()
    without = f"import os, sys\nfor name in {BLOCKED}:\n    sys.modules[name] = None\n"
    without += f"for name in {MISSING}:\n    vars(os).pop(name, None)\n"
    (site / "sitecustomize.py").write_text(without)
    path = os.pathsep.join([str(site), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "cp1252", "COLUMNS": "40"}


def acg(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from acg_numpy.cli import main; raise SystemExit(main())", *map(str, arguments)]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


def test_a_learner_is_led_on_and_a_kill_loses_nothing(tmp_path: Path, bare: dict[str, str]) -> None:
    folder, said = tmp_path / "practice", tmp_path / "said"
    command = acg("learn", folder, "--plain", "--from", 3)

    def start(arguments: list[str]) -> subprocess.Popen[str]:
        with open(said, "w") as out:
            return subprocess.Popen(
                arguments, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, env=bare, text=True
            )

    def shows(text: str) -> Callable[[], bool]:
        return lambda: text in " ".join(said.read_text(encoding="cp1252").split())

    process = start(command)
    wait_for(shows("3a a product in a circuit"))
    assert process.stdin is not None
    process.stdin.write("n\n")
    process.stdin.flush()
    wait_for(shows("3.1 only the direction"))
    exercise = EXERCISES["direction_backward"]
    file = next(folder.rglob("*.direction_backward.py"))
    file.write_text(exercise.solution.replace("axis=-1", "axis=0"))
    wait_for(shows("h gives a hint"))
    process.stdin.write("h\nh\nh\n")
    process.stdin.flush()
    wait_for(shows("wrong-axis"))
    file.write_text(exercise.solution)
    wait_for(shows("3b the shape that is returned"))
    process.kill()
    process.communicate()
    again = start(acg("learn", folder, "--plain"))
    wait_for(shows(f"1 of {len(EXERCISES)}, chapter 3"))
    assert again.communicate("q\n", timeout=PATIENCE)[0] is None
    assert again.returncode == 0
    assert shows("To go on, give the same command")()


def test_a_file_is_checked_and_graded_where_next_to_nothing_is_there(tmp_path: Path, bare: dict[str, str]) -> None:
    pair = (
        "import numpy as np\n\n\ndef forward(x):\n    return x * x, x\n\n\ndef backward(grad_out, x):\n    return {}\n"
    )
    wrong, right = (tmp_path / f"{name}.py" for name in ("wrong", "right"))
    wrong.write_text(pair.format("grad_out * x"), "utf-8")
    right.write_text(pair.format("2 * grad_out * x"), "utf-8")
    sheet = tmp_path / "sheet"

    def run(*command: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=bare, capture_output=True, text=True, encoding="cp1252")

    for more in ([], ["--isolate"]):
        ended = [run(*acg("gradcheck", f"{file}:forward,backward", "--inputs", "3", *more)) for file in (wrong, right)]
        assert [one.returncode for one in ended] == [1, 0], ended
    assert run(*acg("handout", f"{right}:forward,backward", "--inputs", "3", "--to", sheet)).returncode == 0
    graded = [run(sys.executable, str(sheet / "grade.py"), str(file)) for file in (wrong, right)]
    assert [one.returncode for one in graded] == [1, 0], graded


def test_all_files_are_checked_at_once(tmp_path: Path, bare: dict[str, str]) -> None:
    folder = tmp_path / "practice"
    assert subprocess.run(acg("learn", folder, "--once"), env=bare, capture_output=True).returncode == 0
    answers = {
        "chain": EXERCISES["chain"].solution.replace("return z", "return y"),
        "mse_backward": EXERCISES["mse_backward"].solution,
        "my_softmax": EXERCISES["my_softmax"].solution,
    }
    for name, answer in answers.items():
        next(folder.rglob(f"*.{name}.py")).write_text(answer, encoding="utf-8")
    ended = subprocess.run(acg("learn", folder, "--once", "--json"), env=bare, capture_output=True, text=True)
    assert ended.returncode == 1, ended.stderr
    told = json.loads(ended.stdout)
    found = {row["name"]: (row["status"], row["mistake"]) for row in told["exercises"] if row["status"] != "untouched"}
    assert found == {
        "chain": ("wrong", "first-alone"),
        "mse_backward": ("right", ""),
        "my_softmax": ("unavailable", ""),
    }
    assert (told["right"], told["of"]) == (1, len(EXERCISES))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("import time\nprediction = 1\ntime.sleep(60)\n", "It still runs after 3 seconds"),
        ("import os\nprediction = 1\nos._exit(3)\n", "ended with code 3"),
        ("import os\nprediction = 1 / 8\nos.write(1, b'noise')\nprint('more')\n", ""),
    ],
)
def test_an_answer_that_hangs_or_ends_the_process_is_told(
    answer: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exercise = EXERCISES["prediction"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit('a file beside the learner is no module of the worker')")
    seconds = 3 if "sleep" in answer else PATIENCE
    verdict = check_in_process(CHAPTERS, exercise, answer, tmp_path / "mine.py", seconds)
    assert (verdict.status == "right") == (not says)
    assert says in "".join(verdict.levels)


def test_a_process_that_was_started_ahead_is_used_or_replaced(tmp_path: Path) -> None:
    exercise = EXERCISES["prediction"]
    worker.start_ahead()
    (first,) = worker._ahead
    worker.start_ahead()
    assert worker._ahead == [first]
    assert check_in_process(CHAPTERS, exercise, exercise.solution, tmp_path / "mine.py").status == "right"
    assert first.returncode == 0
    worker.start_ahead()
    (second,) = worker._ahead
    second.kill()
    second.communicate()
    assert check_in_process(CHAPTERS, exercise, exercise.solution, tmp_path / "mine.py").status == "right"


def test_the_sample_of_the_page_shows_the_exercise_at_its_place() -> None:
    page = (ROOT / "docs" / "learn.md").read_text(encoding="utf-8")
    found = re.search(
        r"\[(#+)\.+\] (\d+) of (\d+), chapter (\d+)\n\n(\S+)  (.+)\n\.\.\.\nFill in: practice/\S+\.(\w+)\.py", page
    )
    assert found is not None
    bar, done, total, chapter, label, title, file = found.groups()
    labels = [exercise.label for exercise in EXERCISES.values()]
    shown = EXERCISES[file]
    assert (label, title, int(chapter)) == (shown.label, shown.title, shown.chapter)
    assert (int(done), int(total)) == (labels.index(label), len(labels))
    assert len(bar) == 40 * int(done) // int(total)
