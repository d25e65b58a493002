"""A slice has what a piece of code needs, and leaves out what it does not."""

from acg_numpy.cli.exercises.setup_slice import required_source, statements

CHAPTER = """\
import matplotlib.pyplot as plt
import numpy as np
scale = 2.0
x = np.ones(3)
x[0] = scale
plt.plot(x)
def double(v):
    return v * scale
def draw():
    plt.show()
@draw
def decorated():
    pass
total = 0
for part in x:
    total += part
"""


def sliced(source: str, answer: str = "") -> list[str]:
    return required_source(statements(CHAPTER), source, answer).splitlines()


def test_what_a_function_calls_on_is_there() -> None:
    assert sliced("double(1)") == ["scale = 2.0", "def double(v):", "    return v * scale"]


def test_what_changes_an_array_is_there_and_pictures_are_not() -> None:
    assert sliced("x + 1") == ["import numpy as np", "scale = 2.0", "x = np.ones(3)", "x[0] = scale"]


def test_what_is_bound_before_it_is_used_is_not_needed() -> None:
    assert sliced("x = 1\nprint(x)") == []
    assert sliced("x = x + 1") != []


def test_decorators_and_loops_are_taken_whole() -> None:
    assert sliced("decorated")[-3:] == ["@draw", "def decorated():", "    pass"]
    assert sliced("total")[-2:] == ["for part in x:", "    total += part"]


def test_an_import_of_several_names_is_taken_apart() -> None:
    before = statements("from acg_numpy import (\n    check_backward,\n    plots,\n)\nimport os, sys as system")
    assert required_source(before, "check_backward(system)").splitlines() == [
        "from acg_numpy import check_backward",
        "import sys as system",
    ]


def test_an_answer_gets_functions_and_imports_and_no_arrays() -> None:
    assert sliced("", "double(x)") == sliced("double(1)")
    assert sliced("", "np.ones(2) + total") == ["import numpy as np"]
