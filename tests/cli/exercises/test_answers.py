"""What a check of an answer accepts, and what it says about the others."""

import numpy as np
import pytest

from acg_numpy.cli.exercises import WrongAnswer, check_answer, on_copies

MISTAKES = {"doubled: it is twice too large": [2.0, 4.0], "right-too: it is the right one": [1.0, 2.0]}


@pytest.mark.parametrize("found", [[1.0, 2.0], (1, 2), np.array([1.0, 2.0 + 1e-12]), np.float32([1, 2])])
def test_what_is_right_is_accepted_in_any_form(found: object) -> None:
    check_answer(found, [1.0, 2.0], MISTAKES)


@pytest.mark.parametrize(
    ("found", "mistake"),
    [
        ([2.0, 4.0], "doubled"),
        ([1.0, 3.0], "different"),
        ([1.0, np.nan], "not-finite"),
        ([1.0, 2.0, 3.0], "wrong-shape"),
        (None, "nothing-returned"),
        (..., "nothing-returned"),
        ("1 2", "not-numbers"),
        ([1.0, None], "nothing-returned"),
        ([[1.0], [1.0, 2.0]], "not-numbers"),
    ],
)
def test_what_is_wrong_has_a_name(found: object, mistake: str) -> None:
    with pytest.raises(WrongAnswer, match="for two") as caught:
        check_answer(found, [1.0, 2.0], MISTAKES, what="for two")
    assert caught.value.mistake == mistake
    assert caught.value.explanation


def test_the_element_that_is_furthest_off_is_named() -> None:
    with pytest.raises(WrongAnswer, match=r"furthest off at \[0, 1\]: found 9, expected 2"):
        check_answer([[1.0, 9.0]], [[1.0, 2.0]])


def test_a_function_works_on_copies_also_of_arrays_in_lists() -> None:
    x, y = np.ones(2), np.ones(2)
    assert on_copies(lambda a, *, b: a.fill(0) or b[0].fill(0) or 5)(x, b=[y]) == 5
    assert x.all()
    assert y.all()
    with pytest.raises(WrongAnswer, match="not-a-function"):
        on_copies(...)  # type: ignore[arg-type]
