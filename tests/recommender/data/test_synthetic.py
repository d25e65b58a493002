"""The worlds are as they are described."""

import numpy as np
import pytest

from acg_numpy.recommender.data import draw_split, make_world


def unit_rows(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


@pytest.mark.parametrize("kind", ["tastes", "linear"])
def test_a_seed_says_all(kind: str) -> None:
    a, b, c = (make_world(kind, seed=seed) for seed in (3, 3, 4))
    assert a.interactions.sha256 == b.interactions.sha256 != c.interactions.sha256
    np.testing.assert_array_equal(a.tastes, b.tastes)
    np.testing.assert_array_equal(a.interactions.matrix.toarray(), b.interactions.matrix.toarray())


@pytest.mark.parametrize("kind", ["tastes", "linear"])
def test_users_take_10_to_30_items_in_most_domains(kind: str) -> None:
    counts = make_world(kind, seed=0).interactions.counts
    met = counts[counts > 0]
    assert counts.shape == (1000, 5)
    assert met.min() == 10
    assert met.max() == 30
    assert abs((counts > 0).mean() - 0.85) < 0.02


def test_a_user_has_three_tastes_and_mostly_one_dominates_a_domain() -> None:
    world = make_world("tastes", seed=0)
    assert ((world.tastes > 0).sum(axis=1) == 3).all()
    held = world.tastes[world.tastes > 0]
    assert 0.5 <= held.min() <= held.max() <= 1.0
    np.testing.assert_allclose(world.weights.sum(axis=-1), 1)
    assert not world.weights[np.repeat(world.tastes[:, None] == 0, 5, axis=1)].any()
    assert world.weights.max(axis=-1).mean() > 0.8
    top = world.weights.argmax(axis=-1)
    assert (top != top[:, :1]).any(axis=1).mean() > 0.7  # but for most users not the same one everywhere


def test_in_the_linear_world_tastes_count_as_they_are() -> None:
    world = make_world("linear", seed=0)
    assert world.tastes.shape == (1000, 24)
    for domain in range(5):
        np.testing.assert_array_equal(world.weights[:, domain], world.tastes)


def test_users_take_the_items_of_their_dominant_taste() -> None:
    world = make_world("tastes", seed=0)
    X, taken = world.interactions.matrix.toarray(), world.interactions
    for domain in range(5):
        columns = taken.columns(domain)
        mine = world.item_taste[columns] == world.weights[:, domain].argmax(axis=-1)[:, None]  # (U, items)
        met = taken.counts[:, domain] > 0
        inside = X[:, columns][met]
        share_of_mine = inside[mine[met]].mean()
        share_of_others = inside[~mine[met]].mean()
        assert share_of_mine > 2 * share_of_others


@pytest.mark.parametrize(("kind", "fits"), [("tastes", False), ("linear", True)])
def test_what_is_sought_is_linear_in_tastes_in_one_world(kind: str, fits: bool) -> None:
    world = make_world(kind, seed=0)
    s = np.column_stack([world.tastes, np.ones(len(world.tastes))])
    a = world.weights[:, 0]
    left = a - s @ np.linalg.lstsq(s, a, rcond=None)[0]
    unexplained = left.var() / a.var()
    assert (unexplained < 1e-20) if fits else (unexplained > 0.2)


def test_every_world_can_be_split() -> None:
    taken = make_world("linear", seed=5).interactions
    split = draw_split(taken, seed=5)
    assert len(split.test) > 500
    assert len(split.validation) > 250


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind must be one of 'tastes', 'linear', but it is 'flat'"):
        make_world("flat")  # type: ignore[arg-type]
