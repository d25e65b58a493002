"""What do `acg demo` and `acg train` have in common?  Train, write the folder, draw the pictures, say how it went."""

import argparse
import dataclasses
import io
import json
import sys
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acg_numpy import __version__
from acg_numpy.cli import pictures
from acg_numpy.cli.progress import Shown
from acg_numpy.data import Interactions, World
from acg_numpy.plots import save
from acg_numpy.text import WIDTH, table
from acg_numpy.training import TRAINED, Interrupted, Progress, Result, fit, replacing, report
from acg_numpy.training.page import Picture, Section, page_html, page_markdown, with_literal_names

TITLE = "What the run came to"
PICTURES = (
    *("attention_map.png", "attention_by_domain.png", "attention_by_group.png", "attention_entropy.png"),
    *("attention_through_training.png", "token_items.png", "taste_map.png", "baselines.png", "loss_curve.png"),
)


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


def draw(result: Result, folder: Path, world: World | None = None) -> None:
    """Draw the pictures of the first run, and lay them out with the table and what it means: report.html, report.md."""
    sections, drawings = tell(result, world)
    images = {drawing.picture.file: _drawn(drawing) for drawing in drawings}
    for file in PICTURES:
        if file in images:
            _write(folder / file, images[file])
        else:
            (folder / file).unlink(missing_ok=True)  # of an earlier run
    metrics = with_literal_names(result.metrics)
    introduction = [*report.facts(metrics), "", *report.verdicts(metrics)]
    made = f"Made by acg_numpy {__version__} with seed {result.arguments['seed']}."
    kept = "All figures are in metrics.json, versions and arguments in run.json."
    _write(folder / "report.md", page_markdown(TITLE, introduction, sections).encode())
    _write(folder / "report.html", page_html(TITLE, introduction, sections, images, f"{made} {kept}").encode())


def tell(result: Result, world: World | None = None) -> tuple[list[Section], list[pictures.Drawing]]:
    """Put the report together: what is said under each heading, and the drawings that stand there."""
    metrics = with_literal_names(result.metrics)
    depends = report.dependence(metrics)[2:]  # without a heading of its own
    models, training = [pictures.baselines(result)], [pictures.loss_curve(result)]
    where = [pictures.attention_map(result), pictures.attention_by_domain(result)]
    if (by_group := pictures.attention_by_group(result, world)) is not None:
        where.append(by_group)
    where.append(pictures.attention_entropy(result))
    depicted = len(metrics["test"]) > 1  # a model alone is no picture
    meaning, tastes = [pictures.token_items(result)], []
    if (through := pictures.attention_through_training(result)) is not None:
        training.append(through)
    if world is not None and world.kind == "tastes":
        meaning.append(pictures.taste_map(result, world))
        tastes = [pictures.agreement(world, result)]
    sections = [
        Section("How well the conditions rank", report.ranking(metrics), _pictures(models) if depicted else ()),
        Section("Where attention went", (), _pictures(where)),
        Section("What tokens stand for", (), _pictures(meaning), tastes),
        Section("How training went", (), _pictures(training)),
    ]
    if depends:
        sections.insert(1, Section("What the condition depends on", depends[1:]))
    return sections, [*models, *where, *meaning, *training]


def _pictures(drawings: list[pictures.Drawing]) -> list[Picture]:
    return [drawing.picture for drawing in drawings]


def as_json(result: Result) -> str:
    """Write the metrics as metrics.json has them, in ASCII for any terminal."""
    return json.dumps(result.metrics, indent=2, allow_nan=False)


def for_terminal(markdown: str) -> str:
    """Lay Markdown out for reading as it stands: tables in columns, paragraphs wrapped.

    Examples
    --------
    >>> print(for_terminal("# Title\\n\\n| model | NDCG |\\n|---|---|\\n| **us** | 0.5 |\\n| somebody | 0.25 |"))
    Title
    <BLANKLINE>
    model     NDCG
    --------  ----
    us         0.5
    somebody  0.25
    """
    lines: list[str] = []
    rows: list[list[str]] = []
    for line in [*markdown.replace("**", "").replace("`", "").splitlines(), ""]:
        if line.startswith("|"):
            if not line.startswith("|---"):
                rows.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        lines += table(rows) if rows else []
        rows = []
        indent = "  " if line.startswith("- ") else ""
        lines += textwrap.wrap(line.lstrip("# "), WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]
    return "\n".join(lines).rstrip()


@contextmanager
def _progress(epochs: int) -> Iterator[Progress | None]:
    if not epochs:
        yield None
        return
    with Shown(epochs) as shown:
        yield shown


def _drawn(drawing: pictures.Drawing) -> bytes:
    image = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # a box stands for the letter
        save(image, drawing.plot, drawing.data, **drawing.options)
    return image.getvalue()


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
