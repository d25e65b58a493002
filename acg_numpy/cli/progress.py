"""How is progress shown?  As a bar on a terminal, as a line now and then in a pipe; always on standard error."""

import sys
import time
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

from acg_numpy.training import EpochReport

LINE_EVERY = 10.0  # seconds, in a pipe; and a line at the end of each model


class Shown:
    """A progress callback for `fit`, to be used in a `with` block.

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
        self._said = time.monotonic()

    def __call__(self, report: EpochReport) -> None:
        """Show one epoch."""
        where = f"seed {report.run}/{report.runs}  {report.model}"
        validation = "" if report.validation is None else f"  validation NDCG@10 {report.validation:.4f}"
        if self._bar is not None:
            self._bar.set_description(where, refresh=False)
            self._bar.set_postfix_str(f"loss {report.loss:.3f}{validation}", refresh=False)
            self._bar.update()
        elif report.epoch == report.epochs or time.monotonic() - self._said > LINE_EVERY:
            self._said = time.monotonic()
            epoch = f"epoch {report.epoch}/{report.epochs}"
            print(
                f"{where}  {epoch}  loss {report.loss:.3f}{validation}  {report.seconds:.1f} s",
                file=self._stream,
                flush=True,
            )

    def __enter__(self) -> "Shown":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
