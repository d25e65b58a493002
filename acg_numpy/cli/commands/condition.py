"""`acg condition`: condition vectors for users that were not in training, of any number."""

import argparse
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acg_numpy.cli.options import (
    EXIT_CODES,
    Subcommands,
    add_options_of_new_users,
    add_quiet,
    echo_new_users,
    read_new_users,
    refuse_options_of_new_users,
    whole_number,
)
from acg_numpy.cli.output_files import prepare_folder, prepare_output
from acg_numpy.cli.printing import echo
from acg_numpy.text import counted

if TYPE_CHECKING:
    from acg_numpy.recommender.data import Newcomers
    from acg_numpy.recommender.serving import Trained
    from acg_numpy.recommender.serving.fold_in import BlockCallback

DESCRIPTION = """\
Make condition vectors with a trained conditioner, from new users' interactions or from your own user vectors.

examples:
  acg condition runs/films/checkpoint.npz --interactions new.csv --out new.npy
  acg condition runs/films/checkpoint.npz --interactions new.inter --out new.npy
  acg condition runs/films/checkpoint.npz --users vectors.npy --out conditions.npy
  acg condition runs/films/checkpoint.npz --users vectors.parquet --out conditions/
  acg condition runs/films/checkpoint.npz --users vectors.parquet --out conditions/ \\
      --scheduler tcp://192.0.2.10:8786
"""

FILES = f"""\
FILE of --interactions is any that 'acg train' reads.  One row is one interaction of a user with an item of the training
data, which gives its domain.  Unknown items are left out and counted.  The file is read as the interactions of training
were: their columns, --min-rating, --where and the rest hold, where no other is given, and what is not the same is said.

FILE of --users is an .npy array of floating numbers, (users, D) or, with a vector for each target domain, (users,
domains, D).  A vector of zeros means that nothing is known of the user.  Where --out is a folder, it may also be one or
more Parquet files, or a folder of them, with lists of floats.

--out FILE.npy gets an array (users, domains, D) of float32, the domains in the order of domains.txt; zeros where a user
took nothing outside the domain.  With --interactions, the ids of its rows go to a text file beside it, NEW.users.txt
for NEW.npy.  Users are read, conditioned and written in blocks, so that memory does not grow with their number; the
file is moved into place when it is complete.

--out DIR, any name that does not end in .npy, gets Parquet files, one for each block of users, with the column 'user',
where ids are known, and a list of floats for each domain.  Each is moved into place when it is complete; what is there
from a run that was stopped is kept, if it was begun with the same checkpoint and users.  With --scheduler the blocks
are computed by the workers of a Dask cluster, which must see the files under the same names.  DIR and FILE may be
addresses of an object store.  This needs: pip install "acg_numpy[scale]".

{EXIT_CODES}"""


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "condition",
        help="make condition vectors for new users",
        usage="acg condition CHECKPOINT (--interactions FILE | --users FILE) --out FILE.npy|DIR [options]",
        description=DESCRIPTION,
        epilog=FILES,
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="checkpoint.npz of a folder of results")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--interactions",
        nargs="+",
        metavar="FILE",
        help="interactions of new users, as 'acg train' reads them",
    )
    source.add_argument("--users", nargs="+", metavar="FILE", help="vectors of users: .npy, or Parquet with --out DIR")
    parser.add_argument(
        "--out", required=True, metavar="PATH", help="file for the conditions, .npy, or folder of parts"
    )
    parts = parser.add_argument_group("with --out DIR")
    parts.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, whose workers then do the work")
    parts.add_argument(
        "--block", type=whole_number(1), metavar="N", help="users of a part, a multiple of 8192 (default: 65536)"
    )
    parts.add_argument("--no-resume", action="store_true", help="start again, and remove the parts in DIR")
    add_options_of_new_users(parser, "what to read of --interactions, if not as in training")
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, condition, write, and print what was written."""
    refuse_options_of_new_users(arguments)
    to_file = arguments.out.lower().endswith(".npy")
    for option, given in (("--scheduler", arguments.scheduler), ("--block", arguments.block)):
        if to_file and given is not None:
            arguments.parser.error(f"{option} is for --out DIR, and {arguments.out} is a file")
    if to_file and arguments.no_resume:
        arguments.parser.error(f"--no-resume is for --out DIR, and {arguments.out} is a file")
    if to_file and len(arguments.users or ()) > 1:
        arguments.parser.error(
            "--users takes one .npy file, where --out is a file: several, of Parquet, are for --out DIR"
        )
    if arguments.block is not None:
        from acg_numpy.scale.blocks import split_rows

        try:
            split_rows(0, arguments.block)
        except ValueError as error:
            arguments.parser.error(f"--{error}")

    from tqdm import tqdm

    from acg_numpy.recommender.serving import Trained

    if to_file or "://" not in arguments.out:
        inputs = (arguments.checkpoint, *(arguments.interactions or arguments.users))
        (prepare_output if to_file else prepare_folder)(Path(arguments.out), *inputs)
    trained = Trained.load(arguments.checkpoint)
    began = time.perf_counter()
    show_bar = not arguments.quiet and sys.stderr.isatty()
    with tqdm(unit="user", unit_scale=True, file=sys.stderr, disable=not show_bar) as bar:
        users, domains, zeros = (_to_file if to_file else _to_folder)(arguments, trained, bar.update)
    seconds = time.perf_counter() - began

    if zeros:
        why = "the user took nothing else" if arguments.interactions is not None else "nothing is known of the user"
        echo(f"zeros in {zeros:,} of {users * domains:,} places of a user and a domain, because {why}")
    if not arguments.quiet:
        peak = _peak_memory()
        memory = "" if peak is None else f", at most {peak / 2**20:,.0f} MiB of memory"
        where = "" if arguments.scheduler is None else " in this process"
        echo(f"{seconds:.1f} s, {users / max(seconds, 1e-9):,.0f} users a second{memory}{where}", file=sys.stderr)


def _to_file(arguments: argparse.Namespace, trained: "Trained", progress: "BlockCallback") -> tuple[int, int, int]:
    """Write an .npy file, and return the numbers of users, of domains, and of zeros."""
    from acg_numpy.recommender.data import replacing
    from acg_numpy.recommender.serving import fold_interactions, fold_vectors

    out, ids = Path(arguments.out), None
    if arguments.interactions is not None:
        new = _read_newcomers(arguments, trained)
        folded = fold_interactions(trained, new.matrix, out, progress=progress)
        ids = out.with_suffix(".users.txt")
        with replacing(ids) as temporary:
            temporary.write_text("".join(f"{user}\n" for user in new.users), encoding="utf-8", newline="\n")
    else:
        folded = fold_vectors(trained, arguments.users[0], out, progress=progress)
    users, domains, dim, zeros = folded
    echo(f"{out}: conditions of {users:,} users in {domains} domains, {dim} dimensions, float32")
    if ids is not None:
        echo(f"{ids}: their ids, a line each")
    return users, domains, zeros


def _to_folder(arguments: argparse.Namespace, trained: "Trained", progress: "BlockCallback") -> tuple[int, int, int]:
    """Write a folder of part files, and return the numbers of users, of domains, and of zeros."""
    from acg_numpy.recommender.data import DataError
    from acg_numpy.scale import condition
    from acg_numpy.scale.user_rows import open_vectors

    if arguments.users is not None and open_vectors(trained, arguments.users) is None:
        raise DataError(
            f"--users {' '.join(arguments.users)}: neither an .npy array nor Parquet with lists of floats; give "
            "interactions with --interactions"
        )
    block = {} if arguments.block is None else {"block": arguments.block}
    with nullcontext() if arguments.scheduler is None else _connected(arguments.scheduler) as client:
        source = arguments.users if arguments.interactions is None else _read_newcomers(arguments, trained)
        written = condition(
            trained, source, arguments.out, client=client, resume=not arguments.no_resume, progress=progress, **block
        )
    users, domains, dim, zeros, parts, resumed = written
    kept = f", {resumed} of them from before" if resumed else ""
    echo(
        f"{arguments.out}: conditions of {users:,} users in {domains} domains, {dim} dimensions, float32, in "
        f"{counted(parts, 'part')}{kept}"
    )
    return users, domains, zeros


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Connect to a cluster; its client's own log, tracebacks of what the command says in a sentence, is not shown."""
    from acg_numpy.scale import connect

    with connect(address) as client:
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        yield client


def _read_newcomers(arguments: argparse.Namespace, trained: "Trained") -> "Newcomers":
    """Read the interactions of new users, and print what was read."""
    new = read_new_users(arguments, trained)
    echo_new_users(arguments, new)
    return new


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
