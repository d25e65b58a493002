"""Messages: what is written is read back, and nothing else is read."""

import io
import json
import pickle
import struct
from typing import Any

import numpy as np
import pytest

from acg_numpy.cli.grading.child.messages import (
    MAGIC,
    MessageError,
    decode_array,
    encode_array,
    pack,
    read_message,
    unpack,
    write_message,
)


@pytest.mark.parametrize("dtype", ["f8", "f4", ">f8", "i4", "u1", "?", "c16"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 2), (1, 0, 2)])
def test_arrays_come_back_as_they_were(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    back = decode_array(encode_array(array))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)
    np.testing.assert_array_equal(decode_array(encode_array(array.T)), array.T)


def header(text: str, body: bytes = b"") -> bytes:
    """The bytes of an array with a header of one's own."""
    line = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(line)) + line + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        pickle.dumps(np.ones(2)),
        encode_array(np.ones(2))[:-1],
        encode_array(np.ones(2)) + b"x",
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,)}"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", b"x" * 8),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"x" * 8),
        header("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", b"x" * 8),
        header("{'descr': '<U2', 'fortran_order': False, 'shape': (1,)}", b"x" * 8),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': " + "(" * 500 + "}"),
        header("__import__('os')._exit(3)"),
        header(" " * 5000 + "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", b"x" * 8),
    ],
)
def test_bytes_that_are_no_array_are_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        decode_array(data)


def message(head: bytes, *bodies: bytes, lengths: list[int] | None = None) -> io.BytesIO:
    """A message, maybe with lengths that are none."""
    given = lengths if lengths is not None else [len(body) for body in bodies]
    return io.BytesIO(MAGIC + struct.pack(f">II{len(given)}Q", len(head), len(given), *given) + head + b"".join(bodies))


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (io.BytesIO(b"{}"), EOFError),
        (io.BytesIO(b'{"passed": true}'), MessageError),
        (message(b"[]"), MessageError),
        (message(b"{"), MessageError),
        (message(b"[" * 100_000), MessageError),
        (message(b"{}", lengths=[1 << 40]), MessageError),
        (message(b"{}", lengths=[1 << 63, 1 << 63]), MessageError),
        (message(b"{}", lengths=[1] * 300), MessageError),
        (message(b"{}", b"", lengths=[8]), EOFError),
    ],
)
def test_bytes_that_are_no_message_are_refused(file: io.BytesIO, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        read_message(file)


class Odd:
    """Not an array, whatever it says."""

    def __array__(self) -> Any:
        raise SystemExit


def test_values_come_back_as_what_they_were() -> None:
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    value = (
        np.ones(2),
        None,
        [3, 2.5, True, np.float32(1)],
        {"w": masked},
        np.ones((2, 2)).view(np.matrix),
        "x",
        Odd(),
    )
    arrays: list[Any] = []
    file = io.BytesIO()
    write_message(file, {"value": pack(value, arrays)}, arrays)
    file.seek(0)
    head, found = read_message(file)
    back = unpack(head["value"], found)
    assert [type(part).__name__ for part in back] == ["ndarray", "NoneType", "list", "dict", "matrix", "str", "Odd"]
    assert [type(part).__name__ for part in back[2]] == ["int", "float", "bool", "float32"]
    assert isinstance(back[3]["w"], np.ma.MaskedArray)


@pytest.mark.parametrize(
    "described",
    [
        1,
        "array",
        {},
        {"array": 5},
        {"array": -1},
        {"array": True},
        {"array": "0"},
        {"tuple": 3},
        {"unknown": []},
        {"dict": [1]},
        {"number": 0},
        {"array": 0, "tuple": []},
        json.loads('{"tuple":[' * 20 + "null" + "]}" * 20),
    ],
)
def test_descriptions_that_are_none_are_refused(described: Any) -> None:
    with pytest.raises(MessageError):
        unpack(described, [np.ones(2)])
