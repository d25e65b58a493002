"""Module: names, modes, state, and calling it with other values."""

import json

import numpy as np
import pytest

from acg_numpy import Module, MultiHeadCrossAttention, Parameter, Tensor, functional_call, grad
from acg_numpy.layers import LayerNorm, Linear


class Model(Module):
    def __init__(self):
        super().__init__()
        self.first = Linear(3, 2, rng=np.random.default_rng(0))
        self.scale = Parameter(np.ones(2, np.float32))
        self.second = self.first
        self.norm = LayerNorm(2)

    def __call__(self, x):
        return self.norm(self.scale * self.second(x))


@pytest.fixture
def model():
    return Model()


def test_names_are_attributes_joined_by_dots_and_a_shared_parameter_comes_once(model):
    assert [name for name, _ in model.named_parameters()] == [
        "scale",
        "first.weight",
        "first.bias",
        "norm.weight",
        "norm.bias",
    ]
    assert len(model.parameters()) == 5
    assert model.num_parameters() == 2 + 6 + 2 + 2 + 2


@pytest.mark.parametrize(
    "part",
    [[Linear(2, 2)], (Linear(2, 2),), {"a": Linear(2, 2)}, [Parameter(np.ones(2))], [{"w": Parameter(np.ones(2))}]],
    ids=["list", "tuple", "dict", "parameter", "nested"],
)
def test_parameters_that_no_attribute_leads_to_are_refused(model, part):
    model.norm.parts = part
    with pytest.raises(TypeError, match=r"LayerNorm\.parts is a (list|tuple|dict) that holds a (Linear|Parameter)"):
        model.parameters()
    model.norm.parts = [model.scale, model.first]  # these have names
    assert len(model.parameters()) == 5


def test_a_module_is_in_training_mode_until_told_otherwise(model):
    assert model.training
    assert model.eval() is model
    assert not model.norm.training
    assert model.train().first.training


def test_zero_grad_clears_all(model):
    np.sum(model(np.ones((4, 3), np.float32)) ** 2).backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_the_repr_shows_the_parts(model):
    assert "scale: Parameter(2,) float32" in repr(model)
    assert "    weight: Parameter(3, 2) float32" in repr(model)


def test_a_module_that_computes_nothing_says_so():
    with pytest.raises(TypeError, match="__call__"):
        Module()(1)


class TestState:
    def test_it_is_a_copy_both_ways(self, model):
        state = model.state_dict()
        state["scale"][0] = 9
        assert model.scale.data[0] == 1
        model.load_state_dict(state)
        state["scale"][0] = 5
        assert model.scale.data[0] == 9

    def test_parameters_keep_their_arrays_and_their_dtype(self, model):
        array = model.scale.data
        model.load_state_dict({k: v.astype(np.float64) for k, v in model.state_dict().items()})
        assert model.scale.data is array
        assert array.dtype == np.float32

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            (lambda s: s.pop("scale"), KeyError, "misses scale"),
            (lambda s: s.update(extra=np.ones(1)), KeyError, "unknown extra"),
            (lambda s: s.update({"norm.bias": np.ones(3)}), ValueError, r"'norm.bias'.*\(3,\).*\(2,\)"),
            (lambda s: s.update({"norm.bias": np.ones(2, int)}), TypeError, "int64"),
        ],
        ids=["missing", "unknown", "shape", "dtype"],
    )
    def test_all_or_nothing(self, model, change, error, message):
        state = {k: v + 1 for k, v in model.state_dict().items()}
        change(state)
        before = model.state_dict()
        with pytest.raises(error, match=message):
            model.load_state_dict(state)
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, before[name])


class Drops(Module):
    def __init__(self, seed):
        super().__init__()
        self.inner = MultiHeadCrossAttention(4, 2, 0.5, seed=seed)
        self.rng = np.random.default_rng(seed)

    def __call__(self):
        rows = np.ones((6, 4), np.float32)
        return self.rng.random(), self.inner(rows, rows + self.rng.random((6, 4))).numpy()


class TestRandomState:
    def test_from_the_same_state_comes_the_same_dropout(self):
        drops, other = Drops(0), Drops(1)
        drops()
        state = drops.random_state()
        assert set(state) == {"rng", "inner._dropout_rng"}
        number, rows = drops()
        assert np.any(drops()[1] != rows)
        other.load_state_dict(drops.state_dict())
        for module in (drops, other):
            module.load_random_state(state)
            again, same = module()
            assert again == number
            np.testing.assert_array_equal(same, rows)

    def test_it_is_a_copy_and_survives_json(self):
        drops = Drops(0)
        state = drops.random_state()
        text = json.dumps(state)
        drops()
        assert json.dumps(state) == text
        assert json.dumps(drops.random_state()) != text
        drops.load_random_state(json.loads(text))
        assert json.dumps(drops.random_state()) == text

    def test_nothing_random_has_no_state(self, model):
        assert model.random_state() == {}
        model.load_random_state({})

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            (lambda s: s.pop("rng"), KeyError, r"inner\._dropout_rng, but the module's are rng and inner"),
            (lambda s: s.update(more=s["rng"]), KeyError, "more"),
            (
                lambda s: s.update({"inner._dropout_rng": np.random.Philox(0).state}),
                ValueError,
                "'inner._dropout_rng'.*not of a PCG64: 'Philox'",
            ),
        ],
        ids=["missing", "unknown", "kind"],
    )
    def test_all_or_nothing(self, change, error, message):
        drops = Drops(0)
        before, state = drops.random_state(), Drops(1).random_state()
        change(state)
        with pytest.raises(error, match=message):
            drops.load_random_state(state)
        assert drops.random_state() == before


class TestFunctionalCall:
    def test_values_stand_in_for_parameters_and_the_module_is_as_before(self, model):
        x = np.ones((4, 3), np.float32)
        before = model(x).data
        out = functional_call(model, {"norm.bias": np.array([1, 2], np.float32)}, x)
        np.testing.assert_allclose(out.data, before + np.array([1, 2]), rtol=1e-6)
        np.testing.assert_array_equal(model(x).data, before)
        assert isinstance(out, Tensor)

    def test_a_shared_part_is_replaced_under_each_name(self, model):
        x = np.eye(3, dtype=np.float32)
        zero = functional_call(model, {"second.weight": np.zeros((3, 2), np.float32)}, x)
        np.testing.assert_array_equal(zero.data, 0)

    def test_gradients_come_by_name(self, model):
        g = grad(lambda p: np.sum(functional_call(model, p, np.eye(3, dtype=np.float32)) ** 2))(
            {"norm.bias": np.zeros(2, np.float32)}
        )
        assert g["norm.bias"].shape == (2,)
        assert model.norm.bias.grad is None

    def test_unknown_names_and_wrong_shapes_are_refused(self, model):
        with pytest.raises(KeyError, match=r"norm\.gain"):
            functional_call(model, {"norm.gain": np.ones(2)}, np.ones((1, 3)))
        with pytest.raises(ValueError, match=r"shape \(3,\)"):
            functional_call(model, {"norm.bias": np.ones(3)}, np.ones((1, 3)))
