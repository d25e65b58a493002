"""The inputs of the check of every pair are such that mistakes show."""

import numpy as np
import pytest

from acg_numpy import passes
from acg_numpy.checks import all_passes
from acg_numpy.checks.all_passes import CALLS, check_pairs, pair_names
from tests.checks.comparing import compare_only


def test_every_pair_has_inputs():
    assert sorted(CALLS) == pair_names()


def test_every_pair_passes():
    checked = list(check_pairs(seed=1))
    assert [one.name for one in checked] == pair_names()
    assert all(one.report.passed for one in checked)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_gradient_of_a_thousandth_too_much_fails_for_every_pair(name, monkeypatch):
    right = getattr(passes, f"{name}_backward")

    def slightly_off(grad_out, cache):
        grads = right(grad_out, cache)
        return type(grads)(*(None if grad is None else 1.001 * grad for grad in grads))

    monkeypatch.setattr(all_passes, "check_backward", compare_only)
    monkeypatch.setattr(passes, f"{name}_backward", slightly_off)
    monkeypatch.setattr(passes, "__all__", [f"{name}_forward", f"{name}_backward"])
    (only,) = check_pairs()
    assert not only.report.passed


@pytest.mark.parametrize("name", sorted(CALLS))
def test_masks_keep_something_and_leave_something_out_and_ids_repeat(name):
    for value in CALLS[name](np.random.default_rng(0)).inputs:
        if value.dtype == bool:
            assert value.any()
            assert not value.all()
        if np.issubdtype(value.dtype, np.integer):
            assert len(np.unique(value)) < value.size
