"""The page of NumPy's functions says what the table says, of every function of the NumPy that is installed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from acg_numpy import NoDerivativeError, tensor
from acg_numpy.autograd.table import RECIPES, no_rule

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("numpy_functions", ROOT / "docs" / "numpy_functions.py")
numpy_functions = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(numpy_functions)
ON_PAGE = numpy_functions.read_rows(numpy_functions.PAGE.read_text(encoding="utf-8"))
ROWS = {name: row for rows in numpy_functions.numpy_rows().values() for name, row in rows.items()}


def test_the_page_has_a_row_for_every_function_of_numpy():
    assert {name: row for name, row in ROWS.items() if ON_PAGE.get(name) != row} == {}


def test_the_page_has_a_row_for_every_rule_of_scipy():
    rows = numpy_functions.scipy_rows()
    rows.pop("scipy.special.exprel", None)  # an exercise gives it a rule, in the process of its test
    assert {name: row for name, row in rows.items() if ON_PAGE.get(name) != row} == {}


def test_what_has_no_rule_says_why():
    assert [name for name, (status, note) in ON_PAGE.items() if status == "out of scope" and not note] == []


def test_a_recipe_is_part_of_the_refusal_and_none_is_guessed():
    t = tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    with pytest.raises(NoDerivativeError, match=r"np\.linalg\.eig has no derivative rule: .*np\.linalg\.eigh"):
        np.linalg.eig(t)
    with pytest.raises(NoDerivativeError, match=r"np\.fft\.fft has no derivative rule: complex numbers"):
        np.fft.fft(t)
    with pytest.raises(NoDerivativeError, match=r"np\.put has no derivative rule: it would write in place"):
        np.put(t, 0, 1.0)
    assert str(no_rule(np.sin)).startswith("np.sin has no derivative rule. Add one with")


def test_recipes_are_for_functions_without_a_rule():
    """A function that is given a rule loses its recipe."""
    assert [name for name in RECIPES if ROWS.get(name, ("out of scope",))[0] != "out of scope"] == []
