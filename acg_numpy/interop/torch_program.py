"""A conditioner as a program of PyTorch: one file that runs where `acg_numpy` is not installed.

It is to PyTorch what an ONNX graph is to its runtimes: operations and numbers, without Python code.  `torch.export`
records it from a small module over the tables of the domains (see `absorbed_tables`).
"""

import os
from typing import Any

from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.interop.absorbed_tables import domain_tables
from acg_numpy.interop.libraries import NORM_EPSILON, exported_options, require


def to_torch_program(conditioner: AttentionConditioner, file: str | os.PathLike[str]) -> None:
    """Write a conditioner, in evaluation mode, as a program that `torch.export.load` reads.

    Parameters
    ----------
    conditioner : AttentionConditioner
        In float32 or float64.
    file : path
        Ends in .pt2 by custom.

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
    `program(user_emb, domain_id)` takes tensors `(batch, D)`, in the conditioner's dtype, and `(batch,)`, int64, of any
    number of rows, and returns `condition`, `(batch, D)`, and `attention`, `(batch, H, K)`.  A domain out of range,
    also a negative one, raises IndexError.  To go on training in PyTorch, use `to_torch`.

    Examples
    --------
    >>> conditioner = AttentionConditioner(32, 4, 8, seed=0)
    >>> to_torch_program(conditioner, "conditioner.pt2")  # doctest: +SKIP
    >>> import torch  # doctest: +SKIP
    >>> program = torch.export.load("conditioner.pt2").module()  # doctest: +SKIP
    >>> condition, attention = program(torch.randn(5, 32), torch.tensor([0, 7, 7, 1, 0]))  # doctest: +SKIP
    """
    options = exported_options(conditioner, "to_torch_program")
    torch = require("torch", "to_torch_program")
    module = _module(torch, conditioner, options).eval()
    users = torch.zeros(3, options["emb_dim"], dtype=getattr(torch, options["dtype"]))
    rows = {0: torch.export.Dim("batch", min=0)}
    shapes = {"user_emb": rows, "domain_id": rows}
    program = torch.export.export(module, (users, torch.zeros(3, dtype=torch.int64)), dynamic_shapes=shapes)
    torch.export.save(program, os.fspath(file))


def _module(torch: Any, conditioner: AttentionConditioner, options: dict[str, Any]) -> Any:
    """Return the module that is recorded."""
    F = torch.nn.functional
    D, H, dtype = options["emb_dim"], options["num_heads"], conditioner.dtype

    def of_domain(table: Any, domain_id: Any) -> Any:
        # Indexing would read -1 as the last row; F.embedding refuses what is out of range.
        return F.embedding(domain_id, table.flatten(1)).unflatten(-1, table.shape[1:])

    class Tables(torch.nn.Module):  # type: ignore[misc]
        """The tables of the domains, and what a user's vector goes through."""

        def __init__(self) -> None:
            super().__init__()
            for name in ("A", "a", "C", "b", "norm_weight", "norm_bias"):
                table = tables.get(name)
                self.register_buffer(name, None if table is None else torch.from_numpy(table.astype(dtype)))

        def forward(self, user_emb: Any, domain_id: Any) -> Any:
            """Return conditions (batch, D) and attention (batch, H, K)."""
            scores = user_emb.unsqueeze(1) @ of_domain(self.A, domain_id)  # (batch, 1, H K)
            if self.a is not None:
                scores = scores + of_domain(self.a, domain_id)
            weights = torch.softmax(scores.unflatten(-1, (H, -1)), -1)  # (batch, 1, H, K)
            out = (weights.flatten(-2) @ of_domain(self.C, domain_id)).squeeze(1)  # (batch, D)
            if self.b is not None:
                out = out + (of_domain(self.b, domain_id) if options["output_per_domain"] else self.b)
            if options["residual"]:
                out = out + user_emb
            if options["layer_norm"]:
                out = F.layer_norm(out, (D,), self.norm_weight, self.norm_bias, NORM_EPSILON)
            return out, weights.squeeze(1)

    tables = domain_tables(conditioner)
    return Tables()
