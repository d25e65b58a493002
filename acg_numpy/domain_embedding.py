"""DomainEmbedding: the learnable tokens of each domain, and those that all domains share."""

from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.arguments import check_count, check_dtype, domain_ids
from acg_numpy.autograd import Tensor, from_passes
from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.layers import Seed, spawn
from acg_numpy.module import Module, Parameter
from acg_numpy.passes import embedding_backward, embedding_forward
from acg_numpy.passes.embedding import EmbeddingCache


def _row_sparse_backward(grad_out: Any, cache: EmbeddingCache) -> Any:
    """Carry dO back as `embedding_backward` does, but as a row-sparse dE, of the rows that were looked up.

    If the backward pass is itself recorded, dE is a Tensor, and dense.
    """
    if isinstance(grad_out, Tensor):
        return embedding_backward(grad_out, cache)  # type: ignore[arg-type]  # Tensors go where arrays go
    return RowSparseGradient(cache.ids, grad_out, (cache.num_rows, *grad_out.shape[cache.ids.ndim :]))


embedding = from_passes(embedding_forward, embedding_backward)
row_sparse_embedding = from_passes(embedding_forward, _row_sparse_backward)

# Scores of users with unit deviation begin near 0, so attention begins nearly even and every token gets a gradient.
TOKEN_DEVIATION = 0.3


class DomainEmbedding(Module):
    """Learnable tokens of each domain: the context that users attend over.

    Parameters
    ----------
    num_domains : int
    emb_dim : int
        Features of a token.
    tokens_per_domain : int
        How many tokens each domain has of its own.
    num_global_tokens : int
        How many tokens all domains share; they come after the domain's own.
    sparse_grad : bool
        Whether `tokens.grad` holds only the domains that were looked up, as a `RowSparseGradient`, so that the cost of
        a step depends on these and not on `num_domains`: for tables of very many domains.  It is dense nevertheless if
        other uses of the tokens add a dense gradient, and at second order.  What happens to the domains that were not
        looked up is documented by the optimiser (`AdamW`, "lazy").
    dtype : floating dtype
    seed : int, numpy.random.SeedSequence or None
        Seed of the tokens, which are normal with deviation 0.3.

    Examples
    --------
    >>> tokens = DomainEmbedding(3, 16, tokens_per_domain=4, num_global_tokens=2, seed=0)
    >>> tokens(np.array([0, 2, 2, 1, 0])).shape
    (5, 6, 16)

    With row-sparse gradients:

    >>> tokens = DomainEmbedding(100_000, 16, tokens_per_domain=1, sparse_grad=True, seed=0)
    >>> np.sum(tokens(np.array([5, 99_999, 5]))).backward()
    >>> tokens.tokens.grad.rows
    array([    5, 99999])
    """

    def __init__(
        self,
        num_domains: int,
        emb_dim: int,
        tokens_per_domain: int = 8,
        num_global_tokens: int = 0,
        *,
        sparse_grad: bool = False,
        dtype: npt.DTypeLike = np.float32,
        seed: Seed = None,
    ) -> None:
        super().__init__()
        self.num_domains = check_count(num_domains, "num_domains")
        self.emb_dim = check_count(emb_dim, "emb_dim")
        self.tokens_per_domain = check_count(tokens_per_domain, "tokens_per_domain")
        self.num_global_tokens = check_count(num_global_tokens, "num_global_tokens", least=0)
        self.sparse_grad = bool(sparse_grad)
        own, shared = (np.random.default_rng(s) for s in spawn(seed, 2))
        dtype = check_dtype(dtype)

        def draw(rng: np.random.Generator, *shape: int) -> Parameter:
            return Parameter((TOKEN_DEVIATION * rng.standard_normal((*shape, emb_dim))).astype(dtype))

        self.tokens = draw(own, num_domains, tokens_per_domain)
        self.global_tokens = draw(shared, num_global_tokens) if num_global_tokens else None

    def __call__(self, domain_id: Any) -> Tensor:
        """Look up the tokens of domains, the shared ones after each domain's own.

        Parameters
        ----------
        domain_id : int or integer array, any shape

        Returns
        -------
        Tensor, shape (*domain_id.shape, tokens_per_domain + num_global_tokens, emb_dim)
        """
        look_up = row_sparse_embedding if self.sparse_grad else embedding
        context: Tensor = look_up(self.tokens, domain_ids(domain_id, self.num_domains))
        if self.global_tokens is None:
            return context
        shared: Any = np.broadcast_to(self.global_tokens, (*context.shape[:-2], *self.global_tokens.shape))
        tokens: Any = np.concatenate([context, shared], axis=-2)
        return tokens  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return the sizes."""
        own, shared = self.tokens_per_domain, self.num_global_tokens
        sparse = ", sparse_grad=True" if self.sparse_grad else ""
        return f"num_domains={self.num_domains}, tokens_per_domain={own}, num_global_tokens={shared}{sparse}"
