"""How does an experiment go on that was stopped?

Its state is one checkpoint file: the terms that it runs on, every outcome that is finished, and the training under way
as it was after its last whole epoch (`loop.Course.written`).  What follows from the terms alone (splits, factors, user
vectors) is not kept but made again.  So nothing that comes later depends on when, or how often, it was stopped.

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

KIND = "state of an experiment"
EVERY = 5.0  # seconds between two writes, at least
SHARE = 50.0  # how many times as long as a write takes, until the next


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after the state was written from which the experiment can go on."""


class Keeper:
    """The state of one experiment, and the file that it is kept in, if any.

    To be used in a `with` block: at its end, and at Ctrl-C, the state is written.

    Parameters
    ----------
    path : path or None
        None keeps nothing.
    terms : mapping of str to what JSON can hold
        All that the outcomes depend on: arguments as they are, arrays by their `fingerprint`.
    resume : bool
        Go on from the file, if it is there; otherwise begin anew, and replace it.

    Raises
    ------
    CheckpointError
        If the file is not a whole state, or its terms are others; the message names them.
    """

    def __init__(self, path: str | os.PathLike[str] | None, terms: Mapping[str, Any], *, resume: bool) -> None:
        self.path = None if path is None else Path(path)
        self._terms = dict(terms)
        self._finished: dict[str, Checkpoint] = {}
        self._under_way: dict[str, Checkpoint] = {}  # at most one
        self._written, self._took = time.monotonic(), 0.0
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if resume and self.path.exists():
                self._read(self.path)

    def finished(self, name: str) -> Checkpoint | None:
        """What `finish` was told of the outcome of that name."""
        return self._finished.get(name)

    def under_way(self, name: str) -> Checkpoint | None:
        """What `keep` was told last, if it was of the training of that name."""
        return self._under_way.get(name)

    def keep(self, name: str, course: Checkpoint) -> None:
        """Take note of how far a training has come."""
        self._under_way = {name: course}
        self._write_if_due()

    def finish(self, name: str, outcome: Checkpoint) -> None:
        """Take note of an outcome; the training that led to it is forgotten."""
        self._finished, self._under_way = {**self._finished, name: outcome}, {}
        self._write_if_due()

    def write(self) -> None:
        """Bring the state to the disk now."""
        if self.path is None:
            return
        began = time.monotonic()
        arrays, about = {}, {}
        for part, entries in (("finished", self._finished), ("under way", self._under_way)):
            about[part] = {name: entry.about for name, entry in entries.items()}
            for name, entry in entries.items():
                arrays.update({f"{part}/{name}/{key}": array for key, array in entry.arrays.items()})
        save_checkpoint(self.path, arrays, {"kind": KIND, "terms": self._terms, **about})
        self._written = time.monotonic()
        self._took = self._written - began

    def __enter__(self) -> "Keeper":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.write()
        elif isinstance(error, KeyboardInterrupt) and self.path is not None:
            self.write()
            raise Interrupted(f"{self.path} keeps what was done; the same call with resume=True goes on") from None

    def _write_if_due(self) -> None:
        if time.monotonic() - self._written >= max(EVERY, SHARE * self._took):
            self.write()

    def _read(self, path: Path) -> None:
        arrays, about = load_checkpoint(path)
        if about.get("kind") != KIND:
            raise CheckpointError(
                f"{path} is a checkpoint, but not one to go on from: the state of an experiment was expected"
            )
        then, now = about["terms"], self._terms
        others = [
            f"{name} was {then.get(name)!r} and is {now.get(name)!r}"
            for name in dict.fromkeys([*then, *now])
            if then.get(name) != now.get(name)
        ]
        if others:
            raise CheckpointError(
                f"{path} is the state of another experiment: {'; '.join(others)}; resume with the same arguments and "
                "data, or begin anew without resume"
            )
        for part, entries in (("finished", self._finished), ("under way", self._under_way)):
            for name, told in about[part].items():
                start = f"{part}/{name}/"
                own = {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
                entries[name] = Checkpoint(own, told)
