"""Operations that the library does not have, written in plain NumPy as people write them, and wrong backwards of each.

They stand for what users bring along.  Nothing in the checks may be fitted to them.
"""

from acg_numpy.checks.mistakes import Mistake
from tests.checks.outside import (
    activations,
    classifiers,
    gates,
    losses,
    normalisation,
    products,
    recurrent,
    tables,
    windows,
)

OUTSIDE: tuple[Mistake, ...] = (
    *normalisation.MISTAKES,
    *losses.MISTAKES,
    *classifiers.MISTAKES,
    *activations.MISTAKES,
    *recurrent.MISTAKES,
    *windows.MISTAKES,
    *products.MISTAKES,
    *gates.MISTAKES,
    *tables.MISTAKES,
)

__all__ = ["OUTSIDE", "Mistake"]
