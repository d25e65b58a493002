"""`acg bench` times what gives the same numbers, and says who is not there."""

import json

import numpy as np
import pytest

from acg_numpy import AttentionConditioner
from acg_numpy.cli import main
from acg_numpy.cli.benchmarks import acg, peers, timing
from acg_numpy.cli.benchmarks.cases import CASES, QUICK, Case, draw_batch, draw_parameters
from acg_numpy.cli.benchmarks.other_frameworks import condition
from acg_numpy.cli.benchmarks.peers import OURS, PEERS, SERVING, Peer
from acg_numpy.cli.benchmarks.timing import Disagreement, Timing, check_agreement, geometric_mean, time_in_turns
from acg_numpy.cli.commands import bench

Captured = pytest.CaptureFixture[str]
SMALL = Case(40, 8, 2, 3, 4)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no peer were installed."""
    monkeypatch.setattr(peers, "find_spec", lambda name: None)


@pytest.mark.usefixtures("nobody")
def test_without_peers_it_measures_itself_and_says_what_to_install(capsys: Captured) -> None:
    assert main(["bench", "--case", "200,8,2,3,4", "--case", "64,4,1,1,2", "--rounds", "2"]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert ["users", "D", "H", "domains", "tokens", "classroom", "products"] in rows
    assert [" ".join(row[:5]) for row in rows if row[:1] in (["200"], ["64"])] == ["200 8 2 3 4", "64 4 1 1 2"]
    for package in ("torch", "jax", "autograd", "mygrad"):
        assert f"pip install {package}" in out


@pytest.mark.usefixtures("nobody")
def test_json_holds_every_ratio_and_who_is_missing(capsys: Captured) -> None:
    assert main(["bench", "--case", "200,8,2,3,4", "--rounds", "3", "--threads", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rounds"], told["threads"], list(told["versions"])) == (3, 1, ["numpy"])
    (row,) = told["cases"]
    assert row["case"] == {"users": 200, "dim": 8, "heads": 2, "domains": 3, "tokens": 4}
    assert set(row["ratios"]) == {"classroom", "products"}
    for name, ratio in row["ratios"].items():
        assert ratio > 0
        assert told["geometric_means"][name] == pytest.approx(ratio)
        low, high = row["quartiles"][name]
        assert low <= ratio <= high
        assert row["of_fastest_rounds"][name] > 0
    assert set(told["missing"]) == {*PEERS, *SERVING} - {"classroom", "products"}


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("load", [0.1, 3.2])
def test_a_busy_machine_raises_doubt(load: float, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(bench, "run_measurements", lambda request: iter([]))
    assert main(["bench"]) == 0
    assert (f"kept {load} processors busy" in capsys.readouterr().out) == (load > 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--case", "1,2,3"], "'1,2,3' is not five whole numbers"),
        (["--case", "8,6,4,2,8"], "H divides D"),
        (["--case", "8,8,4,0,8"], "sizes are 1 or more"),
        (["--against", "MAH"], "there is no peer 'MAH' among 'MHA', 'tables'"),
        (["--quick", "--case", "8,8,4,2,8"], "--quick chooses the cases"),
        (["--rounds", "0"], "expected a whole number, 1 or more, but it is '0'"),
    ],
)
def test_wrong_usage_says_what_is_wrong(arguments: list[str], message: str, capsys: Captured) -> None:
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_measuring_process_that_ends_is_no_traceback(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.sys, "executable", "false")
    assert main(["bench", "--case", "8,8,4,2,8", "--rounds", "1"]) == 1
    assert "acg: acg bench: the measuring process ended" in capsys.readouterr().err


def test_a_peer_that_gives_other_numbers_is_named_and_not_timed(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(case: Case, parameters: dict) -> object:
        return acg.conditioner(case, {**parameters, "attention.value.bias": parameters["attention.value.bias"] + 1})

    found = time_in_turns(
        SMALL, acg.conditioner, {"classroom": PEERS["classroom"]._replace(make=wrong)}, rounds=1, seed=0
    )
    assert list(found.seconds) == [OURS]
    monkeypatch.setattr(bench, "run_measurements", lambda request: iter([found]))
    assert main(["bench", "--against", "classroom"]) == 1
    assert "classroom differs in the condition by" in " ".join(capsys.readouterr().out.split())


def test_a_peer_that_breaks_does_not_stop_the_others() -> None:
    def broken(case: Case, parameters: dict) -> object:
        raise RuntimeError("no such\nattribute")

    these = {"broken": Peer("broken", "", None, broken), "classroom": PEERS["classroom"]}
    found = time_in_turns(SMALL, acg.conditioner, these, rounds=1, seed=0)
    assert found.failed == {"broken": "RuntimeError: no such"}
    assert not found.disagreed
    assert list(found.seconds) == [OURS, "classroom"]


def results() -> tuple:
    """Condition and gradients of the classroom."""
    rng = np.random.default_rng(0)
    running = PEERS["classroom"].make(SMALL, draw_parameters(SMALL, rng))
    return running.read(running.step(*draw_batch(SMALL, rng)))


@pytest.mark.parametrize("name", results()[1])
def test_every_gradient_is_compared(name: str) -> None:
    out, right = results()
    check_agreement("peer", (out, right), (out, right))
    wrong = right[name].copy()
    scale = np.abs(right["attention.query.bias"] if name == "attention.key.bias" else wrong).max()
    wrong[(0,) * wrong.ndim] += 1e-4 * scale
    with pytest.raises(Disagreement, match=name):
        check_agreement("peer", (out, {**right, name: wrong}), (out, right))
    with pytest.raises(Disagreement, match=f"no gradient of {name}"):
        check_agreement("peer", (out, {n: g for n, g in right.items() if n != name}), (out, right))


@pytest.mark.parametrize("tables", [False, True])
def test_what_array_libraries_are_given_to_compute_is_the_condition(tables: bool) -> None:
    rng = np.random.default_rng(0)
    parameters = draw_parameters(SMALL, rng)
    users, ids, _ = draw_batch(SMALL, rng)
    model = AttentionConditioner(SMALL.dim, SMALL.heads, SMALL.domains, tokens_per_domain=SMALL.tokens)
    model.load_state_dict(parameters)

    def softmax(scores: np.ndarray) -> np.ndarray:
        weights = np.exp(scores)
        return weights / weights.sum(-1, keepdims=True)

    found = condition(np, softmax, parameters, users, ids, SMALL.heads, tables=tables)
    np.testing.assert_allclose(found, model(users, ids).data, rtol=1e-4, atol=1e-5)


def test_the_domains_are_others_in_every_round_and_in_no_order() -> None:
    seen = []

    def watching(case: Case, parameters: dict) -> object:
        running = acg.conditioner(case, parameters)
        return running._replace(step=lambda *batch: (seen.append(batch[1].copy()), running.step(*batch))[1])

    time_in_turns(SMALL, watching, {}, rounds=4, seed=0)
    timed = seen[-4:]
    assert len({ids.tobytes() for ids in timed}) == 4
    assert all(np.any(np.diff(ids) < 0) for ids in timed)


def test_all_users_in_all_domains_is_a_condition_for_each() -> None:
    found = timing.measure_serving([], 1, case=SMALL)
    rng = np.random.default_rng(0)
    running = acg.serving(SMALL, draw_parameters(SMALL, rng))
    assert running.read(running.step(*draw_batch(SMALL, rng)))[0].shape == (SMALL.users, SMALL.domains, SMALL.dim)
    assert found.seconds[OURS].shape == (1,)


def test_ratios_are_taken_round_by_round_and_averaged_as_ratios() -> None:
    seconds = {
        OURS: np.array([1.0, 2.0, 4.0]),
        "MHA": np.array([2.0, 6.0, 40.0]),
        "products": np.array([0.5, 0.5, 1.0]),
    }
    one = Timing(SMALL, seconds, {}, False)
    assert bench.time_ratio(one, "MHA") == 3  # of 2, 3 and 10
    assert bench.time_ratio(one, "products") == 4  # of 2, 4 and 4, ours over theirs
    assert bench.time_ratio(one, "JAX") is None
    assert geometric_mean([2, 8]) == pytest.approx(4)
    other = one._replace(seconds={OURS: np.ones(1), "MHA": np.full(1, 12.0)})
    assert bench.mean_ratios([one, other], ["MHA", "products", "JAX"]) == pytest.approx({"MHA": 6, "products": 4})


def test_loops_over_domains_are_left_out_where_domains_have_few_users() -> None:
    found = [timing.measure(Case(users, 8, 2, 3, 4), ["products"], 1) for users in (191, 192)]
    assert ["products" in one.seconds for one in found] == [False, True]


def test_quick_is_a_part_of_the_whole() -> None:
    assert set(QUICK) < set(CASES)
