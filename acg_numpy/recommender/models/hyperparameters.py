"""Hyperparameters of the trained models: a default for each model, and the points that a search tries.

The defaults, `DEFAULTS`, are from MovieLens-100k by genre (ratings of 4 and above, the 8 genres with most films).  They
were chosen by the mean NDCG@10 on the validation pairs of splits that were used for nothing else, but not all of them
in the same way: `FOUND` says of each model how.  Layer norm was better than none for every model for which both were
tried.  Dropout on the user's vector is what the models without hidden units need, and dropout on hidden units, or on
weights and heads of attention, what the others need.

A search over N points takes the default first, then the points of the model's own grid in the order of their distance
from the middle of the search: those that differ from it by one step along one axis, then by two steps, and so on.  The
middle is the default, except where one of the eight points that are nearest to the middle was better and has become the
default: the eight points are then the same as before, and a search over eight repeats the one that found it.

    rate          learning rate of AdamW
    dropout       rate of dropout: on attention's weights; on the hidden units of a network; on the user's vector of a
                  model that has neither
    user_dropout  rate of dropout on the user's vector, where there are hidden units too
    head_dropout  rate of dropout on the outputs of attention's heads
    layer_norm    whether the condition is layer-normed
    hidden        hidden units of a network
    heads, inner_dim, tokens_per_domain, num_global_tokens, residual, bias
                  those of `acg_numpy.AttentionConditioner`
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from acg_numpy.text import did_you_mean, joined

Settings = dict[str, Any]
"""The value of each hyperparameter of a model, by its name."""

ATTENTION = ("attention", "attention-own-output")
"""The models that options of the conditioner apply to."""

_WIDE: Settings = {
    "rate": 1e-2, "dropout": 0.4, "head_dropout": 0.4, "layer_norm": True, "heads": 16, "inner_dim": 128,
    "tokens_per_domain": 8, "num_global_tokens": 0, "residual": False, "bias": True,
}  # fmt: skip

# fmt: off
DEFAULTS: dict[str, Settings] = {
    "user":                 {"rate": 1e-2, "dropout": 0.0, "layer_norm": True},
    "user+domain":          {"rate": 2e-2, "dropout": 0.1, "layer_norm": True},
    "one-key":              {"rate": 1e-2, "dropout": 0.2, "layer_norm": True, "heads": 4},
    "concat-linear":        {"rate": 1e-2, "dropout": 0.3, "layer_norm": True},
    "emcdr-linear":         {"rate": 2e-2, "dropout": 0.3, "layer_norm": True},
    "film":                 {"rate": 2e-2, "dropout": 0.2, "layer_norm": True},
    "concat-mlp":           {"rate": 1e-2, "dropout": 0.4, "user_dropout": 0.0, "layer_norm": True, "hidden": 128},
    "emcdr-mlp":            {"rate": 3e-3, "dropout": 0.5, "user_dropout": 0.0, "layer_norm": True, "hidden": 64},
    "emcdr-mlp-shared":     {"rate": 3e-3, "dropout": 0.6, "user_dropout": 0.0, "layer_norm": True, "hidden": 128},
    "ptupcdr":              {"rate": 3e-3, "dropout": 0.5, "user_dropout": 0.3, "layer_norm": True, "hidden": 50},
    "attention":            _WIDE,
    "attention-own-output": {**_WIDE, "dropout": 0.6},
}

_TWICE = "the best of 8 points on four splits, and of 8 around it on four others"
_ON_ALL_SETS = "within .003 of the best of 8 points on four splits, by genre, by release decade, and by genre and era"
FOUND: dict[str, str] = {
    "user":                 "the best of 8 points on four splits",
    "user+domain":          _ON_ALL_SETS,
    "one-key":              "the best of 8 points on four splits, which differ by chance",
    "concat-linear":        _TWICE,
    "emcdr-linear":         _TWICE,
    "film":                 _TWICE,
    "concat-mlp":           _TWICE,
    "emcdr-mlp":            _TWICE,
    "emcdr-mlp-shared":     "the best of 22 forms of such a network, most on fewer splits, and of 8 around it on four",
    "ptupcdr":              "within .001 of the best of 8 points on four splits, by genre, and by release decade too",
    "attention":            "among about 85 forms, most of them tried on fewer splits: more than any other model had",
    "attention-own-output": f"the form as attention; its dropout: {_ON_ALL_SETS}",
}

# where a search begins to go outwards, if not at the default
MIDDLES: dict[str, Settings] = {
    "user":                 {"rate": 3e-3},
    "user+domain":          {"rate": 3e-3, "dropout": 0.0},
    "one-key":              {"rate": 3e-3, "dropout": 0.1},
    "concat-linear":        {"dropout": 0.2},
    "emcdr-linear":         {"rate": 1e-2},
    "film":                 {"rate": 1e-2},
    "concat-mlp":           {"hidden": 64},
    "emcdr-mlp":            {"dropout": 0.4},
    "emcdr-mlp-shared":     {"dropout": 0.5},
    "ptupcdr":              {"dropout": 0.4},
    "attention-own-output": {"dropout": 0.4},
}

_OF_USER = {"rate": (3e-3, 1e-2, 2e-2), "dropout": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)}
_OF_HIDDEN = {"rate": (1e-3, 3e-3, 1e-2, 2e-2), "dropout": (0.2, 0.3, 0.4, 0.5, 0.6), "user_dropout": (0.0, 0.1, 0.2)}
_OF_HEADS = {"rate": (3e-3, 1e-2, 2e-2), "dropout": (0.2, 0.4, 0.6), "head_dropout": (0.2, 0.4, 0.6)}

AXES: dict[str, dict[str, tuple[Any, ...]]] = {
    "user":                 _OF_USER,
    "user+domain":          _OF_USER,
    "one-key":              _OF_USER,
    "concat-linear":        _OF_USER,
    "emcdr-linear":         _OF_USER,
    "film":                 _OF_USER,
    "concat-mlp":           {**_OF_HIDDEN, "hidden": (64, 128, 256)},
    "emcdr-mlp":            {**_OF_HIDDEN, "hidden": (32, 64, 128)},
    "emcdr-mlp-shared":     {**_OF_HIDDEN, "hidden": (64, 128, 256)},
    "ptupcdr":              {**_OF_HIDDEN, "user_dropout": (0.1, 0.2, 0.3, 0.4, 0.5)},
    "attention":            _OF_HEADS,
    "attention-own-output": _OF_HEADS,
}
# fmt: on

TRAINED = tuple(DEFAULTS)


def check_names(names: Sequence[str], known: Sequence[str], argument: str = "models") -> tuple[str, ...]:
    """Check names of models, and return them once each, in the order of the known ones.

    Examples
    --------
    >>> check_names(["film", "user"], TRAINED)
    ('user', 'film')
    >>> check_names(["flim"], TRAINED)
    Traceback (most recent call last):
    ValueError: models has 'flim', which is not a model; did you mean 'film'?
    """
    if not names:
        raise ValueError(f"{argument} is empty: name at least one of {joined(tuple(known), 'and')}")
    for name in names:
        if name not in known:
            near = did_you_mean(name, known, f"choose from {joined(tuple(known), 'and')}")
            raise ValueError(f"{argument} has {name!r}, which is not a model; {near}")
    return tuple(name for name in known if name in names)


def default_settings(name: str, fixed: Mapping[str, Any] | None = None) -> Settings:
    """Return the default settings of a model.

    Parameters
    ----------
    name : str
        One of `TRAINED`.
    fixed : mapping, optional
        Settings in place of the defaults; each of them must be one that the model has.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If there is no such model, or the model has no such setting.

    Examples
    --------
    >>> default_settings("film", {"dropout": 0.5})
    {'rate': 0.02, 'dropout': 0.5, 'layer_norm': True}
    """
    if name not in DEFAULTS:
        raise ValueError(f"name must be one of {', '.join(TRAINED)}, but it is {name!r}")
    settings = {**DEFAULTS[name], **(fixed or {})}
    for setting in settings:
        if setting not in DEFAULTS[name]:
            raise ValueError(f"{name} has no setting {setting!r}; it has {joined(tuple(DEFAULTS[name]))}")
    return settings


def search_points(name: str, number: int, fixed: Mapping[str, Any] | None = None) -> list[Settings]:
    """Return the points that a search over `number` of them tries, the default first.

    Parameters
    ----------
    name : str
        One of `TRAINED`.
    number : int
        At least 1.
    fixed : mapping, optional
        Settings in place of the defaults, the same in every point.

    Returns
    -------
    list of dict

    Raises
    ------
    ValueError
        If the grid has fewer points, besides what `default_settings` raises.

    Examples
    --------
    >>> [(point["rate"], point["dropout"]) for point in search_points("film", 4)]
    [(0.02, 0.2), (0.01, 0.2), (0.003, 0.2), (0.01, 0.1)]
    """
    default = default_settings(name, fixed)
    axes = {setting: values for setting, values in AXES[name].items() if setting not in (fixed or {})}
    grid = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    # `sorted` is stable: among points of the same distance, those come first that come first in the grid
    middle = {**default, **MIDDLES.get(name, {}), **(fixed or {})}
    grid = sorted(grid, key=lambda point: _distance(point, middle, axes))
    grid.sort(key=lambda point: any(point[setting] != default[setting] for setting in axes))  # the default, then others
    if number > len(grid):
        rest = f" with {joined([f'{setting} fixed' for setting in fixed])}" if fixed else ""
        raise ValueError(f"tune is {number}, but the grid of {name}{rest} has {len(grid)} points: take fewer")
    return [{**default, **point} for point in grid[:number]]


def describe(settings: Mapping[str, Any]) -> str:
    """Write settings in a line.

    Examples
    --------
    >>> describe({"rate": 0.01, "dropout": 0.2, "layer_norm": True, "bias": False})
    'rate 0.01, dropout 0.2, layer norm, no bias'
    """
    words = []
    for name, value in settings.items():
        label = name.replace("_", " ")
        words.append((label if value else f"no {label}") if isinstance(value, bool) else f"{label} {value:g}")
    return ", ".join(words)


def _distance(point: Settings, middle: Settings, axes: Mapping[str, tuple[Any, ...]]) -> tuple[int, int]:
    """Count the steps from the middle of the search along all axes, and the longest way along one of them."""
    steps = [abs(values.index(point[name]) - values.index(middle[name])) for name, values in axes.items()]
    return sum(steps), max(steps, default=0)
