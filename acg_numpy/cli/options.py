"""Options that commands share, read by argparse, with suggestions for names that are nearly right.

This module is loaded for every `--help`, so it imports nothing that takes long.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from acg_numpy.cli.printing import echo
from acg_numpy.text import counted, did_you_mean, joined

if TYPE_CHECKING:
    from acg_numpy.recommender.data import Interactions, Newcomers
    from acg_numpy.recommender.serving import Trained


class Parser(argparse.ArgumentParser):
    """A parser whose help keeps its line breaks, and which suggests the nearest option for an unknown one.

    Attributes
    ----------
    make_epilog : callable, optional
        Makes the end of the help, when help is printed and not before.
    """

    make_epilog: Callable[[], str] | None = None

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", _Help)
        super().__init__(allow_abbrev=False, **settings)
        self.set_defaults(parser=self)  # for errors of usage that a command finds

    def format_help(self) -> str:
        """Format the help, with its epilog."""
        if self.make_epilog is not None:
            self.epilog = self.make_epilog()
        return super().format_help()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse, and end with a suggestion if an option is left over."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = [name for name in self._option_string_actions if name.startswith("--")]
            suggestions = [
                f"{name}{did_you_mean(name.split('=')[0], options, head='; ')}"
                for name in unknown
                if name.startswith("-")
            ]
            self.error(f"unknown {'option' if suggestions else 'argument'} {'; '.join(suggestions or unknown)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and where help is, and exit with 2."""
        echo(f"{self.prog}: {message}", f"Try '{self.prog} --help'.", file=sys.stderr)
        self.exit(2)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is not among the choices, in words that are the same in every version of Python."""
        if action.choices is not None and value not in action.choices:
            names = [str(choice) for choice in action.choices]
            near = did_you_mean(str(value), names, f"choose {joined(names, 'or')}")
            raise argparse.ArgumentError(action, f"invalid choice: {str(value)!r}; {near}")


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
        if (
            action.help is None
            or action.default in (None, "", [], argparse.SUPPRESS)
            or isinstance(action.default, bool)
        ):
            return action.help
        return f"{action.help} (default: %(default)s)"


def whole_number(least: int) -> "_Number":
    """Make the type of an option that is a whole number, not smaller than `least`."""
    return _Number(int, least, f"a whole number, {least} or more")


def real_number() -> "_Number":
    """Make the type of an option that is any finite number."""
    return _Number(float, -math.inf, "a number")


def positive_number() -> "_Number":
    """Make the type of an option that is a finite number above 0."""
    return _Number(float, math.nextafter(0.0, 1.0), "a number above 0")


def seconds_of_a_day() -> "_Number":
    """Make the type of an option that is a time in seconds, at most a day, which every timer of a system takes."""
    return _Number(float, math.nextafter(0.0, 1.0), "seconds, above 0 and at most 86400 (a day)", 86_400.0)


def share() -> Callable[[str], float]:
    """Make the type of an option that is a number between 0 and 1."""
    read = positive_number()

    def read_share(text: str) -> float:
        try:
            if (number := read(text)) < 1:
                return number
        except argparse.ArgumentTypeError:
            pass
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, but it is {text!r}")

    return read_share


def whole_numbers(least: int) -> Callable[[str], list[int]]:
    """Make the type of an option that is a list of whole numbers, separated by commas, none smaller than `least`."""
    read = whole_number(least)

    def read_all(text: str) -> list[int]:
        try:
            return [int(read(part)) for part in text.split(",")]
        except argparse.ArgumentTypeError:
            expected = f"whole numbers, {least} or more, separated by commas"
            raise argparse.ArgumentTypeError(f"expected {expected}, but it is {text!r}") from None

    return read_all


def rate_below_one() -> "_Number":
    """Make the type of an option that is a number from 0 up to, but not including, 1."""
    return _Number(float, 0.0, "a number from 0 up to, but not including, 1", math.nextafter(1.0, 0.0))


class _Number:
    """A number that argparse reads, with a message that says what was expected."""

    def __init__(self, read: type[int] | type[float], least: float, expected: str, most: float = math.inf) -> None:
        self.read, self.least, self.expected, self.most = read, least, expected, most

    def __call__(self, text: str) -> float:
        try:
            number = self.read(text)
            if self.least <= number <= self.most and math.isfinite(number):
                return number
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"expected {self.expected}, but it is {text!r}")


def role_columns(text: str) -> dict[str, str]:
    """Read names or numbers of columns by role, as in item=1,domain=3."""
    pairs = [part.partition("=") for part in text.split(",")]
    roles = [role.strip() for role, _, _ in pairs]
    if all(name.strip() for _, _, name in pairs) and set(roles) <= set(ITEM_ROLES) and len(set(roles)) == len(roles):
        return {role: name.strip() for role, (_, _, name) in zip(roles, pairs, strict=True)}
    expected = "item, domain or title, each with the name or the number of its column, as in item=1,domain=3"
    raise argparse.ArgumentTypeError(f"expected {expected}, but it is {text!r}")


def yes_or_no(text: str) -> bool:
    """Read yes or no."""
    if text in ("yes", "no"):
        return text == "yes"
    raise argparse.ArgumentTypeError(f"expected yes or no, but it is {text!r}")


ITEM_ROLES = ("item", "domain", "title")  # of the columns of --items
RUN_OPTIONS = ("models", "tune", "seed", "seeds", "initialisations", "k", "epochs", "patience")  # of `fit`
OLD_NAMES = {"domain-linear": "emcdr-linear"}  # of models, which `--models` still takes


def model_names(text: str) -> tuple[str, ...]:
    """Read the names of models, with commas between them."""
    from acg_numpy.recommender.training.experiment import choose_models

    names = [OLD_NAMES.get(name.strip(), name.strip()) for name in text.split(",") if name.strip()]
    try:
        return choose_models(names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_run_options(options: "argparse._ActionsContainer", *, seeds: int, models: str = "all") -> None:
    """Add the options of every training run."""
    options.add_argument(
        "--models",
        type=model_names,
        metavar="A,B,C",
        help=f"models to train and test; attention is always included (default: {models})",
    )
    options.add_argument(
        "--tune",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="try N settings of each model, and take those with the best validation on four splits of their own; "
        "metrics.json has what was tried",
    )
    options.add_argument(
        "--seeds", type=whole_number(1), default=seeds, metavar="N", help="number of splits, each of its own seed"
    )
    options.add_argument(
        "--initialisations",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="runs on each split, with other initial values, batches and dropout",
    )
    options.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="seed of the first split; others count up from it",
    )
    options.add_argument(
        "--k",
        type=whole_numbers(1),
        default="5,10,20",
        metavar="K,...",
        help="cut-offs of the metrics; 10 is always included",
    )
    options.add_argument(
        "--epochs",
        type=whole_number(1),
        default=200,
        metavar="N",
        help="most epochs of each model; the best is kept",
    )
    options.add_argument(
        "--patience",
        type=whole_number(1),
        default=12,
        metavar="N",
        help="validations (one every 2 epochs) without a better one that end the training of a model",
    )
    options.add_argument("--resume", action="store_true", help="go on from DIR/last.npz, where training was stopped")


PROTOCOL = ("protocol", "min_inside", "min_elsewhere", "validation")


def add_protocol_options(options: "argparse._ActionsContainer") -> None:
    """Add the options that say how a split is drawn."""
    options.add_argument(
        "--protocol",
        choices=("random", "leave-last-out", "temporal"),
        default="random",
        help="which pairs are held out: any, the last of each user, or those after a date; the last two need times",
    )
    options.add_argument(
        "--min-inside",
        type=whole_number(1),
        default=3,
        metavar="N",
        help="fewest interactions inside the domain of a held-out pair",
    )
    options.add_argument(
        "--min-elsewhere",
        type=whole_number(1),
        default=10,
        metavar="N",
        help="fewest items that its user took elsewhere",
    )
    options.add_argument(
        "--validation",
        type=share(),
        default=0.125,
        metavar="SHARE",
        help="share of validation in what is not for the test (with leave-last-out, in what is held out)",
    )


def add_json(options: "argparse._ActionsContainer") -> None:
    """Add `--json`."""
    options.add_argument("--json", action="store_true", help="print the metrics as JSON, and nothing else")


def add_quiet(options: "argparse._ActionsContainer") -> None:
    """Add `--quiet`."""
    options.add_argument("--quiet", action="store_true", help="print the results only, without progress and notes")


def add_threads(options: "argparse._ActionsContainer") -> None:
    """Add `--threads`."""
    options.add_argument(
        "--threads",
        dest="blas_threads",
        type=whole_number(1),
        metavar="N",
        help="threads for matrix products (default: 1, or what OMP_NUM_THREADS or OPENBLAS_NUM_THREADS says) and for "
        "reading files (default: all)",
    )


def pick_options(arguments: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Pick options by name."""
    return {name: getattr(arguments, name) for name in names}


COLUMNS = {
    "user": "the user",
    "item": "the item that the user took",
    "domain": "the domain of the item",
    "rating": "the rating, for --min-rating",
    "timestamp": "the time, for --protocol",
    "title": "what people call the item",
}

SOURCE_HELP = "CSV, TSV, .inter, JSON lines (also .gz, .zst), Parquet, Feather; several, globs, a pipe, or -"

EXIT_CODES = (
    "exit codes: 0, it worked; 1, the job failed, and standard error says why; 2, wrong usage; 130, interrupted.\n"
)


def add_reading_options(parser: argparse.ArgumentParser, *, min_items: int = 3) -> None:
    """Add the options that say how interactions are read."""
    data = parser.add_argument_group("what to read")
    data.add_argument("--items", metavar="FILE", help="a table with the domain of each item, and its title")
    data.add_argument(
        "--items-columns",
        type=role_columns,
        metavar="ROLE=NAME,...",
        help="columns of --items, as in item=1,domain=3,title=2 or item=asin,domain=category: names or numbers",
    )
    data.add_argument(
        "--items-header",
        type=yes_or_no,
        metavar="yes|no",
        help="whether the first line of --items names its columns (default: as for the interactions)",
    )
    data.add_argument("--items-encoding", metavar="NAME", help="encoding of --items (default: as for the interactions)")
    add_column_names(data, tuple(COLUMNS))
    add_row_options(data)
    data.add_argument(
        "--domain-of",
        choices=("first", "all"),
        default="first",
        help="an item with several domains in its field belongs to the first, or to all",
    )
    data.add_argument(
        "--domain-separator",
        metavar="TEXT",
        help='what separates several domains in a field (default: "|", in RecBole sequences a space)',
    )
    data.add_argument("--max-domains", type=whole_number(2), metavar="N", help="keep the N domains with most items")
    data.add_argument(
        "--min-items", type=whole_number(1), default=min_items, metavar="N", help="leave out domains with fewer items"
    )


def add_row_options(data: "argparse._ActionsContainer") -> None:
    """Add the options that say which rows count, and how text files are written."""
    data.add_argument("--min-rating", type=real_number(), metavar="X", help="leave out rows with a lower rating")
    data.add_argument(
        "--where", metavar="SQL", help='keep only rows for which this holds, as in "rating >= 4 and year > 1999"'
    )
    data.add_argument(
        "--no-header", dest="header", action="store_false", help="the first line is data: name columns by number"
    )
    data.add_argument(
        "--no-quotes", dest="quotes", action="store_false", help="read double quotes as any other character"
    )
    data.add_argument("--encoding", default="utf-8", metavar="NAME", help="encoding of text files")
    data.add_argument(
        "--keep-null-ids", action="store_true", help="take ids such as nan and NULL as they are, not as missing"
    )
    data.add_argument(
        "--normalize-ids",
        action="store_true",
        help="strip spaces around ids and '.0' after whole numbers, normalize to NFC; join domains that differ in case",
    )


ITEM_OPTIONS = ("items", "items_columns", "items_header", "items_encoding")
ROW_OPTIONS = ("min_rating", "where", "header", "quotes", "encoding", "keep_null_ids", "normalize_ids")
NEW_USER_ROLES = ("user", "item", "rating")  # the item says which domain a row is in


def add_options_of_new_users(parser: Parser, title: str) -> None:
    """Add the options that say how `--interactions` is read, which are those of the training if none is given."""
    data = parser.add_argument_group(title)
    add_column_names(data, NEW_USER_ROLES)
    add_row_options(data)
    parser.set_defaults(**dict.fromkeys(ROW_OPTIONS))


def read_new_users(arguments: argparse.Namespace, trained: "Trained") -> "Newcomers":
    """Read `--interactions` as the options say."""
    columns = column_names(arguments, NEW_USER_ROLES)
    return trained.read_newcomers(
        one_or_several(arguments.interactions), **columns, **pick_options(arguments, ROW_OPTIONS)
    )


def echo_new_users(arguments: argparse.Namespace, new: "Newcomers", notes: Sequence[str] = ()) -> None:
    """Print what was read of `--interactions`, except with `--quiet`."""
    if not arguments.quiet:
        what = f"{new.matrix.nnz:,} interactions of {counted(len(new.users), 'user')} with known items"
        echo_what_was_read(one_or_several(arguments.interactions), what, [*new.notes, *notes])


def refuse_options_of_new_users(arguments: argparse.Namespace) -> None:
    """End with wrong usage if an option says how to read `--interactions`, which is not given."""
    parser: Parser = arguments.parser
    if arguments.interactions is not None:
        return
    for name in (*(f"{role}_column" for role in NEW_USER_ROLES), *ROW_OPTIONS):
        if getattr(arguments, name) is not None:
            option = next(text for text, action in parser._option_string_actions.items() if action.dest == name)
            parser.error(f"{option} is for --interactions, which is not given")


def add_run_folder(options: "argparse._ActionsContainer") -> None:
    """Add the folder that a run has written."""
    options.add_argument("folder", type=Path, metavar="DIR", help="folder of results")


def add_sources(options: "argparse._ActionsContainer") -> None:
    """Add the files of interactions."""
    options.add_argument("interactions", nargs="+", metavar="SOURCE", help=SOURCE_HELP)


def one_or_several(sources: Sequence[str]) -> str | list[str]:
    """Return the source itself where there is one, so that messages and records name it alone."""
    return sources[0] if len(sources) == 1 else list(sources)


def name_of_source(source: str | Sequence[str]) -> str:
    """Name what is read, as messages do.

    Examples
    --------
    >>> name_of_source("-"), name_of_source(["books.csv", "films.csv"])
    ('standard input', 'books.csv and films.csv')
    """
    sources = [source] if isinstance(source, str) else source
    return joined(["standard input" if one == "-" else one for one in sources])


def add_column_names(options: "argparse._ActionsContainer", roles: Sequence[str]) -> None:
    """Add the options that name columns."""
    for role in roles:
        options.add_argument(
            f"--{role}-column", metavar="NAME", help=f"column with {COLUMNS[role]}: its name, or its number"
        )


def column_names(arguments: argparse.Namespace, roles: Sequence[str] = tuple(COLUMNS)) -> dict[str, Any]:
    """Pick the names of columns, by role."""
    return {role: getattr(arguments, f"{role}_column") for role in roles}


def read_with_options(arguments: argparse.Namespace, source: str | Sequence[str]) -> "Interactions":
    """Read interactions as the options say."""
    from acg_numpy.recommender.data import read_interactions

    choice = pick_options(
        arguments, (*ITEM_OPTIONS, "domain_of", "domain_separator", "max_domains", "min_items", *ROW_OPTIONS)
    )
    return read_interactions(source, **column_names(arguments), **choice)


def echo_what_was_read(source: str | Sequence[str], what: object, notes: Sequence[str]) -> None:
    """Print on standard error what was read, and what was left out."""
    echo(f"{name_of_source(source)}: {what}", *(f"  {note}" for note in notes), file=sys.stderr)
