"""The grading of a class: what is done is recognised, the rest is judged in parallel, and all files are written."""

import json
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from acg_numpy.checks.learner.errors import LearnerError, Place
from acg_numpy.cli.grading.child_process import Limits, check_isolation
from acg_numpy.cli.grading.class_record import (
    SETTINGS,
    Graded,
    differences,
    file_stems,
    fingerprint,
    read_record,
    replace_text,
    result_note,
    write_record,
)
from acg_numpy.cli.grading.grade_pages import class_page, gradescope_results, student_page
from acg_numpy.cli.grading.graded_exercise import (
    Exercise,
    HandoutError,
    fresh_inputs,
    handout_hash,
    load_exercise,
    read_description,
)
from acg_numpy.cli.grading.judge import zero_result
from acg_numpy.cli.grading.roster import Joined, Roster, grades_csv, join_roster, read_roster
from acg_numpy.cli.grading.submissions import Submission, SubmissionError, read_submissions
from acg_numpy.cli.grading.supervisor_pool import Job, Setup, judge_all
from acg_numpy.text import did_you_mean

LARGEST_SEED = 2**31


class Options(NamedTuple):
    """Options of `acg grade`."""

    seed: int | None = None
    roster: Path | None = None
    only: str | None = None
    hints: int = 1
    isolate: str = "process"
    seconds: float = 10.0
    jobs: int = 2


class ClassGrades(NamedTuple):
    """Grades of a class.

    Attributes
    ----------
    graded : list of Graded
    missing : list of str
    seed : int
    recognised : int
        How many were graded before, alike.
    changed : list of str
        With `only`, what is another result than before.
    """

    graded: list[Graded]
    missing: list[str]
    seed: int
    recognised: int
    changed: list[str]

    @property
    def mistakes(self) -> Counter[str]:
        """How many students made each mistake."""
        return Counter(mistake for one in self.graded for mistake in one.result["mistakes"])


def grade_class(
    handout: Path, source: Path, out: Path, options: Options, progress: Callable[[int, int, Graded], None]
) -> ClassGrades:
    """Grade the submissions of a class, and write the grades.

    Parameters
    ----------
    handout, source, out : paths
        The hand-out, the submissions, and the folder for the grades.
    options : Options
    progress : callable
        Called with how many are done, of how many, and the last of them.

    Raises
    ------
    HandoutError, SubmissionError, RosterError, ChildStartError
        If there is nothing to grade, or nothing to grade by.
    """
    check_isolation(options.isolate)
    if not handout.is_dir():
        raise HandoutError(f"{handout} is no folder: give the hand-out that was made by acg handout")
    name = read_description(handout)["exercise"]
    roster = None if options.roster is None else read_roster(options.roster)
    submissions = read_submissions(source, name)
    stems = file_stems(submissions)
    chosen = _choose(submissions, options.only)
    seed, inputs = _draw_inputs(handout, out, options.seed)
    exercise = load_exercise(handout, inputs)
    how = (handout_hash(handout), seed, options.hints, options.isolate, options.seconds, version("acg_numpy"))

    found: dict[int, Graded] = {}
    before: dict[int, dict[str, Any] | None] = {}
    jobs: list[Job] = []
    unread = 0
    for key, (submission, stem) in enumerate(zip(submissions, stems, strict=True)):
        mark, known = fingerprint(submission, *how), read_record(out, stem)
        before[key] = known
        again = chosen is not None and key in chosen
        if known is not None and not again and (chosen is not None or known["fingerprint"] == mark):
            found[key] = Graded(submission, stem, known["fingerprint"], known["result"], known["note"])
        elif chosen is not None and not again:
            continue  # it was not graded yet, and is not asked for
        elif submission.problem:
            error = LearnerError(submission.problem, Place(Path(submission.file)))
            result = zero_result(exercise, submission.file, error)
            found[key] = Graded(submission, stem, mark, result, result_note(submission, result))
            write_record(out, found[key])
            unread += 1
        else:
            jobs.append(Job(key, submission.file, submission.source))
    started = len(found)

    def take(key: int, answer: dict[str, Any]) -> None:
        submission = submissions[key]
        result = answer.get("result")
        if result is None:
            place = Place(Path(submission.file))
            result = zero_result(exercise, submission.file, LearnerError(f"no points: {answer['failed']}", place))
        graded = Graded(submission, stems[key], fingerprint(submission, *how), result, result_note(submission, result))
        found[key] = graded
        write_record(out, graded)
        progress(len(found) - started, len(jobs), graded)

    limits = Limits(seconds=options.seconds, isolate=options.isolate)
    judge_all(Setup(handout.resolve(), inputs, limits, options.hints), jobs, options.jobs, take)
    graded = [found[key] for key in sorted(found)]
    joined = None if roster is None else join_roster(roster, graded)
    settings = {
        "hand-out": str(handout),
        "seed of the inputs": seed,
        "hints for students": options.hints,
        "isolation": options.isolate,
        "seconds for a file": f"{options.seconds:g}",
        "acg_numpy": version("acg_numpy"),
    }
    _write_grades(out, exercise, graded, roster, joined, options.hints, settings)
    changed = [
        f"{found[key].submission.student}: {sentence}"
        for key in sorted(chosen or ())
        for sentence in [*differences(before[key], found[key])] or ["nothing is different"]
    ]
    return ClassGrades(graded, joined.missing if joined else [], seed, started - unread, changed)


def _choose(submissions: Sequence[Submission], only: str | None) -> set[int] | None:
    """Return the places of the submissions of one student; None where all are asked for."""
    if only is None:
        return None
    chosen = {place for place, one in enumerate(submissions) if only in (one.student, one.id)}
    if not chosen:
        names = [one.student for one in submissions]
        raise SubmissionError(f"--only {only!r}: there is no such student{did_you_mean(only, names, head='; ')}")
    return chosen


def _draw_inputs(handout: Path, out: Path, seed: int | None) -> tuple[int, str]:
    """Return the seed and the text of the inputs: those of the folder, if it was graded before, else new ones."""
    mark = [handout_hash(handout), version("acg_numpy")]
    exercise = other = str(read_description(handout)["exercise"])
    try:
        known = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
        other = known.get("exercise", exercise)
        same = known["mark"] == mark and seed in (None, known["seed"])
        if same:
            return int(known["seed"]), str(known["inputs"])
        if seed is None:
            seed = int(known["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if other != exercise:
        raise HandoutError(f"{out} holds the grades of the exercise {other}; give another --out for {exercise}")
    seed, inputs = _new_inputs(handout, seed)
    settings = {"exercise": exercise, "mark": mark, "seed": seed, "inputs": inputs}
    replace_text(out / SETTINGS, json.dumps(settings, indent=1) + "\n")
    return seed, inputs


def _new_inputs(handout: Path, seed: int | None) -> tuple[int, str]:
    """Draw inputs, with a seed that reveals every mistake if none was asked for."""
    from acg_numpy.cli.handouts.revealing_inputs import NoInputsError

    if seed is not None:
        try:
            return seed, fresh_inputs(handout, seed)
        except NoInputsError as error:
            raise HandoutError(f"--seed {seed}: {error}; try another one") from None
    for _ in range(20):
        with_this = secrets.randbelow(LARGEST_SEED)
        try:
            return with_this, fresh_inputs(handout, with_this)
        except (NoInputsError, HandoutError):
            continue
    raise HandoutError(f"{handout}: no inputs were found that reveal all mistakes")


def _write_grades(
    out: Path,
    exercise: Exercise,
    graded: Sequence[Graded],
    roster: Roster | None,
    joined: Joined | None,
    hints: int,
    settings: dict[str, Any],
) -> None:
    """Write the table, the pages and the results."""
    parts = list(dict.fromkeys(name for one in graded for name in one.columns))
    out_of = max([one.result["out_of"] for one in graded], default=0)
    files = {"grades.csv": grades_csv(graded, roster, joined, out_of, parts)}
    for one in graded:
        files[f"students/{one.stem}.html"] = student_page(one, hints)
        files[f"students/{one.stem}.results.json"] = gradescope_results(one, hints)
    files["class.html"] = class_page(exercise.name, graded, joined.missing if joined else [], settings)
    for name, text in files.items():
        replace_text(out / name, text)
