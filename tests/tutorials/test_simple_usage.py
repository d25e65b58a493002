"""The first program that a newcomer runs does what it, and the README, say."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from acg_numpy import OneKeyWarning

SCRIPT = Path(__file__).parents[2] / "tutorials" / "simple_usage.py"


def losses(said):
    return [float(number) for number in re.findall(r"mean squared error ([\d.]+)", said)]


def test_the_usage_example_trains_and_says_so(capsys):
    names = runpy.run_path(str(SCRIPT))
    said = capsys.readouterr().out
    assert losses(said)[-1] < losses(said)[0] / 100
    assert names["right"] > 0.9
    assert names["condition"].shape == (100, 16)
    assert "every user in every domain (100, 3, 16)" in said


def test_with_one_key_the_same_program_learns_nothing_about_the_user(tmp_path, capsys):
    source = SCRIPT.read_text(encoding="utf-8")
    script = tmp_path / "one_key.py"
    script.write_text(
        source.replace("num_domains=DOMAINS,", "num_domains=DOMAINS, tokens_per_domain=1,"), encoding="utf-8"
    )
    with pytest.warns(OneKeyWarning):
        names = runpy.run_path(str(script))
    first, *_, last = losses(capsys.readouterr().out)
    assert last > first / 2
    assert names["right"] < 0.4
    for name, parameter in names["conditioner"].named_parameters():
        silent = ".query." in name or ".key." in name
        assert np.any(parameter.grad) != silent, name
