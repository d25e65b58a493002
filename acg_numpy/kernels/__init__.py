"""The classroom's mathematics, computed in another order: the same numbers for less time or memory."""
