"""What a diagnosis says of a wrong formula for a softmax, its logarithm or a layer norm: which term is off."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.explain.formulas import elementwise_formulas, wrong_slopes
from tests.checks.explain.cases import X as POINT
from tests.checks.explain.cases import right_case, search_of, submitting

X = 2 * np.random.default_rng(0).normal(size=(3, 5))


def sums(values, axis=1):
    return np.sum(values, axis=axis, keepdims=True)


def means(values, axis=1):
    return np.mean(values, axis=axis, keepdims=True)


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    return p, p


def log_softmax(x):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    y = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    return y, y


def layer_norm(x):
    c = x - np.mean(x, axis=1, keepdims=True)
    r = 1 / np.sqrt(np.mean(c * c, axis=1, keepdims=True) + 1e-5)
    return c * r, (c * r, r)


HELD = "the sum over the row is left out, as if the denominator did not depend on the scores"


APART = "what comes back from there is left out, as if it did not depend on the input"


ALL_ROWS = "summed over all rows together, and not over each"


OTHER_AXIS = "summed over axis 0 where the softmax is along axis 1"


DIAGONAL = "only the diagonal of the Jacobian of the softmax is used"


OF_SOFTMAX = {
    "the diagonal": (lambda g, p: g * p * (1 - p), "diagonal-softmax", DIAGONAL),
    "no sum": (lambda g, p: g * p, "held-constant", HELD),
    "a sum added": (lambda g, p: p * (g + sums(p * g)), "wrong-sign", "the sum over the row has the wrong sign"),
    "a mean": (lambda g, p: p * (g - means(p * g)), "mean-for-sum", "an average over the row where a sum belongs"),
    "a sum of g": (
        lambda g, p: p * (g - sums(g)),
        "stale-value",
        "the sum over the row is of g, and not of g times the weights",
    ),
    "a mean of g": (
        lambda g, p: p * (g - means(g)),
        "stale-value",
        "the average over the row is taken without weights",
    ),
    "no weights": (
        lambda g, p: p * g - sums(p * g),
        "stale-value",
        "the row's sum is taken off without the factor P",
    ),
    "columns": (lambda g, p: p * (g - sums(p * g, 0)), "wrong-axis", OTHER_AXIS),
    "everything": (lambda g, p: p * (g - np.sum(p * g)), "wrong-axis", ALL_ROWS),
}


OF_LOG_SOFTMAX = {
    "the diagonal": (lambda g, y: g * (1 - np.exp(y)), "diagonal-softmax", DIAGONAL),
    "no sum": (lambda g, y: g, "held-constant", HELD),
    "a sum added": (lambda g, y: g + np.exp(y) * sums(g), "wrong-sign", "the sum over the row has the wrong sign"),
    "a mean": (
        lambda g, y: g - np.exp(y) * means(g),
        "mean-for-sum",
        "an average over the row where a sum belongs",
    ),
    "columns": (lambda g, y: g - np.exp(y) * sums(g, 0), "wrong-axis", OTHER_AXIS),
    "everything": (lambda g, y: g - np.exp(y) * np.sum(g), "wrong-axis", ALL_ROWS),
    "logarithms for weights": (lambda g, y: g - y * sums(g), "stale-value", "used for the weights"),
}


OF_LAYER_NORM = {
    "no term of the spread": (lambda g, c: c[1] * (g - means(g)), "held-constant", APART),
    "no term of the mean": (lambda g, c: c[1] * (g - c[0] * means(c[0] * g)), "held-constant", APART),
    "neither": (lambda g, c: c[1] * g, "held-constant", ""),  # two edges explain it, and either's words will do
    "columns": (
        lambda g, c: c[1] * (g - means(g, 0) - c[0] * means(c[0] * g, 0)),
        "wrong-axis",
        "reduced over (0,) where it is over (1,)",
    ),
    "centred but not divided": (
        lambda g, c: c[1] * (g - means(g) - c[0] / c[1] * means(c[0] * g)),
        "stale-value",
        "used for the normalised one",
    ),
}


FORMULAS = [
    pytest.param(forward, *formula, id=f"{forward.__name__}: {name}")
    for forward, formulas in ((softmax, OF_SOFTMAX), (log_softmax, OF_LOG_SOFTMAX), (layer_norm, OF_LAYER_NORM))
    for name, formula in formulas.items()
]


@pytest.mark.parametrize(("forward", "backward", "mistake", "sentence"), FORMULAS)
def test_a_wrong_formula_is_reported_by_the_term_that_is_off(forward, backward, mistake, sentence):
    best = check_backward(forward, backward, X, raise_on_failure=False).diagnoses[0]
    assert best.mistake == mistake
    assert sentence in best.evidence.split(". With this one change")[0]
    assert best.confidence > 0.8


@pytest.mark.parametrize("axis", [0, 1])
def test_a_target_that_ids_point_at_is_missed_along_either_axis(axis):
    x, ids = (X, np.array([4, 0, 2])) if axis else (X.T, np.array([4, 0, 2]))

    def forward(x, ids):
        rows = x if axis else x.T
        shifted = rows - np.max(rows, axis=-1, keepdims=True)
        y = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
        return -np.mean(y[np.arange(3), ids]), y

    def backward(g, y):
        grad = g * np.exp(y) / 3  # and not P - Y
        return (grad if axis else grad.T,)

    best = check_backward(forward, backward, x, ids, raise_on_failure=False).diagnoses[0]
    assert best.mistake == "target-not-subtracted"
    assert "times ids and by nothing else: ids is not subtracted" in best.evidence


# Slopes taken at another value.


def test_a_slope_at_another_value_is_named_with_that_values_line():
    def forward(x):
        u = np.tanh(x)
        return np.sin(u)

    case, u = right_case(forward, POINT), np.tanh(POINT)
    g = case.grad_outs[0]
    (line,) = {operation.line for operation in case.graph.operations if operation.name == "np.tanh"}

    def texts(gradient):
        return {e.text for e in elementwise_formulas(search_of(submitting(case, gradient)))}

    assert "the slope taken at the value of an input" in texts(g * np.cos(POINT) * (1 - u * u))
    assert f"the slope taken at the value of {line}" in texts(g * np.cos(u) * (1 - np.tanh(u) ** 2))
    assert "the result used where its slope belongs" in texts(g * np.sin(u) * (1 - u * u))


def test_a_result_equal_to_its_argument_is_not_distinguished_from_it():
    """0 and 1 are their own squares: there `y` in the place of `2 x` is `x` in the place of it."""
    own = np.array([0.0, 1.0, 1.0, 0.0])
    case = right_case(np.square, own)
    (end,) = case.graph.outputs
    slopes = list(wrong_slopes(search_of(case), case.graph.inputs[0], end, 2 * own))
    assert not any("the result" in text for text, _, _ in slopes)
