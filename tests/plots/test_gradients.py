"""Errors of gradients are drawn where they are, and errors of differences by their step."""

import io
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from acg_numpy.checks import check_backward
from acg_numpy.checks.numeric.differences import best_step
from acg_numpy.plots import gradient_error, save, v_curve
from tests.thoroughness import FEW_EXAMPLES


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@FEW_EXAMPLES
@given(st.floats(-3, 3))
@example(0.0)
@example(-3.0)
@example(3.0)
def test_the_error_of_a_difference_falls_and_rises_again(x):
    ax = v_curve(np.exp, x, ax=Figure().subplots())
    steps, errors = ax.lines[0].get_data()
    best = errors.min()
    assert 1e-8 < steps[np.argmin(errors)] < 1e-3
    assert errors[steps < 1e-11].max() > 100 * best
    assert errors[-1] > 1e6 * best


def test_without_a_derivative_the_engine_gives_it(ax):
    v_curve(lambda x: np.tanh(3 * x), 0.4, ax=ax)
    _, by_engine = ax.lines[0].get_data()
    other = v_curve(lambda x: np.tanh(3 * x), 0.4, 3 / np.cosh(1.2) ** 2, ax=Figure().subplots())
    _, by_hand = other.lines[0].get_data()
    np.testing.assert_allclose(by_engine, by_hand, rtol=0.5, atol=1e-14)


def test_the_slopes_meet_at_the_least_error_beside_the_chosen_step(ax):
    v_curve(np.exp, 1.0, ax=ax)
    error, rounding, truncation, chosen = ax.lines
    assert [line.get_label() for line in ax.lines] == legend_of(ax)
    h = error.get_xdata()
    np.testing.assert_allclose(rounding.get_ydata() * h, 2.0**-52 * np.e)
    np.testing.assert_allclose(truncation.get_ydata() / h**2, np.e / 6, rtol=0.1)  # |f'''| / 6
    assert set(chosen.get_xdata()) == {best_step(1.0, 2.0**-52)}


def test_where_nothing_is_truncated_there_is_no_slope_of_it(ax):
    v_curve(lambda x: x * x, 300.0, ax=ax)  # the third derivative is 0
    assert not [text for text in legend_of(ax) if text.startswith("truncation")]


def test_a_wrong_derivative_is_a_floor_that_no_step_gets_below(ax):
    v_curve(np.exp, 1.0, 1.001 * np.e, ax=ax)
    steps, errors = ax.lines[0].get_data()
    np.testing.assert_allclose(errors[(steps > 1e-9) & (steps < 1e-4)], 0.001 * np.e, rtol=1e-3)


def test_an_exact_difference_is_drawn_at_the_resolution_of_float64(ax):
    v_curve(lambda x: 3 * x, 0.0, ax=ax)
    errors = ax.lines[0].get_ydata()
    assert np.all((errors > 0) & (errors < 1e-14))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.exp, 1.0, None, [0.0, 1.0]), "steps should hold positive numbers"),
        ((np.exp, 1.0, None, []), "steps should hold positive numbers"),
        ((lambda x: x * np.inf, 1.0, 1.0, None), "take an x where all is finite"),
    ],
)
def test_what_has_no_curve_is_refused(ax, arguments, message):
    function, x, derivative, steps = arguments
    with pytest.raises(ValueError, match=message):
        v_curve(function, x, derivative, steps=steps, ax=ax)
    assert not ax.lines


def weighted_forward(x, scale, ids):
    return scale * x[ids], (x, scale, ids)


def overwriting(grad_out, cache):
    x, scale, ids = cache
    grad = np.zeros_like(x)
    grad[ids] = scale * grad_out
    return grad, np.sum(grad_out * x[ids])


def weighted_report(seed=0, backward=overwriting):
    rng = np.random.default_rng(seed)
    return check_backward(
        weighted_forward, backward, rng.normal(size=(4, 3)), 1.5, np.array([0, 2, 2, 3]), raise_on_failure=False
    )


def marks(ax, label):
    found = [line for line in ax.lines if line.get_label() == label]
    return {tuple(place) for line in found for place in np.transpose(line.get_data())}


def test_a_cross_stands_on_every_wrong_element_and_nowhere_else(ax):
    gradient_error(weighted_report(), ax=ax)
    assert marks(ax, "wrong") == {(column, 2) for column in range(3)}  # the row that was looked up twice
    assert marks(ax, "undecided") == set()


def test_colours_are_the_relative_errors_each_input_below_the_one_before(ax):
    report = weighted_report()
    gradient_error(report, ax=ax)
    drawn = ax.images[0].get_array()
    assert drawn.shape == (5, 3)
    expected = report.per_input["x"].relative_error
    np.testing.assert_allclose(drawn[:4], np.clip(expected, 1e-12, 1.0))
    assert np.array_equal(np.ma.getmaskarray(drawn)[4], [False, True, True])  # a number has one element
    assert [label.get_text() for label in ax.get_yticklabels()] == ["x (4, 3) wrong", "scale ()"]
    assert [label.get_text() for label in ax.get_yticklabels(minor=True)] == ["0", "1", "2", "3"]


def test_the_title_says_what_is_worst(ax):
    report = weighted_report()
    title = gradient_error(report, ax=ax).get_title()
    assert title.startswith(f"worst: x[2, {report.worst.index[1]}], ")
    assert title.endswith(f"{report.worst.numeric:.3g} is right")


def test_a_report_that_passed_has_no_cross(ax):
    x = np.arange(1.0, 5.0)
    gradient_error(check_backward(lambda x: (x * x, x), lambda g, x: 2 * x * g, x), ax=ax)
    assert marks(ax, "wrong") == set()
    assert ax.get_title() == "no element is wrong"


def test_an_undecided_element_has_a_dot(ax):
    report = weighted_report()
    x, *others = report.comparisons
    undecided = np.zeros((4, 3), dtype=bool)
    undecided[1, 2] = True
    gradient_error(replace(report, comparisons=(replace(x, undecided=undecided), *others)), ax=ax)
    assert marks(ax, "undecided") == {(2, 1)}


def test_along_random_directions_an_input_has_one_row_of_them(ax):
    def twice(grad_out, x):
        return 4 * x * grad_out

    x = np.random.default_rng(0).normal(size=(4, 3))
    report = check_backward(lambda x: (x * x, x), twice, x, method="directional", raise_on_failure=False)
    gradient_error(report, ax=ax)
    assert ax.images[0].get_array().shape == (1, len(report.per_input["x"].directions))
    assert ax.get_title().startswith(f"worst: x, direction {report.worst.index[0]}, ")


def test_nothing_compared_is_nothing_to_draw(ax):
    with pytest.raises(ValueError, match="nothing was compared element by element"):
        gradient_error(weighted_report(backward=lambda g, cache: None), ax=ax)
    assert not ax.images


@pytest.mark.parametrize(
    "plot", [lambda: gradient_error(weighted_report()), lambda: v_curve(np.sin, 1.0)], ids=["map", "curve"]
)
def test_without_axes_each_call_makes_a_figure_of_its_own(plot):
    first, second = plot(), plot()
    assert first.figure is not second.figure
    plt.close(first.figure)
    plt.close(second.figure)


def test_both_can_be_saved():
    for plot, *arguments in ((gradient_error, weighted_report()), (v_curve, np.exp, 1.0)):
        picture = io.BytesIO()
        save(picture, plot, *arguments)
        assert picture.getvalue()[1:4] == b"PNG"
