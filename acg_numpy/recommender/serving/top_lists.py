"""Top lists: the best items of each domain for many users at once, and files of them."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data import DataError
from acg_numpy.recommender.data.checkpoints import replacing
from acg_numpy.recommender.data.sources.database import database, literal
from acg_numpy.recommender.evaluation.metrics import top_k
from acg_numpy.recommender.serving.trained import Trained
from acg_numpy.shapes import Array

BLOCK = 2048  # users whose items are ranked together
FORMATS = {".csv": "FORMAT csv, HEADER true", ".parquet": "FORMAT parquet", ".jsonl": "FORMAT json"}

Vectors = Callable[[slice], tuple[Array, npt.NDArray[np.bool_]]]


class TopLists(NamedTuple):
    """The best items of each domain for each user.

    Attributes
    ----------
    users : array of str, shape (U,)
    domains : array of str, shape (N,)
        Those that were asked for.
    columns : array of int32, shape (U, N, top)
        Indices into `items`, best first; -1 where no item is left.  `top` is what was asked for, or the number of items
        in the largest of the domains, if there are fewer.
    scores : array, shape (U, N, top), float32
        Comparable within a domain only; 0 where no item is left.
    informed : array of bool, shape (U, N)
        Whether anything is known that leads to the domain, or a history inside it counts; elsewhere items are ranked
        by their biases alone.
    items : array of str
    titles : array of str or None
        What people call each item.
    """

    users: npt.NDArray[np.str_]
    domains: npt.NDArray[np.str_]
    columns: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    informed: npt.NDArray[np.bool_]
    items: npt.NDArray[np.str_]
    titles: npt.NDArray[np.str_] | None = None

    def rows(self) -> Iterator[dict[str, Any]]:
        """Go through the lists item by item: "user", "domain", "rank" from 1, "item", "title" if any, and "score"."""
        for u, n, k in np.argwhere(self.columns >= 0).tolist():
            column = self.columns[u, n, k]
            row = {"user": str(self.users[u]), "domain": str(self.domains[n]), "rank": k + 1}
            row["item"] = str(self.items[column])
            if self.titles is not None:
                row["title"] = str(self.titles[column])
            yield {**row, "score": float(self.scores[u, n, k])}

    def to_json(self) -> str:
        """Write the rows as a list in JSON."""
        return json.dumps(list(self.rows()), indent=1)

    def write(self, path: str | os.PathLike[str]) -> int:
        """Write the rows to a file, all or nothing, and return their number.

        Parameters
        ----------
        path : path
            Its suffix says which format: .csv, .parquet or .jsonl (a JSON object a line).

        Raises
        ------
        DataError
            If the suffix is another.
        OSError
            If the file cannot be written.
        """
        options = list_format(path)
        place = np.nonzero(self.columns.ravel() >= 0)[0]
        u, n, k = np.unravel_index(place, self.columns.shape)
        column = self.columns.ravel()[place]
        rows = {"number": place, "u": u, "n": n, "rank": k + 1, "i": column, "score": self.scores.ravel()[place]}
        items: dict[str, Array] = {"i": np.arange(len(self.items)), "item": self.items.astype(object)}
        if self.titles is not None:
            items["title"] = self.titles.astype(object)
        tables = {
            "the_rows": rows,
            "the_users": {"u": np.arange(len(self.users)), "user": self.users.astype(object)},
            "the_domains": {"n": np.arange(len(self.domains)), "domain": self.domains.astype(object)},
            "the_items": items,
        }
        title = "title, " if self.titles is not None else ""
        with database() as cursor, replacing(path) as temporary:
            for name, table in tables.items():
                cursor.register(name, table)
            cursor.execute(
                f'COPY (SELECT "user", domain, rank, item, {title}score FROM the_rows JOIN the_users USING (u) '
                "JOIN the_domains USING (n) JOIN the_items USING (i) ORDER BY number) "
                f"TO {literal(str(temporary))} ({options}, USE_TMP_FILE false)"
            )
            for name in tables:
                cursor.unregister(name)
        return len(place)


def list_format(path: str | os.PathLike[str]) -> str:
    """Return the options with which the database writes a file of lists, by its suffix.

    Raises
    ------
    DataError
        If there is no format of that suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise DataError(f"{os.fspath(path)} has the suffix {suffix!r}: lists are written as .csv, .parquet or .jsonl")
    return FORMATS[suffix]


def rank_for_users(
    trained: Trained,
    taken: sp.csr_array,
    vectors: Vectors,
    users: npt.NDArray[np.str_],
    *,
    domains: Sequence[int],
    top: int,
    include_taken: bool = False,
) -> TopLists:
    """Rank the items of some domains for many users, a block of users at a time.

    Parameters
    ----------
    trained : Trained
    taken : sparse array (CSR), shape (U, items)
        What each user took, which is left out, unless `include_taken`.
    vectors : callable
        Gives the vectors (B, domains, D) of a slice of the users, and which contain anything, (B, domains).
    users : array of str, shape (U,)
    domains : sequence of int
    top : int
        How many items at most in each domain.
    include_taken : bool, default False

    Returns
    -------
    TopLists
    """
    top = min(top, max((len(trained.columns(d)) for d in domains), default=top))
    shape = (len(users), len(domains), top)
    columns, scores = np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
    informed = np.zeros(shape[:2], bool)
    for start in range(0, len(users), BLOCK):
        block = slice(start, min(start + BLOCK, len(users)))
        found, reachable = vectors(block)
        conditions = trained.condition(found, reachable)
        informed[block] = reachable[:, list(domains)]
        known = sp.csr_array(taken[block])
        seen = known.tocsc()
        for n, d in enumerate(domains):
            of_domain = trained.columns(d)
            ranked = trained.scores(conditions[:, d], d)  # (B, items of the domain)
            informed[block, n] |= trained.add_own_history(ranked, known, d)
            if not include_taken:
                rows, items = seen[:, of_domain].nonzero()
                ranked[rows, items] = -np.inf
            best = top_k(ranked, top)
            best_scores = np.take_along_axis(ranked, best, axis=1)
            left, width = np.isfinite(best_scores), best.shape[1]
            columns[block, n, :width] = np.where(left, of_domain[best], -1)
            scores[block, n, :width] = np.where(left, best_scores, 0)
    return TopLists(users, trained.domains[list(domains)], columns, scores, informed, trained.items, trained.titles)
