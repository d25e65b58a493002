"""How are arguments read?  By argparse, with a suggestion where a name is nearly right, and with numbers checked."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from acg_numpy.text import did_you_mean


class Parser(argparse.ArgumentParser):
    """A parser whose help keeps its line breaks, and which does not guess what an unknown option means but asks."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", _Help)
        super().__init__(allow_abbrev=False, **settings)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse, and end with a suggestion if an option is left over."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = [name for name in self._option_string_actions if name.startswith("--")]
            told = [
                f"{name}{did_you_mean(name.split('=')[0], options, head='; ')}"
                for name in unknown
                if name.startswith("-")
            ]
            self.error(f"unknown {'option' if told else 'argument'} {'; '.join(told or unknown)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is, and exit with 2."""
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


Subcommands: TypeAlias = "argparse._SubParsersAction[Parser]"


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help with options in one column and their meaning, with the default, in the next."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=100)

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):  # whose names are indented once more than argparse reckons
            longest = max(map(len, action.choices))
            self._action_max_length = max(self._action_max_length, longest + self._current_indent + 2)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.help is None or action.default in (None, argparse.SUPPRESS) or isinstance(action.default, bool):
            return action.help
        return f"{action.help} (default: %(default)s)"


def whole(least: int) -> "_Number":
    """Make the type of a whole number that is at least so large."""
    return _Number(int, least, f"a whole number, {least} or more")


def real() -> "_Number":
    """Make the type of any finite number."""
    return _Number(float, -math.inf, "a number")


def positive() -> "_Number":
    """Make the type of a finite number above 0."""
    return _Number(float, math.nextafter(0.0, 1.0), "a number above 0")


class _Number:
    """A number that argparse reads, with a message that says what would have been one."""

    def __init__(self, read: type[int] | type[float], least: float, expected: str) -> None:
        self.read, self.least, self.expected = read, least, expected

    def __call__(self, text: str) -> float:
        try:
            number = self.read(text)
            if self.least <= number and math.isfinite(number):
                return number
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"{text!r} is not {self.expected}")


def add_run_options(options: "argparse._ActionsContainer", *, seeds: int) -> None:
    """Add what every training run can be told."""
    options.add_argument("--seeds", type=whole(1), default=seeds, metavar="N", help="runs, each on a split of its own")
    options.add_argument("--seed", type=whole(0), default=0, metavar="N", help="of the first run; the others count up")
    options.add_argument("--epochs", type=whole(1), default=60, metavar="N", help="of each model; the best is kept")
    options.add_argument("--resume", action="store_true", help="go on from DIR/last.npz, where training was stopped")


def add_json(options: "argparse._ActionsContainer") -> None:
    """Add `--json`."""
    options.add_argument("--json", action="store_true", help="print the metrics as JSON, and nothing else")


def add_quiet(options: "argparse._ActionsContainer") -> None:
    """Add `--quiet`."""
    options.add_argument("--quiet", action="store_true", help="no progress and no notes, only the results")


def given(arguments: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Pick arguments by name."""
    return {name: getattr(arguments, name) for name in names}


if TYPE_CHECKING:
    from acg_numpy.recommender.data import Interactions


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
    from acg_numpy.recommender.data import read_interactions

    choice = given(arguments, ("items", "min_rating", "domain_of", "max_domains", "min_items"))
    return read_interactions(path, **columns(arguments), **choice)


def tell(path: Path, what: object, notes: Sequence[str]) -> None:
    """Say on standard error what was read, and what was left out."""
    print(f"{path}: {what}", *notes, sep="\n  ", file=sys.stderr)


def prepare(out: Path, *inputs: Path | None) -> None:
    """See that a file can be written, before the work: it is no folder and none of the inputs; its folder is made."""
    from acg_numpy.recommender.data import DataError

    if out.is_dir():
        raise DataError(f"{out} is a folder: --out is the name of a file")
    if out.exists() and not out.is_file():
        raise DataError(f"{out} is a device, not a file that can be replaced: give --out another name")
    for path in inputs:
        if path is not None and out.exists() and path.exists() and out.samefile(path):
            raise DataError(f"{out} is what is to be read: give --out another name")
    out.parent.mkdir(parents=True, exist_ok=True)
