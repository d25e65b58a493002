"""The time of the planned kernel over that of the best one: `python -m tests.benchmarks.planning [seconds]`.

Shapes are drawn: 1 to 100,000 users, 1 to 3,000 domains, 1 to 64 tokens, 16 to 512 features.  Each kernel is timed on
each, forward and backward, the least of four; what is printed is the time of the planned one over that of the best, as
a geometric mean and at worst, and how often each was planned and was best.
"""

import sys
import time
from typing import Any

import numpy as np

from acg_numpy import AttentionConditioner, tensor

KERNELS = ("absorbed", "grouped")


def draw(rng: np.random.Generator) -> tuple[int, int, int, int, int] | None:
    """Users, features, heads, domains, tokens; None where it would take too long or too much memory."""
    B, N = int(10 ** rng.uniform(0, 5)), int(10 ** rng.uniform(0, 3.5))
    D, T, H = 2 ** int(rng.integers(4, 10)), 2 ** int(rng.integers(0, 7)), int(rng.choice([2, 4, 8]))
    too_large = B * T * D > 6e7 or N * T * D > 2e7 or B * H * T > 1e7
    return None if too_large else (B, D, H, N, T)


def seconds(conditioner: AttentionConditioner, user_emb: Any, ids: Any, grad: Any) -> float:
    """The least of four passes forward and backward, fewer where they take long."""
    times: list[float] = []
    while len(times) < 4 and sum(times) < 1.5:
        given = tensor(user_emb, requires_grad=True)
        start = time.perf_counter()
        conditioner(given, ids).backward(grad)
        times.append(time.perf_counter() - start)
        conditioner.zero_grad()
    return min(times)


def main(budget: float) -> None:
    """Draw and time until the budget is spent, and print."""
    rng, ratios = np.random.default_rng(1), []
    planned, best = dict.fromkeys(KERNELS, 0), dict.fromkeys(KERNELS, 0)
    start = time.perf_counter()
    while time.perf_counter() - start < budget:
        shape = draw(rng)
        if shape is None:
            continue
        B, D, H, N, T = shape
        user_emb, grad = (rng.standard_normal((B, D), np.float32) for _ in range(2))
        ids = rng.integers(0, N, B)
        times = {
            kernel: seconds(
                AttentionConditioner(D, H, N, tokens_per_domain=T, kernel=kernel, seed=0), user_emb, ids, grad
            )
            for kernel in KERNELS
        }
        chosen = AttentionConditioner(D, H, N, tokens_per_domain=T, seed=0).plan(user_emb, ids).kernel
        quickest = min(times, key=lambda kernel: times[kernel])
        planned[chosen] += 1
        best[quickest] += 1
        ratios.append(times[chosen] / times[quickest])
    mean, worst = np.exp(np.mean(np.log(ratios))), np.max(ratios)
    print(f"{len(ratios)} shapes: the planned kernel takes {mean:.3f} times the best, at worst {worst:.2f}")
    print(f"planned {planned}, best {best}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 120.0)
