"""Report of a run, written to a folder: the pictures, and report.html and report.md around them."""

import io
import warnings
from pathlib import Path

from acg_numpy import __version__
from acg_numpy.plots import save
from acg_numpy.recommender.data import World, replacing
from acg_numpy.recommender.reporting import pictures, words
from acg_numpy.recommender.reporting.document import Picture, Section, page_html, page_markdown, with_literal_names
from acg_numpy.recommender.training import Result

TITLE = "What the run came to"


PICTURES = (
    *("attention_map.png", "attention_by_domain.png", "attention_by_group.png", "attention_entropy.png"),
    *("attention_through_training.png", "token_items.png", "taste_map.png", "baselines.png", "loss_curve.png"),
)


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
    introduction = [*words.facts(metrics), "", *words.verdicts(metrics)]
    made = f"Made by acg_numpy {__version__} with seed {result.arguments['seed']}."
    kept = "All figures are in metrics.json, versions and arguments in run.json."
    _write(folder / "report.md", page_markdown(TITLE, introduction, sections).encode())
    _write(folder / "report.html", page_html(TITLE, introduction, sections, images, f"{made} {kept}").encode())


def tell(result: Result, world: World | None = None) -> tuple[list[Section], list[pictures.Drawing]]:
    """Put the report together: what is said under each heading, and the drawings that stand there."""
    metrics = with_literal_names(result.metrics)
    depends = words.dependence(metrics)[2:]  # without a heading of its own
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
        Section("How well the conditions rank", words.ranking(metrics), _pictures(models) if depicted else ()),
        Section("Where attention went", (), _pictures(where)),
        Section("What tokens stand for", (), _pictures(meaning), tastes),
        Section("How training went", (), _pictures(training)),
    ]
    if depends:
        sections.insert(1, Section("What the condition depends on", depends[1:]))
    return sections, [*models, *where, *meaning, *training]


def _pictures(drawings: list[pictures.Drawing]) -> list[Picture]:
    return [drawing.picture for drawing in drawings]


def _drawn(drawing: pictures.Drawing) -> bytes:
    image = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # a box stands for the letter
        save(image, drawing.plot, drawing.data, **drawing.options)
    return image.getvalue()


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
