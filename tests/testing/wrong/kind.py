"""What a wrong implementation is, in the catalogue."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Wrong(NamedTuple):
    """An implementation with one mistake, and the property that must find it."""

    name: str  # the mistake, in words
    check: Callable[..., None]
    implementation: Any
    refuted_by: str  # the property's short name
    options: dict[str, Any] = {}  # noqa: RUF012, the check's conventions, where it should have others
