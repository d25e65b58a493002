"""What the engine raises where it has no derivative to give."""


class NoDerivativeError(TypeError):
    """A Tensor that requires a gradient reached a function, or a place in one, for which there is no rule."""
