"""Inputs at which every classic mistake in a backward is revealed and named.

The catalogue draws inputs for each form in which a pass is called: rows, sequences, with a mask.  Several draws are
tried, the small ones first, their numbers rounded to two decimals for reading.  A draw is taken if the right backward
passes, no blind spot is left, and each mistake that is known for this form fails and is called by its name.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from acg_numpy import passes
from acg_numpy.checks.backward_pass import check_backward
from acg_numpy.checks.mistakes import CATALOGUE, Mistake
from acg_numpy.checks.random_inputs import KEEP
from acg_numpy.shapes import Array

TRIED = 300  # draws from which the smallest are taken
DECIMALS = 2
INDENT = " " * 12  # of the rows of arrays in the file
# Gradients that are mathematically zero at every input: a wrong factor in them is not revealed, and does no harm.
ALWAYS_ZERO = {"multi_head_attention": ("key_bias",)}


class NoInputsError(ValueError):
    """No draw reveals all mistakes; the message says what stayed hidden."""


class Form(NamedTuple):
    """One way of calling a pass, with the known mistakes in it."""

    name: str
    description: str
    draw: Callable[[np.random.Generator, bool], tuple[Any, ...]]
    options: dict[str, Any]
    mistakes: tuple[Mistake, ...]


class Case(NamedTuple):
    """A form with inputs for it, by name, as source."""

    form: Form
    inputs: dict[str, str]

    @property
    def text(self) -> str:
        """The entry of the file's dictionary."""
        entries = "".join(f'        "{name}": {value},\n' for name, value in self.inputs.items())
        return f'    # {self.form.description}\n    "{self.form.name}": {{\n{entries}    }},'


def call_forms(name: str) -> tuple[Form, ...]:
    """List the ways of calling a pass that the catalogue knows, in its order.

    Examples
    --------
    >>> [(form.name, len(form.mistakes) > 5) for form in call_forms("dropout")]
    [('dropout', True), ('shared', False)]
    """
    found: dict[Any, list[Mistake]] = {}
    for mistake in CATALOGUE:
        if mistake.operation == name:
            found.setdefault(mistake.draw, []).append(mistake)
    return tuple(
        Form(
            draw.__name__.removeprefix("_").removeprefix("draw_"),
            " ".join((draw.__doc__ or "").split()).removesuffix("."),
            draw,
            dict(getattr(mistakes[0].forward, "keywords", {})),
            tuple(mistakes),
        )
        for draw, mistakes in found.items()
    )


def inputs_file(name: str, seed: int = 0) -> str:
    """Write the file with the inputs of a pass.

    Parameters
    ----------
    name : str
        One of `acg_numpy.checks.all_passes.pair_names()`.
    seed : int
        Draws them; another seed draws others.

    Raises
    ------
    NoInputsError
        If a mistake stays hidden at all inputs that were tried.

    Examples
    --------
    >>> "SEED = 7" in inputs_file("mse", seed=7)
    True
    """
    cases = [_find_case(name, form, seed) for form in call_forms(name)]
    number = sum(len(case.form.mistakes) for case in cases)
    body = "\n".join(case.text for case in cases)
    return TEMPLATE.format(name=name, number=number, seed=seed, body=body, options=repr(cases[0].form.options))


TEMPLATE = '''\
"""Inputs for {name}, at which {number} classic mistakes in its backward are revealed.

A case is one call of the forward: its positional arguments, by name.  The numbers were drawn, rounded so that they can
be read, and checked: the right backward passes, each mistake fails, and none stays hidden.
"""

import numpy as np

SEED = {seed}
OPTIONS = {options}  # keyword arguments of the forward, the same for all cases

CASES = {{
{body}
}}
'''


def _find_case(name: str, form: Form, seed: int) -> Case:
    """Find the first inputs, from small to large, that reveal every mistake."""
    hidden = ["nothing was tried"]
    for drawn in _draw_from_small_to_large(form, seed):
        case = Case(form, dict(zip(_positional_parameters(name), map(input_source, drawn), strict=False)))
        hidden = _find_hidden(name, case)
        if not hidden:
            return case
    raise NoInputsError(f"{name}, {form.name}: no inputs were found that reveal all mistakes; last {hidden[0]}")


def _draw_from_small_to_large(form: Form, seed: int) -> Iterator[tuple[Any, ...]]:
    """Draw inputs of a form, and yield the smallest first."""
    drawn = [form.draw(np.random.default_rng([seed, number]), True) for number in range(TRIED)]
    yield from sorted(drawn, key=lambda values: sum(np.size(value) for value in values))


def _positional_parameters(name: str) -> list[str]:
    """List the positional parameters of a pass's forward."""
    found = inspect.signature(getattr(passes, f"{name}_forward")).parameters.values()
    return [parameter.name for parameter in found if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]


def _find_hidden(name: str, case: Case) -> list[str]:
    """List what these inputs do not reveal, a sentence each; nothing if they can be taken."""
    values = [evaluate_source(text) for text in case.inputs.values()]
    forward = partial(getattr(passes, f"{name}_forward"), **case.form.options)
    report = check_backward(forward, getattr(passes, f"{name}_backward"), *values, raise_on_failure=False)
    if not report.passed:
        return ["the right backward did not pass"]
    hidden = [spot.message for spot in report.blind_spots if not _is_always_zero(name, spot.message)]
    return hidden or [sentence for mistake in case.form.mistakes if (sentence := _why_hidden(mistake, values))]


def _why_hidden(mistake: Mistake, values: Sequence[Any]) -> str:
    """Say that a mistake is not revealed at these inputs, or not by its name; "" if it is."""
    report = check_backward(mistake.forward, mistake.backward, *values, raise_on_failure=False)
    if report.passed:
        return f"{mistake.name!r} was not revealed"
    called = report.diagnoses[0].mistake if report.diagnoses else "nothing"
    return "" if called == mistake.expected else f"{mistake.name!r} was called {called!r}, not {mistake.expected!r}"


def _is_always_zero(name: str, message: str) -> bool:
    """Return whether a blind spot is about gradients alone that are zero at all inputs."""
    return message.startswith(f"the gradient of {' and '.join(ALWAYS_ZERO.get(name, ()))} is zero")


def input_source(value: Any) -> str:
    """Write an input as source: numbers with two decimals, masks as zeros and ones.

    Examples
    --------
    >>> input_source(np.array([True, False])), input_source(np.array([0, 1 / 0.7])), input_source(None)
    ('np.array([1, 0]) == 1', 'np.array([0, 1]) / 0.7', 'None')
    >>> input_source(np.array([[0.123, -4.5]]))
    'np.array([[ 0.12, -4.50]])'
    """
    if value is None:
        return "None"
    array = np.asarray(value)
    if array.dtype == bool:
        return f"{_array_source(array.astype(int))} == 1"
    if array.dtype.kind in "iu":
        return _array_source(array)
    if np.array_equal(array, (array != 0) / KEEP):
        return f"{_array_source((array != 0).astype(int))} / {KEEP}"
    return _array_source(_round(array))


def _round(array: Array) -> Array:
    """Round to two decimals, so that rows that sum to 1 still do so."""
    near = np.round(array, DECIMALS)
    if array.ndim and np.allclose(np.sum(array, axis=-1), 1.0, rtol=0, atol=1e-12):
        largest = np.argmax(near, axis=-1)[..., None]
        rest = np.sum(near, axis=-1, keepdims=True) - np.take_along_axis(near, largest, -1)
        np.put_along_axis(near, largest, np.round(1 - rest, DECIMALS), -1)
    return near


def _array_source(array: Array) -> str:
    """Write an array as source, its columns below each other."""
    width = "" if array.ndim < 2 else "5"
    text = np.array2string(
        array,
        separator=", ",
        threshold=array.size + 1,
        max_line_width=110,
        prefix=INDENT,
        formatter={"float_kind": lambda number: f"{number:{width}.{DECIMALS}f}"},
    )
    lines = text.splitlines()
    return f"np.array({text})" if len(lines) == 1 else f"np.array(\n{INDENT}{text}\n{INDENT[4:]})"


def evaluate_source(text: str) -> Any:
    """Evaluate such source."""
    return eval(text, {"np": np})
