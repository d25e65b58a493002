"""Conditioners in other people's programs: files of weights, PyTorch, ONNX, JAX, scikit-learn and search indexes.

A function imports the library that it is about when it is called, so that none of them is needed for anything else;
where the library is missing, the error says how to install it.

>>> import numpy as np
>>> from acg_numpy import AttentionConditioner
>>> from acg_numpy.interop import as_jax, save_pretrained, to_onnx, to_torch
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acg_numpy.interop.export_folder import export_trained
    from acg_numpy.interop.jax_function import as_jax
    from acg_numpy.interop.onnx_graph import to_onnx
    from acg_numpy.interop.safetensors_folder import from_pretrained, save_pretrained
    from acg_numpy.interop.search_index import SearchVectors, search_vectors
    from acg_numpy.interop.sklearn_transformer import ConditionTransformer as ConditionTransformer
    from acg_numpy.interop.torch_modules import TorchConditioner as TorchConditioner
    from acg_numpy.interop.torch_modules import from_torch, to_torch
    from acg_numpy.interop.torch_program import to_torch_program

_MODULES = {
    "save_pretrained": "safetensors_folder",
    "from_pretrained": "safetensors_folder",
    "to_torch": "torch_modules",
    "from_torch": "torch_modules",
    "to_torch_program": "torch_program",
    "to_onnx": "onnx_graph",
    "as_jax": "jax_function",
    "search_vectors": "search_index",
    "SearchVectors": "search_index",
    "export_trained": "export_folder",
}
# Subclasses of a class of a library, made when they are first asked for; so they are in no `__all__`, whose names a
# star import asks for.
_CLASSES = {"TorchConditioner": "torch_modules", "ConditionTransformer": "sklearn_transformer"}

__all__ = [
    "save_pretrained",
    "from_pretrained",
    "to_torch",
    "from_torch",
    "to_torch_program",
    "to_onnx",
    "as_jax",
    "search_vectors",
    "SearchVectors",
    "export_trained",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    module = {**_MODULES, **_CLASSES}.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_CLASSES})
