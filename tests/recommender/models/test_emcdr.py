"""EMCDR's maps are their formulas, and the network's first layer may be one for all domains."""

import numpy as np
import pytest

from tests.recommender.models.formulas import check_formula, make, norm


def by_formula(name, u, d, p, drop, taken):
    """One row, in plain NumPy."""
    u = u * drop["user"]
    if name == "emcdr-linear":
        return norm(u @ p["maps"][d] + p["domain"][d], p)
    first = p["first_weight"] if name == "emcdr-mlp-shared" else p["first_weight"][d]
    hidden = np.tanh(u @ first + p["first_bias"][d]) * drop["hidden"]
    return norm(hidden @ p["second_weight"][d] + p["second_bias"][d], p)


@pytest.mark.parametrize("name", ["emcdr-linear", "emcdr-mlp", "emcdr-mlp-shared"])
def test_a_map_is_its_formula_in_training_and_after(name, monkeypatch):
    check_formula(name, by_formula, monkeypatch)


def test_a_shared_first_layer_saves_its_weight_in_every_domain_but_one():
    own, shared = (make(name, hidden=16).num_parameters() for name in ("emcdr-mlp", "emcdr-mlp-shared"))
    assert own - shared == 2 * 8 * 16
