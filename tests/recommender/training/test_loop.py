"""One model's training: it learns, it keeps its best epoch, and it is the same again from the same seed."""

import numpy as np
import pytest

from acg_numpy.recommender.data import draw_split, factorise
from acg_numpy.recommender.data.checkpoints import load_checkpoint, save_checkpoint
from acg_numpy.recommender.data.pairs import Catalogue, Pairs
from acg_numpy.recommender.evaluation.protocol import evaluate
from acg_numpy.recommender.models.factory import make_model
from acg_numpy.recommender.training import loop
from acg_numpy.recommender.training.loop import child_seed, make_score, train
from acg_numpy.recommender.training.ranker import Ranker


@pytest.fixture(scope="module")
def data(interactions):
    """Training and validation pairs, user vectors and catalogue of one split."""
    split = draw_split(interactions, 0)
    visible = split.visible(interactions)
    factors = factorise(visible, interactions, emb_dim=8)
    catalogue = Catalogue.from_interactions(interactions, factors.item_vectors)
    training = Pairs.from_matrix(split.train, visible, interactions.item_domain, catalogue)
    validation = Pairs.from_matrix(split.validation, interactions.matrix, interactions.item_domain, catalogue)
    return training, validation, factors.user_vectors(visible), catalogue


SMALL = {"attention": {"heads": 2, "inner_dim": 8, "tokens_per_domain": 4}, "one-key": {"heads": 2}}
RATE = {"rate": 3e-3}


def ranker_of(data, name="attention", seed=0):
    model = make_model(name, emb_dim=8, domain_names=["a", "b", "c"], seed=seed, **SMALL.get(name, {}))
    return Ranker(model, data[3], np.full(36, -1.0, np.float32))


def trained(data, name="attention", *, seed=0, epochs=4, rate=3e-3, patience=12, report=None):
    ranker = ranker_of(data, name)
    options = {"epochs": epochs, "seed": seed, "rate": rate, "patience": patience, "report": report}
    return ranker, train(ranker, data[0], data[1], data[2], **options)


@pytest.mark.parametrize("name", ["attention", "one-key", "concat-mlp", "emcdr-linear"])
def test_the_loss_falls(data, name):
    loss = trained(data, name, epochs=12)[1].history["loss"]
    assert loss[-1] < loss[0]
    assert np.all(np.isfinite(loss))


def test_the_same_seed_gives_the_same_figures_and_another_seed_others(data):
    (first, one), (second, other), (third, _) = trained(data), trained(data), trained(data, seed=1)
    assert one.history == other.history
    for name, value in first.state_dict().items():
        np.testing.assert_array_equal(value, second.state_dict()[name])
    assert any(np.any(value != third.state_dict()[name]) for name, value in first.state_dict().items())


def test_the_best_epoch_is_kept(data):
    ranker, outcome = trained(data, epochs=9, rate=0.1)  # so that some validations are worse than the best
    validations = outcome.history["validation_ndcg"]
    assert outcome.history["validation_epoch"] == [2, 4, 6, 8, 9]
    assert outcome.best_epoch == outcome.history["validation_epoch"][int(np.argmax(validations))]
    assert outcome.best_epoch < 9
    assert not ranker.training
    assert np.mean(evaluate(make_score(ranker, data[2]), data[1])[0]) == max(validations)


def test_training_ends_early_when_validation_gets_no_better(data):
    _, outcome = trained(data, epochs=60, patience=2, rate=0.0)  # so that no validation is better than the first
    assert outcome.best_epoch == 2
    assert outcome.history["epoch"] == [1, 2, 3, 4, 5, 6]
    assert not outcome.rising


def test_a_model_that_the_most_epochs_ended_is_still_rising(data):
    assert trained(data, epochs=4)[1].rising
    assert trained(data, epochs=4, patience=1, rate=0.0)[1].rising is False  # the patience ended with them


def test_progress_is_reported_after_every_epoch(data):
    reports = []
    _, outcome = trained(data, epochs=3, report=lambda *what: reports.append(what))
    assert [epoch for epoch, *_ in reports] == [1, 2, 3]
    assert [loss for _, loss, *_ in reports] == outcome.history["loss"]
    assert [ndcg is None for _, _, ndcg, _ in reports] == [True, False, False]


def test_one_key_attention_is_exactly_independent_of_the_user(data):
    ranker, _ = trained(data, "one-key", epochs=4)
    users, others = np.arange(80), np.random.default_rng(0).permutation(80)
    for domain in range(3):
        score = make_score(ranker, data[2])
        np.testing.assert_array_equal(score(users, domain), score(others, domain))


def test_the_bias_of_the_keys_does_not_move(data):
    ranker, _ = trained(data, epochs=6)
    np.testing.assert_array_equal(ranker.state_dict()["model.attention.key.bias"], 0.0)
    assert np.any(ranker.state_dict()["model.attention.query.bias"])


def test_nothing_to_validate_on_keeps_the_last_epoch(data):
    nothing = data[1].take(np.zeros(0, np.int64))
    ranker = ranker_of(data)
    outcome = train(ranker, data[0], nothing, data[2], epochs=3, seed=0, **RATE)
    assert outcome.best_epoch == 3
    assert outcome.history["validation_epoch"] == []
    assert not outcome.rising


def test_a_loss_that_is_not_finite_stops_with_the_epoch(data):
    ranker = ranker_of(data)
    ranker.item_bias.data[0] = np.nan
    with pytest.raises(FloatingPointError, match="the loss is nan in epoch 1"):
        train(ranker, data[0], data[1], data[2], epochs=2, seed=0, **RATE)


def test_each_purpose_and_each_run_has_a_seed_of_its_own():
    seeds = {child_seed(seed, purpose) for seed in range(20) for purpose in ("batches", "attention/init", "film/init")}
    assert len(seeds) == 60


class Stopped(Exception):
    """What stops a training in these tests."""


def stopped(data, name, after, path, rate=3e-3, **options):
    """Train, and stop when so many checkpoints are saved; the last one comes back from a file."""
    saved = []

    def save(checkpoint):
        saved.append(checkpoint)
        if len(saved) == after:
            raise Stopped

    with pytest.raises(Stopped):
        train(ranker_of(data, name), data[0], data[1], data[2], epochs=9, seed=0, rate=rate, save=save, **options)
    save_checkpoint(path, *saved[-1])
    return load_checkpoint(path)


def checkpoints(data, name, folder, rate=3e-3, **options):
    """Train, and return what is saved after each epoch, from a file as it was then."""
    paths = []

    def save(checkpoint):
        paths.append(folder / f"training {len(paths)}.npz")
        save_checkpoint(paths[-1], *checkpoint)

    train(ranker_of(data, name), data[0], data[1], data[2], epochs=9, seed=0, rate=rate, save=save, **options)
    assert len(paths) == 9
    return [load_checkpoint(path) for path in paths]


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.05, "schedule": "cosine"}, {"schedule": "plateau"}])
@pytest.mark.parametrize("name", ["attention", "film"])
def test_training_stopped_after_any_epoch_ends_in_the_same_numbers(data, name, options, tmp_path, monkeypatch):
    monkeypatch.setattr("acg_numpy.optim.schedules.PLATEAU", 1)
    options = {"rate": 0.1, **options}  # so that some validations are worse than the best
    whole = ranker_of(data, name)
    expected = train(whole, data[0], data[1], data[2], epochs=9, seed=0, **options)
    for after, checkpoint in enumerate(checkpoints(data, name, tmp_path, **options), 1):
        ranker = ranker_of(data, name, seed=after)  # other values to start from, which must not matter
        trained = train(ranker, data[0], data[1], data[2], epochs=9, seed=0, resume_from=checkpoint, **options)
        assert trained._replace(seconds=0) == expected._replace(seconds=0)
        assert trained.seconds >= checkpoint.about["seconds"]
        for parameter, value in whole.state_dict().items():
            np.testing.assert_array_equal(ranker.state_dict()[parameter], value)


def test_a_stop_within_an_epoch_goes_back_to_the_last_whole_one(data, monkeypatch):
    """Here in the validation that ends epoch 6, when its steps were taken and its loss is known."""
    whole, saved, validations = ranker_of(data), [], iter([evaluate, evaluate])
    expected = train(whole, data[0], data[1], data[2], epochs=9, seed=0, **RATE)

    def validate(score, pairs):
        if (found := next(validations, None)) is None:
            raise Stopped
        return found(score, pairs)

    monkeypatch.setattr(loop, "evaluate", validate)
    with pytest.raises(Stopped):
        train(ranker_of(data), data[0], data[1], data[2], epochs=9, seed=0, save=saved.append, **RATE)
    monkeypatch.undo()
    assert saved[-1].about["history"]["epoch"] == [1, 2, 3, 4, 5]
    ranker = ranker_of(data)
    trained = train(ranker, data[0], data[1], data[2], epochs=9, seed=0, resume_from=saved[-1], **RATE)
    assert trained._replace(seconds=0) == expected._replace(seconds=0)
    for parameter, value in whole.state_dict().items():
        np.testing.assert_array_equal(ranker.state_dict()[parameter], value)


def test_a_checkpoint_is_not_touched_by_the_training_that_resumes_from_it(data, tmp_path):
    checkpoint = stopped(data, "attention", 4, tmp_path / "training.npz")
    save_checkpoint(tmp_path / "before.npz", *checkpoint)
    train(ranker_of(data), data[0], data[1], data[2], epochs=9, seed=0, resume_from=checkpoint, **RATE)
    save_checkpoint(tmp_path / "after.npz", *checkpoint)
    assert (tmp_path / "before.npz").read_bytes() == (tmp_path / "after.npz").read_bytes()


def test_training_that_ended_early_is_not_resumed(data):
    saved, options = [], {"epochs": 60, "seed": 0, "patience": 2, "rate": 0.0}
    ended = train(ranker_of(data), data[0], data[1], data[2], save=saved.append, **options)
    again = train(ranker_of(data), data[0], data[1], data[2], resume_from=saved[-1], save=saved.append, **options)
    assert len(saved) == 6
    assert again.history == ended.history


def test_a_schedule_sets_the_rate_of_every_epoch(data, monkeypatch):
    rates = []
    step = loop.AdamW.step
    monkeypatch.setattr(loop.AdamW, "step", lambda optimiser: (rates.append(optimiser.lr), step(optimiser)))
    train(ranker_of(data), data[0], data[1], data[2], epochs=4, seed=0, schedule="cosine", **RATE)
    steps = len(rates) // 4
    np.testing.assert_allclose(rates[::steps], RATE["rate"] * (1 + np.cos(np.pi * np.arange(4) / 4)) / 2)


def test_steps_follow_gradients_no_longer_than_the_limit(data, monkeypatch):
    norms = []
    step = loop.AdamW.step

    def measured(optimiser):
        norms.append(np.sqrt(sum(np.sum(p.grad**2) for p in optimiser.parameters if p.grad is not None)))
        step(optimiser)

    monkeypatch.setattr(loop.AdamW, "step", measured)
    train(ranker_of(data), data[0], data[1], data[2], epochs=2, seed=0, **RATE)
    longest = max(norms)
    norms.clear()
    train(ranker_of(data), data[0], data[1], data[2], epochs=2, seed=0, clip_norm=longest / 3, **RATE)
    np.testing.assert_allclose(max(norms), longest / 3, rtol=1e-5)
