"""Linear, DomainLinear and LayerNorm: layers with parameters, each computed by its hand-derived pass."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd import Tensor, from_passes
from acg_numpy.module import Module, Parameter
from acg_numpy.passes import (
    domain_linear_backward,
    domain_linear_forward,
    layer_norm_backward,
    layer_norm_forward,
    linear_backward,
    linear_forward,
)
from acg_numpy.shapes import Array, ArrayOrTensor

# Products with weights of attention that are nearly 0 may underflow to 0.
ignore_underflow = np.errstate(under="ignore")
linear = from_passes(ignore_underflow(linear_forward), ignore_underflow(linear_backward))
domain_linear = from_passes(ignore_underflow(domain_linear_forward), ignore_underflow(domain_linear_backward))
layer_norm = from_passes(layer_norm_forward, layer_norm_backward)

Seed = int | Sequence[int] | np.random.SeedSequence | None


def xavier_uniform(rng: np.random.Generator, fan_in: int, fan_out: int, dtype: npt.DTypeLike) -> Array:
    """Draw a weight (fan_in, fan_out) whose products keep their variance forward and, as nearly, backward.

    Uniform in +-sqrt(6 / (fan_in + fan_out)); Glorot and Bengio, 2010, equation 16.
    """
    limit = math.sqrt(6.0 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, (fan_in, fan_out)).astype(dtype)


class Linear(Module):
    """Linear map with a bias, y = x @ weight + bias.

    Parameters
    ----------
    in_dim, out_dim : int
        Features in and out.
    bias : bool
        Whether a bias is added; it begins at 0.
    dtype : floating dtype
    rng : numpy.random.Generator, optional
        Where the weight is drawn from, Xavier uniform.

    Examples
    --------
    >>> layer = Linear(3, 2, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.weight = Parameter(xavier_uniform(rng or np.random.default_rng(), in_dim, out_dim, dtype))
        self.bias = Parameter(np.zeros(out_dim, dtype)) if bias else None

    def __call__(self, x: ArrayOrTensor) -> Tensor:
        """Return x @ weight + bias: (..., in_dim) -> (..., out_dim)."""
        return linear(x, self.weight, self.bias)  # type: ignore[no-any-return]


class DomainLinear(Module):
    """Linear map of each domain, y = x @ weight[n] + bias[n] for a row in domain n.

    Parameters
    ----------
    num_domains : int
    in_dim, out_dim : int
        Features in and out.
    bias : bool
        Whether a bias is added; it begins at 0.
    dtype : floating dtype
    rng : numpy.random.Generator, optional
        Where the weights are drawn from, each as in `Linear`.

    Examples
    --------
    >>> layer = DomainLinear(4, 3, 2, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 3), np.float32), np.array([0, 3, 3, 1, 0])).shape
    (5, 2)
    """

    def __init__(
        self,
        num_domains: int,
        in_dim: int,
        out_dim: int,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        rng = rng or np.random.default_rng()
        self.weight = Parameter(np.stack([xavier_uniform(rng, in_dim, out_dim, dtype) for _ in range(num_domains)]))
        self.bias = Parameter(np.zeros((num_domains, out_dim), dtype)) if bias else None

    def __call__(self, x: ArrayOrTensor, ids: Any) -> Tensor:
        """Map each row of x (..., in_dim) by the matrix of its domain; `ids` (...) broadcast with its leading axes."""
        return domain_linear(x, ids, self.weight, self.bias)  # type: ignore[no-any-return]


class LayerNorm(Module):
    """Layer norm: each row is brought to mean 0 and variance 1, then scaled and shifted by learned numbers.

    Parameters
    ----------
    dim : int
        Features.
    dtype : floating dtype
    """

    def __init__(self, dim: int, *, dtype: npt.DTypeLike = np.float32) -> None:
        super().__init__()
        self.weight = Parameter(np.ones(dim, dtype))
        self.bias = Parameter(np.zeros(dim, dtype))

    def __call__(self, x: ArrayOrTensor) -> Tensor:
        """Return x normed, scaled and shifted: (..., dim) -> (..., dim)."""
        return layer_norm(x, self.weight, self.bias)  # type: ignore[no-any-return]


def dropout_mask(rng: np.random.Generator, shape: tuple[int, ...], rate: float, dtype: npt.DTypeLike) -> Array:
    """Draw factors that drop each element with probability `rate` and keep the mean: 0, or 1 / (1 - rate)."""
    keep = 1.0 - rate
    return (rng.random(shape, np.float32) < keep).astype(dtype) / np.asarray(keep, dtype)  # type: ignore[no-any-return]


def spawn(seed: Seed, n: int) -> list[np.random.SeedSequence]:
    """Return n independent seeds made from one, which is not changed."""
    try:
        sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    except (TypeError, ValueError):
        raise TypeError(
            f"seed is {seed!r}; expected a whole number from 0, a numpy.random.SeedSequence or None"
        ) from None
    return [np.random.SeedSequence(sequence.entropy, spawn_key=(*sequence.spawn_key, i)) for i in range(n)]


def plain_seed(seed: Seed) -> int | list[int] | None:
    """Return a seed that draws the same numbers and that JSON can hold: a whole number, a list of them, or None.

    A SeedSequence hashes one list of 32-bit words: those of its entropy, padded to the size of its pool where a spawn
    key follows, and those of the key.

    Examples
    --------
    >>> plain_seed(spawn(7, 2)[1])
    [7, 0, 0, 0, 1]
    """
    if seed is None:
        return None
    if not isinstance(seed, np.random.SeedSequence):
        return int(seed) if isinstance(seed, int | np.integer) else [int(number) for number in seed]
    entropy = _words(seed.entropy)
    if seed.spawn_key:
        entropy += [0] * (seed.pool_size - len(entropy))
    return entropy + _words(seed.spawn_key)


def _words(numbers: Any) -> list[int]:
    """Return the 32-bit words of a whole number, or of each of several, the lowest first."""
    if isinstance(numbers, Sequence | np.ndarray):
        return [word for number in numbers for word in _words(number)]
    number = int(numbers)
    return [number % 2**32, *(_words(number // 2**32) if number >= 2**32 else [])]
