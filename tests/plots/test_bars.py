"""A line a model, its figures where the scale says, and nothing claimed that the figures do not."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from acg_numpy.plots import baselines
from tests.thoroughness import FEW_EXAMPLES


def row(*values):
    return {"ndcg@10": {"mean": float(np.mean(values)), "std": float(np.std(values)), "values": list(values)}}


METRICS = {
    "test": {"attention": row(0.58, 0.60), "popularity": row(0.47, 0.49), "item-ridge": row(0.60, 0.62)},
    "paired": {
        "popularity": {"difference": 0.11, "se": 0.01},
        "item-ridge": {"difference": -0.02, "se": 0.015},
    },
}


def drawn(metrics, **options):
    ax = baselines(metrics, ax=Figure(layout="constrained").subplots(), **options)
    ax.figure.draw_without_rendering()
    return ax


def names_of(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def right_labels(ax):
    (right,) = ax.child_axes
    return [label.get_text() for label in right.get_yticklabels()]


def means_of(ax):
    return [line.get_xdata()[0] for line in ax.lines if line.get_marker() in "oD"]


@FEW_EXAMPLES
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@example([0.5])
@example([1.0, 0.0, 1.0])
def test_models_stand_in_the_order_of_their_means_and_at_them(means):
    ax = baselines({"test": {f"model {n}": row(mean) for n, mean in enumerate(means)}}, ax=Figure().subplots())
    np.testing.assert_array_equal(means_of(ax), sorted(means))
    assert sorted(names_of(ax)) == sorted(f"model {n}" for n in range(len(means)))
    lower, upper = ax.get_xlim()
    assert lower < min(means) <= max(means) < upper


def test_every_run_has_a_stroke_of_its_own():
    strokes = [line.get_xdata().tolist() for line in drawn(METRICS).lines if line.get_marker() == "|"]
    assert strokes == [[0.47, 0.49], [0.58, 0.60], [0.60, 0.62]]
    alone = drawn({"test": {"attention": row(0.5)}})
    assert [line.get_marker() for line in alone.lines if line.get_marker() != "None"] == ["D"]


def test_attention_and_the_reference_lines_are_distinguished_without_colour():
    ax = drawn(METRICS)
    assert names_of(ax) == ["popularity", "attention", "item-ridge"]
    marks = [line for line in ax.lines if line.get_marker() in "oD"]
    assert [line.get_marker() for line in marks] == ["o", "D", "o"]
    assert [line.get_markerfacecolor() == "white" for line in marks] == [False, False, True]
    assert "hollow: no conditioner" in ax.get_xlabel()


def test_a_lead_has_an_asterisk_only_beyond_two_standard_errors():
    assert right_labels(drawn(METRICS)) == [
        "0.480 (+0.110)*",
        "0.590",
        "0.610 (\N{MINUS SIGN}0.020)",
        "mean (lead)",
    ]


def test_a_bar_of_two_standard_errors_is_there_with_one_run_too():
    one_run = {**METRICS, "test": {"attention": row(0.59), "popularity": row(0.48), "item-ridge": row(0.61)}}
    bars = [line.get_xdata() for line in drawn(one_run).lines if line.get_marker() == "None"][1:]
    np.testing.assert_allclose(bars, [[0.46, 0.50], [0.58, 0.64]])


def test_recall_has_no_lead():
    recall = {name: {"recall@10": row["ndcg@10"]} for name, row in METRICS["test"].items()}
    ax = drawn({**METRICS, "test": recall}, measure="recall@10")
    assert right_labels(ax) == ["0.480", "0.590", "0.610", "mean"]
    assert ax.get_xlabel().startswith("recall@10")


def test_names_and_figures_do_not_overlap_with_the_drawing():
    many = {f"a rather long name {n}": row(0.1 * n, 0.1 * n + 0.05) for n in range(8)}
    ax = drawn({"test": {**many, **METRICS["test"]}, "paired": METRICS["paired"]})
    inside = ax.get_window_extent()
    left = [label.get_window_extent() for label in ax.get_yticklabels()]
    right = [tick.label2.get_window_extent() for tick in ax.child_axes[0].yaxis.get_major_ticks()]
    assert max(box.x1 for box in left) <= inside.x0
    assert min(box.x0 for box in right) >= inside.x1
    below = ax.xaxis.label.get_window_extent()
    assert min(below.x0, *(box.x0 for box in left)) >= 0
    assert below.x1 <= ax.figure.bbox.x1
    assert max(box.x1 for box in right) <= ax.figure.bbox.x1
    assert all(a.y1 <= b.y0 for a, b in pairwise(right))


def test_without_axes_a_figure_is_made():
    ax = baselines(METRICS)
    assert ax.figure.number in plt.get_fignums()
    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("metrics", "measure", "message"),
    [
        ({"test": {}}, "ndcg@10", "no model"),
        (METRICS, "recall@10", "measure is 'recall@10', which 'attention' does not have; there are ndcg@10"),
        ({"test": {"user": row(np.nan)}}, "ndcg@10", "ndcg@10 holds NaN"),
    ],
)
def test_metrics_that_cannot_be_drawn_are_refused(metrics, measure, message):
    with pytest.raises(ValueError) as caught:
        baselines(metrics, measure=measure, ax=Figure().subplots())
    assert message in str(caught.value)
