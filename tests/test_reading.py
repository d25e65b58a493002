"""What is shown of a definition is its code, and still that code."""

import ast
import inspect

import pytest

from acg_numpy import passes
from acg_numpy.passes import layer_norm_forward, softmax_backward
from acg_numpy.reading import source

FUNCTIONS = [function for name in passes.__all__ if inspect.isfunction(function := getattr(passes, name))]


def body(text: str) -> list[str]:
    """The statements of a function, but for its docstring."""
    tree = ast.parse(text).body[0]
    assert isinstance(tree, ast.FunctionDef)
    return [
        ast.dump(line)
        for line in tree.body
        if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
    ]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_docstring_alone_is_left_out(function):
    shown = source(function).text
    assert body(shown) == body(inspect.getsource(function)) != []
    assert '"""' not in shown
    assert shown.count("#") == inspect.getsource(function).split('"""')[-1].count("#"), "comments stay"


def test_with_its_docstring_it_is_what_stands_in_the_file():
    assert source(softmax_backward, docstring=True).text == inspect.getsource(softmax_backward).strip("\n")


def is_check(line: str) -> bool:
    return line.startswith("Expr(value=Call(func=Name(id='check_")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_without_checks_nothing_else_is_left_out(function):
    whole, shown = source(function), source(function, checks=False)
    assert body(shown.text) == [line for line in body(whole.text) if not is_check(line)]
    assert shown.text.count("# (the arguments are checked here)") == any(map(is_check, body(whole.text)))


def test_a_module_is_shown_from_its_first_import_on():
    shown = source(inspect.getmodule(layer_norm_forward)).text
    assert shown.startswith(("import", "from"))
    assert "def layer_norm_backward" in shown


def test_a_definition_that_is_nothing_but_a_docstring_is_shown_whole():
    class Alone:
        """Only words."""

    assert '"""Only words."""' in source(Alone).text


def test_a_notebook_shows_it_as_python():
    assert source(softmax_backward)._repr_markdown_().startswith("```python\ndef softmax_backward(")


def test_what_has_no_source_is_refused_by_name():
    with pytest.raises(TypeError, match=r"built-in function len.*no source code"):
        source(len)
