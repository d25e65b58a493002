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


def weights_of(interactions, strength):
    return item_weights(interactions.matrix, interactions.item_domain, interactions.same_item, strength)


@pytest.fixture(scope="module")
def trained(interactions):
    made = fit(interactions, epochs=1, emb_dim=8, heads=2, tokens_per_domain=3, baselines=False).trained
    weights = weights_of(interactions, 10.0)
    return replace(made, own_history=OwnHistory(weights, 10.0, 8.0))


def test_weights_are_the_regression_of_each_item_on_all_others(interactions):
    strength, A = 3.0, interactions.matrix.toarray().astype(float)
    weights = weights_of(interactions, strength).toarray()
    A = A[A.any(axis=1)]
    ridge = np.sqrt(strength * A.sum() / len(A)) * np.eye(A.shape[1])
    for column in range(A.shape[1]):
        others = np.arange(A.shape[1]) != column
        left = np.vstack([A[:, others], ridge[others][:, others]])
        right = np.append(A[:, column], ridge[others, column])
        expected, *_ = np.linalg.lstsq(left, right)
        np.testing.assert_allclose(weights[others, column], expected, atol=1e-6)
        assert weights[column, column] == 0


def test_an_item_of_several_domains_counts_once_and_says_nothing_of_itself(interactions):
    X, domain, same = interactions.matrix.toarray(), interactions.item_domain, np.arange(36)
    X[:, 14], same[14] = X[:, 0], 0  # in the domains 0 and 1
    once = np.delete(np.arange(36), 14)
    expected = X[:, once] @ item_weights(sp.csr_array(X[:, once]), domain[once], once, 3.0)
    weights = item_weights(sp.csr_array(X), domain, same, 3.0)
    assert not weights[[0, 0, 14, 14], [0, 14, 0, 14]].any()
    np.testing.assert_allclose((X @ weights)[:, once], expected, atol=1e-6)
    every = X @ weights
    np.testing.assert_allclose(every[:, 14], every[:, 0], atol=1e-6)
    X[:, 0] = 0  # a question about the domain 1 has the column there alone
    np.testing.assert_allclose((X @ weights)[:, domain == 1], every[:, domain == 1], atol=1e-6)


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
    every = weights_of(interactions, 10.0).toarray()
    monkeypatch.setattr(own_history, "MOST_WEIGHTS", 4)
    few = weights_of(interactions, 10.0).toarray()
    kept = few != 0
    assert (kept.sum(axis=0) == 4).all()
    np.testing.assert_array_equal(few[kept], every[kept])
    dropped = np.where(kept, 0, np.abs(every)).max(axis=0)
    assert (np.where(kept, np.abs(every), np.inf).min(axis=0) >= dropped).all()
    monkeypatch.setattr(own_history, "MOST_ITEMS", 15)
    popular = weights_of(interactions, 10.0).toarray().any(axis=0)
    taken = np.asarray(interactions.matrix.sum(axis=0))
    for d in range(3):
        inside = interactions.item_domain == d
        assert (inside & popular).sum() == 5
        assert taken[inside & popular].min() >= taken[inside & ~popular].max()


def test_weights_come_back_from_a_checkpoint_and_damage_is_named(trained, tmp_path):
    trained.save(tmp_path / "checkpoint.npz")
    again = Trained.load(tmp_path / "checkpoint.npz")
    assert (again.own_history.weights != trained.own_history.weights).nnz == 0
    assert again.own_history.about() == trained.own_history.about()
    assert "own history" not in again.about
    arrays, about = load_checkpoint(tmp_path / "checkpoint.npz")
    arrays["own_indices"] = arrays["own_indices"] + 1000
    save_checkpoint(tmp_path / "damaged.npz", arrays, about)
    with pytest.raises(CheckpointError, match="parts do not fit"):
        Trained.load(tmp_path / "damaged.npz")


def test_nothing_taken_anywhere_has_no_weights():
    weights = item_weights(sp.csr_array((3, 4), dtype=np.float32), np.array([0, 0, 1, 1]), np.arange(4), 1.0)
    assert weights.shape == (4, 4)
    assert weights.nnz == 0
