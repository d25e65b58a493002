"""From a folder of results to recommendations, and to conditions for users met later."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from acg_numpy.cli import main
from acg_numpy.recommender.serving import Recommender, Trained

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(taken: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    small = ("--epochs", "2", "--emb-dim", "8", "--heads", "2", "--tokens-per-domain", "4", "--no-baselines")
    assert main(["train", str(taken), "--out", str(out), *small, "--num-global-tokens", "1", "--quiet"]) == 0
    return out


def users_of(folder: Path) -> list[str]:
    return (folder / "users.txt").read_text(encoding="utf-8").split("\n")[:-1]


def test_recommendations_are_those_of_the_library_for_ids_of_every_kind(folder: Path, capsys: Captured) -> None:
    recommender = Recommender.load(folder)
    for user in users_of(folder)[::7]:
        assert main(["recommend", str(folder), "--user", user, "--domain", "films", "--top", "3"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        [found] = recommender.recommend(user, domain="films", top=3)
        assert out.startswith(f"for {user}\n\nfilms  ({found.taken_elsewhere} taken elsewhere; ")
        ranked = re.findall(r"^ +(\d+) +(-?\d\.\d{3})  (.*)$", out, re.MULTILINE)
        assert [item for _, _, item in ranked] == found.items.tolist()
        assert [float(score) for _, score, _ in ranked] == pytest.approx(found.scores.tolist(), abs=6e-4)


def test_each_domain_comes_with_the_tokens_of_each_head(folder: Path, capsys: Captured) -> None:
    assert main(["recommend", str(folder), "--user", users_of(folder)[0]]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if "taken elsewhere" in line] == ["books", "films", "games"]
    assert len(re.findall(r"^  head [01]: (?:(?:global )?token \d \d+%(?:, |$)){3}", out, re.MULTILINE)) == 6
    assert "weights are not causes" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--user", "nobody"), "acg: there is no user 'nobody' among 80; someone met after training is folded in by"),
        (("--user", "a$b 4", "--domain", "boks"), "acg: there is no domain 'boks'; did you mean 'books'?"),
        (("--user", "x\ny\x1b[2J"), r"acg: there is no user 'x\ny\x1b[2J' among 80;"),
    ],
)
def test_who_or_what_is_not_there_is_one_line_and_exit_code_1(
    folder: Path, options: tuple[str, ...], message: str, capsys: Captured
) -> None:
    assert main(["recommend", str(folder), *options]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_users_folded_in_from_their_interactions_get_the_conditions_of_training(
    folder: Path, taken: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "deep" / "new.npy"
    checkpoint = folder / "checkpoint.npz"
    assert main(["condition", str(checkpoint), "--interactions", str(taken), "--out", str(out)]) == 0
    told, err = capsys.readouterr()
    assert told == (
        f"{out}: conditions of 80 users in 3 domains, 8 dimensions, float32\n"
        f"{out.with_suffix('.users.txt')}: their ids, a line each\n"
    )
    assert "interactions of 80 users with known items" in err
    assert "users a second" in err
    np.testing.assert_allclose(np.load(out), np.load(folder / "conditions.npy"), rtol=1e-5, atol=1e-6)
    assert out.with_suffix(".users.txt").read_bytes() == (folder / "users.txt").read_bytes()


def test_a_user_with_nothing_elsewhere_is_zeros_there_and_counted(
    folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    new = tmp_path / "new.csv"
    items = read_domain(folder, "games")
    new.write_text("user,item\n" + "".join(f'zoe,"{item}"\n' for item in items) + "kim,unheard of\n", encoding="utf-8")
    command = ["condition", str(folder / "checkpoint.npz"), "--interactions", str(new)]
    assert main([*command, "--out", str(tmp_path / "new.npy"), "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "zeros in 4 of 6 places of a user and a domain, because the user took nothing else" in out
    kim, zoe = np.load(tmp_path / "new.npy").any(axis=-1).tolist()
    domains = (folder / "domains.txt").read_text(encoding="utf-8").split()
    assert kim == [False] * 3
    assert zoe == [domain != "games" for domain in domains]


def read_domain(folder: Path, domain: str) -> list[str]:
    items, domains = (
        (folder / f"{name}.txt").read_text(encoding="utf-8").split("\n") for name in ("items", "item_domains")
    )
    return [item for item, its in zip(items, domains, strict=True) if its == domain]


def test_vectors_of_users_are_conditioned_in_every_domain(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    np.save(tmp_path / "users.npy", vectors)
    command = ["condition", str(folder / "checkpoint.npz"), "--users", str(tmp_path / "users.npy")]
    assert main([*command, "--out", str(tmp_path / "c.npy"), "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    expected = Trained.load(folder / "checkpoint.npz").conditioner(vectors[:, None], np.arange(3)).numpy()
    np.testing.assert_allclose(np.load(tmp_path / "c.npy"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "one of the arguments --interactions --users is required"),
        (("--interactions", "a", "--users", "b"), "argument --users: not allowed with argument --interactions"),
        (("--users", "b", "--min-rating", "4"), "--min-rating is for --interactions"),
    ],
)
def test_what_to_condition_is_said_once_and_else_wrong_usage(
    options: tuple[str, ...], message: str, capsys: Captured
) -> None:
    assert main(["condition", "checkpoint.npz", "--out", "c.npy", *options]) == 2
    assert message in capsys.readouterr().err


def test_outputs_do_not_overwrite_what_is_read_nor_folders_nor_devices(
    folder: Path, taken: Path, tmp_path: Path, capsys: Captured
) -> None:
    checkpoint = folder / "checkpoint.npz"
    before = checkpoint.read_bytes(), taken.read_bytes()
    for out, message in (
        (checkpoint, "is what is to be read: give --out another name"),
        (taken, "is what is to be read: give --out another name"),
        (tmp_path, "is a folder: --out is the name of a file"),
        (Path("/dev/null"), "is a device, not a file that can be replaced"),
    ):
        assert main(["condition", str(checkpoint), "--interactions", str(taken), "--out", str(out)]) == 1
        assert capsys.readouterr().err == f"acg: {out} {message}" + (
            ": give --out another name\n" if out == Path("/dev/null") else "\n"
        )
    assert (checkpoint.read_bytes(), taken.read_bytes()) == before


def test_memory_does_not_grow_with_the_users(tmp_path: Path) -> None:
    from acg_numpy.recommender.data import make_world
    from acg_numpy.recommender.training import fit

    fit(make_world().interactions, epochs=1, baselines=False, emb_dim=64).trained.save(tmp_path / "c.npz")
    peak = {}
    for users in (4_000, 60_000):  # 60,000 are 77 MB of vectors, and as much of conditions
        array = np.lib.format.open_memmap(tmp_path / "u.npy", "w+", "<f4", (users, 5, 64))  # type: ignore[no-untyped-call]
        array[:] = 1
        array.flush()
        command = ["condition", "c.npz", "--users", "u.npy", "--out", "out.npy"]
        program = f"import sys; from acg_numpy.cli import main; sys.exit(main({command}))"
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert f"conditions of {users:,} users in 5 domains, 64 dimensions" in done.stdout
        found = re.search(r"at most (\d+) MiB of memory", done.stderr)
        assert found is not None
        peak[users] = int(found[1])
    assert peak[60_000] < peak[4_000] + 50
