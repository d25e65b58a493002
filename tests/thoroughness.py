"""How much is tried of what is slow: some of it in every run, all of it, or far more, if asked to.

`HYPOTHESIS_PROFILE=thorough pytest` tries all the cases of `one_in`, and 100 times as many examples.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import settings

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"

# For properties each of whose examples draws a figure or starts something large, a decorator above `@given`.  What is
# known to matter is named by `@example`.
FEW_EXAMPLES = settings(max_examples=max(1, settings().max_examples // 3))

Case = TypeVar("Case")


def one_in(number: int, cases: Sequence[Case]) -> list[Case]:
    """Return every `number`-th of the cases, or all of them if the profile is "thorough"."""
    return list(cases if THOROUGH else cases[::number])
