"""The task of a hand-out: a pair without the body of its backward, its inputs, and what grading reads about them."""

import json
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

DESCRIPTION = "handout.json"


class Task(NamedTuple):
    """A task.

    Attributes
    ----------
    name : str
        Of the file, without `.py`.
    forward, backward : str
        The names of the functions.
    source : str
        The file as it is handed out.
    inputs : str
        The file of inputs.
    specs : list of str or None
        Descriptions of the inputs, a case each; None for a pass of the package, whose inputs the catalogue draws.
    seed : int
        That drew the inputs.
    """

    name: str
    forward: str
    backward: str
    source: str
    inputs: str
    specs: list[str] | None
    seed: int

    def description(self) -> str:
        """Write what grading reads."""
        found = {
            "exercise": self.name,
            "forward": self.forward,
            "backward": self.backward,
            "inputs": self.specs,
            "seed": self.seed,
            "acg_numpy": version("acg_numpy"),
            "source": self.source,
        }
        return json.dumps(found, indent=2) + "\n"

    def cases(self) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        """Return the cases, and the options of the forward."""
        module = run_text(self.inputs, f"{self.name}_inputs.py")
        return module["CASES"], module["OPTIONS"]

    def count_points(self) -> int:
        """Count the points: one for each gradient, and one for the whole of each case."""
        cases, _ = self.cases()
        return sum(1 + sum(np.asarray(value).dtype.kind == "f" for value in case.values()) for case in cases.values())

    def checksums(self) -> str:
        """Write a number for the outputs of the forward in each case."""
        cases, options = self.cases()
        forward = run_text(self.source, f"{self.name}.py")[self.forward]
        sums = {case: _checksum(forward(*inputs.values(), **options)[0]) for case, inputs in cases.items()}
        return repr(sums)


def _checksum(out: Any) -> float:
    """Return a number that another output would hardly have."""
    parts = [np.ravel(part) for part in (out if isinstance(out, tuple) else (out,))]
    return sum(float(np.sum(part * np.cos(np.arange(part.size)))) for part in parts)


def run_text(text: str, file: str) -> dict[str, Any]:
    """Run the text of a file of a hand-out, and return what it defines."""
    module: dict[str, Any] = {"__name__": file.removesuffix(".py"), "__file__": file}
    exec(compile(text, file, "exec"), module)
    return module
