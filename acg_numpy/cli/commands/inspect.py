"""`acg inspect`: what is in this file, and what speaks against using it?"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from acg_numpy.cli.options import EXIT_CODES, Subcommands, add_reading_options, read

if TYPE_CHECKING:
    from acg_numpy.recommender.data import Interactions

DESCRIPTION = """\
Describe a file: interactions before anything is trained, a checkpoint, conditions or vectors after.

examples:
  acg inspect taken.csv
  acg inspect ml-100k.inter --domain-column class --min-rating 4 --max-domains 8
  acg inspect runs/films/checkpoint.npz
  acg inspect runs/films/conditions.npy
"""

KINDS = f"""\
What the file is, is told by what is in it: an .npz checkpoint (its version and checksum are checked), .npz vectors with
their ids, an .npy array of conditions or vectors, or else a text file of interactions, for which the options are.

Of interactions: users, items, domains, how many users are in two domains both, density, how many pairs of a user and a
domain can be judged by, what is odd, and what to do about it.

{EXIT_CODES}"""


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "inspect",
        help="describe a file, with advice",
        usage="acg inspect FILE [options]",
        description=DESCRIPTION,
        epilog=KINDS,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="interactions, a checkpoint, conditions or vectors")
    add_reading_options(parser, min_items=1)


def run(arguments: argparse.Namespace) -> None:
    """Look, and print what was found."""
    from acg_numpy.recommender.serving import inspect_file
    from acg_numpy.text import paragraph, text_list, text_table

    def reader(path: str | os.PathLike[str]) -> "Interactions":
        return read(arguments, Path(path))

    found = inspect_file(arguments.file, reader)
    print(paragraph(f"{arguments.file}: {found.what}"))
    for rows in found.tables:
        print("\n" + "\n".join(text_table(rows)))
    for title, points in (("Worth knowing", found.oddities), ("Advice", found.advice)):
        for line in text_list(title, points):
            print(line)
