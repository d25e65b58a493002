"""A prediction is a count of work, each kind by its weight; the plan is the cheapest, and says so."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import AttentionConditioner
from acg_numpy.kernels import planning
from acg_numpy.kernels.grouping import CHUNK, every_domain, group
from acg_numpy.kernels.planning import make_plan, plan_for_context, predict_costs

WEIGHTS = (planning.ABSORBED, planning.GROUPED, planning.CLASSROOM, planning.WHOLE, planning.TILED)

# Four domains with 2500, 5, 3 and 1 users; K tokens, D features, H heads.
IDS = np.repeat(np.arange(4), [5, 2500, 1, 3])
B, N, K, D, H = 2509, 4, 7, 11, 3
I = 6  # features of all heads  # noqa: E741
PADDED, BLOCKS = 2500 + 3 * 5, 3  # 2500 users are two blocks; those of the other domains are padded to 5

COUNTED = {
    ("absorbed", "ABSORBED", "scores"): 6 * PADDED * H * K * D,
    ("absorbed", "GROUPED", "rows"): 0,
    ("absorbed", "ABSORBED", "passes"): PADDED * H * K,
    ("absorbed", "ABSORBED", "rows"): B * D,
    ("absorbed", "ABSORBED", "tables"): 12 * N * K * D * I,
    ("absorbed", "ABSORBED", "table"): N * H * K * D,
    ("absorbed", "ABSORBED", "head"): N * H,
    ("absorbed", "ABSORBED", "block"): BLOCKS,
    ("absorbed", "ABSORBED", "call"): 1,
    ("absorbed", "MASK", ""): 0,
    ("grouped", "GROUPED", "rows"): 6 * B * D * I,
    ("grouped", "GROUPED", "passes"): PADDED * H * K,
    ("grouped", "GROUPED", "padded"): PADDED * I,
    ("grouped", "GROUPED", "tables"): 6 * N * K * D * I,
    ("grouped", "GROUPED", "table"): N * K * I,
    ("grouped", "GROUPED", "head"): N * H,
    ("grouped", "GROUPED", "block"): BLOCKS,
    ("grouped", "GROUPED", "call"): 1,
    ("grouped", "MASK", ""): 0,
    # of the user's own copy of the tokens, keys and values each take a product forward and two backward
    ("classroom", "CLASSROOM", "rows"): 6 * B * D * I + 2 * (1 + 2) * B * K * D * I,
    ("classroom", "CLASSROOM", "copies"): 6 * B * K * I,
    ("classroom", "CLASSROOM", "passes"): B * H * K,
    ("classroom", "CLASSROOM", "user"): B * H,
    ("classroom", "CLASSROOM", "call"): 1,
    ("classroom", "MASK", ""): 0,
}
# What is counted in another way where features of the merged heads are dropped.
COUNTED_WITH_HEADS_DROPPED = {
    **COUNTED,
    ("absorbed", "ABSORBED", "scores"): 3 * PADDED * H * K * D + 3 * PADDED * K * I,
    ("absorbed", "GROUPED", "rows"): 3 * B * D * I,
    ("absorbed", "ABSORBED", "tables"): 9 * N * K * D * I,
    **{(kernel, "MASK", ""): B * I for kernel in ("absorbed", "grouped", "classroom")},
}

# L queries, R keys, heads of E features, in a batch of 2 times 5 with H heads.
L, R, E = 13, 17, 19
HEADS = 2 * 5 * H
COUNTED_OVER_A_CONTEXT = {
    ("classroom", "WHOLE", "scores"): 6 * HEADS * L * R * E,
    ("classroom", "WHOLE", "passes"): HEADS * L * R,
    ("classroom", "WHOLE", "fresh passes"): 0,
    ("classroom", "WHOLE", "rows"): HEADS * (L + R) * E,
    ("tiled", "TILED", "scores"): 7 * HEADS * L * R * E,
    ("tiled", "TILED", "passes"): HEADS * L * R,
    ("tiled", "TILED", "rows"): HEADS * (L + R) * E,
    ("tiled", "TILED", "head"): HEADS,
    ("tiled", "TILED", "call"): 1,
}


def only(patch: pytest.MonkeyPatch, table: str, weight: str) -> None:
    """Let one kind of work cost a nanosecond, and all others nothing."""
    for weights in WEIGHTS:
        for name in weights:
            patch.setitem(weights, name, 0.0)
    patch.setattr(planning, "MASK", 0.0)
    if weight:
        patch.setitem(getattr(planning, table), weight, 1.0)
    else:
        patch.setattr(planning, table, 1.0)


def test_every_weight_is_looked_at() -> None:
    seen = {(table, weight) for _, table, weight in (*COUNTED, *COUNTED_OVER_A_CONTEXT)}
    seen -= {("MASK", "")}
    names = ("ABSORBED", "GROUPED", "CLASSROOM", "WHOLE", "TILED")
    assert seen == {(name, weight) for name in names for weight in getattr(planning, name)}


@pytest.mark.parametrize("of", COUNTED, ids=" ".join)
def test_each_kind_of_work_is_counted_as_the_page_says(of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, table, weight = of
    only(monkeypatch, table, weight)
    for dropped, counted in ((False, COUNTED), (True, COUNTED_WITH_HEADS_DROPPED)):
        costs, _ = predict_costs(group(IDS, N), K, D, H, inner=I, head_dropout=dropped)
        assert costs[kernel] * 1e6 == pytest.approx(counted[of], rel=1e-12)
    assert predict_costs(group(IDS, N), K, D, H) == predict_costs(group(IDS, N), K, D, H, inner=D)


@pytest.mark.parametrize("of", COUNTED_OVER_A_CONTEXT, ids=" ".join)
def test_each_kind_of_work_over_a_context_is_counted_as_documented(of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, table, weight = of
    only(monkeypatch, table, weight)
    for itemsize in (4, 8):  # numbers of twice the size take twice as long
        costs = plan_for_context((2, 5), H, (L, R), E * H, itemsize).costs
        assert costs[kernel] * 1e6 == pytest.approx(COUNTED_OVER_A_CONTEXT[of] * itemsize / 4, rel=1e-12)


def test_a_plan_shows_what_was_counted() -> None:
    assert predict_costs(group(IDS, N), K, D, H)[1] == {
        "results": B,
        "domains": N,
        "tokens": K,
        "features": D,
        "heads": H,
        "padded": PADDED,
    }
    assert "6 features of all heads" in " ".join(str(make_plan(group(IDS, N), K, D, H, inner=I)).split())
    plan = plan_for_context((2, 5), H, (L, R), E * H, 4)
    assert "(30 heads in all, 13 queries, 17 keys, 19 features of a head)" in str(plan)
    assert plan.shapes == {
        "heads in all": HEADS,
        "queries": L,
        "keys": R,
        "features of a head": E,
    }


def test_a_block_is_a_chunk_that_fits_in_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "ABSORBED", "block")
    for users, blocks in [(1, 1), (CHUNK // 3, 1), (CHUNK // 2, 2), (CHUNK, 3), (CHUNK + 1, 6), (2 * CHUNK, 6)]:
        costs, _ = predict_costs(every_domain(np.arange(3), users), K, D, H)
        assert costs["absorbed"] * 1e6 == pytest.approx(blocks)


@pytest.mark.parametrize(
    ("itemsize", "queries", "fresh"), [(4, 2**12, 0), (8, 2**11, 0), (4, 2**12 + 1, 1), (8, 2**12, 1)]
)
def test_scores_of_more_than_32_mib_are_new_memory_each_time(
    itemsize: int, queries: int, fresh: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planning.FRESH == 2**12 * 2**11 * 4
    only(monkeypatch, "WHOLE", "fresh passes")
    assert bool(plan_for_context((), 1, (queries, 2**11), 8, itemsize).costs["classroom"]) == fresh


@pytest.mark.parametrize("kernel", ["absorbed", "grouped", "classroom"])
def test_a_kernel_that_is_asked_for_is_taken_whatever_it_costs(kernel: str) -> None:
    for tokens in (1, K):
        plan = make_plan(group(IDS, N), tokens, D, H, kernel)
        assert (plan.kernel, plan.why) == (kernel, "asked for")
        assert (plan.costs, plan.shapes) == predict_costs(group(IDS, N), tokens, D, H)


@pytest.mark.parametrize("kernel", ["classroom", "tiled"])
def test_so_is_one_for_a_context(kernel: str) -> None:
    expected = plan_for_context((2,), H, (L, R), E * H, 4)
    plan = plan_for_context((2,), H, (L, R), E * H, 4, kernel)
    assert (plan.kernel, plan.why, plan.costs, plan.shapes) == (kernel, "asked for", expected.costs, expected.shapes)


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=5).filter(any),
    st.integers(2, 40),
    st.integers(1, 8),
    st.integers(1, 16),
)
def test_left_to_itself_a_plan_is_the_cheapest_and_says_why(
    counts: list[int], tokens: int, heads: int, width: int
) -> None:
    groups = group(np.repeat(np.arange(len(counts)), counts), len(counts))
    plan = make_plan(groups, tokens, heads * width, heads)
    assert plan.kernel == min(plan.costs, key=lambda kernel: plan.costs[kernel])
    assert plan.why == planning.REASONS[plan.kernel]
    assert (plan.costs, plan.shapes) == predict_costs(groups, tokens, heads * width, heads)


def test_a_plan_for_a_context_is_the_cheapest_and_says_why() -> None:
    for length, kernel in [(16, "classroom"), (16_384, "tiled")]:
        plan = plan_for_context((), 1, (length, length), 64, 4)
        assert (plan.kernel, plan.why) == (kernel, planning.CONTEXT_REASONS[kernel])


def test_over_a_single_token_the_plan_is_grouped_for_bitwise_equal_conditions() -> None:
    plan = make_plan(group(IDS, N), 1, D, H)
    assert plan.kernel == "grouped"
    assert plan.why == "a single key has weight 1, so the condition is the domain's, for any user"
    assert (plan.costs, plan.shapes) == predict_costs(group(IDS, N), 1, D, H)
    assert make_plan(group(IDS, N), 2, D, H).kernel == "absorbed"


def test_what_a_caller_does_to_a_plan_leaves_the_next_one_alone() -> None:
    conditioner, users = AttentionConditioner(D * H, H, N, tokens_per_domain=2), np.zeros((B, D * H), np.float32)
    for part in ("costs", "shapes"):
        getattr(conditioner.plan(users, IDS), part).clear()
    plan = conditioner.plan(users, IDS)
    assert (plan.costs, plan.shapes) == predict_costs(group(IDS, N), 2, D * H, H)


def test_a_plan_prints_the_counts_and_every_kernel_the_cheapest_first() -> None:
    plan = planning.Plan("b", "asked for", {"a": 4.0, "b": 6.0, "c": 2.0}, {"results": 12_345, "heads": 2})
    assert str(plan) == repr(plan)
    assert str(plan).splitlines() == [
        "kernel b: asked for",
        "(12,345 results, 2 heads)",
        "",
        "  c                   2 ms predicted    1.00 x the cheapest",
        "  a                   4 ms predicted    2.00 x the cheapest",
        "> b                   6 ms predicted    3.00 x the cheapest",
    ]


def test_beside_what_costs_nothing_a_plan_prints_milliseconds_alone() -> None:
    plan = planning.Plan("b", "asked for", {"a": 0.0, "b": 3.0}, {"results": 0})
    assert str(plan).splitlines()[-1] == "> b                   3 ms predicted    3.00 x the cheapest"


def test_an_empty_batch_is_planned_for_the_classroom_and_costs_nothing() -> None:
    for kernel, groups in itertools.product(("auto", "grouped"), (group(IDS[:0], N), every_domain(np.arange(3), 0))):
        plan = make_plan(groups, K, D, H, kernel)
        assert str(plan).splitlines() == [
            "kernel classroom: there are no users to condition",
            "(0 results)",
            "",
            "> classroom           0 ms predicted    0.00 x the cheapest",
        ]
