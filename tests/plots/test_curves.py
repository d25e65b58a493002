"""A curve shows the numbers of the history, each on an axis that says what it is."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from acg_numpy.plots import loss_curve
from tests.thoroughness import FEW_EXAMPLES

HISTORY = {
    "epoch": [1, 2, 3, 4],
    "loss": [4.0, 2.0, 1.5, 1.4],
    "validation_epoch": [2, 4],
    "validation_ndcg": [0.6, 0.5],
}


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


@FEW_EXAMPLES
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
@example([0.0])
@example([1e6, -1e6])
def test_the_line_is_the_loss_by_epoch(losses):
    epochs = list(range(1, len(losses) + 1))
    ax = loss_curve({"epoch": epochs, "loss": losses}, ax=Figure().subplots())
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), epochs)
    np.testing.assert_array_equal(line.get_ydata(), losses)
    assert ax.get_xlim()[0] < 1 <= len(losses) < ax.get_xlim()[1]


def test_validation_has_an_axis_of_its_own(ax):
    loss_curve(HISTORY, ax=ax)
    left, right = ax.figure.axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("epoch", "training loss")
    assert right.get_ylabel() == "validation NDCG@10"
    np.testing.assert_array_equal(right.lines[0].get_xdata(), [2, 4])
    np.testing.assert_array_equal(right.lines[0].get_ydata(), [0.6, 0.5])
    assert left.lines[0].get_linestyle() != right.lines[0].get_linestyle()  # colour is not all that tells them apart


def test_the_best_epoch_is_marked(ax):
    loss_curve(HISTORY, ax=ax)
    _, right = ax.figure.axes
    assert set(right.lines[1].get_xdata()) == {2}
    assert right.get_title() == "best validation NDCG@10: 0.600, epoch 2"


@pytest.mark.parametrize("unvalidated", [{}, {"validation_epoch": [], "validation_ndcg": []}], ids=["absent", "empty"])
def test_a_run_without_validation_has_one_axis(ax, unvalidated):
    loss_curve({"epoch": [1, 2], "loss": [2.0, 1.0], **unvalidated}, ax=ax)
    assert ax.figure.axes == [ax]


def test_ticks_stand_at_whole_epochs(ax):
    loss_curve({"epoch": [1], "loss": [2.0]}, ax=ax)
    ax.figure.canvas.draw()
    assert [tick for tick in ax.get_xticks() if 0.5 <= tick <= 1.5] == [1.0]


def test_without_axes_each_call_makes_a_figure_of_its_own():
    first, second = loss_curve(HISTORY), loss_curve(HISTORY)
    assert first.figure is not second.figure
    plt.close(first.figure)
    plt.close(second.figure)


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({"epoch": [1]}, "no 'loss'"),
        ({"epoch": [], "loss": []}, "holds no epoch"),
        ({"epoch": [1, 2], "loss": [1.0]}, "one number for each epoch"),
        ({"epoch": [[1]], "loss": [[1.0]]}, "one number for each epoch"),
        ({"epoch": [1], "loss": [np.nan]}, "loss holds NaN"),
        ({"epoch": [1], "loss": [1.0], "validation_epoch": [1]}, "no 'validation_ndcg'"),
    ],
)
def test_a_history_that_does_not_fit_is_refused_by_name(ax, history, message):
    with pytest.raises(ValueError) as caught:
        loss_curve(history, ax=ax)
    assert message in str(caught.value)
    assert not ax.lines
