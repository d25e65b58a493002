"""Check of the gradient of the gradient, which is the derivative of what a backward computes.

Let G(x, g) be the gradients of the inputs x for a gradient g of the outputs: what a backward pass computes.  It is a
function like any other, and is checked like any other, at random r:

    d<G(x, g), r> / d(x, g)        by the engine, and by differences of G
"""

from collections.abc import Callable, Sequence
from typing import Any

from acg_numpy.autograd import vjp
from acg_numpy.checks.build_report import build_report
from acg_numpy.checks.contract.checked_inputs import Argument, Outputs
from acg_numpy.checks.contract.returned import random_like
from acg_numpy.checks.report.report import GradientReport
from acg_numpy.checks.settings import Settings


def engine_gradients(
    outputs: Callable[..., Any], point: Sequence[Any], arguments: Sequence[Argument], grad_outs: Sequence[Any]
) -> list[Any]:
    """Compute the engine's gradient by every checked argument, None for the others.

    Parameters
    ----------
    outputs : callable
        Takes one value an argument, returns a tuple of the floating outputs.
    point, arguments, grad_outs : sequences
        Where to compute it, which arguments are checked, and a gradient for each output.
    """

    def outputs_of_checked(*checked: Any) -> Any:
        given = iter(checked)
        return outputs(*(next(given) if a.checked else value for a, value in zip(arguments, point, strict=True)))

    _, pull = vjp(outputs_of_checked, *(value for a, value in zip(arguments, point, strict=True) if a.checked))
    found = iter(pull(tuple(grad_outs)))
    return [next(found) if argument.checked else None for argument in arguments]


def second_order_report(
    title: str,
    settings: Settings,
    arguments: Sequence[Argument],
    grad_outs: Outputs,
    outputs: Callable[..., Any],
    first_gradients: Callable[[Sequence[Any], Sequence[Any]], Outputs],
) -> GradientReport:
    """Make the report on the gradient of the gradient.

    Parameters
    ----------
    title, settings, arguments, grad_outs
        As at first order.
    outputs : callable
        Takes one value an argument, Tensors among them, returns a tuple of the floating outputs.
    first_gradients : callable
        Takes a point and gradients of the outputs, all arrays, returns the gradients of the checked arguments.
    """
    number = len(arguments)
    names = ["grad_out"] if len(grad_outs) == 1 else [f"grad_out[{place}]" for place in range(len(grad_outs))]
    seeds = [Argument(name, seed, seed.shape, None) for name, seed in zip(names, grad_outs, strict=True)]
    everything = [*arguments, *seeds]
    values = [argument.value for argument in everything]
    rng = settings.rng
    directions = tuple(random_like(gradient, rng) for gradient in first_gradients(values[:number], grad_outs))

    def gradients_of(*point: Any) -> Any:
        found = engine_gradients(outputs, point[:number], arguments, point[number:])
        return tuple(gradient for gradient in found if gradient is not None)

    return build_report(
        title,
        settings,
        everything,
        evaluate=lambda point: first_gradients(point[:number], point[number:]),
        grad_outs=directions,
        gradients=engine_gradients(gradients_of, values, everything, directions),
        order=2,
    )
