"""`acg recommend` prints what the library recommends, for ids of every kind."""

import json
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
        ranked = re.findall(r"^ +(\d+) +(-?\d+\.\d{3})  (.*)$", out, re.MULTILINE)
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
        (("--user", "nobody"), "acg: there is no user 'nobody' among 80; new users are those of"),
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


def test_lists_of_many_users_go_to_files_and_programs(results: Path, tmp_path: Path, capsys: Captured) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("\r\n".join(users_of(results)[3:5]) + "\r\n", encoding="utf-8")
    out = tmp_path / "new" / "lists.jsonl"
    assert main(["recommend", str(results), "--users", str(ids), "--top", "2", "--out", str(out)]) == 0
    assert capsys.readouterr() == (f"{out}: 12 items for 2 users, 3 domains\n", "")
    names = [word for user in users_of(results)[3:5] for word in ("--user", user)]
    assert main(["recommend", str(results), *names, "--top", "2", "--json"]) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    for printed, row in zip(json.loads(capsys.readouterr().out), rows, strict=True):
        assert {**printed, "score": None} == {**row, "score": None}
        assert printed["score"] == pytest.approx(row["score"])


def test_what_is_named_twice_is_listed_once(results: Path, tmp_path: Path, capsys: Captured) -> None:
    one, other = users_of(results)[:2]
    twice = [word for user in (one, other, one) for word in ("--user", user)]
    command = ["recommend", str(results), *twice, "--domain", "films", "--domain", "films", "--top", "1"]
    assert main([*command, "--json"]) == 0
    out, err = capsys.readouterr()
    assert [row["user"] for row in json.loads(out)] == [one, other]
    assert err.splitlines()[:2] == [
        "users that are named again, left out: 1 of 3",
        "domains that are named again, left out: 1 of 2",
    ]
    assert main([*command, "--quiet"]) == 0
    assert capsys.readouterr().out.count("for ") == 2


def test_new_users_are_recommended_what_their_file_leads_to(results: Path, tmp_path: Path, capsys: Captured) -> None:
    new = tmp_path / "new.csv"
    new.write_text('user,item\nzoe,"item 01, new"\nzoe,unheard of\nkim,"item 02, new"\n', encoding="utf-8")
    command = ["recommend", str(results), "--interactions", str(new), "--domain", "books", "--top", "1", "--json"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert [row["user"] for row in json.loads(out)] == ["kim", "zoe"]
    assert "items that are not known, left out: 1 of 3 (the first: 'unheard of'), in rows: 1 of 3 (33.3%)" in err
    assert main(["recommend", str(results), "--interactions", str(new), "--user", "zoe", "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("for zoe\n\nbooks  (1 taken elsewhere; 0 taken here, left out)")
    assert main(["recommend", str(results), "--interactions", str(new), "--user", "ann", "--quiet"]) == 1
    assert "no user 'ann' among 2; users are those of --interactions alone" in capsys.readouterr().err
    out = tmp_path / "one.csv"
    assert main([*command[:-1], "--user", "zoe", "--out", str(out), "--quiet"]) == 0
    assert capsys.readouterr().out == f"{out}: 1 item for 1 user, 1 domain\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "say for whom: --user ID, --users FILE, --all, or --interactions FILE"),
        (("--all",), "give --out FILE, or --json"),
        (("--all", "--user", "ann"), "not allowed with argument"),
        (("--all", "--user-column", "a"), "--user-column is for --interactions, which is not given"),
        (("--all", "--rating-column", "a"), "--rating-column is for --interactions"),
        (("--all", "--min-rating", "4"), "--min-rating is for --interactions"),
        (("--all", "--where", "a > 1"), "--where is for --interactions"),
        (("--all", "--no-header"), "--no-header is for --interactions"),
        (("--all", "--encoding", "ascii"), "--encoding is for --interactions"),
        (("--all", "--normalize-ids"), "--normalize-ids is for --interactions"),
    ],
)
def test_for_whom_and_where_to_is_said_or_wrong_usage(options: tuple[str, ...], message: str, capsys: Captured) -> None:
    assert main(["recommend", "anywhere", *options]) == 2
    assert message in capsys.readouterr().err
