"""`acg demo`: the whole way in a minute, from a synthetic world whose truth is known to a picture of attention."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from acg_numpy.cli.options import RUN_OPTIONS, Parser, Subcommands, add_json, add_quiet, add_run_options, pick_options
from acg_numpy.cli.printing import echo
from acg_numpy.text import joined, paragraph

if TYPE_CHECKING:
    from acg_numpy.recommender.data import World

DESCRIPTION = """\
Make a small world of users, domains and items, train a conditioner in it, compare it with simpler models, and print
the results.  No file is needed.

examples:
  acg demo
  acg demo --world linear              a world with nothing to choose: attention should not lead
  acg demo --seeds 1 --epochs 10       a quick look
  acg demo --tune 8 --seeds 8          the fair comparison: every model, tuned alike (half an hour)
"""

FILES = """\
DIR gets what `acg train` writes (`acg train --help` lists it) and, where the world has tastes, taste_map.png.

exit codes: 0, it worked; 1, the job failed, and standard error says why; 2, wrong usage; 130, interrupted by Ctrl-C,
after the state was saved, from which the same command with --resume goes on.
"""

WORLDS = {
    "tastes": """\
{users:,} users, and five domains of {items} items each: {domains}. Every user has three of eight tastes. Every domain
has its own space, with the tastes in other places, and makes other tastes prominent; of the tastes that a user has,
the strongest dominate there. So what a user looks for in a domain is a choice among tastes,
and the right map from what the user did elsewhere is not linear.""",
    "linear": """\
{users:,} users, and five domains of {items} items each: {domains}. Every user likes or dislikes each of 24 tastes,
more or less, and all of them count in every domain as they are. Every domain has its own space, with the tastes in
other places. There is nothing to choose: a linear map for each domain is enough, and
attention should not lead.""",
}

LEFT_OUT = ("user+domain", "ptupcdr", "attention-own-output")  # so that the demo, untuned, ends within 90 seconds

TASK = """\
Each user took 10 to 30 items in most domains, {taken:,} altogether. Some pairs of a user and a domain are held out:
from what the user did elsewhere, a model makes a vector for that domain, the condition, and the domain's items are
ranked by their inner product with it. NDCG@10 says how well the first ten match what the user really took: 1 is
perfect.

Every model has the same batches, loss, optimiser and patience, and {settings}."""
SETTINGS = "its default settings, which were not chosen here"
TUNED = "the best of the settings that are tried for it, chosen on the validation pairs of four other splits"
QUICK = " To be quick the demo leaves out {left_out}, unless --models names them."


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "demo",
        help="train on a built-in world, and explain the results",
        usage="acg demo [options]",
        description=DESCRIPTION,
        epilog=FILES,
    )
    parser.add_argument("--out", type=Path, default=Path("acg-demo"), metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--world", choices=tuple(WORLDS), default="tastes", help="how tastes decide what a user looks for"
    )
    add_run_options(parser, seeds=2, models=f"with --tune all, else all but {joined(LEFT_OUT)}")
    add_json(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Make the world, train, write, and print what the results mean."""
    from acg_numpy.cli import training_job
    from acg_numpy.recommender.data import make_world
    from acg_numpy.recommender.reporting import pictures
    from acg_numpy.recommender.training.experiment import MODELS

    parser: Parser = arguments.parser
    del arguments.parser, arguments.command
    fit_options = pick_options(arguments, RUN_OPTIONS)
    quick = arguments.models is None and not arguments.tune
    if quick:
        fit_options["models"] = [name for name in MODELS if name not in LEFT_OUT]
    try:
        training_job.points_of(fit_options)
    except ValueError as error:
        parser.error(str(error))
    world = make_world(arguments.world, seed=arguments.seed)
    if not arguments.quiet and not arguments.json:
        _echo_section("The world", introduction(world, tuned=bool(arguments.tune), quick=quick))
    result = training_job.run(world.interactions, arguments.out, arguments, fit_options, world)
    if arguments.json:
        echo(*training_job.as_json(result).split("\n"))
        return
    echo(*training_job.summary_text(result).split("\n"))
    if arguments.quiet:
        return
    echo("")
    if world.kind == "tastes":
        _echo_section("Did tokens become tastes?", pictures.agreement(world, result))
    echo("Open next")
    for path, what in (
        (arguments.out / "report.html", "all of this as a page, with every picture and how it is read"),
        (arguments.out / "attention_map.png", "where attention went, for four held-out users, a row for each head"),
        (arguments.out / "baselines.png", "how the models compare"),
        (arguments.out / "loss_curve.png", "how training went"),
        (arguments.out / "metrics.md", "the table above; metrics.json has every figure"),
        (arguments.out / "conditions.npy", "a vector for every user in every domain (users.txt, domains.txt)"),
    ):
        echo(f"  {path!s:<30} {what}")
    echo("Then try it on your own interactions:  acg train FILE.csv --out DIR")


def introduction(world: "World", *, tuned: bool, quick: bool) -> str:
    """Describe the world, what a model is asked for in it, and which settings and models there are."""
    data = world.interactions
    names = ", ".join(data.domains.tolist())
    facts = {"users": len(data.users), "items": len(data.columns(0)), "domains": names, "taken": data.matrix.nnz}
    facts["settings"] = TUNED if tuned else SETTINGS
    text = f"{WORLDS[world.kind]}\n\n{TASK}".format(**facts)
    return text + QUICK.format(left_out=joined(LEFT_OUT)) if quick else text


def _echo_section(title: str, text: str) -> None:
    echo(title)
    for part in text.split("\n\n"):
        echo(*paragraph(" ".join(part.split())).split("\n"), "")
