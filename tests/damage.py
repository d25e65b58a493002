"""Damaged files, which readers are given beside the files that they know.

`damaged_bytes` cuts, changes, repeats and inserts, anywhere.  In an archive nearly all of that is caught by the
checksum of the archive itself; `damaged_archives` damages what stands in it and packs it again, with right checksums,
so that what lies behind the first check is reached too.
"""

import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

Read = TypeVar("Read")

#: Bytes that mean something to a reader of text, of archives or of arrays.
TELLING = [b"", b"\n", b"\r\n", b",", b"\t", b'"', b":", b"|", b" ", b"\0", b"\xff", b"\xef\xbb\xbf", b"nan", b"-1"]
TELLING += [b"PK\x03\x04", b"\x93NUMPY", b"(3,)", b"99999999999999999999", b"|O", b"<f4", b"[[[[", b"{}", b"null"]
STORED, LZMA = zipfile.ZIP_STORED, zipfile.ZIP_LZMA


@st.composite
def damaged_bytes(draw: st.DrawFn, whole: bytes, *, times: int = 2) -> bytes:
    """Draw what is left of some bytes after up to `times` accidents."""
    for _ in range(draw(st.integers(1, times))):
        start = draw(st.integers(0, len(whole)))
        stop = draw(st.integers(start, min(len(whole), start + 40)) | st.just(len(whole)))
        put = draw(st.sampled_from(TELLING) | st.binary(max_size=4) | st.just(2 * whole[start:stop]))
        whole = whole[:start] + put + whole[stop:]
    return whole


@st.composite
def damaged_archives(draw: st.DrawFn, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Draw an .npz file of these arrays in which one entry, or the number or names of the entries, is not right."""
    entries = [(f"{name}.npy", as_npy(array)) for name, array in arrays.items()]
    which = draw(st.integers(0, len(entries) - 1))
    name, content = entries[which]
    kind = draw(st.sampled_from(["content", "header", "name", "lost", "twice", "more", "packed"]))
    packing = {name: STORED}
    if kind == "content":
        entries[which] = name, draw(damaged_bytes(content))
    elif kind == "header":
        entries[which] = name, draw(damaged_bytes(content[:128], times=1)) + content[128:]
    elif kind == "name":
        entries[which] = draw(st.sampled_from([name.removesuffix(".npy"), f"x/{name}", "", ".npy"])), content
    elif kind == "lost":
        del entries[which]
    elif kind == "twice":
        entries.append((name, draw(st.sampled_from(entries))[1]))
    elif kind == "more":
        entries.append((draw(st.sampled_from(["README", "more.npy"])), draw(st.binary(max_size=20))))
    else:
        packing[name] = draw(st.sampled_from([zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, LZMA]))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")  # as was meant
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, packing.get(name, STORED))
    return file.getvalue()


def as_npy(array: np.ndarray) -> bytes:
    """Write an array as `numpy.save` does."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def read_unless_refused(
    read: Callable[[], Read], path: Path, *refusal: type[Exception], or_else: str | None = None
) -> Read | None:
    """Give what is read, or None where it is refused in words that name the file (or say `or_else`)."""
    try:
        return read()
    except refusal as error:
        message = str(error)
    assert str(path) in message or (or_else is not None and or_else in message), message
    return None
