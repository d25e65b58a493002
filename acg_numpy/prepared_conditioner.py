"""PreparedConditioner: a conditioner that is no longer trained, with the tables of its kernel computed once."""

import math
from collections.abc import Iterator
from operator import attrgetter, is_
from typing import Any, NamedTuple

from acg_numpy.arguments import batch_shape, check_input, domain_ids, flat_batch
from acg_numpy.autograd import Tensor, no_grad
from acg_numpy.autograd.tensors import plain_tensor
from acg_numpy.kernels.grouping import group_batch
from acg_numpy.kernels.kept_tables import condition_few, condition_many, condition_one, keep_tables
from acg_numpy.kernels.projections import Projections
from acg_numpy.module import Module, Parameter
from acg_numpy.shapes import Array, ArrayOrTensor

FEW = 2**16  # numbers of the tables that are copied, one copy a user, because sorting so few users takes longer


class _Held(NamedTuple):
    """The numbers of a parameter as they were when the tables were made."""

    parameter: Parameter
    path: str
    values: bytearray  # unlike bytes, it is compared with an array without copying it


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
        self._parts = dict(_parts(conditioner))
        self._parts_now = attrgetter(*self._parts)
        parameters = [(path, part) for path, part in self._parts.items() if isinstance(part, Parameter)]
        self._shared = [_Held(p, path, bytearray(p.data.tobytes())) for path, p in parameters if path not in own]
        self._by_domain = [_Held(p, path, bytearray(p.data.tobytes())) for path, p in parameters if path in own]
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
        number = math.prod(batch)
        if number == 1:
            out, weights = condition_one(user_emb.reshape(D), ids.item(), tables)
        elif number * rows * D <= FEW:
            users, ids = flat_batch(user_emb, ids, batch, every=False)
            out, weights = condition_few(users, ids, tables)
        else:
            groups = group_batch(user_emb.shape[:-1], ids, batch, N)
            users, ids = flat_batch(user_emb, ids, batch, every=groups.every)
            out, weights = condition_many(users, ids, tables, groups, with_weights)
        if with_weights and weights is not None:
            weights = weights.reshape(*batch, tables.num_heads, rows // tables.num_heads)
        return out.reshape(*batch, D), weights

    def _check_unchanged(self, ids: Array) -> None:
        """Refuse to compute with tables of other parameters than the conditioner has now."""
        try:
            same = all(map(is_, self._parts_now(self._conditioner), self._parts.values()))
        except AttributeError:
            same = False
        if not same:
            now = dict(_parts(self._conditioner))
            raise _changed(next(path for path, part in self._parts.items() if now.get(path) is not part))
        for parameter, path, values in self._shared:
            if not _holds(parameter._elements, values):
                raise _changed(path)
        for parameter, path, values in self._by_domain:
            rows = parameter._elements
            if ids.size >= len(rows):
                same = _holds(rows, values)
            else:
                same, size = True, len(values) // len(rows)  # bytes of a domain
                for i in set(ids.ravel().tolist()):
                    same = same and _holds(rows[i], values[i * size : (i + 1) * size])
            if not same:
                raise _changed(path)


def _holds(array: Array, values: bytearray) -> bool:
    """Return whether an array has these bytes."""
    return values == (array if array.flags.c_contiguous else array.tobytes())


def _parts(module: Module, prefix: str = "") -> Iterator[tuple[str, Module | Parameter]]:
    """Yield the path and the value of the modules and parameters of a module."""
    for name, value in vars(module).items():
        path = f"{prefix}{name}"
        if isinstance(value, Module | Parameter):
            yield path, value
        if isinstance(value, Module):
            yield from _parts(value, f"{path}.")


def _changed(path: str) -> RuntimeError:
    return RuntimeError(f"{path} has changed since the tables were prepared; call prepared() again")
