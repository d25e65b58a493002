"""Progress of training: a bar on a terminal, a line now and then in a pipe; always on standard error."""

import sys
import time
from types import TracebackType
from typing import NoReturn, TextIO

from tqdm import tqdm

from acg_numpy.cli.printing import echo
from acg_numpy.recommender.training import EpochReport

LINE_EVERY = 10.0  # seconds, in a pipe; and a line at the end of each model that is tested


class ProgressDisplay:
    """A progress callback for `fit`, used in a `with` block.

    Parameters
    ----------
    epochs : int
        Of all models in all runs together, if none stops early.
    stream : text file, optional
        By default standard error.
    """

    def __init__(self, epochs: int, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._bar = tqdm(total=epochs, unit="epoch", file=self._stream) if self._stream.isatty() else None
        self._printed_at = time.monotonic()
        self._last: EpochReport | None = None
        self._printed: EpochReport | None = None

    def __call__(self, report: EpochReport) -> None:
        """Show one epoch."""
        done = 0  # epochs of this model that were shown before; training that is resumed does not begin with the first
        if self._last is not None and _training(self._last) != _training(report):
            self._finish(self._last)
        elif self._last is not None:
            done = self._last.epoch
            if report.validation is None:
                report = report._replace(validation=self._last.validation)  # the last validation stands until the next
        self._last = report
        if self._bar is not None:
            self._bar.set_description(_where(report), refresh=False)
            self._bar.set_postfix_str(_figures(report), refresh=False)
            self._bar.update(report.epoch - done)
        elif time.monotonic() - self._printed_at > LINE_EVERY:
            self._print(report)

    def _finish(self, report: EpochReport) -> None:
        """End a model, which may have stopped before its last epoch."""
        if self._bar is not None:
            self._bar.update(report.epochs - report.epoch)
        elif self._printed is not report and not report.point:  # of a search there are too many for a line each
            self._print(report)

    def _print(self, report: EpochReport) -> None:
        self._printed_at, self._printed = time.monotonic(), report
        echo(
            f"{_where(report)}  epoch {report.epoch}/{report.epochs}  {_figures(report)}  {report.seconds:.1f} s",
            file=self._stream,
        )

    def __enter__(self) -> "ProgressDisplay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._last is not None and error is None:
            self._finish(self._last)
        if self._bar is not None:
            self._bar.close()


def conditions_bar(users: int, quiet: bool) -> "tqdm[NoReturn]":
    """Return a bar of the users whose conditions are written: on a terminal, where that takes more than a second."""
    hidden = quiet or not sys.stderr.isatty()
    return tqdm(total=users, unit="user", unit_scale=True, desc="conditions", file=sys.stderr, delay=1, disable=hidden)


def _training(report: EpochReport) -> tuple[str, int, int]:
    """Return what tells one training from another."""
    return report.model, report.run, report.point


def _where(report: EpochReport) -> str:
    if report.point:
        return f"tuning on split {report.run}/{report.runs}  {report.model} {report.point}/{report.points}"
    return f"seed {report.run}/{report.runs}  {report.model}"


def _figures(report: EpochReport) -> str:
    validation = "" if report.validation is None else f"  validation NDCG@10 {report.validation:.4f}"
    return f"loss {report.loss:.3f}{validation}"
