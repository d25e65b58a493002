"""Tables of metrics: every model over all test pairs, and attention's lead by domain and by history."""

from collections.abc import Mapping, Sequence
from typing import Any

from acg_numpy.recommender.evaluation.significance import verdict
from acg_numpy.recommender.reporting.document import Block, Paragraph, Strong, Table, Text, joined_code

GROUPS = "In which domains, and for whom"
MEASURES = {
    "recall": "recall",
    "hit_rate": "hit rate",
    "mrr": "MRR",
    "map": "MAP",
    "precision": "precision",
    "coverage": "coverage",
}
RIVALS = 3  # models in the tables by group, which would else be too wide


def model_table(test: Mapping[str, Any], paired: Mapping[str, Mapping[str, float]]) -> Table:
    """Return ``NDCG@10`` of every model, worst first, with attention's lead and the sizes."""
    rows: list[list[Text]] = []
    for name in sorted(test, key=lambda name: test[name]["ndcg@10"]["mean"]):
        row = test[name]
        rows.append(
            [
                [Strong(name)] if name == "attention" else name,
                figure(row["ndcg@10"]),
                "" if name not in paired else difference(paired[name]),
                f"{row['parameters']:,}",
                "" if row.get("parameters_per_domain") is None else f"{row['parameters_per_domain']:,}",
                f"{row['seconds']:.1f}",
            ]
        )
    return Table(["model", "NDCG@10", "attention's lead", "parameters", "per domain", "seconds"], rows)


def other_metrics(test: Mapping[str, Any]) -> list[Block]:
    """Return a table of NDCG at the other cut-offs, and of the other metrics at 10."""
    own = test["attention"]
    keys = {key: key.replace("ndcg", "NDCG") for key in own if key.startswith("ndcg@") and key != "ndcg@10"}
    keys |= {f"{metric}@10": name for metric, name in MEASURES.items() if f"{metric}@10" in own}
    rows: list[list[Text]] = [
        [[Strong(name)] if name == "attention" else name, *(f"{test[name][key]['mean']:.4f}" for key in keys)]
        for name in sorted(test, key=lambda name: test[name]["ndcg@10"]["mean"])
    ]
    meaning = "A metric without a number is of the first ten items. Coverage is the share of the items that"
    return [
        Table(["model", *keys.values()], rows),
        Paragraph([f"{meaning} are among the first ten for any test pair; docs/evaluation.md defines the others."]),
    ]


def by_group(metrics: Mapping[str, Any]) -> list[Block]:
    """Return tables of attention's lead by domain and by how much users did elsewhere."""
    rivals = _rivals(metrics["test"])
    domains = [(name, f"{group['items']:,}", group) for name, group in metrics.get("by_domain", {}).items()]
    histories = []
    for group in metrics.get("by_history", []):
        least, most = group["elsewhere"]
        histories.append((f"{least:,} to {most:,}" if least < most else f"{least:,}", None, group))
    compared = [group["paired"] for _, _, group in domains + histories]
    if not rivals or not any(compared):
        return []
    number = sum(len(set(rivals) & set(paired)) for paired in compared)
    return [
        Paragraph(
            [
                [
                    "NDCG@10 of attention, and its lead over ",
                    *joined_code(rivals),
                    ", the others that rank best over all pairs. * is more than two standard errors, to either side; "
                    f"of the {number} differences here about one in twenty would be by chance alone. metrics.json has "
                    "all models and metrics.",
                ]
            ]
        ),
        _group_table(["domain", "items"], domains, rivals),
        _group_table(["items elsewhere"], histories, rivals),
    ]


def _rivals(test: Mapping[str, Any]) -> list[str]:
    """Name the other models that rank best, best first."""
    others = sorted((name for name in test if name != "attention"), key=lambda name: -test[name]["ndcg@10"]["mean"])
    return others[:RIVALS]


def _group_table(
    header: list[str], groups: Sequence[tuple[str, str | None, Mapping[str, Any]]], rivals: Sequence[str]
) -> Table:
    rows: list[list[Text]] = []
    for name, items, group in groups:
        own = f"{group['test']['attention']['ndcg@10']:.4f}" if group["test"] else ""
        leads = [_marked(group["paired"][rival]) if rival in group["paired"] else "" for rival in rivals]
        rows.append([name, *([items] if items is not None else []), f"{sum(group['pairs']):,}", own, *leads])
    return Table([*header, "pairs", "NDCG@10", *rivals], rows)


def _marked(paired: Mapping[str, float]) -> str:
    """Write a difference to three digits, and mark it where it is more than two standard errors."""
    return f"{paired['difference']:+.3f} ± {paired['se']:.3f}{'*' if verdict(paired) else ''}"


def difference(paired: Mapping[str, float]) -> str:
    """Write a mean difference with its standard error.

    Examples
    --------
    >>> difference({"difference": 0.0123, "se": 0.004})
    '+0.0123 ± 0.0040'
    """
    return f"{paired['difference']:+.4f} ± {paired['se']:.4f}"


def figure(spread: Mapping[str, Any]) -> str:
    """Write a mean over runs, with their deviation if there are several.

    Examples
    --------
    >>> figure({"mean": 0.5, "std": 0.01, "values": [0.49, 0.51]})
    '0.5000 ± 0.0100'
    """
    return f"{spread['mean']:.4f}" + (f" ± {spread['std']:.4f}" if len(spread["values"]) > 1 else "")
