"""`acg split`: pairs of a user and a domain held out before anything is computed, your own vectors included."""

import argparse
import sys
from pathlib import Path

from acg_numpy.cli.options import (
    EXIT_CODES,
    PROTOCOL,
    Subcommands,
    add_protocol_options,
    add_quiet,
    add_reading_options,
    add_sources,
    echo_what_was_read,
    one_or_several,
    pick_options,
    read_with_options,
    whole_number,
)
from acg_numpy.cli.output_files import prepare_output
from acg_numpy.cli.printing import echo

DESCRIPTION = """\
Draw which pairs of a user and a domain are for training, validation and test, and write them to a file.

examples:
  acg split taken.csv --out split.tsv
  acg split ml-100k.inter --domain-column class --min-rating 4 --max-domains 8 --seed 3 --out split.tsv
  acg split ml-100k.inter --domain-column class --protocol temporal --out split.tsv
"""

USE = f"""\
User or item vectors from a program of your own should not contain what the test asks for.  So draw the split first,
make the vectors without the interactions of its validation and test pairs, and give both to 'acg train', with the same
options for what to read.

Protocols: random holds out a fifth of the pairs for the test; leave-last-out the pair that each user entered last, and
hides what that user did from then on; temporal the pairs that were entered in the last fifth of the interactions, and
shows training only what happened before that and before validation.  The last two need the time of every interaction.

The file has tab-separated columns user, domain and part (train, validation or test), one pair in each line; with the
last two also cut, up to when training sees the user, and until, up to when a validation pair is judged.

{EXIT_CODES}"""


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "split",
        help="draw training, validation and test pairs before training",
        usage="acg split SOURCE... --out FILE [options]",
        description=DESCRIPTION,
        epilog=USE,
    )
    add_sources(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file for the split, tab-separated")
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="seed of the split")
    add_protocol_options(parser)
    add_reading_options(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, draw, write, and print how many pairs there are."""
    from acg_numpy.recommender.data import draw_split, replacing

    source = one_or_several(arguments.interactions)
    prepare_output(arguments.out, *arguments.interactions, arguments.items)
    interactions = read_with_options(arguments, source)
    if not arguments.quiet:
        echo_what_was_read(source, interactions, interactions.notes)
    split = draw_split(interactions, arguments.seed, **pick_options(arguments, PROTOCOL))
    with replacing(arguments.out) as temporary:
        split.write(temporary, interactions)
    sizes = f"{len(split.train):,} pairs for training, {len(split.validation):,} for validation, {len(split.test):,}"
    echo(f"{arguments.out}: {sizes} for the test")
    if not arguments.quiet:
        echo("Leave out what validation and test pairs took when you make your own vectors.", file=sys.stderr)
