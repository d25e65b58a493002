"""A check that passes says which mistakes its inputs would have hidden, a sentence each, and otherwise nothing."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward, gradcheck
from acg_numpy.checks.report.diagnosis import BlindSpot, Diagnosis

RNG = np.random.default_rng(0)
ROW, TALL, WIDE, SQUARE = (RNG.normal(size=shape) for shape in [(3,), (3, 1), (1, 3), (3, 3)])
IDS = np.array([0, 2])
SCORES = RNG.normal(size=(3, 5))
NOTHING = np.zeros((3, 3))
BUFFERS = {}
LONGER = "let that axis have length 2 or more"
OF_ONE = (
    "has length 1 (one key, say): a softmax over it is 1 and a centred value 0 whatever the input, and a sum is a mean"
)
ONE_OF_A_LENGTH = "two axes of x have length 3: its transpose has the same shape, and "


def masked(x, mask):
    return np.where(mask, x, 0.0)


def product(x, w):
    return x * w


def nothing(x, y):
    return x - x + 0 * y


def picked(table, ids):
    return table[ids]


def picked_in_rows(table, ids):
    return table[np.arange(len(ids)), ids]


def picked_along_axis(table, ids):
    return np.take_along_axis(table, ids[:, None], axis=1)


def picked_in_columns(table, ids):
    return table[ids, np.arange(len(ids))]


def summed(x):
    return np.sum(x, axis=1)


def summed_by_a_tuple(x):
    return np.sum(x, axis=(1,), keepdims=True)


def turned(x):
    return np.flip(x, axis=1)


def shifted(x, b):
    return x + b


def scaled(x):
    return x / np.sqrt(x.shape[-1])


def doubled(x):
    return x * 2.0


def raised(x):
    return x + 1.0


def gated(x, m):
    return x + x * m


def with_nothing(x):
    return x + x @ NOTHING


def curved(x):
    return np.sin(x)


SPOTS = {
    "a mask that is all True": (
        (masked, ROW, np.ones(3, bool)),
        ("missing-mask", "mask is all True, so forgetting it would look right", "let some of mask be False"),
    ),
    "a mask that masks": ((masked, ROW, np.array([True, False, True])), None),
    "a factor of ones": (
        (product, ROW, np.ones(3)),
        (
            "missing-mask",
            "w is 1 throughout, so a product without it would look right",
            "use other numbers for w, zeros among them if it is a mask",
        ),
    ),
    "a factor of zeros": (
        (gated, ROW, np.zeros(3)),
        (
            "missing-path",
            "m is zero throughout in test_blind_spots.py:{gated}: x * m: nothing goes back to what it is multiplied "
            "with, so leaving that path out would look right",
            "use numbers for m that are not zero",
        ),
    ),
    "a constant matrix of zeros": (
        (with_nothing, WIDE),
        (
            "missing-path",
            "a factor is zero throughout in test_blind_spots.py:{with_nothing}: x @ NOTHING: nothing goes back to what "
            "it is multiplied with, so leaving that path out would look right",
            "use numbers for that factor that are not zero",
        ),
    ),
    "a factor of zeros and a one": ((gated, ROW, np.array([0.0, 1.0, 0.0])), None),
    "a factor of ones and one two": ((product, ROW, np.array([1.0, 1.0, 2.0])), None),
    "gradients of zero": (
        (nothing, ROW, ROW),
        (
            "constant-factor",
            "the gradient of x and y is zero, as is any multiple of it: no sign or factor can be seen",
            "if it is not zero by the mathematics, use inputs at which it is not",
        ),
    ),
    "ids without repeats": (
        (picked, TALL, IDS),
        (
            "overwritten-rows",
            "the ids in test_blind_spots.py:{picked}: return table[ids] hold no repeats: assigning instead of adding "
            "would look right",
            "use ids of which some repeat",
        ),
    ),
    "ids of which one repeats": ((picked, TALL, np.array([0, 2, 0])), None),
    "an entry of each row": ((picked_in_rows, SCORES, np.array([1, 4, 0])), None),
    "an entry of each row, along an axis": ((picked_along_axis, SCORES, np.array([1, 4, 0])), None),
    "an entry of each column": ((picked_in_columns, SCORES.T, np.array([1, 4, 0])), None),
    "a sum over one": (
        (summed, TALL),
        (
            "held-constant",
            f"the axis reduced in test_blind_spots.py:{{summed}}: return np.sum(x, axis=1) {OF_ONE}",
            LONGER,
        ),
    ),
    "a sum over a tuple of one": (
        (summed_by_a_tuple, TALL),
        (
            "held-constant",
            "the axis reduced in test_blind_spots.py:{summed_by_a_tuple}: "
            f"return np.sum(x, axis=(1,), keepdims=True) {OF_ONE}",
            LONGER,
        ),
    ),
    "a sum over two": ((summed, RNG.normal(size=(3, 2))), None),
    "an axis of one that is not reduced": ((turned, TALL), None),
    "a bias broadcast along one": (
        (shifted, WIDE, ROW),
        (
            "missing-broadcast-sum",
            "test_blind_spots.py:{shifted}: return x + b broadcasts along an axis of length 1: the sum over it, its "
            "mean, its first and its last are the same",
            LONGER,
        ),
    ),
    "a bias broadcast along two": ((shifted, RNG.normal(size=(2, 3)), ROW), None),
    "a scale of one": (
        (scaled, TALL),
        (
            "missing-scale",
            "the factor in test_blind_spots.py:{scaled}: return x / np.sqrt(x.shape[-1]) is 1 at these shapes, so "
            "leaving it out would look right",
            "use shapes for which it is another number",
        ),
    ),
    "a factor of two": ((doubled, ROW), None),
    "one added": ((raised, ROW), None),
    "two axes of one length": (
        (curved, SQUARE),
        ("transposed", f"{ONE_OF_A_LENGTH}only values tell them apart", "let all axes have different lengths"),
    ),
    "two axes of one length with another between": (
        (curved, RNG.normal(size=(3, 2, 3))),
        ("transposed", f"{ONE_OF_A_LENGTH}only values tell them apart", "let all axes have different lengths"),
    ),
    "a symmetric matrix": (
        (curved, SQUARE + SQUARE.T),
        ("transposed", f"{ONE_OF_A_LENGTH}not even its values tell them apart", "let all axes have different lengths"),
    ),
    "two axes of length one": ((curved, RNG.normal(size=(1, 1, 3))), None),
}


@pytest.mark.parametrize("name", SPOTS)
def test_what_would_have_passed_is_reported(name):
    (function, *inputs), expected = SPOTS[name]
    found = gradcheck(function, *inputs).blind_spots
    told = [(spot.mistake, spot.message, spot.remedy) for spot in found]
    if expected is None:
        assert told == []
        return
    mistake, message, remedy = expected
    line = function.__code__.co_firstlineno + 1
    assert told == [(mistake, message.replace(f"{{{function.__name__}}}", str(line)), remedy)]


def test_one_of_a_kind_is_enough():
    found = gradcheck(lambda x, y: x + y, np.ones((2, 2)), np.ones((2, 2)), raise_on_failure=False).blind_spots
    assert [spot.mistake for spot in found] == ["missing-mask", "missing-mask", "transposed"]


def test_a_finding_is_reported_in_one_line():
    assert str(BlindSpot("transposed", "x is square", "make it longer")) == "transposed: x is square; make it longer"
    assert (
        str(Diagnosis("wrong-sign", 1.0, "minus for plus", "all agree", "")) == "wrong-sign: minus for plus [all agree]"
    )


def test_a_graph_without_the_gradients_tells_no_blind_spots():
    """What is written to an array in a dict of the module is not followed, so that the graph has no gradients."""

    def forward(x):
        buffer = BUFFERS.setdefault(x.shape, np.empty(x.shape))
        np.maximum(x, 0.0, out=buffer)
        return buffer.copy(), x

    report = check_backward(forward, lambda grad_out, x: grad_out * (x > 0), SCORES)
    assert not report.blind_spots
