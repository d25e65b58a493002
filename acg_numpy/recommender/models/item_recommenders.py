"""Recommenders without a condition vector: two methods that go straight from items to items.

They are reference lines, not baselines: they make no vector, are fitted to the domain's items themselves, and need the
interactions when they serve.  Both use what the models use, the visible matrix X and no more: for domain d the rows of
the users with a training pair there, and for a test pair what the user did outside d.

    item-ridge   Let A (n, m) be the n users' interactions outside d, Y (n, I_d) those inside.  Ridge regression,

                     B = argmin |A B - Y|^2 + c a |B|^2 = (A'A + c a 1)^-1 A'Y        a = mean of |A_u|^2

                 scores the items of d by A_u B.  There is one weight from every item to every item, so m is limited
                 to the 2,048 most popular items outside d; memory then grows with the items, not with users x items.
    user-knn     Cosine similarity of A * w, w = 1 / sqrt(1 + popularity), finds the k most similar users, among at most
                 16,384 drawn at random, and scores the items of d by how many of them took each, weighted by
                 similarity.

The strength, c or k, is the one of `STRENGTHS` with the best NDCG@10 on the validation pairs, or on 10,000 of them
drawn at random if there are more.

References
----------
Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", 1970.
Steck, "Embarrassingly shallow autoencoders for sparse data", 2019, which is such a regression.
Herlocker et al., "An algorithmic framework for performing collaborative filtering", 1999.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sp

from acg_numpy.recommender.data import Interactions
from acg_numpy.recommender.data.pairs import Ids, Pairs
from acg_numpy.recommender.evaluation.metrics import Rankings, top_k
from acg_numpy.recommender.evaluation.protocol import K, Score, empty_rankings, fill_rankings
from acg_numpy.shapes import Array

MOST_ITEMS = 1 << 11  # features of the regression
MOST_USERS = 1 << 14  # that neighbours are searched among
MOST_PAIRS = 10_000  # of validation that the strength is chosen on
COLUMNS = 1 << 10  # items of a domain whose weights are solved for together
SIMILARITIES = 1 << 22  # that are in memory together

STRENGTHS: dict[str, tuple[float, ...]] = {
    "item-ridge": (0.3, 1, 3, 10, 30, 100, 300),
    "user-knn": (5, 10, 20, 40, 80, 160, 320),
}
REFERENCES = tuple(STRENGTHS)


class Reference(NamedTuple):
    """The rankings of a reference line for the test pairs."""

    rankings: Rankings
    strength: float  # chosen on validation
    parameters: int  # weights of the regression; neighbours have none


class DomainData(NamedTuple):
    """The data to fit in one domain."""

    outside: sp.csr_array  # (n, I): the training users' interactions outside the domain
    inside: sp.csr_array  # (n, I_d): and inside
    query: Callable[[Ids], sp.csr_array]  # interactions of any users outside the domain


def make_reference(
    name: str,
    *,
    visible: sp.csr_array,
    query: Callable[[int], sp.csr_array] | None = None,
    interactions: Interactions,
    train: Ids,
    validation: Pairs,
    test: Pairs,
    depth: int = K,
    seed: int = 0,
) -> Reference:
    """Fit a reference line, choose its strength on validation, and test it.

    Parameters
    ----------
    name : str
        One of `REFERENCES`.
    visible : sparse array (CSR), shape (U, I)
        Without the interactions of validation and test pairs, as `Split.visible` gives it.
    query : callable, optional
        From a domain to what is known of every user when asked about it, sparse (U, I); by default `visible`.
    interactions : Interactions
        Says which column is in which domain; its own matrix is not used.
    train : array, shape (P, 2), int64
        Pairs of user and domain to fit.
    validation, test : Pairs
        If there is nothing to validate on, the middle strength is taken.
    depth : int, default 10
        The number of ranks to keep, for metrics at k up to that.
    seed : int, default 0
        Of the draws of users and of pairs, if there are more than are used.

    Returns
    -------
    Reference

    Raises
    ------
    ValueError
        If there is no reference line of that name.

    Examples
    --------
    >>> from acg_numpy.recommender.data import draw_split, make_world
    >>> from acg_numpy.recommender.data.pairs import Catalogue
    >>> taken = make_world(seed=0).interactions
    >>> split = draw_split(taken, seed=0)
    >>> catalogue = Catalogue.from_interactions(taken, np.zeros((len(taken.items), 1)))
    >>> held_out = [
    ...     Pairs.from_matrix(pairs, taken.matrix, taken.item_domain, catalogue)
    ...     for pairs in (split.validation, split.test)
    ... ]
    >>> neighbours = make_reference(
    ...     "user-knn",
    ...     visible=split.visible(taken),
    ...     interactions=taken,
    ...     train=split.train,
    ...     validation=held_out[0],
    ...     test=held_out[1],
    ... )
    >>> len(neighbours.rankings.hits) == len(split.test), neighbours.strength in STRENGTHS["user-knn"]
    (True, True)
    """
    if name not in STRENGTHS:
        raise ValueError(f"name must be one of {', '.join(STRENGTHS)}, but it is {name!r}")
    rng = np.random.default_rng(seed)
    if len(validation) > MOST_PAIRS:
        validation = validation.take(np.sort(rng.choice(len(validation), MOST_PAIRS, replace=False)))
    draw = int(rng.integers(2**32))

    def fit_and_rank(pairs: Pairs, strengths: Sequence[float], depth: int) -> tuple[list[Rankings], int]:
        """Fit every domain that has pairs: the rankings of each strength, and the number of weights."""
        rankings, parameters = [empty_rankings(pairs, depth) for _ in strengths], 0
        for domain in np.unique(pairs.domains).tolist():
            here = np.flatnonzero(pairs.domains == domain)
            users = train[train[:, 1] == domain, 0]
            data = split_by_domain(visible, interactions, users, domain, None if query is None else query(domain))
            if name == "item-ridge":
                parameters += len(_features(data.outside)) * data.inside.shape[1]
                scores = ridge_scores(data, strengths)
            else:
                popularity = np.asarray(visible.sum(axis=0), np.float64)
                among = np.random.default_rng([draw, domain])
                scores = neighbour_scores(data, strengths, pairs.users[here], 1 / np.sqrt(1 + popularity), among)
            for ranking, score in zip(rankings, scores, strict=True):
                fill_rankings(ranking, score, pairs, here)
        return rankings, parameters

    strength = STRENGTHS[name][len(STRENGTHS[name]) // 2]
    if len(validation):
        tried, _ = fit_and_rank(validation, STRENGTHS[name], K)
        strength = STRENGTHS[name][int(np.argmax([np.mean(one.measure("ndcg", K)) for one in tried]))]
    [rankings], parameters = fit_and_rank(test, (strength,), depth)
    return Reference(rankings, float(strength), parameters)


def split_by_domain(
    visible: sp.csr_array, interactions: Interactions, users: Ids, domain: int, query: sp.csr_array | None = None
) -> DomainData:
    """Split what `users` (n,) did into outside and inside of a domain; queries are rows of `query`, or `visible`."""
    elsewhere = interactions.elsewhere[domain]
    known = visible if query is None else query

    def outside(matrix: sp.csr_array, rows: Ids) -> sp.csr_array:
        taken = sp.csr_array(matrix[rows])
        return _keep(taken, elsewhere[taken.indices])

    inside = sp.csr_array(visible[users][:, interactions.columns(domain)])
    return DomainData(outside(visible, users), inside, lambda rows: outside(known, rows))


def ridge_scores(data: DomainData, strengths: Sequence[float]) -> Iterator[Score]:
    """Fit the regression of one domain, and yield its scores for each strength."""
    chosen = _features(data.outside)
    A = sp.csr_array(data.outside[:, chosen])  # (n, m)
    gram = (A.T @ A).toarray().astype(np.float64)  # (m, m)
    length = float(np.trace(gram)) / max(A.shape[0], 1)
    for strength in strengths:
        B = np.zeros((len(chosen), data.inside.shape[1]), np.float32)  # (m, I_d)
        if length:
            diagonal = strength * length * np.eye(len(chosen))
            factor = scipy.linalg.cho_factor(gram + diagonal, lower=True, overwrite_a=True, check_finite=False)
            for start in range(0, B.shape[1], COLUMNS):
                columns = slice(start, start + COLUMNS)
                target = (A.T @ data.inside[:, columns]).toarray().astype(np.float64)
                B[:, columns] = scipy.linalg.cho_solve(factor, target, overwrite_b=True, check_finite=False)

        def score(users: Ids, domain: int, B: Array = B) -> Array:
            scores: Array = data.query(users)[:, chosen] @ B
            return scores

        yield score


def neighbour_scores(
    data: DomainData, strengths: Sequence[float], users: Ids, item_weight: Array, rng: np.random.Generator
) -> Iterator[Score]:
    """Yield scores of one domain's items for some users, by 5, 10, 20, ... neighbours."""
    among = np.arange(data.outside.shape[0])
    if len(among) > MOST_USERS:
        among = np.sort(rng.choice(among, MOST_USERS, replace=False))
    users = np.unique(users)
    nearest, similarity = _neighbours(
        lambda rows: _unit_rows(data.query(users[rows]), item_weight),
        len(users),
        _unit_rows(data.outside[among], item_weight),
        int(max(strengths)),
    )
    inside = sp.csr_array(data.inside[among])
    for strength in strengths:
        k = min(int(strength), nearest.shape[1])

        def score(wanted: Ids, domain: int, k: int = k) -> Array:
            rows = np.searchsorted(users, wanted)
            indptr = np.arange(0, k * len(rows) + 1, k) if k else np.zeros(len(rows) + 1, np.int64)
            neighbours = (similarity[rows, :k].ravel(), nearest[rows, :k].ravel(), indptr)
            scores: Array = (sp.csr_array(neighbours, shape=(len(rows), len(among))) @ inside).toarray()
            return scores

        yield score


def _neighbours(
    make_rows: Callable[[slice], sp.csr_array], count: int, known: sp.csr_array, k: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Find the k most similar rows of `known` for each of `count` rows, best first: indices and cosines, (count, k)."""
    columns = known.shape[0]
    k = min(k, columns)
    nearest, cosine = np.zeros((count, k), np.int32), np.zeros((count, k), np.float32)
    across = known.T.tocsr()  # (I, n)
    block = max(1, SIMILARITIES // max(columns, 1))
    for start in range(0, count if k else 0, block):
        rows = slice(start, min(start + block, count))
        similarity = (make_rows(rows) @ across).toarray()  # (b, n)
        nearest[rows] = top_k(similarity, k)
        cosine[rows] = np.take_along_axis(similarity, nearest[rows], axis=1)
    return nearest, cosine


def _features(outside: sp.csr_array) -> Ids:
    """Find the columns that the regression uses: the most popular of those that were taken at all."""
    taken = np.bincount(outside.indices, minlength=outside.shape[1])
    most: Ids = np.argsort(-taken, kind="stable")[:MOST_ITEMS]
    return np.sort(most[taken[most] > 0])


def _unit_rows(matrix: sp.csr_array, item_weight: Array) -> sp.csr_array:
    """Weight the columns, and scale each row to length 1."""
    weighted = matrix.data * item_weight[matrix.indices]
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    length = np.sqrt(np.bincount(row, weighted**2, minlength=matrix.shape[0]))
    data = (weighted / length[row]).astype(np.float32)
    return sp.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _keep(matrix: sp.csr_array, kept: npt.NDArray[np.bool_]) -> sp.csr_array:
    """Keep some of the stored entries."""
    indptr = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)
