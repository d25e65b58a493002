"""The words and tables of a report, made from the metrics of a run.

"Leads" is said where the paired difference is more than two standard errors, and nowhere else; "depends" likewise.
"""

from collections.abc import Mapping
from typing import Any

from acg_numpy.recommender.evaluation.ablation import DOMAINS, TOKEN, UNIFORM, USERS
from acg_numpy.recommender.evaluation.significance import verdict
from acg_numpy.recommender.models.item_recommenders import REFERENCES
from acg_numpy.recommender.reporting.document import (
    Block,
    BulletList,
    Code,
    Document,
    Heading,
    Paragraph,
    Span,
    Strong,
    Table,
    Text,
    joined_code,
)
from acg_numpy.recommender.reporting.metric_tables import (
    GROUPS,
    by_group,
    difference,
    figure,
    model_table,
    other_metrics,
)
from acg_numpy.recommender.reporting.own_history_table import OWN_HISTORY, own_history
from acg_numpy.text import counted, joined

RANKING = "How well the conditions rank"
DEPENDENCE = "What the condition depends on"

MEANING = {
    "popularity": "the share of users who took an item",
    "user": "the user vector as it is, layer-normed",
    "user+domain": "user vector plus domain vector, layer-normed",
    "one-key": "cross-attention over one key per domain",
    "concat-linear": "a linear map of both side by side, layer-normed",
    "emcdr-linear": "a linear map for each domain (EMCDR)",
    "film": "feature-wise linear modulation, layer-normed",
    "concat-mlp": "user plus a two-layer network of both side by side, layer-normed",
    "emcdr-mlp": "a two-layer network for each domain (EMCDR)",
    "emcdr-mlp-shared": "the same, wider, its first layer shared by the domains",
    "ptupcdr": "a linear map made for each user from the history elsewhere (PTUPCDR)",
    "attention": "cross-attention over the domain's tokens",
    "attention-own-output": "the same, with an output projection for each domain",
    "item-ridge": "reference line, no conditioner: ridge regression from items elsewhere to the domain's items",
    "user-knn": "reference line, no conditioner: what the most similar users took in the domain",
}

HELD_OUT = {
    "random": "a fifth of the pairs, at random",
    "leave-last-out": "the pair that each user entered last, with all that the user did from then on",
    "temporal": "the pairs that were entered in the last fifth of all interactions; training saw what came before",
}
CHANGED = {
    "unchanged": "as it is",
    USERS: "users exchanged within the domain",
    DOMAINS: "domain exchanged for another",
    UNIFORM: "attention made uniform",
    TOKEN: "one token left out (mean over tokens)",
}


def summary(metrics: Mapping[str, Any]) -> Document:
    """Return the tables, worst model first, and what they show in words: the content of metrics.md.

    Parameters
    ----------
    metrics : mapping
        As in metrics.json.

    Returns
    -------
    Document
    """
    blocks = [facts(metrics), *ranking(metrics), *verdicts(metrics)]
    if groups := by_group(metrics):
        blocks += [Heading(2, GROUPS), *groups]
    if own := own_history(metrics):
        blocks += [Heading(2, OWN_HISTORY), *own]
    if depends := dependence(metrics):
        blocks += [Heading(2, DEPENDENCE), *depends]
    return Document(RANKING, blocks)


def facts(metrics: Mapping[str, Any]) -> Paragraph:
    """Describe the data of the run: users, items, domains and test pairs."""
    first = [run for run in metrics["runs"] if run.get("initialisation", 1) == 1]
    pairs = ", ".join(f"{run['pairs']['test']:,} (seed {run['seed']})" for run in first)
    if len(metrics["runs"]) > len(first):
        pairs += f", each trained on {len(metrics['runs']) // len(first)} times"
    sizes = ", ".join(
        counted(number, noun)
        for number, noun in (
            (metrics["users"], "user"),
            (metrics["items"], "item"),
            (len(metrics["domains"]), "domain"),
        )
    )
    return Paragraph(
        [
            f"{sizes}: {', '.join(metrics['domains'])}.",
            f"Test pairs of user and domain: {pairs}.",
            *_protocol(metrics.get("protocol", {}), metrics.get("times", False)),
        ]
    )


def _protocol(protocol: Mapping[str, Any], times: bool) -> list[Text]:
    """Say what was held out."""
    name = protocol.get("protocol")
    if name not in HELD_OUT:
        return []
    inside, elsewhere = protocol["min_inside"], protocol["min_elsewhere"]
    enough = f"at least {inside} interactions inside the domain and {elsewhere} elsewhere"
    sentences: list[Text] = [f"Held out were {HELD_OUT[name]}, of pairs with {enough}."]
    if name == "random" and times:
        sentences.append(
            [
                "Times were not used, so what a user did later elsewhere helps to rank earlier choices; ",
                Code("--protocol temporal"),
                " does not let it.",
            ]
        )
    return sentences


def ranking(metrics: Mapping[str, Any]) -> list[Block]:
    """Return the table of the models, and what its columns and rows mean."""
    test, runs = metrics["test"], metrics["runs"]
    deviation = f", ± their deviation between {len(runs)} runs" if len(runs) > 1 else ""
    return [
        model_table(test, metrics["paired"]),
        Paragraph(
            [
                f"NDCG is a mean over test pairs{deviation}. The lead is the mean difference on the same test pairs, ± "
                'its standard error, which counts the pairs of one user as one observation. "Per domain" is what one '
                "more domain would add to the parameters."
            ]
        ),
        *other_metrics(test),
        BulletList([(Code(name), f": {meaning}") for name, meaning in MEANING.items() if name in test]),
    ]


def verdicts(metrics: Mapping[str, Any]) -> list[Block]:
    """Say which model leads, with the notes that a reader needs to judge it."""
    return [
        *_leads(metrics["test"], metrics["paired"], given_less(metrics)),
        *_settings(metrics.get("settings", {})),
        *_sampled_candidates(metrics.get("drawn_candidates", {})),
        *_sampled_pairs(metrics.get("sampled_pairs", {})),
        *_provided(metrics.get("given", {})),
    ]


def dependence(metrics: Mapping[str, Any]) -> list[Block]:
    """Return the table of ``NDCG@10`` with one input changed, and what it means; nothing where it was not measured."""
    found = metrics.get("dependence", {})
    if not found:
        return []
    names = sorted(found, key=lambda name: name != "attention")
    rows = []
    for change, meaning in CHANGED.items():
        cells = [_changed(found[name], change) for name in names]
        if any(cells):
            rows.append([meaning, *cells])
    blocks: list[Block] = [
        Table(["NDCG@10", *names], rows),
        Paragraph(
            [
                "The trained conditioner is not trained again; one of its inputs is changed. In brackets is the mean "
                "difference on the same test pairs, ± its standard error."
            ]
        ),
        BulletList([(Code(name), f": {_dependence_of(found[name])}") for name in names]),
    ]
    if tokens := found.get("attention", {}).get("tokens"):
        blocks.append(Paragraph([_most_missed_token(tokens)]))
    blocks.append(
        Paragraph(
            [
                "Weights are not causes: they say which values a condition is a mean of, not why a user took an item; "
                "other tokens might replace one that gets much weight."
            ]
        )
    )
    return blocks


def given_less(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return the models that had less of a chance than attention, each with what it lacked.

    Examples
    --------
    >>> given_less({"test": {"film": {}}, "rising": {"film": [0]}})
    {'film': 'still improving when the epochs ended'}
    """
    settings = metrics.get("settings", {})
    points = {name: len(settings.get(name, {}).get("tried", [])) for name in metrics["test"]}
    less = {name: "still improving when the epochs ended" for name in metrics.get("rising", {}) if name in points}
    for name, number in points.items():
        if name in settings and number < points.get("attention", 0):
            less[name] = f"given {counted(number, 'setting')} to choose from where attention had {points['attention']}"
    return less


def _leads(test: Mapping[str, Any], paired: Mapping[str, Mapping[str, float]], less: Mapping[str, str]) -> list[Block]:
    """Say which model leads, what the reference lines are, and why one key ranks like popularity."""
    if not paired:
        return [
            Paragraph(["No other model was trained beside it, so nothing is said about whether attention helps here."])
        ]
    leads, undecided, led = _sides({name: one for name, one in paired.items() if name not in REFERENCES})
    unfair = [name for name in leads if name in less]
    leads = [name for name in leads if name not in less]
    sentences: list[Text] = []
    if leads:
        sentences.append(["Attention leads ", *joined_code(leads), " by more than two standard errors."])
    if undecided:
        sentences.append(
            [
                "These pairs do not decide between attention and ",
                *joined_code(undecided),
                ": the difference is two standard errors or less.",
            ]
        )
    if led:
        sentences.append(["Attention is behind ", *joined_code(led), " by more than two standard errors."])
    for reason in dict.fromkeys(less[name] for name in unfair):
        names = [name for name in unfair if less[name] == reason]
        sentences.append(["No lead is claimed over ", *joined_code(names), f", {reason}."])
    if "attention" in less:
        sentences.append(f"Attention was {less['attention']}, so it may do better than it does here.")
    others = [name for name in less if name in (*undecided, *led)]
    for reason in dict.fromkeys(less[name] for name in others):
        names = [name for name in others if less[name] == reason]
        were, they = (
            ("was", "it may do better than it does") if len(names) == 1 else ("were", "they may do better than they do")
        )
        sentences.append([*joined_code(names), f" {were} {reason}, so {they} here."])
    blocks: list[Block] = [Paragraph(sentences)] if sentences else []
    if references := {name: one for name, one in paired.items() if name in REFERENCES}:
        blocks.append(_references(test, references))
    if "one-key" in paired:
        beside = (
            f" ({test['one-key']['ndcg@10']['mean']:.4f} and {test['popularity']['ndcg@10']['mean']:.4f})"
            if "popularity" in test
            else ""
        )
        one_key: list[Span] = [
            "With one key per domain, softmax over the single score is 1 for every user: all users get the "
            "same condition, so ",
            Code("one-key"),
            f" ranks a domain's items in the same order for every user, as popularity does{beside}.",
        ]
        blocks.append(Paragraph([one_key]))
    return blocks


def _references(test: Mapping[str, Any], references: Mapping[str, Mapping[str, float]]) -> Paragraph:
    """Explain the reference lines, and compare attention with them."""
    strengths: list[Span] = []
    for name in references:
        chosen = ", ".join(f"{strength:g}" for strength in test[name].get("strength", []))
        strengths += [*(["; "] if strengths else []), Code(name), f" {chosen}"]
    words: list[Span] = [
        *joined_code(list(references)),
        " are reference lines, not conditioners. They go directly from the items that users took elsewhere to the "
        "items of the domain, with a weight for every pair of items or a comparison with every user, and give no "
        "vector that another system could use; they show what these interactions allow. Strength, chosen on the "
        "validation pairs: ",
        *strengths,
        ".",
    ]
    leads, undecided, led = _sides(references)
    if leads:
        words += [" Attention leads ", *joined_code(leads), " by more than two standard errors."]
    if undecided:
        words += [
            " These pairs do not decide between attention and ",
            *joined_code(undecided),
            ": the difference is two standard errors or less.",
        ]
    if led:
        words += [
            " Attention is behind ",
            *joined_code(led),
            " by more than two standard errors: use those where a system may fit the items directly and needs no "
            "vector.",
        ]
    return Paragraph([words])


def _settings(settings: Mapping[str, Any]) -> list[Block]:
    """Say where the settings of the models are from."""
    if not settings:
        return []
    tried = max(len(one["tried"]) for one in settings.values())
    if not tried:
        sentence = (
            "Settings were not searched for on these interactions: each model has its defaults, which were chosen on "
            "MovieLens-100k (attention's among more than the others'), or what was asked for."
        )
        return [Paragraph([sentence])]
    words: list[Span] = [
        f"Before the runs {counted(tried, 'setting')} of each model were tried on four splits of their own, and the "
        "best on their validation pairs is used: ",
        Code("settings"),
        " in metrics.json has all of them.",
    ]
    return [Paragraph([words])]


def _sampled_candidates(drawn: Mapping[str, Mapping[str, int]]) -> list[Block]:
    """Say where training did not compare every item."""
    if not drawn:
        return []
    domains = joined([f"{name} ({sizes['items']:,} items)" for name, sizes in drawn.items()])
    number = next(iter(drawn.values()))["drawn"]
    sentence: list[Span] = [
        f"Sampled candidates: in {domains} a batch in training compares the items that its users took with "
        f"{number:,} others drawn uniformly, which stand for all (see ",
        Code("acg_numpy.recommender.training.in_domain"),
        "). Every ranking here is over all items of the domain.",
    ]
    return [Paragraph([sentence])]


def _sampled_pairs(sampled: Mapping[str, int]) -> list[Block]:
    """Say where models were trained on a sample of the pairs."""
    if not sampled:
        return []
    sentence: list[Span] = [
        f"Sampled pairs: the models were trained on {sampled['sampled']:,} of {sampled['of']:,} pairs of a user and a "
        "domain, each domain with its share (",
        Code("--sample-pairs N"),
        " takes more). Factors and reference lines are made from all.",
    ]
    return [Paragraph([sentence])]


def _provided(given: Mapping[str, Any]) -> list[Block]:
    """Say which split and vectors were provided, and whether the vectors may contain the test pairs."""
    own = [f"{kind} vectors" for kind in ("user", "item") if given.get(f"{kind}_vectors")]
    sentences = []
    if given.get("split"):
        sentences.append("The split was given, and is the same in every run.")
    if own:
        sentences.append(f"The {joined(own)} were given.")
        if given.get("split"):
            sentences.append(
                "That they were made without the interactions of its test and validation pairs is not checked."
            )
    if own and not given.get("split"):
        warning: list[Span] = [
            Strong("They may have seen the test pairs"),
            ": the split was drawn after they were made, so the figures may be too good, for every model that uses "
            "them. Write a split first (",
            Code("acg split"),
            "), make the vectors without the interactions of its validation and test pairs, and train with ",
            Code("--split"),
            ".",
        ]
        return [Paragraph([[" ".join(sentences), " ", *warning]])]
    return [Paragraph([" ".join(sentences)])] if sentences else []


def _changed(found: Mapping[str, Any], change: str) -> str:
    if change not in found["ndcg@10"]:
        return ""
    cell = figure(found["ndcg@10"][change])
    if change == "unchanged":
        return cell
    paired = found["paired"][change]
    exactly = not paired["difference"] and not paired["se"]
    return f"{cell} ({'exactly the same' if exactly else difference(paired)})"


def _dependence_of(found: Mapping[str, Any]) -> str:
    """Say in a line what a model's condition depends on."""
    if not found["largest change"]:
        return (
            "when users are exchanged, no number of any condition changes. The condition does not depend on the user, "
            "only on the domain."
        )
    causes = {USERS: "the user", DOMAINS: "the domain", UNIFORM: "which tokens are attended to"}
    does: list[str] = []
    does_not: list[str] = []
    for change, cause in causes.items():
        if change in found["paired"]:
            (does if verdict(found["paired"][change]) < 0 else does_not).append(cause)
    sentences = []
    if does:
        sentences.append(
            f"without {joined(does, 'or')}, NDCG@10 falls by more than two standard errors: the condition depends on "
            "that."
        )
    if does_not:
        these = "These" if does else "these"
        sentences.append(f"{these} pairs do not show that anything is lost without {joined(does_not, 'or')}.")
    return " ".join(sentences)


def _most_missed_token(tokens: Mapping[str, Any]) -> str:
    """Name the token of the first run whose removal lowers ``NDCG@10`` most."""
    losses = [
        (row["unchanged"] - without, domain, token)
        for domain, row in tokens.items()
        for token, without in enumerate(row["without"])
    ]
    _, domain, token = max(losses)
    row = tokens[domain]
    little = sum(abs(loss) < 0.01 for loss, _, _ in losses)
    return (
        f"Of the first run's tokens, {domain} {token} matters most: without it, NDCG@10 on that domain's "
        f"{row['pairs']:,} pairs is {row['without'][token]:.4f}, not {row['unchanged']:.4f} (the largest of "
        f"{len(losses)} such differences, so partly chance). Leaving out a single token changes it by less than 0.01 "
        f"in {little} of {len(losses)} cases."
    )


def _sides(paired: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[str], list[str]]:
    """Sort names: those that attention leads, those undecided, and those that lead attention."""
    sides: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for name, comparison in paired.items():
        sides[verdict(comparison)].append(name)
    return sides[1], sides[0], sides[-1]
