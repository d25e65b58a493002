"""Every kernel is the classroom composition: the same output, the same weights, the same gradient of everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import AttentionConditioner, gradcheck, tensor
from acg_numpy.autograd import grad

KERNELS = ("absorbed", "grouped", "gathered", "auto")
kernels = pytest.mark.parametrize("kernel", KERNELS)


@st.composite
def configurations(draw):
    """Options of a conditioner, and users and domains in one of the forms that they come in."""
    heads, width = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    domains = draw(st.integers(1, 5))
    options = {
        "emb_dim": heads * width,
        "num_heads": heads,
        "num_domains": domains,
        "dropout": draw(st.sampled_from([0.0, 0.0, 0.4])),
        "tokens_per_domain": draw(st.integers(2, 4)),
        "num_global_tokens": draw(st.integers(0, 2)),
        "residual": draw(st.booleans()),
        "layer_norm": draw(st.booleans()),
        "bias": draw(st.booleans()),
    }
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(0, 12))
    form = draw(st.sampled_from(["a domain each", "one domain", "every domain", "two axes", "a single user"]))
    users, ids = {
        "a domain each": ((count,), rng.integers(0, domains, count)),
        "one domain": ((count,), int(rng.integers(0, domains))),
        "every domain": ((count, 1), rng.integers(0, domains, draw(st.integers(2, 4)))),
        "two axes": ((2, 3), rng.integers(0, domains, 3)),
        "a single user": ((), int(rng.integers(0, domains))),
    }[form]
    masked = draw(st.booleans())
    return options, users, ids, masked, draw(st.booleans()), rng


def outcome(kernel, dtype, configuration):
    """Outputs and gradients for one kernel; the numbers are the same for all of them."""
    options, users, ids, masked, with_weights, rng = configuration
    rng = np.random.default_rng(rng.bit_generator.seed_seq)
    conditioner = AttentionConditioner(**options, kernel=kernel, dtype=dtype, seed=0)
    for parameter in conditioner.parameters():
        parameter.data = rng.normal(size=parameter.shape).astype(dtype) / 2
    user_emb = tensor(rng.normal(size=(*users, options["emb_dim"])).astype(dtype), requires_grad=True)
    batch = np.broadcast_shapes(users, np.shape(ids))
    tokens = options["tokens_per_domain"] + options["num_global_tokens"]
    mask = rng.random((*batch, tokens)) < 0.6 if masked else None
    found = conditioner(user_emb, ids, mask=mask, return_attention=with_weights)
    outputs = found if with_weights else (found,)
    loss = sum(np.sum(output * rng.normal(size=output.shape).astype(dtype)) for output in outputs)
    loss.backward()
    named = {name: parameter.grad for name, parameter in conditioner.named_parameters()}
    return {**{f"output {i}": o.numpy() for i, o in enumerate(outputs)}, "user_emb": user_emb.grad, **named}


@kernels
@given(configurations())
def test_every_kernel_gives_the_numbers_of_the_classroom(kernel, configuration):
    expected, found = outcome("classroom", np.float64, configuration), outcome(kernel, np.float64, configuration)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if value is None:
            assert found[name] is None
        else:
            assert found[name].dtype == np.float64
            scale = np.max(np.abs(value), initial=1.0)
            np.testing.assert_allclose(found[name], value, rtol=1e-10, atol=1e-10 * scale, err_msg=name)


@kernels
@given(configurations())
def test_in_single_precision_they_agree_to_its_digits(kernel, configuration):
    expected, found = outcome("classroom", np.float64, configuration), outcome(kernel, np.float32, configuration)
    for name, value in expected.items():
        if value is not None and not (configuration[0]["layer_norm"] and configuration[0]["emb_dim"] < 3):
            assert found[name].dtype == np.float32
            scale = np.max(np.abs(value), initial=1.0)
            np.testing.assert_allclose(found[name], value, rtol=0, atol=3e-5 * scale, err_msg=name)


@kernels
@pytest.mark.parametrize("form", ["a domain each", "every domain"])
def test_second_derivatives_are_those_of_the_classroom(kernel, form):
    rng = np.random.default_rng(0)
    conditioner = AttentionConditioner(6, 2, 3, tokens_per_domain=3, kernel=kernel, dtype=np.float64, seed=1)
    users, ids = (rng.normal(size=(4, 6)), np.array([0, 2, 2, 1]))
    if form == "every domain":
        users, ids = users[:, None], np.array([0, 2])
    check = gradcheck(lambda x: np.sum(np.tanh(conditioner(x, ids)) ** 2), users, second_order=True)
    assert check.passed

    def slope(x):
        return np.sum(np.square(grad(lambda y: np.sum(conditioner(y, ids) ** 3))(x)))

    other = AttentionConditioner(6, 2, 3, tokens_per_domain=3, kernel="classroom", dtype=np.float64, seed=1)
    np.testing.assert_allclose(
        grad(slope)(users),
        grad(lambda x: np.sum(np.square(grad(lambda y: np.sum(other(y, ids) ** 3))(x))))(users),
        rtol=1e-9,
    )


@given(st.integers(0, 2**32 - 1))
def test_scores_far_out_of_range_are_as_safe_as_in_the_classroom(seed):
    users = 20 * np.random.default_rng(seed).normal(size=(9, 4)).astype(np.float32)
    outputs = []
    for kernel in ("classroom", *KERNELS):
        conditioner = AttentionConditioner(4, 2, 3, tokens_per_domain=3, kernel=kernel, seed=0)
        for parameter in conditioner.parameters():
            parameter.data = 6 * np.random.default_rng(1).normal(size=parameter.shape).astype(np.float32)
        outputs.append(conditioner(users, np.arange(9) % 3).numpy())
    for output in outputs[1:]:
        assert np.all(np.isfinite(output))
        np.testing.assert_allclose(output, outputs[0], rtol=1e-3, atol=1e-3 * np.max(np.abs(outputs[0])))


@pytest.mark.parametrize("form", ["a domain each", "every domain"])
def test_large_groups_are_worked_on_in_pieces(form):
    rng = np.random.default_rng(0)
    users, ids = rng.normal(size=(5000, 4)), rng.integers(0, 2, 5000)
    if form == "every domain":
        users, ids = users[:2500, None], np.array([1, 0])
    of = {}
    for kernel in ("classroom", *KERNELS):
        conditioner = AttentionConditioner(4, 2, 2, tokens_per_domain=2, kernel=kernel, dtype=np.float64, seed=0)
        given = tensor(users, requires_grad=True)
        condition = conditioner(given, ids)
        condition.backward(np.cos(np.arange(condition.size).reshape(condition.shape)))
        of[kernel] = [condition.numpy(), given.grad, *(parameter.grad for parameter in conditioner.parameters())]
    for kernel in KERNELS:
        for found, expected in zip(of[kernel], of["classroom"], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_an_unknown_kernel_is_refused_with_a_list():
    with pytest.raises(ValueError, match="absorbed"):
        AttentionConditioner(4, 2, 3, kernel="fast")


def test_a_plan_says_what_is_used_and_why():
    conditioner = AttentionConditioner(64, 4, 1000, seed=0)
    users = np.zeros((4096, 64), np.float32)
    many, few = conditioner.plan(users, np.arange(4096) % 4), conditioner.plan(users, np.arange(4096) % 1000)
    assert many.kernel == "absorbed"
    assert few.kernel == "grouped"
    assert few.shapes["domains"] == 1000
    for plan in (many, few):
        assert plan.kernel in str(plan)
        assert plan.why in " ".join(str(plan).split())
        assert plan.costs[plan.kernel] == min(plan.costs.values())
    assert AttentionConditioner(64, 4, 8, kernel="gathered", seed=0).plan(users, 0).kernel == "gathered"
    assert conditioner.plan(users[:0], np.zeros(0, int)).kernel == "classroom"
    every = conditioner.plan(users[:, None], np.arange(8))
    assert every.shapes["results"] == 8 * 4096


@kernels
def test_a_table_with_row_sparse_gradients_gets_one_of_the_domains_that_occur(kernel):
    rng = np.random.default_rng(0)
    users, ids = rng.normal(size=(7, 6)), np.array([40, 3, 40, 3, 3, 90, 40])
    grads = {}
    for sparse in (True, False):
        conditioner = AttentionConditioner(6, 2, 100, tokens_per_domain=3, kernel=kernel, dtype=np.float64, seed=0)
        conditioner.domain_embedding.sparse_grad = sparse
        conditioner(users, ids).backward(users)
        grads[sparse] = conditioner.domain_embedding.tokens.grad
    assert list(grads[True].rows) == [3, 40, 90]
    np.testing.assert_allclose(np.asarray(grads[True]), grads[False], rtol=1e-12)
