"""The job of `acg demo` and `acg train`: train, write all files, and return what to print."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acg_numpy.cli.output_files import locked_folder
from acg_numpy.cli.printing import echo
from acg_numpy.cli.progress import ProgressDisplay, conditions_bar
from acg_numpy.recommender.data import DataError, Interactions, World
from acg_numpy.recommender.models.hyperparameters import DEFAULTS, Settings, describe
from acg_numpy.recommender.reporting import words, write_report
from acg_numpy.recommender.reporting.terminal import render_terminal
from acg_numpy.recommender.training import Interrupted, Progress, Result, fit
from acg_numpy.recommender.training.experiment import choose_models, settings_to_try
from acg_numpy.recommender.training.tuning import SPLITS
from acg_numpy.text import wrapped


def run(
    interactions: Interactions,
    folder: Path,
    arguments: argparse.Namespace,
    fit_options: Mapping[str, Any],
    world: World | None = None,
) -> Result:
    """Train, and write all files; the arguments of the command line go into run.json.

    With the world that the interactions were made in, the report says which tokens follow its tastes.
    """
    # before the training, so that a folder that cannot be made is an error at once
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file: --out is the name of a folder")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked_folder(folder):
            return _run(interactions, folder, arguments, fit_options, world)
    except KeyboardInterrupt as stop:
        # Ctrl-C while the files are written also leaves a state to resume from
        raise Interrupted(*stop.args) from None


def summary_text(result: Result) -> str:
    """Return the tables and words of metrics.md as text for a terminal."""
    return render_terminal(words.summary(result.metrics))


def as_json(result: Result) -> str:
    """Return the metrics as in metrics.json, in ASCII for any terminal."""
    return json.dumps(result.metrics, indent=2, allow_nan=False)


def points_of(fit_options: Mapping[str, Any]) -> dict[str, list[Settings]]:
    """Return the settings that are tried for each model, without a search its own alone.

    Raises
    ------
    ValueError
        If the grid of a model has fewer points than `tune`.
    """
    names = choose_models(fit_options.get("models"), baselines=fit_options.get("baselines", True))
    asked = {name: fit_options.get(name) for name in DEFAULTS["attention"]}
    return settings_to_try(names, fit_options.get("tune", 0), asked)


def _run(
    interactions: Interactions,
    folder: Path,
    arguments: argparse.Namespace,
    fit_options: Mapping[str, Any],
    world: World | None,
) -> Result:
    state = folder / "last.npz"
    if not arguments.quiet and state.exists() != arguments.resume:
        if arguments.resume:
            note = "is not there yet, so training begins at the beginning"
        else:
            note = "is of an earlier run, and will be replaced; --resume would go on from it"
        echo(f"{state} {note}", file=sys.stderr)
    points = points_of(fit_options)
    searched = fit_options.get("tune", 0) * SPLITS
    if searched and not arguments.quiet:
        echo_points(points)
    runs = fit_options["seeds"] * fit_options["initialisations"]
    trainings = 0 if arguments.quiet else len(points) * (searched + runs)
    with _progress(trainings * fit_options["epochs"]) as progress:
        result = fit(interactions, progress=progress, state=state, resume=arguments.resume, **fit_options)
    options = {name: str(value) if isinstance(value, Path) else value for name, value in vars(arguments).items()}
    result = dataclasses.replace(result, arguments={**options, **result.arguments})
    with conditions_bar(len(interactions.users), arguments.quiet) as bar:
        result.write(folder, progress=bar.update)
    write_report(result, folder, world)
    return result


def echo_points(points: Mapping[str, Sequence[Settings]]) -> None:
    """Print on standard error what a search tries."""
    echo(f"Settings that are tried for each model, each on {SPLITS} splits:", file=sys.stderr)
    for name, tried in points.items():
        for number, settings in enumerate(tried, start=1):
            echo(*wrapped(describe(settings), f"  {name} {number}: "), file=sys.stderr)


@contextmanager
def _progress(epochs: int) -> Iterator[Progress | None]:
    if not epochs:
        yield None
        return
    with ProgressDisplay(epochs) as shown:
        yield shown
