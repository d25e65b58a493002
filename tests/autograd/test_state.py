"""Recording is switched off and on by blocks, for one thread and one task."""

import asyncio
import threading

import numpy as np
import pytest

from acg_numpy import from_passes, no_grad, tensor
from acg_numpy.autograd.state import State, recording, state


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


def generator_without_recording():
    with no_grad():
        yield


class TestBlocksOutOfOrder:
    def test_a_block_removes_itself_whatever_was_opened_after_it(self, leaf):
        first, second = generator_without_recording(), generator_without_recording()
        next(first)
        next(second)
        first.close()
        assert not (leaf * 2).requires_grad  # the second is still open
        second.close()
        assert (leaf * 2).requires_grad
        assert state() == State()

    def test_a_block_that_records_inside_ends_alone(self, leaf):
        outer = generator_without_recording()
        next(outer)
        with recording(True):
            outer.close()
            assert (leaf * 2).requires_grad
        assert (leaf * 2).requires_grad

    def test_one_object_may_be_entered_again_inside_itself(self, leaf):
        block = no_grad()
        with block:
            with block:
                assert not (leaf * 2).requires_grad
            assert not (leaf * 2).requires_grad
        assert (leaf * 2).requires_grad

    def test_one_object_may_be_entered_in_two_threads_at_once(self, leaf):
        block, inside, answers = no_grad(), threading.Event(), []

        def run():
            with block:
                inside.set()
                left.wait(10)
            answers.append((leaf * 2).requires_grad)

        left, thread = threading.Event(), threading.Thread(target=run)
        with block:
            thread.start()
            inside.wait(10)
        answers.append((leaf * 2).requires_grad)
        left.set()
        thread.join()
        assert answers == [True, True]

    def test_tasks_have_each_their_own(self, leaf):
        async def without(ready, go):
            with no_grad():
                ready.set()
                await go.wait()
                return (leaf * 2).requires_grad

        async def both():
            ready, go = asyncio.Event(), asyncio.Event()
            task = asyncio.create_task(without(ready, go))
            await ready.wait()
            here = (leaf * 2).requires_grad
            go.set()
            return here, await task

        assert asyncio.run(both()) == (True, False)

    def test_it_decorates_coroutines_and_refuses_generators(self, leaf):
        @no_grad
        async def predict():
            await asyncio.sleep(0)
            return leaf * 2

        assert not asyncio.run(predict()).requires_grad
        with pytest.raises(TypeError, match=r"generator_without_recording is a generator.*with no_grad\(\):"):
            no_grad(generator_without_recording)


class TestMessages:
    def test_a_result_from_a_block_says_that_recording_was_off(self, leaf):
        pair = from_passes(lambda x: (2.0 * x, None), lambda g, cache: 2.0 * g)
        with no_grad():
            outs = [np.sum(leaf * 2), pair(leaf)[0]]
            with pytest.raises(ValueError, match=r"made while recording was off.*which is in force here too"):
                outs[0].backward()
        for out in outs:
            with pytest.raises(ValueError, match=r"made while recording was off.*outside of no_grad$"):
                out.backward()

    def test_a_constant_says_that_recording_is_off_if_it_is(self):
        with no_grad(), pytest.raises(ValueError, match=r"requires no gradient.*no_grad, which is in force here"):
            tensor(1.0).backward()
