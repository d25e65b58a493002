"""Libraries that are imported when they are used, and what is asked of a conditioner that is to leave for them."""

import inspect
from importlib import import_module
from typing import Any

from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.passes import layer_norm_forward
from acg_numpy.text import joined

EXTRA = 'pip install "acg_numpy[interop]"'
SCALE = 'pip install "acg_numpy[scale]"'
INSTALL = {
    "safetensors": EXTRA,
    "onnx": EXTRA,
    "torch": "pip install torch",
    "jax": "pip install jax",
    "sklearn": "pip install scikit-learn",
    "pyarrow": EXTRA,
    **dict.fromkeys(("dask", "distributed", "fsspec"), SCALE),
}


class MissingLibraryError(ModuleNotFoundError):
    """A library that a function needs is not installed; the message says how to install it."""


NORM_EPSILON: float = inspect.signature(layer_norm_forward).parameters["eps"].default


def require(library: str, task: str) -> Any:
    """Import a library, or a module of it.

    Raises
    ------
    MissingLibraryError
        If it is not installed; the message says what needs it, and how to install it.

    Examples
    --------
    >>> require("json.tool", "reading").__name__
    'json.tool'
    """
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        name = library.partition(".")[0]
        if (error.name or "").partition(".")[0] != name:
            raise  # the library is there, and something that it needs is not
        raise MissingLibraryError(
            f"{task} needs {name}, which is not installed: {INSTALL.get(name, f'pip install {name}')}", name=name
        ) from error


def exported_options(
    conditioner: Any, function: str, dtypes: tuple[str, ...] = ("float32", "float64")
) -> dict[str, Any]:
    """Return the options of a conditioner, if these and its parameters are all there is to it.

    Raises
    ------
    TypeError
        If it is not an AttentionConditioner, or has a dtype that the other side has not.
    ValueError
        If a module is not what the constructor made.

    Examples
    --------
    >>> exported_options(AttentionConditioner(8, 2, 3, dtype="float16"), "to_onnx")
    Traceback (most recent call last):
    TypeError: the conditioner's dtype is float16; to_onnx takes float32 or float64
    """
    if type(conditioner) is not AttentionConditioner:
        fix = "; of a trained one it is the attribute `conditioner`" if hasattr(conditioner, "conditioner") else ""
        raise TypeError(f"{function} takes an AttentionConditioner, not a {type(conditioner).__name__}{fix}")
    options = conditioner.options()
    if options["dtype"] not in dtypes:
        raise TypeError(f"the conditioner's dtype is {options['dtype']}; {function} takes {joined(dtypes, 'or')}")
    return options
