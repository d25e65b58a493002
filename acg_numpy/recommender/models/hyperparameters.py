"""Hyperparameters of the trained models: a default for each model, and the points that a search tries.

The defaults are from MovieLens-100k by genre (ratings of 4 and above, the 8 genres with most films).  They were chosen
by the mean NDCG@10 on the validation pairs of four splits, or of some of these, and the splits were used for nothing
else; but not all of them in the same way:

    concat-linear, emcdr-linear, film, concat-mlp, emcdr-mlp
        the best of 8 points for each model
    emcdr-mlp-shared
        the best of 22 forms of a network for each domain, most of them tried on fewer splits
    ptupcdr
        the best of 12 points, on two splits
    attention, attention-own-output
        among about 85 forms, most of them tried on fewer splits: more than any other model had
    user, user+domain, one-key
        not tuned; rate and dropout are choices, and so is the layer norm of `one-key`

Layer norm was better than none for every model for which both were tried.  Dropout on the user's vector is what the
models without hidden units need, and dropout on hidden units, or on weights and heads of attention, what the others
need.

A search over N points takes the default first, then the points of the model's own grid in the order of their distance
from it: those that differ by one step along one axis, then by two steps, and so on.

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
    "user":                 {"rate": 3e-3, "dropout": 0.0, "layer_norm": True},
    "user+domain":          {"rate": 3e-3, "dropout": 0.0, "layer_norm": True},
    "one-key":              {"rate": 3e-3, "dropout": 0.1, "layer_norm": True, "heads": 4},
    "concat-linear":        {"rate": 1e-2, "dropout": 0.2, "layer_norm": True},
    "emcdr-linear":         {"rate": 1e-2, "dropout": 0.3, "layer_norm": True},
    "film":                 {"rate": 1e-2, "dropout": 0.2, "layer_norm": True},
    "concat-mlp":           {"rate": 1e-2, "dropout": 0.4, "user_dropout": 0.0, "layer_norm": True, "hidden": 64},
    "emcdr-mlp":            {"rate": 3e-3, "dropout": 0.4, "user_dropout": 0.0, "layer_norm": True, "hidden": 64},
    "emcdr-mlp-shared":     {"rate": 3e-3, "dropout": 0.5, "user_dropout": 0.0, "layer_norm": True, "hidden": 128},
    "ptupcdr":              {"rate": 3e-3, "dropout": 0.4, "user_dropout": 0.3, "layer_norm": True, "hidden": 50},
    "attention":            _WIDE,
    "attention-own-output": _WIDE,
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
    {'rate': 0.01, 'dropout': 0.5, 'layer_norm': True}
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
    [(0.01, 0.2), (0.003, 0.2), (0.01, 0.1), (0.01, 0.3)]
    """
    default = default_settings(name, fixed)
    axes = {setting: values for setting, values in AXES[name].items() if setting not in (fixed or {})}
    grid = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    # `sorted` is stable: among points of the same distance, those come first that come first in the grid
    grid = sorted(grid, key=lambda point: _distance(point, default, axes))
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


def _distance(point: Settings, default: Settings, axes: Mapping[str, tuple[Any, ...]]) -> tuple[int, int]:
    """Count the steps from the default along all axes, and the longest way along one of them."""
    steps = [abs(values.index(point[name]) - values.index(default[name])) for name, values in axes.items()]
    return sum(steps), max(steps, default=0)
