"""`acg recommend`: the best items for one user, for many, or for new ones, and where attention went."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from acg_numpy.cli.options import (
    EXIT_CODES,
    Parser,
    Subcommands,
    add_options_of_new_users,
    add_quiet,
    add_run_folder,
    echo_new_users,
    pick_options,
    read_new_users,
    refuse_options_of_new_users,
    whole_number,
)
from acg_numpy.cli.output_files import prepare_output
from acg_numpy.cli.printing import echo
from acg_numpy.text import counted, text_table

if TYPE_CHECKING:
    from acg_numpy.recommender.serving import Recommendation, Recommender
    from acg_numpy.shapes import Array

DESCRIPTION = """\
Rank the items of a domain for users, by what they took in other domains; leave out items that were taken already.

examples:
  acg recommend acg-demo --user user-007
  acg recommend runs/films --user 196 --domain Drama --top 5
  acg recommend runs/shop --all --out lists.parquet
  acg recommend runs/shop --users ids.txt --domain Books --domain Music --out lists.csv
  acg recommend runs/shop --interactions new.csv --out lists.jsonl       new users, and what they took
"""

MEANING = f"""\
The score of an item is 3 c . v / sqrt(D) + b, with the user's condition c in the domain, and the item's vector v and
bias b.  Items that the user has taken in the domain add a term to it, if this helped on the validation pairs of the
run (the report says how much).  A score has no unit, and can be compared within a domain only.
Below the items of --user are the tokens that each head of attention gave most weight to, with their share of its
attention.  They are numbered from 0, as in attention_map.png.

DIR is what 'acg train' or 'acg demo' wrote (checkpoint.npz and interactions.npz are read); users and domains are those
in its users.txt and domains.txt.  FILE of --users has one id in each line, as users.txt.  With --interactions, users
are those of FILE, all or those that are named, known by what FILE says they took; it is read as the interactions of
training were, with the same columns and options, and interactions.npz is not needed.

--out and --json get a row for each item: user, domain, rank from 1, item, title where the interactions had titles, and
score.

{EXIT_CODES}"""

TOKENS = 3  # of each head


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "recommend",
        help="rank items for users, and say where attention went",
        usage="acg recommend DIR (--user ID ... | --users FILE | --all | --interactions FILE) [options]",
        description=DESCRIPTION,
        epilog=MEANING,
    )
    add_run_folder(parser)
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--user", action="append", metavar="ID", help="id of a user; may be repeated")
    whom.add_argument("--users", type=Path, metavar="FILE", help="ids of users, one in each line")
    whom.add_argument("--all", action="store_true", help="every user")
    parser.add_argument("--domain", action="append", metavar="D", help="a domain; may be repeated (default: all)")
    parser.add_argument(
        "--top", type=whole_number(1), default=10, metavar="N", help="number of items in a domain, at most"
    )
    parser.add_argument("--include-taken", action="store_true", help="rank items that the user has taken, too")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file for the lists: .csv, .parquet or .jsonl")
    parser.add_argument("--json", action="store_true", help="print the lists as JSON, and nothing else")
    parser.add_argument("--interactions", nargs="+", metavar="FILE", help="new users, and what they took")
    add_options_of_new_users(parser, "what to read of --interactions, if not as in training")
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read the folder, rank, and print or write the items."""
    parser: Parser = arguments.parser
    refuse_options_of_new_users(arguments)
    everyone = arguments.all or (arguments.interactions is not None and not (arguments.user or arguments.users))
    if not (arguments.user or arguments.users or everyone):
        parser.error("say for whom: --user ID, --users FILE, --all, or --interactions FILE for new users")
    if not arguments.user and arguments.out is None and not arguments.json:
        parser.error("lists of many users go to a file or to a program: give --out FILE, or --json")

    from acg_numpy.recommender.serving.top_lists import list_format

    if arguments.out is not None:
        list_format(arguments.out)
        inputs = (arguments.users, *(arguments.interactions or ()), arguments.folder / "checkpoint.npz")
        prepare_output(arguments.out, *inputs)
    recommender = _load(arguments)
    users: list[str] | None = arguments.user if arguments.users is None else _read_ids(arguments.users)
    users = _each_once(users, "users", arguments.quiet)
    options = pick_options(arguments, ("top", "include_taken"))
    options["domain"] = _each_once(arguments.domain, "domains", arguments.quiet)
    if users is not None and arguments.out is None and not arguments.json:
        _echo_each(recommender, users, options)
        return
    lists = recommender.recommend(users, **options)
    if arguments.out is not None:
        number = lists.write(arguments.out)
        if not arguments.json:
            users_and_domains = f"{counted(len(lists.users), 'user')}, {counted(len(lists.domains), 'domain')}"
            echo(f"{arguments.out}: {counted(number, 'item')} for {users_and_domains}")
        if not arguments.quiet and (blind := int((~lists.informed).sum())):
            places = f"{blind:,} of {lists.informed.size:,} places of a user and a domain"
            echo(f"nothing known leads to {places}: there the items are ranked by their biases alone", file=sys.stderr)
    if arguments.json:
        echo(*lists.to_json().split("\n"))


def _each_once(names: Sequence[str] | None, what: str, quiet: bool) -> list[str] | None:
    """Return names without repetitions, and print how many there were."""
    if names is None:
        return None
    once = list(dict.fromkeys(names))
    if not quiet and len(once) < len(names):
        again = f"{len(names) - len(once):,} of {len(names):,}"
        echo(f"{what} that are named again, left out: {again}", file=sys.stderr)
    return once


def _load(arguments: argparse.Namespace) -> "Recommender":
    from acg_numpy.recommender.serving import Recommender, Trained

    if arguments.interactions is None:
        return Recommender.load(arguments.folder)
    trained = Trained.load(arguments.folder / "checkpoint.npz")
    new = read_new_users(arguments, trained)
    echo_new_users(arguments, new)
    return Recommender.of_newcomers(trained, new)


def _read_ids(path: Path) -> list[str]:
    from acg_numpy.recommender.data import DataError

    try:
        ids = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: a text file with an id a line was expected") from error
    ids = [line.removesuffix("\r") for line in ids]
    if ids[-1] == "":
        del ids[-1]
    if not ids or "" in ids:
        where = f"line {ids.index('') + 1} is" if ids else "it is"
        raise DataError(f"{path} is not a list of ids, a line each: {where} empty")
    return ids


def _echo_each(recommender: "Recommender", users: list[str], options: dict[str, object]) -> None:
    own = recommender.trained.conditioner.domain_embedding.tokens_per_domain
    for number, user in enumerate(users):
        found = recommender.recommend(user, **options)  # type: ignore[call-overload]
        echo(*([""] if number else []), f"for {user}")
        for recommendation in found:
            echo("", *_recommendation_lines(recommendation, own))
    echo("", "Where attention went is how the condition was made; weights are not causes.")


def _recommendation_lines(found: "Recommendation", own_tokens: int) -> list[str]:
    from acg_numpy.recommender.serving.recommender import taken_in_words

    lines = [f"{found.domain}  ({taken_in_words(found)})"]
    if not found.informed:
        lines.append(
            "  Nothing known leads here, so the items are ranked by their biases alone, the same for all users."
        )
    if not len(found.items):
        return [*lines, "  Nothing is left to recommend."]
    ranked = zip(found.names, found.scores, strict=True)
    rows = [(f"{n}", f"{score:.3f}", item) for n, (item, score) in enumerate(ranked, start=1)]
    lines += [f"  {line}" for line in text_table([("rank", "score", "item"), *rows], longest=None)]
    if found.conditioned:
        lines += ["", *(f"  head {h}: {_most_attended(head, own_tokens)}" for h, head in enumerate(found.attention))]
    return lines


def _most_attended(weights: "Array", own_tokens: int) -> str:
    order = (-weights).argsort(kind="stable")[:TOKENS].tolist()
    names = [f"token {k}" if k < own_tokens else f"global token {k - own_tokens}" for k in order]
    return ", ".join(f"{name} {weights[k]:.0%}" for name, k in zip(names, order, strict=True))
