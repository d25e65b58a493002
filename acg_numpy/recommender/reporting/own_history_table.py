"""The table of users who already have a history in the domain: what it adds to the condition."""

from collections.abc import Mapping
from typing import Any

from acg_numpy.recommender.evaluation.significance import verdict
from acg_numpy.recommender.reporting.document import Block, Paragraph, Table, Text
from acg_numpy.recommender.reporting.metric_tables import difference, figure

OWN_HISTORY = "Users who already have a history in the domain"
BOTH = "condition and own history"


def own_history(metrics: Mapping[str, Any]) -> list[Block]:
    """Return the table of the test pairs that were cut half-way, and what it means; nothing where there are none.

    Parameters
    ----------
    metrics : mapping
        As in metrics.json.
    """
    found = metrics.get("own_history", {})
    if not found:
        return []
    rows: list[list[Text]] = [
        [way, figure(measured["ndcg@10"]), difference(found["paired"][way]) if way in found["paired"] else ""]
        for way, measured in found["test"].items()
    ]
    how = (
        "what came before the time of the middle item is known, in the domain and elsewhere, and the rest is asked for"
        if found["by_time"]
        else "a random half of the items is known, and the other half is asked for"
    )
    pairs = ", ".join(f"{number:,}" for number in found["pairs"])
    return [
        Paragraph(
            [
                "A condition does not look at the domain itself. A user who has taken items there is ranked by the "
                "condition and by what all items of the user say of the domain's others: a weight from each item to "
                "each.",
                f"Test pairs cut half-way ({pairs}) show what that is worth: {how}.",
            ]
        ),
        Table(["scores from", "NDCG@10", "lead over the condition"], rows),
        Paragraph([_verdict(found)]),
    ]


def _verdict(found: Mapping[str, Any]) -> str:
    """Say what the own history is worth, and what is done with it."""
    if not found["blend"][0]:
        return (
            "On the validation pairs the own history did not lead by more than its standard error, so it does not "
            "count in recommendations."
        )
    side = verdict(found["paired"][BOTH])
    worth = {
        1: "Own history helps, by more than two standard errors.",
        0: "These pairs do not decide whether own history helps: the difference is two standard errors or less.",
        -1: "Own history does harm here, by more than two standard errors, though it helped on the validation pairs.",
    }[side]
    points = ", ".join(
        f"{blend:g} times weights of strength {strength:g}"
        for blend, strength in zip(found["blend"], found["strength"], strict=True)
    )
    return (
        f"{worth} Chosen on validation pairs: {points}. The weights of recommendations are fitted again to all "
        f"interactions; checkpoint.npz holds them in {found['bytes']:,} bytes."
    )
