"""A pair, a class or a loss of a learner's file is found, made and checked."""

import textwrap

import numpy as np
import pytest

from acg_numpy.checks.learner.errors import LearnerError
from acg_numpy.checks.learner.targets import LayerOptions, bind, load_target

SOURCE = """
import numpy as np

class Linear:
    def __init__(self, W, b=(), act="relu", width=0):
        self.W, self.act = W, act

    def forward(self, x, mode):
        assert mode == {"train": True} and self.act in ("relu", max)
        mode.clear()
        self.x = x
        return x @ self.W

    def backward(self, g):
        self.dW = self.x.T @ g
        return g @ self.W.T

def squares(x, y):
    return np.sum((x - y) ** 2), 2 * (x - y)

def forward(x, mode, y):
    return x * y, (x, y)

def backward(g, cache):
    x, y = cache
    return g * y, g * x

relu = max
"""
X = np.arange(1.0, 9.0).reshape(2, 4)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(SOURCE), encoding="utf-8")
    return path


def report_of(file, names, inputs, bound=None, **layer):
    return load_target(file, names, bound or {}, LayerOptions(**layer)).check(inputs)


@pytest.mark.parametrize("init", ["W=4x3", "4x3, b=[1, (2, 3)], act='relu'", "4x3, array:3", "4x3, act=relu, width=4"])
def test_a_class_is_made_as_init_says(file, init):
    report = report_of(file, ["Linear"], [X], {"mode": {"train": True}}, init=init, params="W", grads="dW")
    assert report.passed
    assert [c.shape for c in report.comparisons] == [(2, 4), (4, 3)]


def test_a_loss_and_a_pair_are_told_by_their_number(file):
    assert report_of(file, ["squares"], [X, X[::-1]]).title == "check_loss of squares"
    assert report_of(file, ["forward", "backward"], [X, X], {"mode": 1}).title == "check_backward of backward"


ERRORS = {
    "no such name": ((["linear"], [X]), "there is no linear", "Linear"),
    "no loss": ((["forward"], [X, 0, X]), "a loss should return", "forward,backward for two functions"),
    "a constructor without arguments": ((["Linear"], [X]), "is given --init ''", "--init 'name=value'"),
    "an unknown name to bind": ((["squares"], [X, X], {"z": 1}), "--bind names 'z'", "the parameters are x and y"),
    "too few inputs": ((["squares"], [X]), "is given 1 input", "one input for each parameter"),
    "a method of another class": ((["Linear.update", "backward"], [X]), "Linear has no update", ""),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_cannot_be_checked_is_reported_with_the_fix(file, name):
    arguments, what, fix = ERRORS[name]
    with pytest.raises(LearnerError) as caught:
        report_of(file, *arguments)
    assert what in caught.value.what
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        ({"init": "3y4"}, "'3y4' cannot be read"),
        ({"init": "act=relu, 4x3"}, "'4x3' has no name"),
        ({"init": "4x3", "forward": "forwards"}, "has no method forwards"),
        ({"init": "4x3", "params": "V"}, "no parameter 'V'"),
    ],
)
def test_a_class_that_cannot_be_made_is_reported(file, layer, what):
    with pytest.raises(LearnerError, match=what):
        report_of(file, ["Linear"], [X], {"mode": {"train": True}}, **layer)


def test_a_function_takes_no_options_of_a_class(file):
    with pytest.raises(LearnerError, match="is a function"):
        report_of(file, ["squares"], [X, X], params="W")


def test_bound_values_are_copied_for_each_call():
    def forward(x, state, *rest, scale=2):
        state["calls"] += 1
        return x, state["calls"], rest, scale

    bound = bind(forward, {"state": {"calls": 0}})
    assert bound(1) == bound(1) == (1, 1, (), 2)
    assert bound(1, scale=3) == (1, 1, (), 3)
    with pytest.raises(TypeError):
        bind(lambda x, y: x, {"y": 1})(1, 2)


def test_modules_of_the_package_and_the_working_folder_are_found(tmp_path, monkeypatch):
    package = tmp_path / "shapes_of_mine" / "layers"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package.parent / "squares.py").write_text("def square(x):\n    return x * x\n")
    (package / "mine.py").write_text(
        "from ..squares import square\nfrom shapes_of_mine.squares import square as again\nimport beside_here\n"
        "def loss(x):\n    return float(again(x).sum()), 2 * square(x) / x\n"
    )
    here = tmp_path / "here"
    here.mkdir()
    (here / "beside_here.py").write_text("")
    monkeypatch.chdir(here)
    assert report_of(package / "mine.py", ["loss"], [X]).passed


def test_an_error_elsewhere_in_the_package_is_the_learners(tmp_path):
    package = tmp_path / "package_of_mine" / "layers"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package.parent / "broken.py").write_text("def square(x):\n    return x[9, 9]\n")
    (package / "mine.py").write_text("from ..broken import square\n\n\ndef loss(x):\n    return square(x), x\n")
    with pytest.raises(LearnerError) as caught:
        report_of(package / "mine.py", ["loss"], [X])
    assert caught.value.place.file.name == "broken.py"
    assert caught.value.place.line == 2
