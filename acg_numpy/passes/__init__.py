"""The classroom: each operation as a forward pass and its hand-derived backward, in plain NumPy.

    out, cache = softmax_forward(scores)
    grads      = softmax_backward(grad_out, cache)    # a NamedTuple, one field a positional argument

Read `softmax` first, then `scaled_dot_product`, then `multi_head_attention`.  Nothing is changed in place, nothing is
random, and any number of leading axes is allowed.
"""

from acg_numpy.passes.domain_linear import domain_linear_backward, domain_linear_forward
from acg_numpy.passes.dropout import dropout_backward, dropout_forward
from acg_numpy.passes.embedding import embedding_backward, embedding_forward
from acg_numpy.passes.heads import (
    merge_heads_backward,
    merge_heads_forward,
    split_heads_backward,
    split_heads_forward,
)
from acg_numpy.passes.layer_norm import layer_norm_backward, layer_norm_forward
from acg_numpy.passes.linear import linear_backward, linear_forward
from acg_numpy.passes.losses import (
    bpr_backward,
    bpr_forward,
    cross_entropy_backward,
    cross_entropy_forward,
    mse_backward,
    mse_forward,
)
from acg_numpy.passes.multi_head_attention import multi_head_attention_backward, multi_head_attention_forward
from acg_numpy.passes.scaled_dot_product import scaled_dot_product_backward, scaled_dot_product_forward
from acg_numpy.passes.scatter import scatter_add
from acg_numpy.passes.similarity import cosine_backward, cosine_forward, diversity_backward, diversity_forward
from acg_numpy.passes.softmax import (
    log_softmax_backward,
    log_softmax_forward,
    softmax_backward,
    softmax_forward,
)

__all__ = [
    "bpr_backward",
    "bpr_forward",
    "cosine_backward",
    "cosine_forward",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "diversity_backward",
    "diversity_forward",
    "domain_linear_backward",
    "domain_linear_forward",
    "dropout_backward",
    "dropout_forward",
    "embedding_backward",
    "embedding_forward",
    "layer_norm_backward",
    "layer_norm_forward",
    "linear_backward",
    "linear_forward",
    "log_softmax_backward",
    "log_softmax_forward",
    "merge_heads_backward",
    "merge_heads_forward",
    "mse_backward",
    "mse_forward",
    "multi_head_attention_backward",
    "multi_head_attention_forward",
    "scaled_dot_product_backward",
    "scaled_dot_product_forward",
    "scatter_add",
    "softmax_backward",
    "softmax_forward",
    "split_heads_backward",
    "split_heads_forward",
]
