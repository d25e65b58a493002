"""`acg recommend` prints what the library recommends, for ids of every kind."""

import re
from pathlib import Path

import pytest

from acg_numpy.cli import main
from acg_numpy.recommender.serving import Recommender

Captured = pytest.CaptureFixture[str]


def users_of(folder: Path) -> list[str]:
    return (folder / "users.txt").read_text(encoding="utf-8").split("\n")[:-1]


def test_recommendations_are_those_of_the_library_for_ids_of_every_kind(results: Path, capsys: Captured) -> None:
    recommender = Recommender.load(results)
    for user in users_of(results)[::7]:
        assert main(["recommend", str(results), "--user", user, "--domain", "films", "--top", "3"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        [found] = recommender.recommend(user, domain="films", top=3)
        assert out.startswith(f"for {user}\n\nfilms  ({found.taken_elsewhere} taken elsewhere; ")
        ranked = re.findall(r"^ +(\d+) +(-?\d\.\d{3})  (.*)$", out, re.MULTILINE)
        assert [item for _, _, item in ranked] == found.items.tolist()
        assert [float(score) for _, score, _ in ranked] == pytest.approx(found.scores.tolist(), abs=6e-4)


def test_each_domain_comes_with_the_tokens_of_each_head(results: Path, capsys: Captured) -> None:
    assert main(["recommend", str(results), "--user", users_of(results)[0]]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if "taken elsewhere" in line] == ["books", "films", "games"]
    assert len(re.findall(r"^  head [01]: (?:(?:global )?token \d \d+%(?:, |$)){3}", out, re.MULTILINE)) == 6
    assert "weights are not causes" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--user", "nobody"), "acg: there is no user 'nobody' among 80; a new user is conditioned by"),
        (("--user", "a$b 4", "--domain", "boks"), "acg: there is no domain 'boks'; did you mean 'books'?"),
        (("--user", "x\ny\x1b[2J"), r"acg: there is no user 'x\ny\x1b[2J' among 80;"),
    ],
)
def test_a_user_or_domain_that_is_not_there_is_one_line(
    results: Path, options: tuple[str, ...], message: str, capsys: Captured
) -> None:
    assert main(["recommend", str(results), *options]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1
