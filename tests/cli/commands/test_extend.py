"""`acg extend` adds a domain to a folder of results, and the new folder serves it."""

import json
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pytest

from acg_numpy.cli import main
from acg_numpy.recommender.data.checkpoints import load_checkpoint, save_checkpoint
from acg_numpy.recommender.serving.trained import READING, TITLES

Captured = pytest.CaptureFixture[str]
QUICK = ("--min-elsewhere", "3", "--epochs", "2")


@pytest.fixture(scope="module")
def today(taken: Path, results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that was taken until the training, records that every other user took later, and one more book."""
    users = (results / "users.txt").read_text(encoding="utf-8").split("\n")[:-1]
    rows = [(user, f"record {n}", "music") for k, user in enumerate(users[::2]) for n in range(8) if (n + k) % 3]
    rows += [(user, "one more", "books") for user in users[::3]]
    path = tmp_path_factory.mktemp("today") / "today.csv"
    more = "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows)
    path.write_text(taken.read_text(encoding="utf-8") + more, encoding="utf-8")
    return path


def test_a_new_domain_and_item_are_added_and_served(
    results: Path, today: Path, tmp_path: Path, capsys: Captured
) -> None:
    new = tmp_path / "new"
    assert main(["extend", str(results), str(today), "--out", str(new), *QUICK]) == 0
    out, err = capsys.readouterr()
    assert err.startswith(f"{today}: ")
    assert any(line.startswith("music ") for line in out.splitlines())
    assert "24 numbers trained, and the biases of the items" in out  # three tokens of 8
    assert "books: 1 new item" in out
    user = (new / "users.txt").read_text(encoding="utf-8").split("\n")[5]
    assert main(["recommend", str(new), "--user", user, "--domain", "music", "--top", "3", "--json"]) == 0
    assert {row["item"].split()[0] for row in json.loads(capsys.readouterr().out)} == {"record"}
    summary = json.loads((new / "extension.json").read_text(encoding="utf-8"))
    assert summary["items"] == {"books": 1}
    assert summary["domains"]["music"]["items"] == 8


def trained_with(results: Path, folder: Path, **reading: object) -> Path:
    """Copy a folder of results, with another record of how its interactions were read."""
    shutil.copytree(results, folder)
    arrays, about = load_checkpoint(folder / "checkpoint.npz")
    save_checkpoint(folder / "checkpoint.npz", arrays, about | {READING: about[READING] | reading})
    return folder


def test_missing_titles_of_new_items_are_said(results: Path, today: Path, tmp_path: Path, capsys: Captured) -> None:
    run = tmp_path / "run"
    shutil.copytree(results, run)
    arrays, about = load_checkpoint(run / "checkpoint.npz")
    titles = np.array([f"The {item}" for item in (run / "items.txt").read_text(encoding="utf-8").split("\n")[:-1]])
    save_checkpoint(run / "checkpoint.npz", arrays | {TITLES: titles}, about)
    assert main(["extend", str(run), str(today), "--out", str(tmp_path / "new"), *QUICK]) == 0
    assert "new items have no title, because SOURCE has none: --items names a table" in capsys.readouterr().err
    arrays, _ = load_checkpoint(tmp_path / "new" / "checkpoint.npz")
    assert set(titles) <= set(arrays[TITLES])
    assert "" in arrays[TITLES]


def test_a_source_unlike_that_of_training_is_refused_with_both(
    results: Path, today: Path, tmp_path: Path, capsys: Captured
) -> None:
    other = tmp_path / "other.csv"
    other.write_text(today.read_text(encoding="utf-8").replace("user", "who", 1), encoding="utf-8")
    command = ["extend", str(results), "--out", str(tmp_path / "new"), *QUICK]
    assert main([*command, str(other)]) == 1
    message = capsys.readouterr().err
    assert "no column 'user' for the user; it has 'who', " in message
    assert (
        "SOURCE is read as in training, with the columns user = 'user', item = 'item', domain = 'domain', " in message
    )
    floating = tmp_path / "floating.parquet"
    duckdb.sql(f"COPY (SELECT * REPLACE (hash(item)::DOUBLE AS item) FROM read_csv('{today}')) TO '{floating}'")
    run = trained_with(results, tmp_path / "run", types={"item": "VARCHAR"})
    assert main([*command[:1], str(run), *command[2:], str(floating)]) == 1
    assert "'item' for the item has the type DOUBLE, and in the interactions of training it had VARCHAR" in (
        capsys.readouterr().err
    )


def test_new_domains_obey_the_limits_of_training(results: Path, today: Path, tmp_path: Path, capsys: Captured) -> None:
    run = trained_with(results, tmp_path / "run", max_domains=2)
    command = ["extend", str(run), str(today), *QUICK]
    assert main([*command, "--out", str(tmp_path / "without")]) == 0
    out, err = capsys.readouterr()
    assert "not among the 2 with most items, not added: 'music' (--domain adds one" in err
    assert "music" not in out
    run = trained_with(results, tmp_path / "strict", min_items=9)  # music has 8
    assert main(["extend", str(run), str(today), *QUICK, "--out", str(tmp_path / "fewer")]) == 0
    assert "domains with fewer than 9 items, left out: 1 ('music')" in capsys.readouterr().err


def test_the_table_of_items_of_training_is_asked_for(results: Path, tmp_path: Path, capsys: Captured) -> None:
    run = trained_with(results, tmp_path / "run", items="films.csv", columns={"user": ["user"], "item": ["item"]})
    source = tmp_path / "today.csv"
    source.write_text("user,item\na,b\n", encoding="utf-8")
    assert main(["extend", str(run), str(source), "--out", str(tmp_path / "new")]) == 1
    assert "training had the domains and titles of items from --items films.csv" in capsys.readouterr().err


def test_what_cannot_be_added_is_one_line_and_nothing_is_written(
    results: Path, taken: Path, today: Path, tmp_path: Path, capsys: Captured
) -> None:
    new = tmp_path / "new"
    announced = tmp_path / "announced.csv"
    announced.write_text("item,domain\nnext year,books\n", encoding="utf-8")
    for options, message in (
        ((str(taken),), "nothing is new"),
        ((str(today), "--domain", "musik"), "'musik' is not a new domain"),
        ((str(today), "--new-items", str(announced)), "no user took 'next year' yet"),
    ):
        assert main(["extend", str(results), *options, "--out", str(new), "--quiet", *QUICK]) == 1
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
    assert not new.exists()
    assert main(["extend", str(results), str(today), "--out", str(results)]) == 2
    assert "--out is DIR itself" in capsys.readouterr().err


def test_a_folder_of_another_run_is_refused_before_anything_is_read(
    results: Path, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert main(["extend", str(results), "not-there.csv", "--out", str(tmp_path)]) == 1
    assert f"{tmp_path} is not empty: remove it, or give --out another name" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
