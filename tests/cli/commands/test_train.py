"""From a file of interactions to the folder of results, and what happens where that cannot be."""

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from acg_numpy.cli import main
from acg_numpy.recommender.data import draw_split, load_checkpoint, read_interactions, read_split
from acg_numpy.recommender.models import DEFAULTS
from tests.cli.conftest import SMALL, Training, undrawn_pictures

FILES = {
    *(
        "metrics.json",
        "metrics.md",
        "split.tsv",
        "checkpoint.npz",
        "conditions.npy",
        "test_conditions.npy",
        "users.txt",
        "domains.txt",
    ),
    *("test_pairs.tsv", "test_pairs.parquet", "leads_by_domain.png", "quality_and_parameters.png"),
    *("items.txt", "item_domains.txt", "item_vectors.npy", "item_bias.npy", "interactions.npz", "run.json"),
    *("report.html", "report.md", "attention_map.png", "baselines.png", "loss_curve.png", "last.npz"),
    *("attention_by_domain.png", "attention_by_group.png", "attention_entropy.png", "attention_through_training.png"),
    "token_items.png",
}


def test_every_file_is_written_and_nothing_else(results: Path) -> None:
    assert {path.name for path in results.iterdir()} == FILES


def test_the_files_fit_together_and_to_the_data(results: Path, taken: Path) -> None:
    data = read_interactions(taken)
    lines = {
        name: (results / f"{name}.txt").read_text(encoding="utf-8").split("\n")[:-1] for name in ("users", "items")
    }
    assert lines == {"users": data.users.tolist(), "items": data.items.tolist()}
    assert (results / "domains.txt").read_text(encoding="utf-8").split() == data.domains.tolist()
    assert (results / "item_domains.txt").read_text(encoding="utf-8").split() == data.domains[data.item_domain].tolist()
    conditions = np.load(results / "conditions.npy", allow_pickle=False)
    assert conditions.shape == (80, 3, 8)
    assert conditions.dtype == np.float32
    assert np.load(results / "item_vectors.npy", allow_pickle=False).shape == (36, 8)
    assert np.load(results / "item_bias.npy", allow_pickle=False).shape == (36,)
    assert len(read_split(results / "split.tsv", data).test) > 20
    tokens = load_checkpoint(results / "checkpoint.npz").arrays["conditioner.domain_embedding.tokens"]
    assert tokens.shape == (3, 3, 8)
    for picture in (name for name in FILES if name.endswith(".png")):
        assert (results / picture).read_bytes().startswith(b"\x89PNG")


def test_the_run_says_where_it_came_from(results: Path, taken: Path) -> None:
    run = json.loads((results / "run.json").read_text(encoding="utf-8"))
    assert run["data"]["sha256"] == read_interactions(taken).sha256
    assert run["arguments"]["interactions"] == str(taken)
    assert run["arguments"]["tokens_per_domain"] == 3
    assert run["arguments"]["domain_of"] == "first"
    assert run["seed"] == 0


def test_results_go_to_standard_output_and_progress_to_standard_error(training: Training) -> None:
    folder, out, err = training
    assert "popularity" in out
    assert "attention" in out
    assert f"Everything is in {folder}" in out
    assert "epoch 2/2" not in out
    assert "interactions of 80 users with 36 items in 3 domains" in err
    assert err.count("  attention  epoch 2/2  ") == 1
    assert "\r" not in err  # lines in a pipe, no bar


@pytest.mark.usefixtures("undrawn")
def test_quiet_leaves_the_results_alone(taken: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(taken), "--out", str(tmp_path), *SMALL, "--no-baselines", "--quiet"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "attention" in out
    assert "popularity" not in out
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert list(metrics["test"]) == ["attention"]


@pytest.fixture(scope="module")
def again(taken: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same training once more, on a file whose columns have other names."""
    folder = tmp_path_factory.mktemp("again")
    rows = taken.read_text(encoding="utf-8").splitlines()[1:]
    renamed = folder / "renamed.csv"
    renamed.write_text("\n".join(["who,what,shelf", *rows]), encoding="utf-8")
    columns = ("--user-column", "who", "--item-column", "what", "--domain-column", "shelf")
    with undrawn_pictures():
        assert main(["train", str(renamed), "--out", str(folder / "out"), *columns, *SMALL, "--quiet"]) == 0
    return folder / "out"


def test_the_same_seed_gives_the_same_figures(results: Path, again: Path) -> None:
    for name in ("conditions.npy", "split.tsv", "item_vectors.npy", "item_bias.npy", "users.txt"):
        assert (again / name).read_bytes() == (results / name).read_bytes(), name
    first, second = (json.loads((out / "metrics.json").read_text(encoding="utf-8")) for out in (results, again))
    assert first["paired"] == second["paired"]
    for model, figures in first["test"].items():
        for figure in ("ndcg@10", "recall@10"):
            assert figures[figure] == second["test"][model][figure]


def test_columns_can_have_any_names(again: Path) -> None:
    assert (again / "domains.txt").read_text(encoding="utf-8") == "books\nfilms\ngames\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n\x00", "is a picture, which is not read"),
        (
            b"user,item\na,b\n",
            "has no column 'domain' for the domain, nor one of its usual names; it has 'user', 'item'",
        ),
        (b"user,item,domain\na,1,x\na,2,x\na,3,x\n", "only one domain is left, 'x'"),
        (b"user,item,domain\na,1,x\na,2,x\na,3,x\na,4,y\na,5,y\na,6,y\n", "more interactions are needed"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_on_standard_error(
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
    assert capsys.readouterr().err == f"acg: {tmp_path / 'file'} is a file: --out is the name of a folder\n"


EPOCH = ("--epochs", "1", "--emb-dim", "8", "--heads", "2", "--no-baselines")


@pytest.fixture(scope="module")
def resumable(taken: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A training of one epoch that was to go on from a state where there was none."""
    folder, err = tmp_path_factory.mktemp("resumable"), io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(err), undrawn_pictures():
        assert main(["train", str(taken), "--out", str(folder), *EPOCH, "--resume"]) == 0
    return Training(folder, "", err.getvalue())


def test_other_options_and_other_data_are_refused_and_nothing_is_touched(
    taken: Path, resumable: Training, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(resumable.folder, out)
    train = ["train", str(taken), "--out", str(out), *EPOCH, "--quiet"]
    before = {path: path.read_bytes() for path in out.iterdir()}
    for more, told in (
        (["--schedule", "cosine", "--heads", "4"], "heads was 2 and is 4; schedule was 'constant' and is 'cosine'"),
        (["--max-domains", "2"], "interactions was '"),
    ):
        assert main([*train, *more, "--resume"]) == 1
        stdout, err = capfd.readouterr()
        assert stdout == ""
        assert len(err.splitlines()) == 1
        assert err.startswith(f"acg: {out / 'last.npz'} is the state of another experiment: {told}")
    (out / "last.npz").write_bytes(before[out / "last.npz"][:1000])
    assert main([*train, "--resume"]) == 1
    assert "is truncated or damaged" in capfd.readouterr().err
    del before[out / "last.npz"]
    for path, content in before.items():
        assert path.read_bytes() == content


@pytest.mark.usefixtures("undrawn")
def test_notes_say_where_training_begins(taken: Path, resumable: Training, capfd: pytest.CaptureFixture[str]) -> None:
    folder = resumable.folder
    assert f"{folder / 'last.npz'} is not there yet, so training begins at the beginning" in resumable.err
    assert main(["train", str(taken), "--out", str(folder), *EPOCH]) == 0
    note = "is of an earlier run, and will be replaced; --resume would go on from it"
    assert f"{folder / 'last.npz'} {note}" in capfd.readouterr().err
    assert np.load(folder / "conditions.npy").any()


@pytest.mark.parametrize("options", [["--clip-norm", "0"], ["--clip-norm", "inf"], ["--schedule", "cosin"]])
def test_a_limit_or_a_schedule_that_is_none_is_wrong_usage(
    options: list[str], taken: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(taken), "--out", str(tmp_path / "out"), *options]) == 2
    assert options[1] in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


TINY = ("--epochs", "2", "--emb-dim", "8", "--heads", "2", "--tokens-per-domain", "3", "--no-baselines")


@pytest.fixture(scope="module")
def own(taken: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """User and item vectors that do not know what a split hides, and the split."""
    folder, data, rng = tmp_path_factory.mktemp("own"), read_interactions(taken), np.random.default_rng(0)
    split = draw_split(data, 5)
    split.write(folder / "split.tsv", data)
    maps = rng.normal(size=(len(data.items), 8))
    np.savez(folder / "users.npz", ids=data.users, vectors=split.visible(data) @ maps)
    np.savez(folder / "items.npz", ids=data.items, vectors=maps)
    return {
        "--split": f"{folder}/split.tsv",
        "--user-vectors": f"{folder}/users.npz",
        "--item-vectors": f"{folder}/items.npz",
    }


def options(own: dict[str, str], *names: str) -> list[str]:
    return [part for name in names for part in (name, own[name])]


@pytest.mark.usefixtures("undrawn")
def test_json_is_all_that_goes_to_standard_output_and_is_metrics_json(
    taken: Path, own: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    along = options(own, "--split", "--user-vectors", "--item-vectors")
    assert main(["train", str(taken), "--out", str(tmp_path), *TINY, *along, "--json"]) == 0
    out, err = capfd.readouterr()
    metrics = json.loads(out)
    assert metrics == json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert all(metrics["given"].values())
    assert "interactions of 80 users" in err
    assert "may have seen" not in (tmp_path / "metrics.md").read_text(encoding="utf-8")
    assert (tmp_path / "split.tsv").read_text() == Path(own["--split"]).read_text()
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert run["arguments"]["user_vectors"] == own["--user-vectors"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", ["--user-vectors", "--item-vectors"])
def test_vectors_without_a_split_are_warned_of(
    name: str, taken: Path, own: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(taken), "--out", str(tmp_path), *TINY, *options(own, name), "--quiet"]) == 0
    kind = name.strip("-").split("-")[0]
    assert f"The {kind} vectors were given. They may have seen the test pairs" in " ".join(
        capfd.readouterr().out.split()
    )


def test_what_does_not_fit_is_one_line_and_leaves_no_results(
    taken: Path, own: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "other.npz"
    np.savez(elsewhere, ids=["nobody"], vectors=np.ones((1, 8)))
    for along, message in (
        (["--user-vectors", own["--item-vectors"]], "has no vector for 80 of 80 users"),
        (["--item-vectors", str(elsewhere)], "has no vector for 36 of 36 items"),
        (["--user-vectors", str(taken)], "is not an .npz file"),
        (["--user-vectors", str(tmp_path / "none.npz")], "cannot be read: no such file"),
        (["--split", str(tmp_path / "none.tsv")], "cannot be read: no such file"),
        (["--split", str(taken)], "has no column 'part'"),
        ([*options(own, "--user-vectors"), "--emb-dim", "16"], "set emb_dim (--emb-dim) to 8"),
    ):
        assert main(["train", str(taken), "--out", str(tmp_path / "out"), *TINY, *along, "--quiet"]) == 1
        out, err = capfd.readouterr()
        assert out == ""
        assert message in err
        assert err.startswith("acg: ")
        assert err.count("\n") == 1
        assert not (tmp_path / "out" / "metrics.json").exists()


def test_the_help_has_the_defaults_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--help"])
    help_text = " ".join(capsys.readouterr().out.split())
    for name, value in DEFAULTS["attention"].items():
        said = help_text[help_text.rindex(f"--{name.replace('_', '-')}") :]
        default = ("yes" if value else "no") if isinstance(value, bool) else f"{value:g}"
        assert said[said.index("(default: ") :].startswith(f"(default: {default})")


@pytest.mark.usefixtures("undrawn")
def test_named_models_are_trained_by_old_names_too(
    taken: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    named = ("--models", "domain-linear, user", "--tune", "2", "--epochs", "1", "--emb-dim", "8", "--heads", "2")
    assert main(["train", str(taken), "--out", str(tmp_path), *named, "--inner-dim", "8", "--no-layer-norm"]) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert list(metrics["test"]) == ["user", "emcdr-linear", "attention"]
    assert [point["settings"]["layer_norm"] for point in metrics["settings"]["attention"]["tried"]] == [False, False]
    assert set(metrics["rising"]) == {"user", "emcdr-linear", "attention"}
    err = capfd.readouterr().err
    assert "  emcdr-linear 2: rate 0.01, dropout 0.3, layer norm\n" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--models", "flim"], "models has 'flim', which is not a model; did you mean 'film'?"),
        (["--tune", "19"], "tune is 19, but the grid of user has 18 points: take fewer"),
        (["--dropout", "1"], "expected a number from 0 up to, but not including, 1, but it is '1'"),
        (["--models", "film", "--no-baselines"], "baselines is False and models are named"),
    ],
)
def test_models_and_settings_that_are_none_are_wrong_usage(
    options: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "a.csv", "--out", "b", *options]) == 2
    assert said in capfd.readouterr().err
