"""A user's items in a domain move its other items, by a regression that can be checked, and no other user's scores."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from acg_numpy.recommender.data import CheckpointError
from acg_numpy.recommender.data.checkpoints import load_checkpoint, save_checkpoint
from acg_numpy.recommender.serving import Recommender, Trained, own_history
from acg_numpy.recommender.serving.own_history import OwnHistory, item_weights
from acg_numpy.recommender.training import fit


@pytest.fixture(scope="module")
def trained(interactions):
    made = fit(interactions, epochs=1, emb_dim=8, heads=2, tokens_per_domain=3, baselines=False).trained
    weights = item_weights(interactions.matrix, interactions.item_domain, 10.0)
    return replace(made, own_history=OwnHistory(weights, 10.0, 8.0))


def test_weights_are_the_regression_of_each_item_on_the_others(interactions):
    strength = 3.0
    weights = item_weights(interactions.matrix, interactions.item_domain, strength).toarray()
    for domain in range(3):
        columns = interactions.columns(domain)
        A = interactions.matrix[:, columns].toarray().astype(float)
        A = A[A.any(axis=1)]
        ridge = np.sqrt(strength * A.sum() / len(A)) * np.eye(len(columns))
        for place, column in enumerate(columns):
            others = np.arange(len(columns)) != place
            left = np.vstack([A[:, others], ridge[others][:, others]])
            right = np.append(A[:, place], ridge[others, place])
            expected, *_ = np.linalg.lstsq(left, right)
            np.testing.assert_allclose(weights[columns[others], column], expected, atol=1e-6)
            assert weights[column, column] == 0
    assert not weights[interactions.item_domain[:, None] != interactions.item_domain].any()


def test_users_without_items_in_the_domain_get_the_same_bits(trained, interactions):
    nothing_here = interactions.matrix.toarray()
    nothing_here[::2][:, interactions.columns(1)] = 0
    matrix = sp.csr_array(nothing_here)
    both = [
        Recommender(one, interactions.users, matrix).recommend(domain="domain 1", top=12)
        for one in (trained, replace(trained, own_history=None))
    ]
    for blended, plain in zip(both[0][2:4], both[1][2:4], strict=True):  # columns and scores
        np.testing.assert_array_equal(blended[::2], plain[::2])
        assert not (blended[1::2] == plain[1::2]).all()


def test_many_items_keep_the_largest_weights_of_the_most_popular(monkeypatch, interactions):
    X, domain = interactions.matrix, interactions.item_domain
    every = item_weights(X, domain, 10.0).toarray()
    monkeypatch.setattr(own_history, "MOST_WEIGHTS", 4)
    few = item_weights(X, domain, 10.0).toarray()
    kept = few != 0
    assert (kept.sum(axis=0) == 4).all()
    np.testing.assert_array_equal(few[kept], every[kept])
    dropped = np.where(kept, 0, np.abs(every)).max(axis=0)
    assert (np.where(kept, np.abs(every), np.inf).min(axis=0) >= dropped).all()
    monkeypatch.setattr(own_history, "MOST_ITEMS", 5)
    popular = item_weights(X, domain, 10.0).toarray().any(axis=0)
    assert popular.sum() == 15
    taken = np.asarray(X.sum(axis=0))
    for d in range(3):
        inside = domain == d
        assert taken[inside & popular].min() >= taken[inside & ~popular].max()


def test_weights_come_back_from_a_checkpoint_and_damage_is_named(trained, tmp_path):
    trained.save(tmp_path / "checkpoint.npz")
    again = Trained.load(tmp_path / "checkpoint.npz")
    assert (again.own_history.weights != trained.own_history.weights).nnz == 0
    assert again.own_history[1:] == trained.own_history[1:]
    assert "own history" not in again.about
    arrays, about = load_checkpoint(tmp_path / "checkpoint.npz")
    arrays["own_indices"] = arrays["own_indices"] + 1000
    save_checkpoint(tmp_path / "damaged.npz", arrays, about)
    with pytest.raises(CheckpointError, match="parts do not fit"):
        Trained.load(tmp_path / "damaged.npz")


def test_nothing_taken_anywhere_has_no_weights():
    weights = item_weights(sp.csr_array((3, 4), dtype=np.float32), np.array([0, 0, 1, 1]), 1.0)
    assert weights.shape == (4, 4)
    assert weights.nnz == 0
