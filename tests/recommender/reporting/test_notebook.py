"""In a notebook results show what they are, and names from outside stay names."""

import re

import numpy as np
import pytest

from acg_numpy import AttentionConditioner
from acg_numpy.recommender.reporting.notebook import result_html, result_markdown
from acg_numpy.recommender.serving import Recommender
from acg_numpy.recommender.serving.recommender import MOST_ATTENDED, MOST_TOKENS, Recommendation, attention_html

NASTY = "<script>alert(1)</script>&\"'"


def recommendation(**changed):
    weights = np.array([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]])
    found = Recommendation("films", np.array(["Alien", "Bambi"]), np.array([2.0, 1.5]), weights, 3, 1400)
    return found._replace(**changed)


def test_a_result_shows_the_table_and_the_words_of_its_report(result):
    html = result._repr_html_()
    assert "<table>" in html
    assert f"{result.metrics['test']['attention']['ndcg@10']['mean']:.4f}" in html
    assert "Weights are not causes" in html
    assert not re.search(r"<h[12]>", html)  # those are the notebook's own


def test_names_of_domains_in_a_result_are_escaped(result):
    metrics = {**result.metrics, "domains": [NASTY]}
    assert "<script" not in result_html(metrics)
    assert "\\<script\\>" in result_markdown(metrics)


def test_a_recommendation_shows_items_scores_and_every_weight():
    html = recommendation()._repr_html_()
    assert "<th>1</th><td>Alien</td><td>2.000</td>" in html
    assert "1,400 taken elsewhere; 3 taken here" in html
    shown = re.findall(r"rgba\(70, 150, 220, ([\d.]+)\)\">([\d.]+)<", html)
    assert [float(weight) for _, weight in shown] == [0.7, 0.2, 0.1, 0.0, 0.5, 0.5]
    colours = [float(colour) for colour, _ in shown]
    assert colours == pytest.approx([0.49, 0.14, 0.07, 0.0, 0.35, 0.35])
    assert "weights are not causes" in html


def test_nothing_known_shows_no_attention_and_says_why():
    html = recommendation(conditioned=False)._repr_html_()
    assert "Nothing known leads here" in html
    assert "head 0" not in html


def test_names_in_a_recommendation_are_escaped():
    html = recommendation(domain=NASTY, items=np.array([NASTY, "b"]))._repr_html_()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 2


def test_a_recommendation_that_was_read_from_a_folder_shows_itself(result, tmp_path):
    result.write(tmp_path)
    [found] = Recommender.load(tmp_path).recommend("user-003", domain=result.interactions.domains[0], top=2)
    assert found.items[0] in found._repr_html_()


def test_of_many_tokens_each_head_names_those_that_get_most():
    weights = np.full((1, MOST_TOKENS + 1), 0.01)
    weights[0, [4, 11]] = 0.3, 0.55
    html = attention_html(weights)
    assert "token 11 55%, token 4 30%" in html
    assert html.count("token ") == MOST_ATTENDED
    assert "of 17" in html


@pytest.mark.parametrize("layer_norm", [False, True])
def test_a_conditioner_shows_each_parameter_once_with_its_shape_and_size(layer_norm):
    conditioner = AttentionConditioner(8, 2, 3, 0.1, num_global_tokens=1, layer_norm=layer_norm, seed=0)
    html = conditioner._repr_html_()
    rows = re.findall(r"<tr><th>([\w.]+)</th><td>(.*?)</td><td>(.*?)</td></tr>", html)
    named = dict(conditioner.named_parameters())
    assert [name for name, _, _ in rows] == list(named)
    assert [shape for _, shape, _ in rows] == [str(parameter.shape) for parameter in named.values()]
    assert sum(int(size.replace(",", "")) for _, _, size in rows) == conditioner.num_parameters()
    assert f"layer_norm={layer_norm}" in html
    assert "dropout=0.1 (in training mode)" in html
    assert "off" in conditioner.eval()._repr_html_()


def test_a_conditioner_escapes_domain_names_and_shows_only_some_of_many():
    conditioner = AttentionConditioner(8, 2, 20, domain_names=[NASTY, *(f"name {n}" for n in range(19))], seed=0)
    html = conditioner._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "name 10, ..." in html
    assert "name 11" not in html
