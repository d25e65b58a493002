"""From a file of interactions to the folder of results, and what happens where that cannot be."""

import json
from pathlib import Path

import numpy as np
import pytest

from acg_numpy.cli import main
from acg_numpy.recommender.data import load_checkpoint, read_interactions, read_split

FILES = {
    *("metrics.json", "metrics.md", "split.tsv", "checkpoint.npz", "conditions.npy", "users.txt", "domains.txt"),
    *("items.txt", "item_domains.txt", "item_vectors.npy", "item_bias.npy", "interactions.npz", "run.json"),
    *("report.html", "report.md", "attention_map.png", "baselines.png", "loss_curve.png", "last.npz"),
    *("attention_by_domain.png", "attention_by_group.png", "attention_entropy.png", "attention_through_training.png"),
    "token_items.png",
}
SMALL = ("--epochs", "2", "--emb-dim", "8", "--heads", "2", "--tokens-per-domain", "3", "--num-global-tokens", "1")


@pytest.fixture(scope="module")
def folder(taken: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results") / "deep" / "er"
    assert main(["train", str(taken), "--out", str(out), *SMALL]) == 0
    return out


def test_every_file_is_written_and_nothing_else(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == FILES


def test_the_files_fit_together_and_to_the_data(folder: Path, taken: Path) -> None:
    data = read_interactions(taken)
    lines = {name: (folder / f"{name}.txt").read_text(encoding="utf-8").split("\n")[:-1] for name in ("users", "items")}
    assert lines == {"users": data.users.tolist(), "items": data.items.tolist()}
    assert (folder / "domains.txt").read_text(encoding="utf-8").split() == data.domains.tolist()
    assert (folder / "item_domains.txt").read_text(encoding="utf-8").split() == data.domains[data.item_domain].tolist()
    conditions = np.load(folder / "conditions.npy", allow_pickle=False)
    assert conditions.shape == (80, 3, 8)
    assert conditions.dtype == np.float32
    assert np.load(folder / "item_vectors.npy", allow_pickle=False).shape == (36, 8)
    assert np.load(folder / "item_bias.npy", allow_pickle=False).shape == (36,)
    assert len(read_split(folder / "split.tsv", data).test) > 20
    tokens = load_checkpoint(folder / "checkpoint.npz").arrays["conditioner.domain_embedding.tokens"]
    assert tokens.shape == (3, 3, 8)
    for picture in (name for name in FILES if name.endswith(".png")):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")


def test_the_run_says_where_it_came_from(folder: Path, taken: Path) -> None:
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert run["data"]["sha256"] == read_interactions(taken).sha256
    assert run["arguments"]["interactions"] == str(taken)
    assert run["arguments"]["tokens_per_domain"] == 3
    assert run["arguments"]["domain_of"] == "first"
    assert run["seed"] == 0


def test_results_go_to_standard_output_and_progress_to_standard_error(
    taken: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(taken), "--out", str(tmp_path), *SMALL]) == 0
    out, err = capfd.readouterr()
    assert "popularity" in out
    assert "attention" in out
    assert f"Everything is in {tmp_path}" in out
    assert "epoch" not in out
    assert "interactions of 80 users with 36 items in 3 domains" in err
    assert err.count("  attention  epoch 2/2  ") == 1
    assert "\r" not in err  # lines in a pipe, no bar


def test_quiet_leaves_the_results_alone(taken: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(taken), "--out", str(tmp_path), *SMALL, "--no-baselines", "--quiet"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "attention" in out
    assert "popularity" not in out
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert list(metrics["test"]) == ["attention"]


def test_the_same_seed_gives_the_same_figures(folder: Path, taken: Path, tmp_path: Path) -> None:
    assert main(["train", str(taken), "--out", str(tmp_path), *SMALL, "--quiet"]) == 0
    for name in ("conditions.npy", "split.tsv", "item_vectors.npy", "item_bias.npy", "users.txt"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
    first, again = (json.loads((out / "metrics.json").read_text(encoding="utf-8")) for out in (folder, tmp_path))
    assert first["paired"] == again["paired"]
    for model, figures in first["test"].items():
        for figure in ("ndcg@10", "recall@10"):
            assert figures[figure] == again["test"][model][figure]


def test_columns_can_have_any_names(tmp_path: Path, taken: Path) -> None:
    rows = taken.read_text(encoding="utf-8").splitlines()[1:]
    renamed = tmp_path / "renamed.csv"
    renamed.write_text("\n".join(["who,what,shelf", *rows]), encoding="utf-8")
    columns = ("--user-column", "who", "--item-column", "what", "--domain-column", "shelf")
    out = tmp_path / "out"
    assert main(["train", str(renamed), "--out", str(out), *columns, *SMALL, "--quiet", "--no-baselines"]) == 0
    assert (out / "domains.txt").read_text(encoding="utf-8") == "books\nfilms\ngames\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n\x00", "is not UTF-8 text"),
        (b"user,item\na,b\n", "has no column 'domain' for the domain; it has 'user', 'item'"),
        (b"user,item,domain\na,1,x\na,2,x\na,3,x\n", "only one domain is left, 'x'"),
        (b"user,item,domain\na,1,x\na,2,x\na,3,x\na,4,y\na,5,y\na,6,y\n", "more interactions are needed"),
    ],
)
def test_a_file_that_will_not_do_is_one_line_on_standard_error_and_exit_code_1(
    tmp_path: Path, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "taken.csv"
    path.write_bytes(content)
    assert main(["train", str(path), "--out", str(tmp_path / "out"), "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("acg: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_file_or_folder_that_cannot_be_used_is_named(
    taken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(tmp_path / "nowhere.csv"), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == f"acg: {tmp_path / 'nowhere.csv'} cannot be read: no such file or directory\n"
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    assert main(["train", str(taken), "--out", str(tmp_path / "file"), "--quiet"]) == 1
    assert capsys.readouterr().err == f"acg: {tmp_path / 'file'}: file exists\n"
