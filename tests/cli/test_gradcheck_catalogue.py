"""`acg gradcheck --catalogue` prints what `measure` found, for both kinds of sizes."""

import json

import pytest

from acg_numpy.checks import mistakes
from acg_numpy.checks.confusion import measure
from acg_numpy.cli import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> tuple[mistakes.Mistake, ...]:
    """Two wrong backwards, one with a name that nothing is called by."""
    one, other = mistakes.CATALOGUE[0], mistakes.CATALOGUE[-1]._replace(expected="no-such-id")
    monkeypatch.setattr(mistakes, "CATALOGUE", (one, other))
    return one, other


def test_recall_and_precision_are_those_of_both_kinds_of_sizes(
    few: tuple[mistakes.Mistake, ...], capsys: Captured
) -> None:
    assert main(["gradcheck", "--catalogue", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mistakes"] == 2
    for kind in ("distinct", "coinciding"):
        expected = measure(few, distinct=kind == "distinct")
        assert (told[kind]["recall"], told[kind]["precision"]) == (expected.recall, expected.precision)
        assert told[kind]["recall"] < 1


def test_what_is_confused_is_named_below_the_table(few: tuple[mistakes.Mistake, ...], capsys: Captured) -> None:
    assert main(["gradcheck", "--catalogue"]) == 0
    out = capsys.readouterr().out
    for kind in (True, False):
        assert measure(few, distinct=kind).table() in out
    below = out[out.index("should be called") :]
    assert few[1].name in below
    assert "no-such-id" in below


@pytest.mark.parametrize("others", [["mine.py"], ["--inputs", "3"], ["--hints", "1"]], ids="".join)
def test_a_catalogue_brings_its_own_inputs(others: list[str], capsys: Captured) -> None:
    assert main(["gradcheck", "--catalogue", *others]) == 2
    assert "--catalogue goes without a file" in capsys.readouterr().err
