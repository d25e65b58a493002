"""The plan of a call: the kernel that costs least at its shapes, by counted multiplications and bytes.

Which kernel for these shapes?  Multiplications and bytes are counted, weighed, and the cheapest is taken.

Of B results (users), N domains that occur, K tokens a domain, D features, H heads of I features together, a forward and
a backward pass make

                 products over users                        products over tokens      passes over
    absorbed     6 B' H K D         in blocks of domains    12 N K D I                scores B' H K
    grouped      6 B D I + 6 B' K I, in blocks of domains    6 N K D I                scores B' H K, rows B' I
    classroom    6 B D I + 6 B K I + 6 B K D I, row by row   0                        rows of copies B K I

multiply-adds, B' counting what is padded.  Where features of the merged heads are dropped, the absorbed kernel has only
its scores absorbed: half of its products over users, and for the other half 3 B D I + 3 B' K I.  The mask itself costs
every kernel the same, B I.

Attention over a context of its own, of n_q queries over n_k keys with d features a head, shares nothing:

    classroom    6 H n_q n_k d                            whole                     scores H n_q n_k, each in new memory
    tiled        7 H n_q n_k d                            a tile at a time          scores H n_q n_k, in the same memory

where H counts the heads of the whole batch.  A product of small matrices runs slower than one of large ones,
and each call costs something by itself; the weights below, in nanoseconds, were fitted to 162 shapes on one
machine and one thread (`python -m tests.benchmarks.planning` shows how far the choice is from the best one), and a
quarter more or less on another does not matter, as only their ratios do.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from textwrap import fill

from acg_numpy.kernels.grouping import Groups

KERNELS = ("auto", "classroom", "grouped", "absorbed")
CONTEXT_KERNELS = ("auto", "classroom", "tiled")


@dataclass(frozen=True)
class Plan:
    """Choice of a kernel and its reason; `print(plan)` shows it.

    Attributes
    ----------
    kernel : str
        The kernel that is used.
    why : str
        The reason, in a sentence.
    costs : dict of str to float
        Predicted milliseconds of forward and backward of each kernel; on another machine only their ratios are
        meaningful.  Empty if a module of the user's own is called, whose cost is not known.
    shapes : dict of str to int
        The counts: results, domains, tokens, features, heads, padded; over a context of its own, heads, queries,
        keys and features of a head.
    """

    kernel: str
    why: str
    costs: dict[str, float]
    shapes: dict[str, int]

    def __str__(self) -> str:
        counted = ", ".join(f"{number:,} {name}" for name, number in self.shapes.items())
        chosen, counted = (fill(line, 80) for line in (f"kernel {self.kernel}: {self.why}", f"({counted})"))
        lines = [chosen, counted, *[""] * bool(self.costs)]
        best = min(self.costs.values(), default=0.0)
        for kernel, cost in sorted(self.costs.items(), key=lambda item: item[1]):
            mark = ">" if kernel == self.kernel else " "
            lines.append(f"{mark} {kernel:<9}  {cost:10.3g} ms predicted  {cost / (best or 1.0):6.2f} x the cheapest")
        return "\n".join(lines)

    __repr__ = __str__


# Weights in nanoseconds: of a multiply-add in products over users, in small ones of a domain, over tokens; of an
# element of the scores' passes, of the users' rows, of the tables; of a head of a domain, a block, a call.
ABSORBED = {
    "scores": 0.0141,
    "passes": 4.4,
    "rows": 4.77,
    "tables": 0.0236,
    "table": 7.38,
    "head": 259,
    "block": 124e3,
    "call": 379e3,
}
GROUPED = {
    "rows": 0.017,
    "passes": 5.56,
    "padded": 9.31,
    "tables": 0.0204,
    "table": 10.8,
    "head": 462,
    "block": 63.1e3,
    "call": 405e3,
}
CLASSROOM = {
    "rows": 0.0496,
    "copies": 1.18,
    "passes": 33.3,
    "user": 96.9,
    "call": 500e3,
}
MASK = 4.3  # an element of the merged heads' dropout mask: drawn, sorted, multiplied with forward and backward

# The same for attention over long contexts, fitted to 25 shapes.  Memory above 32 MiB is requested from the system anew
# each time, which clears it; then a pass over the scores takes longer.
WHOLE = {"scores": 0.0243, "passes": 4.96, "fresh passes": 11.5, "rows": 5.75}
TILED = {"scores": 0.0192, "passes": 4.43, "rows": 5.73, "head": 56.8e3, "call": 100e3}
FRESH = 1 << 25  # bytes of all scores


def predict_costs(
    groups: Groups, tokens: int, features: int, heads: int, *, inner: int | None = None, head_dropout: bool = False
) -> tuple[dict[str, float], dict[str, int]]:
    """Return the predicted milliseconds of each kernel, and what was counted.

    `inner`, I, is `features` where it is not given; `head_dropout` says whether features of merged heads are dropped.
    """
    return _price(*_counts(groups), tokens, features, heads, features if inner is None else inner, head_dropout)


def _counts(groups: Groups) -> tuple[int, int, int, int]:
    """Return the numbers of results, domains, sorted rows and blocks."""
    return groups.num_results, len(groups.present), groups.num_rows, len(groups.blocks)


def _price(
    B: int, N: int, padded: int, blocks: int, K: int, D: int, H: int, inner: int, head_dropout: bool
) -> tuple[dict[str, float], dict[str, int]]:
    over_rows, over_tokens = 3 * B * D * inner, N * K * D * inner  # of one of the projections that users meet
    absorbed_scores, mixed = 3 * padded * H * K * D, 3 * padded * K * inner
    mask = MASK * B * inner * head_dropout
    absorbed = (
        ABSORBED["scores"] * (absorbed_scores + (mixed if head_dropout else absorbed_scores))
        + GROUPED["rows"] * over_rows * head_dropout
        + ABSORBED["passes"] * padded * H * K
        + ABSORBED["rows"] * B * D
        + ABSORBED["tables"] * (9 if head_dropout else 12) * over_tokens
        + ABSORBED["table"] * N * H * K * D
        + ABSORBED["head"] * N * H
        + ABSORBED["block"] * blocks
        + ABSORBED["call"]
    )
    grouped = (
        GROUPED["rows"] * 2 * over_rows
        + GROUPED["passes"] * padded * H * K
        + GROUPED["padded"] * padded * inner
        + GROUPED["tables"] * 6 * over_tokens
        + GROUPED["table"] * N * K * inner
        + GROUPED["head"] * N * H
        + GROUPED["block"] * blocks
        + GROUPED["call"]
    )
    classroom = (
        CLASSROOM["rows"] * (2 * over_rows + 6 * B * K * D * inner)  # each user's copy of the tokens is projected
        + CLASSROOM["copies"] * 6 * B * K * inner
        + CLASSROOM["passes"] * B * H * K
        + CLASSROOM["user"] * B * H
        + CLASSROOM["call"]
    )
    costs = {"absorbed": absorbed, "grouped": grouped, "classroom": classroom}
    shapes = {"results": B, "domains": N, "tokens": K, "features": D, "heads": H, "padded": padded}
    if inner != D:
        shapes["features of all heads"] = inner
    return {kernel: (cost + mask) / 1e6 for kernel, cost in costs.items()}, shapes


def make_plan(
    groups: Groups,
    tokens: int,
    features: int,
    heads: int,
    kernel: str = "auto",
    *,
    inner: int | None = None,
    head_dropout: bool = False,
) -> Plan:
    """Choose a kernel, or take the one that was asked for; the arguments are those of `predict_costs`.

    Calls of the same counts share a plan, so that nothing may be changed in it.
    """
    if not groups.num_results:
        return Plan("classroom", "there are no users to condition", {"classroom": 0.0}, {"results": 0})
    return _plan(*_counts(groups), tokens, features, heads, features if inner is None else inner, head_dropout, kernel)


@lru_cache(maxsize=4096)  # training and serving meet the same shapes again and again
def _plan(
    B: int, N: int, padded: int, blocks: int, tokens: int, D: int, H: int, inner: int, dropped: bool, kernel: str
) -> Plan:
    costs, shapes = _price(B, N, padded, blocks, tokens, D, H, inner, dropped)
    if kernel != "auto":
        return Plan(kernel, "asked for", costs, shapes)
    if tokens == 1:
        return Plan(
            "grouped", "a single key has weight 1, so the condition is the domain's, for any user", costs, shapes
        )
    best = min(REASONS, key=lambda name: costs[name])
    return Plan(best, REASONS[best], costs, shapes)


REASONS = {
    "absorbed": "many users a domain, so what keys and values are multiplied by is multiplied in once a domain",
    "grouped": "few users a domain, or more scores than features, so tables are projected and users put side by side",
}


def plan_for_context(
    batch: tuple[int, ...], num_heads: int, scores: tuple[int, int], features: int, itemsize: int, kernel: str = "auto"
) -> Plan:
    """Choose how n_q queries attend over n_k keys, `scores` = (n_q, n_k), in every batch, or take what was asked for.

    If weights are wanted there is nothing to choose: only the classroom keeps them.
    """
    L, S = scores
    heads, d = math.prod(batch) * num_heads, features // num_heads
    pairs, rows = heads * L * S, heads * (L + S) * d
    fresh = pairs * itemsize > FRESH
    classroom = (
        WHOLE["scores"] * 6 * pairs * d + WHOLE["fresh passes" if fresh else "passes"] * pairs + WHOLE["rows"] * rows
    )
    tiled = (
        TILED["scores"] * 7 * pairs * d
        + TILED["passes"] * pairs
        + TILED["rows"] * rows
        + TILED["head"] * heads
        + TILED["call"]
    )
    costs = {name: cost * itemsize / 4 / 1e6 for name, cost in {"classroom": classroom, "tiled": tiled}.items()}
    shapes = {"heads in all": heads, "queries": L, "keys": S, "features of a head": d}
    if kernel != "auto":
        return Plan(kernel, "asked for", costs, shapes)
    best = min(costs, key=lambda name: costs[name])
    return Plan(best, CONTEXT_REASONS[best], costs, shapes)


CONTEXT_REASONS = {
    "classroom": "the scores are few, so one product for all of them costs less than a loop over tiles",
    "tiled": "the scores are many, so going over them tile by tile, twice, costs less than holding them all",
}
