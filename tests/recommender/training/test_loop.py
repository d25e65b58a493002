"""One model's training: it learns, it keeps its best epoch, and it is the same again from the same seed."""

import numpy as np
import pytest

from acg_numpy.recommender.data import draw_split, factorise
from acg_numpy.recommender.data.checkpoints import load_checkpoint, save_checkpoint
from acg_numpy.recommender.data.pairs import Catalogue, Pairs
from acg_numpy.recommender.evaluation.protocol import evaluate
from acg_numpy.recommender.models.baselines import make_model
from acg_numpy.recommender.training import loop
from acg_numpy.recommender.training.loop import child_seed, scores_of, train
from acg_numpy.recommender.training.ranker import Ranker


@pytest.fixture(scope="module")
def task(interactions):
    """Training and validation pairs, user vectors and catalogue of one split."""
    split = draw_split(interactions, 0)
    visible = split.visible(interactions)
    factors = factorise(visible, interactions, emb_dim=8)
    catalogue = Catalogue.of(interactions, factors.item_vectors)
    training = Pairs.of(split.train, visible, interactions.item_domain, catalogue)
    validation = Pairs.of(split.validation, interactions.matrix, interactions.item_domain, catalogue)
    return training, validation, factors.user_vectors(visible), catalogue


def ranker_of(task, name="attention", seed=0):
    model = make_model(name, emb_dim=8, domain_names=["a", "b", "c"], heads=2, tokens_per_domain=4, seed=seed)
    return Ranker(model, task[3], np.full(36, -1.0, np.float32))


def trained(task, name="attention", *, seed=0, epochs=4, report=None, validation=None):
    ranker = ranker_of(task, name)
    return ranker, train(ranker, task[0], validation or task[1], task[2], epochs=epochs, seed=seed, report=report)


@pytest.mark.parametrize("name", ["attention", "one-key", "concat-mlp", "domain-linear"])
def test_the_loss_falls(task, name):
    loss = trained(task, name, epochs=12)[1].history["loss"]
    assert loss[-1] < loss[0]
    assert np.all(np.isfinite(loss))


def test_the_same_seed_gives_the_same_figures_and_another_seed_others(task):
    (first, one), (second, other), (third, _) = trained(task), trained(task), trained(task, seed=1)
    assert one.history == other.history
    for name, value in first.state_dict().items():
        np.testing.assert_array_equal(value, second.state_dict()[name])
    assert any(np.any(value != third.state_dict()[name]) for name, value in first.state_dict().items())


def test_the_best_epoch_is_kept(task, monkeypatch):
    monkeypatch.setattr(loop, "LEARNING_RATE", 0.1)  # so that some looks are worse than the best
    ranker, outcome = trained(task, epochs=9)
    looks = outcome.history["validation_ndcg"]
    assert outcome.history["validation_epoch"] == [2, 4, 6, 8, 9]
    assert outcome.best_epoch == outcome.history["validation_epoch"][int(np.argmax(looks))]
    assert outcome.best_epoch < 9
    assert not ranker.training
    assert np.mean(evaluate(scores_of(ranker, task[2]), task[1])[0]) == max(looks)


def test_training_ends_early_when_the_looks_get_no_better(task, monkeypatch):
    monkeypatch.setattr(loop, "PATIENCE", 2)
    monkeypatch.setattr(loop, "LEARNING_RATE", 0.0)  # so that no look is better than the first
    _, outcome = trained(task, epochs=60)
    assert outcome.best_epoch == 2
    assert outcome.history["epoch"] == [1, 2, 3, 4, 5, 6]


def test_progress_is_reported_after_every_epoch(task):
    told = []
    _, outcome = trained(task, epochs=3, report=lambda *what: told.append(what))
    assert [epoch for epoch, *_ in told] == [1, 2, 3]
    assert [loss for _, loss, *_ in told] == outcome.history["loss"]
    assert [ndcg is None for _, _, ndcg, _ in told] == [True, False, False]


def test_one_key_attention_is_exactly_independent_of_the_user(task):
    ranker, _ = trained(task, "one-key", epochs=4)
    users, others = np.arange(80), np.random.default_rng(0).permutation(80)
    for domain in range(3):
        score = scores_of(ranker, task[2])
        np.testing.assert_array_equal(score(users, domain), score(others, domain))


def test_the_bias_of_the_keys_does_not_move(task):
    ranker, _ = trained(task, epochs=6)
    np.testing.assert_array_equal(ranker.state_dict()["model.attention.key.bias"], 0.0)
    assert np.any(ranker.state_dict()["model.attention.query.bias"])


def test_nothing_to_validate_on_keeps_the_last_epoch(task):
    nothing = task[1].take(np.zeros(0, np.int64))
    ranker = ranker_of(task)
    outcome = train(ranker, task[0], nothing, task[2], epochs=3, seed=0)
    assert outcome.best_epoch == 3
    assert outcome.history["validation_epoch"] == []


def test_a_loss_that_is_not_finite_stops_with_the_epoch(task):
    ranker = ranker_of(task)
    ranker.item_bias.data[0] = np.nan
    with pytest.raises(FloatingPointError, match="the loss is nan in epoch 1"):
        train(ranker, task[0], task[1], task[2], epochs=2, seed=0)


def test_each_purpose_and_each_run_has_a_seed_of_its_own():
    seeds = {child_seed(seed, purpose) for seed in range(20) for purpose in ("batches", "attention/init", "film/init")}
    assert len(seeds) == 60


class Stopped(Exception):
    """What stops a training in these tests."""


def stopped(task, name, after, path, **options):
    """Train, and stop when so many epochs are written down; what was written comes back from a file."""
    kept = []

    def keep(course):
        kept.append(course)
        if len(kept) == after:
            raise Stopped

    with pytest.raises(Stopped):
        train(ranker_of(task, name), task[0], task[1], task[2], epochs=9, seed=0, keep=keep, **options)
    save_checkpoint(path, *kept[-1])
    return load_checkpoint(path)


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.05, "schedule": "cosine"}, {"schedule": "plateau"}])
@pytest.mark.parametrize("name", ["attention", "film"])
def test_training_that_was_stopped_after_any_epoch_ends_in_the_same_numbers(task, name, options, tmp_path, monkeypatch):
    monkeypatch.setattr("acg_numpy.optim.schedules.PLATEAU", 1)
    monkeypatch.setattr(loop, "LEARNING_RATE", 0.1)  # so that some looks are worse than the best
    whole = ranker_of(task, name)
    expected = train(whole, task[0], task[1], task[2], epochs=9, seed=0, **options)
    for after in range(1, 10):
        written = stopped(task, name, after, tmp_path / "course.npz", **options)
        ranker = ranker_of(task, name, seed=after)  # other values to start from, which must not matter
        trained = train(ranker, task[0], task[1], task[2], epochs=9, seed=0, written=written, **options)
        assert trained._replace(seconds=0) == expected._replace(seconds=0)
        assert trained.seconds >= written.about["seconds"]
        for parameter, value in whole.state_dict().items():
            np.testing.assert_array_equal(ranker.state_dict()[parameter], value)


def test_a_stop_in_the_midst_of_an_epoch_goes_back_to_the_last_whole_one(task, monkeypatch):
    """Here in the look that ends epoch 6, when its steps were taken and its loss is known."""
    whole, kept, looks = ranker_of(task), [], iter([evaluate, evaluate])
    expected = train(whole, task[0], task[1], task[2], epochs=9, seed=0)

    def look(score, pairs):
        if (found := next(looks, None)) is None:
            raise Stopped
        return found(score, pairs)

    monkeypatch.setattr(loop, "evaluate", look)
    with pytest.raises(Stopped):
        train(ranker_of(task), task[0], task[1], task[2], epochs=9, seed=0, keep=kept.append)
    monkeypatch.undo()
    assert kept[-1].about["history"]["epoch"] == [1, 2, 3, 4, 5]
    ranker = ranker_of(task)
    trained = train(ranker, task[0], task[1], task[2], epochs=9, seed=0, written=kept[-1])
    assert trained._replace(seconds=0) == expected._replace(seconds=0)
    for parameter, value in whole.state_dict().items():
        np.testing.assert_array_equal(ranker.state_dict()[parameter], value)


def test_what_was_written_down_is_not_touched_by_the_training_that_goes_on_from_it(task, tmp_path):
    written = stopped(task, "attention", 4, tmp_path / "course.npz")
    save_checkpoint(tmp_path / "before.npz", *written)
    train(ranker_of(task), task[0], task[1], task[2], epochs=9, seed=0, written=written)
    save_checkpoint(tmp_path / "after.npz", *written)
    assert (tmp_path / "before.npz").read_bytes() == (tmp_path / "after.npz").read_bytes()


def test_training_that_had_ended_early_is_not_gone_on_with(task, monkeypatch):
    monkeypatch.setattr(loop, "PATIENCE", 2)
    monkeypatch.setattr(loop, "LEARNING_RATE", 0.0)
    kept = []
    ended = train(ranker_of(task), task[0], task[1], task[2], epochs=60, seed=0, keep=kept.append)
    again = train(ranker_of(task), task[0], task[1], task[2], epochs=60, seed=0, written=kept[-1], keep=kept.append)
    assert len(kept) == 6
    assert again.history == ended.history


def test_a_schedule_sets_the_rate_of_every_epoch(task, monkeypatch):
    rates = []
    step = loop.AdamW.step
    monkeypatch.setattr(loop.AdamW, "step", lambda optimiser: (rates.append(optimiser.lr), step(optimiser)))
    train(ranker_of(task), task[0], task[1], task[2], epochs=4, seed=0, schedule="cosine")
    steps = len(rates) // 4
    np.testing.assert_allclose(rates[::steps], loop.LEARNING_RATE * (1 + np.cos(np.pi * np.arange(4) / 4)) / 2)


def test_steps_follow_gradients_no_longer_than_the_limit(task, monkeypatch):
    norms = []
    step = loop.AdamW.step

    def measured(optimiser):
        norms.append(np.sqrt(sum(np.sum(p.grad**2) for p in optimiser.parameters if p.grad is not None)))
        step(optimiser)

    monkeypatch.setattr(loop.AdamW, "step", measured)
    train(ranker_of(task), task[0], task[1], task[2], epochs=2, seed=0)
    longest = max(norms)
    norms.clear()
    train(ranker_of(task), task[0], task[1], task[2], epochs=2, seed=0, clip_norm=longest / 3)
    np.testing.assert_allclose(max(norms), longest / 3, rtol=1e-5)
