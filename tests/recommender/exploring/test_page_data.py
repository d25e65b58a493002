"""What is gathered for the page is what the conditioner computes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.autograd import no_grad
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.recommender.data import DataError
from acg_numpy.recommender.exploring import Exploration, gather, page_data
from acg_numpy.recommender.serving import Recommender
from tests.recommender.exploring.ids import LONELY, NAMES

close = {"rtol": 1e-4, "atol": 1e-5}


def places(found: Exploration, recommender: Recommender) -> list[int]:
    return [recommender.users.tolist().index(user) for user in found.users.tolist()]


def test_softmax_of_the_scores_is_the_attention_that_the_conditioner_returns(
    found: Exploration, recommender: Recommender
) -> None:
    vectors, _ = recommender.vectors(places(found, recommender))
    with no_grad():
        _, attention = recommender.trained.conditioner(vectors, np.arange(4), return_attention=True)
    np.testing.assert_allclose(found.attention(), attention.numpy(), **close)


def test_conditions_are_those_that_training_left(found: Exploration, recommender: Recommender, folder: Path) -> None:
    left = np.load(folder / "conditions.npy")[places(found, recommender)]
    np.testing.assert_allclose(found.conditions(), left, **close)


def test_a_user_of_one_domain_has_zeros_there_alone(found: Exploration) -> None:
    row = found.users.tolist().index(LONELY)
    assert found.reachable[row].tolist() == (found.domains != "books").tolist()
    assert found.conditions()[row].any(axis=-1).tolist() == found.reachable[row].tolist()


def test_a_token_stands_for_the_items_that_score_highest(found: Exploration, recommender: Recommender) -> None:
    trained = recommender.trained
    attention, embedding = trained.conditioner.attention, trained.conditioner.domain_embedding
    assert embedding.global_tokens is not None
    for d in range(4):
        columns = np.flatnonzero(trained.item_domain == d)
        tokens = np.concatenate([embedding.tokens.data[d], embedding.global_tokens.data])
        values = tokens @ attention.value.weight.data + attention.value.bias.data  # type: ignore[union-attr]
        for head, features in enumerate((slice(0, 64), slice(64, 128))):
            through = values[:, features] @ attention.output.weight.data[features]
            through = (through - through.mean(axis=1, keepdims=True)) * found.gain
            order = np.argsort(-through @ trained.factors.item_vectors[columns].T, axis=1, kind="stable")[:, :5]
            for k, best in enumerate(order):
                named = [found.items[n] for n in found.token_items[d, head, k] if n >= 0]
                assert named == trained.items[columns[best]].tolist()


def test_in_a_domain_of_three_items_a_token_stands_for_three(found: Exploration) -> None:
    [few] = np.flatnonzero(found.domains == "rare & few")
    assert np.all(np.sum(found.token_items[few] >= 0, axis=-1) == 3)
    assert np.all(np.sum(np.delete(found.token_items, few, axis=0) >= 0, axis=-1) == 5)


def test_no_plane_shows_more_of_how_conditions_differ(found: Exploration) -> None:
    away = found.conditions()[found.reachable] - found.centre
    np.testing.assert_allclose(found.plane @ found.plane.T, np.eye(2), atol=1e-5)
    shown = np.square(away @ found.plane.T).sum(axis=0) / np.square(away).sum()
    np.testing.assert_allclose(shown, found.share, rtol=1e-3)
    for seed in range(50):
        other = np.linalg.qr(np.random.default_rng(seed).normal(size=(8, 2)))[0]
        assert np.square(away @ other).sum() <= np.square(away @ found.plane.T).sum() * (1 + 1e-5)


@given(st.lists(st.floats(0.02, 50), min_size=2, max_size=5, unique=True))
def test_the_hotter_the_softmax_the_more_evenly_attention_is_spread(
    found: Exploration, temperatures: list[float]
) -> None:
    def entropy(temperature: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        P = found.attention(temperature).astype(np.float64)
        return -np.sum(P * np.log(np.maximum(P, 1e-300)), axis=-1)

    spread = np.stack([entropy(temperature) for temperature in sorted(temperatures)])
    assert np.all(np.diff(spread, axis=0) >= -1e-4)


def test_attention_goes_from_argmax_to_average(found: Exploration) -> None:
    coldest, hottest = found.attention(1e-6), found.attention(1e6)
    np.testing.assert_array_equal(coldest.argmax(axis=-1), found.scores.argmax(axis=-1))
    np.testing.assert_allclose(coldest.max(axis=-1), 1, atol=1e-3)
    np.testing.assert_allclose(hottest, 1 / 5, atol=1e-4)
    with pytest.raises(ValueError, match="temperature is 0"):
        found.attention(0)


@given(sample=st.integers(1, 90), named=st.sets(st.integers(0, 79), max_size=4), seed=st.integers(0, 9))
def test_a_sample_holds_named_users_in_the_order_of_interactions(
    recommender: Recommender, sample: int, named: set[int], seed: int
) -> None:
    users = recommender.users[sorted(named)].tolist()
    small = gather(recommender, sample=sample, users=users, seed=seed)
    assert len(small.users) == min(max(sample, len(named)), 80)
    assert set(users) <= set(small.users.tolist())
    assert places(small, recommender) == sorted(set(places(small, recommender)))
    assert small.total == 80
    again = gather(recommender, sample=sample, users=users, seed=seed)
    assert again.users.tolist() == small.users.tolist()


def test_where_scores_are_many_the_sample_is_smaller(recommender: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_data, "NUMBERS", 4 * 2 * 5 * 7 + 1)
    assert len(gather(recommender).users) == 7


def test_who_is_not_there_is_named(recommender: Recommender) -> None:
    with pytest.raises(DataError, match="there is no user 'nobody' among 80"):
        gather(recommender, users=["nobody"])
    with pytest.raises(DataError, match="did you mean"):
        gather(recommender, users=[f"{NAMES[3]} 3x"])
    with pytest.raises(ValueError, match="at least one user"):
        gather(recommender, sample=0)


def test_a_conditioner_with_more_than_attention_is_refused(recommender: Recommender) -> None:
    other = AttentionConditioner(8, 2, 4, tokens_per_domain=4, num_global_tokens=1, seed=0, residual=True)
    with pytest.raises(DataError, match="residual connection"):
        gather(replace(recommender, trained=replace(recommender.trained, conditioner=other)))


def test_without_layer_norm_conditions_are_the_conditioners_too(recommender: Recommender) -> None:
    other = AttentionConditioner(8, 2, 4, tokens_per_domain=4, num_global_tokens=1, seed=0).eval()
    found = gather(replace(recommender, trained=replace(recommender.trained, conditioner=other)))
    assert not len(found.gain)
    vectors, reachable = recommender.vectors(places(found, recommender))
    with no_grad():
        expected = other(vectors, np.arange(4)).numpy()
    np.testing.assert_allclose(found.conditions()[reachable], expected[reachable], **close)
