"""Hypothesis strategies for inputs of attention, domain ids, conditioners and calls of them.

An example is one draw, of bytes (`acg_numpy.testing.arrays` says why), so that several hundred come in a second, and
shrinks to single-digit sizes and small whole numbers.
"""

import inspect
import io
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from acg_numpy.conditioner import AttentionConditioner, OneKeyWarning
from acg_numpy.kernels.planning import KERNELS
from acg_numpy.shapes import Array
from acg_numpy.testing.arrays import (
    BOOLEANS,
    BYTES,
    NUM_DRAWN,
    NumberRange,
    arrays,
    broadcastable,
    lay_out,
    number_range,
    read_array,
    shapes,
    side,
)
from acg_numpy.text import did_you_mean, joined

__all__ = [
    "arrays",
    "shapes",
    "attention_inputs",
    "AttentionInputs",
    "domain_ids",
    "conditioners",
    "conditioner_calls",
    "ConditionerCall",
]


class AttentionInputs(NamedTuple):
    """Queries (..., n_q, d), keys (..., n_k, d), values (..., n_k, Dv), and a mask (..., n_q, n_k) or None."""

    query: Array
    key: Array
    value: Array
    mask: Array | None


class ConditionerCall(NamedTuple):
    """A conditioner and what it may be called with, `conditioner(user_emb, domain_id)`: int, integers, or names."""

    conditioner: AttentionConditioner
    user_emb: Array
    domain_id: Any


def attention_inputs(
    *,
    masked: bool = False,
    max_side: int = 5,
    dtype: npt.DTypeLike = np.float64,
    magnitude: float = 10.0,
    smallest: float | None = None,
) -> st.SearchStrategy[AttentionInputs]:
    """Draw queries, keys and values that fit together, with a mask or without.

    There are up to two batch axes, which each of the inputs has in full, or of size 1, or not at all, so that they
    broadcast.  Every axis but the features d may have size 0: no batch, no queries, no keys, no features in the values.

    Parameters
    ----------
    masked : bool
        Whether there is a mask, True where a query may attend to a key; otherwise it is None.
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

    Raises
    ------
    ValueError
        For bounds that the dtype cannot hold, or no features.

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
    rows = number_range(dtype, min(magnitude, score), smallest)
    return _attention_inputs(masked, max_side, rows, number_range(dtype, magnitude, smallest))


_SIZES = 22
_INPUTS = st.binary(min_size=_SIZES + 4 * BYTES, max_size=_SIZES + 4 * BYTES)


@st.composite
def _attention_inputs(
    draw: st.DrawFn, masked: bool, max_side: int, rows: NumberRange, values: NumberRange
) -> AttentionInputs:
    drawn = draw(_INPUTS)
    codes = np.frombuffer(drawn[:_SIZES], ">u2").tolist()
    batch = tuple(side(code, 0, max_side) for code in codes[:2])[2 - codes[2] % 3 :]
    L, S, Dv = (side(code, 0, max_side) for code in codes[3:6])
    d = side(codes[6], 1, max_side)
    query, key, value = (broadcastable(batch, code) for code in codes[7:10])
    mask = broadcastable(np.broadcast_shapes(query, key, value), codes[10])
    each = [drawn[start : start + BYTES] for start in range(_SIZES, len(drawn), BYTES)]
    return AttentionInputs(
        read_array(each[0], (*query, L, d), rows),
        read_array(each[1], (*key, S, d), rows),
        read_array(each[2], (*value, S, Dv), values),
        read_array(each[3], (*mask, L, S), BOOLEANS) if masked else None,
    )


def domain_ids(
    num_domains: int, batch_shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]]
) -> st.SearchStrategy[npt.NDArray[np.integer[Any]]]:
    """Draw domains by number, repeated ones frequent, in integers of every kind and arrays of every layout.

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


_INTEGERS = (np.intp, np.int32, np.uint8, np.int8, np.int16, np.uint64)
_ID_BYTES = 3 + 2 * NUM_DRAWN
_IDS = st.binary(min_size=_ID_BYTES, max_size=_ID_BYTES)


@st.composite
def _domain_ids(
    draw: st.DrawFn, num_domains: int, batch_shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]]
) -> npt.NDArray[np.integer[Any]]:
    if isinstance(batch_shape, st.SearchStrategy):
        batch_shape = draw(batch_shape)
    return _read_ids(draw(_IDS), num_domains, batch_shape)


def _read_ids(drawn: bytes, num_domains: int, shape: tuple[int, ...]) -> npt.NDArray[np.integer[Any]]:
    """Return the domains that `_ID_BYTES` bytes stand for: any, or the first and the last, or a single one."""
    codes = np.frombuffer(drawn[3:], ">u2")[::-1].astype(np.intp)
    ids = (codes % num_domains, codes % 2 * (num_domains - 1), codes[:1] % num_domains)[drawn[0] % 3]
    dtypes = [dtype for dtype in _INTEGERS if np.iinfo(dtype).max >= num_domains - 1]
    return lay_out(np.resize(ids, shape).astype(dtypes[drawn[1] % len(dtypes)]), drawn[2])


def conditioners(**fixed: Any) -> st.SearchStrategy[AttentionConditioner]:
    """Draw small conditioners of every kind, as they are when new or, every parameter moved, as if trained.

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
    _check_arguments(fixed)
    return _conditioners(fixed)


def _check_arguments(fixed: dict[str, Any]) -> None:
    for name in fixed:
        if name not in _ARGUMENTS:
            hint = did_you_mean(name, _ARGUMENTS, f"its arguments are {joined(_ARGUMENTS)}")
            raise TypeError(f"{name!r} is not an argument of AttentionConditioner; {hint}")


_ARGUMENTS = list(inspect.signature(AttentionConditioner).parameters)
_OPTION_BYTES = len(_ARGUMENTS) + 1
_OPTIONS = st.binary(min_size=_OPTION_BYTES, max_size=_OPTION_BYTES)


@st.composite
def _conditioners(draw: st.DrawFn, fixed: dict[str, Any]) -> AttentionConditioner:
    return _make_conditioner(draw, draw(_OPTIONS), fixed)


def _make_conditioner(draw: st.DrawFn, drawn: bytes, fixed: dict[str, Any]) -> AttentionConditioner:
    """Return the conditioner that `_OPTION_BYTES` bytes stand for, with what is fixed."""
    codes = iter(drawn)
    made: dict[str, Any] = {}

    def choose(name: str, choices: Sequence[Any]) -> Any:
        """Return an option as it was fixed, or one of the choices; a byte is used in either case."""
        code = next(codes)
        value = fixed[name] if name in fixed else choices[code % len(choices)]
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
    if "num_global_tokens" in fixed:  # a single key is drawn only where it was asked for
        shared = choose("num_global_tokens", ())
        choose("tokens_per_domain", range(1 if shared else 2, 5))
    else:
        tokens = choose("tokens_per_domain", range(1, 5))
        choose("num_global_tokens", range(1 if tokens == 1 else 0, 3))
    choose("dropout", (0.0,))
    choose("inner_dim", (None, made["num_heads"], 3 * made["num_heads"]))
    choose("head_dropout", (0.0,))
    choose("output_per_domain", (False, True))
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
    """Draw a conditioner, users, and their domains, in every form in which it may be called.

    One domain for all users (as an int, or an integer of NumPy's), one for each, one user in several, several users in
    one, each user in every domain (`user_emb[:, None]` with `np.arange(num_domains)`), no users at all; up to two batch
    axes; users in another floating dtype than the conditioner's.  If domains have names, by name as well.

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
    _check_arguments(fixed)
    return _conditioner_calls(fixed)


_FORMS = ("int", "NumPy integer", "each", "several", "shared", "every")
_FORM_BYTES = 12
_CALL_BYTES = _FORM_BYTES + _OPTION_BYTES + _ID_BYTES + BYTES
_CALLS = st.binary(min_size=_CALL_BYTES, max_size=_CALL_BYTES)


@st.composite
def _conditioner_calls(draw: st.DrawFn, fixed: dict[str, Any]) -> ConditionerCall:
    drawn = io.BytesIO(draw(_CALLS))
    codes = np.frombuffer(drawn.read(_FORM_BYTES), ">u2").tolist()
    conditioner = _make_conditioner(draw, drawn.read(_OPTION_BYTES), fixed)
    num_domains, emb_dim = conditioner.domain_embedding.num_domains, conditioner.attention.emb_dim
    form = _FORMS[codes[0] % len(_FORMS)]
    batch = tuple(side(code, 0, 4) for code in codes[2:4])[2 - codes[1] % 3 :]
    dtype = (conditioner.attention.dtype, np.float32, np.float64)[codes[4] % 3]

    users, ids = {
        "each": (batch, batch),
        "several": (batch[1:], batch),
        "shared": (batch, batch[1:]),
        "every": ((*batch, 1), ()),
    }.get(form, (batch, ()))
    domain_id: Any = _read_ids(drawn.read(_ID_BYTES), num_domains, ids)
    if form == "int":
        domain_id = int(domain_id)
    elif form == "NumPy integer":
        domain_id = domain_id[()]
    elif form == "every":
        domain_id = np.arange(num_domains)
    names = conditioner.domain_names
    if names and codes[5] % 2:
        domain_id = names[domain_id] if np.ndim(domain_id) == 0 else np.array(names)[domain_id]
    user_emb = read_array(drawn.read(BYTES), (*users, emb_dim), number_range(dtype))
    return ConditionerCall(conditioner, user_emb, domain_id)
