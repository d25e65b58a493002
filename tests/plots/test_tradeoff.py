"""Points where sizes and figures say, and names that cover nothing."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure

from acg_numpy.plots import quality_and_parameters


def row(mean, parameters, one_more=None):
    return {"ndcg@10": {"mean": mean}, "parameters": parameters, "parameters_per_domain": one_more}


TEST = {
    "popularity": row(0.4, 0, 0),
    "film": row(0.55, 1632, 64),
    "concat-linear": row(0.549, 1700, 32),
    "concat-mlp": row(0.551, 1650, 32),
    "attention": row(0.58, 6336, 256),
    "item-ridge": row(0.6, 1_000_000),
}
PAIRED = {"film": {"difference": 0.03, "se": 0.004}}


def drawn(metrics):
    figure = quality_and_parameters(metrics, figure=Figure(figsize=(9, 4), layout="constrained"))
    figure.draw_without_rendering()
    return figure


@pytest.fixture(scope="module")
def figure():
    return drawn({"test": TEST, "paired": PAIRED})


def test_each_model_with_parameters_is_a_point_in_each_panel(figure):
    for ax, kind in zip(figure.axes, ("parameters", "parameters_per_domain"), strict=True):
        marks = [line for line in ax.lines if line.get_marker() in ("o", "D")]
        found = {(line.get_xdata()[0], line.get_ydata()[0]) for line in marks}
        assert found == {(one[kind], one["ndcg@10"]["mean"]) for one in TEST.values() if one[kind]}
        [stroke] = [line for line in ax.lines if line.get_marker() == "None" and len(set(line.get_xdata())) == 1]
        np.testing.assert_allclose(stroke.get_ydata(), [0.542, 0.558])


def test_names_overlap_with_no_other_name(figure):
    for ax in figure.axes:
        boxes = [text.get_window_extent() for text in ax.texts]
        assert len(boxes) >= 4
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_models_without_parameters_alone_are_refused():
    with pytest.raises(ValueError, match="no model with parameters"):
        drawn({"test": {"popularity": TEST["popularity"]}})
