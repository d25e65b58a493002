"""SciPy's functions: loaded when they arrive, right with sparse matrices, refused with a recipe where SciPy asks for
an array."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import linalg, sparse, special, stats

from acg_numpy import NoDerivativeError, grad, no_grad, tensor
from acg_numpy.checks import gradcheck

DENSE = np.array([[0.0, 1.5, 0.0, -2.0], [0.7, 0.0, 0.0, 0.3], [0.0, -1.1, 2.2, 0.0]])
MATRIX = sparse.csr_array(DENSE)


def test_the_engine_loads_no_scipy_until_it_meets_one_of_its_functions():
    program = (
        "import sys, numpy as np; from acg_numpy import grad, tensor; import acg_numpy.autograd.rules;"
        "grad(lambda x: np.sum(np.sinc(x)))(np.ones(2)); assert 'scipy' not in sys.modules;"
        "import scipy.special; name = 'acg_numpy.autograd.rules.scipy_functions'; assert name not in sys.modules;"
        "print(grad(scipy.special.erf)(0.0) / 2 * np.sqrt(np.pi)); assert name in sys.modules"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert float(out) == pytest.approx(1.0)


PRODUCTS = {
    "rows": ((2, 3), lambda t, m: t @ m, lambda x: x @ DENSE),
    "a row": ((3,), lambda t, m: t @ m, lambda x: x @ DENSE),
    "a stack of rows": ((2, 2, 3), np.matmul, lambda x: x @ DENSE),
    "columns": ((4, 2), lambda t, m: np.matmul(m, t), lambda x: DENSE @ x),
    "a column": ((4,), lambda t, m: np.matmul(m, t), lambda x: DENSE @ x),
    "a stack of columns": ((2, 4, 3), lambda t, m: np.matmul(m, t), lambda x: DENSE @ x),
}


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_array, sparse.coo_array, sparse.csr_matrix])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_with_sparse_matrices_are_those_with_dense_ones(name, kind):
    shape, product, dense = PRODUCTS[name]
    x, matrix = np.random.default_rng(1).normal(size=shape), kind(MATRIX)
    t = tensor(x, requires_grad=True)
    assert np.allclose(product(t, matrix).data, dense(x))
    gradcheck(lambda t: product(t, matrix), x, second_order=True, names=["t"])
    expected = grad(lambda x: np.sum(dense(x) ** 2))(x.astype(np.float32))
    found = grad(lambda x: np.sum(product(x, matrix) ** 2))(x.astype(np.float32))
    assert found.dtype == np.float32
    assert np.allclose(found, expected)


def test_shapes_that_do_not_match_are_refused():
    for call in (lambda t: t @ MATRIX, lambda t: np.matmul(MATRIX, t)):
        with pytest.raises(ValueError, match="do not match"):
            call(tensor(np.ones((2, 5)), requires_grad=True))


REFUSED = {
    "logsumexp": (special.logsumexp, r"np\.logaddexp\.reduce"),
    "softmax": (special.softmax, r"np\.exp\(x - np\.logaddexp\.reduce"),
    "log_softmax": (special.log_softmax, r"x - np\.logaddexp\.reduce"),
    "sparse @ t": (lambda t: sparse.csr_array(DENSE) @ t, r"np\.matmul\(sparse, t\)"),
    "matrix * t": (lambda t: sparse.csr_matrix(DENSE) * t, r"np\.matmul\(sparse, t\)"),
    "sparse.dot": (lambda t: MATRIX.dot(t), r"np\.matmul\(sparse, t\)"),
    "a normal density": (stats.norm.logpdf, r"-0\.5 \* \(\(x - loc\) / scale\)"),
    "any other distribution": (lambda t: stats.gamma.pdf(t, 2.0), "its formula with functions of NumPy"),
}


def test_a_refused_function_of_scipy_is_named():
    t = tensor(np.ones((4, 4)), requires_grad=True)
    for function, name in ((stats.norm.pdf, r"scipy\.stats\.norm\.pdf"), (linalg.solve_toeplitz, "solve_toeplitz")):
        with pytest.raises(TypeError, match=rf"turning it into an array, as .*{name} does, would lose the gradient"):
            function(t, t)


@pytest.mark.parametrize("name", REFUSED)
def test_what_scipy_does_not_dispatch_is_refused_with_the_recipe(name):
    function, recipe = REFUSED[name]
    t = tensor(np.ones((4, 3)), requires_grad=True)
    with pytest.raises(TypeError, match=f"write .*{recipe}"):
        function(t)


@pytest.mark.parametrize("name", REFUSED)
def test_scipy_takes_a_tensor_where_no_gradient_is_wanted(name):
    function, values = REFUSED[name][0], np.ones((4, 3))
    with no_grad():
        result = function(tensor(values))
    expected = function(values)
    assert np.allclose(result, expected)


def test_products_of_elements_with_a_sparse_matrix_are_refused():
    """SciPy 1.13 asks for a method of arrays, `view`; later ones for the array, which is refused with the recipe."""
    t = tensor(np.ones((3, 4)), requires_grad=True)
    with pytest.raises((TypeError, AttributeError), match=r"t \* sparse\.toarray\(\)|view"):
        MATRIX.multiply(t)
    assert np.array_equal((t * MATRIX.toarray()).data, DENSE)


def test_the_recipes_are_right():
    x = np.random.default_rng(2).normal(size=(3, 4))
    t = tensor(x, requires_grad=True)
    log_sum = np.logaddexp.reduce(t, axis=1, keepdims=True)
    assert np.allclose(log_sum.data, special.logsumexp(x, axis=1, keepdims=True))
    assert np.allclose(np.exp(t - log_sum).data, special.softmax(x, axis=1))
    assert np.allclose((t - log_sum).data, special.log_softmax(x, axis=1))


def test_functions_and_arguments_without_a_rule_are_refused_by_their_name():
    t = tensor(1.5, requires_grad=True)
    with pytest.raises(NoDerivativeError, match=r"^scipy\.special\.sici has no derivative rule"):
        special.sici(t)
    with pytest.raises(NoDerivativeError, match=r"^scipy\.special\.jv: no derivative for argument 0"):
        special.jv(t, 2.0)


def test_a_gradient_of_zero_stays_zero_beside_an_infinite_slope():
    x = np.array([0.0, 0.5])
    for function in (special.entr, lambda x: special.xlogy(x, x), lambda x: special.rel_entr(x, 2.0)):
        first = grad(lambda x, f=function: np.sum(np.where(x > 0, f(x), 0.0)))(x)
        assert first[0] == 0.0
        assert np.isfinite(first[1])


def test_orders_of_zero_and_below_continue_the_exponential_integrals():
    gradcheck(lambda x: special.expn(np.array([0, 1, 2]), x), np.array([0.7, 1.1, 2.0]), second_order=True, names=["x"])
