"""The best items of every domain for many users, as part files."""

import operator
import os
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.interop.libraries import require
from acg_numpy.recommender.serving import Trained
from acg_numpy.recommender.serving.top_lists import TopLists, rank_for_users
from acg_numpy.scale.blocks import BLOCK, CHUNK, BlockSummary, Job
from acg_numpy.scale.list_columns import USER
from acg_numpy.scale.part_files import Chunk, Progress, part_writer, read_chunks, write_parts
from acg_numpy.scale.user_rows import Users
from acg_numpy.shapes import Array


def recommend(
    trained: Trained,
    source: Users,
    out: str | os.PathLike[str],
    *,
    top: int = 10,
    client: Any = None,
    block: int = BLOCK,
    resume: bool = True,
    progress: Progress | None = None,
) -> BlockSummary:
    """Rank the items of every domain for many users, and write the best to a folder of Parquet files.

    Parameters
    ----------
    trained : Trained
    source : path, address, sequence of these, or Newcomers
        As in `condition`.  Items that a user has taken are left out, where the source is interactions; vectors do not
        say what was taken.
    out : path or address
        A folder; made, where there is none.  It gets a file a block of users, with a row an item: `user` (where ids are
        not known, the number of the user's row, counted from 0), `domain`, `rank` from 1, `item`, `title`, where there
        are titles, and `score`, which can be compared within a domain only.
    top : int, default 10
        How many items at most in each domain.
    client, block, resume, progress : optional
        As in `condition`.

    Returns
    -------
    BlockSummary
        `zeros` counts the places of a user and a domain to which nothing known leads: there the items are ranked by
        their biases alone.

    Raises
    ------
    TypeError
        If `top` is not a whole number.
    ValueError
        If `top` is not positive.
    DataError, BlockError, ClusterError, OSError, MissingLibraryError
        As `condition`.

    Examples
    --------
    >>> import tempfile
    >>> from acg_numpy.recommender.data import make_world
    >>> from acg_numpy.recommender.training import fit
    >>> trained = fit(make_world(seed=0).interactions, epochs=1, baselines=False).trained
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/users.npy", np.random.default_rng(0).standard_normal((1000, 32), np.float32))
    ...     recommend(trained, f"{folder}/users.npy", f"{folder}/lists", top=3)
    BlockSummary(users=1000, domains=5, dim=3, zeros=0, parts=1, resumed=0)
    """
    try:
        top = operator.index(top)
    except TypeError:
        raise TypeError(f"top must be a whole number, but it is {top!r}") from None
    if top < 1:
        raise ValueError(f"top must be at least 1, but it is {top}")
    options = {"parts": "lists", "domains": trained.domains.tolist(), "top": top}
    return write_parts(_write_lists, trained, source, out, options, top, client, block, resume, progress)


def _write_lists(job: Job, rows: range) -> int:
    """Write the part of a block, and return to how many places of a user and a domain nothing leads."""
    arrow = require("pyarrow", "writing Parquet")
    trained, ids, chunks = read_chunks(job, rows)
    if ids is None:
        ids = arrow.array(np.arange(rows.start, rows.stop))
    blind, names = 0, np.array([str(n) for n in range(CHUNK)])  # of the users: those of `ids` are written
    with part_writer(job, rows, _schema(arrow, trained, ids.type)) as part:
        for chunk in chunks:
            count = len(chunk.vectors)
            taken: Any = chunk.taken
            if taken is None:
                taken = sp.csr_array((count, len(trained.items)), dtype=np.float32)
            lists = rank_for_users(
                trained,
                taken,
                partial(_take, chunk),
                names[:count],
                domains=range(len(trained.domains)),
                top=job.top,
            )
            blind += int((~lists.informed).sum())
            part.write(_columns(arrow, lists, ids[chunk.rows]))
        part.zeros = blind
    return blind


def _take(chunk: Chunk, rows: slice) -> tuple[Array, npt.NDArray[np.bool_]]:
    return chunk.vectors[rows], chunk.reachable[rows]


def _schema(arrow: Any, trained: Trained, ids: Any) -> Any:
    names = arrow.dictionary(arrow.int32(), arrow.string())
    types = {USER: ids, "domain": names, "rank": arrow.int32(), "item": names}
    if trained.titles is not None:
        types["title"] = names
    return arrow.schema([arrow.field(name, type_) for name, type_ in {**types, "score": arrow.float32()}.items()])


def _columns(arrow: Any, lists: TopLists, ids: Any) -> list[Any]:
    """Return lists as columns with a row an item."""
    place = np.nonzero(lists.columns >= 0)
    user, domain, rank = place
    item = lists.columns[place]
    return [
        ids.take(arrow.array(user)),
        _names(arrow, lists.domains, domain),
        arrow.array((rank + 1).astype(np.int32)),
        _names(arrow, lists.items, item),
        *([] if lists.titles is None else [_names(arrow, lists.titles, item)]),
        arrow.array(lists.scores[place]),
    ]


def _names(arrow: Any, names: npt.NDArray[np.str_], index: Array) -> Any:
    return arrow.DictionaryArray.from_arrays(arrow.array(index.astype(np.int32)), arrow.array(names.astype(object)))
