"""What importing the package costs, and that its names mean one thing each."""

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import acg_numpy

PACKAGES = ["acg_numpy", *(info.name for info in pkgutil.walk_packages(acg_numpy.__path__, "acg_numpy.") if info.ispkg)]


def test_importing_the_package_loads_numpy_alone() -> None:
    heavy = ["scipy", "matplotlib", "hypothesis", "tqdm", "plotly", "torch", "pytest", "dask", "pyarrow"]
    code = f"import sys, acg_numpy; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", PACKAGES)
def test_no_module_shares_its_name_with_something_exported_beside_it(name: str) -> None:
    package = importlib.import_module(name)
    for info in pkgutil.iter_modules(package.__path__):
        if info.name == "__main__":
            continue
        importlib.import_module(f"{name}.{info.name}")
        assert isinstance(getattr(package, info.name), ModuleType), f"{name}.{info.name}"


@pytest.mark.parametrize("name", PACKAGES)
def test_every_exported_name_exists_once(name: str) -> None:
    package = importlib.import_module(name)
    exported = getattr(package, "__all__", [])
    assert [entry for entry in exported if not hasattr(package, entry)] == []
    assert len(set(exported)) == len(exported)
