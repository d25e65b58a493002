"""What is in a wheel that is not in the sources?  The chapters of the book, as Jupyter notebooks."""

import runpy
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Notebooks(BuildHookInterface):  # type: ignore[misc,type-arg]
    """Convert tutorials/*.md, so that whoever has the wheel needs nothing else to read them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the notebooks, and have them taken along."""
        self.folder = Path(tempfile.mkdtemp())
        if version == "editable":  # the command converts what stands in the tree, which may change
            return
        tree = Path(self.root)
        to_notebook = runpy.run_path(str(tree / "acg_numpy/cli/notebooks.py"))["to_notebook"]
        chapters = sorted((tree / "tutorials").glob("*.md"))
        if not chapters:
            raise FileNotFoundError(f"there are no chapters in {tree / 'tutorials'}")
        for chapter in chapters:
            notebook = self.folder / f"{chapter.stem}.ipynb"
            notebook.write_text(to_notebook(chapter.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
            build_data["force_include"][str(notebook)] = f"acg_numpy/tutorials/{notebook.name}"
        for script in (tree / "tutorials").glob("*.py"):
            build_data["force_include"][str(script)] = f"acg_numpy/tutorials/{script.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder, ignore_errors=True)
