"""The methods and attributes of an ndarray that a Tensor has too, each the NumPy function of that name."""

from typing import Any, Self

import numpy
import numpy.typing as npt

np: Any = numpy  # NumPy's own annotations do not include other array types
Axis = int | tuple[int, ...] | None


class ArrayMethods:
    """The methods of an ndarray: `t.sum(axis=-1)`, `t.T`, `t.reshape(2, -1)`."""

    __slots__ = ()

    def sum(self, axis: Axis = None, **options: Any) -> Self:
        """Return the sum over axes; see `numpy.sum`."""
        return np.sum(self, axis=axis, **options)

    def mean(self, axis: Axis = None, **options: Any) -> Self:
        """Return the mean over axes; see `numpy.mean`."""
        return np.mean(self, axis=axis, **options)

    def prod(self, axis: Axis = None, **options: Any) -> Self:
        """Return the product over axes; see `numpy.prod`."""
        return np.prod(self, axis=axis, **options)

    def max(self, axis: Axis = None, **options: Any) -> Self:
        """Return the maximum over axes; see `numpy.max`."""
        return np.max(self, axis=axis, **options)

    def min(self, axis: Axis = None, **options: Any) -> Self:
        """Return the minimum over axes; see `numpy.min`."""
        return np.min(self, axis=axis, **options)

    def var(self, axis: Axis = None, **options: Any) -> Self:
        """Return the variance over axes; see `numpy.var`."""
        return np.var(self, axis=axis, **options)

    def std(self, axis: Axis = None, **options: Any) -> Self:
        """Return the standard deviation over axes; see `numpy.std`."""
        return np.std(self, axis=axis, **options)

    def cumsum(self, axis: int | None = None, **options: Any) -> Self:
        """Return the cumulative sum; see `numpy.cumsum`."""
        return np.cumsum(self, axis=axis, **options)

    def cumprod(self, axis: int | None = None, **options: Any) -> Self:
        """Return the cumulative product; see `numpy.cumprod`."""
        return np.cumprod(self, axis=axis, **options)

    def clip(self, min: Any = None, max: Any = None) -> Self:
        """Limit values to an interval; see `numpy.clip`."""
        return np.clip(self, min, max)

    def dot(self, b: Any) -> Self:
        """Return the dot product; see `numpy.dot`."""
        return np.dot(self, b)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """Return the sum along a diagonal; see `numpy.trace`."""
        return np.trace(self, offset, axis1, axis2)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """Return a diagonal; see `numpy.diagonal`."""
        return np.diagonal(self, offset, axis1, axis2)

    def take(self, indices: Any, axis: int | None = None, mode: Any = "raise") -> Self:
        """Return the elements at indices; see `numpy.take`."""
        return np.take(self, indices, axis=axis, mode=mode)

    def repeat(self, repeats: Any, axis: int | None = None) -> Self:
        """Repeat elements; see `numpy.repeat`."""
        return np.repeat(self, repeats, axis=axis)

    def reshape(self, *shape: Any, **options: Any) -> Self:
        """Return the same elements in another shape: `t.reshape(2, 3)` or `t.reshape((2, 3))`."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **options)

    def ravel(self, order: Any = "C") -> Self:
        """Return the elements in one axis; see `numpy.ravel`."""
        return np.ravel(self, order=order)

    def flatten(self, order: Any = "C") -> Self:
        """Return the elements in one axis, as `ravel`: results on a Tensor are values, never views to write to."""
        return np.ravel(self, order=order)

    def squeeze(self, axis: Axis = None) -> Self:
        """Remove axes of length one; see `numpy.squeeze`."""
        return np.squeeze(self, axis=axis)

    def transpose(self, *axes: Any) -> Self:
        """Return the axes in another order: `t.transpose()`, `t.transpose(1, 0)` or `t.transpose((1, 0))`."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return np.transpose(self, order or None)

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        """Exchange two axes; see `numpy.swapaxes`."""
        return np.swapaxes(self, axis1, axis2)

    def astype(
        self, dtype: npt.DTypeLike, order: Any = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        """Convert to another floating dtype, recorded; any other dtype gives a plain array."""
        if not np.can_cast(self.dtype, dtype, casting):  # type: ignore[attr-defined]
            raise TypeError(f"cannot cast from {self.dtype} to {np.dtype(dtype)} by the rule {casting!r}")  # type: ignore[attr-defined]
        return np.astype(self, dtype, copy=copy)

    def copy(self, order: Any = "C") -> Self:
        """Return a copy, recorded."""
        return np.copy(self, order=order)

    @property
    def T(self) -> Self:
        """The axes in reverse order."""
        return np.transpose(self)

    @property
    def mT(self) -> Self:
        """The last two axes exchanged."""
        return np.swapaxes(self, -1, -2)

    def argmax(self, axis: int | None = None, **options: Any) -> Any:
        """Return the index of the maximum, not recorded; see `numpy.argmax`."""
        return np.argmax(self, axis=axis, **options)

    def argmin(self, axis: int | None = None, **options: Any) -> Any:
        """Return the index of the minimum, not recorded; see `numpy.argmin`."""
        return np.argmin(self, axis=axis, **options)

    def argsort(self, axis: int | None = -1, **options: Any) -> Any:
        """Return the indices that sort, not recorded; see `numpy.argsort`."""
        return np.argsort(self, axis=axis, **options)

    def round(self, decimals: int = 0) -> Any:
        """Return rounded values, not recorded: the derivative of rounding is zero wherever there is one."""
        return np.round(self, decimals)

    def any(self, axis: Axis = None, **options: Any) -> Any:
        """Return whether any element is not zero, not recorded; see `numpy.any`."""
        return np.any(self, axis=axis, **options)

    def all(self, axis: Axis = None, **options: Any) -> Any:
        """Return whether all elements are not zero, not recorded; see `numpy.all`."""
        return np.all(self, axis=axis, **options)

    def nonzero(self) -> Any:
        """Return the indices of the elements that are not zero, not recorded; see `numpy.nonzero`."""
        return np.nonzero(self)
