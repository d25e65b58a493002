"""The first program that a newcomer runs does what it says."""

import re
import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "tutorials" / "simple_usage.py"


def test_the_usage_example_trains_and_says_so(capsys):
    names = runpy.run_path(str(SCRIPT))
    said = capsys.readouterr().out
    losses = [float(number) for number in re.findall(r"mean squared error ([\d.]+)", said)]
    assert losses[-1] < losses[0] / 100
    assert names["right"] > 0.9
    assert names["condition"].shape == (100, 16)
    assert "every user in every domain (100, 3, 16)" in said
