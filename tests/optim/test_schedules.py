"""The schedules against their definitions, and against PyTorch's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.optim.schedules import PLATEAU, SCHEDULES, constant, cosine, plateau

looks = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), max_size=40)


@given(st.integers(1, 100), looks)
def test_a_schedule_begins_at_the_base_rate_and_stays_in_bounds(epochs, looks):
    for schedule in SCHEDULES.values():
        assert schedule(1, epochs, []) == 1.0
        assert all(0 < schedule(epoch, epochs, looks) <= 1 for epoch in range(1, epochs + 1))
    assert constant(epochs, epochs, looks) == 1.0


@given(st.integers(1, 100))
def test_the_cosine_falls_all_the_way_and_mirrors_itself(epochs):
    rates = [cosine(epoch, epochs, []) for epoch in range(1, epochs + 2)]
    assert np.all(np.diff(rates) < 0)
    np.testing.assert_allclose(np.add(rates, rates[::-1]), 1.0)


@given(looks)
def test_a_plateau_halves_the_rate_after_enough_looks_without_progress(looks):
    rates = [plateau(0, 60, looks[:n]) for n in range(len(looks) + 1)]
    for n in range(1, len(rates)):
        assert rates[n] in (rates[n - 1], rates[n - 1] / 2)
        if rates[n] < rates[n - 1]:
            assert n > PLATEAU
            assert max(looks[n - PLATEAU : n]) <= max(looks[: n - PLATEAU])
    assert plateau(0, 60, [*looks, *[0.0] * PLATEAU * 2]) <= rates[-1] / 4 or not looks
    assert plateau(0, 60, list(np.arange(30.0))) == 1.0


def test_cosine_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=20)
    for epoch in range(1, 21):
        np.testing.assert_allclose(cosine(epoch, 20, []), optimiser.param_groups[0]["lr"], rtol=1e-9)
        optimiser.step()
        reference.step()


def test_plateau_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, mode="max", factor=0.5, patience=PLATEAU - 1, threshold=0.0
    )
    drawn = np.random.default_rng(0).choice([0.1, 0.2, 0.3, 0.4], 60).tolist()
    for n, look in enumerate(drawn, 1):
        reference.step(look)
        assert plateau(0, 60, drawn[:n]) == optimiser.param_groups[0]["lr"]
    assert plateau(0, 60, drawn) <= 2**-8
