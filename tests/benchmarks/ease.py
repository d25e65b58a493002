"""Users with a history in the domain: a run as it serves, beside EASE over all items, on what the users took later.

    python -m tests.benchmarks.ease ml-100k.inter                 # with ml-100k.item beside it
    python -m tests.benchmarks.ease ml-100k.inter --cuts 0.8      # the last fifth by time alone

For each cut, the earlier share of the ratings (by time, of 4 and above, the 8 domains with most items) is trained on:
attention with default settings, and EASE, the ridge regression of each item on all others.  EASE's strength is the best
of `STRENGTHS` for the last fifth of these ratings, after a fit to the first four fifths.  Pairs of a user and a domain
have an item before the cut and a new one later; all items of the domain but those taken before are ranked.

The last line joins the pairs of all cuts.  Differences are those of the run to another, ± a standard error over users.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from acg_numpy.recommender.data import Interactions, read_interactions
from acg_numpy.recommender.evaluation.metrics import ndcg_at_k
from acg_numpy.recommender.evaluation.significance import mean_difference
from acg_numpy.recommender.serving import Recommender
from acg_numpy.recommender.training import fit

OPTIONS: dict[str, Any] = {"domain": "class", "min_rating": 4, "max_domains": 8}
STRENGTHS = (50, 100, 150, 200, 300, 400, 600, 800, 1200)
NAMES = ("run", "condition", "EASE", "popularity")
K = 10


def ease(taken: sp.csr_array, strength: float) -> np.ndarray:
    """Return the weights of Steck, "Embarrassingly shallow autoencoders for sparse data", 2019, equation 8."""
    A = taken.astype(np.float64)
    P = np.linalg.inv((A.T @ A).toarray() + strength * np.eye(A.shape[1]))
    B = -P / np.diag(P)
    np.fill_diagonal(B, 0)
    return B


def measure(scores: np.ndarray, before: sp.csr_array, later: sp.csr_array, columns: list[np.ndarray]) -> np.ndarray:
    """Return NDCG@10 of each user in each domain (U, N); NaN where there is no history or nothing to find."""
    found = np.full((len(scores), len(columns)), np.nan)
    for d, of_domain in enumerate(columns):
        own = before[:, of_domain].toarray() > 0
        new = (later[:, of_domain].toarray() > 0) & ~own
        asked = own.any(1) & new.any(1)
        ranked = np.where(own, -np.inf, scores[:, of_domain])
        found[asked, d] = ndcg_at_k(ranked[asked], new[asked], K)
    return found


def tuned_strength(taken: Interactions, columns: list[np.ndarray]) -> float:
    """Choose the strength of EASE on the last fifth of the interactions."""
    X, times = taken.matrix, taken.times
    assert times is not None
    early = times < np.quantile(times, 0.8)
    parts = [sp.csr_array((kept.astype(np.float32), X.indices, X.indptr), X.shape) for kept in (early, ~early)]
    ndcg = [np.nanmean(measure(parts[0] @ ease(parts[0], strength), *parts, columns)) for strength in STRENGTHS]
    return STRENGTHS[int(np.argmax(ndcg))]


def compare(source: Path, cut: float, folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Train on the ratings before a cut, and measure all after it: NDCG@10 (pairs,) by name, and the users (pairs,)."""
    earlier, after = split_by_time(source, cut, folder)
    taken = read_interactions(earlier, **OPTIONS)
    result = fit(taken, baselines=False)
    result.write(folder / "run")
    recommender = Recommender.load(folder / "run")
    trained = recommender.trained
    columns = [trained.columns(d) for d in range(len(trained.domains))]
    place = {name: n for n, name in enumerate(recommender.users.tolist())}
    later = trained.read_newcomers(after)
    known = [name in place for name in later.users.tolist()]
    rows = np.array([place[name] for name in later.users[known].tolist()])
    before, new = sp.csr_array(taken.matrix[rows]), sp.csr_array(later.matrix[known])

    condition = np.zeros(before.shape, np.float32)
    made = trained.condition(*recommender.vectors(rows))
    for d, of_domain in enumerate(columns):
        condition[:, of_domain] = trained.scores(made[:, d], d)
    run = condition.copy()
    for d, of_domain in enumerate(columns):
        scores = run[:, of_domain]
        trained.add_own_history(scores, before, d)
        run[:, of_domain] = scores
    strength = tuned_strength(taken, columns)
    popularity = np.broadcast_to(np.asarray(taken.matrix.sum(axis=0)), before.shape)
    every = dict(zip(NAMES, (run, condition, before @ ease(taken.matrix, strength), popularity), strict=True))
    ndcg = {name: measure(scores, before, new, columns) for name, scores in every.items()}
    asked = np.isfinite(ndcg["run"])
    own = trained.own_history
    chosen = "no own histories" if own is None else f"strength {own.strength:g}, blend {own.blend:g}"
    show(f"{cut:.0%}", {name: values[asked] for name, values in ndcg.items()}, np.nonzero(asked)[0])
    print(f"       (run: {chosen}; EASE: strength {strength})", flush=True)
    return {name: values[asked] for name, values in ndcg.items()}, recommender.users[rows][np.nonzero(asked)[0]]


def split_by_time(source: Path, cut: float, folder: Path) -> list[Path]:
    """Write the first rows by time, and the others, as files of RecBole with the table of items beside each."""
    lines = source.read_text(encoding="utf-8").splitlines()
    time = next(n for n, name in enumerate(lines[0].split("\t")) if name.startswith("timestamp"))
    rows = sorted(lines[1:], key=lambda row: float(row.split("\t")[time]))
    number, paths = round(cut * len(rows)), []
    for name, part in (("earlier", rows[:number]), ("later", rows[number:])):
        path = folder / f"{name}.inter"
        path.write_text("\n".join([lines[0], *part]) + "\n", encoding="utf-8")
        path.with_suffix(".item").write_bytes(source.with_suffix(".item").read_bytes())
        paths.append(path)
    return paths


def show(cut: str, ndcg: dict[str, np.ndarray], users: np.ndarray) -> None:
    """Print a row: the number of pairs, NDCG@10, and the differences of the run to the others."""
    cells = [f"{name} {ndcg[name].mean():.3f}" for name in NAMES]
    for name in NAMES[1:]:
        lead = mean_difference([ndcg["run"] - ndcg[name]], [users])
        cells.append(f"run - {name} {lead['difference']:+.4f} ± {lead['se']:.4f}")
    print(f"{cut:>5}  {len(users):,} pairs of {len(np.unique(users)):,} users; " + ", ".join(cells), flush=True)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--cuts", default="0.5,0.6,0.7,0.8")
    arguments = parser.parse_args()
    ndcg: dict[str, list[np.ndarray]] = {name: [] for name in NAMES}
    users = []
    for cut in map(float, arguments.cuts.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            found, of_pairs = compare(arguments.source, cut, Path(folder))
        users.append(of_pairs)
        for name, values in found.items():
            ndcg[name].append(values)
    numbers = np.unique(np.concatenate(users), return_inverse=True)[1]
    show("all", {name: np.concatenate(values) for name, values in ndcg.items()}, numbers)


if __name__ == "__main__":
    main()
