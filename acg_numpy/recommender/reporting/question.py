"""The question that a run answers, on which rows, under which thresholds and for whom; and the files of the answer."""

import shlex
from collections.abc import Mapping
from typing import Any

from acg_numpy.recommender.reporting.document import Block, BulletList, Code, Paragraph, Span, Table, Text
from acg_numpy.recommender.training import Result
from acg_numpy.text import joined

QUESTION, FILES = "The question", "The files"
READING = {  # options that say what is read and which rows count, by their names on the command line, and defaults
    **dict.fromkeys(f"{role}_column" for role in ("user", "item", "domain", "rating", "timestamp", "title")),
    "items": None,
    "items_columns": None,
    "items_header": None,
    "items_encoding": None,
    "header": True,
    "quotes": True,
    "encoding": "utf-8",
    "keep_null_ids": False,
    "normalize_ids": False,
    "min_rating": None,
    "where": None,
    "domain_of": "first",
    "domain_separator": None,
    "max_domains": None,
    "min_items": 3,
}

# fmt: off
CONTENTS: tuple[tuple[str, str, str], ...] = (
    ("report.html, report.md", "this report", "ids and attention of a few example users"),
    ("attention_map.png, attention_through_training.png", "attention of single users", "ids of a few example users"),
    ("the other pictures", "means over users", "none"),
    ("metrics.json, metrics.md", "every metric of every model", "means; a group of one user is that user"),
    ("test_pairs.tsv, test_pairs.parquet, split.tsv", "NDCG@10 and all metrics of each test pair, and which pairs were "
     "hidden", "ids, pairs, and ranks"),
    ("conditions.npy", "the condition of every user in every domain, made from all interactions, so better on the test "
     "pairs than the figures here", "a row for each line of users.txt"),
    ("test_conditions.npy", "the conditions that the figures here are of, for each test pair of the first run",
     "a row for each pair"),
    ("users.txt", "the ids of the rows", "ids"),
    ("domains.txt, items.txt, item_domains.txt, item_vectors.npy, item_bias.npy", "what conditions are scored against",
     "none"),
    ("checkpoint.npz", "all that is needed to condition and rank for anyone", "no id and no row; factors and weights "
     "between items were computed from all users"),
    ("interactions.npz, last.npz", "what users took, for acg recommend and --resume", "ids (not in last.npz), and what "
     "was taken"),
    ("run.json", "versions, arguments, the digest of the data, and notes", "notes may quote an id"),
)
# fmt: on


def question(result: Result) -> list[Block]:
    """Return what was asked, of which pairs, and what was read.

    Parameters
    ----------
    result : Result
    """
    return [Paragraph(_sentences(result)), *_reading(result)]


def files() -> list[Block]:
    """Return the table of the files of a run, with what each holds of users."""
    rows: list[list[Text]] = [[name, content, of_users] for name, content, of_users in CONTENTS]
    where: list[Span] = [
        "Everything that holds data of users must be deleted with them; the page on deleting a user says what remains "
        "in ",
        Code("checkpoint.npz"),
        ".",
    ]
    return [Table(["file", "content", "of users"], rows), Paragraph([where])]


def _sentences(result: Result) -> list[Text]:
    """Say what is asked, and of how many pairs it can be asked."""
    sentences: list[Text] = [
        "Given all that a user did in other domains, which items of this domain does the user take? All items of the "
        "domain are ranked.",
        "The users of test pairs are new to the domain: what they did there is hidden before anything is computed.",
    ]
    protocol, interactions = result.metrics["protocol"], result.interactions
    if "min_inside" in protocol:
        inside, elsewhere = protocol["min_inside"], protocol["min_elsewhere"]
        some = interactions.counts > 0
        enough = (interactions.counts >= inside) & (interactions.counts_elsewhere >= elsewhere)
        number, total = int(enough.sum()), int(some.sum())
        sentences.append(
            f"Of {total:,} pairs of a user and a domain with an interaction inside, {number:,} "
            f"({number / total:.0%}) have at least {inside} inside and {elsewhere} elsewhere: only of these can the "
            "answer be computed and judged, and the figures are about users like these."
        )
    return sentences


def _as_typed(name: str, value: Any) -> str:
    """Write an option as it is typed.

    Examples
    --------
    >>> _as_typed("items_columns", {"item": "1", "domain": "3"}), _as_typed("header", False)
    ('--items-columns item=1,domain=3', '--no-header')
    """
    option = f"--{name.replace('_', '-')}"
    if name == "items_header":
        return f"{option} {'yes' if value else 'no'}"
    if isinstance(value, bool):
        return option if value else f"--no-{name}"
    text = ",".join(f"{key}={one}" for key, one in value.items()) if isinstance(value, Mapping) else str(value)
    return f"{option} {shlex.quote(text)}"


def _reading(result: Result) -> list[Block]:
    """Say which files were read, with which options, and what was left out."""
    arguments: Mapping[str, Any] = result.arguments
    words: list[Text] = []
    if (source := arguments.get("interactions")) is not None:
        read: list[Span] = ["Read from "]
        read.append(Code(source) if isinstance(source, str) else Code(joined(list(map(str, source)))))
        options = [
            _as_typed(name, arguments[name])
            for name, default in READING.items()
            if arguments.get(name, default) != default
        ]
        if options:
            read += [" with ", Code(" ".join(options))]
        words.append([*read, f": {result.interactions}."])
    if result.interactions.sha256:
        words.append(f"SHA-256 of the data: {result.interactions.sha256}.")
    blocks: list[Block] = [Paragraph(words)] if words else []
    if notes := result.interactions.notes:
        blocks += [Paragraph(["What was left out while reading, and what is odd:"]), BulletList(list(notes))]
    return blocks
