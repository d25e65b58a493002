"""`acg gradcheck --catalogue`: of the mistakes whose name is known, how many are named rightly?"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from acg_numpy.text import text_table

if TYPE_CHECKING:
    from acg_numpy.checks.confusion import Confusion
    from acg_numpy.checks.mistakes import Mistake

SIZES = {
    "distinct": "Axes of different sizes",
    "coinciding": "Axes of sizes that may coincide, where one constant has several names; for information",
}


def check_catalogue(arguments: argparse.Namespace) -> int:
    """Have every wrong backward of the catalogue diagnosed, and print which mistakes are taken for which."""
    from acg_numpy.checks.mistakes import CATALOGUE

    found = {kind: measured(CATALOGUE, kind, arguments.seed) for kind in SIZES}
    if arguments.json:
        print(json.dumps({"mistakes": len(CATALOGUE), **{kind: figures(one) for kind, one in found.items()}}, indent=2))
    else:
        print("\n".join(lines_on(found, len(CATALOGUE))))
    return 0


def measured(mistakes: "Sequence[Mistake]", kind: str, seed: int) -> "Confusion":
    """The confusion over all mistakes, with a bar to watch on a terminal: it takes a minute."""
    from tqdm import tqdm

    from acg_numpy.checks.confusion import Confusion, measure

    bar = tqdm(mistakes, desc=f"{kind} sizes", unit="mistake", leave=False, disable=None)
    return Confusion(sum((measure([one], distinct=kind == "distinct", seed=seed).counts for one in bar), Counter()))


def figures(confusion: "Confusion") -> dict[str, Any]:
    """One confusion for a program."""
    keys = ("mistake", "expected", "named", "cases")
    confused = [dict(zip(keys, one, strict=True)) for one in confusion.confused]
    return {
        "cases": confusion.cases,
        "recall": confusion.recall,
        "precision": confusion.precision,
        "confused": confused,
    }


def lines_on(found: "dict[str, Confusion]", number: int) -> Iterator[str]:
    """The confusion table for both kinds of sizes, and what is behind each cell that is not right."""
    yield f"{number} wrong backward passes, each at several draws of its inputs, and what is named first."
    for kind, confusion in found.items():
        yield f"\n{SIZES[kind]}\n\n{confusion.table()}"
        rows = [
            (mistake, expected, named or "(nothing)", str(count))
            for mistake, expected, named, count in confusion.confused
        ]
        if rows:
            yield ""
            yield from text_table([("mistake", "should be called", "is called", "cases"), *rows], longest=60)
