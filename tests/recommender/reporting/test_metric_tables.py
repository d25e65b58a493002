"""Tables by group have the figures of their groups, and mark what is more than two standard errors."""

from acg_numpy.recommender.reporting.document import plain_text
from acg_numpy.recommender.reporting.metric_tables import by_group, model_table, other_metrics


def spread(mean):
    return {"mean": mean, "std": 0.01, "values": [mean]}


def row(mean, **more):
    keys = {"ndcg@10": spread(mean), "recall@10": spread(mean), "ndcg@5": spread(0.25), "mrr@10": spread(0.75)}
    return {**keys, "parameters": 1632, "seconds": 1.25, **more}


METRICS = {
    "test": {"attention": row(0.55, parameters_per_domain=256), **{f"model {n}": row(0.1 * n) for n in range(6)}},
    "by_domain": {
        "books": {
            "items": 1200,
            "pairs": [30, 40],
            "test": {"attention": {"ndcg@10": 0.625}},
            "paired": {
                "model 5": {"difference": 0.02, "se": 0.005},
                "model 4": {"difference": -0.02, "se": 0.015},
                "model 3": {"difference": -0.04, "se": 0.015},
            },
        },
        "few": {"items": 3, "pairs": [0, 0], "test": {}, "paired": {}},
    },
    "by_history": [{"elsewhere": [10, 19], "pairs": [3, 4], "test": {"attention": {"ndcg@10": 0.5}}, "paired": {}}],
}


def cells(table):
    return [[plain_text(cell) for cell in one] for one in table.rows]


def test_groups_show_the_best_rivals_and_mark_what_is_sure():
    said, domains, histories = by_group(METRICS)
    assert "of the 3 differences here" in plain_text(said.sentences[0])
    assert domains.header == ["domain", "items", "pairs", "NDCG@10", "model 5", "model 4", "model 3"]
    assert cells(domains) == [
        ["books", "1,200", "70", "0.6250", "+0.020 ± 0.005*", "-0.020 ± 0.015", "-0.040 ± 0.015*"],
        ["few", "3", "0", "", "", "", ""],
    ]
    assert cells(histories) == [["10 to 19", "7", "0.5000", "", "", ""]]


def test_without_anything_to_compare_there_is_no_table_by_group():
    assert by_group({"test": {"attention": row(0.5)}, "by_domain": {}, "by_history": []}) == []
    assert by_group({"test": METRICS["test"]}) == []


def test_sizes_and_other_metrics_have_a_column_where_they_are_known():
    table = model_table(METRICS["test"], {})
    assert table.header[-3:] == ["parameters", "per domain", "seconds"]
    assert cells(table)[-1] == ["attention", "0.5500", "", "1,632", "256", "1.2"]
    assert cells(table)[0][-3:] == ["1,632", "", "1.2"]
    other, _ = other_metrics(METRICS["test"])
    assert other.header == ["model", "NDCG@5", "recall", "MRR"]
    assert cells(other)[-1] == ["attention", "0.2500", "0.5500", "0.7500"]
