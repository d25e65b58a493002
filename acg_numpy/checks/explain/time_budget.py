"""The processor time that a search for a mistake may take."""

import time


class OutOfTimeError(Exception):
    """Raised when the time set aside for the search is up."""


class TimeBudget:
    """A limit on the processor time of the thread that makes it, whatever else the machine does meanwhile.

    To ask for a thread's processor time is a call to the system, which on a busy machine may hand the processor to
    another program for some milliseconds.  Processor time never passes faster than the clock, which is cheap to read,
    so it is asked for only when the clock alone could have used it up.

    Parameters
    ----------
    seconds : float

    Examples
    --------
    >>> TimeBudget(60.0).check()
    >>> TimeBudget(0.0).check()
    Traceback (most recent call last):
        ...
    acg_numpy.checks.explain.time_budget.OutOfTimeError
    """

    def __init__(self, seconds: float) -> None:
        self.end = time.thread_time() + seconds
        self.earliest_end = time.perf_counter() + seconds

    def check(self) -> None:
        """Raise OutOfTimeError if the time is up."""
        now = time.perf_counter()
        if now < self.earliest_end:
            return
        left = self.end - time.thread_time()
        if left <= 0:
            raise OutOfTimeError
        self.earliest_end = now + left
