"""How much is tried of what has many cases, each of them slow: some of it in every run, all of it when asked to.

`HYPOTHESIS_PROFILE=thorough pytest` tries all.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"

Case = TypeVar("Case")


def one_in(number: int, cases: Sequence[Case]) -> list[Case]:
    """Every so manieth of the cases, or all of them."""
    return list(cases if THOROUGH else cases[::number])
