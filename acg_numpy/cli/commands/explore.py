"""`acg explore`: a page for exploring where attention went, user by user."""

import argparse
from pathlib import Path

from acg_numpy.cli.options import EXIT_CODES, Subcommands, add_run_folder, whole_number
from acg_numpy.cli.output_files import prepare_output, refuse
from acg_numpy.cli.printing import echo

DESCRIPTION = """\
Make a page that shows where attention went: one HTML file, which needs no network, for any browser.

examples:
  acg explore acg-demo
  acg explore runs/films --out films.html
  acg explore runs/shop --out shop.html --sample 300 --user ann --user bob
"""

MEANING = f"""\
On the page, choose a user, a domain and a head to see the attention over tokens, the items that the tokens stand for,
the users with the nearest conditions, and how the condition moves between domains; a slider sets the
temperature of the softmax, from the average to the argmax; a second user can be compared with the first.

DIR is what 'acg train' or 'acg demo' wrote (checkpoint.npz and interactions.npz are read).  The page holds a sample of
the users, and says so: those of --user, and others at random, the same ones every time.  It is made with Plotly:
pip install "acg_numpy[explore]"

{EXIT_CODES}"""


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "explore",
        help="make a page for exploring attention",
        usage="acg explore DIR [options]",
        description=DESCRIPTION,
        epilog=MEANING,
    )
    add_run_folder(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="file for the page (default: DIR/explore.html)")
    parser.add_argument("--sample", type=whole_number(1), default=1000, metavar="N", help="number of users, at most")
    parser.add_argument(
        "--user", action="append", metavar="ID", help="a user that the sample must contain; may be repeated"
    )


def run(arguments: argparse.Namespace) -> int:
    """Read the folder, compute, and write the page."""
    from acg_numpy.recommender.exploring import gather, write_page
    from acg_numpy.recommender.serving import Recommender

    recommender = Recommender.load(arguments.folder)
    out = arguments.folder / "explore.html" if arguments.out is None else arguments.out
    prepare_output(out, *(arguments.folder / name for name in ("checkpoint.npz", "interactions.npz")))
    found = gather(recommender, sample=arguments.sample, users=arguments.user or ())
    try:
        write_page(found, out, title=arguments.folder.resolve().name)
    except ModuleNotFoundError as error:
        if error.name != "plotly":
            raise
        return refuse(str(error))
    users = f"{len(found.users):,} of {found.total:,} users"
    echo(f"{out}: {users}, {out.stat().st_size / 1e6:.1f} MB; open it in a browser")
    return 0
