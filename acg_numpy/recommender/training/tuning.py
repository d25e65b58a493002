"""Tuning: a search for the settings of each model, with as many points for one model as for another.

The points of a model are those of its own grid that are nearest to its default (see
`acg_numpy.recommender.models.hyperparameters`).  Each is trained on four splits, and the one with the best mean NDCG@10
on their validation pairs is taken for all runs.  The splits are drawn from seeds apart from the runs' own, since one
split's test pairs are another's validation pairs; and they are four, since the validation pairs of one are too few to
choose by: on MovieLens-100k by genre, settings chosen on 315 pairs were .005 worse on the test than those chosen on the
pairs of four splits.

Where the caller provides a split, its test pairs must stay unseen, so there is no other; and where time decides what is
held out, there is but one.  The four trainings of a point then differ in initial values and batches, and validate on
the same pairs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.recommender.data.checkpoints import Checkpoint
from acg_numpy.recommender.models.hyperparameters import Settings
from acg_numpy.recommender.training.loop import Progress, Report, child_seed
from acg_numpy.recommender.training.resume import ResumableState
from acg_numpy.recommender.training.run import RunData, make_report, replay

SPLITS = 4


class Trial(NamedTuple):
    """One point of a search."""

    settings: Settings
    validation: list[float]  # the best NDCG@10 on the validation pairs of each split

    @property
    def mean(self) -> float:
        """The mean over splits, by which points are compared."""
        return float(np.mean(self.validation))


class Choice(NamedTuple):
    """The settings of a model, and what was tried for it; nothing, where they are its defaults."""

    settings: Settings
    trials: list[Trial]

    def as_dict(self) -> dict[str, Any]:
        """Return what metrics.json says of it."""
        tried = [{"settings": t.settings, "validation": {"mean": t.mean, "values": t.validation}} for t in self.trials]
        return {"chosen": self.settings, "tried": tried}


def tune(
    points: Mapping[str, Sequence[Settings]],
    draw: Callable[[int], RunData],
    *,
    seed: int,
    training: Mapping[str, Any],
    progress: Progress | None,
    state: ResumableState,
) -> dict[str, Choice]:
    """Try the points of each model on `SPLITS` splits, and choose the best one.

    Parameters
    ----------
    points : mapping of str to sequence of settings
        Of each model, the default first; of points that are equally good the first is chosen.
    draw : callable
        Makes the data of a run from its seed.
    seed : int
        That of the experiment.
    training : mapping
        Options of `loop.train` that are the same for all models.
    progress : callable, optional
    state : ResumableState
        Has every finished trial as ``tune/SPLIT/MODEL/POINT``.

    Returns
    -------
    dict of str to Choice
    """
    found: dict[str, list[list[float]]] = {name: [[] for _ in tried] for name, tried in points.items()}
    for number, run_seed in enumerate(tuning_seeds(seed), start=1):
        data: RunData | None = None  # is drawn when there is a trial that is not finished
        for name, tried in points.items():
            for p, settings in enumerate(tried):
                key = f"tune/{number}/{name}/{p + 1}"
                report = make_report(progress, name, (number, SPLITS), training["epochs"], (p + 1, len(tried)))
                if (finished := state.finished(key)) is None:
                    data = draw(run_seed) if data is None else data
                    finished = _train(data, name, settings, training, key, report, state)
                else:
                    replay(report, finished)
                found[name][p].append(finished.about["validation"])
    choices = {}
    for name, tried in points.items():
        trials = [Trial(*trial) for trial in zip(tried, found[name], strict=True)]
        choices[name] = Choice(max(trials, key=lambda trial: trial.mean).settings, trials)
    return choices


def tuning_seeds(seed: int) -> list[int]:
    """Return the seeds of the splits of a search: far from those of runs, which count up from `seed`.

    Examples
    --------
    >>> len(set(tuning_seeds(0) + tuning_seeds(1)))
    8
    """
    return [child_seed(seed, f"tune/{number}") for number in range(1, SPLITS + 1)]


def _train(
    data: RunData,
    name: str,
    settings: Settings,
    training: Mapping[str, Any],
    key: str,
    report: Report,
    state: ResumableState,
) -> Checkpoint:
    """Train one point on one split; its best validation is kept, and its last epoch, to be reported again."""
    _, trained = data.train(name, settings, training, key, report, state)
    history = trained.history
    last = {field: history[field][-1:] for field in ("epoch", "loss", "validation_ndcg")}
    finished = Checkpoint(
        {}, {"validation": max(history["validation_ndcg"]), "history": last, "seconds": trained.seconds}
    )
    state.finish(key, finished)
    return finished
