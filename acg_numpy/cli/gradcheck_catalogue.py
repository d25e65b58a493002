"""`acg gradcheck --catalogue`: the share of the known mistakes that get the right name."""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from acg_numpy.cli.printing import echo, echo_json
from acg_numpy.text import text_table

if TYPE_CHECKING:
    from acg_numpy.checks.confusion import Confusion
    from acg_numpy.checks.mistakes import Mistake

SIZES = {
    "distinct": "Axes of different sizes",
    "coinciding": "Axes of sizes that may coincide, where one constant has several names; for information",
}


def check_catalogue(arguments: argparse.Namespace) -> int:
    """Diagnose every wrong backward of the catalogue, and print which mistakes are taken for which."""
    from acg_numpy.checks.mistakes import CATALOGUE

    found = {kind: _measure_confusion(CATALOGUE, kind, arguments.seed) for kind in SIZES}
    if arguments.json:
        echo_json({"mistakes": len(CATALOGUE), **{kind: _confusion_as_json(one) for kind, one in found.items()}})
    else:
        echo(*_catalogue_lines(found, len(CATALOGUE)))
    return 0


def _measure_confusion(mistakes: "Sequence[Mistake]", kind: str, seed: int) -> "Confusion":
    """Measure the confusion over all mistakes, with a progress bar on a terminal, because it takes a minute."""
    from tqdm import tqdm

    from acg_numpy.checks.confusion import Confusion, measure

    bar = tqdm(mistakes, desc=f"{kind} sizes", unit="mistake", leave=False, disable=None)
    return Confusion(sum((measure([one], distinct=kind == "distinct", seed=seed).counts for one in bar), Counter()))


def _confusion_as_json(confusion: "Confusion") -> dict[str, Any]:
    """Write a confusion as JSON takes it."""
    keys = ("mistake", "expected", "named", "cases")
    confused = [dict(zip(keys, one, strict=True)) for one in confusion.confused]
    return {
        "cases": confusion.num_cases,
        "recall": confusion.recall,
        "precision": confusion.precision,
        "confused": confused,
    }


def _catalogue_lines(found: "dict[str, Confusion]", number: int) -> Iterator[str]:
    """Yield the confusion table for both kinds of sizes, and the mistakes behind each cell that is not right."""
    yield f"{number} wrong backward passes, each at several draws of its inputs, and what is named first."
    for kind, confusion in found.items():
        yield from ("", SIZES[kind], "", *confusion.table().split("\n"))
        rows = [
            (mistake, expected, named or "(nothing)", str(count))
            for mistake, expected, named, count in confusion.confused
        ]
        if rows:
            yield ""
            yield from text_table([("mistake", "should be called", "is called", "cases"), *rows], longest=60)
