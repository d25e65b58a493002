"""Trees: nested dicts, lists and tuples, flattened into their leaves and rebuilt."""

from collections.abc import Callable, Sequence
from typing import Any

Rebuild = Callable[[Sequence[Any]], Any]


def flatten(tree: Any) -> tuple[list[Any], Rebuild]:
    """Return the leaves of a tree from left to right, and the function that puts others in their place.

    Dicts, lists, tuples and named tuples are branches, None is an empty one; everything else is a leaf.

    Examples
    --------
    >>> leaves, rebuild = flatten({"weight": 1.0, "layers": [2.0, (3.0, None)]})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> rebuild([10, 20, 30])
    {'weight': 10, 'layers': [20, (30, None)]}
    """
    leaves: list[Any] = []
    shape = _take_apart(tree, leaves)

    def rebuild(values: Sequence[Any]) -> Any:
        if len(values) != len(leaves):
            raise ValueError(f"the tree has {len(leaves)} leaves, got {len(values)}")
        return shape(iter(values).__next__)

    return leaves, rebuild


def tree_map(function: Callable[..., Any], tree: Any) -> Any:
    """Return the same tree with `function` applied to every leaf."""
    leaves, rebuild = flatten(tree)
    return rebuild([function(leaf) for leaf in leaves])


def _take_apart(tree: Any, leaves: list[Any]) -> Callable[[Callable[[], Any]], Any]:
    if tree is None:
        return lambda take: None
    if isinstance(tree, dict):
        keys, branches = list(tree), [_take_apart(v, leaves) for v in tree.values()]
        return lambda take: {k: branch(take) for k, branch in zip(keys, branches, strict=True)}
    if isinstance(tree, list | tuple):
        branches, kind = [_take_apart(v, leaves) for v in tree], type(tree)
        if hasattr(kind, "_fields"):  # a named tuple takes its fields one by one
            return lambda take: kind(*[branch(take) for branch in branches])
        return lambda take: kind([branch(take) for branch in branches])
    leaves.append(tree)
    return lambda take: take()
