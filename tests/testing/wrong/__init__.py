"""A catalogue of wrong implementations, each beside the property that must refute it."""

from tests.testing.wrong import attention, embedding, layer_norm, pairs, softmax
from tests.testing.wrong.kind import Wrong

__all__ = ["WRONG", "Wrong"]

WRONG = [*attention.WRONG, *softmax.WRONG, *embedding.WRONG, *layer_norm.WRONG, *pairs.WRONG]
