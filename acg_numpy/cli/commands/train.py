"""`acg train`: condition vectors from a file of interactions, and a comparison of attention with simpler models."""

import argparse
from pathlib import Path

from acg_numpy.cli.options import (
    PROTOCOL,
    RUN_OPTIONS,
    Parser,
    Subcommands,
    add_json,
    add_protocol_options,
    add_quiet,
    add_reading_options,
    add_run_options,
    add_sources,
    echo_what_was_read,
    one_or_several,
    pick_options,
    positive_number,
    rate_below_one,
    read_with_options,
    whole_number,
)
from acg_numpy.cli.printing import echo
from acg_numpy.text import joined

ATTENTION_OPTIONS = (
    *("heads", "inner_dim", "tokens_per_domain", "num_global_tokens", "dropout", "head_dropout", "layer_norm"),
    *("residual", "bias", "rate"),
)
FIT_OPTIONS = (
    *("baselines", "sample_pairs", "emb_dim", "clip_norm", "schedule"),
    *RUN_OPTIONS,
    *PROTOCOL,
    *ATTENTION_OPTIONS,
)

DESCRIPTION = """\
Train a conditioner on interactions, compare it with simpler models on held-out pairs of a user and a domain, and write
a condition vector for every user in every domain.

examples:
  acg train taken.csv --out runs/first
  acg train books.parquet films.csv.gz --where "stars >= 4" --out runs/both
  acg train taken.tsv --items items.csv --user-column who --item-column what --domain-column kind --out runs/second
  acg train ml-100k.inter --domain-column class --min-rating 4 --max-domains 8 --out runs/films
  acg train taken.csv --models film,emcdr-mlp --tune 8 --seeds 8 --out runs/tuned
  acg train taken.csv --out runs/first --resume        continue where Ctrl-C or a crash stopped it
"""

FILES = """\
SOURCE is CSV, TSV, RecBole's .inter with its .item file beside it, JSON lines (each also .gz or .zst), Parquet or
Feather; several files or globs; a pipe, or - for it.  One row is one interaction: columns for the user, the item and
the domain, and optionally rating, timestamp and title, under their usual names (userId, asin, genres, ...) or those
that are given.  Without a column for the domain, the name of a file is the domain of its rows.

DIR gets report.html (open this first; report.md says the same in a terminal), with its pictures also as files:
attention_map.png, attention_by_domain.png, attention_by_group.png, attention_entropy.png, token_items.png,
attention_through_training.png, baselines.png, leads_by_domain.png, quality_and_parameters.png and loss_curve.png.  Then
metrics.md and metrics.json; test_pairs.tsv, with NDCG@10 of every model on every test pair, and test_pairs.parquet with
every metric; conditions.npy (users x domains x dimensions, float32; made from all interactions, so not to be measured
on the test pairs) with users.txt and domains.txt; test_conditions.npy (test pairs of the first run x dimensions, as
they were measured); items.txt, item_domains.txt, item_vectors.npy, item_bias.npy, split.tsv, checkpoint.npz,
interactions.npz and run.json.  Files of an earlier run are replaced.

FILE of --user-vectors and --item-vectors is written by numpy.savez(FILE, ids=..., vectors=...): a vector of D numbers
for each id (for users also one for each domain, (users, domains, D), with the names of the domains in domains=...).
They should not contain what the test asks for: write a split first with 'acg split', make the vectors without the
interactions of its validation and test pairs, and train with --split.

DIR/last.npz holds the state of training, renewed every few seconds.  After Ctrl-C, or kill -9, the same command
with --resume goes on from it, to exactly the figures of a run that was not stopped (except for the seconds).  With
other options or other interactions, --resume is refused; without --resume training begins again.

exit codes: 0, it worked; 1, the job failed, and standard error says why; 2, wrong usage; 130, interrupted by Ctrl-C,
after the state was saved.
"""


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "train",
        help="train on a file of interactions",
        usage="acg train SOURCE... --out DIR [options]",
        description=DESCRIPTION,
        epilog=FILES,
    )
    files = parser.add_argument_group("files")
    add_sources(files)
    files.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    add_reading_options(parser)

    model = parser.add_argument_group("what to train")
    model.add_argument(
        "--emb-dim", type=whole_number(1), default=32, metavar="D", help="dimensions of users, items, conditions"
    )
    model.add_argument(
        "--no-baselines",
        dest="baselines",
        action="store_false",
        help="train attention alone, without models to compare it with",
    )
    model.add_argument(
        "--clip-norm", type=positive_number(), metavar="X", help="clip the gradients of a step to this global norm"
    )
    model.add_argument(
        "--schedule",
        choices=("constant", "cosine", "plateau"),
        default="constant",
        help="schedule of the learning rate: plateau halves it after 5 validations (10 epochs) without a better one",
    )
    model.add_argument(
        "--sample-pairs",
        type=whole_number(1),
        metavar="N",
        help="pairs to train on, each domain with its share (default: all, and 30000 of more than a million)",
    )
    add_run_options(model, seeds=1)
    _add_attention_options(parser)

    add_protocol_options(parser.add_argument_group("how splits are drawn"))

    own = parser.add_argument_group("your own split and vectors")
    own.add_argument(
        "--split", type=Path, metavar="FILE", help="pairs to train and test on, as 'acg split' writes them"
    )
    for kind in ("user", "item"):
        own.add_argument(
            f"--{kind}-vectors",
            type=Path,
            metavar="FILE",
            help=f"your own {kind} vectors: .npz with ids and vectors, D numbers each",
        )
    add_json(parser)
    add_quiet(parser)


def _add_attention_options(parser: Parser) -> None:
    """Add the options of the conditioner; their defaults stand in the table of hyperparameters."""
    group = parser.add_argument_group(
        "attention", "These apply to attention and attention-own-output alone, and a search leaves them as they are."
    )
    for name, kind, metavar, what in (
        ("heads", whole_number(1), "H", "heads; a divisor of --inner-dim (default: 16)"),
        ("inner-dim", whole_number(1), "I", "dimensions of all heads together (default: 128)"),
        ("tokens-per-domain", whole_number(1), "T", "tokens of each domain (default: 8)"),
        ("num-global-tokens", whole_number(0), "G", "tokens that all domains share (default: 0)"),
        ("dropout", rate_below_one(), "P", "rate at which attention's weights are dropped (default: 0.4)"),
        ("head-dropout", rate_below_one(), "P", "rate at which the heads' outputs are dropped (default: 0.4)"),
        ("rate", positive_number(), "X", "learning rate (default: 0.01)"),
    ):
        group.add_argument(f"--{name}", type=kind, metavar=metavar, help=what)
    for name, what in (
        ("layer-norm", "whether conditions are layer-normed (default: yes)"),
        ("residual", "whether the user's vector is added to what attention gives (default: no)"),
        ("bias", "whether the projections have a bias (default: yes)"),
    ):
        group.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=what)


def run(arguments: argparse.Namespace) -> None:
    """Read, train, write, and print the results."""
    parser: Parser = arguments.parser
    del arguments.parser, arguments.command
    drawing = [
        f"--{name.replace('_', '-')}" for name in PROTOCOL if getattr(arguments, name) != parser.get_default(name)
    ]
    if arguments.split is not None and drawing:
        parser.error(f"--split says what is held out, so {joined(drawing)} would do nothing: leave one of them out")

    from acg_numpy.cli import training_job
    from acg_numpy.recommender.data import read_split, read_vectors
    from acg_numpy.recommender.models import DEFAULTS

    wide = DEFAULTS["attention"]
    heads, inner = arguments.heads or wide["heads"], arguments.inner_dim or wide["inner_dim"]
    if inner % heads:
        parser.error(f"--inner-dim {inner} cannot be divided among --heads {heads}: take a divisor")
    try:
        training_job.points_of(pick_options(arguments, FIT_OPTIONS))
    except ValueError as error:
        parser.error(str(error))

    arguments.interactions = one_or_several(arguments.interactions)
    interactions = read_with_options(arguments, arguments.interactions)
    if not arguments.quiet:
        echo_what_was_read(arguments.interactions, interactions, interactions.notes)
    fit_options = pick_options(arguments, FIT_OPTIONS)
    if arguments.split is not None:
        fit_options["split"] = read_split(arguments.split, interactions)
    for name in ("user_vectors", "item_vectors"):
        if (path := getattr(arguments, name)) is not None:
            fit_options[name] = read_vectors(path)
    result = training_job.run(interactions, arguments.out, arguments, fit_options)

    if arguments.json:
        echo(*training_job.as_json(result).split("\n"))
        return
    echo(*training_job.summary_text(result).split("\n"), "")
    echo(f"Everything is in {arguments.out}; begin with report.html, or report.md in a terminal.")
