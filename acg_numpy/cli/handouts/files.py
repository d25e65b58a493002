"""The files of a hand-out: the student's file, tests, a program that counts points, and a page to read."""

from collections.abc import Iterator

from acg_numpy.checks.report.mistake_names import MISTAKES
from acg_numpy.cli.handouts.install_line import install_command
from acg_numpy.cli.handouts.own_pair import OwnPair
from acg_numpy.cli.handouts.revealing_inputs import Form, call_forms, inputs_file
from acg_numpy.cli.handouts.student_file import student_file
from acg_numpy.cli.handouts.task import DESCRIPTION, Task

TESTS = '''\
"""Tests of {backward}:  pytest test_{name}.py

Each gradient is a test of its own, in every case of {name}_inputs.py.  A test that fails names the gradient only;
HINTS=1 in the environment adds a hint, HINTS=2 the whole report.
"""

import os
from functools import cache, partial

import numpy as np
import pytest
from {name} import {backward}, {forward}
from {name}_inputs import CASES, OPTIONS

from acg_numpy import check_backward

# of the outputs of the forward as it was handed out
CHECKSUMS = {checksums}
HINTS = os.environ.get("HINTS", "0")
GRADIENTS = [
    (case, name)
    for case, inputs in CASES.items()
    for name, value in inputs.items()
    if isinstance(value, np.ndarray) and value.dtype == np.float64
]


@cache
def report_on(case):
    forward = partial({forward}, **OPTIONS)
    return check_backward(forward, {backward}, *CASES[case].values(), raise_on_failure=False)


def explain(report):
    hints = [*(diagnosis.hint for diagnosis in report.diagnoses), *report.faults]
    return {{"1": "\\n".join(hints[:1]), "2": str(report)}}.get(HINTS, "")


@pytest.mark.parametrize("case", CASES)
def test_the_forward_is_as_it_was(case):
    inputs = CASES[case].values()
    out, _ = {forward}(*inputs, **OPTIONS)
    parts = [np.ravel(part) for part in (out if isinstance(out, tuple) else (out,))]
    checksum = sum(float(np.sum(part * np.cos(np.arange(part.size)))) for part in parts)
    np.testing.assert_allclose(checksum, CHECKSUMS[case], rtol=1e-9, atol=1e-12)


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
# Write {backward}

`{name}.py` has a forward pass{above}, and a backward pass without a body. Write it.

## For students

You need Python. The file that you write needs NumPy alone; its tests need acg_numpy, too:

{install}

1. {first_step}
2. Write the body of `{backward}`{where}.
   Its arguments are `grad_out`, the gradient of the loss with respect to the forward's output, and `cache`, which the
   forward has filled. It returns one gradient for each input, of the shape of the input, as `{grads}`.
   Import nothing but NumPy and the standard library, and leave the forward as it is.
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

{promise}

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
| `error` | of a case: null, or where the file failed: `message`, `file`, `line`, `source`, `fix` |

The other keys of a case are those of `acg gradcheck --json`. With `--hints 1` a diagnosis is a hint alone, with
`--hints 0` there is none. A file that has not ended after 60 seconds (`--seconds`) is stopped, and the line is named.

The student's file is run in a process of its own, which has NumPy and the standard library and is held back as far as
the system can; the page on teaching in the documentation of acg_numpy says how far that is. {source_note}
"""


PROMISE = """\
The {number} classic mistakes that `acg_numpy` knows of this backward all fail here, and the report names each of them:
this was checked when the hand-out was made. `acg handout {name} --to DIR --seed 1` draws other numbers,
and `--solution` adds the package's own answer and the list of the mistakes."""
OWN_PROMISE = """\
The backward in your own file passes here{spots}. `acg handout` with `--seed 1` draws other numbers, and `--solution`
adds your file."""
SOURCE_NOTE = """\
A student who has
`acg_numpy` has the right answer too, in its source. Reading it is allowed, but ask for the derivation as well."""
READ = {
    "full": "Read the derivation at the top of `{name}.py`. Its letters are those of the code.",
    "question": "Derive, with pencil and paper, the gradients that the top of `{name}.py` asks for.",
    "none": "Derive, with pencil and paper, the gradient of the loss with respect to each input of the forward.",
}
OPTIONAL = "\nThe argument `grad_weights` is None in all of them: leave it for later.\n"


def handout_files(
    name: str, *, seed: int = 0, solution: bool = False, derivation: str = "full", install: str = ""
) -> dict[str, str]:
    """Make the files of a hand-out: their texts by their paths in the folder.

    Parameters
    ----------
    name : str
        One of `acg_numpy.checks.all_passes.pair_names()`.
    seed : int
        Draws the inputs.
    solution : bool
        Add the package's own file, and a list of the mistakes that are revealed.
    derivation : {"none", "question", "full"}
        How much of the derivation is given.
    install : str
        What students install to run the tests.

    Raises
    ------
    NoInputsError
        If a mistake stays hidden at all inputs that were tried.

    Examples
    --------
    >>> list(handout_files("mse"))
    ['README.md', 'mse.py', 'mse_inputs.py', 'test_mse.py', 'grade.py', 'handout.json']
    """
    source, forms = student_file(name, derivation=derivation), call_forms(name)
    task = Task(
        name=name,
        forward=f"{name}_forward",
        backward=f"{name}_backward",
        source=source,
        inputs=inputs_file(name, seed),
        specs=None,
        seed=seed,
    )
    number = sum(len(form.mistakes) for form in forms)
    words = {
        "above": ", its derivation on top" if derivation == "full" else "",
        "first_step": READ[derivation].format(name=name),
        "where": ", the last function",
        "grads": source[source.rindex("`return ") + len("`return ") : source.rindex("`")],
        "cases": "\n".join(f"- `{form.name}`: {form.description}." for form in forms),
        "promise": PROMISE.format(name=name, number=number),
        "optional": OPTIONAL if "grad_weights" in source else "",
        "source_note": SOURCE_NOTE,
    }
    files = task_files(task, words, install)
    if solution:
        files[f"solution/{name}.py"] = student_file(name, solved=True)
        files["solution/mistakes.md"] = "\n".join(_mistake_list(name)) + "\n"
    return files


def own_handout_files(pair: OwnPair, *, solution: bool = False, install: str = "") -> dict[str, str]:
    """Make the files of a hand-out of a teacher's own pair.

    Parameters
    ----------
    pair : OwnPair
    solution : bool
        Add the teacher's own file.
    install : str
        What students install to run the tests.
    """
    task = pair.task
    spots = f", but these mistakes would, too: {'; '.join(pair.blind_spots)}" if pair.blind_spots else ""
    words = {
        "above": "",
        "first_step": READ["none"],
        "where": "",
        "grads": f"({', '.join(pair.gradients)})",
        "cases": "\n".join(f"- `{case}`: {spec}." for case, spec in zip(pair.cases, task.specs or (), strict=True)),
        "promise": OWN_PROMISE.format(spots=spots),
        "optional": "",
        "source_note": "Ask for the derivation as well.",
    }
    files = task_files(task, words, install)
    return {**files, f"solution/{task.name}.py": pair.solved} if solution else files


def task_files(task: Task, words: dict[str, str], install: str) -> dict[str, str]:
    """Make the files that every hand-out has.

    Parameters
    ----------
    task : Task
    words : dict
        What the page to read says about it.
    install : str
    """
    name = task.name
    names = {"name": name, "forward": task.forward, "backward": task.backward}
    commands = [
        (f"pytest test_{name}.py", "a test for each gradient"),
        ("python grade.py", "the same as a table, with points"),
        (f"python -m doctest {name}.py", "the examples in it; silence is good"),
    ]
    wide = max(len(command) for command, _ in commands)
    shown = "\n".join(f"{command:<{wide}}  # {meaning}" for command, meaning in commands)
    readme = README.format(
        **names, **words, commands=shown, install=_install_words(install), out_of=task.count_points()
    )
    return {
        "README.md": readme,
        f"{name}.py": task.source,
        f"{name}_inputs.py": task.inputs,
        f"test_{name}.py": TESTS.format(**names, checksums=task.checksums()),
        "grade.py": GRADE,
        DESCRIPTION: task.description(),
    }


def _install_words(what: str) -> str:
    """Write how students install what the tests need."""
    command = install_command(what, "pytest")
    return f"```console\n{command}\n```" if command else "Install pytest, and acg_numpy as your teacher says."


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
