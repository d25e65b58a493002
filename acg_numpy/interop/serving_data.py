"""The arrays, names and facts that a trained conditioner is served with, without the users of the training.

From the items that a user took to scores, with the letters of `acg_numpy.recommender.data.factors`:

    user_emb = sum of w_i V_i over the items i taken elsewhere / scale      elsewhere[d, i]: i may be looked at for d
    score_i  = sharpness * condition . item_vectors_i + item_bias_i         over the items with item_domain d
               + blend * sum of W_ji over all items j that were taken      own_data, own_indices, own_indptr: W

with a condition of zeros for a user who took nothing elsewhere, and without the last line for a user who took nothing
in d.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from acg_numpy import __version__
from acg_numpy.interop.search_index import with_bias
from acg_numpy.shapes import Array
from acg_numpy.text import joined

FORMAT, VERSION = "acg_numpy export", 1
MEANINGS = {
    "components": "V: a row for each item",
    "item_weight": "w: what the row of an item is multiplied by",
    "elsewhere": "whether an item may be looked at for a domain",
    "item_vectors": "what a condition is compared with",
    "item_bias": "what is added to the score of an item",
    "item_domain": "the number of the domain of each item",
    "own_data": "W, from an item that was taken to others, row after row (CSR); for users with items in the domain",
    "own_indices": "the column of each number of own_data",
    "own_indptr": "where each row of W begins in own_data, and the end",
    "search_items": "item vectors times sharpness, and the centred bias, for an inner-product index",
    "search_offset": "the mean bias of each domain, which search_items leave out",
}


class ServingData(NamedTuple):
    """What `serving_data` returns.

    Attributes
    ----------
    arrays : dict of arrays
        See `MEANINGS`.
    items : list of str
        The id of each row of an array that has one for each item; an item of several domains has several.
    titles : list of str or None
    facts : dict
        The rest, as JSON can hold it: scale, sharpness, blend, names of domains, options, seed, hash of the data.
    """

    arrays: dict[str, Array]
    items: list[str]
    titles: list[str] | None
    facts: dict[str, Any]


def serving_data(trained: Any, about: Mapping[str, Any] | None = None) -> ServingData:
    """Return what a trained conditioner is served with.

    Parameters
    ----------
    trained : Trained
    about : mapping, optional
        What else is known of the run; kept in the facts.

    Returns
    -------
    ServingData
        Without V, w, scale and `elsewhere` where the users' vectors were given to the training and are not made from
        what users took.

    Raises
    ------
    TypeError
        If `trained` is something else.
    """
    if not hasattr(trained, "factors") or not hasattr(trained, "own_scale"):
        raise TypeError(f"expected a Trained, as Trained.load reads it, not a {type(trained).__name__}")
    factors, own_scale = trained.factors, trained.own_scale
    from_items = own_scale is None
    names = ("components", "item_weight", "elsewhere") if from_items else ()
    arrays = {name: getattr(factors, name) for name in names}
    arrays |= {"item_vectors": factors.item_vectors, "item_bias": trained.item_bias, "item_domain": trained.item_domain}
    own = _own_history(trained)
    arrays |= own.arrays
    about_data = {name: value for name, value in trained.about.items() if name in ("seed", "data", "reading")}
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "acg_numpy_version": __version__,
        "domains": trained.domains.tolist(),
        "dimensions": factors.item_vectors.shape[1],
        "sharpness": trained.sharpness,
        "scale": factors.scale if from_items else own_scale,
        "user_vectors": "from the items that were taken" if from_items else "your own, to be divided by scale",
        "blend": own.blend,
        **about_data,
        "about": dict(about or {}),
        "conditioner": trained.conditioner.options(),
    }
    return ServingData(
        arrays, trained.items.tolist(), None if trained.titles is None else trained.titles.tolist(), facts
    )


class _OwnHistory(NamedTuple):
    arrays: dict[str, Array]
    blend: float


def _own_history(trained: Any) -> _OwnHistory:
    """Return the weights between items; where the run has none, none in each row, and a blend of 0."""
    if trained.own_history is not None:
        return _OwnHistory(trained.own_history.arrays(), trained.own_history.blend)
    empty = {"own_data": np.empty(0, np.float32), "own_indices": np.empty(0, np.int32)}
    return _OwnHistory({**empty, "own_indptr": np.zeros(len(trained.items) + 1, np.int32)}, 0.0)


def search_arrays(trained: Any) -> dict[str, Array]:
    """Return the vectors of all items for an inner-product index (items, D + 1), and the offset of each domain."""
    vectors = trained.factors.item_vectors * trained.sharpness
    found = np.empty((len(vectors), vectors.shape[1] + 1), np.float32)
    offsets = np.empty(len(trained.domains))
    for d in range(len(offsets)):
        columns = trained.columns(d)
        found[columns], offsets[d] = with_bias(vectors[columns], trained.item_bias[columns])
    return {"search_items": found, "search_offset": offsets}


def check_conditions(trained: Any, conditions: Array, users: list[str]) -> None:
    """Raise ValueError if conditions are not those of these users in the domains of a trained conditioner."""
    expected = (len(users), len(trained.domains), trained.factors.item_vectors.shape[1])
    if conditions.shape != expected:
        raise ValueError(
            f"conditions have shape {conditions.shape}; expected (users, domains, dimensions), "
            f"{joined([str(n) for n in expected])}: they are of another run, or another list of users"
        )
