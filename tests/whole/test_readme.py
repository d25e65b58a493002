"""What the README shows is so."""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def test_the_first_example_conditions_five_users():
    names: dict = {}
    exec(EXAMPLES[0], names)
    assert names["condition"].shape == (5, 32)
    assert names["condition"].requires_grad


def test_the_second_example_prints_what_its_comments_say(capsys):
    exec(EXAMPLES[1], {})
    promised = re.findall(r"print\(.*\)  # (\[.*?\]|[\d.]+)", EXAMPLES[1])
    said = capsys.readouterr().out.splitlines()
    assert len(promised) == 2
    for line, promise in zip(said[-2:], promised, strict=True):
        np.testing.assert_allclose(
            np.fromstring(line.strip("[]"), sep=" "), np.fromstring(promise.strip("[]."), sep=" "), atol=1e-4
        )


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_link_leads_to_a_file(path):
    assert (ROOT / path).exists()
