"""The supervisor: a process that judges one file after the other, and may die with one of them.

`acg grade` starts it and reads a line of JSON for each file.  A line counts only with the number that was drawn for its
job, so that whatever a submission manages to write into the pipe is not taken for a result.
"""

import json
import os
from pathlib import Path
from typing import Any


def main() -> None:
    """Read a line that sets up the exercise, then a line for each file, and answer each."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)

    from acg_numpy.cli.grading.child_process import ChildStartError, Limits, adopt_orphans
    from acg_numpy.cli.grading.graded_exercise import load_exercise
    from acg_numpy.cli.grading.judge import judge_file

    adopt_orphans()
    setup = json.loads(requests.readline())
    exercise = load_exercise(Path(setup["handout"]), setup["inputs"])
    limits = Limits(*setup["limits"])
    for line in requests:
        job = json.loads(line)
        answer: dict[str, Any] = {"job": job["job"]}
        try:
            answer["result"] = judge_file(exercise, job["file"], job["source"], limits, setup["hints"])
        except ChildStartError as error:
            answer["stop"] = str(error)
        except Exception as error:  # a file that we did not foresee costs its own points, and not the class's
            answer["failed"] = f"{type(error).__name__}: {error}"[:500]
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
