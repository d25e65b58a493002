"""Descriptions of files: a checkpoint, conditions, vectors or interactions, recognised by contents, not by name."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from acg_numpy.recommender.data import DataError, Description, Interactions, describe_interactions, read_interactions
from acg_numpy.recommender.data.checkpoints import load_checkpoint
from acg_numpy.recommender.data.npy_files import NpyLayout, read_npy_layout
from acg_numpy.recommender.data.npz_files import NpzArchive, UnreadableError
from acg_numpy.recommender.serving.trained import Trained
from acg_numpy.text import first_few, joined

MAX_ARRAYS = 12  # in a table
ALIKE = 1e-4  # deviation between users, relative to the length of their conditions


def inspect_file(
    path: str | os.PathLike[str], read: Callable[[str | os.PathLike[str]], Interactions] | None = None
) -> Description:
    """Describe a checkpoint, a file of conditions or vectors, or a file of interactions.

    Parameters
    ----------
    path : path
    read : callable, optional
        Reads interactions, if the file holds them; by default
        `read_interactions(path, min_items=1)`.

    Returns
    -------
    Description

    Raises
    ------
    DataError, CheckpointError
        If the file is damaged, or none of these.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/conditions.npy", np.random.default_rng(0).standard_normal((100, 3, 8), np.float32))
    ...     print(inspect_file(f"{folder}/conditions.npy").what)
    conditions of 100 users in 3 domains, 8 dimensions, float32
    """
    path = Path(path)
    if path.is_dir():
        inside = [name for name in ("checkpoint.npz", "conditions.npy") if (path / name).is_file()]
        hint = f"; inspect {joined([str(path / name) for name in inside], 'or')}" if inside else ""
        raise DataError(f"{path} is a folder, and a file was expected{hint}")
    magic = b""
    if path.is_file():  # what is read of a pipe is gone
        with open(path, "rb") as file:
            magic = file.read(6)
    if magic == np.lib.format.MAGIC_PREFIX:
        return _describe_vectors(read_npy_layout(path))
    if magic.startswith(b"PK\x03\x04") and not _is_other_archive(path):
        return _describe_archive(path)
    return describe_interactions(read_interactions(path, min_items=1) if read is None else read(path))


def _is_other_archive(path: Path) -> bool:
    """Return whether a zip archive holds files that are no arrays, as a workbook does."""
    try:
        with zipfile.ZipFile(path) as archive:
            return not any(name.endswith(".npy") for name in archive.namelist())
    except zipfile.BadZipFile:  # a checkpoint that is cut short
        return False


def _describe_archive(path: Path) -> Description:
    if (table := _id_vectors(path)) is not None:
        return table
    arrays, about = load_checkpoint(path)
    if "conditioner" in about:
        return _describe_trained(Trained.load(path), path)
    entries = [(name, " x ".join(f"{n:,}" for n in a.shape) or "1", str(a.dtype)) for name, a in arrays.items()]
    if len(entries) > MAX_ARRAYS:
        entries[MAX_ARRAYS:] = [(f"... {len(entries) - MAX_ARRAYS} more", "", "")]
    kind = about.get("kind", "something other than a trained conditioner")
    return Description(
        f"a checkpoint: {kind}, whole, {sum(array.nbytes for array in arrays.values()):,} bytes",
        {"about": about, "arrays": {name: list(array.shape) for name, array in arrays.items()}},
        ((("array", "shape", "dtype"), *entries),),
    )


def _describe_trained(trained: Trained, path: Path) -> Description:
    conditioner = trained.conditioner
    attention, tokens = conditioner.attention, conditioner.domain_embedding
    sizes = np.bincount(trained.item_domain, minlength=len(trained.domains))
    named = dict(zip(trained.domains.tolist(), sizes.tolist(), strict=True))
    figures: dict[str, Any] = {
        "dimensions": attention.emb_dim,
        "heads": attention.num_heads,
        "tokens_per_domain": tokens.tokens_per_domain,
        "num_global_tokens": tokens.num_global_tokens,
        "parameters": conditioner.num_parameters(),
        "dropout": attention.dropout,
        "items": len(trained.items),
        "domains": named,
        "about": trained.about,
    }
    keys = tokens.tokens_per_domain + tokens.num_global_tokens
    oddities, advice = [], []
    if zeros := int(np.sum(~trained.factors.item_vectors.any(axis=1))):
        oddities.append(f"items whose vector is zeros, so that they are ranked by their bias alone: {zeros:,}")
    if keys == 1:
        advice.append(
            "one key: softmax over a single score is 1, so the condition does not depend on the user, and all users "
            "get the same recommendations; train with --tokens-per-domain 8"
        )
    if small := [name for name, size in named.items() if size < 3]:
        advice.append(f"fewer than 3 items, where there is nothing to rank: {first_few(small)}")
    source = "--interactions FILE" if trained.own_scale is None else "--users FILE.npy"
    advice.append(f"for new users: acg condition {path} {source} --out NEW.npy")
    if path.with_name("interactions.npz").is_file():
        advice.append(f"for the users of the training: acg recommend {path.parent} --user ID")
    shared = f" and {tokens.num_global_tokens} that all share" if tokens.num_global_tokens else ""
    what = (
        f"a trained conditioner, whole: {attention.emb_dim} dimensions, {attention.num_heads} heads, "
        f"{tokens.tokens_per_domain} tokens per domain{shared}, {figures['parameters']:,} parameters; "
        f"{len(trained.items):,} items in {len(named)} domains; seed {trained.about.get('seed', 'unknown')}"
    )
    table = (("domain", "items"), *((name, f"{size:,}") for name, size in named.items()))
    return Description(what, figures, (table,), tuple(oddities), tuple(advice))


def _id_vectors(path: Path) -> Description | None:
    """Describe an .npz file of `ids` and `vectors`, as --user-vectors and --item-vectors take it; else None."""
    try:
        with open(path, "rb") as file:
            archive = NpzArchive(file)
            if set(archive.names) - {"domains"} != {"ids", "vectors"}:
                return None
            ids, vectors = archive["ids"], archive["vectors"]
    except UnreadableError:
        return None  # `load_checkpoint` says why
    if ids.ndim != 1 or vectors.ndim < 2 or len(ids) != len(vectors) or vectors.dtype.kind != "f":
        raise DataError(
            f"{path} holds ids of shape {ids.shape} and vectors of shape {vectors.shape}, {vectors.dtype}; expected a "
            "row of floating numbers for each id"
        )
    repeated = len(ids) - len(np.unique(ids))
    odd = [f"ids that are listed more than once: {repeated:,}"] if repeated else []
    broken = int(np.sum(~np.isfinite(vectors).reshape(len(vectors), -1).all(axis=1)))
    odd += [f"vectors that hold NaN or infinity: {broken:,}"] if broken else []
    figures = {"ids": len(ids), "shape": list(vectors.shape), "repeated": repeated, "not_finite": broken}
    return Description(f"vectors for {len(ids):,} ids, shape {vectors.shape}, {vectors.dtype}", figures, (), tuple(odd))


def _describe_vectors(layout: NpyLayout) -> Description:
    """Describe conditions (U, N, D), or user vectors (U, D), which are read a block at a time."""
    if layout.dtype.kind != "f" or len(layout.shape) not in (2, 3) or 0 in layout.shape[1:]:
        raise DataError(
            f"{layout.path} holds an array of shape {layout.shape} and dtype {layout.dtype}; conditions are floating "
            "numbers of shape (users, domains, dimensions), vectors (users, dimensions)"
        )
    users, *rest = layout.shape
    domains, dim = (rest[0], rest[1]) if len(rest) == 2 else (1, rest[0])
    zeros, broken = np.zeros(domains, np.int64), np.zeros(domains, np.int64)
    total, squares = np.zeros((domains, dim)), np.zeros(domains)
    for block in layout.blocks():
        with np.errstate(invalid="ignore"):  # of a signalling NaN, which counts as not finite like others
            rows = np.array(layout.window(block), dtype=np.float64).reshape(-1, domains, dim)
        finite = np.isfinite(rows).all(axis=-1)
        rows[~finite] = 0
        broken += np.sum(~finite, axis=0)
        zeros += np.sum(finite & ~rows.any(axis=-1), axis=0)
        total += rows.sum(axis=0)
        squares += np.sum(rows**2, axis=(0, 2))
    n = np.maximum(users - zeros - broken, 1)
    length = np.sqrt(squares / n)
    spread = np.sqrt(np.maximum(squares / n - np.sum((total / n[:, None]) ** 2, axis=1), 0))

    kind = f"conditions of {users:,} users in {domains} domains" if len(rest) == 2 else f"vectors of {users:,} users"
    names, odd = _read_names(layout.path, users, domains)
    table = (
        ("domain", "zeros", "not finite", "length", "deviation between users"),
        *(
            (names[d], f"{zeros[d]:,}", f"{broken[d]:,}", f"{length[d]:.3f}", f"{spread[d]:.3f}")
            for d in range(domains)
        ),
    )
    if zeros.any():
        odd.append(f"places that are zeros, for users with nothing elsewhere: {zeros.sum():,} of {users * domains:,}")
    advice = []
    alike = [names[d] for d in range(domains) if n[d] > 1 and spread[d] <= ALIKE * length[d]]
    if alike and len(rest) == 2:
        advice.append(
            f"every user has the same condition in {first_few(alike)}: attention over one key, or one that ignores the "
            "user; train with more tokens (--tokens-per-domain 8)"
        )
    if broken.any():
        advice.append("NaN or infinity cannot rank items: find it in the user vectors, and train again")
    figures = {
        "shape": list(layout.shape),
        "dtype": str(layout.dtype),
        "zeros": zeros.tolist(),
        "not_finite": broken.tolist(),
        "length": length.tolist(),
        "deviation": spread.tolist(),
    }
    return Description(f"{kind}, {dim} dimensions, {layout.dtype.name}", figures, (table,), tuple(odd), tuple(advice))


def _read_names(path: Path, users: int, domains: int) -> tuple[list[str], list[str]]:
    """Read the names of domains from beside a file of conditions, and check that users.txt has a line for each row."""
    names, odd = [f"number {d}" for d in range(domains)], []
    for name, expected in (("domains", domains), ("users", users)):
        listing = next(
            (p for p in (path.with_suffix(f".{name}.txt"), path.with_name(f"{name}.txt")) if p.is_file()), None
        )
        if listing is None:
            continue
        lines = listing.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        if len(lines) != expected:
            odd.append(
                f"{listing.name} beside it has {len(lines):,} lines, not {expected:,}: it belongs to another file"
            )
        elif name == "domains":
            names = lines
    return names, odd
