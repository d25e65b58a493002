"""The protocol's split: who is eligible, how many, and that nothing hidden is ever seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from acg_numpy.recommender.data import DataError, Interactions, Split, draw_split, make_world, read_split
from acg_numpy.recommender.data.splits import PROTOCOLS, split_at
from tests.recommender.data.strategies import interactions, interactions_of
from tests.thoroughness import FEW_EXAMPLES

PARTS = ("train", "validation", "test")


def drawn(taken: Interactions, seed: int) -> Split:
    try:
        return draw_split(taken, seed)
    except DataError:
        assume(False)
        raise


@given(interactions(), st.integers(0, 99))
def test_nothing_hidden_is_visible_in_any_column_of_an_item(taken: Interactions, seed: int) -> None:
    split = drawn(taken, seed)
    seen, X = split.visible(taken).toarray(), taken.matrix.toarray()
    hidden = np.zeros_like(X, dtype=bool)
    for user, domain in np.concatenate([split.validation, split.test]):
        hidden[user] |= ~taken.elsewhere[domain]
    assert not seen[hidden].any()
    np.testing.assert_array_equal(seen[~hidden], X[~hidden])  # and nothing else is hidden


@given(interactions(), st.integers(0, 99))
def test_a_fifth_is_the_test_and_an_eighth_of_the_rest_validation(taken: Interactions, seed: int) -> None:
    split = drawn(taken, seed)
    eligible = {tuple(pair) for pair in np.argwhere((taken.counts >= 3) & (taken.counts_elsewhere >= 10)).tolist()}
    test, validation, train = ({tuple(pair) for pair in getattr(split, part).tolist()} for part in reversed(PARTS))
    assert test <= eligible
    assert validation <= eligible
    assert abs(len(test) - len(eligible) / 5) <= 0.5
    assert abs(len(validation) - (len(eligible) - len(test)) / 8) <= 0.5
    assert not test & validation
    assert not train & (test | validation)


@given(interactions(), st.integers(0, 99))
def test_every_other_pair_with_something_to_see_inside_is_for_training(taken: Interactions, seed: int) -> None:
    split = drawn(taken, seed)
    seen = split.visible(taken).toarray()
    inside = np.stack([seen[:, taken.item_domain == d].sum(axis=1) for d in range(len(taken.domains))], axis=1)
    others = {tuple(pair) for part in PARTS[1:] for pair in getattr(split, part).tolist()}
    expected = {tuple(pair) for pair in np.argwhere(inside > 0).tolist()} - others
    assert {tuple(pair) for pair in split.train.tolist()} == expected


def test_the_same_seed_draws_the_same_split_and_another_another() -> None:
    taken = make_world(seed=0).interactions
    first, again, other = draw_split(taken, 1), draw_split(taken, 1), draw_split(taken, 2)
    for part in PARTS:
        np.testing.assert_array_equal(getattr(first, part), getattr(again, part))
    assert first.test.tolist() != other.test.tolist()


def test_every_eligible_pair_is_as_likely_to_be_tested() -> None:
    taken = make_world(seed=0).interactions
    times = np.zeros(taken.counts.shape)
    for seed in range(60):
        test = draw_split(taken, seed).test
        times[test[:, 0], test[:, 1]] += 1
    eligible = (taken.counts >= 3) & (taken.counts_elsewhere >= 10)
    assert not times[~eligible].any()
    # 60 draws with probability 1/5: mean 12, variance 9.6, for early users and domains as for late ones
    assert abs(times[eligible].var() - 9.6) < 1
    halves = np.array_split(times[eligible], 2)
    assert abs(halves[0].mean() - halves[1].mean()) < 0.3


@given(interactions(), st.integers(0, 99))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_reads_back_the_same(tmp_path: Path, taken: Interactions, seed: int) -> None:
    split = drawn(taken, seed)
    split.write(tmp_path / "split.tsv", taken)
    back = read_split(tmp_path / "split.tsv", taken)
    for part in PARTS:
        np.testing.assert_array_equal(getattr(back, part), getattr(split, part))


def test_ids_with_tabs_quotes_and_any_script_survive_the_file(tmp_path: Path) -> None:
    names = ["a\tb", 'say "hi"', " padded ", "日本語", "'", '"', "a,b;c", "user"]
    taken = interactions_of(np.ones((8, 30)), np.repeat([0, 1], 15))
    taken = Interactions(np.array(names), taken.items, np.array(["#1", 'the "other"']), taken.matrix, taken.item_domain)
    split = draw_split(taken, seed=0)
    split.write(tmp_path / "split.tsv", taken)
    assert (tmp_path / "split.tsv").read_text(encoding="utf-8").startswith("user\tdomain\tpart\n")
    np.testing.assert_array_equal(read_split(tmp_path / "split.tsv", taken).test, split.test)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("zoe\td0\ttest", "the user 'zoe' is not known"),
        ("u0\td9\ttest", r"the domain 'd9' is not known \(known are 'd0', 'd1'\)"),
        ("u0\td0\thold-out", "the part 'hold-out' is not known"),
        ("u0\td0", "line 5: 2 fields, where the header has 3"),
        ("u1\td0\ttest", "user 'u1' and domain 'd0' is listed more than once"),
        ("u3\td1\ttest", "user 'u3' and domain 'd1' is for test, but has no interaction there"),
    ],
)
def test_a_split_that_does_not_fit_is_refused_with_the_reason(tmp_path: Path, line: str, message: str) -> None:
    taken = np.ones((4, 4))
    taken[3, 2:] = 0
    path = tmp_path / "split.tsv"
    path.write_text(f"user\tdomain\tpart\nu0\td1\ttrain\nu1\td0\tvalidation\nu2\td0\ttest\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_split(path, interactions_of(taken, [0, 0, 1, 1]))


def test_a_split_needs_all_of_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "split.tsv"
    path.write_text("user\tdomain\tpart\nu0\td0\ttrain\n", encoding="utf-8")
    with pytest.raises(DataError, match="no pair is for validation"):
        read_split(path, interactions_of(np.ones((2, 2)), [0, 1]))


def test_too_few_interactions_to_judge_by_are_refused() -> None:
    with pytest.raises(DataError, match="0 pairs of a user and a domain have at least 3 interactions inside"):
        draw_split(interactions_of(np.ones((5, 4)), [0, 0, 1, 1]), seed=0)


THRESHOLDS = {"min_inside": 2, "min_elsewhere": 3}


def timed(taken: Interactions, seed: int) -> Interactions:
    """Give every interaction a time, often the same for several, and one to all columns of an item."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(len(taken.users)), np.diff(taken.matrix.indptr))
    starts = rng.integers(0, 200, len(taken.users))
    of_item = rng.integers(0, 100, (len(taken.users), int(taken.same_item.max()) + 1))
    return replace(taken, times=(starts[user] + of_item[user, taken.same_item[taken.matrix.indices]]).astype(float))


def drawn_by_time(taken: Interactions, seed: int, protocol: str) -> Split:
    try:
        return draw_split(taken, seed, protocol=protocol, validation=0.3, **THRESHOLDS)
    except DataError:
        assume(False)
        raise


def dense_times(taken: Interactions) -> np.ndarray:
    """When each user took each column, (U, I); inf where never."""
    times = np.full(taken.matrix.shape, np.inf)
    user = np.repeat(np.arange(len(taken.users)), np.diff(taken.matrix.indptr))
    times[user, taken.matrix.indices] = taken.times
    return times


@FEW_EXAMPLES
@given(interactions(), st.integers(0, 99))
def test_the_last_pair_is_held_out_and_what_follows_hidden(taken: Interactions, seed: int) -> None:
    taken = timed(taken, seed)
    split, times = drawn_by_time(taken, seed, "leave-last-out"), dense_times(taken)
    held_out = np.concatenate([split.validation, split.test])
    users = held_out[:, 0]
    assert len(users) == len(set(users.tolist()))
    assert len(split.validation) == round(0.3 * len(users))
    seen = split.visible(taken).toarray() > 0
    free = np.setdiff1d(np.arange(len(taken.users)), users)
    np.testing.assert_array_equal(seen[free], np.isfinite(times[free]))
    histories = split.histories(taken, held_out).toarray() > 0
    for (user, domain), history in zip(held_out.tolist(), histories, strict=True):
        entered = times[user, taken.item_domain == domain].min()
        np.testing.assert_array_equal(seen[user], times[user] < entered)
        np.testing.assert_array_equal(history, seen[user])
        assert len(set(taken.same_item[history])) >= 3
        later = [d for d in range(len(taken.domains)) if times[user, taken.item_domain == d].min() > entered]
        for d in later:  # none of those is eligible
            before = times[user] < times[user, taken.item_domain == d].min()
            inside = np.isfinite(times[user, taken.item_domain == d]).sum()
            assert inside < 2 or len(set(taken.same_item[before])) < 3


@FEW_EXAMPLES
@given(interactions(), st.integers(0, 99))
def test_training_sees_the_past_alone_and_a_vector_what_precedes_its_pair(taken: Interactions, seed: int) -> None:
    taken = timed(taken, seed)
    split, times = drawn_by_time(taken, seed, "temporal"), dense_times(taken)
    assert split.cut is not None
    [begin] = set(split.cut.tolist())
    np.testing.assert_array_equal(split.visible(taken).toarray() > 0, times < begin)
    np.testing.assert_array_equal(split.judged(taken).toarray() > 0, times < split.until)
    for pairs, first, last in ((split.validation, begin, split.until), (split.test, split.until, np.inf)):
        histories = split.histories(taken, pairs).toarray() > 0
        for (user, domain), history in zip(pairs.tolist(), histories, strict=True):
            inside = times[user, taken.item_domain == domain]
            assert first <= inside.min() < last
            assert (inside < last).sum() >= 2
            np.testing.assert_array_equal(history, times[user] < inside.min())
            assert len(set(taken.same_item[history])) >= 3


@FEW_EXAMPLES
@given(interactions(several_domains=False), st.integers(0, 99))
def test_no_interaction_after_the_test_began_changes_what_training_sees(taken: Interactions, seed: int) -> None:
    taken = timed(taken, seed)
    split, times = drawn_by_time(taken, seed, "temporal"), dense_times(taken)
    assert split.cut is not None
    rng = np.random.default_rng(seed)
    late = np.where(rng.random(times.shape) < 0.3, split.until + rng.integers(0, 50, times.shape), np.inf)
    changed_times = np.where(times < split.until, times, late)
    matrix = sp.csr_array(np.isfinite(changed_times).astype(np.float32))
    user = np.repeat(np.arange(len(matrix.indptr) - 1), np.diff(matrix.indptr))
    changed = replace(taken, matrix=matrix, times=changed_times[user, matrix.indices])
    try:
        other = split_at(changed, split.cut[0], split.until, **THRESHOLDS)
    except DataError:
        assume(False)
        raise
    for part in ("train", "validation"):
        np.testing.assert_array_equal(getattr(other, part), getattr(split, part))
    for matrices in (
        [one.visible(data) for one, data in ((split, taken), (other, changed))],
        [one.judged(data) for one, data in ((split, taken), (other, changed))],
        [one.histories(data, split.validation) for one, data in ((split, taken), (other, changed))],
    ):
        np.testing.assert_array_equal(*(matrix.toarray() for matrix in matrices))


@settings(FEW_EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(interactions(), st.integers(0, 99), st.sampled_from(PROTOCOLS[1:]))
def test_a_split_by_time_reads_back_the_same(tmp_path: Path, taken: Interactions, seed: int, protocol: str) -> None:
    taken = timed(taken, seed)
    split = drawn_by_time(taken, seed, protocol)
    split.write(tmp_path / "split.tsv", taken)
    back = read_split(tmp_path / "split.tsv", taken)
    for part in PARTS:
        np.testing.assert_array_equal(getattr(back, part), getattr(split, part))
    for one, other in (
        (split.visible(taken), back.visible(taken)),
        (split.judged(taken), back.judged(taken)),
        (split.histories(taken, split.test), back.histories(taken, split.test)),
    ):
        np.testing.assert_array_equal(one.toarray(), other.toarray())


def test_protocols_by_time_need_the_time_of_every_interaction() -> None:
    taken = interactions_of(np.ones((9, 30)), np.repeat([0, 1], 15))
    for protocol in PROTOCOLS[1:]:
        with pytest.raises(DataError, match=f"'{protocol}' needs the time .* these have none: name their column"):
            draw_split(taken, 0, protocol=protocol)
        times = np.arange(taken.matrix.nnz) * 1.0
        times[7] = np.nan
        with pytest.raises(DataError, match=r"needs the time of every interaction, and 1 of 270 have none"):
            draw_split(replace(taken, times=times), 0, protocol=protocol)


def test_thresholds_and_shares_are_options_and_checked() -> None:
    taken = make_world(seed=0).interactions
    split = draw_split(taken, 0, min_inside=15, min_elsewhere=60, validation=0.5)
    eligible = (taken.counts >= 15) & (taken.counts_elsewhere >= 60)
    assert len(split.test) == round(eligible.sum() / 5)
    assert len(split.validation) == round((eligible.sum() - len(split.test)) / 2)
    assert eligible[tuple(split.validation.T)].all()
    for wrong, message in (
        ({"protocol": "weekly"}, "protocol must be random, leave-last-out or temporal, but it is 'weekly'"),
        ({"min_inside": 0}, "min_inside must be at least 1, but it is 0"),
        ({"validation": 1.0}, "validation must be a share between 0 and 1, but it is 1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            draw_split(taken, 0, **wrong)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("u0\td0\ttrain\tsoon\tinf", "u1\td0\tvalidation\t5\t9"), "cut and until must be numbers"),
        (("u0\td0\ttrain\t5\tinf", "u0\td1\tvalidation\t6\t9"), "cut must be the same for all pairs of a user"),
    ],
)
def test_cuts_that_do_not_fit_are_refused(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    path, taken = tmp_path / "split.tsv", interactions_of(np.ones((3, 4)), [0, 0, 1, 1])
    path.write_text("\n".join(("user\tdomain\tpart\tcut\tuntil", *lines, "u2\td0\ttest\t5\tinf", "")))
    with pytest.raises(DataError, match=message):
        read_split(path, replace(taken, times=np.arange(12.0)))
    with pytest.raises(DataError, match="needs the time of every interaction, and these have none"):
        read_split(path, taken)
