"""The table of settings: every default lies in its grid, and a search goes outwards from it."""

import json

import pytest

from acg_numpy.recommender.models.hyperparameters import (
    AXES,
    DEFAULTS,
    FOUND,
    MIDDLES,
    TRAINED,
    check_names,
    default_settings,
    describe,
    search_points,
)


@pytest.mark.parametrize("name", TRAINED)
def test_a_search_has_as_many_points_as_asked_for_the_default_first(name):
    points = search_points(name, 12)
    assert points[0] == default_settings(name) == DEFAULTS[name]
    assert len({json.dumps(point) for point in points}) == len(points) == 12
    assert FOUND[name]


@pytest.mark.parametrize("name", TRAINED)
def test_a_search_goes_outwards_from_its_middle_near_the_default(name):
    points, middle = search_points(name, 12), {**DEFAULTS[name], **MIDDLES.get(name, {})}
    steps = [
        sum(abs(axis.index(point[s]) - axis.index(middle[s])) for s, axis in AXES[name].items()) for point in points
    ]
    assert steps[1:] == sorted(steps[1:])
    assert sum(step < steps[0] for step in steps) < 8  # so the default is one of the eight nearest to the middle


def test_what_is_fixed_stays_so_and_the_grid_has_an_end():
    points = search_points("attention", 9, {"heads": 4, "dropout": 0.1})
    assert {(point["heads"], point["dropout"]) for point in points} == {(4, 0.1)}
    with pytest.raises(ValueError, match=r"tune is 10, but the grid of attention with heads fixed and dropout fixed"):
        search_points("attention", 10, {"heads": 4, "dropout": 0.1})
    with pytest.raises(ValueError, match="attention has no setting 'hidden'; it has rate, dropout, head_dropout, "):
        search_points("attention", 1, {"hidden": 3})


def test_names_come_once_each_and_a_wrong_one_with_a_suggestion():
    assert check_names(["film", "user", "film"], TRAINED) == ("user", "film")
    with pytest.raises(ValueError, match="'x', which is not a model; choose from user, user"):
        check_names(["x"], TRAINED)
    with pytest.raises(ValueError, match="models is empty: name at least one"):
        check_names([], TRAINED)


def test_settings_are_described_in_a_line():
    said = describe(DEFAULTS["attention"])
    assert said.startswith("rate 0.01, dropout 0.4, head dropout 0.4, layer norm, heads 16, inner dim 128,")
    assert said.endswith("no residual, bias")
