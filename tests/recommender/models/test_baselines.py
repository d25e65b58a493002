"""Baselines that share their maps are their formulas, with dropout where the formula has it."""

import numpy as np
import pytest

from acg_numpy.recommender.models import condition_model
from tests.recommender.models.formulas import IDS, USERS, check_formula, make, norm

BASELINES = ("user", "user+domain", "concat-linear", "film", "concat-mlp")


def by_formula(name, u, d, p, drop, taken):
    """One row, in plain NumPy; p holds the parameters by name, and drop what training multiplies with."""

    def beside(user):
        return np.concatenate([user, p["domain"][d]])

    if name == "concat-mlp":
        user = u * drop["user"]
        hidden = np.maximum(beside(user) @ p["hidden.weight"] + p["hidden.bias"], 0)
        return norm(user + (hidden * drop["hidden"]) @ p["output.weight"] + p["output.bias"], p)
    u = u * drop["user"]
    if name == "user":
        return norm(u, p)
    if name == "user+domain":
        return norm(u + p["domain"][d], p)
    if name == "concat-linear":
        return norm(beside(u) @ p["linear.weight"] + p["linear.bias"], p)
    return norm((u @ p["linear.weight"] + p["linear.bias"]) * (1 + p["gain"][d]) + p["domain"][d], p)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_is_its_formula_in_training_and_after(name, monkeypatch):
    check_formula(name, by_formula, monkeypatch)


@pytest.mark.parametrize("name", BASELINES)
def test_nothing_is_dropped_at_a_rate_of_zero_or_after_training(name, monkeypatch):
    monkeypatch.setattr(condition_model, "dropout_mask", None)  # which would fail if it were called
    rates = {"dropout": 0.0, **({"user_dropout": 0.0} if name == "concat-mlp" else {})}
    assert make(name, **rates)(USERS, IDS).shape == USERS.shape
    assert make(name).eval()(USERS, 1).shape == USERS.shape  # one domain for all


def test_without_layer_norm_the_user_vector_is_the_condition():
    model = make("user", layer_norm=False).eval()
    assert model.num_parameters() == 0
    np.testing.assert_array_equal(model(USERS, IDS), USERS)
