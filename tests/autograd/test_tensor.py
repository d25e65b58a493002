"""What a Tensor is: how it is made, read, copied, and what it refuses."""

import copy
import gc
import math
import pickle
import threading
import weakref

import numpy as np
import pytest

from acg_numpy import AttentionConditioner, NoDerivativeError, Parameter, Tensor, hessian, jvp, no_grad, tensor


@pytest.fixture
def leaf():
    return tensor([1.0, 2.0, 3.0], requires_grad=True)


class TestMaking:
    def test_data_is_copied(self):
        array = np.ones(2)
        t = tensor(array)
        array[0] = 5.0
        assert t.data[0] == 1.0

    @pytest.mark.parametrize("data", [[1, 2], np.array([True]), np.array([1j])])
    def test_only_floating_numbers_can_require_a_gradient(self, data):
        with pytest.raises(TypeError, match="floating"):
            tensor(data, requires_grad=True)

    def test_a_tensor_is_not_made_of_a_tensor(self, leaf):
        with pytest.raises(TypeError, match="detach"):
            tensor(leaf)

    def test_requires_grad_may_be_switched_on_for_a_leaf_only(self, leaf):
        t = tensor([1.0])
        t.requires_grad = True
        (t * 2).backward()
        assert t.grad == 2.0
        with pytest.raises(TypeError, match="detach"):
            (leaf * 2).requires_grad = False


class TestReading:
    def test_attributes_are_those_of_the_array(self):
        t, a = tensor(np.zeros((2, 3), np.float32)), np.zeros((2, 3), np.float32)
        for name in ("shape", "ndim", "size", "dtype", "itemsize", "nbytes"):
            assert getattr(t, name) == getattr(a, name)
        assert len(t) == 2
        assert t.T.shape == (3, 2)
        assert t.mT.shape == (3, 2)

    def test_it_prints_as_its_values(self, leaf):
        assert repr(leaf) == "tensor([1., 2., 3.], requires_grad=True)"
        assert str(leaf) == "[1. 2. 3.]"
        assert f"{np.sum(leaf):.2f}" == "6.00"
        assert "float32" in repr(tensor(np.float32(1)))

    def test_iteration_gives_recorded_rows(self, leaf):
        sum(x * i for i, x in enumerate(leaf)).backward()
        np.testing.assert_array_equal(leaf.grad, [0, 1, 2])
        with pytest.raises(TypeError, match="0-d"):
            iter(leaf[0])

    def test_truth_and_membership_are_numpys(self, leaf):
        assert leaf[0]
        assert 2.0 in leaf
        with pytest.raises(ValueError, match="ambiguous"):
            bool(leaf)

    def test_comparisons_are_plain_arrays(self, leaf):
        for answer in (leaf == 2, leaf > 1, leaf > 1, leaf != leaf, leaf <= leaf, leaf >= 3):
            assert type(answer) is np.ndarray
            assert answer.dtype == bool

    def test_tensors_hash_by_identity(self, leaf):
        other = tensor([1.0, 2.0, 3.0], requires_grad=True)
        assert {leaf: "a", other: "b"}[leaf] == "a"


class TestWaysOut:
    def test_they_give_plain_values(self, leaf):
        assert leaf[1].item() == 2.0
        assert leaf.tolist() == [1.0, 2.0, 3.0]
        assert type((leaf * 2).numpy()) is np.ndarray
        assert not leaf.detach().requires_grad

    def test_numpy_is_a_copy_that_nothing_changes(self, leaf):
        kept = leaf.numpy()
        leaf.data[0] = 9.0
        assert kept[0] == 1.0

    @pytest.mark.parametrize(
        "leave",
        [np.asarray, lambda t: float(t[0]), lambda t: int(t[0]), lambda t: math.sqrt(t[0]), lambda t: np.array([t, t])],
        ids=["asarray", "float", "int", "math", "array of two"],
    )
    def test_a_gradient_is_never_lost_in_silence(self, leave, leaf):
        with pytest.raises(TypeError, match=r"\.numpy\(\)"):
            leave(leaf)

    def test_assignment_into_an_array_does_not_lose_it_either(self, leaf):
        array = np.zeros(3)
        with pytest.raises(TypeError, match=r"\.numpy\(\)"):
            array[:] = leaf
        with pytest.raises((TypeError, ValueError)) as caught:
            array[0] = leaf[0]
        assert ".numpy()" in str(caught.value.__cause__ or caught.value)

    def test_a_tensor_that_requires_none_is_an_array_to_everyone(self, leaf, tmp_path):
        with no_grad():
            t = leaf * 2
        np.save(tmp_path / "t.npy", t)
        np.testing.assert_array_equal(np.load(tmp_path / "t.npy"), [2, 4, 6])
        np.testing.assert_array_equal(np.asarray(t), [2, 4, 6])
        assert float(t[0]) == 2.0
        assert math.sqrt(t[1]) == 2.0
        array = np.zeros(3)
        array[0] = t[0]
        assert array[0] == 2.0
        assert list(np.arange(5)[tensor([1, 3])]) == [1, 3]
        assert list(range(tensor(3))) == [0, 1, 2]


class TestWriting:
    def test_no_tensor_is_written_in_place(self, leaf):
        with pytest.raises(TypeError, match=r"np\.where"):
            leaf[0] = 1.0
        array = np.zeros(3)
        with pytest.raises(TypeError, match="out="):
            array += leaf
        with pytest.raises(TypeError, match="out="):
            np.exp(leaf, out=array)

    def test_augmented_assignment_rebinds(self, leaf):
        t = leaf
        t += 1
        t *= 2
        assert t is not leaf
        np.testing.assert_array_equal(leaf.data, [1, 2, 3])
        np.sum(t).backward()
        np.testing.assert_array_equal(leaf.grad, [2, 2, 2])

    def test_data_of_a_leaf_is_its_array(self):
        p = Parameter([1.0, 2.0])
        p.data -= 0.5
        p.data[0] = 7.0
        np.testing.assert_array_equal(p.data, [7.0, 1.5])
        with pytest.raises(ValueError, match="shape"):
            p.data = np.zeros(3)

    def test_data_of_a_recorded_tensor_is_read_only(self, leaf):
        with pytest.raises(ValueError, match="read-only"):
            (leaf * 2).data[0] = 1.0
        with pytest.raises(TypeError, match="recorded"):
            (leaf * 2).data = np.zeros(3)

    def test_gradients_are_nobody_elses(self, leaf):
        other = tensor(np.zeros(3), requires_grad=True)
        g = np.ones(3)
        (leaf + other).backward(g)
        leaf.grad *= 5
        np.testing.assert_array_equal(other.grad, [1, 1, 1])
        np.testing.assert_array_equal(g, [1, 1, 1])
        leaf.grad = None
        np.sum(leaf).backward()
        leaf.grad += 1  # not a read-only broadcast


class TestCopies:
    @pytest.mark.parametrize(
        "duplicate",
        [copy.deepcopy, copy.copy, lambda t: pickle.loads(pickle.dumps(t))],
        ids=["deepcopy", "copy", "pickle"],
    )
    def test_a_leaf_is_copied_whole(self, duplicate, leaf):
        np.sum(leaf * 2).backward()
        twin = duplicate(leaf)
        assert type(twin) is Tensor
        assert twin.requires_grad
        np.testing.assert_array_equal(twin.grad, leaf.grad)
        twin.data[0] = 9
        assert leaf.data[0] == 1

    @pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, pickle.dumps])
    def test_a_recorded_tensor_refuses(self, duplicate, leaf):
        with pytest.raises(TypeError, match="detach"):
            duplicate(leaf * 2)

    def test_a_parameter_stays_one(self):
        assert type(copy.deepcopy(Parameter([1.0]))) is Parameter


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


class TestBackward:
    def test_gradients_add_up_until_they_are_cleared(self, leaf):
        y = np.sum(leaf**2)
        y.backward()
        y.backward()
        np.testing.assert_array_equal(leaf.grad, 2 * 2 * leaf.data)

    def test_only_leaves_keep_a_gradient(self, leaf):
        middle = leaf * 2
        np.sum(middle).backward()
        assert middle.grad is None

    def test_a_gradient_is_asked_for_where_the_result_is_not_one_number(self, leaf):
        with pytest.raises(ValueError, match=r"shape \(3,\)"):
            (leaf * 2).backward()
        with pytest.raises(ValueError, match=r"shape \(2,\)"):
            (leaf * 2).backward(np.ones(2))
        with pytest.raises(ValueError, match="requires no gradient"):
            tensor(1.0).backward()

    def test_a_gradient_given_as_a_tensor_leaves_no_tensor_behind(self, leaf):
        (leaf * 2).backward(tensor(np.ones(3), requires_grad=True))
        assert type(leaf.grad) is np.ndarray

    def test_a_leaf_gets_its_own_gradient(self):
        t = tensor(3.0, requires_grad=True)
        t.backward()
        assert t.grad == 1.0

    def test_create_graph_gives_a_gradient_to_differentiate(self, leaf):
        np.sum(leaf**3).backward(create_graph=True)
        first = leaf.grad
        assert isinstance(first, Tensor)
        leaf.grad = None
        np.sum(first).backward()
        np.testing.assert_allclose(leaf.grad, 6 * leaf.data)

    def test_a_value_used_in_many_places_collects_from_all(self, leaf):
        np.sum(leaf * leaf + leaf * 3 - leaf / 2).backward()
        np.testing.assert_allclose(leaf.grad, 2 * leaf.data + 2.5)

    def test_a_chain_of_100_000_operations_overflows_nothing(self):
        t = tensor(1.0, requires_grad=True)
        y = t
        for _ in range(100_000):
            y = y + 1.0
        y.backward()
        assert t.grad == 1.0
        del y

    def test_memory_is_given_back_without_the_collector(self):
        conditioner = AttentionConditioner(4, 2, 3, dropout=0.1, layer_norm=True, seed=0)
        users = tensor(np.ones((5, 4)), requires_grad=True)

        def work():
            condition, attention = conditioner(users[:, None], np.arange(3), return_attention=True)
            (np.sum(condition) + np.sum(attention**2)).backward()
            hessian(lambda x: np.sum(x**3))(np.ones(2))
            jvp(np.sin, (np.ones(2),), (np.ones(2),))
            conditioner.zero_grad()
            return weakref.ref(condition)

        work()
        gc.collect()
        gc.disable()
        try:
            assert work()() is None
            assert gc.collect() == 0
        finally:
            gc.enable()


class TestWhatHasNoDerivative:
    def test_an_unknown_function_says_so_and_what_to_do(self, leaf):
        with pytest.raises(NoDerivativeError, match=r"np\.fft\.fft.*nearest.*register_rule.*\.numpy\(\)"):
            np.fft.fft(leaf)

    def test_an_option_without_derivative_is_named(self, leaf):
        with pytest.raises(NoDerivativeError, match="where"):
            np.sum(leaf, where=np.array([True, False, True]))
        with pytest.raises(NoDerivativeError, match="where"):
            np.exp(leaf, where=np.array([True, False, True]))

    def test_the_options_that_have_one_are_named(self, leaf):
        with pytest.raises(NoDerivativeError, match=r"options that have one: none"):
            np.add(leaf, 1, dtype=np.float32)
        with pytest.raises(NoDerivativeError, match=r"options that have one: axis, dtype, keepdims"):
            np.sum(leaf, initial=1.0)

    def test_an_option_at_its_default_is_no_option(self, leaf):
        assert np.sum(leaf, None, None, None, False).item() == 6.0

    def test_writing_methods_of_ufuncs_refuse(self, leaf):
        with pytest.raises(NoDerivativeError, match="scatter_add"):
            np.add.at(leaf, [0], 1.0)
        constant = leaf.detach()
        with pytest.raises(NoDerivativeError, match="scatter_add"):
            np.add.at(constant, [0], 1.0)
        np.testing.assert_array_equal(constant.data, leaf.data)
        with pytest.raises(NoDerivativeError, match="reduceat"):
            np.add.reduceat(leaf, [0, 1])

    def test_a_tensor_as_an_option_refuses(self, leaf):
        with pytest.raises(NoDerivativeError, match="constant_values"):
            np.pad(leaf, 1, constant_values=leaf[0])

    def test_questions_are_answered_in_plain_arrays(self, leaf):
        for answer in (
            np.argmax(leaf),
            np.sign(leaf),
            np.floor(leaf),
            leaf.round(),
            np.zeros_like(leaf),
            leaf // 2,
            np.isfinite(leaf),
        ):
            assert not isinstance(answer, Tensor)
        assert np.shape(leaf) == (3,)
        assert np.argsort(leaf).tolist() == [0, 1, 2]
        assert [found.tolist() for found in np.where(tensor([0.0, 1.0, 2.0]))] == [[1, 2]]
        assert type(leaf.astype(int)) is np.ndarray
