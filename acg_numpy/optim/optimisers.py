"""Optimisers that update parameters by their gradients: SGD with momentum, and AdamW.

Both decay weights apart from the gradient ("decoupled"): p <- p - rate * decay * p, whatever the gradient is.

AdamW keeps two running averages for each parameter, of the gradient g and of its square, and corrects for their start
at 0 (t counts the parameter's own steps):

    m <- beta1 m + (1 - beta1) g              v <- beta2 v + (1 - beta2) g^2
    p <- p - rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

The quotient is about 1 however small g is.  That is intended, and has a price: a gradient that is zero in exact
arithmetic, and rounding noise in floating point, would be blown up to full steps in random directions.  Attention has
such a parameter, the bias of its keys.  So a gradient that as a whole lies below the rounding error of the largest one
counts as the zero that it stands for.

A gradient that holds NaN or infinity has no direction: a step raises FloatingPointError, and updates nothing.

Clipping shortens all gradients together if they are longer, as one vector, than a limit; their direction stays:

    g <- g * min(1, limit / |g|)              |g|^2 = the sum of the squares over all parameters

Tables whose gradient is row-sparse (`RowSparseGradient`) are updated lazily: every row counts as a parameter of its
own, and the rows that the gradient does not hold are not updated, as a whole parameter without a gradient is not.
Their values do not decay; their averages stay as they were, and nothing makes up for that when they are next updated;
AdamW's t counts a row's own steps.  So the cost of a lazy step depends on the rows that it touches.  It is not the
dense step, in which a row that was not looked up has gradient 0: that one decays its values and its averages, and moves
it on by what is left of them.  Without momentum and weight decay SGD's two are the same.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.optim.flat_buffer import FlatBuffer, HasGradient, blocks
from acg_numpy.shapes import Array

WIDENED = 1 << 13  # numbers whose squares are added up together, in double precision


class SGD:
    """Stochastic gradient descent, optionally with momentum.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
        The learning rate; may be set anew between steps, as `optimiser.lr`.
    momentum : float, default 0
        The step is along the velocity <- momentum * velocity + gradient.
    weight_decay : float, default 0
        Decoupled: each step also subtracts lr * weight_decay of the parameter.

    Raises
    ------
    ValueError
        If there is no parameter, one is listed twice, or a number is out of range.

    Notes
    -----
    Lazy if a gradient is row-sparse: of a row that it does not hold, neither value nor velocity changes, so that the
    row neither decays nor moves on; a row's velocity keeps `momentum` of what it was when the row was last held.

    Examples
    --------
    >>> from acg_numpy.module import Parameter
    >>> w = Parameter(np.array([1.0, -2.0]))
    >>> optimiser = SGD([w], lr=0.5)
    >>> np.sum(w * w).backward()  # the gradient is 2 w
    >>> optimiser.step()
    >>> w.data
    array([0., 0.])
    """

    def __init__(
        self, parameters: Iterable[HasGradient], lr: float, *, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        _check_range("momentum", momentum, 0.0, 1.0)
        _check_rates(lr, weight_decay)
        self.parameters = _check_distinct(parameters)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self._buffer = FlatBuffer(self.parameters, 1)

    def zero_grad(self) -> None:
        """Set every gradient to None."""
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient.

        Raises
        ------
        FloatingPointError
            If a gradient holds NaN or infinity; nothing is updated then.
        """
        _gradient_sizes(self.parameters)
        grads = [p.grad for p in self.parameters]
        self._buffer.update(grads, [0] * len(grads), 1.0 - self.lr * self.weight_decay, self._update_rule)

    def _update_rule(self, grad: Array, averages: Sequence[Array], t: int, out: Array) -> None:
        (velocity,) = averages
        if self.momentum:
            velocity *= self.momentum
            velocity += grad
        else:
            velocity[...] = grad
        np.multiply(velocity, self.lr, out=out)

    def state_dict(self) -> dict[str, Array]:
        """Return copies of what the next step depends on, as a flat dict of arrays."""
        return {name: array.copy() for name, array in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Continue from a `state_dict`; nothing changes if it does not fit (ValueError)."""
        _load_arrays(self._state(), state)

    def _state(self) -> dict[str, Array]:
        return {f"velocity.{i}": velocity for i, (velocity,) in enumerate(self._buffer.averages)}


class AdamW:
    """Adam with decoupled weight decay.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float, default 3e-3
        The learning rate; may be set anew between steps, as `optimiser.lr`.
    weight_decay : float, default 1e-2
        Each step also subtracts lr * weight_decay of the parameter.
    betas : pair of float, default (0.9, 0.999)
        How much of the running averages of the gradient and of its square each step keeps.
    eps : float, default 1e-8
        Added to the root of the average square.

    Raises
    ------
    ValueError
        If there is no parameter, one is listed twice, or a number is out of range.

    Notes
    -----
    A gradient counts as zero if its root mean square is below 4 machine epsilons times that of the largest gradient: it
    is rounding noise then (see the head of this file).

    Lazy if a gradient is row-sparse: of a row that it does not hold, neither the value (no weight decay, no step)
    nor the two averages change.  A row that it holds takes the step of a parameter of its own that has had as many
    gradients as the row has: it decays once by lr * weight_decay, each of its averages keeps `betas` of what it was
    when the row was last held, and t in the correction of their start at 0 counts the row's own steps (kept in the
    state, as `row_steps`, from the first row-sparse gradient on).  A dense gradient holds all rows.  The root mean
    square that is compared with the largest one is taken over the rows held.

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.

    Examples
    --------
    >>> from acg_numpy.module import Parameter
    >>> w = Parameter(np.array([1.0, -2.0]))
    >>> optimiser = AdamW([w], lr=0.1, weight_decay=0.0)
    >>> np.sum(w * w).backward()
    >>> optimiser.step()  # the first step is lr in each coordinate, towards 0
    >>> w.data.round(6)
    array([ 0.9, -1.9])
    """

    def __init__(
        self,
        parameters: Iterable[HasGradient],
        lr: float = 3e-3,
        weight_decay: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        _check_rates(lr, weight_decay)
        for i in (0, 1):
            _check_range(f"betas[{i}]", betas[i], 0.0, 1.0)
        if not eps > 0:
            raise ValueError(f"eps must be above 0, but it is {eps}")
        self.parameters = _check_distinct(parameters)
        self.lr, self.weight_decay, self.betas, self.eps = lr, weight_decay, betas, eps
        self._steps = np.zeros(len(self.parameters), np.int64)
        self._row_steps: dict[int, Array] = {}  # for each row of the tables that have had a row-sparse gradient
        self._buffer = FlatBuffer(self.parameters, 2)  # the mean gradient, and the mean square

    def zero_grad(self) -> None:
        """Set every gradient to None."""
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient.

        Raises
        ------
        FloatingPointError
            If a gradient holds NaN or infinity; nothing is updated then.
        """
        sizes = _gradient_sizes(self.parameters)
        largest = max(sizes)
        grads = [_zero_if_noise(p.grad, size, largest) for p, size in zip(self.parameters, sizes, strict=True)]
        steps = []
        t: Any
        for i, grad in enumerate(grads):
            if isinstance(grad, RowSparseGradient) or (i in self._row_steps and grad is not None):
                grads[i], t = self._count_rows(i, grad)
            else:
                t = int(self._steps[i]) + 1
            self._steps[i] += grad is not None
            steps.append(t)
        self._buffer.update(grads, steps, 1.0 - self.lr * self.weight_decay, self._update_rule)

    def _count_rows(self, i: int, grad: Any) -> tuple[RowSparseGradient, Array]:
        """Count one step for each row that a table's gradient holds: for all of them if it is dense."""
        if not isinstance(grad, RowSparseGradient):
            grad = RowSparseGradient(np.arange(len(grad)), grad, grad.shape)
        if i not in self._row_steps:
            before = int(self._steps[i])
            self._row_steps[i] = np.zeros(len(grad), np.int64) if not before else np.full(len(grad), before)
        self._row_steps[i][grad.rows] += 1
        return grad, self._row_steps[i][grad.rows]

    def _update_rule(self, grad: Array, averages: Sequence[Array], t: Any, out: Array) -> None:
        beta1, beta2 = self.betas
        m, v = averages
        m *= beta1
        m += np.multiply(grad, 1.0 - beta1, out=out)
        v *= beta2
        np.multiply(grad, grad, out=out)
        out *= 1.0 - beta2
        v += out

        # rate * (m / c1) / (sqrt(v / c2) + eps), with both corrections joined in one number for each step, or row
        c1, root = 1.0 - beta1**t, (1.0 - beta2**t) ** 0.5
        np.sqrt(v, out=out)
        out += _as_column(self.eps * root, out)
        np.divide(m, out, out=out)
        out *= _as_column(self.lr * root / c1, out)

    def state_dict(self) -> dict[str, Array]:
        """Return copies of what the next step depends on, as a flat dict of arrays."""
        return {name: array.copy() for name, array in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Continue from a `state_dict`; nothing changes if it does not fit (ValueError)."""
        before = self._row_steps
        self._row_steps = {
            i: np.zeros(p.data.shape[:1], np.int64) for i, p in enumerate(self.parameters) if f"row_steps.{i}" in state
        }
        try:
            _load_arrays(self._state(), state)
        except ValueError:
            self._row_steps = before
            raise

    def _state(self) -> dict[str, Array]:
        rows = {f"row_steps.{i}": steps for i, steps in self._row_steps.items()}
        mean = {f"mean.{i}": m for i, (m, _) in enumerate(self._buffer.averages)}
        square = {f"square.{i}": v for i, (_, v) in enumerate(self._buffer.averages)}
        return {"steps": self._steps, **mean, **square, **rows}


def clip_gradients(parameters: Iterable[HasGradient], limit: float) -> float:
    """Shorten all gradients together to a norm of at most `limit`; they keep their direction.

    Parameters
    ----------
    parameters : iterable of Parameter
        Those without a gradient count as 0.  A row-sparse gradient stays row-sparse.
    limit : float
        The largest global norm that is left as it is, above 0.

    Returns
    -------
    float
        The global norm as it was.

    Raises
    ------
    ValueError
        If `limit` is not a finite number above 0.
    FloatingPointError
        If a gradient holds NaN or infinity, or the norm is not finite: such gradients have no direction to keep.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013, algorithm 1.

    Examples
    --------
    >>> from acg_numpy.module import Parameter
    >>> w = Parameter(np.array([3.0, 4.0]))
    >>> np.sum(w * w).backward()  # the gradient is (6, 8)
    >>> clip_gradients([w], 1.0)
    10.0
    >>> w.grad
    array([0.6, 0.8])
    """
    check_limit("limit", limit)
    parameters = list(parameters)
    with_gradient = [p for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(_sum_of_squares(_values(p.grad)) for p in with_gradient))
    if not math.isfinite(norm):
        _gradient_sizes(parameters)  # names the one that is not finite, if there is one
        raise FloatingPointError(
            f"the gradients have norm {norm}: look for huge inputs, or take a smaller learning rate"
        )
    if norm > limit:
        for p in with_gradient:
            p.grad = p.grad * (limit / norm)
    return norm


def check_limit(name: str, limit: float) -> None:
    """Raise ValueError unless `limit` is a finite number above 0."""
    if not (limit > 0 and math.isfinite(limit)):
        raise ValueError(f"{name} must be a finite number above 0, but it is {limit}")


def _values(grad: Any) -> Array:
    """Return the numbers of a gradient that may be other than 0."""
    return grad.values if isinstance(grad, RowSparseGradient) else grad


def _as_column(numbers: Any, like: Array) -> Any:
    """Return one number for each row as a column that broadcasts with the rows; a single number stays as it is."""
    return numbers if np.ndim(numbers) == 0 else numbers.astype(like.dtype).reshape(-1, *[1] * (like.ndim - 1))


def _sum_of_squares(grad: Array) -> float:
    """Return the sum of squares in double precision, so that none overflows; only a block at a time is widened."""
    total = 0.0
    for (block,) in blocks(grad, size=WIDENED):
        wide = np.ravel(block).astype(np.float64, copy=False)
        total += float(np.dot(wide, wide))
    return total


def _gradient_sizes(parameters: Sequence[HasGradient]) -> list[float]:
    """Return the root mean square of each gradient, 0 for none; refuse gradients that are not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = [_root_mean_square(p.grad) for p in parameters]
    for i, (p, size) in enumerate(zip(parameters, sizes, strict=True)):
        if not math.isfinite(size) and not np.isfinite(_values(p.grad)).all():
            what = "NaN" if np.isnan(_values(p.grad)).any() else "infinity"
            raise FloatingPointError(
                f"the gradient of parameters[{i}], of shape {p.data.shape}, holds {what}, and gives no "
                "direction: look for huge inputs or NaN in the data, or take a smaller learning rate"
            )
    return sizes


def _root_mean_square(grad: Any) -> float:
    if grad is None or not _values(grad).size:
        return 0.0
    flat = _values(grad).ravel(order="K")
    square = float(flat.dot(flat))
    if not math.isfinite(square):  # NaN, infinity, or squares that overflow
        square = _sum_of_squares(flat)
    return math.sqrt(square / flat.size)


@cache
def _eps(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).eps)  # which NumPy takes as long to look up as a small gradient to sum


def _zero_if_noise(grad: Any, size: float, largest: float) -> Any:
    """Return the gradient, or zeros for one that is below the rounding error of the largest."""
    if grad is None or size > 4.0 * _eps(grad.dtype) * largest:
        return grad
    zeros = np.broadcast_to(np.zeros((), grad.dtype), _values(grad).shape)
    return grad.with_values(zeros) if isinstance(grad, RowSparseGradient) else zeros


def _check_distinct(parameters: Iterable[HasGradient]) -> Sequence[HasGradient]:
    distinct = list(parameters)
    if not distinct:
        raise ValueError("parameters is empty: there is nothing to optimise (an iterator may have been used up before)")
    if len({id(p) for p in distinct}) < len(distinct):
        raise ValueError("parameters lists one parameter twice; it would be updated twice in each step")
    return distinct


def _check_rates(lr: float, weight_decay: float) -> None:
    if not (lr >= 0 and math.isfinite(lr)):
        raise ValueError(f"lr must be a finite number of at least 0, but it is {lr}")
    if not (weight_decay >= 0 and math.isfinite(weight_decay)):
        raise ValueError(f"weight_decay must be a finite number of at least 0, but it is {weight_decay}")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value < high:
        raise ValueError(f"{name} must be at least {low} and below {high}, but it is {value}")


def _load_arrays(own: Mapping[str, Array], state: Mapping[str, Array]) -> None:
    if set(own) != set(state):
        missing, unknown = sorted(set(own) - set(state)), sorted(set(state) - set(own))
        raise ValueError(f"state does not belong to this optimiser: missing {missing}, unknown {unknown}")
    for name, array in own.items():
        if state[name].shape != array.shape:
            raise ValueError(f"state[{name!r}] has shape {state[name].shape}, but this optimiser's is {array.shape}")
    for name, array in own.items():
        array[...] = state[name]
