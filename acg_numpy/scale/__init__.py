"""Past one machine's memory, and past one machine: work over many users in blocks, here or on a Dask cluster.

A block is a pure function of the checkpoint, the source, the options and the rows, so that it can be computed twice,
anywhere, and after a stop, with the same result.  Without a client the same code runs in this process.

>>> from acg_numpy.scale import condition, condition_blocks, connect, factorise, recommend

Dask, pyarrow and fsspec are imported when they are used: ``pip install "acg_numpy[scale]"``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acg_numpy.scale.block_krylov import TruncatedSVD, factorise
    from acg_numpy.scale.blocks import BlockSummary
    from acg_numpy.scale.clusters import BlockError, ClusterError, connect
    from acg_numpy.scale.top_items import recommend
    from acg_numpy.scale.user_conditions import condition, condition_blocks

_MODULES = {
    "condition": "user_conditions",
    "condition_blocks": "user_conditions",
    "factorise": "block_krylov",
    "recommend": "top_items",
    "connect": "clusters",
    "TruncatedSVD": "block_krylov",
    "BlockSummary": "blocks",
    "BlockError": "clusters",
    "ClusterError": "clusters",
}

__all__ = [
    "condition",
    "condition_blocks",
    "factorise",
    "recommend",
    "connect",
    "TruncatedSVD",
    "BlockSummary",
    "BlockError",
    "ClusterError",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
