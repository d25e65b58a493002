"""A learner's file is run and checked, and anything that breaks in it is reported with its place."""

import textwrap

import numpy as np
import pytest

from acg_numpy.checks.contract import returned
from acg_numpy.checks.learner import loading as learners
from acg_numpy.checks.learner.errors import LearnerError, Place
from acg_numpy.checks.learner.loading import check_learner, draw_own_inputs, load_learner

SQUARE = """
import numpy as np

def forward(x):
    return x * x, x

def backward(grad_out, x):
    return 2 * x * grad_out
"""


def written(folder, source, name="mine.py"):
    path = folder / name
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return path


def test_a_pair_in_a_file_is_checked(tmp_path):
    learner = load_learner(written(tmp_path, SQUARE))
    report = check_learner(learner, (np.array([1.0, -2.0]),))
    assert report.passed
    assert list(report.per_input) == ["x"]


def test_functions_have_the_names_that_are_asked_for(tmp_path):
    path = written(tmp_path, SQUARE.replace("def forward", "def up").replace("def backward", "def down"))
    assert load_learner(path, "up", "down").forward.__name__ == "up"
    with pytest.raises(LearnerError, match="there is no forward; its functions are up and down"):
        load_learner(path)


def test_a_file_without_the_function_asked_for_has_a_fix(tmp_path):
    def fix_of(source):
        with pytest.raises(LearnerError) as caught:
            load_learner(written(tmp_path, source), "up", "down")
        return caught.value.fix

    assert fix_of("x = 1\n") == "define up"
    assert fix_of(SQUARE).startswith(f"say which to check: {tmp_path / 'mine.py'}:forward,backward for two functions;")


@pytest.mark.parametrize("source", ["def forward(x:\n", "x = 1\0"], ids=["a bracket left open", "a null byte"])
def test_what_is_not_python_is_reported_with_its_file(tmp_path, source):
    path = written(tmp_path, source)
    with pytest.raises(LearnerError) as caught:
        load_learner(path)
    assert caught.value.place.file == path


def test_errors_in_files_beside_it_have_their_own_line(tmp_path):
    written(tmp_path, "def twice(x):\n    return x[5] * 2\n", "beside_it.py")
    path = written(
        tmp_path, SQUARE.replace("import numpy as np", "from beside_it import twice").replace("2 * x", "twice(x)")
    )
    with pytest.raises(LearnerError) as caught:
        check_learner(load_learner(path), (np.ones(3),))
    assert caught.value.place.file == tmp_path / "beside_it.py"
    assert caught.value.place.line == 2
    assert caught.value.what.startswith("in twice: IndexError")


def test_a_syntax_error_in_a_file_beside_it_has_its_own_line(tmp_path):
    written(tmp_path, "x = 1\ny = (\n", "beside_broken.py")
    with pytest.raises(LearnerError) as caught:
        load_learner(written(tmp_path, "import beside_broken\n"))
    assert str(caught.value) == (
        f"{tmp_path / 'beside_broken.py'}:2: SyntaxError: '(' was never closed\n"
        "    y = (\n"
        "Fix: look at this line, and at the end of the one above"
    )


def test_an_imported_file_that_is_no_text_has_the_importing_line(tmp_path):
    written(tmp_path, "x = 1\0", "beside_no_text.py")
    path = written(tmp_path, "import beside_no_text\n")
    with pytest.raises(LearnerError) as caught:
        load_learner(path)
    told, source = str(caught.value).splitlines()
    assert told.startswith(f"{path}:1: while the file was run: ")
    assert "null bytes" in told
    assert source == "    import beside_no_text"


EVALUATED = {
    "not Python": (
        'eval("x * (x")',
        "SyntaxError: '(' was never closed (<string>, line 1)",
        "Fix: at this line x is (2,) float64",
    ),
    "no literal": (
        'ast.literal_eval("(1")',
        "SyntaxError: '(' was never closed (<unknown>, line 1)",
        "Fix: at this line x is (2,) float64",
    ),
    "an unknown name": (
        'eval("scale * 2")',
        "NameError: name 'scale' is not defined",
        "Fix: define it above, or import it",
    ),
}


@pytest.mark.parametrize("formula", EVALUATED)
def test_what_breaks_in_an_evaluated_string_has_the_evaluating_line(tmp_path, monkeypatch, formula):
    expression, what, fix = EVALUATED[formula]
    path = written(tmp_path, SQUARE.replace("numpy as np", "ast").replace("x * x, x", f"{expression}, x"))
    monkeypatch.chdir(tmp_path)  # a string is in no folder, not even in the one that the check is run in
    with pytest.raises(LearnerError) as caught:
        check_learner(load_learner(path), (np.ones(2),))
    assert str(caught.value).splitlines() == [
        f"{path}:5: in forward: {what}",
        f"    return {expression}, x",
        fix,
    ]


def test_a_syntax_error_raised_by_a_function_has_its_line(tmp_path):
    path = written(tmp_path, SQUARE.replace("return 2 * x * grad_out", 'raise SyntaxError("no formula")'))
    with pytest.raises(LearnerError) as caught:
        check_learner(load_learner(path), (np.ones(2),))
    assert str(caught.value) == f'{path}:8: in backward: SyntaxError: no formula\n    raise SyntaxError("no formula")'


def test_what_a_forward_imports_and_what_is_missing_there_is_reported(tmp_path):
    written(tmp_path, "import no_such_library\n", "beside_lacking.py")
    source = SQUARE.replace("return x * x, x", "import beside_lacking\n    return x * x, x")
    with pytest.raises(LearnerError) as caught:
        check_learner(load_learner(written(tmp_path, source)), (np.ones(2),))
    assert str(caught.value) == (
        f"{tmp_path / 'beside_lacking.py'}:1: ModuleNotFoundError: No module named 'no_such_library'\n"
        "    import no_such_library\n"
        "Fix: a check needs NumPy alone: remove the import, or install the package"
    )


def test_what_only_a_program_does_is_not_done(tmp_path):
    source = SQUARE + "\nif __name__ == '__main__':\n    raise SystemExit('done')\n"
    assert load_learner(written(tmp_path, source)).file.name == "mine.py"


def test_a_file_may_define_dataclasses(tmp_path):
    source = """
    from __future__ import annotations
    from dataclasses import dataclass
    import numpy as np

    @dataclass
    class Cache:
        x: np.ndarray

    def forward(x):
        return x * x, Cache(x)

    def backward(grad_out, cache):
        return 2 * cache.x * grad_out
    """
    assert check_learner(load_learner(written(tmp_path, source)), (np.ones(2),)).passed


def test_a_method_will_do_for_a_function(tmp_path):
    source = """
    class Square:
        def forward(self, x):
            return x * x, x

        def backward(self, grad_out, x):
            return 2 * x * grad_out

    forward, backward = Square().forward, Square().backward
    """
    assert check_learner(load_learner(written(tmp_path, source)), (np.ones(2),)).passed


@pytest.mark.parametrize(
    ("body", "drawn"),
    [("return rng.normal(size=3)", 1), ("return [rng.normal(size=3), 2]", 2), ("return 1.0, None, True", 3)],
)
def test_inputs_of_the_files_own_are_a_tuple(tmp_path, body, drawn):
    learner = load_learner(written(tmp_path, SQUARE + f"\ndef inputs(rng):\n    {body}\n"))
    assert len(draw_own_inputs(learner, np.random.default_rng(0))) == drawn


@pytest.mark.parametrize("body", ["pass", "return {'x': 1.0}"])
def test_inputs_that_are_no_tuple_are_refused_with_the_line(tmp_path, body):
    learner = load_learner(written(tmp_path, SQUARE + f"\ndef inputs(rng):\n    {body}\n"))
    with pytest.raises(LearnerError, match=r"inputs\(rng\) returned a (NoneType|dict)") as caught:
        draw_own_inputs(learner, np.random.default_rng(0))
    assert caught.value.place.source == "def inputs(rng):"
    assert "return a tuple" in caught.value.fix


def test_a_function_inputs_that_takes_no_generator_is_reported(tmp_path):
    learner = load_learner(written(tmp_path, SQUARE + "\ndef inputs():\n    return 1.0\n"))
    with pytest.raises(LearnerError, match=r"inputs is defined as inputs\(\), but is called with") as caught:
        draw_own_inputs(learner, np.random.default_rng(0))
    assert caught.value.fix == "define inputs(rng)"


def test_inputs_that_are_too_many_are_refused_with_their_shapes(tmp_path):
    learner = load_learner(written(tmp_path, SQUARE))
    with pytest.raises(LearnerError, match=r"is given 3 inputs \(\(2,\), None, \(\)\)") as caught:
        check_learner(learner, (np.ones(2), None, 1.0))
    assert caught.value.place.source == "def forward(x):"
    assert caught.value.fix == "give one input for each parameter, in order"


def test_a_file_that_is_not_there_is_reported_by_its_name(tmp_path):
    with pytest.raises(LearnerError, match="it cannot be read: no such file or directory") as caught:
        load_learner(tmp_path / "none.py")
    assert caught.value.place == Place(tmp_path / "none.py")


def test_of_a_function_that_is_defined_elsewhere_the_file_alone_is_reported(tmp_path):
    file = written(tmp_path, SQUARE)
    assert Place.from_function(len, file) == Place.from_function(written, file) == Place(file)
    assert Place.from_function(load_learner(file).backward, file) == Place(file, 7, "def backward(grad_out, x):")


def test_an_input_of_a_kind_that_has_no_gradient_is_reported(tmp_path):
    with pytest.raises(LearnerError, match="input 'x' has dtype complex128"):
        check_learner(load_learner(written(tmp_path, SQUARE)), (np.ones(2, complex),))


def test_a_forward_that_breaks_the_contract_is_reported_at_its_definition(tmp_path):
    path = written(tmp_path, SQUARE.replace("return x * x, x", "return [x * x, x]"))
    with pytest.raises(LearnerError, match=r"forward should return .* it returned list") as caught:
        check_learner(load_learner(path), (np.ones(2),))
    assert caught.value.place == Place(path, 4, "def forward(x):")


def test_an_output_that_makes_no_array_breaks_the_contract(tmp_path):
    path = written(tmp_path, SQUARE.replace("return x * x, x", "return ([[1.0], [1.0, 2.0]],), x"))
    with pytest.raises(LearnerError, match="the output is a list that makes no array") as caught:
        check_learner(load_learner(path), (np.ones(2),))
    assert caught.value.place.source == "def forward(x):"


@pytest.mark.parametrize("error", [TypeError, ValueError])
def test_an_error_is_ours_by_its_type_and_not_by_its_module(tmp_path, monkeypatch, error):
    """An error of the same kind, raised in the very module that checks what is returned, is the package's own."""

    def at_fault(*_):
        raise error("a defect of the check")

    monkeypatch.chdir(tmp_path)  # where this test does not lie
    learner = load_learner(written(tmp_path, SQUARE))
    monkeypatch.setattr(returned, "is_floating", at_fault)
    with pytest.raises(error, match="a defect of the check"):
        check_learner(learner, (np.ones(2),))


def test_an_error_of_the_packages_own_is_not_blamed_on_the_learner(tmp_path, monkeypatch):
    def at_fault(*_, **__):
        raise TypeError("no such thing")

    monkeypatch.chdir(tmp_path)
    learner = load_learner(written(tmp_path, SQUARE))
    monkeypatch.setattr(learners, "check_backward", at_fault)
    with pytest.raises(TypeError, match="no such thing"):
        check_learner(learner, (np.ones(2),))


FIXES = {
    "mat @ mat": ("return x @ np.ones(7), x", "x is (2, 3) float64"),
    "a name nearly right": ("scores = np.exp(x)\n    return score + x, x", "did you mean 'scores'?"),
    "an attribute nearly right": ("return x.sume(), x", "did you mean 'sum'?"),
    "a value not given on every way": (
        "if x.size > 99:\n        y = x\n    return y, x",
        "give it a value on every path",
    ),
    "numbers and tuples": (
        "n, s = 3, (x, 1)\n    return x[n], s[n]",
        "x is (2, 3) float64, n is 3 and s is a tuple of 2: ((2, 3) float64, 1)",
    ),
}


@pytest.mark.parametrize("name", FIXES)
def test_the_fix_has_the_values_of_the_line_or_the_name_meant(tmp_path, name):
    body, fix = FIXES[name]
    source = f"import numpy as np\n\ndef forward(x):\n    {body}\n\ndef backward(g, x):\n    return g\n"
    with pytest.raises(LearnerError) as caught:
        check_learner(load_learner(written(tmp_path, source)), (np.ones((2, 3)),))
    assert fix in caught.value.fix
    assert str(caught.value).endswith(f"Fix: {caught.value.fix}")
