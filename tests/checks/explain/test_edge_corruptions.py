"""The corruptions tried at an edge: places along an axis, masks."""

import numpy as np
import pytest

from acg_numpy.checks.explain.edge_corruptions import mask_corruptions
from tests.checks.explain.cases import X, Y, corruptions_of


def test_last_alone_is_likelier_than_first_alone_than_left_out_or_twice():
    _, _, corruptions = corruptions_of(np.sin, X)
    costs = [corruptions[f"the {which}"].cost for which in ("last along axis 0 alone", "first along axis 0 alone")]
    rest = [corruptions[f"the {n} along axis 0 {how}"].cost for n in ("first", "last") for how in ("left out", "twice")]
    assert costs[0] < costs[1] < min(rest) == max(rest)


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("axis", [0, 1])
def test_one_place_along_an_axis_is_kept_dropped_or_counted_twice(axis, which):
    operation, g, corruptions = corruptions_of(np.sin, X)
    name = ("first", "last")[which]
    for text, weight, others, mistake in (
        ("alone", 1.0, 0.0, "last-only"),
        ("left out", 0.0, 1.0, "missing-path"),
        ("twice", 2.0, 1.0, "double-counted"),
    ):
        weights = np.full(X.shape, others)
        np.moveaxis(weights, axis, 0)[which] = weight
        corruption = corruptions[f"the {name} along axis {axis} {text}"]
        np.testing.assert_allclose(corruption.contribution(operation, 0, g), weights * g * np.cos(X))
        assert corruption.mistake == mistake


def test_a_mask_can_be_forgotten_not_closed():
    operation, g, _ = corruptions_of(lambda x: np.where(Y > 0, x, 0.0), X, position=1)
    opened, closed = (corruption.contribution(operation, 1, g) for corruption in mask_corruptions(operation))
    np.testing.assert_array_equal(opened, g)
    assert closed is None
