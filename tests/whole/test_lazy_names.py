"""Importing the package imports nothing of it until a name is asked for, and then every name is the right one."""

import ast
import subprocess
import sys
from importlib import import_module

import pytest

import acg_numpy


def promised() -> dict[str, str]:
    """What a type checker is told: each public name, and the module that it comes from."""
    with open(acg_numpy.__file__, encoding="utf-8") as file:
        imports = [node for node in ast.walk(ast.parse(file.read())) if isinstance(node, ast.ImportFrom)]
    return {name.name: node.module for node in imports if node.module.startswith("acg_numpy") for name in node.names}


def test_a_type_checker_is_told_of_every_public_name():
    assert sorted(promised()) == sorted(acg_numpy.__all__)


@pytest.mark.parametrize(("name", "module"), promised().items())
def test_a_name_is_what_its_module_calls_so(name, module):
    assert getattr(acg_numpy, name) is getattr(import_module(module), name)
    assert name in dir(acg_numpy)


def test_nothing_is_imported_before_it_is_asked_for():
    code = (
        "import sys, acg_numpy; print(*[name for name in sys.modules if name.startswith('acg_numpy')]);"
        "acg_numpy.passes.softmax_forward; print('acg_numpy.checks' in sys.modules);"
        "acg_numpy.gradcheck; print('acg_numpy.checks' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["acg_numpy", "False", "True"]


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'acg_numpy' has no attribute 'Condition'"):
        _ = acg_numpy.Condition
    with pytest.raises(ImportError, match="cannot import name 'Condition'"):
        exec("from acg_numpy import Condition")
