"""Do they compute the same, and how long do they take?  In one process, in turns, as ratios."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.cli.benchmarks import acg
from acg_numpy.cli.benchmarks.cases import Batch, Case, Gradients, draw_batch, draw_domains, draw_parameters
from acg_numpy.cli.benchmarks.peers import OURS, PEERS, SERVING, Peer
from acg_numpy.cli.benchmarks.step import Running
from acg_numpy.shapes import Array

TOLERANCE = 3e-5  # of the largest element
PAUSE = 0.01  # seconds before each step, for the threads of the one before to stop waiting for more
SERVED = Case(100_000, 64, 4, 8, 8)


class Disagreement(ValueError):
    """A peer that computes something else; its time would mean nothing."""


class Measured(NamedTuple):
    """Seconds of each, a round each, and why some were not measured."""

    case: Case
    seconds: dict[str, Array]
    failed: dict[str, str]
    disagreed: bool


def measure(case: Case, names: Sequence[str], rounds: int, *, seed: int = 0) -> Measured:
    """Time a step of training: ours and the named peers'."""
    peers = {name: PEERS[name] for name in names if case.users >= PEERS[name].least * case.domains}
    return side_by_side(case, acg.conditioner, peers, rounds, seed)


def measure_serving(names: Sequence[str], rounds: int, *, case: Case = SERVED, seed: int = 0) -> Measured:
    """Time the condition vectors of every user in every domain, in eval."""
    return side_by_side(case, acg.serving, {name: SERVING[name] for name in names}, rounds, seed)


def side_by_side(case: Case, mine: Any, peers: Mapping[str, Peer], rounds: int, seed: int) -> Measured:
    """Check each peer against ours, then time all of them in turns, on domains that are drawn anew for each step."""
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(case, rng)
    batch = draw_batch(case, rng)
    running = {OURS: mine(case, parameters)}
    expected = _results(running[OURS], batch)
    failed, disagreed = {}, False
    for name, peer in peers.items():
        try:
            theirs = peer.make(case, parameters)
            if theirs.read is not None:
                check(name, _results(theirs, batch), expected)
            _seconds(theirs, batch)  # once more, warm
            running[name] = theirs
        except Disagreement as error:
            failed[name], disagreed = str(error), True
        except Exception as error:  # another library's, of another version: whatever it may be
            failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    del expected
    seconds: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(rounds):
        batch = batch._replace(domain_id=draw_domains(case, rng))
        for name, one in running.items():
            seconds[name].append(_seconds(one, batch))
    return Measured(case, {name: np.array(found) for name, found in seconds.items()}, failed, disagreed)


def check(name: str, theirs: tuple[Array, Gradients], expected: tuple[Array, Gradients]) -> None:
    """Raise Disagreement where condition or a gradient differs by more than rounding."""
    out, gradients = theirs
    wanted, right = expected
    if missing := right.keys() - gradients.keys():
        raise Disagreement(f"{name} gives no gradient of {', '.join(sorted(missing))}")
    for what, found, should in [("the condition", out, wanted), *((n, gradients[n], right[n]) for n in right)]:
        # The key's bias moves all scores of a row alike: its gradient is zero, and rounding is as large as the query's.
        scale = right["attention.query.bias"] if what == "attention.key.bias" else should
        error = float(np.max(np.abs(found - should)) / np.max(np.abs(scale)))
        if not error <= TOLERANCE:
            raise Disagreement(f"{name} differs in {what} by {error:.1e} of its largest element")


def _results(running: Running, batch: Batch) -> tuple[Array, Gradients]:
    assert running.read is not None
    out, gradients = running.read(running.step(*running.prepare(batch)))
    return out, {name: np.array(gradient) for name, gradient in gradients.items()}


def _seconds(running: Running, batch: Batch) -> float:
    arguments = running.prepare(batch)
    time.sleep(PAUSE)
    begin = time.perf_counter()
    running.step(*arguments)
    return time.perf_counter() - begin


def geometric_mean(ratios: Iterable[float]) -> float:
    """The mean of ratios: that of their inverses is its inverse.

    Examples
    --------
    >>> round(geometric_mean([2.0, 8.0]), 9)
    4.0
    """
    logarithms = [math.log(ratio) for ratio in ratios]
    return math.exp(math.fsum(logarithms) / len(logarithms))
