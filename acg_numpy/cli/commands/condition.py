"""`acg condition`: condition vectors for users that were not in training, of any number."""

import argparse
import sys
import time
from pathlib import Path

from acg_numpy.cli.options import (
    EXIT_CODES,
    ROW_OPTIONS,
    Subcommands,
    add_column_names,
    add_quiet,
    add_row_options,
    column_names,
    echo_what_was_read,
    one_or_several,
    pick_options,
)
from acg_numpy.cli.output_files import prepare_output
from acg_numpy.cli.printing import echo

DESCRIPTION = """\
Make condition vectors with a trained conditioner, from new users' interactions or from your own user vectors.

examples:
  acg condition runs/films/checkpoint.npz --interactions new.csv --out new.npy
  acg condition runs/films/checkpoint.npz --interactions new.inter --out new.npy
  acg condition runs/films/checkpoint.npz --users vectors.npy --out conditions.npy
"""

FILES = f"""\
FILE of --interactions is any that 'acg train' reads.  One row is one interaction of a user with an item of the training
data, which gives its domain.  Unknown items are left out and counted.  The file is read as the interactions of training
were: their columns, --min-rating, --where and the rest hold, where no other is given, and what is not the same is said.

FILE of --users is an .npy array of floating numbers, (users, D) or, with a vector for each target domain, (users,
domains, D).  A vector of zeros means that nothing is known of the user.

--out gets an .npy array (users, domains, D) of float32, the domains in the order of domains.txt; zeros where a user
took nothing outside the domain.  With --interactions, the ids of its rows go to a text file beside it, NEW.users.txt
for NEW.npy.  Users are read, conditioned and written in blocks, so that memory does not grow with their number; the
file is moved into place when it is complete.

{EXIT_CODES}"""

ROLES = ("user", "item", "rating")


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "condition",
        help="make condition vectors for new users",
        usage="acg condition CHECKPOINT (--interactions FILE | --users FILE) --out FILE [options]",
        description=DESCRIPTION,
        epilog=FILES,
    )
    parser.set_defaults(parser=parser)
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="checkpoint.npz of a folder of results")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--interactions",
        nargs="+",
        metavar="FILE",
        help="interactions of new users, as 'acg train' reads them",
    )
    source.add_argument("--users", type=Path, metavar="FILE", help="vectors of users: .npy")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file for the conditions: .npy")
    data = parser.add_argument_group("what to read of interactions")
    add_column_names(data, ROLES)
    add_row_options(data)
    parser.set_defaults(**dict.fromkeys(ROW_OPTIONS))  # as in training
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, condition, write, and print what was written."""
    if arguments.users is not None and arguments.min_rating is not None:
        arguments.parser.error("--min-rating is for --interactions; vectors of --users have no rating")

    from tqdm import tqdm

    from acg_numpy.recommender.data import replacing
    from acg_numpy.recommender.serving import Trained, fold_interactions, fold_vectors

    prepare_output(arguments.out, arguments.checkpoint, *(arguments.interactions or ()), arguments.users)
    trained = Trained.load(arguments.checkpoint)
    began = time.perf_counter()
    ids = None
    show_bar = not arguments.quiet and sys.stderr.isatty()
    with tqdm(unit="user", unit_scale=True, file=sys.stderr, disable=not show_bar) as bar:
        if arguments.interactions is not None:
            new = trained.read_newcomers(
                one_or_several(arguments.interactions),
                **column_names(arguments, ROLES),
                **pick_options(arguments, ROW_OPTIONS),
            )
            if not arguments.quiet:
                what = f"{new.matrix.nnz:,} interactions of {len(new.users):,} users with known items"
                echo_what_was_read(one_or_several(arguments.interactions), what, new.notes)
            folded = fold_interactions(trained, new.matrix, arguments.out, progress=bar.update)
            ids = arguments.out.with_suffix(".users.txt")
            with replacing(ids) as temporary:
                temporary.write_text("".join(f"{user}\n" for user in new.users), encoding="utf-8", newline="\n")
        else:
            folded = fold_vectors(trained, arguments.users, arguments.out, progress=bar.update)
    seconds = time.perf_counter() - began

    users, domains, dim, zeros = folded
    echo(f"{arguments.out}: conditions of {users:,} users in {domains} domains, {dim} dimensions, float32")
    if ids is not None:
        echo(f"{ids}: their ids, a line each")
    if zeros:
        why = "the user took nothing else" if ids is not None else "nothing is known of the user"
        echo(f"zeros in {zeros:,} of {users * domains:,} places of a user and a domain, because {why}")
    if not arguments.quiet:
        peak = _peak_memory()
        memory = "" if peak is None else f", at most {peak / 2**20:,.0f} MiB of memory"
        echo(f"{seconds:.1f} s, {users / max(seconds, 1e-9):,.0f} users a second{memory}", file=sys.stderr)


def _peak_memory() -> int | None:
    """Return the most memory that this process has held, in bytes; None where the system does not say."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            lines = [line.split() for line in status if line.startswith("VmHWM:")]
        return int(lines[0][1]) * 1024
    except (OSError, IndexError, ValueError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
