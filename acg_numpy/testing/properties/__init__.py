"""Statements about the mathematics, checked for any implementation.

    check_attention(lambda query, key, value, mask=None: ...)

Each check draws examples, compares what the implementation returns with what the mathematics promises, and raises a
`PropertyViolation` with the smallest counterexample that it found.
"""

from acg_numpy.testing.properties.attention import check_attention
from acg_numpy.testing.properties.backward_pair import check_backward_pair
from acg_numpy.testing.properties.embedding import check_embedding
from acg_numpy.testing.properties.layer_norm import check_layer_norm
from acg_numpy.testing.properties.softmax import check_softmax

__all__ = ["check_attention", "check_backward_pair", "check_embedding", "check_layer_norm", "check_softmax"]
