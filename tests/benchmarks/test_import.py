"""The time of `import acg_numpy` beside `import numpy`: fresh processes, in turns, start of Python not counted.

    pytest tests/benchmarks/test_import.py --benchmark-only -s

The bar is 1.3.  Names are imported when they are first asked for, so what counts in the end is what a user needs: the
line printed also says what the conditioner, and the checks, have cost once they are there.
"""

import subprocess
import sys

import numpy as np

IMPORTS = {
    "numpy": "import numpy",
    "acg_numpy": "import acg_numpy",
    "AttentionConditioner": "from acg_numpy import AttentionConditioner",
    "gradcheck": "from acg_numpy import gradcheck",
}
ROUNDS = 20


def seconds_to(statement: str) -> float:
    """Return how long a statement takes in a process of its own."""
    code = f"import time; begin = time.perf_counter(); {statement}; print(time.perf_counter() - begin)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def test_importing_the_package_beside_importing_numpy(benchmark):
    rounds = np.array([[seconds_to(statement) for statement in IMPORTS.values()] for _ in range(ROUNDS)])
    ratios = dict(zip(IMPORTS, np.median(rounds / rounds[:, :1], axis=0).tolist(), strict=True))
    print("\ntime over that of `import numpy`:", ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))
    benchmark.extra_info.update(ratios)
    benchmark.pedantic(seconds_to, args=(IMPORTS["acg_numpy"],), rounds=3)
