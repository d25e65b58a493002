"""The files of a hand-out: the student's file, tests, a program that counts points, and a page to read."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np

from acg_numpy.checks.report.mistake_names import MISTAKES
from acg_numpy.cli.handouts.revealing_inputs import Form, call_forms, inputs_file
from acg_numpy.cli.handouts.student_file import student_file

DESCRIPTION = "handout.json"  # what grading reads

TESTS = '''\
"""Tests of {name}_backward:  pytest test_{name}.py

Each gradient is a test of its own, in every case of {name}_inputs.py.  A test that fails names the gradient only;
HINTS=1 in the environment adds a hint, HINTS=2 the whole report.
"""

import os
from functools import cache, partial

import numpy as np
import pytest
from {name} import {name}_backward, {name}_forward
from {name}_inputs import CASES, OPTIONS

from acg_numpy import check_backward, passes

HINTS = os.environ.get("HINTS", "0")
GRADIENTS = [
    (case, name)
    for case, inputs in CASES.items()
    for name, value in inputs.items()
    if isinstance(value, np.ndarray) and value.dtype == np.float64
]


@cache
def report_on(case):
    forward = partial({name}_forward, **OPTIONS)
    return check_backward(forward, {name}_backward, *CASES[case].values(), raise_on_failure=False)


def explain(report):
    hints = [*(diagnosis.hint for diagnosis in report.diagnoses), *report.faults]
    return {{"1": "\\n".join(hints[:1]), "2": str(report)}}.get(HINTS, "")


@pytest.mark.parametrize("case", CASES)
def test_the_forward_is_as_it_was(case):
    inputs = CASES[case].values()
    out, _ = {name}_forward(*inputs, **OPTIONS)
    expected, _ = passes.{name}_forward(*inputs, **OPTIONS)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(("case", "name"), GRADIENTS)
def test_the_gradient_is_right(case, name):
    report = report_on(case)
    comparison = report.per_input[name]
    if comparison.analytic is None or not comparison.passed:
        pytest.fail(f"the gradient of {{name}} is not right\\n{{explain(report)}}".strip(), pytrace=False)


@pytest.mark.parametrize("case", CASES)
def test_nothing_else_is_wrong(case):
    """The backward can be called twice, changes none of its arguments, and is linear in grad_out."""
    report = report_on(case)
    if not report.passed:
        pytest.fail(f"a gradient is wrong, or something else is\\n{{explain(report)}}".strip(), pytrace=False)
'''

GRADE = '''\
"""Points for a file:  python grade.py [FILE] [--hints 0|1|2] [--json results.json]"""

from pathlib import Path

from acg_numpy.cli.grading.single_file import main

if __name__ == "__main__":
    raise SystemExit(main(Path(__file__).parent))
'''

README = """\
# Write {name}_backward

`{name}.py` has a forward pass, its derivation on top, and a backward pass without a body. Write it.

## For students

You need Python, and `pip install acg_numpy pytest`.

1. Read the derivation at the top of `{name}.py`. Its letters are those of the code.
2. Write the body of `{name}_backward`, the last function.
   Its arguments are `grad_out`, the gradient of the loss with respect to the forward's output, and `cache`, which the
   forward has filled. It returns one gradient for each input, of the shape of the input, as `{grads}`.
   Leave the forward as it is.
3. Test it:

```console
{commands}
```

The tests call your backward in these cases. Their numbers are in `{name}_inputs.py`, with two decimals, so
that you can follow one with pencil and paper:

{cases}

Every gradient is compared, element by element, with a numeric derivative of the forward: one input is changed a little,
and the change of the output is measured. *Wrong* means that some elements differ by more than the error of the numeric
derivative. *Form* means that a gradient has another shape or dtype than its input, *uncompared* that nothing was
returned that could be compared. The last test of a case checks the rest: that the backward can be called twice, changes
none of its arguments, and gives twice the gradient for twice the `grad_out`; `grade.py` calls it *the whole*.
{optional}
The tests say no more unless you ask. `HINTS=1 pytest` adds a question that leads towards the mistake. `HINTS=2 pytest`
prints the whole report, which mostly names the mistake. (On Windows: `set HINTS=1` first.) A test that does not end is
waiting for one of your loops: `python grade.py` names its line.

## For teachers

The {number} classic mistakes that `acg_numpy` knows of this backward all fail here, and the report names each of them:
this was checked when the hand-out was made. `acg handout {name} --to DIR --seed 1` draws other numbers,
and `--solution` adds the package's own answer and the list of the mistakes.

`acg grade THIS_FOLDER SUBMISSIONS --out grades` grades a class, at numbers drawn afresh; keep a copy of this folder for
it. The maximum is {out_of} points.

For one file, and at the numbers that the student has, `python grade.py STUDENT.py --json results.json` writes the
results for a program:

| key | value |
| -- | -- |
| `passed` | true or false: all points, and an unchanged forward |
| `points`, `out_of` | of all cases together |
| `cases` | a list, an object for each case |
| `case`, `points`, `out_of`, `passed` | of a case |
| `inputs` | of a case: a list of `name`, `verdict` and `points`, 1 or 0, null where there is no gradient |
| `whole` | of a case: `points`, 1 where nothing at all is wrong |
| `forward_unchanged` | of a case: true or false, null where the file failed; if it is false a case has no points |
| `numeric` | of a case: null, or a sentence where the backward calls the forward as numeric derivatives do: no points |
| `diagnoses` | of a case: which mistake it is, best first: `mistake`, `message`, `evidence`, `hint` |
| `error` | of a case: null, or where the file failed: `message`, `file`, `line`, `source`, `mend` |

The other keys of a case are those of `acg gradcheck --json`. With `--hints 1` a diagnosis is a hint alone, with
`--hints 0` there is none. A file that has not ended after 60 seconds (`--seconds`) is stopped, and the line is named.

The student's file is run in a process of its own, which has NumPy and the standard library and is held back as far as
the system can; the page on teaching in the documentation of acg_numpy says how far that is. A student who has
`acg_numpy` has the right answer too, in its source. Reading it is allowed, but ask for the derivation as well.
"""


def handout_files(name: str, *, seed: int = 0, solution: bool = False) -> dict[str, str]:
    """Make the files of a hand-out: their texts by their paths in the folder.

    Parameters
    ----------
    name : str
        One of `acg_numpy.checks.all_passes.pair_names()`.
    seed : int
        Draws the inputs.
    solution : bool
        Add the package's own file, and a list of the mistakes that are revealed.

    Raises
    ------
    NoInputsError
        If a mistake stays hidden at all inputs that were tried.

    Examples
    --------
    >>> list(handout_files("mse"))
    ['README.md', 'mse.py', 'mse_inputs.py', 'test_mse.py', 'grade.py', 'handout.json']
    """
    inputs = inputs_file(name, seed)
    described = {"exercise": name, "forward": f"{name}_forward", "backward": f"{name}_backward", "inputs": None}
    files = {
        "README.md": _readme(name, inputs),
        f"{name}.py": student_file(name),
        f"{name}_inputs.py": inputs,
        f"test_{name}.py": TESTS.format(name=name),
        "grade.py": GRADE.format(name=name),
        DESCRIPTION: _description({**described, "seed": seed, "source": student_file(name)}),
    }
    if solution:
        files[f"solution/{name}.py"] = student_file(name, solved=True)
        files["solution/mistakes.md"] = "\n".join(_mistake_list(name)) + "\n"
    return files


def _description(described: dict[str, Any]) -> str:
    """Write what grading reads."""
    return json.dumps({**described, "acg_numpy": version("acg_numpy")}, indent=2) + "\n"


def _readme(name: str, inputs: str) -> str:
    """Write the page to read for students and teachers."""
    forms = call_forms(name)
    commands = [
        (f"pytest test_{name}.py", "a test for each gradient"),
        ("python grade.py", "the same as a table, with points"),
        (f"python -m doctest {name}.py", "the examples in it; silence is good"),
    ]
    wide = max(len(command) for command, _ in commands)
    source = student_file(name)
    return README.format(
        name=name,
        grads=source[source.index("`return ") + len("`return ") : source.rindex("`")],
        commands="\n".join(f"{command:<{wide}}  # {meaning}" for command, meaning in commands),
        cases="\n".join(f"- `{form.name}`: {form.description}." for form in forms),
        number=sum(len(form.mistakes) for form in forms),
        out_of=_count_points(inputs),
        optional=OPTIONAL if "grad_weights" in source else "",
    )


OPTIONAL = "\nThe argument `grad_weights` is None in all of them: leave it for later.\n"


def _count_points(inputs: str) -> int:
    """Count the points: one for each gradient, and one for the whole of each case."""
    module: dict[str, dict[str, dict[str, object]]] = {}
    exec(inputs, module)  # the text that this package has just written
    floating = [[np.asarray(value).dtype.kind == "f" for value in case.values()] for case in module["CASES"].values()]
    return sum(sum(case) + 1 for case in floating)


def _mistake_list(name: str) -> Iterator[str]:
    """Yield every mistake that is revealed, what the report calls it, and its hint."""
    yield f"# The mistakes in {name}_backward that are revealed\n"
    for form in call_forms(name):
        yield f"## {form.name}: {form.description}\n"
        yield from (line for mistake in form.mistakes for line in _mistake_lines(form, mistake.name))


def _mistake_lines(form: Form, name: str) -> Iterator[str]:
    """Yield a mistake, with its story."""
    mistake = next(one for one in form.mistakes if one.name == name)
    yield f"- **{name.partition(': ')[2]}** (`{mistake.expected}`). {mistake.story}"
    yield f"  *Hint: {MISTAKES[mistake.expected].hint}*\n"
