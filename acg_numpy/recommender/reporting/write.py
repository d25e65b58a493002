"""The report of a run in a folder: metrics.md, report.html, report.md, and the pictures."""

import io
import os
import warnings
from pathlib import Path

from acg_numpy import __version__
from acg_numpy.plots import save
from acg_numpy.plots.figures import default_settings
from acg_numpy.recommender.data import World, replacing
from acg_numpy.recommender.reporting import metric_tables, pictures, words
from acg_numpy.recommender.reporting.document import Block, Document, Heading, Paragraph
from acg_numpy.recommender.reporting.html import render_page
from acg_numpy.recommender.reporting.markdown import render_markdown
from acg_numpy.recommender.reporting.own_history_table import OWN_HISTORY, own_history
from acg_numpy.recommender.reporting.question import FILES, QUESTION, files, question
from acg_numpy.recommender.training import Result
from acg_numpy.text import WIDTH

TITLE = "Results of the run"

PICTURES = (
    *("attention_map.png", "attention_by_domain.png", "attention_by_group.png", "attention_entropy.png"),
    *("attention_through_training.png", "token_items.png", "taste_map.png", "baselines.png", "loss_curve.png"),
    *("leads_by_domain.png", "quality_and_parameters.png"),
)


def write_report(result: Result, folder: str | os.PathLike[str], world: World | None = None) -> None:
    """Write the report of a run to a folder, each file whole or not at all.

    Parameters
    ----------
    result : Result
        From `acg_numpy.recommender.training.fit`.
    folder : path
        Made if it is not there; files of an earlier run are replaced, and pictures that this run does not have are
        removed.
    world : World, optional
        The world that the interactions were made in: the report then says which tokens follow its tastes.

    Notes
    -----
    report.html, the whole report as one page; report.md, the same as text; metrics.md, its tables and words alone; and
    the pictures, attention_map.png, attention_by_domain.png, attention_by_group.png, attention_entropy.png,
    attention_through_training.png, token_items.png, taste_map.png, baselines.png, leads_by_domain.png,
    quality_and_parameters.png and loss_curve.png: those that this run has.  The data files are written by
    `result.write(folder)`.

    Examples
    --------
    >>> import tempfile
    >>> from acg_numpy.recommender.data import make_world
    >>> from acg_numpy.recommender.training import fit
    >>> result = fit(make_world(seed=0).interactions, epochs=1, baselines=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(result, folder)
    ...     sorted(path.name for path in Path(folder).glob("*.[hm]*"))
    ['metrics.md', 'report.html', 'report.md']
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    document, drawings = report(result, world)
    images = {drawing.figure.file: _png(drawing) for drawing in drawings}
    for file in PICTURES:
        if file in images:
            _write(folder / file, images[file])
        else:
            (folder / file).unlink(missing_ok=True)
    footer = (
        f"Made by acg_numpy {__version__} with seed {result.arguments['seed']}. "
        "All figures are in metrics.json, versions and arguments in run.json."
    )
    _write(folder / "metrics.md", render_markdown(words.summary(result.metrics)).encode())
    _write(folder / "report.md", render_markdown(document, WIDTH).encode())
    _write(folder / "report.html", render_page(document, images, footer).encode())


def report(result: Result, world: World | None = None) -> tuple[Document, list[pictures.Drawing]]:
    """Return the report of a run, and the drawings of its pictures."""
    metrics = result.metrics
    models, by_domain, groups = [pictures.baselines(result)], [], metric_tables.by_group(metrics)
    if len(metrics["test"]) > 1:
        models.append(pictures.quality_and_parameters(result))
        by_domain = [drawing for drawing in [pictures.leads_by_domain(result)] if drawing is not None]
    where = [pictures.attention_map(result), pictures.attention_by_domain(result)]
    if (by_group := pictures.attention_by_group(result, world)) is not None:
        where.append(by_group)
    where.append(pictures.attention_entropy(result))
    meaning = [pictures.token_items(result)]
    tastes = []
    if world is not None and world.kind == "tastes":
        meaning.append(pictures.taste_map(result, world))
        tastes.append(Paragraph([pictures.agreement(world, result)]))
    training = [pictures.loss_curve(result)]
    if (through := pictures.attention_through_training(result)) is not None:
        training.append(through)

    blocks: list[Block] = [words.facts(metrics), *words.verdicts(metrics)]
    blocks += [Heading(2, QUESTION), *question(result)]
    blocks += [Heading(2, words.RANKING), *words.ranking(metrics)]
    if len(metrics["test"]) > 1:  # one model alone compares with nothing
        blocks += _figures(models)
    if groups:
        blocks += [Heading(2, metric_tables.GROUPS), *groups, *_figures(by_domain)]
    if own := own_history(metrics):
        blocks += [Heading(2, OWN_HISTORY), *own]
    if depends := words.dependence(metrics):
        blocks += [Heading(2, words.DEPENDENCE), *depends]
    blocks += [Heading(2, "Where attention went"), *_figures(where)]
    blocks += [Heading(2, "What tokens stand for"), *_figures(meaning), *tastes]
    blocks += [Heading(2, "How training went"), *_figures(training)]
    blocks += [Heading(2, FILES), *files()]
    return Document(TITLE, blocks), [*models, *by_domain, *where, *meaning, *training]


def _figures(drawings: list[pictures.Drawing]) -> list[Block]:
    return [drawing.figure for drawing in drawings]


def _png(drawing: pictures.Drawing) -> bytes:
    image = io.BytesIO()
    with warnings.catch_warnings(), default_settings():
        # where the font lacks a letter, a box stands for it
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        save(image, drawing.plot, drawing.data, **drawing.options)
    return image.getvalue()


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
