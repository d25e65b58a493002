"""`acg demo`: the whole story in a minute, from a world whose truth is known to a picture of attention."""

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from acg_numpy.cli.options import Subcommands, add_json, add_quiet, add_run_options, given

if TYPE_CHECKING:
    from acg_numpy.recommender.data import World

DESCRIPTION = """\
Make a small world of users, domains and items, train a conditioner in it, compare it with simpler models, and say what
came out.  No file is needed.

examples:
  acg demo
  acg demo --world linear              a world with nothing to choose, where attention should not lead
  acg demo --seeds 1 --epochs 10       a quick look
"""

FILES = """\
DIR gets what `acg train` writes, `acg train --help` lists it, and where the world has tastes taste_map.png.

exit codes: 0, it worked; 1, the job failed, and standard error says why; 2, wrong usage; 130, interrupted by Ctrl-C,
after the state was saved, from which the same command with --resume goes on.
"""

WORLDS = {
    "tastes": """\
{users:,} users, and five domains of {items} items each: {domains}. Every user has three of eight tastes. Every domain
has a space of its own, in which the tastes lie in other places than in the next, and brings other tastes to the fore;
of the tastes that a user has, the strongest dominate there. So what a user looks for in a domain is a choice among
tastes, and
the right map from what the user did elsewhere is not linear.""",
    "linear": """\
{users:,} users, and five domains of {items} items each: {domains}. Every user likes or dislikes each of 24 tastes,
more or less, and all of them count in every domain as they are. Every domain has a space of its own, in which the
tastes lie in other places than in
the next. There is nothing to choose: a linear map for each domain is all it takes, and attention should not lead.""",
}

TASK = """\
Each user took 10 to 30 items in most domains, {taken:,} altogether. Some pairs of a user and a domain are held out:
from what the user did elsewhere, a model makes a vector for that domain, the condition, and the domain's items are
ranked by their inner product
with it. NDCG@10 says how well the first ten match what the user really took: 1 is perfect."""


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "demo",
        help="train on a built-in world, and read what it means",
        usage="acg demo [options]",
        description=DESCRIPTION,
        epilog=FILES,
    )
    parser.add_argument("--out", type=Path, default=Path("acg-demo"), metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--world", choices=tuple(WORLDS), default="tastes", help="what leads from tastes to what a user looks for"
    )
    add_run_options(parser, seeds=2)
    add_json(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Make the world, train, write, and tell the story."""
    from acg_numpy.cli import training_job
    from acg_numpy.recommender.data import make_world
    from acg_numpy.recommender.reporting import pictures

    del arguments.command
    world = make_world(arguments.world, seed=arguments.seed)
    if not arguments.quiet and not arguments.json:
        _say("The world", introduction(world))
    fit_options = given(arguments, ("seed", "seeds", "epochs"))
    result = training_job.run(world.interactions, arguments.out, arguments, fit_options, world)
    if arguments.json:
        print(training_job.as_json(result))
        return
    print(training_job.summary_text(result))
    if arguments.quiet:
        return
    print()
    if world.kind == "tastes":
        _say("Did tokens become tastes?", pictures.agreement(world, result))
    print("Open next")
    for path, what in (
        (arguments.out / "report.html", "all of this as a page, with every picture and how it is read"),
        (arguments.out / "attention_map.png", "where attention went, for four held-out users, a row for each head"),
        (arguments.out / "baselines.png", "how the models stand beside each other"),
        (arguments.out / "loss_curve.png", "how training went"),
        (arguments.out / "metrics.md", "the table above, to keep; metrics.json has every figure"),
        (arguments.out / "conditions.npy", "a vector for every user in every domain (users.txt, domains.txt)"),
    ):
        print(f"  {path!s:<30} {what}")
    print("Then try it on interactions of your own:  acg train FILE.csv --out DIR")


def introduction(world: "World") -> str:
    """Tell what the world is, and what is asked of a model in it."""
    data = world.interactions
    names = ", ".join(data.domains.tolist())
    facts = {"users": len(data.users), "items": len(data.columns(0)), "domains": names, "taken": data.matrix.nnz}
    return f"{WORLDS[world.kind]}\n\n{TASK}".format(**facts)


def _say(title: str, text: str) -> None:
    print(title)
    for paragraph in text.split("\n\n"):
        print(textwrap.fill(" ".join(paragraph.split()), 100, break_on_hyphens=False) + "\n", flush=True)
