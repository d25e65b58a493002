"""The peers that acg_numpy is compared with, and whether the packages they need are installed."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple

from acg_numpy.cli.benchmarks import acg, other_frameworks, pytorch
from acg_numpy.cli.benchmarks.step import TimedStep


class Peer(NamedTuple):
    """A peer: a short name, what it is, the package it needs (None: NumPy alone), and its step.

    A peer that loops over domains is not meant for domains with less than `least` users on average, and not measured
    there.
    """

    name: str
    description: str
    package: str | None
    make: Callable[..., TimedStep]
    least: int = 0

    @property
    def installed(self) -> bool:
        """Whether its package can be imported."""
        return self.package is None or find_spec(self.package) is not None


OURS = "acg_numpy"
PRODUCTS = "products"

PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "MHA",
            "PyTorch's nn.MultiheadAttention over the tokens of each user's domain, looked up by F.embedding",
            "torch",
            pytorch.multi_head_attention,
        ),
        Peer(
            "tables",
            "PyTorch, keys and values of each domain projected once and then looked up",
            "torch",
            pytorch.projected_tables,
        ),
        Peer(
            "brackets",
            "PyTorch, with the products in the order of the absorbed kernel, domain by domain; where domains have 16 "
            "users and more",
            "torch",
            partial(pytorch.absorbed_form, tokens_first=False),
            least=16,
        ),
        Peer(
            "layout",
            "the same, with scores laid out as the absorbed kernel has them, too",
            "torch",
            partial(pytorch.absorbed_form, tokens_first=True),
            least=16,
        ),
        Peer(
            "JAX",
            "JAX, jitted, tokens looked up and then projected",
            "jax",
            partial(other_frameworks.jax, tables=False),
        ),
        Peer(
            "JAX tables",
            "JAX, jitted, projected once and then looked up",
            "jax",
            partial(other_frameworks.jax, tables=True),
        ),
        Peer("autograd", "HIPS autograd, projected once and then looked up", "autograd", other_frameworks.autograd),
        Peer("MyGrad", "MyGrad, projected once and then looked up", "mygrad", other_frameworks.mygrad),
        Peer(
            "classroom", "acg_numpy itself with kernel='classroom'", None, partial(acg.conditioner, kernel="classroom")
        ),
        Peer(
            PRODUCTS,
            "the six bare matrix products of the absorbed form in NumPy, into existing arrays: no softmax, no "
            "sorting; where domains have 64 users and more",
            None,
            acg.bare_products,
            least=64,
        ),
    )
}

SERVING = {
    peer.name: peer
    for peer in (
        Peer(
            "MHA pairs",
            "PyTorch's nn.MultiheadAttention, with a row for each pair of user and domain",
            "torch",
            pytorch.serving_by_pairs,
        ),
        Peer(
            "MHA domains",
            "PyTorch's nn.MultiheadAttention, with a call for each domain, all users being its queries",
            "torch",
            pytorch.serving_by_domains,
        ),
    )
}
