"""The grading of a class: what is done is recognised, the rest is judged in parallel, and all files are written."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
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
    read_sealed,
    recorded_stems,
    replace_text,
    result_note,
    write_record,
    write_sealed,
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
NOT_AMONG = "graded before; no file among these submissions"


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
    outdated : list of str
        With `only`, the others whose files were not graded, or are not those that were.
    kept : list of str
        Students who were graded before, alike, and have no file among the submissions: they stay in the table.
    apart : list of str
        The same of those who were graded by other options: their pages stay, and the table leaves them out.
    """

    graded: list[Graded]
    missing: list[str]
    seed: int
    recognised: int
    changed: list[str]
    outdated: list[str]
    kept: list[str]
    apart: list[str]

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
    how = _options_in_words(handout_hash(handout), seed, options)
    if chosen is not None:
        _refuse_others(out, [stem for key, stem in enumerate(stems) if key not in chosen], how, str(options.only))
    _keep_inputs(handout, out, seed, inputs)

    found: dict[int, Graded] = {}
    before: dict[int, dict[str, Any] | None] = {}
    jobs: list[Job] = []
    outdated: list[str] = []
    unread = 0
    for key, (submission, stem) in enumerate(zip(submissions, stems, strict=True)):
        mark, known = fingerprint(submission, how), read_record(out, stem)
        before[key] = known
        again = chosen is not None and key in chosen
        other = chosen is not None and not again
        if other and (known is None or known["fingerprint"] != mark):
            outdated.append(submission.student)
        if known is not None and not again and (chosen is not None or known["fingerprint"] == mark):
            found[key] = Graded(submission, stem, known["fingerprint"], how, known["result"], known["note"])
        elif submission.problem or other:
            problem = submission.problem if not other else f"not graded yet: --only {options.only}"
            result = zero_result(exercise, submission.file, LearnerError(problem, Place(Path(submission.file))))
            found[key] = Graded(submission, stem, mark, how, result, result_note(submission, result))
            unread += 1
            if other:
                continue
            write_record(out, found[key])
        else:
            jobs.append(Job(key, submission.file, submission.source))
    started = len(found)

    def take(key: int, answer: dict[str, Any]) -> None:
        submission = submissions[key]
        result = answer.get("result")
        if result is None:
            place = Place(Path(submission.file))
            result = zero_result(exercise, submission.file, LearnerError(f"no points: {answer['failed']}", place))
        mark, note = fingerprint(submission, how), result_note(submission, result)
        graded = Graded(submission, stems[key], mark, how, result, note)
        found[key] = graded
        write_record(out, graded)
        progress(len(found) - started, len(jobs), graded)

    limits = Limits(seconds=options.seconds, isolate=options.isolate)
    judge_all(Setup(handout.resolve(), inputs, limits, options.hints), jobs, options.jobs, take)
    graded = [found[key] for key in sorted(found)]
    earlier = list(_graded_before(out, stems))
    kept = [one for one in earlier if one.options == how]
    joined = None if roster is None else join_roster(roster, [*graded, *kept])
    settings = {
        "hand-out": str(handout),
        "seed of the inputs": seed,
        "hints for students": options.hints,
        "isolation": options.isolate,
        "seconds for a file": f"{options.seconds:g}",
        "acg_numpy": version("acg_numpy"),
    }
    _write_grades(out, exercise, graded, kept, roster, joined, options.hints, settings)
    changed = [
        f"{found[key].submission.student}: {sentence}"
        for key in sorted(chosen or ())
        for sentence in [*differences(before[key], found[key])] or ["nothing is different"]
    ]
    return ClassGrades(
        [*graded, *kept],
        joined.missing if joined else [],
        seed,
        started - unread,
        changed,
        outdated,
        [one.submission.student for one in kept],
        [one.submission.student for one in earlier if one.options != how],
    )


def _graded_before(out: Path, stems: Sequence[str]) -> Iterator[Graded]:
    """Yield the students of whom a folder holds a record, beside those whose files have these names."""
    for stem in recorded_stems(out):
        known = read_record(out, stem) if stem not in stems else None
        if known is not None:
            submission = Submission(known["student"], known["id"], known["file"], "", "", ())
            yield Graded(
                submission, stem, known["fingerprint"], known["options"], known["result"],
                "; ".join(filter(None, [NOT_AMONG, known["note"].removeprefix(NOT_AMONG).removeprefix("; ")])),
            )  # fmt: skip


def _options_in_words(handout: str, seed: int, options: Options) -> dict[str, Any]:
    """Return what a result depends on beside the submission, each as a message names it."""
    return {
        "hand-out": f"a hand-out with the hash {handout[:8]}",
        "seed": f"--seed {seed}",
        "hints": f"--hints {options.hints}",
        "isolate": f"--isolate {options.isolate}",
        "seconds": f"--seconds {options.seconds:g}",
        "version": f"acg_numpy {version('acg_numpy')}",
    }


def _refuse_others(out: Path, stems: Sequence[str], how: dict[str, Any], only: str) -> None:
    """Refuse to put a student beside others who were graded by other options."""
    for stem in stems:
        before = (read_record(out, stem) or {}).get("options", how)
        if unlike := [name for name in how if before.get(name) != how[name]]:
            was, now = (" ".join(str(some.get(name)) for name in unlike) for some in (before, how))
            raise SubmissionError(
                f"--only {only!r}: {stem!r} was graded with {was}, and this is {now}; one table holds one set of "
                "options: give those, or grade all again, without --only"
            )


def _choose(submissions: Sequence[Submission], only: str | None) -> set[int] | None:
    """Return the places of the submissions of one student; None where all are asked for."""
    if only is None:
        return None
    chosen = {place for place, one in enumerate(submissions) if only and only in (one.student, one.id)}
    if not chosen:
        names = [one.student for one in submissions]
        raise SubmissionError(f"--only {only!r}: there is no such student{did_you_mean(only, names, head='; ')}")
    return chosen


def _draw_inputs(handout: Path, out: Path, seed: int | None) -> tuple[int, str]:
    """Return the seed and the text of the inputs: those of the folder, if it was graded before, else new ones."""
    exercise, file = str(read_description(handout)["exercise"]), out / SETTINGS
    try:
        known = read_sealed(file)
    except FileNotFoundError:
        return _new_inputs(handout, seed)
    except (OSError, ValueError):
        fix = "remove it, and the class is graded anew, at other inputs"
        raise HandoutError(
            f"{file} was changed, or is damaged, so the inputs of the class are not known; {fix}"
        ) from None
    if known["exercise"] != exercise:
        raise HandoutError(
            f"{out} holds the grades of the exercise {known['exercise']}; give another --out for {exercise}"
        )
    seed = known["seed"] if seed is None else seed
    if known["mark"] == _mark(handout) and seed == known["seed"]:
        return known["seed"], known["inputs"]
    return _new_inputs(handout, seed)


def _keep_inputs(handout: Path, out: Path, seed: int, inputs: str) -> None:
    """Keep the inputs, so that the whole class is graded at the same ones, later files too."""
    exercise = str(read_description(handout)["exercise"])
    settings = {"exercise": exercise, "mark": _mark(handout), "seed": seed, "inputs": inputs}
    write_sealed(out / SETTINGS, settings)


def _mark(handout: Path) -> list[str]:
    return [handout_hash(handout), version("acg_numpy")]


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
        with suppress(NoInputsError):
            if with_this != read_description(handout)["seed"]:
                return with_this, fresh_inputs(handout, with_this)
    raise HandoutError(f"{handout}: no inputs were found that reveal all mistakes")


def _write_grades(
    out: Path,
    exercise: Exercise,
    graded: Sequence[Graded],
    kept: Sequence[Graded],
    roster: Roster | None,
    joined: Joined | None,
    hints: int,
    settings: dict[str, Any],
) -> None:
    """Write the table, the pages and the results."""
    everyone = [*graded, *kept]
    parts = list(dict.fromkeys(name for one in everyone for name in one.columns))
    out_of = max([one.result["out_of"] for one in everyone], default=0)
    files = {"grades.csv": grades_csv(everyone, roster, joined, out_of, parts)}
    for one in graded:
        files[f"students/{one.stem}.html"] = student_page(one, hints)
        files[f"students/{one.stem}.results.json"] = gradescope_results(one, hints)
    files["class.html"] = class_page(exercise.name, everyone, joined.missing if joined else [], settings)
    for name, text in files.items():
        replace_text(out / name, text)
