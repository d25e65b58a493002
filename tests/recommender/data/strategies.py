"""Interactions of any shape: small ones, with empty users, items in several domains, and domains without items."""

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from acg_numpy.recommender.data import Interactions


def interactions_of(
    taken: np.ndarray,
    item_domain: list[int] | np.ndarray,
    same_item: list[int] | None = None,
    num_domains: int | None = None,
) -> Interactions:
    """Make interactions from a dense matrix."""
    users, items = taken.shape
    item_domain = np.asarray(item_domain, dtype=np.int64)
    domains = num_domains or int(item_domain.max()) + 1
    return Interactions(
        users=np.array([f"u{n}" for n in range(users)]),
        items=np.array([f"i{n}" for n in (range(items) if same_item is None else same_item)]),
        domains=np.array([f"d{n}" for n in range(domains)]),
        matrix=sp.csr_array(np.asarray(taken, dtype=np.float32)),
        item_domain=item_domain,
        same_item=np.arange(items) if same_item is None else np.asarray(same_item, dtype=np.int64),
    )


@st.composite
def interactions(draw: st.DrawFn, *, several_domains: bool = True) -> Interactions:
    """Draw 20 to 60 users, 2 to 4 domains, and items that belong to one of them or, perhaps, to more."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    users, domains, distinct = draw(st.integers(20, 60)), draw(st.integers(2, 4)), draw(st.integers(24, 60))
    more = draw(st.sampled_from([0.0, 0.3])) if several_domains else 0.0
    belongs = np.eye(domains, dtype=bool)[rng.integers(domains, size=distinct)] | (
        rng.random((distinct, domains)) < more
    )
    same_item, item_domain = np.nonzero(belongs)
    by_item = rng.random((users, distinct)) < rng.uniform(0, 1, (users, 1))
    return interactions_of(by_item[:, same_item], item_domain, same_item.tolist(), domains)
