"""What should a user be shown?  Items of a domain that the user has not taken, best first, and where attention went.

A folder of results has two files for this: checkpoint.npz, with all that ranks, and interactions.npz, with what every
user took.  The condition is made anew, from all that the user took outside the domain, as it was for conditions.npy;
or from the user's own vectors, where training was given some.
"""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.autograd import no_grad
from acg_numpy.recommender.data import DataError, Interactions
from acg_numpy.recommender.data.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from acg_numpy.recommender.evaluation.metrics import top_k
from acg_numpy.recommender.serving.trained import Trained
from acg_numpy.shapes import Array

CHECKPOINT, TAKEN = "checkpoint.npz", "interactions.npz"
OWN_VECTORS = "user_vectors"
LOOKED_THROUGH = 20_000  # ids, for one that is nearly the same


class Recommendation(NamedTuple):
    """Items of one domain for one user.

    Attributes
    ----------
    domain : str
    items : array of str, shape (n,)
        Best first, without those that the user has taken.
    scores : array, shape (n,)
        3 c . v / sqrt(D) + b: to be compared within the domain alone.
    attention : array, shape (H, K)
        The weights of each head over the domain's own tokens, and then the shared ones; each row sums to 1.
    taken_here, taken_elsewhere : int
        How many items the user has taken in the domain, which are left out, and outside of it, which the condition is
        made from.
    informed : bool
        Whether anything is known that leads to the domain; where nothing was taken elsewhere (or the user's own vector
        is zeros) the condition is zeros, and the biases alone rank.
    """

    domain: str
    items: npt.NDArray[np.str_]
    scores: Array
    attention: Array
    taken_here: int
    taken_elsewhere: int
    informed: bool = True

    def _repr_html_(self) -> str:
        return recommendation_html(self)


@dataclass(frozen=True, eq=False, repr=False)
class Recommender:
    """Recommends to the users that a conditioner was trained with.

    Attributes
    ----------
    trained : Trained
    users : array of str, shape (users,)
    taken : sparse array (CSR), shape (users, items), float32
    own_vectors : array, shape (users, domains, D), optional
        The users' vectors, where training was given them; else they are made from `taken`.

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
    (3, (4, 8))
    """

    trained: Trained
    users: npt.NDArray[np.str_]
    taken: sp.csr_array
    own_vectors: Array | None = None

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a folder of results.

        Raises
        ------
        DataError
            If it is not a folder, or its two files are not there.
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

    def vectors(self, places: Sequence[int] | npt.NDArray[np.int64]) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Look up or make the vectors (U, N, D) of users in each domain, and tell which say anything, (U, N)."""
        if self.own_vectors is not None:
            own: Array = self.own_vectors[places]
            return own, np.asarray(own.any(axis=-1))
        rows = self.taken[places]
        return self.trained.factors.user_vectors(rows), self.trained.reachable(rows)

    def recommend(self, user: str, *, domain: str | None = None, top: int = 10) -> list[Recommendation]:
        """Rank items for a user, in one domain or in each.

        Parameters
        ----------
        user : str
        domain : str, optional
            By default all domains, those with most items first.
        top : int, default 10
            How many items at most in each.

        Returns
        -------
        list of Recommendation

        Raises
        ------
        DataError
            If there is no such user or domain.
        ValueError
            If `top` is not positive.
        """
        if top < 1:
            raise ValueError(f"top must be at least 1, but it is {top}")
        more = "someone met after training is folded in by 'acg condition --interactions'"
        place = place_of(user, self.users, "user", more)
        row = self.taken[[place]]
        names = self.trained.domains
        chosen = range(len(names)) if domain is None else [place_of(domain, names, "domain", _listed(names))]
        [vectors], reachable = self.vectors([place])
        conditions = self.trained.condition(vectors[None], reachable)[0]  # (N, D)
        with no_grad():
            _, weights = self.trained.conditioner(vectors, np.arange(len(names)), return_attention=True)
        attention: Array = weights.numpy()  # (N, H, K)
        return [
            self._ranked(d, conditions[d], attention[d], row, top)._replace(informed=bool(reachable[0, d]))
            for d in chosen
        ]

    def _ranked(self, d: int, condition: Array, attention: Array, row: sp.csr_array, top: int) -> Recommendation:
        columns, taken = self.trained.columns(d), np.zeros(len(self.trained.items), bool)
        taken[row.indices] = True
        fresh = ~taken[columns]
        scores = self.trained.scores(condition, d)[fresh]
        best = top_k(scores[None], top)[0] if len(scores) else np.empty(0, np.int64)
        return Recommendation(
            str(self.trained.domains[d]),
            self.trained.items[columns[fresh][best]],
            scores[best],
            attention,
            int(np.sum(~fresh)),
            len(set(self.trained.items[taken & self.trained.factors.elsewhere[d]].tolist())),
        )

    def __repr__(self) -> str:
        return f"<Recommender: {len(self.users):,} users, {self.trained!r}>"


def save_taken(path: str | os.PathLike[str], interactions: Interactions, own_vectors: Array | None = None) -> None:
    """Write who took what, for `Recommender.load` to read beside the checkpoint, and users' vectors if given ones."""
    X = interactions.matrix
    small = np.int32 if max(X.nnz, *X.shape) < 2**31 else np.int64
    arrays = {"users": interactions.users, "indices": X.indices.astype(small), "indptr": X.indptr.astype(small)}
    if own_vectors is not None:
        arrays[OWN_VECTORS] = own_vectors
    save_checkpoint(path, arrays, {"kind": "interactions", "data": interactions.sha256})


def place_of(name: str, names: npt.NDArray[np.str_], what: str, mend: str) -> int:
    """Find a name among names.

    Raises
    ------
    DataError
        If it is not there; the message has the nearest that is, or else `mend`.

    Examples
    --------
    >>> place_of("flims", np.array(["books", "films"]), "domain", "")
    Traceback (most recent call last):
    acg_numpy.recommender.data.interactions.DataError: there is no domain 'flims'; did you mean 'films'?
    """
    found = np.flatnonzero(names == name)
    if len(found):
        return int(found[0])
    near = difflib.get_close_matches(name, names[:LOOKED_THROUGH].tolist(), n=1, cutoff=0.7)
    told = f"did you mean {near[0]!r}?" if near else mend
    raise DataError(f"there is no {what} {name!r}" + (f" among {len(names):,}" if not near else "") + f"; {told}")


def _listed(names: Sequence[str] | npt.NDArray[np.str_]) -> str:
    return ", ".join(map(repr, map(str, names[:12]))) + (", ..." if len(names) > 12 else "")


MOST_TOKENS = 16  # that have a column of their own; of more, each head's first are named


NAMED = 5


DARKEST = 0.7  # share of the colour behind a weight of 1, which leaves black and white letters readable


def recommendation_html(found: "Recommendation") -> str:
    """Items with their scores, and each head's attention over tokens, the darker the more."""
    taken = f"{found.taken_elsewhere:,} taken elsewhere; {found.taken_here:,} taken here, left out"
    parts = [f"<p><strong>{escape(found.domain)}</strong><br><small>{taken}</small></p>"]
    if not found.informed:
        parts.append("<p>Nothing known leads here, so the items' biases rank alone, the same for everybody.</p>")
    rows = [
        f"<tr><td>{rank}</td><td>{escape(str(item))}</td><td>{score:.3f}</td></tr>"
        for rank, (item, score) in enumerate(zip(found.items, found.scores, strict=True), start=1)
    ]
    head = "<thead><tr><th>rank</th><th>item</th><th>score</th></tr></thead>"
    parts.append(f"<table>{head}<tbody>{''.join(rows)}</tbody></table>" if rows else "<p>Nothing is left.</p>")
    if found.informed:
        parts.append(attention_html(found.attention))
    return f"<div class='acg-recommendation'>{''.join(parts)}</div>"


def attention_html(attention: Array) -> str:
    """A table of weights (H, K): a row a head, a column a token; of many tokens, those that get most in each head.

    Examples
    --------
    >>> attention_html(np.array([[0.75, 0.25]])).count("<td")
    2
    >>> "token 999 1%" in attention_html(np.arange(1000.0)[None] / 99_900)
    True
    """
    H, K = attention.shape
    caption = "attention, a row a head (weights are not causes)"
    if K > MOST_TOKENS:
        lines = []
        for h, weights in enumerate(attention):
            first = np.argsort(-weights, kind="stable")[:NAMED]
            told = ", ".join(f"token {k} {weights[k]:.0%}" for k in first)
            lines.append(f"<tr><th>head {h}</th><td>{told}, of {K:,}</td></tr>")
        return f"<table><caption>{caption}</caption><tbody>{''.join(lines)}</tbody></table>"
    tokens = "".join(f"<th>token {k}</th>" for k in range(K))
    body = ""
    for h in range(H):
        cells = "".join(
            f'<td style="background: rgba(70, 150, 220, {DARKEST * weight:.3f})">{weight:.2f}</td>'
            for weight in attention[h].tolist()
        )
        body += f"<tr><th>head {h}</th>{cells}</tr>"
    head = f"<thead><tr><th></th>{tokens}</tr></thead>"
    return f"<table><caption>{caption}</caption>{head}<tbody>{body}</tbody></table>"
