"""Whatever accident a checkpoint has had: it is refused by name, or its content is what was written."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acg_numpy.recommender.data import DataError, checkpoints
from acg_numpy.recommender.data.checkpoints import ABOUT, CheckpointError, load_checkpoint, save_checkpoint
from acg_numpy.recommender.data.npy_files import read_npy_layout
from acg_numpy.recommender.serving import Trained, inspect_file
from tests.damage import as_npy, damaged_archives, damaged_bytes, read_unless_refused

pytestmark = pytest.mark.filterwarnings("ignore:Reading `.npy`")  # of headers that NumPy takes for Python 2's
in_tmp_path = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=max(150, 5 * settings.default.max_examples),
)

ARRAYS = {
    "weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "users": np.array(["ada", "Ω"]),
    "scale": np.array(2),
}
TOLD = {"epoch": 12, "domains": ["Komödie"]}


def written(folder: Path) -> tuple[Path, bytes]:
    save_checkpoint(folder / "c.npz", ARRAYS, TOLD)
    return folder / "c.npz", (folder / "c.npz").read_bytes()


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    path, _ = written(tmp_path_factory.mktemp("whole"))
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


@given(data=st.data())
@in_tmp_path
def test_any_bytes_are_refused_by_name_or_hold_what_was_written(
    tmp_path: Path, entries: dict[str, np.ndarray], data: st.DataObject
) -> None:
    path, whole = written(tmp_path)
    path.write_bytes(data.draw(damaged_archives(entries) | damaged_bytes(whole) | st.binary(max_size=100)))
    found = read_unless_refused(lambda: load_checkpoint(path), path, CheckpointError)
    if found is None:
        return
    arrays, about = found
    assert about == TOLD
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def repacked(path: Path, **entries: bytes) -> Path:
    """Put entries into a whole checkpoint, or in the place of its own, with the archive's checksums right."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**held, **entries}.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("entry", "content", "message"),
    [
        ("README", b"do not touch", "'README' is not an array"),  # put there by hand; AttributeError once
        ("weight.npy", b"gone", "'weight' is not an array"),
        (f"{ABOUT}.npy", b"gone", f"'{ABOUT}' is not an array"),  # TypeError once
        ("weight.npy", as_npy(ARRAYS["weight"]).replace(b"}", b" "), "cannot be read"),  # tokenize's error once
    ],
)
def test_an_entry_that_is_no_array_makes_no_checkpoint(
    tmp_path: Path, entry: str, content: bytes, message: str
) -> None:
    path = repacked(written(tmp_path)[0], **{entry: content})
    with pytest.raises(CheckpointError, match=rf"c\.npz is truncated or damaged.*{message}"):
        load_checkpoint(path)


def test_an_entry_whose_packing_is_misnamed_makes_no_checkpoint(tmp_path: Path) -> None:
    """One byte in the archive's directory says how an entry is packed; lzma has an error of its own."""
    path = tmp_path / "c.npz"
    save_checkpoint(path, {"weight": np.zeros(10_000)}, {})
    whole = bytearray(path.read_bytes())
    whole[whole.rindex(b"PK\x01\x02") + 10] = zipfile.ZIP_LZMA
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        load_checkpoint(path)


def test_a_description_that_is_no_mapping_makes_no_checkpoint(tmp_path: Path) -> None:
    head = {"format": checkpoints.FORMAT, "version": 1, "sha256": checkpoints._digest({}), "about": [1]}
    np.savez(tmp_path / "c.npz", **{ABOUT: np.array(json.dumps(head))})
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(tmp_path / "c.npz")


def test_a_scale_that_is_no_number_makes_no_trained_conditioner(tmp_path: Path) -> None:
    arrays = {name: np.zeros(2) for name in ("components", "item_weight", "item_vectors", "popularity", "elsewhere")}
    arrays |= {"item_bias": np.zeros(2), "item_domain": np.zeros(2, int), "scale": np.zeros(2)}
    arrays |= {"items": np.array(["a", "b"]), "domains": np.array(["x", "y"])}
    save_checkpoint(tmp_path / "c.npz", arrays, {"conditioner": {"emb_dim": 2, "num_heads": 1, "num_domains": 2}})
    with pytest.raises(CheckpointError, match=r"c\.npz is the checkpoint of a conditioner whose parts do not fit"):
        Trained.load(tmp_path / "c.npz")


VECTORS = as_npy(np.arange(24, dtype=np.float32).reshape(2, 3, 4))


@given(content=damaged_bytes(VECTORS))
@in_tmp_path
def test_any_npy_file_is_refused_by_name_or_whole(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "conditions.npy"
    path.write_bytes(content)
    layout = read_unless_refused(lambda: read_npy_layout(path), path, DataError)
    if layout is None:
        return
    rows = [layout.window(block) for block in layout.blocks()]
    assert sum(map(len, rows)) == layout.shape[0] if layout.shape else True


@given(
    content=damaged_bytes(VECTORS)
    | damaged_archives({"ids": np.array(["a", "b"]), "vectors": np.eye(2)})
    | st.binary(max_size=50)
)
@in_tmp_path
def test_any_file_is_refused_by_name_or_described(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "what"
    path.write_bytes(content)
    described = read_unless_refused(lambda: inspect_file(path), path, DataError, CheckpointError)
    if described is None:
        return
    assert described.what


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"}", b" ", "its header cannot be read"),  # tokenize's error once
        (b"(2, 3, 4), }", b"(-2,3,4), } ", r"the array has shape \(-2, 3, 4\)"),
    ],
)
def test_a_header_that_cannot_be_is_told(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    path = tmp_path / "conditions.npy"
    path.write_bytes(VECTORS.replace(old, new, 1))
    with pytest.raises(DataError, match=rf"conditions\.npy is damaged.*{message}"):
        read_npy_layout(path)


def test_a_nan_that_signals_is_counted_as_others_are(tmp_path: Path) -> None:
    """Widening one raises a warning of its own, for an invalid operation."""
    numbers = np.ones((2, 3), np.float32)
    numbers.view(np.uint32)[0, 0] = 0x7F800001
    np.save(tmp_path / "users.npy", numbers)
    assert inspect_file(tmp_path / "users.npy").figures["not_finite"] == [1]
