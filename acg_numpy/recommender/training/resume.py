"""The state of an experiment, from which it resumes after a stop.

The state is one checkpoint file: the terms of the experiment, every outcome that is finished, and the training in
progress as it was after its last whole epoch (`loop.TrainingState.checkpoint`).  What follows from the terms alone
(splits, factors, user vectors) is not saved but made again.  So no result depends on when, or how often, the experiment
was stopped.

The state is renewed in memory after every epoch, and on the disk when 5 seconds have gone by since the last time, and
50 times as long as that took: so at most a fiftieth of the time goes into it, and a process that is killed loses a few
seconds, or an epoch.  Ctrl-C loses no whole epoch, because the state in memory is written first.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from acg_numpy.recommender.data.checkpoints import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from acg_numpy.recommender.serving.trained import require_finite_arrays

KIND = "state of an experiment"
EVERY = 5.0  # seconds between two writes, at least
SHARE = 50.0  # least time between two writes, in units of what a write takes


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after the state was written from which the experiment can resume."""


class ResumableState:
    """The state of one experiment, and the file that holds it, if there is one.

    To be used in a `with` block: at its end, and at Ctrl-C, the state is written.

    Parameters
    ----------
    path : path or None
        None writes nothing.
    terms : mapping of str to what JSON can hold
        Everything that the outcomes depend on: arguments as they are, arrays by their `fingerprint`.
    resume : bool
        Resume from the file, if it is there; otherwise begin anew, and replace it.

    Raises
    ------
    CheckpointError
        If the file is not a whole state, or its terms are others; the message names them.
    """

    def __init__(self, path: str | os.PathLike[str] | None, terms: Mapping[str, Any], *, resume: bool) -> None:
        self.path = None if path is None else Path(path)
        self._terms = dict(terms)
        self._finished: dict[str, Checkpoint] = {}
        self._in_progress: dict[str, Checkpoint] = {}  # at most one
        self._written, self._took = time.monotonic(), 0.0
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if resume and self.path.exists():
                self._read(self.path)

    def finished(self, name: str) -> Checkpoint | None:
        """Return the outcome of that name, or None where it is not finished."""
        return self._finished.get(name)

    def in_progress(self, name: str) -> Checkpoint | None:
        """Return the last checkpoint of the training of that name, or None where it is not the one in progress."""
        return self._in_progress.get(name)

    def update(self, name: str, training: Checkpoint) -> None:
        """Record a training after an epoch."""
        self._in_progress = {name: training}
        self._write_if_due()

    def finish(self, name: str, outcome: Checkpoint) -> None:
        """Record an outcome, and drop the training that led to it."""
        self._finished, self._in_progress = {**self._finished, name: outcome}, {}
        self._write_if_due()

    def write(self) -> None:
        """Write the state to the disk now."""
        if self.path is None:
            return
        began = time.monotonic()
        arrays, about = {}, {}
        for part, entries in (("finished", self._finished), ("under way", self._in_progress)):
            about[part] = {name: entry.about for name, entry in entries.items()}
            for name, entry in entries.items():
                arrays.update({f"{part}/{name}/{key}": array for key, array in entry.arrays.items()})
        save_checkpoint(self.path, arrays, {"kind": KIND, "terms": self._terms, **about})
        self._written = time.monotonic()
        self._took = self._written - began

    def __enter__(self) -> "ResumableState":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.write()
        elif isinstance(error, KeyboardInterrupt) and self.path is not None:
            self.write()
            raise Interrupted(f"{self.path} holds what was done; the same call with resume=True goes on") from None

    def _write_if_due(self) -> None:
        if time.monotonic() - self._written >= max(EVERY, SHARE * self._took):
            self.write()

    def _read(self, path: Path) -> None:
        arrays, about = load_checkpoint(path)
        if about.get("kind") != KIND:
            raise CheckpointError(
                f"{path} is a checkpoint, but not one to resume from: the state of an experiment was expected"
            )
        then, now = about["terms"], self._terms
        changed = [
            f"{name} was {then.get(name)!r} and is {now.get(name)!r}"
            for name in dict.fromkeys([*then, *now])
            if then.get(name) != now.get(name)
        ]
        if changed:
            raise CheckpointError(
                f"{path} is the state of another experiment: {'; '.join(changed)}; resume with the same arguments and "
                "data, or begin anew without resume"
            )
        require_finite_arrays(path, arrays, "begin anew, without resume")
        for part, entries in (("finished", self._finished), ("under way", self._in_progress)):
            for name, entry_about in about[part].items():
                start = f"{part}/{name}/"
                entry = {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
                entries[name] = Checkpoint(entry, entry_about)
