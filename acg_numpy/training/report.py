"""What do the figures say?  The metrics as a table and in words: metrics.md.

"Leads" is said where the paired difference is more than two standard errors, and nowhere else.
"""

from collections.abc import Mapping
from typing import Any

MEANING = {
    "popularity": "the share of users who took an item",
    "user": "the user vector as it is, layer-normed",
    "user+domain": "user vector plus domain vector, layer-normed",
    "one-key": "cross-attention over one key per domain",
    "concat-linear": "a linear map of both side by side, layer-normed",
    "domain-linear": "a linear map for each domain",
    "film": "feature-wise linear modulation, layer-normed",
    "concat-mlp": "user plus a two-layer network of both side by side, layer-normed",
    "attention": "cross-attention over the domain's tokens",
}


def markdown(metrics: Mapping[str, Any]) -> str:
    """Write the table, worst model first, and say in words what it shows.

    Parameters
    ----------
    metrics : mapping
        As in metrics.json.

    Returns
    -------
    str
        Markdown, ending in a newline.
    """
    test, paired, runs = metrics["test"], metrics["paired"], metrics["runs"]
    pairs = ", ".join(f"{run['pairs']['test']} (seed {run['seed']})" for run in runs)
    lines = [
        "# How well the conditions rank",
        "",
        f"{metrics['users']:,} users, {metrics['items']:,} items, {len(metrics['domains'])} domains: "
        f"{', '.join(metrics['domains'])}.",
        f"Test pairs of user and domain: {pairs}.",
        "",
        "| model | NDCG@10 | recall@10 | attention's lead | parameters | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name in sorted(test, key=lambda name: test[name]["ndcg@10"]["mean"]):
        row = test[name]
        lead = "" if name not in paired else f"{paired[name]['difference']:+.4f} ± {paired[name]['se']:.4f}"
        label = f"**{name}**" if name == "attention" else name
        cells = [
            label,
            _cell(row["ndcg@10"]),
            _cell(row["recall@10"]),
            lead,
            f"{row['parameters']:,}",
            f"{row['seconds']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "NDCG and recall are means over test pairs"
        + (f", ± their deviation between {len(runs)} seeds" if len(runs) > 1 else "")
        + ". The lead is the mean difference in NDCG@10 on the same test pairs, ± its standard error.",
        "",
        *(f"- `{name}`: {meaning}" for name, meaning in MEANING.items() if name in test),
        "",
        *_words(paired),
    ]
    return "\n".join(lines).rstrip() + "\n"


def verdict(paired: Mapping[str, float]) -> int:
    """Say who leads by more than two standard errors: 1 for attention, -1 for the other, 0 for neither.

    Examples
    --------
    >>> verdict({"difference": 0.012, "se": 0.003}), verdict({"difference": -0.004, "se": 0.003})
    (1, 0)
    """
    if abs(paired["difference"]) <= 2 * paired["se"]:
        return 0
    return 1 if paired["difference"] > 0 else -1


def _words(paired: Mapping[str, Mapping[str, float]]) -> list[str]:
    if not paired:
        return ["No other model was trained beside it, so nothing is said about whether attention helps here."]
    sides: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for name, comparison in paired.items():
        sides[verdict(comparison)].append(f"`{name}`")
    words = []
    if sides[1]:
        words.append(f"Attention leads {_listed(sides[1])} by more than two standard errors.")
    if sides[0]:
        words.append(
            f"Between attention and {_listed(sides[0])} these pairs do not decide: two standard errors or less."
        )
    if sides[-1]:
        words.append(
            f"Attention is led by {_listed(sides[-1])} by more than two standard errors: it does not help here."
        )
    if "one-key" in paired:
        words += [
            "",
            "With one key per domain the softmax over its single score is 1 whatever the user did: every user gets the "
            "same condition, so `one-key` ranks a domain's items alike for everybody, as popularity does.",
        ]
    return words


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _cell(spread: Mapping[str, Any]) -> str:
    return f"{spread['mean']:.4f}" + (f" ± {spread['std']:.4f}" if len(spread["values"]) > 1 else "")
