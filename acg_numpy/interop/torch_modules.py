"""Conditioners as modules of PyTorch, and attention of PyTorch as modules of this package.

`TorchConditioner` computes in PyTorch what `AttentionConditioner` computes, forward, backward and in training, and has
its parameters under the same names and in the same layout: `y = x @ weight + bias`.  It is a subclass of
`torch.nn.Module`, made when it is first asked for.
"""

import functools
import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.attention import MultiHeadCrossAttention
from acg_numpy.conditioner import AttentionConditioner, OneKeyWarning
from acg_numpy.interop.libraries import NORM_EPSILON, exported_options, require
from acg_numpy.shapes import Array
from acg_numpy.text import joined


def to_torch(conditioner: AttentionConditioner) -> Any:
    """Return a conditioner as a module of PyTorch.

    Parameters
    ----------
    conditioner : AttentionConditioner
        In float32 or float64.

    Returns
    -------
    TorchConditioner
        A `torch.nn.Module` with copies of the parameters under the names of `state_dict()`, in the same mode, training
        or evaluation.  `module(user_emb, domain_id, return_attention=False)` takes tensors, and for `domain_id` also
        an int or an integer array; they broadcast as they do in a call of the conditioner.

    Raises
    ------
    ModuleNotFoundError
        If PyTorch is not installed.
    TypeError
        If it is not a conditioner in float32 or float64.
    ValueError
        If a module is not what the constructor made.

    Notes
    -----
    `attention.key.bias` has gradient zero (it adds one number to all scores of a row).  Here it is exactly zero, in
    PyTorch it is rounding noise.

    Examples
    --------
    >>> module = to_torch(AttentionConditioner(32, 4, 8, seed=0))  # doctest: +SKIP
    >>> module(torch.randn(5, 32), torch.tensor([0, 7, 7, 1, 0])).shape  # doctest: +SKIP
    torch.Size([5, 32])
    """
    options = exported_options(conditioner, "to_torch")
    torch = require("torch", "to_torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OneKeyWarning)  # it was given when the conditioner was made
        module = _torch_conditioner()(**options)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in conditioner.state_dict().items()})
    return module.train(conditioner.training)


def from_torch(module: Any, embedding: Any = None) -> AttentionConditioner | MultiHeadCrossAttention:
    """Return a module of PyTorch as one of this package.

    Parameters
    ----------
    module : TorchConditioner or torch.nn.MultiheadAttention
    embedding : tensor, array or torch.nn.Embedding, optional
        The tokens of each domain, for a `torch.nn.MultiheadAttention`: `(N, T, D)`, or `(N, T D)` with a domain's
        tokens side by side, which is what an `nn.Embedding` can hold.

    Returns
    -------
    AttentionConditioner or MultiHeadCrossAttention
        The second for a `torch.nn.MultiheadAttention` without `embedding`.  It has copies of the parameters, and the
        mode, training or evaluation, of `module`.

    Raises
    ------
    ModuleNotFoundError
        If PyTorch is not installed.
    TypeError
        If it is another module, or its numbers are not float32 or float64.
    ValueError
        If it has what has no counterpart here: `bias_k`, `add_zero_attn`, `kdim` or `vdim`; or if `embedding` does not
        fit.

    Notes
    -----
    Of a `torch.nn.MultiheadAttention`, weights are transposed (`y = x @ weight.T + bias` there), and `in_proj_weight`
    is cut into the projections of query, key and value.  Its `batch_first` has no counterpart: rows are
    `(..., n_q, D)`.
    Boolean masks mean the opposite: True is where attention is allowed here, and where it is not there.

    Examples
    --------
    >>> attention = from_torch(torch.nn.MultiheadAttention(32, 4, batch_first=True))  # doctest: +SKIP
    >>> conditioner = from_torch(attention, torch.nn.Embedding(10, 8 * 32))  # doctest: +SKIP
    """
    torch = require("torch", "from_torch")
    if type(module) is _torch_conditioner():
        if embedding is not None:
            raise ValueError("embedding is given, but a TorchConditioner has tokens of its own; leave it out")
        state = {name: _array(value, name) for name, value in module.state_dict().items()}
        options = {**module.options, "dtype": _common_dtype(state)}
        return _conditioner(options, state, module.training)
    if type(module) is not torch.nn.MultiheadAttention:
        raise TypeError(
            f"from_torch takes what to_torch returns or a torch.nn.MultiheadAttention, not a {type(module).__name__}"
        )
    state = _attention_state(module)
    options = {"num_heads": module.num_heads, "dropout": module.dropout, "bias": "query.bias" in state}
    if embedding is None:
        attention = MultiHeadCrossAttention(module.embed_dim, **options, dtype=_common_dtype(state))
        attention.load_state_dict(state)
        return attention.train(module.training)
    tokens = _tokens(torch, embedding, module.embed_dim)
    state = {"domain_embedding.tokens": tokens, **{f"attention.{name}": value for name, value in state.items()}}
    options |= dict(zip(("num_domains", "tokens_per_domain", "emb_dim"), tokens.shape, strict=True))
    return _conditioner({**options, "dtype": _common_dtype(state)}, state, module.training)


def _conditioner(options: dict[str, Any], state: dict[str, Array], training: bool) -> AttentionConditioner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OneKeyWarning)
        conditioner = AttentionConditioner(**options)
    conditioner.load_state_dict(state)
    return conditioner.train(training)


def _attention_state(module: Any) -> dict[str, Array]:
    """Return the `state_dict` of the MultiHeadCrossAttention that computes what a nn.MultiheadAttention does."""
    D = module.embed_dim
    without = {
        "bias_k and bias_v (add_bias_kv=True)": module.bias_k is not None or module.bias_v is not None,
        "add_zero_attn=True": module.add_zero_attn,
        f"kdim={module.kdim}, other than embed_dim, {D}": module.kdim != D,
        f"vdim={module.vdim}, other than embed_dim, {D}": module.vdim != D,
    }
    found = [name for name, has in without.items() if has]
    if found:
        raise ValueError(f"the nn.MultiheadAttention has {joined(found)}; MultiHeadCrossAttention has no counterpart")
    arrays = {name: _array(value, name) for name, value in module.state_dict().items()}
    names = ("query", "key", "value")
    state = {f"{name}.weight": w.T for name, w in zip(names, np.split(arrays["in_proj_weight"], 3), strict=True)}
    state["output.weight"] = arrays["out_proj.weight"].T
    if "in_proj_bias" in arrays:
        state |= {f"{name}.bias": b for name, b in zip(names, np.split(arrays["in_proj_bias"], 3), strict=True)}
        state["output.bias"] = arrays["out_proj.bias"]
    return state


def _tokens(torch: Any, embedding: Any, emb_dim: int) -> Array:
    """Return the tokens of all domains, (N, T, D)."""
    if isinstance(embedding, torch.nn.Embedding):
        if embedding.max_norm is not None:
            raise ValueError(f"embedding has max_norm={embedding.max_norm}, which changes rows when they are looked up")
        embedding = embedding.weight
    array = _array(embedding, "embedding")
    rest = array.shape[1:]
    if len(rest) not in (1, 2) or rest[-1] % emb_dim or (len(rest) == 2 and rest[-1] != emb_dim) or 0 in array.shape:
        raise ValueError(
            f"embedding has shape {array.shape}; expected (domains, tokens, {emb_dim}) or (domains, tokens x {emb_dim})"
        )
    return array.reshape(len(array), -1, emb_dim)


def _array(value: Any, name: str) -> Array:
    """Return a tensor or array as an array in float32 or float64."""
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in ("float32", "float64"):
        raise TypeError(f"{name} has dtype {dtype}; expected float32 or float64, which module.float() makes")
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)


def _common_dtype(state: dict[str, Array]) -> npt.DTypeLike:
    dtypes = {array.dtype for array in state.values()}
    if len(dtypes) > 1:
        shown = joined([f"{name} in {array.dtype}" for name, array in state.items()])
        raise TypeError(f"the parameters have several dtypes ({shown}); expected one, which module.float() makes")
    return dtypes.pop()


@functools.cache
def _torch_conditioner() -> Any:
    """Make the class: it can be defined only where PyTorch is installed."""
    torch = require("torch", "TorchConditioner")
    F = torch.nn.functional

    class TorchConditioner(torch.nn.Module):  # type: ignore[misc,name-defined]
        """Condition vectors from users and domains, by multi-head cross-attention, in PyTorch.

        Parameters
        ----------
        **options
            Those of `AttentionConditioner`; the same seed gives the same parameters.  `kernel` has no meaning here, and
            dropout masks are drawn from PyTorch's generator.

        Attributes
        ----------
        options : dict
            What the conditioner is made with.
        """

        def __init__(self, **options: Any) -> None:
            super().__init__()
            made = AttentionConditioner(**options)
            self.options = exported_options(made, "TorchConditioner")
            for name, array in made.state_dict().items():
                *path, last = name.split(".")
                holder: Any = self
                for part in path:
                    if part not in holder._modules:
                        holder.add_module(part, torch.nn.Module())
                    holder = holder._modules[part]
                holder.register_parameter(last, torch.nn.Parameter(torch.from_numpy(array)))

        def forward(self, user_emb: Any, domain_id: Any, return_attention: bool = False) -> Any:
            """Condition users (..., D) on domains (...): conditions (..., D) and, if asked for, weights (..., H, K)."""
            options, tokens = self.options, self.domain_embedding.tokens
            H, d = options["num_heads"], options["inner_dim"] // options["num_heads"]
            ids = torch.as_tensor(domain_id, device=tokens.device)
            # Keys and values are projected for each row or, where these are fewer, for each domain.
            rows = ids.numel() < len(tokens)
            context = _look_up(tokens, ids) if rows else tokens
            shared = getattr(self.domain_embedding, "global_tokens", None)
            if shared is not None:
                context = torch.cat([context, shared.expand(*context.shape[:-2], *shared.shape)], -2)
            key, value = (_project(context, getattr(self.attention, name)) for name in ("key", "value"))
            if not rows:
                key, value = _look_up(key, ids), _look_up(value, ids)
            query = _project(user_emb, self.attention.query).unflatten(-1, (H, 1, d))  # (..., H, 1, d)
            key, value = (x.unflatten(-1, (H, d)).transpose(-2, -3) for x in (key, value))  # (..., H, K, d)
            weights = torch.softmax(query @ key.transpose(-1, -2) / math.sqrt(d), -1)  # (..., H, 1, K)
            out = F.dropout(weights, options["dropout"], self.training) @ value  # (..., H, 1, d)
            out = F.dropout(out.flatten(-3), options["head_dropout"], self.training)  # (..., I)
            if options["output_per_domain"]:
                out = (out.unsqueeze(-2) @ _look_up(self.domain_output.weight, ids)).squeeze(-2)
                out = out + _look_up(self.domain_output.bias, ids) if options["bias"] else out
            else:
                out = _project(out, self.attention.output)
            if options["residual"]:
                out = out + user_emb
            if options["layer_norm"]:
                out = F.layer_norm(out, (options["emb_dim"],), self.norm.weight, self.norm.bias, NORM_EPSILON)
            return (out, weights.squeeze(-2)) if return_attention else out

        def extra_repr(self) -> str:
            """Return the options."""
            return ", ".join(f"{name}={value!r}" for name, value in self.options.items() if value is not None)

    def _project(x: Any, layer: Any) -> Any:
        bias = getattr(layer, "bias", None)
        return x @ layer.weight if bias is None else x @ layer.weight + bias

    def _look_up(table: Any, ids: Any) -> Any:
        # Indexing would read -1 as the last row; F.embedding refuses what is out of range.
        return F.embedding(ids, table.flatten(1)).unflatten(-1, table.shape[1:])

    TorchConditioner.__module__ = __name__  # where pickle finds it
    TorchConditioner.__qualname__ = TorchConditioner.__name__
    return TorchConditioner


def __getattr__(name: str) -> Any:
    """Make `TorchConditioner` when it is first asked for (PEP 562)."""
    if name != "TorchConditioner":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _torch_conditioner()
