"""Half-way through a pair, what came before is known and what came after is asked for, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from acg_numpy.recommender.data import draw_split
from acg_numpy.recommender.data.pairs import Catalogue
from acg_numpy.recommender.evaluation.halfway import cut_halfway, is_by_time


@pytest.fixture(scope="module")
def timed(interactions):
    user = np.repeat(np.arange(len(interactions.users)), np.diff(interactions.matrix.indptr))
    times = 10 * np.random.default_rng(0).random(len(user)) + user  # users come one after the other
    return replace(interactions, times=times)


def cut(interactions, protocol, part="test", **options):
    split = draw_split(interactions, 0, protocol=protocol, min_inside=3, min_elsewhere=5)
    catalogue = Catalogue.from_interactions(interactions, np.zeros((len(interactions.items), 1)))
    pairs, visible = getattr(split, part), split.visible(interactions)
    return split, visible, cut_halfway(split, interactions, pairs, catalogue, visible=visible, **options)


def items_of(interactions, halfway, row):
    domain = halfway.asked.domains[row]
    places = halfway.asked.positives[halfway.asked.offsets[row] : halfway.asked.offsets[row + 1]]
    return domain, halfway.known[[row]].indices, interactions.columns(domain)[places]


@pytest.mark.parametrize("protocol", ["random", "leave-last-out", "temporal"])
def test_what_is_known_came_before_what_is_asked_for(timed, protocol):
    split, visible, halfway = cut(timed, protocol)
    X = timed.matrix
    assert len(halfway.users)
    for row, user in enumerate(halfway.users):
        domain, known, asked = items_of(timed, halfway, row)
        when = dict(zip(X[[user]].indices.tolist(), timed.times[X.indptr[user] : X.indptr[user + 1]], strict=True))
        inside = timed.item_domain[known] == domain
        assert max(when[item] for item in known) < min(when[item] for item in asked)
        assert sorted([*known[inside], *asked]) == [i for i in sorted(when) if timed.item_domain[i] == domain]
        assert sum(inside) == (sum(inside) + len(asked)) // 2
        if split.cut is None:
            assert np.isin(known[~inside], visible[[user]].indices).all()
        else:  # all that the user did until then
            middle = min(when[item] for item in asked)
            assert sorted(known) == sorted(item for item, time in when.items() if time < middle)


def test_validation_ends_where_the_test_begins(timed):
    split, _, halfway = cut(timed, "temporal", "validation", until=0.0)
    assert not len(halfway.users)
    split, _, halfway = cut(timed, "temporal", "validation", until=split.until)
    for row, user in enumerate(halfway.users):
        _, known, asked = items_of(timed, halfway, row)
        when = timed.times[timed.matrix.indptr[user] : timed.matrix.indptr[user + 1]]
        late = timed.matrix[[user]].indices[when >= split.until]
        assert not np.isin([*known, *asked], late).any()


def test_a_single_missing_time_makes_the_halves_random_and_that_is_told(timed, interactions):
    times = timed.times.copy()
    times[7] = np.nan
    assert is_by_time(timed)
    assert not is_by_time(replace(timed, times=times))
    assert not is_by_time(replace(interactions, times=None))
    _, _, without = cut(replace(timed, times=None), "random")
    _, _, missing = cut(replace(timed, times=times), "random")
    assert (missing.known != without.known).nnz == 0


def test_without_times_a_drawn_half_is_known(interactions):
    _, visible, halfway = cut(interactions, "random", seed=1)
    for row, user in enumerate(halfway.users):
        domain, known, asked = items_of(interactions, halfway, row)
        inside = interactions.item_domain[known] == domain
        assert sorted(known[~inside]) == visible[[user]].indices.tolist()
        assert len(asked) - sum(inside) in (0, 1)
        assert not set(known) & set(asked)
    again, other = (cut(interactions, "random", seed=seed)[2] for seed in (1, 2))
    assert (halfway.known != again.known).nnz == 0
    assert (halfway.known != other.known).nnz > 0
