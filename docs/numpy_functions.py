"""A page that says of every function of NumPy whether it has a derivative here, made from the engine's table.

    python docs/numpy_functions.py

writes `numpy-functions.md`.  Functions that another version of NumPy has keep their rows, so that the page is that of
all versions.
"""

import importlib
import operator
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from acg_numpy.autograd.table import PLAIN, RECIPES, TABLE, entry_of, name_of, recipe_for

PAGE = Path(__file__).parent / "numpy-functions.md"
NAMESPACES = ["np", "np.linalg", "np.lib.stride_tricks", "np.fft"]
DISPATCHED = (np.ufunc, type(np.sum))
MAKES_ARRAYS_FIRST = {
    "array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite", "asmatrix", "bmat",
    "require", "from_dlpack", "fromiter", "vectorize",
}  # fmt: skip
FIRST = "NumPy makes an array before it asks; np.stack and np.block join Tensors"
NO_ARRAY = "takes no arrays of numbers"
HEAD = """# NumPy's functions

Which functions of NumPy, and of SciPy, take a Tensor that requires a gradient:

- **rule**: they have a derivative, by each argument for which there is one;
- **no derivative**: they work, and return plain arrays: indices, comparisons, and functions that are constant wherever
  they are smooth;
- **out of scope**: they raise an error that says why, or what to write instead.

Complex numbers have no derivative here, and no function writes in place. For any other function, also of your own,
[`register_rule`](howto-operation.md) adds a rule. This page is made from the table of the engine; a test compares the
two.

Options of NumPy for which a function has no derivative (`out=`, most `dtype=` and `order="K"`) are refused by name. At
points without a derivative, the convention is:

- ties in `max`, `min`, `maximum`, `minimum` share the gradient; `sort`, `quantile` and `unique` are stable: equal
  elements keep their order, and the gradient goes to the first of them;
- |x|, norms, deviations and singular values have slope 0 at 0; `interp` has the slope of the interval to the right;
- NaN that `nansum`, `nanmean` and similar functions leave out has slope 0;
- `cholesky`, `eigh` and `eigvalsh` read one triangle of a matrix, and the gradient is in that triangle;
- equal eigenvalues and singular values have a gradient, but no second derivative, and their vectors have no gradient:
  there `eigh` and `svd` raise `LinAlgError`; `qr`, `pinv` and `lstsq` raise it at a matrix without full rank.
"""


def numpy_rows() -> dict[str, dict[str, tuple[str, str]]]:
    """Return for each namespace what is said of each of its functions: its status, and a note."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for namespace in NAMESPACES:
        module = np if namespace == "np" else operator.attrgetter(namespace[3:])(np)
        found[namespace] = {}
        for name in dir(module):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    function = getattr(module, name)
                except (AttributeError, Warning):  # its removal is announced
                    continue
            is_function = callable(function) and not isinstance(function, type)
            if is_function and name[0] != "_" and name not in ("test", "trapz", "in1d", "row_stack"):
                found[namespace][f"{namespace}.{name}"] = status_of(function, f"{namespace}.{name}")
    methods = {name_of(key): ("rule", "") for key in TABLE if isinstance(key, tuple)}
    found["np"] |= methods | {"np.ufunc.at": ("out of scope", "it would write in place; use scatter_add")}
    return found


def status_of(function: Any, name: str) -> tuple[str, str]:
    """Return what the table says of a function, and a note."""
    entry = entry_of(function)
    if entry is PLAIN:
        return "no derivative", ""
    if entry is not None:
        return "rule", ""
    if isinstance(function, DISPATCHED):
        return "out of scope", recipe_for(name) or ""
    return "out of scope", FIRST if name.partition(".")[2] in MAKES_ARRAYS_FIRST else NO_ARRAY


def scipy_rows() -> dict[str, tuple[str, str]]:
    """Return what is said of SciPy's functions."""
    importlib.import_module("acg_numpy.autograd.rules.scipy_functions")
    with_rules = {name_of(key): ("rule", "") for key in TABLE if name_of(key).startswith("scipy.special")}
    recipes = {name: ("out of scope", recipe) for name, recipe in RECIPES.items() if name.startswith("scipy.special")}
    products = {
        "t @ sparse": ("rule", ""),
        "np.matmul(sparse, t)": ("rule", ""),
        "sparse @ t": ("out of scope", RECIPES["scipy.sparse._matmul_dispatch"]),
        "sparse.multiply(t)": ("out of scope", RECIPES["scipy.sparse.multiply"]),
    }
    return dict(sorted((with_rules | recipes).items())) | products


def read_rows(page: str) -> dict[str, tuple[str, str]]:
    """Return the rows of a page."""
    rows = re.findall(r"^\| `(.+?)` \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    return {name: (status, note.replace("\\|", "|")) for name, status, note in rows}


def page_of(rows: dict[str, dict[str, tuple[str, str]]]) -> str:
    """Write the page."""
    parts = [HEAD]
    for namespace, functions in rows.items():
        parts.append(f"## `{namespace}`\n\n| function | derivative | why, or what to write |\n|---|---|---|")
        parts += [f"| `{name}` | {status} | {note} |" for name, (status, note) in functions.items()]
        parts.append("")
    return "\n".join(parts)


def main() -> None:
    """Write the page, with the rows of functions that this NumPy lacks as they are."""
    before = read_rows(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    rows = numpy_rows()
    known = {name for functions in rows.values() for name in functions}
    for name, row in before.items():
        namespace = name.rpartition(".")[0]
        if name not in known and namespace in rows:
            rows[namespace][name] = row
    rows = {namespace: dict(sorted(functions.items())) for namespace, functions in rows.items()}
    PAGE.write_text(page_of({**rows, "scipy.special, scipy.sparse": scipy_rows()}), encoding="utf-8")


if __name__ == "__main__":
    main()
