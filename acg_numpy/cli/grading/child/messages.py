"""Messages between the parent and the child: a head in JSON, and arrays as .npy bytes; never pickle.

A message is

    b"acg1"  length of the head  number of arrays  length of each array  head  arrays

with lengths as unsigned big-endian integers.  The reader checks every length before it reads, and every .npy header
against the bytes that follow it, because the writer may be a program that wants to harm the reader.
"""

import io
import json
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

MAGIC = b"acg1"
LARGEST_HEAD = 1 << 23  # bytes: the largest file of a student, each of its bytes as an escape
LARGEST_BODY = 1 << 26  # bytes, all arrays of a message together
MOST_ARRAYS = 256
DEEPEST = 5  # of tuples in tuples
NUMBERS = "fiubc"  # kinds of dtypes


class MessageError(ValueError):
    """Bytes that are no message, or a message that holds something else than it should."""


def write_message(file: BinaryIO, head: dict[str, Any], arrays: Sequence[Any] = ()) -> None:
    """Write a message and flush."""
    bodies = [encode_array(array) for array in arrays]
    text = json.dumps(head).encode("ascii")
    if len(text) > LARGEST_HEAD or len(bodies) > MOST_ARRAYS or sum(map(len, bodies)) > LARGEST_BODY:
        raise MessageError("too much for a message")
    sizes = struct.pack(f">II{len(bodies)}Q", len(text), len(bodies), *map(len, bodies))
    file.write(b"".join([MAGIC, sizes, text, *bodies]))
    file.flush()


def read_message(file: BinaryIO, largest: int = LARGEST_BODY) -> tuple[dict[str, Any], list[Any]]:
    """Read a message.

    Parameters
    ----------
    file : binary file
    largest : int
        How many bytes its arrays may take together.

    Raises
    ------
    EOFError
        If the file ends before a whole message was read.
    MessageError
        If it is no message, or is larger than allowed.
    """
    if _read(file, 4) != MAGIC:
        raise MessageError("it does not begin as a message does")
    length, number = struct.unpack(">II", _read(file, 8))
    if length > LARGEST_HEAD or number > MOST_ARRAYS:
        raise MessageError("its head is too long")
    lengths = struct.unpack(f">{number}Q", _read(file, 8 * number))
    if sum(lengths) > largest:
        raise MessageError(f"its arrays take {sum(lengths):,} bytes, more than {largest:,}")
    try:
        head = json.loads(_read(file, length))
    except (ValueError, RecursionError) as error:
        raise MessageError("its head is not JSON") from error
    if not isinstance(head, dict):
        raise MessageError("its head is not an object")
    return head, [decode_array(_read(file, size)) for size in lengths]


def _read(file: BinaryIO, number: int) -> bytes:
    """Read exactly so many bytes."""
    data = file.read(number)
    if len(data) < number:
        raise EOFError
    return data


def encode_array(array: Any) -> bytes:
    """Write an array of numbers as .npy bytes."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def decode_array(data: bytes) -> Any:
    """Read .npy bytes, after checking that the header and the number of bytes agree.

    Raises
    ------
    MessageError
        If they do not, or the array holds anything but numbers.

    Examples
    --------
    >>> decode_array(encode_array(np.array([1.5, 2.5])))
    array([1.5, 2.5])
    """
    buffer = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(buffer) != (1, 0):
            raise MessageError("an array of another version of the format")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(buffer, max_header_size=1000)
    except MessageError:
        raise
    except Exception as error:  # what a header can be made to raise is no one's business
        raise MessageError("an array without a header") from error
    rest = data[buffer.tell() :]
    sizes = [size for size in shape if 0 <= size <= LARGEST_BODY]
    if dtype.kind not in NUMBERS or dtype.fields is not None or len(sizes) < len(shape) or len(shape) > 32:
        raise MessageError(f"an array of {dtype} and shape {shape}")
    if math.prod(sizes) * dtype.itemsize != len(rest):
        raise MessageError(f"an array of shape {shape} in {len(rest)} bytes")
    return np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C").copy()


def pack(value: Any, arrays: list[Any], depth: int = 0) -> Any:
    """Describe a value in JSON; its arrays are added to a list, and named by their place in it.

    Examples
    --------
    >>> arrays = []
    >>> pack((np.ones(2), None, "text"), arrays), len(arrays)
    ({'tuple': [{'array': 0}, None, {'other': 'str'}]}, 1)
    """
    if value is None:
        return None
    if isinstance(value, np.ndarray):
        kind = "masked" if isinstance(value, np.ma.MaskedArray) else "matrix" if isinstance(value, np.matrix) else ""
        plain = np.array(value, subok=False)
        if plain.dtype.kind not in NUMBERS:
            return {"object": list(plain.shape)}
        arrays.append(plain)
        return {kind or "array": len(arrays) - 1}
    if isinstance(value, np.generic) or type(value) in (bool, int, float, complex):
        number = np.asarray(value)
        if number.dtype.kind in NUMBERS:
            arrays.append(number)
            return {"scalar" if isinstance(value, np.generic) else "number": len(arrays) - 1}
    if depth < DEEPEST and len(arrays) < MOST_ARRAYS:
        if isinstance(value, (tuple, list)):
            items = [pack(item, arrays, depth + 1) for item in tuple(value)[:MOST_ARRAYS]]
            return {"tuple" if isinstance(value, tuple) else "list": items}
        if type(value) is dict:
            every = list(value.items())[:MOST_ARRAYS]
            return {"dict": [[str(key)[:100], pack(item, arrays, depth + 1)] for key, item in every]}
    if isinstance(value, Iterator):
        return {"other": "iterator"}
    return {"other": str(type(value).__name__)[:40]}


def unpack(described: Any, arrays: Sequence[Any], depth: int = 0) -> Any:
    """Make the value again that was described; of what is no array, tuple, list or dict, something of its kind.

    Raises
    ------
    MessageError
        If the description is none.
    """
    if described is None:
        return None
    if not isinstance(described, dict) or len(described) != 1 or depth > DEEPEST + 1:
        raise MessageError("a value that is not described")
    ((kind, content),) = described.items()
    if kind in ("array", "masked", "matrix", "scalar", "number"):
        if type(content) is not int or not 0 <= content < len(arrays):
            raise MessageError("an array that is not there")
        return _as_kind(kind, arrays[content])
    if kind == "other" and isinstance(content, str):
        return _stand_in(content)
    if kind == "object":
        return np.empty((), dtype=object)
    if not isinstance(content, list) or len(content) > MOST_ARRAYS:
        raise MessageError("a collection that is none")
    if kind in ("tuple", "list"):
        items = [unpack(item, arrays, depth + 1) for item in content]
        return tuple(items) if kind == "tuple" else items
    if kind == "dict" and all(isinstance(item, list) and len(item) == 2 for item in content):
        return {str(key): unpack(item, arrays, depth + 1) for key, item in content}
    raise MessageError("a value of an unknown kind")


def _as_kind(kind: str, array: Any) -> Any:
    """Return an array as what it was."""
    if kind in ("scalar", "number"):
        if array.shape != ():
            raise MessageError("a number that is an array")
        return array[()] if kind == "scalar" else array.item()
    if kind == "masked":
        return np.ma.MaskedArray(array)
    return array.view(np.matrix) if kind == "matrix" and array.ndim == 2 else array


def _stand_in(name: str) -> Any:
    """Return something of a type that has no place in a message."""
    known: dict[str, Any] = {"str": "", "bytes": b"", "set": set(), "frozenset": frozenset(), "iterator": iter(())}
    if name in known:
        return known[name]
    return type(name if name.isidentifier() else "object", (), {})()
