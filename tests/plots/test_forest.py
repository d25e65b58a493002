"""A panel for each domain, and a point where each lead is."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from acg_numpy.plots import leads_by_domain


def group(pairs=(40, 50), **leads):
    paired = {name.replace("_", "-"): {"difference": x, "se": 0.01} for name, x in leads.items()}
    return {"pairs": list(pairs), "paired": paired}


DOMAINS = {
    "books": group(film=0.03, item_ridge=-0.05, user=0.3),
    "films": group(film=-0.015, item_ridge=0.01, user=0.2),
    "few": {"pairs": [3, 2], "paired": {}},
}


def points(ax):
    return [line for line in ax.lines if line.get_marker() == "o"]


def test_points_are_leads_and_filled_beyond_two_standard_errors():
    figure = leads_by_domain(DOMAINS, figure=Figure(layout="constrained"))
    figure.draw_without_rendering()
    assert [ax.get_title() for ax in figure.axes] == ["books, 90 pairs", "films, 90 pairs"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["user", "film", "item-ridge"]
    found = [[line.get_xdata()[0] for line in points(ax)] for ax in figure.axes]
    assert found == [[0.3, 0.03, -0.05], [0.2, -0.015, 0.01]]
    filled = [[line.get_markerfacecolor() != "white" for line in points(ax)] for ax in figure.axes]
    assert filled == [[True, True, True], [True, False, False]]
    strokes = [line.get_xdata() for line in figure.axes[1].lines if len(line.get_xdata()) == 2][1:]
    np.testing.assert_allclose(strokes, [[0.18, 0.22], [-0.035, 0.005], [-0.01, 0.03]], atol=1e-12)


def test_of_many_domains_those_with_most_pairs_are_drawn_in_order():
    many = {f"domain {n}": group(pairs=[n + 1], film=0.1) for n in range(14)}
    figure = leads_by_domain(many, figure=Figure(layout="constrained"))
    assert [ax.get_title().split(",")[0] for ax in figure.axes] == [f"domain {n}" for n in range(2, 14)]


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="no difference between models"):
        leads_by_domain({"few": DOMAINS["few"]}, figure=Figure())
    with pytest.raises(ValueError, match="difference holds NaN"):
        leads_by_domain({"books": group(film=np.nan)}, figure=Figure())
