"""Profiles of Hypothesis, the number of processes, and the browser.

`HYPOTHESIS_PROFILE=thorough pytest` looks longer than the default.  Under CI the examples are the same in every run.  A
failure prints the line, `@reproduce_failure(...)`, that repeats it.  No test has a deadline: on a busy machine a slow
example is not a wrong one.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Ten calls of a pass, drawn three times over, tell 536 of 3 x 180 backwards of the catalogue of mistakes from the right
# one; five tell 513, and thirty tell all.  A pass has several properties, and each draws ten of its own.
settings.register_profile("dev", max_examples=10, deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None)
settings.register_profile("thorough", settings.get_profile("dev"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

os.environ["MPLBACKEND"] = "Agg"  # figures are drawn to memory, whatever display there is


FILE_NAMED = pytest.StashKey[bool]()


def names_a_file(config: pytest.Config) -> bool:
    """Return whether a file or a test is named on the command line, rather than a folder or nothing."""
    return any(argument.partition("::")[0].endswith(".py") for argument in config.args)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Return, without -n, one process for what is timed, listed or named by its file; else (None) one for each core."""
    if names_a_file(config) or config.option.collectonly or config.getoption("benchmark_only", default=False):
        return 0
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # what BLAS adds to a core that is taken only waits
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Let every other process collect the tests from the end, so that it finds compiled what the others began with."""
    config.stash[FILE_NAMED] = names_a_file(config)
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ignored = config.option.ignore or config.option.ignore_glob  # a folder that is named is collected all the same
    if config.args == ["tests"] and number % 2 and not ignored:
        left_out = config.getini("norecursedirs")
        found = [path for path in Path("tests").iterdir() if path.is_dir() or path.match("test_*.py")]
        found = [path for path in found if not any(path.match(pattern) for pattern in ("__pycache__", *left_out))]
        config.args = [str(path) for path in sorted(found, reverse=True)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow unless -m or a file's name asks for it; begin with what takes longest in one piece."""
    # They are options of this run, not of one that a test starts.  Of several processes each has read them by now, and
    # only those that run tests come here.
    os.environ.pop("PYTEST_ADDOPTS", None)
    items.sort(key=lambda item: (item.path.name != "test_endurance.py", item.path))
    if not (config.option.markexpr or config.stash[FILE_NAMED]):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("slow")])
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Start a headless Chromium: Debian's, or what the environment variable CHROMIUM names."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or name it in CHROMIUM")
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=root)
        yield chromium
        chromium.close()
