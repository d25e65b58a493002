"""Axes exchanged, and operations that exchange axes."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.explain.axis_exchanges import is_transposition
from tests.checks.explain.cases import SQUARE, X, Y, corruptions_of


def test_the_other_factor_of_a_product_can_be_transposed():
    operation, g, corruptions = corruptions_of(np.matmul, X, SQUARE)
    np.testing.assert_allclose(corruptions["the other factor transposed"].contribution(operation, 0, g), g @ SQUARE)


@pytest.mark.parametrize("shape", [(4, 1), (1, 4)])
def test_a_column_can_be_taken_for_a_row_and_vice_versa(shape):
    w = Y[:1].reshape(shape)
    report = check_backward(
        lambda x, w: (x * w, (x, w)),
        lambda g, c: (g * c[1].T, np.sum(g * c[0], axis=shape.index(1), keepdims=True)),
        SQUARE,
        w,
        raise_on_failure=False,
    )
    assert [diagnosis.mistake for diagnosis in report.diagnoses] == ["transposed"]
    assert report.diagnoses[0].evidence.startswith("the other factor transposed. ")


def test_axes_of_a_gradient_can_be_exchanged_under_the_old_shape():
    operation, g, corruptions = corruptions_of(np.sin, X)
    sent = corruptions["axes 0 and 1 of the gradient exchanged under the old shape"].contribution(operation, 0, g)
    np.testing.assert_allclose(sent, g.T.reshape(3, 4) * np.cos(X))


@pytest.mark.parametrize(
    "forward",
    [lambda x: x + 0.0, lambda x: 1.0 * x, lambda x: np.reshape(x, (4, 3))],
    ids=["plus nothing", "times one", "reshaped"],
)
def test_what_leaves_the_numbers_in_their_order_exchanges_no_axes(forward):
    operation, _, _ = corruptions_of(forward, X)
    assert not is_transposition(operation, 0)


def test_exchanging_an_axis_of_length_one_is_no_transposition():
    assert not is_transposition(corruptions_of(np.transpose, X[:1])[0], 0)
    assert is_transposition(corruptions_of(np.transpose, X)[0], 0)


def test_exchanges_of_a_square_are_likelier_than_under_an_old_shape():
    operation, g, corruptions = corruptions_of(np.sin, SQUARE)
    after, before = corruptions["axes 0 and 1 exchanged"], corruptions["axes 0 and 1 of the gradient exchanged"]
    np.testing.assert_allclose(after.contribution(operation, 0, g), (g * np.cos(SQUARE)).T)
    np.testing.assert_allclose(before.contribution(operation, 0, g), g.T * np.cos(SQUARE))
    _, _, of_oblong = corruptions_of(np.sin, X)
    old_shape = of_oblong["axes 0 and 1 of the gradient exchanged under the old shape"]
    assert after.mistake == before.mistake == "transposed"
    assert after.cost == before.cost < old_shape.cost


def test_only_axes_longer_than_one_can_be_in_each_others_order():
    def orders(forward, *values):
        operation, g, corruptions = corruptions_of(forward, *values)
        offered = {
            text: corruption for text, corruption in corruptions.items() if text.endswith("in the order of the other")
        }
        return {text: corruption.contribution(operation, 0, g) for text, corruption in offered.items()}, g

    found, g = orders(np.sin, X[None])
    assert list(found) == ["axes 1 and 2 in the order of the other"]
    flat = np.ravel(g * np.cos(X[None]))
    np.testing.assert_allclose(*found.values(), flat.reshape(1, 4, 3).swapaxes(1, 2))
    assert orders(lambda x: np.sum(x, axis=0), X)[0] == {}
