"""PreparedConditioner: a conditioner that is no longer trained, with the tables of its kernel computed once."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from acg_numpy.arguments import batch_shape, check_input, domain_ids, flat_batch
from acg_numpy.autograd import Tensor, no_grad
from acg_numpy.autograd.tensors import plain_tensor
from acg_numpy.kernels.grouping import group_batch
from acg_numpy.kernels.kept_tables import condition_few, condition_many, keep_tables
from acg_numpy.kernels.projections import Projections
from acg_numpy.module import Module, Parameter
from acg_numpy.shapes import Array, ArrayOrTensor

FEW = 2**16  # numbers of the tables that are copied, one copy a user, because sorting so few users takes longer


class _Part(NamedTuple):
    """A module or a parameter as it was when the tables were made."""

    owner: Module
    name: str
    path: str
    value: Any


class _Held(NamedTuple):
    """The numbers of a parameter as they were when the tables were made."""

    parameter: Parameter
    path: str
    values: bytes


class PreparedConditioner:
    """A read-only conditioner in eval mode, as `AttentionConditioner.prepared` makes it.

    It is called as the conditioner is, without a mask, and gives the same numbers, without a gradient and without
    dropout.  What the absorbed kernel makes of tokens and weights is computed once and kept: with few users in a call,
    that is most of the work.

    A call compares the parameters that it depends on with what they were: those that all domains share, and the rows
    of the domains that occur.  If one has changed, it raises a RuntimeError.

    Examples
    --------
    >>> import numpy as np
    >>> from acg_numpy import AttentionConditioner
    >>> conditioner = AttentionConditioner(emb_dim=32, num_heads=4, num_domains=3, seed=0)
    >>> prepared = conditioner.prepared()
    >>> user_emb = np.random.default_rng(0).standard_normal((5, 32), np.float32)
    >>> np.allclose(prepared(user_emb, 1).numpy(), conditioner(user_emb, 1).numpy(), atol=1e-6)
    True
    >>> conditioner.domain_embedding.tokens.data[1] += 1.0
    >>> prepared(user_emb, 1)
    Traceback (most recent call last):
    RuntimeError: domain_embedding.tokens has changed since the tables were prepared; call prepared() again
    """

    def __init__(self, conditioner: Any) -> None:
        self._conditioner = conditioner
        embedding, output = conditioner.domain_embedding, conditioner.domain_output
        projections = conditioner.attention.projections()
        if output is not None:
            projections = (*projections[:6], output.weight, output.bias)
        own = {"domain_embedding.tokens", "domain_output.weight", "domain_output.bias"}  # a row for each domain
        self._parts = list(_parts(conditioner))
        held = [_Held(p.value, p.path, p.value.data.tobytes()) for p in self._parts if isinstance(p.value, Parameter)]
        self._shared = [h for h in held if h.path not in own]
        self._by_domain = [h for h in held if h.path in own]
        shared = None if embedding.global_tokens is None else embedding.global_tokens.numpy()
        weights: list[Any] = [None if p is None else p.numpy() for p in projections]
        tokens = embedding.tokens.numpy()
        self._tables = keep_tables(tokens, shared, Projections(*weights), conditioner.attention.num_heads)

    @property
    def nbytes(self) -> int:
        """Bytes that the tables take: `num_domains` H K (2 D + 1) numbers."""
        return self._tables.A.nbytes + self._tables.C.nbytes

    def __repr__(self) -> str:
        return f"PreparedConditioner({self._conditioner.extra_repr()}; read-only, in eval mode; {self.nbytes:,} bytes)"

    def __call__(self, user_emb: ArrayOrTensor, domain_id: Any, *, return_attention: bool = False) -> Any:
        """Condition users on domains, as `AttentionConditioner` does.

        Parameters
        ----------
        user_emb : array or Tensor, shape (..., D), floating
        domain_id : int, integer array, or names where there are any
            Its shape broadcasts with that of `user_emb` without the last axis.
        return_attention : bool
            Whether to return the attention weights too.

        Returns
        -------
        condition : Tensor, shape (..., D)
            It requires no gradient.
        attention : Tensor, shape (..., H, K)
            If `return_attention`.

        Raises
        ------
        IndexError, TypeError, ValueError
            As the conditioner raises them.
        RuntimeError
            If a parameter has changed, or a module has been replaced, since the tables were prepared.
        """
        conditioner, tables = self._conditioner, self._tables
        N, D = len(tables.C), conditioner.emb_dim
        if isinstance(user_emb, Tensor):
            user_emb = user_emb.data
        user_emb = check_input(user_emb, "user_emb", conditioner.dtype, D)
        ids = domain_ids(domain_id, N, conditioner.domain_names)
        batch = batch_shape(user_emb.shape, ids.shape)
        self._check_unchanged(ids)
        out, weights = self._condition(user_emb, ids, batch, return_attention)
        if conditioner.residual:
            out += user_emb
        condition = plain_tensor(out)
        if conditioner.norm is not None:
            with no_grad():
                condition = conditioner.norm(condition)
        return (condition, plain_tensor(weights)) if return_attention else condition

    def _condition(self, user_emb: Array, ids: Array, batch: tuple[int, ...], with_weights: bool) -> Any:
        """Return the output of attention, (..., D), and the weights, (..., H, K), or None."""
        tables, weights = self._tables, None
        N, rows, D = tables.C.shape
        H = tables.num_heads
        number = math.prod(batch)
        if number * rows * D <= FEW:
            users, ids = flat_batch(user_emb, ids, batch, every=False)
            out, weights = condition_few(users, ids, tables)
        else:
            groups = group_batch(user_emb.shape[:-1], ids, batch, N)
            users, ids = flat_batch(user_emb, ids, batch, every=groups.every)
            out, weights = condition_many(users, ids, tables, groups, with_weights)
        return out.reshape(*batch, D), None if weights is None else weights.reshape(*batch, H, rows // H)

    def _check_unchanged(self, ids: Array) -> None:
        """Refuse to compute with tables of other parameters than the conditioner has now."""
        for owner, name, path, value in self._parts:
            if vars(owner).get(name) is not value:
                raise _changed(path)
        for parameter, path, held in self._shared:
            if parameter._elements.tobytes() != held:
                raise _changed(path)
        for parameter, path, held in self._by_domain:
            now = parameter._elements
            if ids.size >= len(now):
                unchanged = now.tobytes() == held
            else:
                size = len(held) // len(now)  # bytes of a domain
                unchanged = all(now[i].tobytes() == held[i * size : (i + 1) * size] for i in set(ids.ravel().tolist()))
            if not unchanged:
                raise _changed(path)


def _parts(module: Module, prefix: str = "") -> Iterator[_Part]:
    """Go through the modules and parameters of a module."""
    for name, value in vars(module).items():
        path = f"{prefix}{name}"
        if isinstance(value, Module | Parameter):
            yield _Part(module, name, path, value)
        if isinstance(value, Module):
            yield from _parts(value, f"{path}.")


def _changed(path: str) -> RuntimeError:
    return RuntimeError(f"{path} has changed since the tables were prepared; call prepared() again")
