"""What a Tensor is: how it is made, read, copied, and what it refuses."""

import copy
import math
import pickle

import numpy as np
import pytest

from acg_numpy import Parameter, Tensor, no_grad, tensor


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


def test_a_tensor_converts_to_an_array_of_the_dtype_asked_for():
    assert tensor([1.0, 2.0]).__array__(np.float32).dtype == np.float32
    assert np.array_equal(tensor([1.0, 2.0]).__array__(np.float32), [1.0, 2.0])


def from_dlpack(library):
    return lambda t: pytest.importorskip(library).from_dlpack(t)


EXCHANGES = {  # ways of other libraries to an array, and whether it shares the memory
    "np.from_dlpack": (from_dlpack("numpy"), True),
    "torch.from_dlpack": (from_dlpack("torch"), True),
    "torch.as_tensor": (lambda t: pytest.importorskip("torch").as_tensor(t), True),
    "torch.asarray": (lambda t: pytest.importorskip("torch").asarray(t), True),
    "torch.tensor": (lambda t: pytest.importorskip("torch").tensor(t), False),
    "jax.numpy.from_dlpack": (from_dlpack("jax.numpy"), False),
    "jax.numpy.asarray": (lambda t: pytest.importorskip("jax.numpy").asarray(t), False),
}


class TestExchange:
    @pytest.mark.parametrize("shape", [(2, 3), (4,), ()])
    @pytest.mark.parametrize("name", EXCHANGES)
    def test_other_libraries_take_a_tensor_that_requires_no_gradient(self, name, shape):
        exchange, shares = EXCHANGES[name]
        t = tensor(np.full(shape, 2.0, np.float32))
        found = exchange(t)
        assert np.array_equal(np.asarray(found), t.data)
        if shares:
            t.data[...] = 5.0
            assert np.all(np.asarray(found) == 5.0)

    @pytest.mark.parametrize("name", EXCHANGES)
    def test_they_take_none_that_requires_one(self, name, leaf):
        exchange, _ = EXCHANGES[name]
        for t in (leaf, leaf * 2):
            with pytest.raises(TypeError, match="would lose the gradient of a Tensor that requires one"):
                exchange(t)

    def test_it_is_on_the_device_of_its_array(self, leaf):
        assert leaf.__dlpack_device__() == leaf.data.__dlpack_device__()

    def test_the_length_of_a_number_is_refused_with_what_to_do(self):
        with pytest.raises(TypeError, match=r"len\(\) of a Tensor without axes; .*torch\.from_dlpack\(t\)"):
            len(tensor(1.0))
