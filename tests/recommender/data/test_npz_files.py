"""Whatever accident a file of arrays has had: it is refused by name, or what is read fits together."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acg_numpy.recommender.data import DataError, read_vectors
from acg_numpy.recommender.data.npz_files import NpzArchive, UnreadableError
from tests.damage import as_npy, damaged_archives, damaged_bytes, read_unless_refused

in_tmp_path = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=3 * settings.default.max_examples
)
ARRAYS = {"ids": np.array(["ann", "Ωb"]), "vectors": np.eye(2), "domains": np.array(["films"])}


def packed(**entries: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    file.seek(0)
    return file


def whole() -> bytes:
    return packed(**{name: as_npy(array) for name, array in ARRAYS.items()}).getvalue()


@pytest.mark.filterwarnings("ignore:Reading `.npy`")  # of headers that NumPy takes for Python 2's
@given(content=damaged_archives(ARRAYS) | damaged_bytes(whole()) | st.binary(max_size=100))
@in_tmp_path
def test_any_bytes_are_refused_by_name_or_are_vectors_by_id(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vectors.npz"
    path.write_bytes(content)
    given = read_unless_refused(lambda: read_vectors(path), path, DataError)
    if given is None:
        return
    assert len(set(given.ids.tolist())) == len(given.ids) == len(given.vectors)
    assert np.isfinite(given.vectors).all()
    "".join(given.ids.tolist()).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"once ids", "'ids' is not an array"),  # np.load hands it over as bytes
        (as_npy(np.array(["a"])).replace(b"}", b" "), "."),  # the parser's own error: a bracket is never closed
        (as_npy(np.array(["a"])).replace(b"(1,)", b"(1" + b"0" * 30 + b",)"), "."),  # more than an integer counts
        (as_npy(np.array([0x110000], np.uint32).view("<U1")), "'ids' hold numbers that are not characters"),
        (as_npy(np.array([0xD800], ">u4").view(">U1")), "'ids' hold numbers that are not characters"),
    ],
    ids=["bytes", "bracket", "enormous", "beyond", "half"],
)
def test_only_the_entry_that_is_not_an_array_is_unreadable(content: bytes, message: str) -> None:
    archive = NpzArchive(packed(ids=content, vectors=as_npy(np.eye(2))))
    assert archive.names == ("ids", "vectors")
    with pytest.raises(UnreadableError, match=message):
        archive["ids"]
    np.testing.assert_array_equal(archive["vectors"], np.eye(2))


def test_what_is_no_archive_or_not_in_it_is_unreadable() -> None:
    with pytest.raises(UnreadableError):
        NpzArchive(io.BytesIO(b"PK\x03\x04"))
    with pytest.raises(UnreadableError, match="missing"):
        NpzArchive(packed())["missing"]


def test_strings_of_any_shape_and_order_are_read() -> None:
    for array in (np.array("Ω"), np.array([["a", "b"]], ">U3"), np.empty(0, "U4"), np.array([""])):
        np.testing.assert_array_equal(NpzArchive(packed(a=as_npy(array)))["a"], array)
