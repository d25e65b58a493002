"""Names of gradients: which key of a dict, or attribute of a layer, holds the gradient of an input.

A gradient's name is that of its input, or has `d`, `d_`, `grad_`, `dL_d` before it or `_grad` after it: `w`, `dw`,
`dW`, `grad_w` and `dL_dW` all belong to w.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# fmt: off
BEFORE = re.compile(
    r"^(?:dl_?d_?|dloss_?d?_?|dj_?d_?|partial_?|nabla_?|gradients?_?(?:of_?|wrt_?)?|grads?_?(?:of_?|wrt_?)?|delta_?|d_?)",
    re.IGNORECASE,
)
# fmt: on
AFTER = re.compile(r"_?(?:gradients?|grads?)$", re.IGNORECASE)


def find_name(name: str, keys: Mapping[str, Any] | Sequence[str]) -> str | None:
    """Return the key of the gradient of an input, or None.

    Examples
    --------
    >>> [find_name("w", [key]) for key in ("w", "dw", "dW", "grad_w", "dL_dw", "w_grad", "db")]
    ['w', 'dw', 'dW', 'grad_w', 'dL_dw', 'w_grad', None]
    >>> find_name("W", ["dw", "dW"]), find_name("b", ["grads.db"]), find_name("d", ["dd", "d"])
    ('dW', 'grads.db', 'd')
    """
    for exact in (True, False):
        for fits in (_is_same, _is_gradient_of):
            found = [key for key in keys if fits(name, key, exact)]
            if len(found) == 1:
                return found[0]
    return None


def _is_same(name: str, key: str, exact: bool) -> bool:
    one, other = _tails(name, key)
    return one == other if exact else one.lower() == other.lower()


def _is_gradient_of(name: str, key: str, exact: bool) -> bool:
    one, other = _tails(name, key)
    head, _, last = other.rpartition(".")
    head = f"{head}." if head else ""
    # W[0] is found as dW[0]
    stem, bracket, index = last.partition("[")
    stems = {AFTER.sub("", stem), *_without_heads(stem)}
    candidates = {f"{head}{one}{bracket}{index}" for one in stems if one}
    return one in candidates if exact else one.lower() in {c.lower() for c in candidates}


def _without_heads(stem: str) -> Iterator[str]:
    """Yield a name without each of the marks of a gradient before it."""
    while match := BEFORE.match(stem):
        for length in range(1, match.end() + 1):
            if BEFORE.fullmatch(stem[:length]):
                yield stem[length:]
        return


def _tails(name: str, key: str) -> tuple[str, str]:
    """Return the last parts of two dotted names, as many as the shorter has."""
    one, other = name.split("."), key.split(".")
    number = min(len(one), len(other))
    return ".".join(one[-number:]), ".".join(other[-number:])
