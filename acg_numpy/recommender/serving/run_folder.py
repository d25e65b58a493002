"""Files of a folder of results that serving reads, and the arrays and ids that other programs read."""

import os
from pathlib import Path

import numpy as np

from acg_numpy.recommender.data import Interactions
from acg_numpy.recommender.data.checkpoints import replacing
from acg_numpy.recommender.data.interactions import IDS_AT_ONCE
from acg_numpy.recommender.serving.fold_in import BlockCallback, write_conditions
from acg_numpy.recommender.serving.recommender import CHECKPOINT, TAKEN, save_interactions
from acg_numpy.recommender.serving.trained import Trained
from acg_numpy.shapes import Array


def write_run_folder(
    folder: str | os.PathLike[str],
    trained: Trained,
    interactions: Interactions,
    own_vectors: Array | None = None,
    progress: BlockCallback | None = None,
) -> None:
    """Write what is served from and what it was made from, each file whole or not at all.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    trained : Trained
    interactions : Interactions
        With the items and domains of `trained`, and its digest.
    own_vectors : array, shape (users, domains, D), optional
        The users' vectors, if they do not come from interactions.
    progress : callable, optional
        Called with a number of users whenever their conditions are written.

    Notes
    -----
    users.txt, domains.txt, items.txt, item_domains.txt, conditions.npy, item_vectors.npy, item_bias.npy,
    interactions.npz and checkpoint.npz.  Conditions are made and written a block of users at a time.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, ids in (
        ("users", interactions.users),
        ("domains", interactions.domains),
        ("items", interactions.items),
        ("item_domains", interactions.domains[interactions.item_domain]),
    ):
        with replacing(folder / f"{name}.txt") as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
            for start in range(0, len(ids), IDS_AT_ONCE):
                file.write("".join(f"{one}\n" for one in ids[start : start + IDS_AT_ONCE].tolist()))
    write_conditions(trained, interactions.matrix, folder / "conditions.npy", own_vectors, progress)
    arrays = {"item_vectors": trained.factors.item_vectors, "item_bias": trained.item_bias}
    for name, array in arrays.items():
        write_array(folder / f"{name}.npy", array)
    save_interactions(folder / TAKEN, interactions, own_vectors)
    trained.save(folder / CHECKPOINT)


def write_array(path: Path, array: Array) -> None:
    """Write an .npy file, whole or not at all."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array, allow_pickle=False)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
