"""Which options say how a file of interactions is read, and what is told of it?  The same for every command."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acg_numpy.cli.parsing import given, real, whole

if TYPE_CHECKING:
    from acg_numpy.data import Interactions

COLUMNS = {
    "user": "who",
    "item": "took what",
    "domain": "which domain the item belongs to",
    "rating": "how much it was liked, for --min-rating",
    "timestamp": "when, which is not used",
}

EXIT_CODES = (
    "exit codes: 0, it worked; 1, the job failed, and standard error says why; 2, wrong usage; 130, interrupted.\n"
)


def add_reading_options(parser: argparse.ArgumentParser, *, min_items: int = 3) -> None:
    """Add all that can be said of how interactions are read."""
    data = parser.add_argument_group("what to read")
    data.add_argument("--items", type=Path, metavar="FILE", help="a table with the domain of each item")
    add_columns(data, tuple(COLUMNS))
    data.add_argument("--min-rating", type=real(), metavar="X", help="rows with a lower rating do not count")
    data.add_argument(
        "--domain-of",
        choices=("first", "all"),
        default="first",
        help="an item with several domains in its field belongs to the first, or to all",
    )
    data.add_argument("--max-domains", type=whole(2), metavar="N", help="keep the N domains with most items")
    data.add_argument(
        "--min-items", type=whole(1), default=min_items, metavar="N", help="leave out domains with fewer items"
    )


def add_columns(options: "argparse._ActionsContainer", roles: Sequence[str]) -> None:
    """Add the names of columns."""
    for role in roles:
        options.add_argument(f"--{role}-column", default=role, metavar="NAME", help=f"column that says {COLUMNS[role]}")


def columns(arguments: argparse.Namespace, roles: Sequence[str] = tuple(COLUMNS)) -> dict[str, Any]:
    """Pick the names of columns, by role."""
    return {role: getattr(arguments, f"{role}_column") for role in roles}


def read(arguments: argparse.Namespace, path: Path) -> "Interactions":
    """Read interactions as the options say."""
    from acg_numpy.data import read_interactions

    choice = given(arguments, ("items", "min_rating", "domain_of", "max_domains", "min_items"))
    return read_interactions(path, **columns(arguments), **choice)


def tell(path: Path, what: object, notes: Sequence[str]) -> None:
    """Say on standard error what was read, and what was left out."""
    print(f"{path}: {what}", *notes, sep="\n  ", file=sys.stderr)


def prepare(out: Path, *inputs: Path | None) -> None:
    """See that a file can be written, before the work: it is no folder and none of the inputs; its folder is made."""
    from acg_numpy.data import DataError

    if out.is_dir():
        raise DataError(f"{out} is a folder: --out is the name of a file")
    if out.exists() and not out.is_file():
        raise DataError(f"{out} is a device, not a file that can be replaced: give --out another name")
    for path in inputs:
        if path is not None and out.exists() and path.exists() and out.samefile(path):
            raise DataError(f"{out} is what is to be read: give --out another name")
    out.parent.mkdir(parents=True, exist_ok=True)
