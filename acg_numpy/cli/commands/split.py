"""`acg split`: hold pairs of a user and a domain out before anything is computed, vectors of one's own included."""

import argparse
import sys
from pathlib import Path

from acg_numpy.cli.options import EXIT_CODES, Subcommands, add_quiet, add_reading_options, prepare, read, tell, whole

DESCRIPTION = """\
Draw which pairs of a user and a domain are for training, validation and test, and write them to a file.

examples:
  acg split taken.csv --out split.tsv
  acg split ml-100k.inter --domain-column class --min-rating 4 --max-domains 8 --seed 3 --out split.tsv
"""

USE = f"""\
Why first: whoever makes user or item vectors with a program of their own should leave out what the test asks for.  So
draw the split, make the vectors without the interactions of its validation and test pairs, and give both to 'acg
train'.  The options that say what to read have to be the same there.

The file has tab-separated columns user, domain and part (train, validation or test), a pair a line.

{EXIT_CODES}"""


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "split",
        help="draw training, validation and test pairs beforehand",
        usage="acg split INTERACTIONS --out FILE [options]",
        description=DESCRIPTION,
        epilog=USE,
    )
    parser.add_argument("interactions", type=Path, metavar="INTERACTIONS", help="CSV, TSV or RecBole .inter file")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="for the split: tab-separated text")
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="the same seed draws the same split")
    add_reading_options(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, draw, write, and say how many."""
    from acg_numpy.recommender.data import draw_split, replacing

    prepare(arguments.out, arguments.interactions, arguments.items)
    interactions = read(arguments, arguments.interactions)
    if not arguments.quiet:
        tell(arguments.interactions, interactions, interactions.notes)
    split = draw_split(interactions, arguments.seed)
    with replacing(arguments.out) as temporary:
        split.write(temporary, interactions)
    sizes = f"{len(split.train):,} pairs for training, {len(split.validation):,} for validation, {len(split.test):,}"
    print(f"{arguments.out}: {sizes} for the test")
    if not arguments.quiet:
        print("Leave out what validation and test pairs took when you make vectors of your own.", file=sys.stderr)
