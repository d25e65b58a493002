"""The reference lists what is public, and nothing that is not there."""

import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PUBLIC = [
    "acg_numpy",
    "acg_numpy.checks",
    "acg_numpy.recommender.data",
    "acg_numpy.recommender.exploring",
    "acg_numpy.interop",
    "acg_numpy.passes",
    "acg_numpy.plots",
    "acg_numpy.reading",
    "acg_numpy.testing",
    "acg_numpy.testing.properties",
    "acg_numpy.testing.strategies",
    "acg_numpy.recommender.training",
    "acg_numpy.recommender.reporting",
    "acg_numpy.scale",
]
SUBJECTS = {"properties", "strategies"}  # modules, whose functions are listed
SAID = {"DEFAULTS", "REFERENCES", "TRAINED", "Progress"}  # names of models and of a type, said where they are taken


def listed():
    """Module and name of everything that the reference has a page for."""
    names = set()
    for module, block in re.findall(r"currentmodule:: (\S+)\n(.*?)```", (DOCS / "api.md").read_text(), re.DOTALL):
        for line in re.findall(r"^   ([\w.]+)$", block, re.MULTILINE):
            names.add(f"{module}.{line}")
    return names


def found(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_in_the_reference(module):
    if module == "acg_numpy.recommender.exploring":
        pytest.importorskip("plotly")
    shown = [found(path) for path in listed()]
    public = importlib.import_module(module)
    names = getattr(public, "__all__", None) or ["Source", "source"]
    assert [name for name in names if name not in SUBJECTS | SAID and getattr(public, name) not in shown] == []


def test_the_reference_lists_nothing_that_is_not_there():
    assert len(listed()) > 100
    for path in listed():
        assert found(path).__doc__, path
