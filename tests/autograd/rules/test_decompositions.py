"""What decompositions give at equal eigenvalues, at singular values of 0 and at matrices without full rank."""

import numpy as np
import pytest
from numpy.linalg import LinAlgError

from acg_numpy import NoDerivativeError, grad, hessian, tensor
from acg_numpy.checks import gradcheck
from tests.autograd.cases.making import real

EYE = np.eye(3)
RNG = np.random.default_rng(0)
TURNED = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
TWICE = TURNED @ np.diag([2.0, 2.0, 5.0]) @ TURNED.T  # an eigenvalue twice, and no exact numbers


@pytest.mark.parametrize("a", [EYE, TWICE, np.zeros((3, 3))], ids=["identity", "rotated", "zero"])
def test_equal_eigenvalues_have_a_gradient_as_far_as_they_are_exchangeable(a):
    assert np.allclose(grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(a), _folded(2.0 * a), atol=1e-13)
    assert np.allclose(grad(lambda a: np.sum(np.linalg.eigh(a)[0]))(a), np.eye(3), atol=1e-13)


def _folded(gradient):
    """The gradient by a symmetric matrix of which the lower triangle alone is read."""
    return np.tril(gradient) + np.tril(gradient.T, -1)


@pytest.mark.parametrize("a", [EYE, TWICE], ids=["identity", "rotated"])
def test_vectors_of_equal_eigenvalues_raise_and_never_give_a_number(a):
    weights = RNG.normal(size=(3, 3))
    with pytest.raises(LinAlgError, match="equal eigenvalues"):
        grad(lambda a: np.sum(np.linalg.eigh(a)[1] * weights))(a)
    with pytest.raises(LinAlgError, match="equal eigenvalues"):
        hessian(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(a)
    with pytest.raises(LinAlgError, match="equal singular values"):
        grad(lambda a: np.sum(np.linalg.svd(a)[0] * weights))(a)


def test_the_vector_of_a_single_eigenvalue_has_its_derivative_beside_equal_ones():
    def projection(a):
        vector = np.linalg.eigh(a)[1][:, 2]
        return np.outer(vector, vector)

    gradcheck(projection, TWICE, names=["a"])


def test_a_stack_with_one_degenerate_matrix_has_the_eigenvalue_gradients_of_all():
    stack = np.stack([EYE, np.diag([1.0, 2.0, 4.0])])
    assert np.allclose(grad(lambda a: np.sum(np.linalg.eigvalsh(a)))(stack), np.stack([EYE, EYE]))


def test_one_triangle_is_read_and_it_has_the_gradient():
    a = np.array([[4.0, 99.0], [1.0, 3.0]])
    for function in (np.linalg.cholesky, np.linalg.eigvalsh, lambda a: np.abs(np.linalg.eigh(a)[1])):
        assert grad(lambda a, f=function: np.sum(f(a)))(a)[0, 1] == 0.0
        gradcheck(function, a, names=["a"])


RANK_ONE = np.outer([1.0, 2.0, 2.0], [3.0, 4.0])


def test_a_singular_value_of_zero_has_slope_zero():
    """The nuclear norm of u v' has at most the subgradient u v' / (|u| |v|): the smallest of its subgradients."""
    gradient = grad(lambda a: np.linalg.norm(a, "nuc"))(RANK_ONE)
    assert np.allclose(gradient, np.outer([1.0, 2.0, 2.0], [3.0, 4.0]) / 15.0)
    assert not np.any(grad(lambda a: np.sum(np.linalg.svdvals(a)))(np.zeros((2, 2))))
    assert np.allclose(grad(lambda a: np.linalg.norm(a, 2))(RANK_ONE), gradient)
    assert not np.any(grad(lambda a: np.linalg.norm(a, -2))(RANK_ONE))


def test_vectors_of_a_singular_value_of_zero_raise():
    with pytest.raises(LinAlgError, match="singular values that are 0"):
        grad(lambda a: np.sum(np.linalg.svd(a, full_matrices=False)[0]))(RANK_ONE)


SOLVED = {
    "qr": lambda a: np.linalg.qr(a)[0],
    "r alone": lambda a: np.linalg.qr(a, mode="r"),
    "pinv": np.linalg.pinv,
    "lstsq in a": lambda a: np.linalg.lstsq(a, np.ones(len(a)))[0],
    "lstsq in b": lambda a: np.linalg.lstsq(RANK_ONE, a[:, 0])[0],
}


@pytest.mark.parametrize("name", SOLVED)
def test_a_matrix_without_full_rank_raises(name):
    with pytest.raises(LinAlgError, match=r"full rank|depend on each other"):
        grad(lambda a: np.sum(SOLVED[name](a)))(RANK_ONE)


def test_a_matrix_that_is_not_positive_definite_raises_as_in_numpy():
    with pytest.raises(LinAlgError, match="positive definite"):
        np.linalg.cholesky(tensor(-EYE, requires_grad=True))


REFUSED = {
    "all vectors": lambda a: np.linalg.svd(a),
    "svd of a symmetric matrix": lambda a: np.linalg.svd(a, hermitian=True),
    "raw qr": lambda a: np.linalg.qr(a, mode="raw"),
    "complete qr": lambda a: np.linalg.qr(a, mode="complete"),
    "pinv of a symmetric matrix": lambda a: np.linalg.pinv(a, hermitian=True),
    "complex eigenvalues": lambda a: np.linalg.eig(a[:2]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_derivative_is_refused_forward(name):
    with pytest.raises(NoDerivativeError, match=r"np\.linalg\.\w+"):
        REFUSED[name](tensor(real(3, 2), requires_grad=True))


def test_results_have_numpys_types_and_whole_numbers_are_left_alone():
    a = tensor(real(4, 2), requires_grad=True)
    assert type(np.linalg.svd(a, full_matrices=False)).__name__ == "SVDResult"
    assert type(np.linalg.qr(a)).__name__ == "QRResult"
    assert type(np.linalg.eigh(a.T @ a)).__name__ == "EighResult"
    x, residuals, rank, s = np.linalg.lstsq(a, real(4))
    assert (x.shape, residuals.shape, rank, s.shape) == ((2,), (1,), 2, (2,))
