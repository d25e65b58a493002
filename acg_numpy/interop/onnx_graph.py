"""A conditioner as an ONNX graph, with keys and values absorbed into tables of the domains (see `absorbed_tables`)."""

import json
import os
from typing import Any

import numpy as np

from acg_numpy import __version__
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.interop.absorbed_tables import domain_tables
from acg_numpy.interop.libraries import NORM_EPSILON, exported_options, require

OPSET = 17  # the first with LayerNormalization
IR_VERSION = 8  # of the files of that time


def to_onnx(conditioner: AttentionConditioner, file: str | os.PathLike[str], *, attention: bool = False) -> None:
    """Write a conditioner, in evaluation mode, as an ONNX graph.

    Parameters
    ----------
    conditioner : AttentionConditioner
        In float32 or float64.
    file : path
        Ends in .onnx by custom.
    attention : bool
        Whether the weights of attention are a second output.

    Raises
    ------
    ModuleNotFoundError
        If onnx is not installed.
    TypeError
        If it is not a conditioner in float32 or float64.
    ValueError
        If a module is not what the constructor made.

    Notes
    -----
    Inputs are `user_emb`, `(batch, D)`, in the conditioner's dtype, and `domain_id`, `(batch,)`, int64, both with any
    number of rows.  Outputs are `condition`, `(batch, D)`, and, if asked for, `attention`, `(batch, H, K)`.  The opset
    is 17.  The options of the conditioner are in the metadata, as JSON, under "acg_numpy".

    A number of a domain that is out of range, also a negative one, is refused by the runtime: `Gather` must not read
    it from the end of the table, so the graph makes a negative number one that is too large.

    For each row the graph copies the tables of its domain, `H K (2 D + 1)` numbers.  Feed large batches in parts.

    Examples
    --------
    >>> conditioner = AttentionConditioner(32, 4, 8, seed=0)
    >>> to_onnx(conditioner, "conditioner.onnx", attention=True)  # doctest: +SKIP
    >>> import onnxruntime  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession("conditioner.onnx")  # doctest: +SKIP
    >>> condition, attention = session.run(None, {"user_emb": users, "domain_id": ids})  # doctest: +SKIP
    """
    options = exported_options(conditioner, "to_onnx")
    onnx = require("onnx", "to_onnx")
    dtype = conditioner.dtype
    element = onnx.helper.np_dtype_to_tensor_dtype(dtype)
    D, H, N = options["emb_dim"], options["num_heads"], options["num_domains"]
    K = options["tokens_per_domain"] + options["num_global_tokens"]
    constants = {name: array.astype(dtype) for name, array in domain_tables(conditioner).items()}
    constants |= {
        "zero": np.array(0, np.int64),
        "num_domains": np.array(N, np.int64),
        "query_axis": np.array([1], np.int64),
        "by_head": np.array([0, H, K], np.int64),  # 0: as many as there are
        "flat": np.array([0, 1, H * K], np.int64),
    }
    nodes: list[Any] = []

    def add(operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(onnx.helper.make_node(operation, inputs, [output], **attributes))
        return output

    def of_domain(table: str) -> str:
        return add("Gather", [table, "row"], f"{table}_n", axis=0)

    add("Less", ["domain_id", "zero"], "negative")
    add("Where", ["negative", "num_domains", "domain_id"], "row")
    scores = add("MatMul", [add("Unsqueeze", ["user_emb", "query_axis"], "query"), of_domain("A")], "products")
    if "a" in constants:
        scores = add("Add", [scores, of_domain("a")], "scores")
    add("Softmax", [add("Reshape", [scores, "by_head"], "scores_by_head")], "attention", axis=-1)
    weights = add("Reshape", ["attention", "flat"], "weights")
    out = add("Squeeze", [add("MatMul", [weights, of_domain("C")], "mixed"), "query_axis"], "mixed_row")
    if "b" in constants:
        out = add("Add", [out, of_domain("b") if options["output_per_domain"] else "b"], "projected")
    if options["residual"]:
        out = add("Add", [out, "user_emb"], "with_residual")
    if options["layer_norm"]:
        out = add("LayerNormalization", [out, "norm_weight", "norm_bias"], "normed", axis=-1, epsilon=NORM_EPSILON)
    add("Identity", [out], "condition")

    info = onnx.helper.make_tensor_value_info
    inputs = [info("user_emb", element, ["batch", D]), info("domain_id", onnx.TensorProto.INT64, ["batch"])]
    outputs = [info("condition", element, ["batch", D])]
    outputs += [info("attention", element, ["batch", H, K])] if attention else []
    arrays = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = onnx.helper.make_graph(nodes, "conditioner", inputs, outputs, arrays)
    opset = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(
        graph, opset_imports=opset, producer_name="acg_numpy", producer_version=__version__, ir_version=IR_VERSION
    )
    onnx.helper.set_model_props(model, {"acg_numpy": json.dumps(options)})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, os.fspath(file))
