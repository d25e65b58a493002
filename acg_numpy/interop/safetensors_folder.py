"""A conditioner as a folder in Hugging Face's layout: weights as safetensors, options as JSON, a model card.

    FOLDER/
      model.safetensors    the arrays of `state_dict()`, under its names
      config.json          the options of the constructor
      README.md            the model card

No file holds code: what is read is numbers, and text that is checked.
"""

import inspect
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from acg_numpy import __version__
from acg_numpy.conditioner import AttentionConditioner, OneKeyWarning
from acg_numpy.interop.libraries import exported_options, require
from acg_numpy.interop.model_card import LIBRARY_LINE, model_card
from acg_numpy.text import did_you_mean, first_few, joined

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
MODEL_TYPE = "acg_numpy"
HEAD = ("architectures", "model_type", "acg_numpy_version", "transformers_version")


def save_pretrained(
    conditioner: AttentionConditioner, folder: str | os.PathLike[str], *, about: Mapping[str, Any] | None = None
) -> None:
    """Write a conditioner's weights as safetensors, with its options and a model card.

    Parameters
    ----------
    conditioner : AttentionConditioner
    folder : path
        Made if it is missing.  A README.md in it that is not a model card of `acg_numpy` is left as it is.
    about : mapping, optional
        What the model card says of where the conditioner is from and what it reached: the hash of its data, its seed,
        the metrics of its run.  A name and a value each.

    Raises
    ------
    ModuleNotFoundError
        If safetensors is not installed.
    TypeError
        If it is not a conditioner, or its dtype has no counterpart.
    ValueError
        If a module is not what the constructor made, so that the options would not describe the conditioner.

    Examples
    --------
    >>> import tempfile
    >>> conditioner = AttentionConditioner(8, 2, 3, residual=True, seed=0).eval()
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     save_pretrained(conditioner, folder, about={"NDCG@10": 0.589})
    ...     again = from_pretrained(folder)
    """
    options = exported_options(conditioner, "save_pretrained", ("float16", "float32", "float64"))
    numpy_files = require("safetensors.numpy", "save_pretrained")
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": [AttentionConditioner.__name__],
        "model_type": MODEL_TYPE,
        "acg_numpy_version": __version__,
        **options,
    }
    # The library writes the memory of an array, in whatever order its elements lie.
    arrays = {name: np.ascontiguousarray(array) for name, array in conditioner.state_dict().items()}
    _replace(path / WEIGHTS, numpy_files.save(arrays, metadata={"format": "np"}))
    _replace(path / CONFIG, (json.dumps(config, indent=2) + "\n").encode())
    card = path / CARD
    if not card.exists() or LIBRARY_LINE in card.read_text(encoding="utf-8", errors="replace"):
        _replace(card, model_card(conditioner, about or {}).encode())


def from_pretrained(folder: str | os.PathLike[str]) -> AttentionConditioner:
    """Read a conditioner from a folder that `save_pretrained` wrote, in evaluation mode.

    Parameters
    ----------
    folder : path

    Returns
    -------
    AttentionConditioner
        Of the same options, dtype and bits.

    Raises
    ------
    FileNotFoundError
        If the weights or the options are missing.
    ValueError
        If a file is damaged, describes another kind of model, or does not fit the other.
    ModuleNotFoundError
        If safetensors is not installed.
    """
    path = Path(folder)
    missing = [name for name in (CONFIG, WEIGHTS) if not (path / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{path} has no {joined(missing, 'or')}; save_pretrained(conditioner, folder) writes both"
        )
    options = _read_options(path / CONFIG)
    safetensors = require("safetensors", "from_pretrained")
    try:
        state = require("safetensors.numpy", "from_pretrained").load((path / WEIGHTS).read_bytes())
    except (safetensors.SafetensorError, KeyError) as error:
        raise ValueError(
            f"{path / WEIGHTS} is damaged, or holds numbers of a kind that NumPy has not: {error}"
        ) from error
    others = [f"{name} ({a.dtype})" for name, a in state.items() if a.dtype != np.dtype(options["dtype"])]
    if others:
        raise ValueError(f"{CONFIG} says dtype {options['dtype']!r}, but {WEIGHTS} has {first_few(others, 3)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OneKeyWarning)  # it was given when the conditioner was made
            conditioner = AttentionConditioner(**options)
        conditioner.load_state_dict(state)
    except (TypeError, ValueError, KeyError) as error:
        reason = error.args[0] if error.args else error
        raise ValueError(f"{path / CONFIG} and {WEIGHTS} do not fit: {reason}") from error
    return conditioner.eval()


def _read_options(path: Path) -> dict[str, Any]:
    """Return the options that config.json has, each of them known, and none missing."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind != MODEL_TYPE:
        raise ValueError(f"{path} describes a model of type {kind!r}; expected {MODEL_TYPE!r}")
    options = {name: value for name, value in config.items() if name not in HEAD and not name.startswith("_")}
    known = inspect.signature(AttentionConditioner).parameters
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known, f"version {config.get('acg_numpy_version')} of acg_numpy wrote it")
            raise ValueError(f"{path} has {name!r}, which is not an option of AttentionConditioner; {hint}")
    missing = [name for name in known if name not in options]
    if missing:
        raise ValueError(f"{path} lacks {joined(missing)}, which AttentionConditioner is made with")
    return options


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole: it is there as it was, or as it is to be."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
