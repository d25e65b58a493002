"""Models by their names: `make_model` makes a trained one, with the settings of its table or others."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from acg_numpy.conditioner import AttentionConditioner, OneKeyWarning
from acg_numpy.module import Module
from acg_numpy.recommender.models.baselines import ConcatLinear, ConcatMLP, FiLM, UserPlusDomain, UserVector
from acg_numpy.recommender.models.emcdr import EMCDRLinear, EMCDRNetwork
from acg_numpy.recommender.models.hyperparameters import ATTENTION, Settings, default_settings
from acg_numpy.recommender.models.ptupcdr import PTUPCDR
from acg_numpy.shapes import Array

COMPARED: dict[str, Callable[..., Module]] = {
    "user": UserVector,
    "user+domain": UserPlusDomain,
    "concat-linear": ConcatLinear,
    "emcdr-linear": EMCDRLinear,
    "film": FiLM,
    "concat-mlp": ConcatMLP,
    "emcdr-mlp": partial(EMCDRNetwork, shared=False),
    "emcdr-mlp-shared": partial(EMCDRNetwork, shared=True),
    "ptupcdr": PTUPCDR,
}


def make_model(
    name: str,
    *,
    emb_dim: int,
    domain_names: Sequence[str],
    item_vectors: Array | None = None,
    seed: int = 0,
    **settings: Any,
) -> Module:
    """Make one of the trained models by its name in the report.

    Parameters
    ----------
    name : str
        One of `TRAINED`.
    emb_dim : int
        D, of user vectors and conditions.
    domain_names : sequence of str
        One for each domain.
    item_vectors : array, shape (I, D), float32, optional
        All items in the space of the user vectors; `ptupcdr` asks for them.
    seed : int
        Of the initial values, and of dropout.
    **settings
        Hyperparameters in place of the model's defaults, see `acg_numpy.recommender.models.hyperparameters`.

    Returns
    -------
    Module

    Raises
    ------
    ValueError
        If there is no model of that name, or it has no such hyperparameter.

    Examples
    --------
    >>> film = make_model("film", emb_dim=4, domain_names=["books", "films"], layer_norm=False)
    >>> film(np.ones((3, 4), np.float32), np.array([0, 1, 1])).shape
    (3, 4)
    """
    settings = default_settings(name, settings)
    del settings["rate"]  # which is of the training
    if name in ATTENTION:
        settings["output_per_domain"] = name == "attention-own-output"
        return _attention(emb_dim, domain_names, seed, settings)
    if name == "one-key":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OneKeyWarning)  # here one key is intended: it shows what the warning says
            return _attention(emb_dim, domain_names, seed, {**settings, "tokens_per_domain": 1})
    if name == "ptupcdr":
        if item_vectors is None:
            raise ValueError("item_vectors is missing: ptupcdr reads the items of a user's history")
        settings["item_vectors"] = item_vectors
    init, drops = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    return COMPARED[name](emb_dim, len(domain_names), init, drops=drops, **settings)


def _attention(emb_dim: int, domain_names: Sequence[str], seed: int, options: Settings) -> AttentionConditioner:
    options = dict(options)
    heads = options.pop("heads")
    return AttentionConditioner(
        emb_dim, heads, len(domain_names), domain_names=list(domain_names), seed=seed, **options
    )
