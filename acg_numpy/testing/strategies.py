"""What attention and conditioners are tested on: Hypothesis strategies for inputs, ids, conditioners and calls of them.

An example is drawn in few, large draws, so that some hundreds come in a second, and shrinks to single-digit sizes and
small whole numbers.
"""

import inspect
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from acg_numpy.conditioner import AttentionConditioner, OneKeyWarning
from acg_numpy.kernels.planning import KERNELS
from acg_numpy.shapes import Array
from acg_numpy.testing.arrays import LAYOUTS, arrays, laid_out, shapes, side

__all__ = ["AttentionInputs", "ConditionerCall", "arrays", "attention_inputs", "conditioner_calls", "conditioners"]
__all__ += ["domain_ids", "shapes"]


class AttentionInputs(NamedTuple):
    """Queries (..., L, d), keys (..., S, d), values (..., S, Dv), and a mask (..., L, S) or None."""

    query: Array
    key: Array
    value: Array
    mask: Array | None


class ConditionerCall(NamedTuple):
    """A conditioner and what it may be called with: `conditioner(user_emb, domain_id)`."""

    conditioner: AttentionConditioner
    user_emb: Array
    domain_id: int | np.integer[Any] | Array


def attention_inputs(
    *,
    masked: bool = False,
    max_side: int = 5,
    dtype: npt.DTypeLike = np.float64,
    magnitude: float = 10.0,
    smallest: float | None = None,
) -> st.SearchStrategy[AttentionInputs]:
    """Queries, keys and values that fit together, with a mask or without.

    There are up to two batch axes, which each of the inputs has in full, or of size 1, or not at all, so that they
    broadcast.  Every axis but the features d may have size 0: no batch, no queries, no keys, no features in the values.

    Parameters
    ----------
    masked : bool
        Whether there is a mask, True where a query may attend to a key; if not, it is None.
    max_side : int
        The largest size of an axis, at least 1.
    dtype : floating dtype
        Of queries, keys and values.
    magnitude, smallest : float
        Bounds of all numbers but 0, as for `arrays`: 1e30 and 1e-30 for attention that promises to survive them.
        Queries and keys stay small enough that every score is finite.

    Returns
    -------
    strategy of AttentionInputs
        A NamedTuple `(query, key, value, mask)`.

    Examples
    --------
    >>> import hypothesis
    >>> hypothesis.find(attention_inputs(), lambda inputs: inputs.key.any())
    AttentionInputs(query=array([[0.]]), key=array([[1.]]), value=array([[0.]]), mask=None)
    """
    if max_side < 1:
        raise ValueError(f"max_side is {max_side}; expected 1 or more, as a query has at least one feature")
    # twice this, squared and summed over the features, is still finite
    score = float(np.sqrt(float(np.finfo(dtype).max) / max_side)) / 2
    rows = {"dtype": dtype, "magnitude": min(magnitude, score), "smallest": smallest}
    return _attention_inputs(masked, max_side, rows, {**rows, "magnitude": magnitude})


@st.composite
def _attention_inputs(
    draw: st.DrawFn, masked: bool, max_side: int, rows: dict[str, Any], values: dict[str, Any]
) -> AttentionInputs:
    codes = np.frombuffer(draw(_SIZES), ">u2").tolist()
    batch = tuple(side(code, 0, max_side) for code in codes[:2])[: codes[2] % 3]
    L, S, Dv = (side(code, 0, max_side) for code in codes[3:6])
    d = side(codes[6], 1, max_side)
    query, key, value, mask = (_broadcasting(batch, code) for code in codes[7:11])
    return AttentionInputs(
        draw(arrays((*query, L, d), **rows)),
        draw(arrays((*key, S, d), **rows)),
        draw(arrays((*value, S, Dv), **values)),
        ~draw(arrays((*mask, L, S), dtype=np.bool_)) if masked else None,
    )


_SIZES = st.binary(min_size=22, max_size=22)


def _broadcasting(batch: tuple[int, ...], code: int) -> tuple[int, ...]:
    """Batch axes that broadcast with these: all of them, or some of size 1, or fewer."""
    kept = tuple(1 if code >> 1 + axis & 1 else n for axis, n in enumerate(batch))
    return kept[code & 1 :]


def domain_ids(
    num_domains: int, batch_shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]]
) -> st.SearchStrategy[npt.NDArray[np.integer[Any]]]:
    """Domains by number, repeated ones frequent, in integers of every kind and arrays of every layout.

    Parameters
    ----------
    num_domains : int
        Ids run from 0 to `num_domains` - 1.
    batch_shape : tuple of int, or strategy of them

    Returns
    -------
    strategy of integer arrays, shape `batch_shape`

    Examples
    --------
    >>> import hypothesis
    >>> hypothesis.find(domain_ids(3, (4,)), lambda ids: ids.any())
    array([1, 0, 0, 0])
    """
    if num_domains < 1:
        raise ValueError(f"num_domains is {num_domains}; expected 1 or more")
    return _domain_ids(num_domains, batch_shape)


_IDS = st.binary(min_size=128, max_size=128)
_SPREADS = st.sampled_from(("any", "first and last", "one"))
_INTEGERS = (np.intp, np.int32, np.uint8, np.int8, np.int16, np.uint64)


@st.composite
def _domain_ids(
    draw: st.DrawFn, num_domains: int, batch_shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]]
) -> npt.NDArray[np.integer[Any]]:
    if isinstance(batch_shape, st.SearchStrategy):
        batch_shape = draw(batch_shape)
    codes = np.frombuffer(draw(_IDS), ">u2")[::-1].astype(np.intp)
    spread = draw(_SPREADS)
    if spread == "any":
        ids = codes % num_domains
    elif spread == "first and last":
        ids = codes % 2 * (num_domains - 1)
    else:
        ids = codes[:1] % num_domains
    dtype = draw(st.sampled_from([kind for kind in _INTEGERS if np.iinfo(kind).max >= num_domains - 1]))
    return laid_out(np.resize(ids, batch_shape).astype(dtype), *draw(LAYOUTS))


def conditioners(**fixed: Any) -> st.SearchStrategy[AttentionConditioner]:
    """Small conditioners of every kind, as they are when new or, every parameter moved, as if trained.

    Parameters
    ----------
    **fixed
        Any argument of `AttentionConditioner`, as a value or a strategy of values; the others are drawn to fit:
        `emb_dim` up to 12, `num_heads` that divide it, up to 4 domains, up to 4 tokens for each, up to 2 global tokens,
        with and without `residual`, `layer_norm` and `bias`, every `kernel`, float32 and float64.  `dropout` is 0, so
        that two calls agree, and domains have no names, unless asked for.

    Returns
    -------
    strategy of AttentionConditioner
        In training mode, as new ones are.  None has a single key, unless `tokens_per_domain` and `num_global_tokens`
        are given so; then it comes without its `OneKeyWarning`, which was asked for.

    Examples
    --------
    >>> import hypothesis
    >>> hypothesis.find(conditioners(num_heads=3), lambda conditioner: True).attention.emb_dim
    3
    """
    unknown = sorted(set(fixed) - set(_ARGUMENTS))
    if unknown:
        raise TypeError(f"{unknown[0]!r} is not an argument of AttentionConditioner; those are {', '.join(_ARGUMENTS)}")
    return _conditioners(fixed)


_ARGUMENTS = list(inspect.signature(AttentionConditioner).parameters)
_OPTIONS = st.binary(min_size=len(_ARGUMENTS) + 1, max_size=len(_ARGUMENTS) + 1)


@st.composite
def _conditioners(draw: st.DrawFn, fixed: dict[str, Any]) -> AttentionConditioner:
    codes = iter(draw(_OPTIONS))  # all options in one draw: see arrays.py
    made: dict[str, Any] = {}

    def choose(name: str, otherwise: Sequence[Any]) -> Any:
        """An option as it was fixed, or one of these; a byte is used in either case."""
        code = next(codes)
        value = fixed[name] if name in fixed else otherwise[code % len(otherwise)]
        made[name] = value = draw(value) if isinstance(value, st.SearchStrategy) else value
        return value

    if "emb_dim" in fixed:
        D = choose("emb_dim", ())
        choose("num_heads", [heads for heads in range(1, D + 1) if D % heads == 0])
    else:
        heads = choose("num_heads", range(1, 5))
        choose("emb_dim", range(heads, max(heads, 12) + 1, heads))
    names = choose("domain_names", (None,))
    choose("num_domains", range(1, 5) if names is None else (len(names),))
    # a single key is drawn only where it was asked for
    tokens = choose("tokens_per_domain", range(2 if fixed.get("num_global_tokens") == 0 else 1, 5))
    choose("num_global_tokens", range(1 if tokens == 1 else 0, 3))
    choose("dropout", (0.0,))
    for name in ("residual", "layer_norm", "bias"):
        choose(name, (False, True))
    choose("kernel", KERNELS)
    choose("dtype", (np.float32, np.float64))
    choose("seed", range(256))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OneKeyWarning)
        conditioner = AttentionConditioner(**made)
    moved = next(codes)
    if moved % 2:  # a bias that is still 0 would hide a mistake in it
        rng = np.random.default_rng(moved)
        for parameter in conditioner.parameters():
            parameter.data += rng.standard_normal(parameter.shape).astype(parameter.dtype)
    return conditioner


def conditioner_calls(**fixed: Any) -> st.SearchStrategy[ConditionerCall]:
    """A conditioner, users, and their domains, in every form in which it may be called.

    One domain for all users (as an int, or an integer of NumPy's), one for each, one user in several, each user in
    every domain (`user_emb[:, None]` with `np.arange(num_domains)`), no users at all; up to two batch axes; users in
    another floating dtype than the conditioner's.

    Parameters
    ----------
    **fixed
        As for `conditioners`.

    Returns
    -------
    strategy of ConditionerCall
        A NamedTuple `(conditioner, user_emb, domain_id)`.

    Examples
    --------
    >>> import hypothesis
    >>> call = hypothesis.find(conditioner_calls(), lambda call: True)
    >>> call.user_emb, call.domain_id
    (array([0.], dtype=float32), 0)
    """
    return _conditioner_calls(conditioners(**fixed))


_FORMS = ("int", "NumPy integer", "each", "several", "every")
_FORM = st.binary(min_size=10, max_size=10)


@st.composite
def _conditioner_calls(draw: st.DrawFn, drawn: st.SearchStrategy[AttentionConditioner]) -> ConditionerCall:
    conditioner = draw(drawn)
    num_domains, emb_dim = conditioner.domain_embedding.num_domains, conditioner.attention.emb_dim
    codes = np.frombuffer(draw(_FORM), ">u2").tolist()
    form = _FORMS[codes[0] % len(_FORMS)]
    batch = tuple(side(code, 0, 4) for code in codes[2:4])[2 - codes[1] % 3 :]
    dtype = (conditioner.attention.dtype, np.float32, np.float64)[codes[4] % 3]

    users = {"several": batch[len(batch) // 2 + 1 :], "every": (*batch, 1)}.get(form, batch)
    user_emb = draw(arrays((*users, emb_dim), dtype=dtype))
    ids = draw(domain_ids(num_domains, batch if form in ("each", "several") else ()))
    domain_id: int | np.integer[Any] | Array = ids
    if form == "int":
        domain_id = int(ids)
    elif form == "NumPy integer":
        domain_id = ids[()]
    elif form == "every":
        domain_id = np.arange(num_domains)
    return ConditionerCall(conditioner, user_emb, domain_id)
