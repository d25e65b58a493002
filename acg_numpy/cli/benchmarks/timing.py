"""Timings of peers that compute the same: checked for agreement, then timed in one process, in turns, as ratios."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.cli.benchmarks import acg
from acg_numpy.cli.benchmarks.cases import Batch, Case, Gradients, draw_batch, draw_domains, draw_parameters
from acg_numpy.cli.benchmarks.peers import OURS, PEERS, SERVING, Peer
from acg_numpy.cli.benchmarks.step import TimedStep
from acg_numpy.shapes import Array

TOLERANCE = 3e-5  # of the largest element
PAUSE = 0.01  # seconds before each step, in which the threads of the step before stop waiting for work
SERVED = Case(100_000, 64, 4, 8, 8)


class Disagreement(ValueError):
    """A peer computes something else, so that its time means nothing."""


class Timing(NamedTuple):
    """Seconds by name, an entry for each round, and why some peers were not measured."""

    case: Case
    seconds: dict[str, Array]
    failed: dict[str, str]
    disagreed: bool


def measure(case: Case, names: Sequence[str], rounds: int, *, seed: int = 0) -> Timing:
    """Time a step of training of acg_numpy and of the named peers."""
    peers = {name: PEERS[name] for name in names if case.users >= PEERS[name].least * case.domains}
    return time_in_turns(case, acg.conditioner, peers, rounds, seed)


def measure_serving(names: Sequence[str], rounds: int, *, case: Case = SERVED, seed: int = 0) -> Timing:
    """Time the condition vectors of every user in every domain, in eval."""
    return time_in_turns(case, acg.serving, {name: SERVING[name] for name in names}, rounds, seed)


def time_in_turns(case: Case, own: Any, peers: Mapping[str, Peer], rounds: int, seed: int) -> Timing:
    """Check each peer against acg_numpy, then time all of them in turns, on new random domains in each round."""
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(case, rng)
    batch = draw_batch(case, rng)
    steps = {OURS: own(case, parameters)}
    expected = _results(steps[OURS], batch)
    failed, disagreed = {}, False
    for name, peer in peers.items():
        try:
            theirs = peer.make(case, parameters)
            if theirs.read is not None:
                check_agreement(name, _results(theirs, batch), expected)
            _seconds(theirs, batch)  # once more, warm
            steps[name] = theirs
        except Disagreement as error:
            failed[name], disagreed = str(error), True
        except Exception as error:  # any error of another library, of any version
            failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    del expected
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        batch = batch._replace(domain_id=draw_domains(case, rng))
        for name, one in steps.items():
            seconds[name].append(_seconds(one, batch))
    return Timing(case, {name: np.array(found) for name, found in seconds.items()}, failed, disagreed)


def check_agreement(name: str, theirs: tuple[Array, Gradients], expected: tuple[Array, Gradients]) -> None:
    """Raise Disagreement where condition or a gradient differs by more than rounding."""
    out, gradients = theirs
    wanted, right = expected
    if missing := right.keys() - gradients.keys():
        raise Disagreement(f"{name} gives no gradient of {', '.join(sorted(missing))}")
    for what, found, should in [("the condition", out, wanted), *((n, gradients[n], right[n]) for n in right)]:
        # The key's bias adds the same to all scores of a row: its gradient is zero, and rounding is as large as the
        # query's.
        scale = right["attention.query.bias"] if what == "attention.key.bias" else should
        error = float(np.max(np.abs(found - should)) / np.max(np.abs(scale)))
        if not error <= TOLERANCE:
            raise Disagreement(f"{name} differs in {what} by {error:.1e} of its largest element")


def _results(timed: TimedStep, batch: Batch) -> tuple[Array, Gradients]:
    assert timed.read is not None
    out, gradients = timed.read(timed.step(*timed.prepare(batch)))
    return out, {name: np.array(gradient) for name, gradient in gradients.items()}


def _seconds(timed: TimedStep, batch: Batch) -> float:
    arguments = timed.prepare(batch)
    time.sleep(PAUSE)
    begin = time.perf_counter()
    timed.step(*arguments)
    return time.perf_counter() - begin


def geometric_mean(ratios: Iterable[float]) -> float:
    """Return the geometric mean, whose inverse is the mean of the inverse ratios.

    Examples
    --------
    >>> round(geometric_mean([2.0, 8.0]), 9)
    4.0
    """
    logarithms = [math.log(ratio) for ratio in ratios]
    return math.exp(math.fsum(logarithms) / len(logarithms))
