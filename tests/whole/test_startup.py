"""What the command loads before it works: nothing that only the work needs."""

import json
import subprocess
import sys

import pytest

from acg_numpy.cli import COMMANDS

HEAVY = ("acg_numpy.checks", "acg_numpy.recommender", "scipy", "matplotlib", "duckdb", "pandas", "plotly", "tqdm")


# The help of hand-outs lists the passes, which need NumPy; what is loaded stays, so it comes last.
ASKED = [
    ("--help",),
    ("--version",),
    ("trian",),
    ("train", "--hepl"),
    *((name, "--help") for name in sorted(COMMANDS, key=lambda name: name == "handout")),
]
# One process asks for all of it.  The package is imported anew each time, and what it imports stays.
PROGRAM = """
import json, sys
for arguments in json.loads(sys.argv[1]):
    from acg_numpy.cli import main
    main(arguments)
    print("LOADED", *sys.modules)
    for name in [name for name in sys.modules if name.partition(".")[0] == "acg_numpy"]:
        del sys.modules[name]
"""


@pytest.fixture(scope="module")
def loaded() -> dict[tuple[str, ...], set[str]]:
    """The modules that are loaded after the command has answered."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(ASKED)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("LOADED ")]
    return {arguments: set(line.split()) for arguments, line in zip(ASKED, lines, strict=True)}


@pytest.mark.parametrize("arguments", ASKED, ids=" ".join)
def test_asking_for_help_loads_nothing_that_only_the_work_needs(
    arguments: tuple[str, ...], loaded: dict[tuple[str, ...], set[str]]
) -> None:
    assert "acg_numpy.cli.commands.train" in loaded[arguments]
    heavy = [name for name in loaded[arguments] if name in HEAVY or name.startswith(tuple(f"{one}." for one in HEAVY))]
    assert heavy == []
    if arguments[0] != "handout":
        assert "numpy" not in loaded[arguments]
