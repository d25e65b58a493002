"""Arrays of other libraries: a pass refuses them by name, a module takes their numbers or refuses them by name."""

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acg_numpy import AttentionConditioner, MultiHeadCrossAttention
from acg_numpy.kernels.planning import KERNELS
from tests.passes.numeric import is_floating
from tests.passes.pairs import PAIRS, Pair

D = 4


class OwnProduct(np.ndarray):
    """A subclass whose `*` is a product of its own."""

    def __mul__(self, other: Any) -> Any:
        return self @ other


class Lazy:
    """An array that a library computes when it is asked for, as Dask's; with no graph, as xarray's over NumPy."""

    def __init__(self, array: Any, graph: Any = True) -> None:
        self.array, self.graph = array, graph
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, array.dtype

    def __dask_graph__(self) -> Any:
        return self.graph

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        assert self.graph is None, "it is computed"
        return np.asarray(self.array, dtype)


class Series:
    """An array whose operators go by an index, as those of pandas."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, array.dtype

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.array, dtype)


def masked(array: Any) -> Any:
    mask = np.zeros(array.shape, bool)
    mask.flat[0] = True
    return np.ma.array(array, mask=mask)


FOREIGN = {
    "masked": masked,
    "nothing masked": np.ma.array,
    "own product": lambda array: array.view(OwnProduct),
    "lazy": Lazy,
    "series": Series,
}
LAZY_OR_MASKED = {"masked": masked, "lazy": Lazy}
every_foreign = pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)


@every_foreign
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_pass_refuses_it_by_name(pair: Pair, foreign: Any, data: st.DataObject) -> None:
    call = data.draw(pair.calls)
    names = list(inspect.signature(pair.forward).parameters)
    for place, argument in enumerate(call.args):
        if not isinstance(argument, np.ndarray) or not argument.size or not argument.ndim:
            continue
        if not is_floating(argument) and foreign not in LAZY_OR_MASKED.values():
            continue  # ids and masks of other types are read, not computed with
        args = [*call.args[:place], foreign(argument), *call.args[place + 1 :]]
        with pytest.raises(TypeError, match=f"^{names[place]} is a "):
            pair.forward(*args, **call.options)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_is_refused_whose_square_would_be_a_matrix_product() -> None:
    with pytest.raises(TypeError, match=r"prediction is a matrix; expected an array, as np\.asarray"):
        PAIRS["mse"].forward(np.matrix([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2)))


def test_a_memory_map_is_an_array(tmp_path: Any) -> None:
    array = np.memmap(tmp_path / "x", np.float64, "w+", shape=(2, 3))
    array[:] = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(PAIRS["softmax"].forward(array)[0], PAIRS["softmax"].forward(np.array(array))[0])


USERS, IDS, MASK = np.random.default_rng(0).normal(size=(3, D)), np.array([0, 1, 1]), np.ones((3, 8), bool)
MODULES = {
    **{
        f"conditioner, {kernel}": (
            AttentionConditioner(D, 2, 2, kernel=kernel, seed=0),
            {"user_emb": USERS, "domain_id": IDS, "mask": MASK},
        )
        for kernel in KERNELS
    },
    "attention": (
        MultiHeadCrossAttention(D, 2, seed=0),
        {"query": USERS, "context": USERS, "mask": np.ones((3, 3), bool)},
    ),
}
PLACES = [(module, name) for module, (_, arguments) in MODULES.items() for name in arguments]


@pytest.mark.parametrize("foreign", LAZY_OR_MASKED.values(), ids=LAZY_OR_MASKED)
@pytest.mark.parametrize(("module", "name"), PLACES)
def test_a_module_refuses_by_name_what_is_masked_or_not_computed(module: str, name: str, foreign: Any) -> None:
    function, arguments = MODULES[module]
    hint = r"\.filled\(0\.0\)" if foreign is masked else r"map_blocks on a function of one block, or acg_numpy\.scale"
    with pytest.raises(TypeError, match=f"^{name} is a .*{hint}"):
        function(**{**arguments, name: foreign(arguments[name])})


@pytest.mark.parametrize(
    "foreign", [np.ma.array, Series, lambda array: Lazy(array, None)], ids=["ma", "series", "lazy"]
)
@pytest.mark.parametrize(("module", "name"), PLACES)
def test_a_module_takes_the_numbers_of_others(module: str, name: str, foreign: Any) -> None:
    function, arguments = MODULES[module]
    found = function(**{**arguments, name: foreign(arguments[name])})
    np.testing.assert_array_equal(found.numpy(), function(**arguments).numpy())


class OnlyDLPack:
    """An array that says nothing of itself but where its memory is."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class Unreadable:
    """An array of a type that NumPy has no dtype for, as a bfloat16 tensor of PyTorch."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("unsupported scalar type")


ROWS = [(module, name) for module, name in PLACES if name in ("user_emb", "query", "context")]


@pytest.mark.parametrize(("module", "name"), ROWS)
def test_rows_come_by_dlpack_or_are_refused_by_name(module: str, name: str) -> None:
    function, arguments = MODULES[module]
    found = function(**{**arguments, name: OnlyDLPack(arguments[name])})
    np.testing.assert_array_equal(found.numpy(), function(**arguments).numpy())
    lists = np.empty(3, object)  # as Arrow's lists of a fixed size come to NumPy
    lists[:] = list(USERS)
    with pytest.raises(TypeError, match=rf"^{name} is a .*rows of lists np\.stack"):
        function(**{**arguments, name: Series(lists)})
    with pytest.raises(TypeError, match=f"^{name} is an Unreadable that NumPy can make no array of: unsupported"):
        function(**{**arguments, name: Unreadable()})


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_of_users_is_their_numbers() -> None:
    conditioner, _ = MODULES["conditioner, auto"]
    np.testing.assert_array_equal(conditioner(np.asmatrix(USERS), IDS).numpy(), conditioner(USERS, IDS).numpy())
