"""Recording is switched off and on by blocks, for one thread and one task."""

import threading

import pytest

from acg_numpy import no_grad, tensor
from acg_numpy.autograd.state import recording, state


@pytest.fixture
def leaf():
    return tensor([1.0, 2.0, 3.0], requires_grad=True)


def test_a_block_puts_everything_back_as_it_was():
    assert (state().enabled, state().transforms, state().expand) == (True, 0, False)
    with recording(False, transform=True, expand=True):
        assert (state().enabled, state().transforms, state().expand) == (False, 1, True)
        with recording(True):
            assert (state().enabled, state().transforms, state().expand) == (True, 1, False)
        with recording(True, transform=True):
            assert state().transforms == 2
        assert (state().enabled, state().transforms, state().expand) == (False, 1, True)
    assert (state().enabled, state().transforms, state().expand) == (True, 0, False)


class TestNoGrad:
    def test_nothing_is_recorded_inside(self, leaf):
        with no_grad():
            assert not (leaf * 2).requires_grad
        assert (leaf * 2).requires_grad

    def test_it_decorates_with_and_without_parentheses(self, leaf):
        assert not no_grad()(lambda t: t * 2)(leaf).requires_grad
        assert not no_grad(lambda t: t * 2)(leaf).requires_grad

    def test_an_error_inside_ends_it(self, leaf):
        with pytest.raises(ZeroDivisionError), no_grad():
            1 / 0  # noqa: B018
        assert (leaf * 2).requires_grad

    def test_another_thread_goes_on_recording(self, leaf):
        answers = []
        with no_grad():
            thread = threading.Thread(target=lambda: answers.append((leaf * 2).requires_grad))
            thread.start()
            thread.join()
        assert answers == [True]
