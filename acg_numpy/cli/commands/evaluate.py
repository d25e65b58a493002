"""`acg evaluate`: a trained folder, and other systems' lists, judged by what users took after the training."""

import argparse
import json
import os
from collections.abc import Mapping
from typing import Any

from acg_numpy.cli.options import (
    EXIT_CODES,
    Parser,
    Subcommands,
    add_options_of_new_users,
    add_quiet,
    add_run_folder,
    echo_new_users,
    echo_what_was_read,
    read_new_users,
    whole_numbers,
)
from acg_numpy.cli.printing import echo
from acg_numpy.text import counted, joined, text_table, wrapped

DESCRIPTION = """\
Judge a trained folder by what its users took after the training, and another system's lists beside it.

examples:
  acg evaluate runs/shop --interactions december.csv
  acg evaluate runs/shop --interactions december.csv --against theirs.csv ours-last-year.parquet
  acg evaluate runs/shop --interactions december.csv --json
"""

MEANING = f"""\
FILE of --interactions is read as the interactions of training were, with the same columns and options.  A pair of a
user and a domain is judged if the user took something there that DIR does not have yet.  DIR ranks all items of the
domain from all that it knows of the user, but those that were taken before.  Users, items and domains that DIR does not
know, and rows that it has already, are left out and counted.

LISTS has a row for each place in a user's list: columns user and item, and rank (1 is first) or score (the largest is
first), or the rows are in order; 'acg recommend --out' writes such a file.  Items taken before take no place in a list;
where a list ends, nothing more is found; a user without a list has found nothing.

trained     DIR as 'acg recommend' serves
condition   the same without the weights for users with items in the domain, where DIR has such weights
popularity  the share of users who took an item in training

Differences are means over the pairs, of NDCG@10, ± a standard error that counts the pairs of one user as one
observation.  A model leads if the difference is more than two standard errors.

{EXIT_CODES}"""

SHOWN = {"ndcg": "NDCG", "recall": "recall", "hit_rate": "hit rate", "mrr": "MRR"}


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "evaluate",
        help="judge a trained folder by what users took later",
        usage="acg evaluate DIR --interactions FILE... [--against LISTS...] [options]",
        description=DESCRIPTION,
        epilog=MEANING,
    )
    add_run_folder(parser)
    parser.add_argument(
        "--interactions", nargs="+", required=True, metavar="FILE", help="what users took after the training"
    )
    parser.add_argument("--against", nargs="+", default=[], metavar="LISTS", help="another system's lists")
    parser.add_argument(
        "--k",
        type=whole_numbers(1),
        default="10",
        metavar="K,...",
        help="cut-offs of the metrics; 10 is always included",
    )
    parser.add_argument("--json", action="store_true", help="print the metrics as JSON, and nothing else")
    add_options_of_new_users(parser, "what to read of --interactions, if not as in training")
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read the folder and the files, judge, and print."""
    parser: Parser = arguments.parser
    if len(set(map(os.path.normpath, arguments.against))) < len(arguments.against):
        parser.error("--against names a file twice")

    from acg_numpy.recommender.serving import Recommender
    from acg_numpy.recommender.serving.given_lists import read_lists
    from acg_numpy.recommender.serving.later_evaluation import (
        CONDITION,
        POPULARITY,
        TRAINED,
        evaluate_later,
        later_pairs,
    )

    recommender = Recommender.load(arguments.folder)
    later = read_new_users(arguments, recommender.trained)
    judged = later_pairs(recommender, later)
    echo_new_users(arguments, later, _left_out(judged.left_out))
    lists = {}
    for path in arguments.against:
        if path in (CONDITION, POPULARITY, TRAINED):  # which the tables have already
            path = f"./{path}"
        lists[path] = read_lists(path, recommender.trained, recommender.users[judged.rows])
        if not arguments.quiet:
            number = lists[path].priorities.nnz
            echo_what_was_read(path, f"{number:,} places in lists of users that are judged", lists[path].notes)
    figures = evaluate_later(recommender, judged, lists, arguments.k)
    if arguments.json:
        notes = {"notes": list(later.notes), "list_notes": {path: list(one.notes) for path, one in lists.items()}}
        echo(*json.dumps({**figures, **notes}, indent=2, allow_nan=False).split("\n"))
        return
    echo(*_report(figures, arguments.k))


def _left_out(left_out: Mapping[str, int]) -> list[str]:
    """Say what could not be judged."""
    notes = []
    if unknown := left_out["unknown_users"]:
        share = f"{unknown:,} of {left_out['users']:,} ({unknown / left_out['users']:.1%})"
        notes.append(
            f"users that are not known, left out: {share}, in interactions with known items: "
            f"{left_out['their_interactions']:,} of {left_out['interactions']:,}"
        )
    if again := left_out["taken_before"]:
        notes.append(f"interactions that training had already, left out: {again:,} of {left_out['interactions']:,}")
    return notes


def _report(figures: Mapping[str, Any], cutoffs: list[int]) -> list[str]:
    """Write the tables and the verdict."""
    pairs, users = counted(figures["pairs"], "pair"), counted(figures["users"], "user")
    lines = [f"{pairs} of a user and a domain, of {users}, in which something new was taken.", ""]
    keys = [f"{metric}@{k}" for k in sorted({*cutoffs, 10}) for metric in SHOWN]
    names = [f"{SHOWN[metric]}@{k}" for metric, k in (key.split("@") for key in keys)]
    rows = [
        (name, *(f"{test[key]:.4f}" for key in keys), _difference(figures["paired"].get(name)))
        for name, test in _worst_first(figures["test"])
    ]
    lines += text_table([("model", *names, "trained is ahead by"), *rows])
    lines += ["", *_verdict(figures)]
    groups = [(name, group) for name, group in figures["by_domain"].items() if group["pairs"]]
    own = {"with": "users with a history there", "without": "users without one"}
    groups += [(own[name], group) for name, group in figures["by_own_history"].items() if group["pairs"]]
    models = list(figures["test"])
    table = [
        (name, f"{group['pairs']:,}", *(f"{group['test'][model]['ndcg@10']:.4f}" for model in models))
        for name, group in groups
    ]
    lines += ["", *text_table([("NDCG@10", "pairs", *models), *table])]
    return lines


def _verdict(figures: Mapping[str, Any]) -> list[str]:
    """Say which models are told apart by these pairs, and where lists were missing."""
    from acg_numpy.recommender.evaluation.significance import verdict

    sides: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for name, paired in figures["paired"].items():
        sides[verdict(paired)].append(name)
    sentences = []
    if sides[1]:
        sentences.append(f"trained leads {joined(sides[1])} by more than two standard errors.")
    if sides[-1]:
        sentences.append(f"trained is behind {joined(sides[-1])} by more than two standard errors.")
    if sides[0]:
        sentences.append(
            f"These pairs do not decide between trained and {joined(sides[0])}: the difference is two standard errors "
            "or less."
        )
    if not figures["paired"]:
        sentences.append("These are too few users for a standard error, so nothing is said to lead.")
    for name, number in figures["without_list"].items():
        if number:
            sentences.append(f"{name} lists nothing for {number:,} of {figures['pairs']:,} pairs, which count as 0.")
    return wrapped(" ".join(sentences))


def _worst_first(test: Mapping[str, Mapping[str, float]]) -> list[tuple[str, Mapping[str, float]]]:
    return sorted(test.items(), key=lambda one: one[1]["ndcg@10"])


def _difference(paired: Mapping[str, float] | None) -> str:
    return "" if paired is None else f"{paired['difference']:+.4f} ± {paired['se']:.4f}"
