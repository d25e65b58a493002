"""`acg extend`: new domains and items in a trained folder, with all else as it is."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acg_numpy.cli.options import (
    COLUMNS,
    EXIT_CODES,
    ITEM_OPTIONS,
    ROW_OPTIONS,
    Parser,
    Subcommands,
    add_quiet,
    add_reading_options,
    add_run_folder,
    add_sources,
    column_names,
    echo_what_was_read,
    one_or_several,
    pick_options,
    positive_number,
    whole_number,
)
from acg_numpy.cli.printing import echo
from acg_numpy.text import counted, first_few, text_table

if TYPE_CHECKING:
    from acg_numpy.recommender.data import Interactions
    from acg_numpy.recommender.serving import Trained

DESCRIPTION = """\
Bring a trained folder up to today's interactions, without training it again: new domains are trained with all else
frozen, and new items are folded in.

examples:
  acg extend runs/shop today.csv --out runs/shop-today
  acg extend runs/shop today.csv --domain Music --out runs/with-music
  acg extend runs/shop today.csv --new-items announced.csv --item-vectors vectors.npz --out runs/announced
"""

MEANING = f"""\
SOURCE is all interactions until today, of the users and domains of the training and of new ones; it is read as the
interactions of training were, with the same columns and options.  Where training had --max-domains N, new domains are
those that are among the N with most items today; --domain adds one whatever its size.  Only the table of --items is not
taken from the training, because new items need one of today.  A run that was trained with user vectors of your own
cannot be extended: train again.

A new domain gets tokens of its own (and an output of its own, where the run's domains have one), and biases of its
items.  These are trained; all that the run has stays the same to the bit.  A fifth of the pairs of a user and a new
domain is hidden and tests it.  A new item of a known domain gets its vectors from the users who took it, and its bias
from how many they are.  An item that no user took yet needs --item-vectors, here and in 'acg train', and its domain in
the columns item and domain of --new-items.

--out is a new folder, or an empty one.  It gets checkpoint.npz, interactions.npz, conditions.npy, users.txt,
domains.txt, items.txt, item_domains.txt, item_vectors.npy and item_bias.npy, from which all other commands work, and
extension.json: what was added, and NDCG@10 of each new domain.

{EXIT_CODES}"""

# where no record of training has others
DOMAIN_OPTIONS = {"domain_of": "first", "domain_separator": None, "max_domains": None, "min_items": 3}
OPTIONS = ("min_inside", "min_elsewhere", "epochs", "patience", "rate", "seed")


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "extend",
        help="add new domains and items to a trained folder",
        usage="acg extend DIR SOURCE... --out NEW [options]",
        description=DESCRIPTION,
        epilog=MEANING,
    )
    add_run_folder(parser)
    add_sources(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="NEW", help="folder for the extended run")
    parser.add_argument(
        "--domain", action="append", metavar="D", help="a new domain to add; may be repeated (default: all)"
    )
    parser.add_argument("--new-items", type=Path, metavar="FILE", help="items that no user took yet, and their domains")
    parser.add_argument("--item-vectors", type=Path, metavar="FILE", help="vectors of new items: .npz, as 'acg train'")
    training = parser.add_argument_group("how new domains are trained")
    training.add_argument(
        "--min-inside", type=whole_number(1), default=3, metavar="N", help="fewest items inside of a held-out pair"
    )
    training.add_argument(
        "--min-elsewhere",
        type=whole_number(1),
        default=10,
        metavar="N",
        help="fewest items its user took elsewhere",
    )
    training.add_argument("--epochs", type=whole_number(1), default=200, metavar="N", help="most epochs")
    training.add_argument(
        "--patience", type=whole_number(1), default=12, metavar="N", help="validations without a better one to the end"
    )
    training.add_argument("--rate", type=positive_number(), metavar="X", help="learning rate (default: 0.01)")
    training.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="of split, values and batches")
    add_reading_options(parser)
    parser.set_defaults(**dict.fromkeys((*ROW_OPTIONS, *DOMAIN_OPTIONS)))  # as in training
    parser.add_argument("--json", action="store_true", help="print what was added as JSON, and nothing else")
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, extend, write, and print what was added."""
    parser: Parser = arguments.parser
    if arguments.out.exists() and arguments.folder.exists() and arguments.out.samefile(arguments.folder):
        parser.error("--out is DIR itself, which stays as it is: give another folder")

    from acg_numpy.cli.output_files import require_new_folder, whole_folder
    from acg_numpy.recommender.data import read_vectors
    from acg_numpy.recommender.data.sources.cells import read_cells
    from acg_numpy.recommender.serving import Recommender
    from acg_numpy.recommender.training.extension import count_missing, extend, write_extension

    require_new_folder(arguments.out)
    before = Recommender.load(arguments.folder)
    interactions, domains = _read(arguments, before.trained)
    announced = [] if arguments.new_items is None else read_cells(arguments.new_items, ("item", "domain"))
    if domains is not None and arguments.domain is None:
        domains += {name for _, name in announced} - {*domains, *before.trained.domains.tolist()}
    extension = extend(
        before.trained,
        interactions,
        domains=domains,
        item_vectors=None if arguments.item_vectors is None else read_vectors(arguments.item_vectors),
        without_interactions=[(item, domain) for item, domain in announced],
        **pick_options(arguments, OPTIONS),
    )
    if not arguments.quiet:
        echo(*(f"  {note}" for note in extension.notes), file=sys.stderr)
        if missing := count_missing(before, extension):
            known = f"{missing:,} of {before.taken.nnz:,} interactions of the run are not in SOURCE"
            echo(f"  {known}, so its users are known without them", file=sys.stderr)
        if before.trained.titles is not None and interactions.titles is None:
            echo(
                "  new items have no title, because SOURCE has none: --items names a table that has them",
                file=sys.stderr,
            )
    with whole_folder(arguments.out) as folder:
        write_extension(extension, folder)
    if arguments.json:
        echo(*json.dumps(extension.summary, indent=2, allow_nan=False).split("\n"))
        return
    echo(*_report(extension.summary), f"Everything is in {arguments.out}.")


def _read(arguments: argparse.Namespace, trained: "Trained") -> "tuple[Interactions, list[str] | None]":
    """Read interactions with the columns and options of training, where no others are given; choose new domains."""
    from acg_numpy.recommender.data import DataError, read_interactions
    from acg_numpy.recommender.data.reading_options import complete_options, describe_record, refuse_other_type
    from acg_numpy.recommender.serving.trained import READING

    record: dict[str, Any] = trained.about.get(READING, {})
    notes: list[str] = []
    options = complete_options(pick_options(arguments, ROW_OPTIONS), record, notes)
    columns = column_names(arguments, tuple(COLUMNS))
    for role, names in record.get("columns", {}).items():
        if columns[role] is None and len(names) == 1:
            columns[role] = names[0]
    source = one_or_several(arguments.interactions)
    choice = dict[str, Any]()
    for name, default in DOMAIN_OPTIONS.items():
        choice[name] = getattr(arguments, name) or record.get(name, default)
    largest = choice.pop("max_domains")
    try:
        interactions = read_interactions(
            source, **pick_options(arguments, ITEM_OPTIONS), **columns, **options, **choice
        )
    except DataError as error:
        remarks = []
        if record.get("items") is not None and arguments.items is None:
            remarks.append(
                f"training had the domains and titles of items from --items {record['items']}, which is not read again "
                "by itself: give it, or one of today"
            )
        if own := describe_record(record):
            remarks.append(f"SOURCE is read as in training, with {own}, where no other option is given")
        raise DataError("; ".join([str(error), *remarks])) from error
    if not options["normalize_ids"]:
        for role in ("user", "item"):
            kind = interactions.reading["types"].get(role)
            if kind is not None:
                refuse_other_type(str(source), interactions.reading["columns"][role][0], role, kind, record)
    domains: list[str] | None = arguments.domain
    if domains is None and largest is not None:
        new = [name for name in interactions.domains[:largest].tolist() if name not in trained.domains]
        if smaller := [n for n in interactions.domains[largest:].tolist() if n not in trained.domains]:
            notes.append(
                f"new domains that are not among the {largest} with most items, not added: {first_few(smaller)} "
                "(--domain adds one, --max-domains takes more)"
            )
        domains = new
    if not arguments.quiet:
        echo_what_was_read(source, interactions, [*notes, *interactions.notes])
    return interactions, domains


def _report(summary: dict[str, Any]) -> list[str]:
    """Write what was added."""
    lines: list[str] = []
    if summary["domains"]:
        header = ("new domain", "items", "training pairs", "test pairs", "NDCG@10", "popularity")
        rows = [
            (name, f"{one['items']:,}", f"{one['train']:,}", f"{one['test']:,}", *map(_figure, _measured(one)))
            for name, one in summary["domains"].items()
        ]
        lines += text_table([header, *rows])
        lines += ["", f"{counted(summary['parameters'], 'number')} trained, and the biases of the items; all others"]
        lines[-1] += " are those of the run."
    for name, number in summary["items"].items():
        lines.append(f"{name}: {counted(number, 'new item')}")
    return lines


def _measured(one: dict[str, Any]) -> tuple[float | None, float | None]:
    return one["ndcg@10"], one["popularity"]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
