"""Folders from which a trained conditioner is served elsewhere, in the format that the other program reads.

    safetensors   the conditioner in Hugging Face's layout, and the other arrays as safetensors too
    onnx          the conditioner as an ONNX graph, and arrays as .npy
    torch         the conditioner as a program of PyTorch, and arrays as .npy
    npy           all arrays as .npy, vectors for a search index and the users' conditions among them
    parquet       the same as tables

Each has serving.json, which says what the other files hold, and everything that is a number or a name rather than an
array.  No file is a pickle.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.interop.libraries import require
from acg_numpy.interop.onnx_graph import to_onnx
from acg_numpy.interop.safetensors_folder import CARD, CONFIG, WEIGHTS, save_pretrained
from acg_numpy.interop.serving_data import (
    MEANINGS,
    ServingData,
    check_conditions,
    search_arrays,
    serving_data,
)
from acg_numpy.interop.torch_program import to_torch_program
from acg_numpy.shapes import Array
from acg_numpy.text import did_you_mean, joined

SERVING = "serving.json"
FORMATS = ("safetensors", "onnx", "torch", "parquet", "npy")
WITH_CONDITIONS = ("parquet", "npy")
LIBRARIES = {"safetensors": "safetensors", "onnx": "onnx", "torch": "torch", "parquet": "pyarrow"}
USERS = "the id of each row of conditions and search_queries"
CONDITIONS = "the condition of each user in each domain"
QUERIES = "the same with a 1 after it, for an inner-product index"
BLOCK = 1 << 16  # users that are written together


def export_trained(
    trained: Any,
    folder: str | os.PathLike[str],
    to: str,
    *,
    conditions: Array | None = None,
    users: Sequence[str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Write a trained conditioner, with all that it is served with, in a format of another program.

    Parameters
    ----------
    trained : Trained
    folder : path
        Made if it is missing; it must be empty.
    to : {"safetensors", "onnx", "torch", "parquet", "npy"}
    conditions : array, shape (users, domains, D), optional
        Conditions of users, as conditions.npy of a run has them (a memory map will do); for "parquet" and "npy".
    users : sequence of str, optional
        The ids of the users, if conditions are given.
    about : mapping, optional
        What the model card and serving.json say of where it is from: a name and a value each.

    Returns
    -------
    dict of str
        What each file holds, by its name.

    Raises
    ------
    ModuleNotFoundError
        If the library of the format is not installed.
    FileExistsError
        If the folder is not empty.
    TypeError, ValueError
        If an argument is something else than expected, or a domain has a name that the format cannot hold.

    Examples
    --------
    >>> import tempfile
    >>> from acg_numpy.recommender.data import make_world
    >>> from acg_numpy.recommender.training import fit
    >>> trained = fit(make_world(seed=0).interactions, epochs=1, baselines=False).trained
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = export_trained(trained, folder, "npy")
    ...     vectors = np.load(f"{folder}/search_items.npy")
    >>> vectors.shape, files["item_bias.npy"]
    ((500, 33), 'what is added to the score of an item (500,) float32')
    """
    if to not in FORMATS:
        raise ValueError(f"to is {to!r}; " + did_you_mean(str(to), FORMATS, f"expected {joined(FORMATS, 'or')}"))
    if to in LIBRARIES:
        require(LIBRARIES[to], f"export to {to}")
    data = serving_data(trained, about)
    if conditions is not None:
        if users is None or to not in WITH_CONDITIONS:
            what = "conditions go with users" if users is None else f"conditions are not a part of {to}"
            raise ValueError(f"{what}: {joined(WITH_CONDITIONS)} have both")
        check_conditions(trained, conditions, list(users))
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise FileExistsError(f"{path} is not empty: an export is written to a folder of its own")
    request = _Request(trained, path, data, conditions, [] if users is None else list(users))
    files = {"parquet": _write_parquet, "safetensors": _write_safetensors}.get(to, _write_npy)(request, to)
    facts = {**data.facts, "to": to, "files": files}
    _write_json(path / SERVING, facts)
    return {SERVING: "what the other files hold, scale, sharpness, blend, names of domains, options", **files}


class _Request(NamedTuple):
    trained: Any
    folder: Path
    data: ServingData
    conditions: Array | None
    users: list[str]


def _write_npy(request: _Request, to: str) -> dict[str, str]:
    """Write arrays as .npy, and the conditioner as a graph, a program or arrays."""
    trained, folder, data, conditions, users = request
    files = _write_names(folder, data)
    arrays = dict(data.arrays)
    if to == "onnx":
        to_onnx(trained.conditioner, folder / "conditioner.onnx", attention=True)
        files["conditioner.onnx"] = "user_emb (batch, D) and domain_id (batch,) to condition and attention"
    elif to == "torch":
        to_torch_program(trained.conditioner, folder / "conditioner.pt2")
        files["conditioner.pt2"] = "user_emb (batch, D) and domain_id (batch,) to condition and attention"
    else:
        arrays |= {f"conditioner.{name}": array for name, array in trained.conditioner.state_dict().items()}
        arrays |= search_arrays(trained)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
        files[f"{name}.npy"] = f"{MEANINGS.get(name, 'a parameter of the conditioner')} {array.shape} {array.dtype}"
    if conditions is not None:
        *shape, dim = conditions.shape
        for name, meaning, width in (("conditions", CONDITIONS, dim), ("search_queries", QUERIES, dim + 1)):
            written = np.lib.format.open_memmap(
                folder / f"{name}.npy", mode="w+", dtype=np.float32, shape=(*shape, width)
            )
            for rows, block in _blocks(conditions):
                written[rows, ..., :dim] = block
                written[rows, ..., dim:] = 1
            written.flush()
            files[f"{name}.npy"] = f"{meaning} {written.shape} float32"
            del written
        _write_json(folder / "users.json", users)
        files["users.json"] = USERS
    return files


def _write_safetensors(request: _Request, to: str) -> dict[str, str]:
    """Write the conditioner in Hugging Face's layout, and the other arrays beside it."""
    trained, folder, data, _, _ = request
    save_pretrained(trained.conditioner, folder, about=data.facts["about"])
    files = {WEIGHTS: "the parameters of the conditioner", CONFIG: "its options", CARD: "the model card"}
    arrays = {name: np.ascontiguousarray(array) for name, array in data.arrays.items()}
    numpy_files = require("safetensors.numpy", "export to safetensors")
    numpy_files.save_file(arrays, folder / "serving.safetensors", metadata={"format": "np"})
    return {**files, "serving.safetensors": f"the arrays {joined(list(arrays))}", **_write_names(folder, data)}


def _write_parquet(request: _Request, to: str) -> dict[str, str]:
    """Write items, domains, parameters and conditions as tables."""
    trained, folder, data, conditions, users = request
    pa, parquet = require("pyarrow", "export to parquet"), require("pyarrow.parquet", "export to parquet")
    domains = data.facts["domains"]

    def vectors(array: Array) -> Any:
        offsets = np.arange(0, array.size + 1, array.shape[1], dtype=np.int32)
        return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(array, np.float32).ravel()))

    def write(name: str, columns: dict[str, Any]) -> None:
        parquet.write_table(pa.table(columns), folder / name)

    arrays, search = data.arrays, search_arrays(trained)
    items: dict[str, Any] = {"item": data.items, **({} if data.titles is None else {"title": data.titles})}
    items |= {"domain": [domains[d] for d in arrays["item_domain"]], "bias": arrays["item_bias"]}
    items |= {"vector": vectors(arrays["item_vectors"]), "search": vectors(search["search_items"])}
    if "components" in arrays:
        hidden = [[domains[d] for d in np.flatnonzero(~row)] for row in arrays["elsewhere"].T]
        items |= {"weight": arrays["item_weight"], "component": vectors(arrays["components"]), "hidden_from": hidden}
    write("items.parquet", items)
    write("domains.parquet", {"domain": domains, "number": range(len(domains)), "offset": search["search_offset"]})
    taken = np.repeat(np.arange(len(data.items)), np.diff(arrays["own_indptr"]))
    to_item, weight = arrays["own_indices"], arrays["own_data"] * np.float32(data.facts["blend"])
    own = {"domain": [domains[d] for d in arrays["item_domain"][to_item]], "taken": [data.items[i] for i in taken]}
    write("own_history.parquet", {**own, "item": [data.items[i] for i in to_item], "weight": weight})
    state = trained.conditioner.state_dict()
    shapes, values = [list(a.shape) for a in state.values()], [a.ravel() for a in state.values()]
    write("parameters.parquet", {"name": list(state), "shape": shapes, "values": values})
    files = {
        "items.parquet": "a row for each item and domain: bias, vector, search vector, w, V, domains it is hidden from",
        "domains.parquet": "a row for each domain: its number, and the mean bias that search vectors leave out",
        "own_history.parquet": "what an item that was taken adds to scores where the user took any (blend times W)",
        "parameters.parquet": "a row for each parameter of the conditioner",
    }
    if conditions is not None:
        if "user" in domains:
            raise ValueError("a domain is called 'user', as the column of ids is: export to npy, or rename the domain")
        for name, meaning, ones in (("conditions", CONDITIONS, False), ("search_queries", QUERIES, True)):
            lists = [(domain, pa.list_(pa.float32())) for domain in domains]
            schema = pa.schema([("user", pa.string()), *lists])
            with parquet.ParquetWriter(folder / f"{name}.parquet", schema) as writer:
                for rows, block in _blocks(conditions):
                    queries = np.concatenate([block, np.ones_like(block[..., :1])], -1) if ones else block
                    columns = [pa.array(users[rows]), *(vectors(queries[:, d]) for d in range(len(domains)))]
                    writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            files[f"{name}.parquet"] = meaning
    return files


def _blocks(conditions: Array) -> Iterator[tuple[slice, Array]]:
    """Go through users in blocks, as float32."""
    for start in range(0, len(conditions), BLOCK):
        rows = slice(start, start + BLOCK)
        yield rows, np.asarray(conditions[rows], np.float32)


def _write_names(folder: Path, data: ServingData) -> dict[str, str]:
    files = {"items.json": "the id of each item, in the order of the arrays"}
    _write_json(folder / "items.json", data.items)
    if data.titles is not None:
        _write_json(folder / "titles.json", data.titles)
        files["titles.json"] = "what people call each item"
    return files


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
