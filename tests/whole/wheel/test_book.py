"""The book out of a wheel, built and installed as a user does.

It fetches packages and takes a minute, so that it runs where it is named: `pytest tests/whole/wheel`.
"""

import json
import os
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CHAPTERS = sorted((ROOT / "tutorials").glob("*.md"))

READ = """\
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=120).execute()
skipped = sum("skip-execution" in cell.metadata.get("tags", ()) for cell in notebook.cells)
print(sum(bool(cell.get("execution_count")) for cell in notebook.cells), skipped)
"""


def test_the_book_can_be_read_and_run_from_the_wheel_alone(tmp_path: Path) -> None:
    """Build an sdist, of it a wheel, install that without jupytext, write the book out of it, and run a chapter."""
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    try:
        venv.create(tmp_path / "env", with_pip=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no environment can be made: {error}")
    others = ("build", "numpy", "scipy", "matplotlib", "tqdm", "ipykernel", "nbclient")
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile")
    if (fetched := run(*pip, *others, folder=tmp_path)).returncode:
        pytest.skip(f"packages cannot be had: {fetched.stderr.strip().splitlines()[-1]}")

    built = run(python, "-m", "build", ROOT, "--outdir", tmp_path / "dist", folder=tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel] = (tmp_path / "dist").glob("*.whl")
    installed = run(*pip, "--no-deps", wheel, folder=tmp_path)
    assert installed.returncode == 0, installed.stderr
    assert run(python, "-c", "import jupytext", folder=tmp_path).returncode == 1

    command = "from acg_numpy.cli import main; raise SystemExit(main())"
    wrote = run(python, "-c", command, "tutorials", "--to", "book", folder=tmp_path)
    assert wrote.returncode == 0, wrote.stderr
    stems = [chapter.stem for chapter in CHAPTERS]
    assert sorted(path.name for path in (tmp_path / "book").iterdir()) == [
        *(f"{stem}.ipynb" for stem in stems),
        "simple_usage.py",
    ]

    notebook = next(stem for stem in stems if stem.startswith("05"))  # quick, and needs nothing but the package
    done = run(python, "-c", READ, f"book/{notebook}.ipynb", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    executed, skipped = map(int, done.stdout.split())
    cells = json.loads((tmp_path / "book" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    assert executed == sum(cell["cell_type"] == "code" for cell in cells) - skipped > 10


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that knows nothing but its own environment."""
    aside = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV", "PYTEST"))}
    return subprocess.run(list(map(str, command)), cwd=folder, env=aside, capture_output=True, text=True, timeout=300)
