import sys

import numpy as np
import pytest

import acg_numpy.interop as interop
from acg_numpy import AttentionConditioner, MultiHeadCrossAttention, scale
from acg_numpy.interop.libraries import INSTALL, exported_options, require
from acg_numpy.scale.folders import Folder

CALLS = {
    "safetensors": lambda c, path: interop.save_pretrained(c, path / "model"),
    "onnx": lambda c, path: interop.to_onnx(c, path / "model.onnx"),
    "torch": lambda c, path: interop.to_torch(c),
    "jax": lambda c, path: interop.as_jax(c),
    "sklearn": lambda c, path: require("sklearn.base", "ConditionTransformer"),
    "dask": lambda c, path: require("dask.array", "condition_blocks"),
    "distributed": lambda c, path: scale.connect("tcp://127.0.0.1:1"),
    "fsspec": lambda c, path: Folder.make(path / "parts"),
    "pyarrow": lambda c, path: require("pyarrow.parquet", "writing Parquet"),
}
NAMES = {"onnx": "to_onnx", "torch": "to_torch", "jax": "as_jax", "safetensors": "save_pretrained"}


@pytest.mark.parametrize("library", INSTALL)
def test_a_library_that_is_missing_is_named_with_what_installs_it(library, monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name == library or name.startswith(f"{library}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [Missing(library), *sys.meta_path])
    conditioner = AttentionConditioner(8, 2, 3)
    with pytest.raises(ModuleNotFoundError, match=f"needs {library}, which is not installed: pip install") as caught:
        CALLS[library](conditioner, tmp_path)
    assert INSTALL[library] in str(caught.value)
    assert list(tmp_path.iterdir()) == []


class Missing:
    """A finder for which one library is not installed."""

    def __init__(self, missing):
        self.missing = missing

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize("library", NAMES)
def test_what_has_no_counterpart_is_refused_by_name(library, tmp_path):
    pytest.importorskip(library)
    call, name = CALLS[library], NAMES[library]
    with pytest.raises(TypeError, match=f"{name} takes an AttentionConditioner, not a MultiHeadCrossAttention"):
        call(MultiHeadCrossAttention(8, 2), tmp_path)
    with pytest.raises(TypeError, match=f"dtype is {np.dtype(np.longdouble)}; {name} takes"):
        call(AttentionConditioner(8, 2, 3, dtype=np.longdouble), tmp_path)
    conditioner = AttentionConditioner(8, 2, 3)
    conditioner.attention.query = lambda x: x
    with pytest.raises(ValueError, match=r"attention\.query is not as the constructor made it"):
        call(conditioner, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_trained_model_is_told_where_its_conditioner_is():
    class Trained:
        conditioner = None

    with pytest.raises(TypeError, match="not a Trained; of a trained one it is the attribute `conditioner`"):
        exported_options(Trained(), "to_onnx")


def test_names_are_imported_when_they_are_asked_for():
    assert {*interop.__all__, "TorchConditioner", "ConditionTransformer"} <= set(dir(interop))
    with pytest.raises(AttributeError, match="no attribute 'to_tensorflow'"):
        _ = interop.to_tensorflow
