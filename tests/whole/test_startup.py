"""What the command loads before it works: nothing that only the work needs."""

import subprocess
import sys

import pytest

from acg_numpy.cli import COMMANDS

HEAVY = ("acg_numpy.checks", "acg_numpy.recommender", "scipy", "matplotlib", "duckdb", "pandas", "plotly", "tqdm")


def loaded_by(*arguments: str) -> set[str]:
    """The modules that are loaded after the command has answered."""
    program = f"import sys; from acg_numpy.cli import main; main({list(arguments)}); print('LOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("trian",), ("train", "--hepl"), *((name, "--help") for name in COMMANDS)],
    ids=" ".join,
)
def test_asking_for_help_loads_nothing_that_only_the_work_needs(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by(*arguments)
    assert "acg_numpy.cli.commands.train" in loaded
    assert [name for name in loaded if name in HEAVY or name.startswith(tuple(f"{one}." for one in HEAVY))] == []
    if arguments[0] != "handout":  # whose help lists the passes
        assert "numpy" not in loaded
