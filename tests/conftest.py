"""How hard the property tests try, and what every test may rely on.

`HYPOTHESIS_PROFILE=thorough pytest` looks longer than the default; under CI the examples are the same in every run.
No test has a deadline: on a busy machine a slow example is not a wrong one.
"""

import os

import matplotlib as mpl
from hypothesis import settings

settings.register_profile("dev", max_examples=30, deadline=None)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

mpl.use("Agg")  # figures are drawn to memory, whatever display there is
