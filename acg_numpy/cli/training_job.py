"""What do `acg demo` and `acg train` have in common?  Train, write the folder, draw the pictures, say how it went."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acg_numpy.cli.progress import Shown
from acg_numpy.recommender.data import Interactions, World
from acg_numpy.recommender.models import TRAINED
from acg_numpy.recommender.reporting.write import draw
from acg_numpy.recommender.training import Interrupted, Progress, Result, fit


def run(
    interactions: Interactions,
    folder: Path,
    arguments: argparse.Namespace,
    fit_options: Mapping[str, Any],
    world: World | None = None,
) -> Result:
    """Train, and write all files; what was given on the command line goes into run.json.

    With the world that the interactions were made up in, the report says what became of its tastes.
    """
    folder.mkdir(parents=True, exist_ok=True)  # before the work, so that a folder that cannot be made is known at once
    try:
        return _run(interactions, folder, arguments, fit_options, world)
    except KeyboardInterrupt as stop:  # while the files are written, too, there is a state to go on from
        raise Interrupted(*stop.args) from None


def _run(
    interactions: Interactions,
    folder: Path,
    arguments: argparse.Namespace,
    fit_options: Mapping[str, Any],
    world: World | None = None,
) -> Result:
    state = folder / "last.npz"
    if not arguments.quiet and state.exists() != arguments.resume:
        if arguments.resume:
            print(f"{state} is not there yet, so training begins at the beginning", file=sys.stderr)
        else:
            print(f"{state} is of an earlier run, and will be replaced; --resume would go on from it", file=sys.stderr)
    models = len(TRAINED) if fit_options.get("baselines", True) else 1
    with _progress(0 if arguments.quiet else models * fit_options["seeds"] * fit_options["epochs"]) as progress:
        result = fit(interactions, progress=progress, state=state, resume=arguments.resume, **fit_options)
    told = {name: str(value) if isinstance(value, Path) else value for name, value in vars(arguments).items()}
    result = dataclasses.replace(result, arguments={**told, **result.arguments})
    result.write(folder)
    draw(result, folder, world)
    return result


def as_json(result: Result) -> str:
    """Write the metrics as metrics.json has them, in ASCII for any terminal."""
    return json.dumps(result.metrics, indent=2, allow_nan=False)


@contextmanager
def _progress(epochs: int) -> Iterator[Progress | None]:
    if not epochs:
        yield None
        return
    with Shown(epochs) as shown:
        yield shown
