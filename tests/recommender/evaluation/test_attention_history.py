"""Watching a training shows how attention went, and changes nothing of it."""

import numpy as np
import pytest

from acg_numpy.autograd import no_grad
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.recommender.evaluation.attention_history import WatchedUsers, attention_snapshot, choose_watched_users
from acg_numpy.recommender.models.factory import make_model
from acg_numpy.recommender.training import fit
from tests.recommender.small_world import small_world


@pytest.fixture(scope="module")
def taken():
    return small_world().interactions


def test_a_run_keeps_the_attention_of_held_out_users(taken):
    result = fit(taken, epochs=3, baselines=False)
    whom = choose_watched_users(result.split.validation)
    assert result.history["snapshot_epoch"] == [0, 1, 2]
    kept = np.array(result.history["snapshot"])  # (E, B, H, K)
    assert kept.shape == (3, len(whom.users), 16, 8)
    np.testing.assert_allclose(kept.sum(-1), 1, rtol=1e-5)
    assert len(np.unique(kept[:, 0, 0, 0])) == 3  # it moved


def test_a_run_that_is_watched_ends_as_one_that_is_not(taken, monkeypatch):
    seen = fit(taken, epochs=2, baselines=False)
    monkeypatch.setattr("acg_numpy.recommender.training.run.choose_watched_users", lambda validation: None)
    unseen = fit(taken, epochs=2, baselines=False)
    assert "snapshot" in seen.history
    assert "snapshot" not in unseen.history
    assert seen.history["loss"] == unseen.history["loss"]
    np.testing.assert_array_equal(seen.conditions, unseen.conditions)


def test_a_resumed_run_keeps_the_snapshots_of_an_unstopped_one(taken, tmp_path):
    whole = fit(taken, epochs=5, baselines=False)

    def stop(report):
        if report.epoch == 3:
            raise KeyboardInterrupt

    state = tmp_path / "last.npz"
    with pytest.raises(KeyboardInterrupt):
        fit(taken, epochs=5, baselines=False, state=state, progress=stop)
    assert fit(taken, epochs=5, baselines=False, state=state, resume=True).history == whole.history


def test_a_snapshot_is_the_attention_and_leaves_the_mode_as_it_was():
    model = AttentionConditioner(emb_dim=8, num_heads=2, num_domains=2, dropout=0.5, seed=0)
    vectors = np.random.default_rng(0).standard_normal((4, 2, 8)).astype(np.float32)
    whom = WatchedUsers(np.array([3, 1]), 1)
    for mode in (True, False):
        model.train(mode)
        before = model.random_state()
        found = attention_snapshot(model, vectors, whom)
        assert model.training is mode
        assert model.random_state() == before
        with no_grad():
            _, attention = model(vectors[[3, 1], 1], 1, return_attention=True)
        np.testing.assert_array_equal(np.array(found, np.float32), attention.numpy())
        if mode:
            model.load_random_state(before)


def test_nothing_is_kept_where_there_is_nothing_to_see_or_too_much():
    vectors, whom = np.zeros((2, 1, 8), np.float32), WatchedUsers(np.array([0, 1]), 0)
    assert attention_snapshot(make_model("one-key", emb_dim=8, domain_names=["a"]), vectors, whom) is None
    assert attention_snapshot(make_model("film", emb_dim=8, domain_names=["a"]), vectors, whom) is None
    many = AttentionConditioner(emb_dim=8, num_heads=2, num_domains=1, tokens_per_domain=1000, seed=0)
    assert attention_snapshot(many, vectors, whom) is None
    assert choose_watched_users(np.empty((0, 2), np.int64)) is None
