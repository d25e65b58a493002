"""A trained conditioner with all that new users and new recommendations need.

These are the conditioner, the item vectors and biases it was trained with, and V, w and scale, which turn the
interactions of any user into user vectors (see `acg_numpy.recommender.data.factors`).  All of it is in one checkpoint,
without the users of the training.
"""

import math
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.autograd import no_grad
from acg_numpy.conditioner import AttentionConditioner, OneKeyWarning
from acg_numpy.prepared_conditioner import PreparedConditioner
from acg_numpy.recommender.data import DataError, Factors, Newcomers, read_newcomers
from acg_numpy.recommender.data.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from acg_numpy.recommender.data.npy_files import row_blocks
from acg_numpy.recommender.data.pairs import SHARPNESS
from acg_numpy.recommender.data.sources.opening import Source
from acg_numpy.recommender.serving.own_history import NAME as OWN_HISTORY
from acg_numpy.recommender.serving.own_history import OwnHistory
from acg_numpy.shapes import Array
from acg_numpy.text import counted, first_few

FACTORS = ("components", "item_weight", "item_vectors", "popularity", "elsewhere")
ITEMS = ("item_bias", "items", "item_domain", "domains")
CONDITIONER = "conditioner."
KINDS = {"f": "floating numbers", "b": "booleans", "iu": "whole numbers", "U": "strings"}
READING, TITLES = "reading", "titles"
OWN_SCALE = "own user vectors divided by"
PLACES = 1 << 14  # of a user and a domain, whose conditions are made together


@dataclass(frozen=True, eq=False, repr=False)
class Trained:
    """A trained conditioner, with what is needed to condition and rank for users that were not in training.

    Attributes
    ----------
    conditioner : AttentionConditioner
        In evaluation mode.
    factors : Factors
        From interactions to user vectors, and the vectors of the items.
    item_bias : array, shape (items,), float32
    items : array of str, shape (items,)
        The id of each column; an item of several domains is listed once for each.
    item_domain : array of int, shape (items,)
    domains : array of str, shape (domains,)
    titles : array of str, shape (items,), optional
        What people call each item; empty where it is not known.
    own_history : OwnHistory, optional
        What the items of a user with some in the domain add to the scores.
    about : dict
        "seed" of the run, and "data", the SHA-256 of what it was trained on; "reading", how that was read; if
        user vectors were given to the training, `OWN_SCALE`, what they were divided by.

    Examples
    --------
    >>> import tempfile
    >>> from acg_numpy.recommender.data import make_world
    >>> from acg_numpy.recommender.training import fit
    >>> taken = make_world(seed=0).interactions
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fit(taken, epochs=1, baselines=False).write(folder)
    ...     trained = Trained.load(f"{folder}/checkpoint.npz")
    >>> trained
    <Trained: 32 dimensions, 16 heads, 8 tokens per domain, 5 domains, 500 items>
    >>> trained.conditions(taken.matrix[:3]).shape  # interactions of any users with these items
    (3, 5, 32)
    """

    conditioner: AttentionConditioner
    factors: Factors
    item_bias: Array
    items: npt.NDArray[np.str_]
    item_domain: npt.NDArray[np.int64]
    domains: npt.NDArray[np.str_]
    about: dict[str, Any] = field(default_factory=dict)
    titles: npt.NDArray[np.str_] | None = None
    own_history: OwnHistory | None = None

    def read_newcomers(self, source: Source, **options: Any) -> Newcomers:
        """Read which users took which of the known items, from columns and with options as in training.

        Parameters
        ----------
        source : path, DataFrame, Arrow table, DuckDB relation, or sequence of these
        **options
            Columns and options of `acg_numpy.recommender.data.read_newcomers`, where they are to be others than in
            training; what differs is in the notes.

        Returns
        -------
        Newcomers

        Raises
        ------
        DataError
            If the file cannot be read, has other columns or types than the interactions of training, or no known item.
        """
        return read_newcomers(
            source, self.items, as_read=self.about.get(READING), domains=self.domains.tolist(), **options
        )

    def conditions(self, matrix: sp.csr_array) -> Array:
        """Make condition vectors for every row of interactions, in every domain.

        Parameters
        ----------
        matrix : sparse array (CSR), shape (U, items)
            1 where a user took an item; `read_newcomers` makes it from a file.

        Returns
        -------
        array, shape (U, domains, D), float32
            Zeros where a user took nothing outside the domain.

        Raises
        ------
        DataError
            If the conditioner was trained with user vectors that do not come from interactions.
        """
        self.require_factors()
        return self.condition(self.factors.user_vectors(matrix), self.reachable(matrix))

    def condition(self, user_vectors: Array, reachable: npt.NDArray[np.bool_]) -> Array:
        """Condition user vectors (U, domains, D); zeros where `reachable` (U, domains) is False."""
        return condition_all(self.serve, user_vectors, reachable)

    def serve(self, user_emb: Array, domain_id: Any, **options: Any) -> Any:
        """Call the conditioner, without a gradient, by tables that are kept from call to call (`prepared`)."""
        if self.conditioner.training or self.conditioner.replaced_part() is not None:
            with no_grad():
                return self.conditioner(user_emb, domain_id, **options)
        try:
            return self._prepared(user_emb, domain_id, **options)
        except RuntimeError:  # a parameter has changed
            vars(self).pop("_prepared", None)  # which another thread may have done
            return self._prepared(user_emb, domain_id, **options)

    @cached_property
    def _prepared(self) -> PreparedConditioner:
        return self.conditioner.prepared()

    def reachable(self, matrix: sp.csr_array) -> npt.NDArray[np.bool_]:
        """Return for which domains a row of interactions has something taken elsewhere, shape (U, domains)."""
        seen: Array = matrix @ self.factors.elsewhere.T.astype(np.float32)
        return seen > 0

    @property
    def own_scale(self) -> float | None:
        """What user vectors are divided by before they are conditioned, if they were given to the training."""
        scale = self.about.get(OWN_SCALE)
        return None if scale is None else float(scale)

    def require_factors(
        self, instead: str = "condition new users with 'acg condition CHECKPOINT --users FILE.npy'"
    ) -> None:
        """Raise DataError, with what to do instead, if interactions cannot be turned into vectors of users."""
        if self.own_scale is not None:
            raise DataError(
                "the conditioner was trained with your own user vectors, which cannot be made from interactions: "
                f"{instead}"
            )

    def columns(self, domain: int) -> npt.NDArray[np.int64]:
        """Find the columns of a domain's items, in order."""
        return np.flatnonzero(self.item_domain == domain)

    @property
    def sharpness(self) -> float:
        """What c . v is multiplied by in a score: 3 / sqrt(D)."""
        return SHARPNESS / math.sqrt(self.conditioner.attention.emb_dim)

    def scores(self, condition: Array, domain: int) -> Array:
        """Score the items of a domain, (..., items of the domain), for conditions (..., D): 3 c . v / sqrt(D) + b."""
        columns = self.columns(domain)
        vectors = self.factors.item_vectors[columns]
        scores: Array = condition @ vectors.T * self.sharpness + self.item_bias[columns]
        return scores

    def add_own_history(self, scores: Array, taken: sp.csr_array, domain: int) -> npt.NDArray[np.bool_]:
        """Add to the scores of a domain's items, in place, what the items of users with some in the domain say.

        Parameters
        ----------
        scores : array, shape (U, items of the domain)
            As `scores` gives them; rows of users without a history in the domain stay as they are.
        taken : sparse array (CSR), shape (U, items)
            1 where a user took an item.
        domain : int

        Returns
        -------
        array of bool, shape (U,)
            Whose scores changed; of no user where the run has no weights for own histories.
        """
        if self.own_history is None:
            return np.zeros(len(scores), bool)
        return self.own_history.add_to(scores, taken, self.columns(domain))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a checkpoint.

        Raises
        ------
        ValueError
            If a module of the conditioner is not what the constructor made: `load` could not make it again.
        """
        arrays = {
            **{f"{CONDITIONER}{name}": value for name, value in self.conditioner.state_dict().items()},
            **{name: getattr(self.factors, name) for name in FACTORS},
            **{name: getattr(self, name) for name in ITEMS},
            "scale": np.array(self.factors.scale),
        }
        if self.titles is not None:
            arrays[TITLES] = self.titles
        about = {"conditioner": self.conditioner.options(), **self.about}
        if self.own_history is not None:
            arrays.update(self.own_history.arrays())
            about[OWN_HISTORY] = self.own_history.about()
        save_checkpoint(path, arrays, about)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read everything from a checkpoint that `acg train`, `Result.write` or `save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        CheckpointError
            If the file is damaged, is not the checkpoint of a trained conditioner, or holds NaN or infinity.
        """
        arrays, about = load_checkpoint(path)
        require_finite_arrays(path, arrays)
        options = about.pop("conditioner", None)
        missing = [name for name in (*FACTORS, *ITEMS, "scale") if name not in arrays]
        if not isinstance(options, Mapping) or missing:
            lacks = first_few(missing, 3) if missing else "its conditioner's options"
            raise CheckpointError(
                f"{path} is a checkpoint, but not one of a trained conditioner (it lacks {lacks}); "
                "checkpoint.npz in a folder that 'acg train' wrote is one"
            )
        rest = {name: arrays[name] for name in ITEMS}
        state = {n.removeprefix(CONDITIONER): a for n, a in arrays.items() if n.startswith(CONDITIONER)}
        try:
            factors = Factors(scale=float(arrays["scale"]), **{name: arrays[name] for name in FACTORS})
            own = OwnHistory.from_checkpoint(arrays, about.pop(OWN_HISTORY, None), len(rest["items"]))
            conditioner, titles = make_conditioner(options, state), arrays.get(TITLES)
            trained = cls(conditioner, factors, about=about, titles=titles, own_history=own, **rest)
            trained._check_parts()
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise CheckpointError(
                f"{path} is the checkpoint of a conditioner whose parts do not fit: {error}"
            ) from error
        return trained

    def _check_parts(self) -> None:
        items, domains, dim = len(self.items), len(self.domains), self.conditioner.attention.emb_dim
        held = self.conditioner.domain_embedding.num_domains
        if held != domains:
            raise ValueError(f"domains holds {counted(domains, 'name')}, but the conditioner has {held}")
        expected = {
            "components": (self.factors, (items, dim), "f"),
            "item_vectors": (self.factors, (items, dim), "f"),
            "item_weight": (self.factors, (items,), "f"),
            "elsewhere": (self.factors, (domains, items), "b"),
            "item_bias": (self, (items,), "f"),
            "item_domain": (self, (items,), "iu"),
        }
        if self.titles is not None:
            expected["titles"] = (self, (items,), "U")
        for name, (holder, shape, kinds) in expected.items():
            array = getattr(holder, name)
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
            if array.dtype.kind not in kinds:
                raise TypeError(f"{name} has dtype {array.dtype}, expected {KINDS[kinds]}")
        if items and not 0 <= self.item_domain.min() <= self.item_domain.max() < domains:
            raise ValueError(f"item_domain does not run from 0 to {domains - 1}, the last of {domains} domains")
        if not 0 < self.factors.scale < math.inf:
            raise ValueError(f"scale is {self.factors.scale}, expected a number above 0")

    def __repr__(self) -> str:
        attention, tokens = self.conditioner.attention, self.conditioner.domain_embedding
        shared = f" and {tokens.num_global_tokens} shared" if tokens.num_global_tokens else ""
        return (
            f"<Trained: {attention.emb_dim} dimensions, {attention.num_heads} heads, {tokens.tokens_per_domain} tokens "
            f"per domain{shared}, {len(self.domains)} domains, {len(self.items):,} items>"
        )


def condition_all(conditioner: Callable[..., Any], user_vectors: Array, reachable: npt.NDArray[np.bool_]) -> Array:
    """Make conditions (U, N, D) from user vectors (U, N, D), zeros where `reachable` (U, N) is False."""
    conditions = np.zeros_like(user_vectors)
    users, domains, dim = user_vectors.shape
    step = max(1, PLACES // max(1, domains))
    for block in row_blocks(users, domains * dim):  # as files are written, so that these have the same bits
        for start in range(block.start, block.stop, step):
            rows = slice(start, min(start + step, block.stop))
            with no_grad():
                made = conditioner(user_vectors[rows], np.arange(domains)).numpy()
            conditions[rows] = np.where(reachable[rows, :, None], made, 0.0)
    return conditions


def require_finite_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], instead: str = "train again"
) -> None:
    """Raise CheckpointError, with what to do instead, if an array of a file holds NaN or infinity."""
    broken = [n for n, array in arrays.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    if broken:
        raise CheckpointError(
            f"{path} holds NaN or infinity in {first_few(broken, 3)}, so that nothing can be computed with it: "
            f"training has diverged; {instead}"
        )


def make_conditioner(options: Mapping[str, Any], state: Mapping[str, Array]) -> AttentionConditioner:
    """Make a conditioner from its options and values, in evaluation mode; it warns of one key no more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OneKeyWarning)  # the user was warned when it was trained
        conditioner = AttentionConditioner(**options)
    conditioner.load_state_dict(state)
    return conditioner.eval()
