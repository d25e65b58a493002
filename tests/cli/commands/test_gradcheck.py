"""What `acg gradcheck` says of a learner's file, and what it exits with."""

import json
import textwrap
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from acg_numpy.checks import all_passes, settings
from acg_numpy.cli import main
from acg_numpy.cli.commands import gradcheck
from acg_numpy.cli.commands.gradcheck import METHODS

Captured = pytest.CaptureFixture[str]

ATTENTION = """\
import numpy as np

def forward(query, key, value, mask):
    S = query @ key.T / np.sqrt(query.shape[-1])
    S = np.where(mask, S, -1e9)
    E = np.exp(S - S.max(-1, keepdims=True))
    P = E / E.sum(-1, keepdims=True)
    return P @ value, (query, key, value, P)

def backward(grad_out, cache):
    Q, K, V, P = cache
    dP = grad_out @ V.T
    dS = P * (dP - np.sum(P * dP, -1, keepdims=True)) / np.sqrt(Q.shape[-1])
    return dS @ K, dS.T @ Q, P.T @ grad_out

def unscaled(grad_out, cache):
    Q, K, V, P = cache
    dP = grad_out @ V.T
    dS = P * (dP - np.sum(P * dP, -1, keepdims=True))
    return dS @ K, dS.T @ Q, P.T @ grad_out

def misshapen(grad_out, cache):
    dQ, dK, dV = backward(grad_out, cache)
    return dQ, dK.T, dV

def broken(grad_out, cache):
    Q, K, V, P = cache
    dP = grad_out @ V
    return dP
"""
INPUTS = ("--inputs", "3x4, 5x4, 5x2, bool:3x5")


@pytest.fixture
def attention(tmp_path: Path) -> Path:
    return written(tmp_path, ATTENTION)


def written(folder: Path, source: str) -> Path:
    path = folder / "mine.py"
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return path


def test_a_right_backward_exits_with_0_and_the_report(attention: Path, capsys: Captured) -> None:
    assert main(["gradcheck", f"{attention}:forward,backward", *INPUTS]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("check_backward of backward: passed\n")
    assert err == ""


def test_a_wrong_backward_exits_with_1_and_the_report(attention: Path, capsys: Captured) -> None:
    assert main(["gradcheck", f"{attention}:forward,unscaled", *INPUTS]) == 1
    out, err = capsys.readouterr()
    assert "FAILED, query and key are wrong" in out
    assert "worst element" in out
    assert err == ""


def test_the_names_may_be_left_out_where_they_are_forward_and_backward(attention: Path) -> None:
    assert main(["gradcheck", str(attention), *INPUTS]) == 0


def test_hints_0_says_which_inputs_are_wrong_and_nothing_else(attention: Path, capsys: Captured) -> None:
    assert main(["gradcheck", f"{attention}:forward,unscaled", *INPUTS, "--hints", "0"]) == 1
    lines = capsys.readouterr().out.splitlines()
    verdicts = {line.split()[0]: line.split()[-1] for line in lines[4:]}
    assert verdicts == {"query": "wrong", "key": "wrong", "value": "right", "mask": "held"}
    assert len(lines) == 8


def test_hints_1_nudges_and_does_not_name_the_mistake(attention: Path, capsys: Captured) -> None:
    for backward in ("unscaled", "misshapen"):
        assert main(["gradcheck", f"{attention}:forward,{backward}", *INPUTS, "--hints", "1"]) == 1
        out = capsys.readouterr().out
        assert "Hint: " in out
        for given_away in ("missing-scale", "sqrt(d)", "wrong-shape", "transposed", "exchanged", "numeric derivative"):
            assert given_away not in out


def test_the_methods_are_those_of_the_checks() -> None:
    assert tuple(settings.METHODS) == METHODS


def test_every_method_finds_the_same_inputs_wrong(attention: Path, capsys: Captured) -> None:
    for method in METHODS:
        arguments = ["gradcheck", f"{attention}:forward,unscaled", *INPUTS, "--json", "--method", method]
        assert main(arguments) == 1
        told = json.loads(capsys.readouterr().out)
        assert [one["verdict"] for one in told["inputs"]] == ["wrong", "wrong", "right", "held"], method


def test_json_holds_as_much_as_the_hints_allow(attention: Path, capsys: Captured) -> None:
    told = {}
    for hints in ("0", "1", "2"):
        arguments = ["gradcheck", f"{attention}:forward,unscaled", *INPUTS, "--json", "--hints", hints]
        assert main(arguments) == 1
        told[hints] = json.loads(capsys.readouterr().out)
    keys = ["title", "settings", "passed", "inputs", "worst", "undecided"]
    keys += ["diagnoses", "blind_spots", "notes", "faults", "error"]
    for verdict in told.values():
        assert list(verdict) == keys
        assert verdict["passed"] is False
        assert [one["verdict"] for one in verdict["inputs"]] == ["wrong", "wrong", "right", "held"]
    assert told["0"]["worst"] is told["1"]["worst"] is None
    assert told["0"]["diagnoses"] == []
    assert list(told["1"]["diagnoses"][0]) == ["hint"]
    assert told["2"]["worst"]["input"] in ("query", "key")
    assert {one["relative_error"] for one in told["1"]["inputs"]} == {None}
    assert told["2"]["inputs"][0]["relative_error"] == pytest.approx(0.5, rel=1e-6)


def test_a_function_inputs_in_the_file_says_what_to_check_at(tmp_path: Path, capsys: Captured) -> None:
    path = written(
        tmp_path,
        """
        def forward(x):
            print("something")
            return x * x, x

        def backward(grad_out, x):
            return 2 * x * grad_out

        def inputs(rng):
            return rng.normal(size=(2, 3))
        """,
    )
    assert main(["gradcheck", str(path), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["inputs"][0]["shape"] == [2, 3]
    assert "something" in err  # and not among the results
    assert main(["gradcheck", str(path), "--inputs", "7", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"][0]["shape"] == [7]


SQUARE = "def forward(x):\n    return x * x, x\n\n"
BREAKS = {
    "syntax": ("def forward(x:\n", "mine.py:1: SyntaxError: "),
    "indentation": ("def forward(x):\nreturn x\n", "mine.py:2: IndentationError: "),
    "null bytes": ("\0", "mine.py: it is not Python: "),
    "at import": ("\n1 / 0\n", "mine.py:2: while the file was run: ZeroDivisionError: division by zero\n    1 / 0\n"),
    "no such module": ("import nosuchthing\n", "mine.py:1: while the file was run: ModuleNotFoundError: "),
    "exit": ("raise SystemExit(0)\n", "mine.py:1: the file ends the program"),
    "no backward": (SQUARE, "mine.py: there is no backward; its functions are forward\nFix: define backward"),
    "no function": (SQUARE + "backward = 3\n", "mine.py: backward is not a function but of type int"),
    "one parameter": (
        SQUARE + "def backward(g):\n    return g\n",
        "mine.py:1: backward takes g, but is called with grad_out and the cache",
    ),
    "two inputs": ("def forward(x, y):\n    return x, y\nbackward = forward\n", "but is given 1 input ((3, 4))"),
    "no cache": ("def forward(x):\n    return x\nbackward = max\n", "mine.py:1: forward should return (out, cache)"),
    "in forward": (
        "def forward(x):\n    return x @ x, x\nbackward = max\n",
        "mine.py:2: in forward: ValueError: matmul",
    ),
    "in backward": (
        SQUARE + "def backward(grad_out, x):\n    return grad_ouy * x\n",
        "mine.py:5: in backward: NameError: name 'grad_ouy' is not defined\n    return grad_ouy * x\n"
        "Fix: did you mean 'grad_out'?\n",
    ),
    "no message": (
        "class E(Exception):\n    def __str__(self):\n        1 / 0\ndef forward(x):\n    raise E\nbackward = max\n",
        "mine.py:5: in forward: E: no message\n    raise E\n",
    ),
    "exit in backward": (SQUARE + "def backward(g, x):\n    raise SystemExit(0)\n", "mine.py:5: the file ends"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_file_that_fails_is_told_by_line_with_a_hint(name: str, tmp_path: Path, capsys: Captured) -> None:
    source, sentence = BREAKS[name]
    path = written(tmp_path, source)
    assert main(["gradcheck", str(path), "--inputs", "3x4"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert "Traceback" not in err
    assert main(["gradcheck", str(path), "--inputs", "3x4", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is False
    assert told["error"]["message"] in " ".join(err.split())


def test_shapes_that_do_not_fit_are_told_with_the_line(attention: Path, capsys: Captured) -> None:
    assert main(["gradcheck", f"{attention}:forward,broken", *INPUTS]) == 1
    err = capsys.readouterr().err
    assert "    dP = grad_out @ V\n" in err
    assert "grad_out is (3, 2) float64 and V is (5, 2) float64" in err


def test_warnings_of_the_file_are_told_by_line(tmp_path: Path, capsys: Captured) -> None:
    path = written(
        tmp_path,
        """\
        import numpy as np

        def forward(x):
            return x + 0 * np.log(0 * x), x

        def backward(grad_out, x):
            return grad_out
        """,
    )
    main(["gradcheck", str(path), "--inputs", "3"])
    assert f"{path}:4: divide by zero encountered in log" in capsys.readouterr().err


LAYER = """
import numpy as np

class Linear:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, grad_out):
        self.dW = FACTOR * self.x.T @ grad_out
        return grad_out @ self.W.T

def loss(x):
    return np.sum(x * x), 2 * x
"""


def test_a_layer_and_a_loss_are_checked_as_they_stand(tmp_path: Path, capsys: Captured) -> None:
    path = written(tmp_path, LAYER.replace("FACTOR", "-1"))
    layer = ["gradcheck", f"{path}:Linear", "--init", "W=4x3", "--params", "W", "--inputs", "5x4"]
    assert main([*layer, "--grads", "dW", "--hints", "1"]) == 1
    assert "W      (4, 3)  wrong" in capsys.readouterr().out
    assert main(["gradcheck", f"{path}:loss", "--inputs", "3", "--dtype", "float32", "--json"]) == 0
    assert "gradients in float32" in json.loads(capsys.readouterr().out)["settings"]
    written(tmp_path, LAYER.replace("FACTOR", "1"))
    assert main(layer) == 0


PAIR_OF = "import numpy as np\ndef forward(x):\n    return x * x, x\ndef backward(g, x):\n    return {}\n"
RAISED = {
    "an exception at import": "1 / 0\n",
    "an exit at import": "import sys\nsys.exit(3)\n",
    "an interrupt of its own": "raise KeyboardInterrupt\n",
    "an exception of no known kind": "class Stop(BaseException):\n    pass\nraise Stop('enough')\n",
    "a generator's exit": "raise GeneratorExit\n",
    "an exception without a text": (
        "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\nraise Mute\n"
    ),
    "an exception whose text interrupts": (
        "class Rude(BaseException):\n    def __str__(self):\n        raise KeyboardInterrupt\nraise Rude\n"
    ),
    "an exception later": PAIR_OF.format("exec('raise BaseException(1)')"),
    "an exit later": PAIR_OF.format("exit()"),
    "no such file": None,
    "endless calls": PAIR_OF.format("backward(g, x)"),
}
RETURNED = {
    "an np.matrix": ("np.matrix(2 * g * x)", "np.matrix"),
    "a masked array": ("np.ma.array(2 * g * x)", "a masked array"),
    "a sparse array": ("__import__('scipy.sparse').sparse.csr_array(2 * g * x)", "a sparse csr_array"),
    "a sparse array that is a dict": ("__import__('scipy.sparse').sparse.dok_matrix(2 * g * x)", "a sparse dok_matrix"),
    "an object with every attribute": ("__import__('unittest.mock').mock.MagicMock()", "returned a MagicMock"),
    "a generator": ("(part for part in [2 * g * x])", "returned a generator"),
    "texts": ("['a', 'b']", "2 gradients for 1 input"),
    "a function": ("len", "is builtin_function_or_method"),
    "an object": ("object()", "is object"),
    "a class": ("dict", "is type"),
    "an empty dict": ("{}", "they hold no keys"),
    "an ellipsis": ("...", "returned `...`: it is still to be written"),
    "nothing": ("None", "returned None"),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("name", [*RAISED, *RETURNED])
def test_whatever_a_file_does_is_answered_by_one_json(name: str, tmp_path: Path, capsys: Captured) -> None:
    source = RAISED[name] if name in RAISED else PAIR_OF.format(RETURNED[name][0])
    path = tmp_path / "mine.py" if source is None else written(tmp_path, source)
    assert main(["gradcheck", str(path), "--inputs", "2x3", "--json"]) == 1
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["passed"] is False
    assert "Traceback" not in captured.err
    if name in RAISED:
        assert told["error"]["message"]
    else:
        assert RETURNED[name][1] in " ".join(told["faults"])


@pytest.mark.parametrize("value", ["np.matrix(x)", "np.ma.array(x)", "(part for part in x)"])
def test_an_output_that_is_no_ndarray_is_a_fault(value: str, tmp_path: Path, capsys: Captured) -> None:
    path = written(tmp_path, PAIR_OF.format("g").replace("x * x", value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert main(["gradcheck", str(path), "--inputs", "2x3", "--json"]) == 1
    assert "output" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_what_other_processes_print_does_not_reach_standard_output(tmp_path: Path, capfd: Captured) -> None:
    printing = "import ctypes, os, sys\nos.system('echo from a shell')\nctypes.CDLL(None).puts(b'from C')\n"
    path = written(tmp_path, printing + "print('from Python')\n" + PAIR_OF.format("2 * g * x"))
    assert main(["gradcheck", str(path), "--inputs", "2x3", "--json"]) == 0
    captured = capfd.readouterr()
    assert json.loads(captured.out)["passed"] is True
    for words in ("from a shell", "from C", "from Python"):
        assert words in captured.err


def test_an_interrupt_by_the_user_exits_with_130(tmp_path: Path, capsys: Captured) -> None:
    interrupt = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    assert main(["gradcheck", str(written(tmp_path, interrupt)), "--inputs", "3"]) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["FILE"], "there are no inputs: say --inputs"),
        (["FILE", "--inputs", "3x4, 5y4"], "--inputs: piece 2, '5y4', is no shape"),
        (["FILE", "--inputs", "int<7:3"], "no floating input"),
        (["FILE:forward,", "--inputs", "3"], "should name a file and what to check in it"),
        (["FILE", "--inputs", "3", "--bind", "x"], "--bind 'x' should be a name and a value"),
        (["FILE", "--inputs", "3", "--bind", "x=[1"], "the value is no JSON"),
        (["FILE", "--hints", "3"], "argument --hints: invalid choice: '3'"),
        (["FILE", "--method", "forwards"], "argument --method: invalid choice: 'forwards'"),
        (["--inputs", "3x4"], "--inputs goes with a file"),
        (["--hints", "0"], "--hints goes with a file"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], message: str, attention: Path, capsys: Captured) -> None:
    assert main(["gradcheck", *(word.replace("FILE", str(attention)) for word in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_a_file_that_is_not_there_exits_with_1(tmp_path: Path, capsys: Captured) -> None:
    assert main(["gradcheck", str(tmp_path / "nowhere.py"), "--inputs", "3"]) == 1
    assert "nowhere.py: it cannot be read: no such file" in capsys.readouterr().err


def once(run: Callable[..., Iterable[Any]]) -> Callable[..., list[Any]]:
    """Return the same function, but one that runs once and then gives the same results again."""
    results: list[Any] = []

    def run_once(*arguments: Any, **options: Any) -> list[Any]:
        if not results:
            results.extend(run(*arguments, **options))
        return results

    return run_once


def test_without_a_file_all_pairs_and_the_conditioner_are_right(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_passes, "check_pairs", once(all_passes.check_pairs))
    monkeypatch.setattr(gradcheck, "_check_conditioners", once(gradcheck._check_conditioners))
    assert main(["gradcheck", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is True
    checks = {one["name"]: one for one in told["checks"]}
    assert {"softmax", "multi_head_attention", "AttentionConditioner"} <= set(checks)
    conditioner = [one["name"] for one in checks["the same, every option on"]["inputs"]]
    assert {"user_emb", "attention.query.weight", "domain_embedding.global_tokens", "norm.weight"} <= set(conditioner)
    assert main(["gradcheck"]) == 0
    out = capsys.readouterr().out
    assert f"{len(checks)} of {len(checks)} are right" in out
    assert "attention.key.bias: the gradient is right, and identically zero" in " ".join(out.split())
