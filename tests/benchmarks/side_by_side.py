"""Timing that machines with other work to do cannot spoil: everything in one process, in turns, as ratios."""

import time
from collections.abc import Callable, Mapping

import numpy as np


def seconds_side_by_side(
    runs: Mapping[str, Callable[[], object]], rounds: int = 40, warm_up: int = 3
) -> dict[str, np.ndarray]:
    """Time each function once a round, in turns; gives the seconds of all rounds."""
    for _ in range(warm_up):
        for run in runs.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return {name: np.array(found) for name, found in seconds.items()}


def median_ratio(seconds: Mapping[str, np.ndarray], ours: str, theirs: str) -> float:
    """The median over rounds of our time over theirs in the same round."""
    return float(np.median(seconds[ours] / seconds[theirs]))
