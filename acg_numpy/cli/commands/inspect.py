"""`acg inspect`: a description of a file, with advice."""

import argparse
from typing import TYPE_CHECKING

from acg_numpy.cli.options import (
    EXIT_CODES,
    Subcommands,
    add_reading_options,
    name_of_source,
    one_or_several,
    read_with_options,
)
from acg_numpy.cli.printing import echo
from acg_numpy.text import paragraph, text_list, text_table

if TYPE_CHECKING:
    from acg_numpy.recommender.data import Interactions

DESCRIPTION = """\
Describe a file: interactions before anything is trained, a checkpoint, conditions or vectors after.

examples:
  acg inspect taken.csv
  acg inspect ml-100k.inter --domain-column class --min-rating 4 --max-domains 8
  acg inspect ratings.dat --no-header --user-column 1 --item-column 2 \\
    --items movies.dat --items-columns item=1,domain=3,title=2 --encoding latin-1
  acg inspect runs/films/checkpoint.npz
  acg inspect runs/films/conditions.npy
"""

KINDS = f"""\
The kind of file is found from its contents: an .npz checkpoint (version and checksum are checked), .npz vectors with
their ids, an .npy array of conditions or vectors, or else interactions (text, JSON lines, Parquet, Feather), which the
options are for.

Of interactions it prints users, items, domains, how many users two domains share, density, how many pairs of a user and
a domain can be used to judge models, what is odd, and what to do about it.

{EXIT_CODES}"""


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "inspect",
        help="describe a file, with advice",
        usage="acg inspect FILE... [options]",
        description=DESCRIPTION,
        epilog=KINDS,
    )
    parser.add_argument(
        "file",
        nargs="+",
        metavar="FILE",
        help="interactions (several files as well), a checkpoint, conditions or vectors",
    )
    add_reading_options(parser, min_items=1)


def run(arguments: argparse.Namespace) -> None:
    """Inspect the file, and print what was found."""
    from acg_numpy.recommender.serving import inspect_file

    source = one_or_several(arguments.file)

    def read(_: object) -> "Interactions":
        return read_with_options(arguments, source)

    found = inspect_file(arguments.file[0], read)
    echo(*paragraph(f"{name_of_source(arguments.file)}: {found.what}").split("\n"))
    for rows in found.tables:
        echo("", *text_table(rows))
    for title, points in (("Worth knowing", found.oddities), ("Advice", found.advice)):
        echo(*text_list(title, points))
