"""What do `acg demo` and `acg train` have in common?  Train, write the folder, draw the pictures, say how it went."""

import argparse
import dataclasses
import io
import json
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acg_numpy.autograd import no_grad
from acg_numpy.cli.layout import WIDTH, table
from acg_numpy.cli.progress import Shown
from acg_numpy.data import Interactions
from acg_numpy.plots import attention_map, baselines, loss_curve, save
from acg_numpy.shapes import Array
from acg_numpy.training import TRAINED, Interrupted, Progress, Result, fit, replacing

USERS_DRAWN = 4  # with all their heads, in the attention map
LONGEST_LABEL = 24  # letters


def run(
    interactions: Interactions, folder: Path, arguments: argparse.Namespace, fit_options: Mapping[str, Any]
) -> Result:
    """Train, and write all files; what was given on the command line goes into run.json."""
    folder.mkdir(parents=True, exist_ok=True)  # before the work, so that a folder that cannot be made is known at once
    try:
        return _run(interactions, folder, arguments, fit_options)
    except KeyboardInterrupt as stop:  # while the files are written, too, there is a state to go on from
        raise Interrupted(*stop.args) from None


def _run(
    interactions: Interactions, folder: Path, arguments: argparse.Namespace, fit_options: Mapping[str, Any]
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
    draw(result, folder)
    return result


def draw(result: Result, folder: Path) -> None:
    """Draw the pictures of the first run."""
    users, domain = drawn_pairs(result)
    attention = attention_of(result, users, domain)
    name = label(result.interactions.domains[domain])
    tokens = result.conditioner.domain_embedding.tokens_per_domain
    labels = [f"{name} {t}" if t < tokens else f"global {t - tokens}" for t in range(attention.shape[-1])]
    _picture(folder / "loss_curve.png", loss_curve, result.history)
    _picture(folder / "baselines.png", baselines, result.metrics)
    _picture(
        folder / "attention_map.png",
        attention_map,
        attention,
        row_labels=[label(user) for user in result.interactions.users[users]],
        token_labels=labels,
    )


def as_json(result: Result) -> str:
    """Write the metrics as metrics.json has them, in ASCII for any terminal."""
    return json.dumps(result.metrics, indent=2, allow_nan=False)


def drawn_pairs(result: Result) -> tuple[Array, int]:
    """Choose whom to draw: the first held-out users of the largest domain that has any."""
    test = result.split.test
    domain = int(test[:, 1].min())
    return test[test[:, 1] == domain][:USERS_DRAWN, 0], domain


def attention_of(result: Result, users: Array, domain: int) -> Array:
    """Compute where the first run's attention goes for users in a domain, (B, H, K)."""
    with no_grad():
        _, attention = result.conditioner(result.user_vectors[users, domain], domain, return_attention=True)
    weights: Array = attention.numpy()
    return weights


def label(name: str) -> str:
    """Make any id fit for a picture: short, on one line, and no formula.

    Examples
    --------
    >>> label("a$ b"), label("x" * 40)
    ('a\\\\$ b', 'xxxxxxxxxxxxxxxxxxxxxxx…')
    """
    short = name if len(name) <= LONGEST_LABEL else name[: LONGEST_LABEL - 1] + "…"
    return "".join(letter if letter.isprintable() else " " for letter in short).replace("$", r"\$")


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


def _picture(path: Path, plot: Callable[..., Any], data: Any, **options: Any) -> None:
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # a box stands for the letter
        save(picture, plot, data, **options)
    with replacing(path) as temporary:
        temporary.write_bytes(picture.getvalue())
