"""AttentionConditioner: the condition of a user for a domain, by cross-attention over the domain's tokens."""

import inspect
import math
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from acg_numpy.arguments import (
    batch_shape,
    check_choice,
    check_dtype,
    check_input,
    check_names,
    domain_ids,
    flat_batch,
)
from acg_numpy.attention import INPUT_PROJECTIONS, MultiHeadCrossAttention
from acg_numpy.domain_embedding import DomainEmbedding
from acg_numpy.element_types import check_elements
from acg_numpy.kernels.conditioning import condition
from acg_numpy.kernels.grouping import Groups, group_batch
from acg_numpy.kernels.planning import KERNELS, Plan, make_plan
from acg_numpy.layers import DomainLinear, LayerNorm, Linear, Seed, plain_seed, spawn
from acg_numpy.module import Module, replaced_module
from acg_numpy.prepared_conditioner import PreparedConditioner
from acg_numpy.shapes import Array, ArrayOrTensor, check_boolean, check_broadcast
from acg_numpy.text import html_table

MOST_NAMES = 12  # of domains, in a display

# The modules that a kernel computes at once, and so only as long as each of them is what the constructor made.
INPUT_MODULES: dict[str, type[Module]] = {
    "domain_embedding": DomainEmbedding,
    "attention": MultiHeadCrossAttention,
    **{f"attention.{name}": cls for name, cls in INPUT_PROJECTIONS.items()},
}
MODULES: dict[str, type[Module]] = {**INPUT_MODULES, "attention.output": Linear}
MODULES_PER_DOMAIN: dict[str, type[Module]] = {**INPUT_MODULES, "domain_output": DomainLinear}


class OneKeyWarning(UserWarning):
    """Warning that attention is over a single key: its weight is always 1, so the condition ignores the user."""


class _Call(NamedTuple):
    """Arguments of a call, checked, with the batch that they make, and how they are computed."""

    user_emb: ArrayOrTensor  # (..., D), in the conditioner's dtype
    ids: Array  # (...)
    mask: Array | None  # (..., K)
    batch: tuple[int, ...]  # what the leading axes of these broadcast to
    groups: Groups | None  # of the ids; None if the modules are called
    plan: Plan


class AttentionConditioner(Module):
    """Condition vectors from users and domains, by multi-head cross-attention.

    The user's embedding is the query; the tokens of the domain, and those that all domains share, are keys and values:

        context = domain_embedding(domain_id)
        condition = attention(user_emb, context)

    Parameters
    ----------
    emb_dim : int
        Features D of users, tokens and conditions.
    num_heads : int
        Divides `inner_dim`.
    num_domains : int
    dropout : float
        Probability, at least 0 and below 1, of dropping an attention weight in training mode.
    tokens_per_domain : int
        With one, and none shared, attention has a single key, cannot depend on the user, and warns.
    num_global_tokens : int
        Tokens that all domains share.
    inner_dim : int, optional
        Features I of projected queries, keys and values, of all heads together; `emb_dim` where none is given.
    head_dropout : float
        Probability, at least 0 and below 1, of dropping a feature of the merged heads, before the output projection,
        in training mode.
    output_per_domain : bool
        Whether each domain has an output projection of its own, in the place of one that all domains share.
    residual : bool
        Whether the user's embedding is added to what attention gives.
    layer_norm : bool
        Whether the result is normed, after the residual.
    bias : bool
        Whether the projections have one.
    domain_names : sequence of str, optional
        One for each domain; `domain_id` may then be given by name.
    kernel : str
        How the condition is computed, with the same numbers: "auto" takes what costs least for the shapes at hand, see
        `plan`; "absorbed" and "grouped" are the ways to share work among the users of a domain, and "classroom" calls
        the modules.
    dtype : floating dtype
        Of the parameters, of the computation, and of the condition.
    seed : int, numpy.random.SeedSequence or None
        Where parameters and dropout masks are drawn from: the same seed gives the same numbers.

    Notes
    -----
    `domain_embedding`, `attention`, the projections of `attention` and `domain_output`, where there is one, may be
    replaced, by modules of your own that are called as these are.  A kernel stands in for them only while all are what
    the constructor made: exactly of its classes (an instance of a subclass is a replacement), whose `__call__` is the
    one that they were defined with, with no attribute of the instance in the place of a method, and with projections
    between `emb_dim` and `inner_dim` features.  Otherwise the modules themselves are called, whatever `kernel` says,
    and `plan` says so.

    Examples
    --------
    >>> conditioner = AttentionConditioner(emb_dim=32, num_heads=4, num_domains=3, seed=0)
    >>> user_emb = np.random.default_rng(0).standard_normal((5, 32), np.float32)
    >>> conditioner(user_emb, 1).shape  # five users in domain 1
    (5, 32)
    >>> conditioner(user_emb, np.array([0, 2, 2, 1, 0])).shape  # each in a domain of their own
    (5, 32)
    >>> condition, attention = conditioner(
    ...     user_emb[:, None], np.arange(3), return_attention=True
    ... )  # each in every domain
    >>> condition.shape, attention.shape
    ((5, 3, 32), (5, 3, 4, 8))
    """

    def __init__(
        self,
        emb_dim: int,
        num_heads: int,
        num_domains: int,
        dropout: float = 0.0,
        *,
        tokens_per_domain: int = 8,
        num_global_tokens: int = 0,
        inner_dim: int | None = None,
        head_dropout: float = 0.0,
        output_per_domain: bool = False,
        residual: bool = False,
        layer_norm: bool = False,
        bias: bool = True,
        domain_names: Sequence[str] | None = None,
        kernel: str = "auto",
        dtype: npt.DTypeLike = np.float32,
        seed: Seed = None,
    ) -> None:
        super().__init__()
        self.kernel = check_choice(kernel, "kernel", KERNELS)
        self.dtype = check_dtype(dtype)
        for_tokens, for_attention, for_output = spawn(seed, 3)
        self.domain_embedding = DomainEmbedding(
            num_domains, emb_dim, tokens_per_domain, num_global_tokens, dtype=dtype, seed=for_tokens
        )
        self.attention = MultiHeadCrossAttention(
            emb_dim,
            num_heads,
            dropout,
            inner_dim=inner_dim,
            head_dropout=head_dropout,
            output=not output_per_domain,
            bias=bias,
            dtype=dtype,
            seed=for_attention,
        )
        self.emb_dim = self.attention.emb_dim
        self.domain_output = None
        if output_per_domain:
            rng = np.random.default_rng(for_output)
            self.domain_output = DomainLinear(
                num_domains, self.attention.inner_dim, emb_dim, bias=bias, dtype=dtype, rng=rng
            )
        self.norm = LayerNorm(emb_dim, dtype=dtype) if layer_norm else None
        self.residual = bool(residual)
        self.domain_names = check_names(domain_names, num_domains)
        self.seed = plain_seed(seed)
        if tokens_per_domain + num_global_tokens == 1:
            warnings.warn(
                "one token per domain and no global ones: attention over a single key gives it weight 1 whatever the "
                "user, so the condition does not depend on the user, and query and key learn nothing; use "
                "tokens_per_domain=8",
                OneKeyWarning,
                stacklevel=2,
            )

    def __call__(
        self, user_emb: ArrayOrTensor, domain_id: Any, *, mask: Array | None = None, return_attention: bool = False
    ) -> Any:
        """Condition users on domains.

        Parameters
        ----------
        user_emb : array or Tensor, shape (..., D), floating
            Of another floating dtype it is cast, and its gradient comes back in its own.
        domain_id : int, integer array, or names where there are any
            Its shape broadcasts with that of `user_emb` without the last axis.
        mask : boolean array, shape (..., K), optional
            True where a token may be attended to, of the domain's own tokens and then the shared ones; whatever the
            others hold has no effect.  Its leading axes broadcast with the batch of users and domains, and are no more.
        return_attention : bool
            Whether to return the attention weights too.

        Returns
        -------
        condition : Tensor, shape (..., D)
        attention : Tensor, shape (..., H, K)
            If `return_attention`: the weights of each head over the domain's own tokens and then the shared ones,
            before dropout. Rows sum to 1. `acg_numpy.plots.attention_map` draws them.

        Raises
        ------
        IndexError
            If a domain's number is not from 0 to `num_domains` - 1.
        TypeError
            If `user_emb` is not floating, or `domain_id` neither integers nor names.
        ValueError
            If the last axis of `user_emb` is not `emb_dim`, the shapes do not broadcast, or a name is not known.
        """
        call = self._prepare(user_emb, domain_id, mask)
        if call.groups is None or call.plan.kernel == "classroom":
            context = self.domain_embedding(call.ids)  # (..., K, D)
            mask = None if call.mask is None else call.mask[..., None, :]  # (..., 1, K), since a user is one query
            out = self.attention(call.user_emb[..., None, :], context, mask=mask, return_attention=return_attention)
            out, weights = (x[..., 0, :] for x in out) if return_attention else (out[..., 0, :], None)
            if self.domain_output is not None:
                out = self.domain_output(out, call.ids)
        else:
            out, weights = self._condition_by_kernel(call, call.groups, return_attention)
        if self.residual:
            out = out + call.user_emb
        if self.norm is not None:
            out = self.norm(out)
        return (out, weights) if return_attention else out

    def _prepare(self, user_emb: ArrayOrTensor, domain_id: Any, mask: Array | None = None) -> _Call:
        """Check the arguments of a call, group the users by domain, and plan."""
        user_emb = check_input(user_emb, "user_emb", self.dtype, self.emb_dim)
        num_domains = getattr(self.domain_embedding, "num_domains", sys.maxsize)  # a replacement may not say how many
        ids = domain_ids(domain_id, num_domains, self.domain_names)
        batch = batch_shape(user_emb.shape, ids.shape)
        replaced, own = self.replaced_part(), self.domain_embedding
        num_tokens = None if replaced else own.tokens_per_domain + own.num_global_tokens
        if mask is not None:
            check_elements(mask, "mask")
            mask = np.asarray(mask)
            _check_token_mask(mask, batch, num_tokens)
        if num_tokens is None:
            why = f"{replaced} is not as the constructor made it, so the modules themselves are called"
            return _Call(user_emb, ids, mask, batch, None, Plan("classroom", why, {}, {"results": math.prod(batch)}))
        if mask is not None:
            batch = np.broadcast_shapes(batch, mask.shape[:-1])
        groups = group_batch(user_emb.shape[:-1], ids, batch, num_domains)
        attention = self.attention
        plan = make_plan(
            groups,
            num_tokens,
            self.emb_dim,
            attention.num_heads,
            self.kernel,
            inner=attention.inner_dim,
            head_dropout=self.training and attention.head_dropout > 0,
        )
        return _Call(user_emb, ids, mask, batch, groups, plan)

    def replaced_part(self) -> str | None:
        """Return the name of the first module that the kernels do not stand in for, as `plan` says it, or None."""
        own = self.domain_output is not None
        name = replaced_module(self, MODULES_PER_DOMAIN if own else MODULES)
        if name is not None:
            return name
        attention, D = self.attention, self.emb_dim
        if own and attention.output is not None:
            return "attention.output"
        inner = attention.inner_dim
        shapes: list[Any] = [("query", (D, inner)), ("key", (D, inner)), ("value", (D, inner))]
        shapes += [] if own else [("output", (inner, D))]
        for projection, shape in shapes:
            if getattr(attention, projection).weight.shape != shape:
                return f"attention.{projection}"
        return None

    def _condition_by_kernel(self, call: _Call, groups: Groups, with_weights: bool) -> tuple[Any, Any]:
        """Return what the modules return, computed by the kernel that is planned: the same numbers for less."""
        user_emb, ids, mask, batch, _, plan = call
        attention, D, H, K = self.attention, self.emb_dim, self.attention.num_heads, plan.shapes["tokens"]
        user_emb, ids = flat_batch(user_emb, ids, batch, every=groups.every)
        rows = (len(user_emb), len(ids)) if groups.every else (len(ids),)  # (U, M), or (U,)
        if mask is not None:
            mask = None if mask.all() else np.broadcast_to(mask, (*batch, K)).reshape(*rows, K)
        inner = attention.inner_dim
        dropout_mask = attention.draw_dropout_mask((*batch, H, 1, K))
        head_dropout_mask = attention.draw_head_dropout_mask((*batch, 1, inner))
        projections = attention.projections()
        if self.domain_output is not None:
            projections = (*projections[:6], self.domain_output.weight, self.domain_output.bias)
        outputs = condition(
            user_emb,
            self.domain_embedding.tokens,
            self.domain_embedding.global_tokens,
            *projections,
            ids,
            mask,
            None if dropout_mask is None else dropout_mask.reshape(*rows, H, K),
            None if head_dropout_mask is None else head_dropout_mask.reshape(*rows, inner),
            num_heads=H,
            kernel=plan.kernel,
            groups=groups,
            with_weights=with_weights,
            sparse_grad=self.domain_embedding.sparse_grad,
        )
        out, weights = outputs if with_weights else (outputs, None)
        if batch != out.shape[:-1]:
            out = np.reshape(out, (*batch, D))
            weights = None if weights is None else np.reshape(weights, (*batch, H, K))
        return out, weights

    def plan(self, user_emb: ArrayOrTensor, domain_id: Any) -> Plan:
        """Return which kernel is used for these users and domains, why, and what each would cost.

        Parameters
        ----------
        user_emb, domain_id
            As for a call.

        Returns
        -------
        Plan
            `print(plan)` shows it; `plan.kernel`, `plan.why`, `plan.costs` and `plan.shapes` are its parts.

        Examples
        --------
        >>> conditioner = AttentionConditioner(emb_dim=64, num_heads=4, num_domains=8, seed=0)
        >>> user_emb = np.zeros((8192, 64), np.float32)
        >>> conditioner.plan(user_emb, np.arange(8192) % 8).kernel
        'absorbed'
        """
        plan = self._prepare(user_emb, domain_id).plan
        # the plan is kept for further calls, so its dictionaries are copied
        return replace(plan, costs=dict(plan.costs), shapes=dict(plan.shapes))

    def prepared(self) -> PreparedConditioner:
        """Return a read-only conditioner in eval mode that keeps the tables of its kernel, for serving.

        It is called as this one and gives the same numbers, without a gradient and sooner.  After another step of
        training it refuses to be called, because its tables are those of the parameters as they were.

        Raises
        ------
        ValueError
            If a module is not what the constructor made, because then no kernel stands in for it.

        Examples
        --------
        >>> conditioner = AttentionConditioner(emb_dim=32, num_heads=4, num_domains=3, dropout=0.1, seed=0)
        >>> condition = conditioner.prepared()(np.ones(32, np.float32), 2)
        >>> condition.shape, condition.requires_grad
        ((32,), False)
        """
        if (replaced := self.replaced_part()) is not None:
            raise ValueError(
                f"{replaced} is not as the constructor made it, so there are no tables to keep; call the conditioner "
                "itself, with no_grad()"
            )
        return PreparedConditioner(self)

    def options(self) -> dict[str, Any]:
        """Return the arguments that the constructor makes a conditioner of the same kind from.

        The parameters' values are not among them: `state_dict` has these.

        Returns
        -------
        dict
            A value for each parameter of the constructor, in its order, as it is now, and such that JSON can hold it:
            the dtype by its name, a `numpy.random.SeedSequence` as the list of whole numbers that means the same.

        Raises
        ------
        ValueError
            If a module is not what the constructor made, so that the options would not describe the conditioner.

        Examples
        --------
        >>> conditioner = AttentionConditioner(8, 2, 3, residual=True, seed=0)
        >>> other = AttentionConditioner(**conditioner.options())
        >>> other.load_state_dict(conditioner.state_dict())
        >>> conditioner.options()["residual"], conditioner.options()["dtype"]
        (True, 'float32')
        """
        replaced = self.replaced_part()
        if replaced is None and self.norm is not None:
            replaced = replaced_module(self, {"norm": LayerNorm})
        if replaced is not None:
            raise ValueError(
                f"{replaced} is not as the constructor made it, so no options of the constructor describe this "
                "conditioner; keep its class beside its state_dict()"
            )
        return self._options()

    def _options(self) -> dict[str, Any]:
        """Return the options as far as the modules have them: one that was replaced may not."""
        made = {**vars(self.domain_embedding), **vars(self.attention), **vars(self)}
        made |= {
            "output_per_domain": self.domain_output is not None,
            "layer_norm": self.norm is not None,
            "bias": any(name == "attention.query.bias" for name, _ in self.named_parameters()),
            "domain_names": None if self.domain_names is None else list(self.domain_names),
            "dtype": self.dtype.name,
        }
        return {name: made[name] for name in inspect.signature(AttentionConditioner).parameters if name in made}

    def num_parameters_per_domain(self) -> int:
        """Return how many numbers one more domain adds: its own tokens and, where it has one, its own output.

        Examples
        --------
        >>> conditioner = AttentionConditioner(32, 16, 8, inner_dim=128, layer_norm=True)
        >>> conditioner.num_parameters(), conditioner.num_parameters_per_domain()
        (18912, 256)
        """
        own: list[Any] = [self.domain_embedding.tokens]
        own += [] if self.domain_output is None else self.domain_output.parameters()
        return sum(math.prod(parameter.shape[1:]) for parameter in own)

    def extra_repr(self) -> str:
        """Return the options that are not what they are by default, and the number of parameters."""
        parameters = inspect.signature(AttentionConditioner).parameters
        defaults = {name: parameter.default for name, parameter in parameters.items()}
        defaults |= {"inner_dim": self.emb_dim, "dtype": np.dtype(defaults["dtype"]).name}
        options = {name: value for name, value in self._options().items() if value != defaults[name]}
        shown = ", ".join(f"{name}={value!r}" for name, value in options.items())
        return f"{shown}; {self.num_parameters():,} parameters"

    def _repr_html_(self) -> str:
        """Return options and parameters as HTML for a notebook; the names of domains are escaped.

        Examples
        --------
        >>> conditioner = AttentionConditioner(8, 2, 2, domain_names=["books", "R&B"], seed=0)
        >>> "books, R&amp;B" in conditioner._repr_html_()
        True
        """
        names = ", ".join(self.domain_names[:MOST_NAMES]) if self.domain_names else ""
        more = ", ..." if self.domain_names and len(self.domain_names) > MOST_NAMES else ""
        options = self._options()
        del options["domain_names"]
        if "num_domains" in options:
            options["num_domains"] = f"{options['num_domains']:,}" + (f" ({names}{more})" if names else "")
        mode = f"{'in' if self.training else 'off, not in'} training mode"
        options |= {name: f"{options[name]:g} ({mode})" for name in ("dropout", "head_dropout") if options.get(name)}
        shown = escape(", ".join(f"{name}={value}" for name, value in options.items() if value is not None))
        table = html_table(
            ["parameter", "shape", "numbers"],
            [(name, str(p.shape), f"{math.prod(p.shape):,}") for name, p in self.named_parameters()],
        )
        title = f"<strong>{escape(type(self).__name__)}</strong>, {self.num_parameters():,} parameters"
        return f"<div class='acg-conditioner'><p>{title}<br><small>{shown}</small></p>{table}</div>"


def _check_token_mask(mask: Array, batch: tuple[int, ...], num_tokens: int | None) -> None:
    """Refuse a mask that is not boolean, or does not fit a batch of users and a number of tokens, where it is known."""
    check_boolean(mask, "where a token may be attended to")
    expected = f"expected {(*batch, num_tokens)}" if num_tokens else f"expected the batch, {batch}, and the tokens"
    if mask.ndim > len(batch) + 1:
        raise ValueError(f"mask has shape {mask.shape}; {expected}, without axes for heads and queries, which share it")
    if mask.ndim == 0 or mask.shape[-1] not in (1, num_tokens or mask.shape[-1]):
        raise ValueError(f"mask has shape {mask.shape}; {expected}")
    check_broadcast(mask=mask.shape[:-1], batch=batch)
