"""The protocol's split: who is eligible, how many, and that nothing hidden is ever seen."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from acg_numpy.recommender.data import DataError, Interactions, Split, draw_split, make_world, read_split
from tests.recommender.data.strategies import interactions, interactions_of

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
