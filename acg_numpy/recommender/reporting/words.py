"""What do the figures say?  The metrics as a table and in words: metrics.md.

"Leads" is said where the paired difference is more than two standard errors, and nowhere else; "depends" likewise.
"""

from collections.abc import Mapping
from typing import Any

from acg_numpy.recommender.evaluation.ablation import DOMAINS, TOKEN, UNIFORM, USERS
from acg_numpy.recommender.evaluation.significance import verdict
from acg_numpy.recommender.models.item_recommenders import REFERENCES
from acg_numpy.text import joined

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
    "item-ridge": "reference line, no conditioner: ridge regression from items elsewhere to the domain's items",
    "user-knn": "reference line, no conditioner: what the most similar users took in the domain",
}


def markdown(metrics: Mapping[str, Any]) -> str:
    """Write the tables, worst model first, and say in words what they show.

    Parameters
    ----------
    metrics : mapping
        As in metrics.json.

    Returns
    -------
    str
        Markdown, ending in a newline.
    """
    lines = ["# How well the conditions rank", "", *facts(metrics), "", *ranking(metrics), "", *verdicts(metrics)]
    return "\n".join([*lines, *dependence(metrics)]).rstrip() + "\n"


def facts(metrics: Mapping[str, Any]) -> list[str]:
    """Say on what it was measured."""
    pairs = ", ".join(f"{run['pairs']['test']:,} (seed {run['seed']})" for run in metrics["runs"])
    return [
        f"{metrics['users']:,} users, {metrics['items']:,} items, {len(metrics['domains'])} domains: "
        f"{', '.join(metrics['domains'])}.",
        f"Test pairs of user and domain: {pairs}.",
    ]


def ranking(metrics: Mapping[str, Any]) -> list[str]:
    """Lay out the table of the models, and say what its columns and rows are."""
    test, runs = metrics["test"], metrics["runs"]
    return [
        *_table(test, metrics["paired"]),
        "",
        "NDCG and recall are means over test pairs"
        + (f", ± their deviation between {len(runs)} seeds" if len(runs) > 1 else "")
        + ". The lead is the mean difference in NDCG@10 on the same test pairs, ± its standard error.",
        "",
        *(f"- `{name}`: {meaning}" for name, meaning in MEANING.items() if name in test),
    ]


def verdicts(metrics: Mapping[str, Any]) -> list[str]:
    """Say who leads, and what else has to be known to believe it."""
    return [
        *_words(metrics["test"], metrics["paired"]),
        *_drawn(metrics.get("drawn_candidates", {})),
        *_given(metrics.get("given", {})),
    ]


def _table(test: Mapping[str, Any], paired: Mapping[str, Mapping[str, float]]) -> list[str]:
    lines = [
        "| model | NDCG@10 | recall@10 | attention's lead | parameters | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name in sorted(test, key=lambda name: test[name]["ndcg@10"]["mean"]):
        row = test[name]
        cells = [
            f"**{name}**" if name == "attention" else name,
            _cell(row["ndcg@10"]),
            _cell(row["recall@10"]),
            "" if name not in paired else _difference(paired[name]),
            f"{row['parameters']:,}",
            f"{row['seconds']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _words(test: Mapping[str, Any], paired: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Say who leads, and why some come out as they do."""
    if not paired:
        return ["No other model was trained beside it, so nothing is said about whether attention helps here."]
    models = {name: comparison for name, comparison in paired.items() if name not in REFERENCES}
    words = []
    leads, undecided, led = _sides(models)
    if leads:
        words.append(f"Attention leads {joined(leads)} by more than two standard errors.")
    if undecided:
        words.append(
            f"Between attention and {joined(undecided)} these pairs do not decide: two standard errors or less."
        )
    if led:
        words.append(f"Attention is led by {joined(led)} by more than two standard errors: it does not help here.")
    references = {name: comparison for name, comparison in paired.items() if name in REFERENCES}
    if references:
        words += ["", _on_references(test, references)]
    if "one-key" in paired:
        beside = (
            f" ({test['one-key']['ndcg@10']['mean']:.4f} beside {test['popularity']['ndcg@10']['mean']:.4f})"
            if "popularity" in test
            else ""
        )
        words += [
            "",
            "With one key per domain the softmax over its single score is 1 whatever the user did: every user gets the "
            f"same condition, so `one-key` ranks a domain's items alike for everybody, as popularity does{beside}.",
        ]
    return words


def _on_references(test: Mapping[str, Any], references: Mapping[str, Mapping[str, float]]) -> str:
    """Say what the reference lines mean, and where attention stands beside them."""
    chosen = [
        f"`{name}` {', '.join(f'{strength:g}' for strength in test[name].get('strength', []))}" for name in references
    ]
    words = [
        f"{joined([f'`{name}`' for name in references])} are reference lines, not conditioners.",
        "They go straight from the items that users took elsewhere to the items of the domain, have a weight for every "
        "pair of items or ask every user, and give no vector that another system could use; they show what these "
        "interactions allow.",
        f"Strength, chosen on the validation pairs: {'; '.join(chosen)}.",
    ]
    leads, undecided, led = _sides(references)
    if leads:
        words.append(f"Attention is ahead of {joined(leads)} by more than two standard errors.")
    if undecided:
        words.append(f"Attention comes up to {joined(undecided)}, within two standard errors.")
    if led:
        words.append(
            f"Attention stays behind {joined(led)} by more than two standard errors: who may fit the items directly "
            "and needs no vector is better served so."
        )
    return " ".join(words)


def _drawn(drawn: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Say where training did not look at every item."""
    if not drawn:
        return []
    domains = joined([f"{name} ({of['items']:,} items)" for name, of in drawn.items()])
    number = next(iter(drawn.values()))["drawn"]
    return [
        "",
        f"Sampled candidates: in {domains} a batch in training compares the items that its users took with "
        f"{number:,} others drawn uniformly, which stand for all (see `acg_numpy.recommender.training.in_domain`). "
        "Every ranking here is over all items of the domain.",
    ]


def _given(given: Mapping[str, Any]) -> list[str]:
    """Say what was brought along, and whether it may know what it should not."""
    own = [f"{kind} vectors" for kind in ("user", "item") if given.get(f"{kind}_vectors")]
    words = []
    if given.get("split"):
        words.append("The split was given, and is the same in every run.")
    if own:
        words.append(f"The {' and '.join(own)} were given.")
        if given.get("split"):
            words.append(
                "That they were made without the interactions of its test and validation pairs is not checked."
            )
        else:
            words.append(
                "**They may have seen the test pairs**: the split was drawn after they were made, so the figures may "
                "be too good, for every model that uses them. Write a split first (`acg split`), make the vectors "
                "without the interactions of its validation and test pairs, and train with `--split`."
            )
    return ["", " ".join(words)] if words else []


CHANGED = {
    "unchanged": "as it is",
    USERS: "users exchanged within the domain",
    DOMAINS: "told another domain",
    UNIFORM: "attention made uniform",
    TOKEN: "one token left out (mean over tokens)",
}


def dependence(metrics: Mapping[str, Any]) -> list[str]:
    """Show what became of NDCG@10 when one thing was changed, and say what that means."""
    found = metrics.get("dependence", {})
    if not found:
        return []
    names = sorted(found, key=lambda name: name != "attention")
    lines = [
        "",
        "## What the condition depends on",
        "",
        f"| NDCG@10 | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
    ]
    for change, told in CHANGED.items():
        cells = [_changed(found[name], change) for name in names]
        if any(cells):
            lines.append(f"| {told} | {' | '.join(cells)} |")
    lines += [
        "",
        "The trained conditioner is used as it is, with one thing changed that goes into it; in brackets the mean "
        "difference on the same test pairs, ± its standard error.",
        "",
        *(_depends(name, found[name]) for name in names),
    ]
    if tokens := found.get("attention", {}).get("tokens"):
        lines += ["", _on_tokens(tokens)]
    return [
        *lines,
        "",
        "Weights are not causes: where attention goes says what a condition is mixed from, not why a user took an "
        "item; a token that gets much weight can be one that others would replace.",
    ]


def _changed(found: Mapping[str, Any], change: str) -> str:
    if change not in found["ndcg@10"]:
        return ""
    cell = _cell(found["ndcg@10"][change])
    if change == "unchanged":
        return cell
    paired = found["paired"][change]
    exactly = not paired["difference"] and not paired["se"]
    return f"{cell} ({'exactly the same' if exactly else _difference(paired)})"


def _depends(name: str, found: Mapping[str, Any]) -> str:
    """Say in a line what a model's condition depends on."""
    subject = f"- `{name}`:"
    if not found["largest change"]:
        return (
            f"{subject} when users are exchanged, no number of any condition changes at all. It does not depend on the "
            "user, exactly; what it knows is the domain."
        )
    what = {USERS: "the user", DOMAINS: "the domain", UNIFORM: "which tokens are attended to"}
    does: list[str] = []
    does_not: list[str] = []
    for change, on in what.items():
        if change in found["paired"]:
            (does if verdict(found["paired"][change]) < 0 else does_not).append(on)
    words = []
    if does:
        words.append(f"NDCG@10 falls by more than two standard errors without {joined(does)}: it depends on that.")
    if does_not:
        words.append(f"These pairs do not show that anything is lost without {joined(does_not)}.")
    return f"{subject} {' '.join(words)}"


def _on_tokens(tokens: Mapping[str, Any]) -> str:
    """Name the token of the first run whose loss costs most."""
    losses = [
        (row["unchanged"] - without, domain, token)
        for domain, row in tokens.items()
        for token, without in enumerate(row["without"])
    ]
    _, domain, token = max(losses)
    row = tokens[domain]
    little = sum(abs(one) < 0.01 for one, _, _ in losses)
    return (
        f"Of the first run's tokens, {domain} {token} is missed most: without it NDCG@10 on that domain's "
        f"{row['pairs']:,} pairs is {row['without'][token]:.4f}, not {row['unchanged']:.4f} (the largest of "
        f"{len(losses)} such differences, so partly chance). Leaving out a single token changes it by less than 0.01 "
        f"in {little} of {len(losses)} cases."
    )


def _sides(paired: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[str], list[str]]:
    """Sort names into those that attention leads, those undecided, and those that lead it."""
    sides: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for name, comparison in paired.items():
        sides[verdict(comparison)].append(f"`{name}`")
    return sides[1], sides[0], sides[-1]


def _difference(paired: Mapping[str, float]) -> str:
    return f"{paired['difference']:+.4f} ± {paired['se']:.4f}"


def _cell(spread: Mapping[str, Any]) -> str:
    return f"{spread['mean']:.4f}" + (f" ± {spread['std']:.4f}" if len(spread["values"]) > 1 else "")
