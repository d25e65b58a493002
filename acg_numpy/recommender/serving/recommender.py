"""Recommendations: items of a domain that a user has not taken, best first, and where attention went.

A folder of results has two files for this: checkpoint.npz, with all that is needed to rank, and interactions.npz, with
what every user took.  The condition is computed from all that the user took outside the domain, as it was for
conditions.npy; or from the user's own vectors, if they were given to training.  For a user with items in the domain all
that the user took counts beside it, where that helped on validation (see `acg_numpy.recommender.serving.own_history`).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple, Self, overload

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data import DataError, Interactions, Newcomers
from acg_numpy.recommender.data.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from acg_numpy.recommender.evaluation.metrics import top_k
from acg_numpy.recommender.serving.top_lists import TopLists, rank_for_users
from acg_numpy.recommender.serving.trained import Trained, require_finite_arrays
from acg_numpy.shapes import Array
from acg_numpy.text import did_you_mean, first_few, html_table

CHECKPOINT, TAKEN = "checkpoint.npz", "interactions.npz"
OWN_VECTORS = "user_vectors"
NEW_USER = "new users are those of 'acg recommend --interactions'"
OLD_USER = "users are those of --interactions alone; without it, those of the training"
SEARCHED = 20_000  # ids at most that are compared with a misspelt one
MAX_SHOWN = 12  # names in a message
MOST_TOKENS = 16  # that have a column of their own; of more, each head's first are listed
MOST_ATTENDED = 5  # tokens of a head that are listed
DARKEST = 0.7  # opacity of the colour behind a weight of 1, on which black and white letters are readable


class Recommendation(NamedTuple):
    """Items of one domain for one user.

    Attributes
    ----------
    domain : str
    items : array of str, shape (n,)
        Best first, without those that the user has taken, unless `include_taken`.
    scores : array, shape (n,)
        3 c . v / sqrt(D) + b, with the share of the user's own history where `blended`: comparable within the domain
        only.
    attention : array, shape (H, K)
        The weights of each head over the domain's own tokens, and then the shared ones; each row sums to 1.
    taken_here, taken_elsewhere : int
        How many items the user has taken in the domain, and outside of it, from which the condition is made.
    conditioned : bool
        Whether anything is known that leads to the domain; if nothing was taken elsewhere (or the user's own vector is
        zeros) the condition is zeros.
    titles : array of str, shape (n,), optional
    include_taken : bool
    blended : bool
        Whether what the user has taken in the domain moved the scores (see
        `acg_numpy.recommender.serving.own_history`).
    """

    domain: str
    items: npt.NDArray[np.str_]
    scores: Array
    attention: Array
    taken_here: int
    taken_elsewhere: int
    conditioned: bool = True
    titles: npt.NDArray[np.str_] | None = None
    include_taken: bool = False
    blended: bool = False

    @property
    def informed(self) -> bool:
        """Whether the ranking is the user's own; otherwise items are ranked by their biases alone."""
        return self.conditioned or self.blended

    @property
    def names(self) -> list[str]:
        """The id of each item, with its title where there is one."""
        titles = [""] * len(self.items) if self.titles is None else self.titles.tolist()
        return [
            f"{item}  {title}" if title and title != item else str(item)
            for item, title in zip(self.items.tolist(), titles, strict=True)
        ]

    def _repr_html_(self) -> str:
        return _recommendation_html(self)


@dataclass(frozen=True, eq=False, repr=False)
class Recommender:
    """A recommender for the users that a conditioner was trained with.

    Attributes
    ----------
    trained : Trained
    users : array of str, shape (users,)
    taken : sparse array (CSR), shape (users, items), float32
    own_vectors : array, shape (users, domains, D), optional
        The users' vectors, if they were given to training; otherwise they are made from `taken`.
    elsewhere : str
        Where other users are, for the message about one that is not known.

    Examples
    --------
    >>> import tempfile
    >>> from acg_numpy.recommender.data import make_world
    >>> from acg_numpy.recommender.training import fit
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fit(make_world(seed=0).interactions, epochs=1, baselines=False).write(folder)
    ...     recommender = Recommender.load(folder)
    >>> [found] = recommender.recommend("user-007", domain="films", top=3)
    >>> len(found.items), found.attention.shape
    (3, (16, 8))
    """

    trained: Trained
    users: npt.NDArray[np.str_]
    taken: sp.csr_array
    own_vectors: Array | None = None
    elsewhere: str = NEW_USER

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a folder of results.

        Raises
        ------
        DataError
            If it is not a folder, or lacks one of the two files.
        CheckpointError
            If one of them is damaged, something else, or of another run than the other.
        """
        folder = Path(folder)
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "does not exist"
            raise DataError(f"{folder} {what}: a folder that 'acg train' or 'acg demo' wrote was expected")
        for name in (CHECKPOINT, TAKEN):
            if not (folder / name).is_file():
                raise DataError(f"{folder} has no {name}: write it with 'acg train INTERACTIONS --out {folder}'")
        trained = Trained.load(folder / CHECKPOINT)
        arrays, about = load_checkpoint(folder / TAKEN)
        require_finite_arrays(folder / TAKEN, arrays)
        if about.get("data") != trained.about.get("data"):
            raise CheckpointError(f"{folder / TAKEN} is of another run than {CHECKPOINT} beside it: train again")
        try:
            users, indices, indptr = (arrays[name] for name in ("users", "indices", "indptr"))
            ones = np.ones(len(indices), np.float32)
            taken = sp.csr_array((ones, indices, indptr), shape=(len(users), len(trained.items)))
            taken.check_format()
            own = arrays.get(OWN_VECTORS)
            expected = (len(users), len(trained.domains), trained.conditioner.attention.emb_dim)
            if own is not None and own.shape != expected:
                raise ValueError(f"its user vectors have shape {own.shape}, expected {expected}")
        except KeyError as error:
            raise CheckpointError(f"{folder / TAKEN} is not a file of interactions: it has no {error}") from error
        except ValueError as error:
            raise CheckpointError(f"{folder / TAKEN} is not a file of interactions: {error}") from error
        if own is None:
            trained.require_factors()
        return cls(trained, users, taken, own)

    def vectors(self, users: Sequence[int] | npt.NDArray[np.int64]) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Look up or make the vectors (U, N, D) of users in each domain, and say which contain anything, (U, N)."""
        if self.own_vectors is not None:
            own: Array = self.own_vectors[users]
            return own, np.asarray(own.any(axis=-1))
        rows = self.taken[users]
        return self.trained.factors.user_vectors(rows), self.trained.reachable(rows)

    @classmethod
    def of_newcomers(cls, trained: Trained, new: Newcomers) -> Self:
        """Make a recommender for new users, from what `trained.read_newcomers` read.

        Raises
        ------
        DataError
            If the conditioner was trained with user vectors that do not come from interactions.
        """
        trained.require_factors()
        return cls(trained, new.users, new.matrix, elsewhere=OLD_USER)

    @overload
    def recommend(
        self, users: str, *, domain: str | Sequence[str] | None = None, top: int = 10, include_taken: bool = False
    ) -> list[Recommendation]: ...

    @overload
    def recommend(
        self,
        users: list[str] | npt.NDArray[np.str_] | None = None,
        *,
        domain: str | Sequence[str] | None = None,
        top: int = 10,
        include_taken: bool = False,
    ) -> TopLists: ...

    def recommend(
        self,
        users: str | list[str] | npt.NDArray[np.str_] | None = None,
        *,
        domain: str | Sequence[str] | None = None,
        top: int = 10,
        include_taken: bool = False,
    ) -> list[Recommendation] | TopLists:
        """Rank items for a user, for several or for all, in one domain, in some or in each.

        Parameters
        ----------
        users : str, or list or array of str, optional
            One user, with attention; or several, by default all, whose items are ranked in blocks.
        domain : str or sequence of str, optional
            By default all domains, those with most items first.
        top : int, default 10
            How many items at most in each.
        include_taken : bool, default False
            Whether items that the user has taken are ranked too.

        Returns
        -------
        list of Recommendation, or TopLists
            For one user (a str) a `Recommendation` for each domain; otherwise arrays of all lists.

        Raises
        ------
        DataError
            If there is no such user or domain.
        ValueError
            If `top` is not positive.
        """
        if top < 1:
            raise ValueError(f"top must be at least 1, but it is {top}")
        chosen = self._find_domains(domain)
        if isinstance(users, str):
            return self._explain(users, chosen, top, include_taken)
        rows = np.arange(len(self.users)) if users is None else self._find_users(users)
        return rank_for_users(
            self.trained,
            self.taken[rows],
            lambda block: self.vectors(rows[block]),
            self.users[rows],
            domains=chosen,
            top=top,
            include_taken=include_taken,
        )

    def _find_domains(self, domain: str | Sequence[str] | None) -> list[int]:
        names = self.trained.domains
        if domain is None:
            return list(range(len(names)))
        hint = f"known are {first_few(names.tolist(), MAX_SHOWN)}"
        return [find_name(one, names, "domain", hint) for one in ([domain] if isinstance(domain, str) else domain)]

    def _find_users(self, users: list[str] | npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
        """Find the rows of users; name the first that is not known, and how many are not."""
        row = {name: n for n, name in enumerate(self.users.tolist())}
        names = list(map(str, users))
        unknown = [user for user in names if user not in row]
        if len(unknown) > 1:
            raise DataError(
                f"{len(unknown):,} of {len(users):,} users are not known (the first: {unknown[0]!r}); {self.elsewhere}"
            )
        if unknown:
            find_name(unknown[0], self.users, "user", self.elsewhere)
        return np.array([row[user] for user in names], np.int64)

    def _explain(self, user: str, chosen: Sequence[int], top: int, include_taken: bool) -> list[Recommendation]:
        """Rank items for one user, with attention.  `recommend` for several users ranks alike."""
        index = find_name(user, self.users, "user", self.elsewhere)
        row = self.taken[[index]]
        names = self.trained.domains
        [vectors], reachable = self.vectors([index])
        conditions = self.trained.condition(vectors[None], reachable)[0]  # (N, D)
        _, weights = self.trained.serve(vectors, np.arange(len(names)), return_attention=True)
        attention: Array = weights.numpy()  # (N, H, K)
        return [
            self._ranked(d, conditions[d], attention[d], row, top, include_taken)._replace(
                conditioned=bool(reachable[0, d])
            )
            for d in chosen
        ]

    def _ranked(
        self, d: int, condition: Array, attention: Array, row: sp.csr_array, top: int, include_taken: bool
    ) -> Recommendation:
        columns, taken = self.trained.columns(d), np.zeros(len(self.trained.items), bool)
        taken[row.indices] = True
        here = taken[columns]
        fresh = ~here | include_taken
        scores = self.trained.scores(condition[None], d)
        [blended] = self.trained.add_own_history(scores, row, d)
        scores = scores[0, fresh]
        best = top_k(scores[None], top)[0] if len(scores) else np.empty(0, np.int64)
        return Recommendation(
            str(self.trained.domains[d]),
            self.trained.items[columns[fresh][best]],
            scores[best],
            attention,
            int(np.sum(here)),
            len(set(self.trained.items[taken & self.trained.factors.elsewhere[d]].tolist())),
            titles=None if self.trained.titles is None else self.trained.titles[columns[fresh][best]],
            include_taken=include_taken,
            blended=bool(blended),
        )

    def __repr__(self) -> str:
        return f"<Recommender: {len(self.users):,} users, {self.trained!r}>"


def save_interactions(
    path: str | os.PathLike[str], interactions: Interactions, own_vectors: Array | None = None
) -> None:
    """Write which user took what, and users' own vectors if there are any, for `Recommender.load` to read."""
    X = interactions.matrix
    small = np.int32 if max(X.nnz, *X.shape) < 2**31 else np.int64
    arrays = {"users": interactions.users, "indices": X.indices.astype(small), "indptr": X.indptr.astype(small)}
    if own_vectors is not None:
        arrays[OWN_VECTORS] = own_vectors
    save_checkpoint(path, arrays, {"kind": "interactions", "data": interactions.sha256})


def find_name(name: str, names: npt.NDArray[np.str_], what: str, hint: str = "") -> int:
    """Return the index of a name among names.

    Raises
    ------
    DataError
        If it is not there; the message has the nearest that is, or else the hint.

    Examples
    --------
    >>> find_name("flims", np.array(["books", "films"]), "domain")
    Traceback (most recent call last):
    acg_numpy.recommender.data.interactions.DataError: there is no domain 'flims'; did you mean 'films'?
    """
    found = np.flatnonzero(names == name)
    if len(found):
        return int(found[0])
    otherwise = f" among {len(names):,}" + (f"; {hint}" if hint else "")
    raise DataError(
        f"there is no {what} {name!r}" + did_you_mean(name, names[:SEARCHED].tolist(), otherwise, head="; ")
    )


def taken_in_words(found: Recommendation) -> str:
    """Say how many items the user has taken elsewhere and here, and what becomes of the latter."""
    ranked = "ranked too" if found.include_taken else "left out"
    counts = ", count in the scores" if found.blended else ""
    return f"{found.taken_elsewhere:,} taken elsewhere; {found.taken_here:,} taken here, {ranked}{counts}"


def _recommendation_html(found: Recommendation) -> str:
    """Write items with their scores as HTML, and each head's attention over tokens, the darker the more."""
    taken = taken_in_words(found)
    parts = [f"<p><strong>{escape(found.domain)}</strong><br><small>{taken}</small></p>"]
    if not found.informed:
        parts.append(
            "<p>Nothing known leads here, so the items are ranked by their biases alone, the same for all users.</p>"
        )
    rows = [
        (str(rank), str(item), f"{score:.3f}")
        for rank, (item, score) in enumerate(zip(found.names, found.scores, strict=True), start=1)
    ]
    parts.append(html_table(("rank", "item", "score"), rows) if rows else "<p>Nothing is left.</p>")
    if found.conditioned:
        parts.append(attention_html(found.attention))
    return f"<div class='acg-recommendation'>{''.join(parts)}</div>"


def attention_html(attention: Array) -> str:
    """Write weights (H, K) as an HTML table, a row for each head; of many tokens only those with most weight.

    Examples
    --------
    >>> attention_html(np.array([[0.75, 0.25]])).count("<td")
    2
    >>> "token 999 1%" in attention_html(np.arange(1000.0)[None] / 99_900)
    True
    """
    H, K = attention.shape
    caption = "attention, a row for each head (weights are not causes)"
    if K > MOST_TOKENS:
        lines = []
        for h, weights in enumerate(attention):
            first = np.argsort(-weights, kind="stable")[:MOST_ATTENDED]
            tokens = ", ".join(f"token {k} {weights[k]:.0%}" for k in first)
            lines.append(f"<tr><th>head {h}</th><td>{tokens}, of {K:,}</td></tr>")
        return f"<table><caption>{caption}</caption><tbody>{''.join(lines)}</tbody></table>"
    header = "".join(f"<th>token {k}</th>" for k in range(K))
    body = ""
    for h in range(H):
        cells = "".join(
            f'<td style="background: rgba(70, 150, 220, {DARKEST * weight:.3f})">{weight:.2f}</td>'
            for weight in attention[h].tolist()
        )
        body += f"<tr><th>head {h}</th>{cells}</tr>"
    head = f"<thead><tr><th></th>{header}</tr></thead>"
    return f"<table><caption>{caption}</caption>{head}<tbody>{body}</tbody></table>"
