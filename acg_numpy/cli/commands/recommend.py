"""`acg recommend`: the best items for a user, and where attention went."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from acg_numpy.cli.options import EXIT_CODES, Subcommands, whole_number
from acg_numpy.cli.printing import echo
from acg_numpy.text import text_table

if TYPE_CHECKING:
    from acg_numpy.recommender.serving import Recommendation
    from acg_numpy.shapes import Array

DESCRIPTION = """\
Rank the items of a domain for a user, by what the user took in other domains; leave out items that were taken already.

examples:
  acg recommend acg-demo --user user-007
  acg recommend runs/films --user 196 --domain Drama --top 5
  acg recommend runs/shop --user "Jürgen K."
"""

MEANING = f"""\
The score of an item is 3 c . v / sqrt(D) + b, with the user's condition c in the domain, and the item's vector v and
bias b.  It has no unit, and can be compared within a domain only.  Below the items are the tokens that each head of
attention gave most weight to, with their share of its attention.  They are numbered from 0, as in attention_map.png.

DIR is what 'acg train' or 'acg demo' wrote (checkpoint.npz and interactions.npz are read); users and domains are those
in its users.txt and domains.txt.  For other users, make conditions with 'acg condition'.

{EXIT_CODES}"""

TOKENS = 3  # of each head


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "recommend",
        help="rank items for a user, and say where attention went",
        usage="acg recommend DIR --user ID [options]",
        description=DESCRIPTION,
        epilog=MEANING,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of results")
    parser.add_argument("--user", required=True, metavar="ID", help="id of the user, as in the interactions")
    parser.add_argument("--domain", metavar="D", help="one domain (default: every domain)")
    parser.add_argument(
        "--top", type=whole_number(1), default=10, metavar="N", help="number of items in a domain, at most"
    )


def run(arguments: argparse.Namespace) -> None:
    """Read the folder, rank, and print the items."""
    from acg_numpy.recommender.serving import Recommender

    recommender = Recommender.load(arguments.folder)
    found = recommender.recommend(arguments.user, domain=arguments.domain, top=arguments.top)
    own = recommender.trained.conditioner.domain_embedding.tokens_per_domain
    echo(f"for {arguments.user}")
    for recommendation in found:
        echo("", *_recommendation_lines(recommendation, own))
    echo("", "Where attention went is how the condition was made; weights are not causes.")


def _recommendation_lines(found: "Recommendation", own_tokens: int) -> list[str]:
    taken = f"{found.taken_elsewhere:,} taken elsewhere; {found.taken_here:,} taken here, left out"
    lines = [f"{found.domain}  ({taken})"]
    if not found.informed:
        lines.append(
            "  Nothing known leads here, so the items are ranked by their biases alone, the same for all users."
        )
    if not len(found.items):
        return [*lines, "  Nothing is left to recommend."]
    rows = [(f"{n}", f"{score:.3f}", item) for n, (item, score) in enumerate(zip(*found[1:3], strict=True), start=1)]
    lines += [f"  {line}" for line in text_table([("rank", "score", "item"), *rows], longest=None)]
    if found.informed:
        lines += ["", *(f"  head {h}: {_most_attended(head, own_tokens)}" for h, head in enumerate(found.attention))]
    return lines


def _most_attended(weights: "Array", own_tokens: int) -> str:
    order = (-weights).argsort(kind="stable")[:TOKENS].tolist()
    names = [f"token {k}" if k < own_tokens else f"global token {k - own_tokens}" for k in order]
    return ", ".join(f"{name} {weights[k]:.0%}" for name, k in zip(names, order, strict=True))
