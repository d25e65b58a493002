"""The rules of calculus hold for whatever is written in NumPy: for functions composed at random, at random points."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import grad, hvp, jvp, tensor, vjp
from acg_numpy.shapes import unbroadcast
from acg_numpy.testing.strategies import shapes
from tests.autograd.programs import like, points, programs, some_arrays

BOTH = (0, 1)  # differentiate by both arguments


def assert_equal(found, expected):
    """Equal but for rounding, leaf by leaf; each is compared on the scale of all that is expected."""
    found, expected = [np.asarray(f) for f in found], [np.asarray(e) for e in expected]
    scale = max((float(np.max(np.abs(e), initial=0.0)) for e in expected), default=0.0)
    assert len(found) == len(expected)
    for f, e in zip(found, expected, strict=True):
        assert f.shape == e.shape
        np.testing.assert_allclose(f, e, rtol=1e-8, atol=1e-10 * (1.0 + scale))


def dot(u, v):
    """<u, v>, over all leaves."""
    return sum(float(np.sum(a * b)) for a, b in zip(u, v, strict=True))


def to_number(program):
    """A function to one number, so that it has a gradient: what the program gives, added up unevenly."""

    def function(*inputs):
        out = np.ravel(program(*inputs))
        return np.sum(out * np.linspace(0.5, 1.5, out.size))

    return function


def combination(draw, trees):
    a, b = draw(st.integers(-3, 3)), draw(st.integers(-3, 3))
    return a, b, [a * u + b * v for u, v in zip(*trees, strict=True)]


@given(st.data())
def test_the_gradient_agrees_with_the_slope_in_every_direction(data):
    x = data.draw(points())
    f, v = to_number(data.draw(programs(x))), data.draw(like(x))
    h = 1e-4

    def along(t):
        return f(*(a + t * b for a, b in zip(x, v, strict=True)))

    slope = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    np.testing.assert_allclose(dot(grad(f, BOTH)(*x), v), slope, rtol=1e-6, atol=1e-7)


@given(st.data())
def test_a_pullback_is_linear(data):
    """J'(a u + b v) = a J'u + b J'v."""
    x = data.draw(points())
    out, pull = vjp(data.draw(programs(x)), *x)
    u, v = data.draw(like([out])), data.draw(like([out]))
    a, b, (both,) = combination(data.draw, (u, v))
    assert_equal(pull(both), [a * left + b * right for left, right in zip(pull(u[0]), pull(v[0]), strict=True)])


@given(st.data())
def test_a_pushforward_is_linear(data):
    """J(a u + b v) = a J u + b J v."""
    x = data.draw(points())
    f, u, v = data.draw(programs(x)), data.draw(like(x)), data.draw(like(x))
    a, b, both = combination(data.draw, (u, v))
    assert_equal([jvp(f, x, both)[1]], [a * jvp(f, x, u)[1] + b * jvp(f, x, v)[1]])


@given(st.data())
def test_taking_the_gradient_is_linear_in_the_function(data):
    """grad (a f + b g) = a grad f + b grad g."""
    x = data.draw(points())
    f, g = to_number(data.draw(programs(x))), to_number(data.draw(programs(x)))
    a, b, both = combination(data.draw, (grad(f, BOTH)(*x), grad(g, BOTH)(*x)))
    assert_equal(grad(lambda *x: a * f(*x) + b * g(*x), BOTH)(*x), both)


@given(st.data())
def test_the_gradient_of_a_product_is_each_gradient_times_the_other(data):
    x = data.draw(points())
    f, g = to_number(data.draw(programs(x))), to_number(data.draw(programs(x)))
    expected = [f(*x) * dg + g(*x) * df for df, dg in zip(grad(f, BOTH)(*x), grad(g, BOTH)(*x), strict=True)]
    assert_equal(grad(lambda *x: f(*x) * g(*x), BOTH)(*x), expected)


@given(st.data())
def test_the_gradient_of_a_composition_is_that_of_the_outer_then_inner(data):
    x = data.draw(points())
    inner = data.draw(programs(x, max_steps=3))
    z = np.asarray(inner(*x))
    outer = data.draw(programs([z], max_steps=3))
    out, pull = vjp(lambda *x: outer(inner(*x)), *x)
    (u,) = data.draw(like([out]))
    (between,) = vjp(outer, z)[1](u)
    assert_equal(pull(u), vjp(inner, *x)[1](between))


@given(st.data())
def test_pulling_back_and_pushing_forward_are_transposes(data):
    """<u, J v> = <J'u, v>."""
    x = data.draw(points())
    f, v = data.draw(programs(x)), data.draw(like(x))
    out, pull = vjp(f, *x)
    value, pushed = jvp(f, x, v)
    (u,) = data.draw(like([out]))
    assert_equal([value], [out])
    size = dot(*[[np.abs(a) for a in pair] for pair in ([u], [pushed])])
    np.testing.assert_allclose(dot([u], [pushed]), dot(pull(u), v), rtol=1e-9, atol=1e-10 * (1 + size))


@given(st.data())
def test_the_hessian_is_symmetric(data):
    """u'H v = v'H u, with the blocks that mix two arguments."""
    x = data.draw(points())
    f, u, v = to_number(data.draw(programs(x, max_steps=4))), data.draw(like(x)), data.draw(like(x))
    left, right = hvp(f, x, v), hvp(f, x, u)
    size = dot([np.abs(a) for a in u], [np.abs(a) for a in left])
    np.testing.assert_allclose(dot(u, left), dot(v, right), rtol=1e-8, atol=1e-9 * (1 + size))


@given(st.data())
def test_the_hessian_is_the_slope_of_the_gradient(data):
    x = data.draw(points())
    f, v = to_number(data.draw(programs(x, max_steps=4))), data.draw(like(x))
    h = 1e-4

    def gradient(t):
        return np.concatenate([np.ravel(g) for g in grad(f, BOTH)(*(a + t * b for a, b in zip(x, v, strict=True)))])

    slope = (8 * (gradient(h) - gradient(-h)) - (gradient(2 * h) - gradient(-2 * h))) / (12 * h)
    found = np.concatenate([np.ravel(part) for part in hvp(f, x, v)])
    np.testing.assert_allclose(found, slope, rtol=1e-5, atol=1e-6 * (1 + np.max(np.abs(slope))))


@given(st.data())
def test_the_gradient_of_a_sum_is_the_sum_of_the_gradients(data):
    """Carried back at once, or one after the other into the same leaves."""
    x = data.draw(points())
    functions = [to_number(data.draw(programs(x, max_steps=3))) for _ in range(data.draw(st.integers(1, 3)))]
    at_once = [tensor(a, requires_grad=True) for a in x]
    one_by_one = [tensor(a, requires_grad=True) for a in x]
    (sum(f(*at_once) for f in functions) + 0.0 * sum(np.sum(t) for t in at_once)).backward()
    for f in functions:
        (f(*one_by_one) + 0.0 * sum(np.sum(t) for t in one_by_one)).backward()
    assert_equal([t.grad for t in one_by_one], [t.grad for t in at_once])
    assert_equal(
        [t.grad for t in at_once], [sum(parts) for parts in zip(*(grad(f, BOTH)(*x) for f in functions), strict=True)]
    )


@st.composite
def other_orders(draw, program):
    """The steps of a program in another order, in which each still finds its operands."""
    waiting, order = list(range(len(program.steps))), []
    while waiting:
        ready = [
            place
            for place in waiting
            if all(i < program.inputs or i - program.inputs in order for i in program.steps[place].operands)
        ]
        order.append(draw(st.sampled_from(ready[::-1])))
        waiting.remove(order[-1])
    return order


@given(st.data())
def test_the_order_in_which_a_graph_was_recorded_does_not_matter(data):
    """A Tensor's place in time decides when its turn comes; it may not decide what it gets."""
    x = data.draw(points())
    program = data.draw(programs(x, max_steps=8))
    order = data.draw(other_orders(program))
    out, pull = vjp(program, *x)
    again, pull_again = vjp(lambda *x: program.run(x, order), *x)
    (u,) = data.draw(like([out]))
    assert_equal([again], [out])
    assert_equal(pull_again(u), pull(u))


@given(st.data())
def test_values_that_lead_nowhere_change_no_gradient(data):
    x = data.draw(points())
    f, aside = to_number(data.draw(programs(x))), data.draw(programs(x))

    def distracted(*x):
        aside(*x)
        value = f(*x)
        aside(*x)
        return value

    assert_equal(grad(distracted, BOTH)(*x), grad(f, BOTH)(*x))


@given(st.data())
def test_an_argument_used_in_two_places_collects_from_both(data):
    """d f(x, x) / dx is the sum of the slopes in the first place and in the second."""
    (x,) = data.draw(points(1))
    program = data.draw(programs([x, x]))
    f = to_number(program)
    first, second = grad(f, BOTH)(x, x)
    assert_equal([grad(lambda x: f(x, x))(x)], [first + second])


@given(st.data())
def test_summing_over_broadcast_axes_is_the_transpose_of_broadcasting(data):
    """<g, broadcast x> = <unbroadcast g, x>, and each is the other's pullback."""
    full = data.draw(shapes(max_dims=4, max_side=3))
    kept = data.draw(st.lists(st.booleans(), min_size=len(full), max_size=len(full)))
    own = tuple(n if keep else 1 for n, keep in zip(full, kept, strict=True))[data.draw(st.integers(0, len(full))) :]
    x, g = data.draw(some_arrays(own)), data.draw(some_arrays(full))
    summed = unbroadcast(g, x)
    assert summed.shape == x.shape
    np.testing.assert_allclose(np.sum(g * np.broadcast_to(x, full)), np.sum(summed * x), rtol=1e-12, atol=1e-12)
    assert_equal(vjp(lambda x: np.broadcast_to(x, full), x)[1](g), [summed])
    assert_equal(vjp(lambda g: unbroadcast(g, x), g)[1](x), [np.broadcast_to(x, full)])


@given(st.data())
def test_float32_in_is_float32_out_whatever_is_between(data):
    x = tuple(a.astype(np.float32) for a in data.draw(points()))
    program, v = data.draw(programs(x, max_steps=4)), data.draw(like(x))

    def f(*inputs):
        return np.sum(program(*inputs))

    singles, doubles = grad(f, BOTH)(*x), grad(f, BOTH)(*(a.astype(float) for a in x))
    assert {g.dtype for g in singles} == {np.dtype(np.float32)}
    for single, double in zip(singles, doubles, strict=True):
        np.testing.assert_allclose(single, double, rtol=1e-2, atol=1e-3 * (1 + np.max(np.abs(double))))
    assert jvp(f, x, tuple(a.astype(np.float32) for a in v))[1].dtype == np.float32
