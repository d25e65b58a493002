from collections.abc import Iterator

import numpy as np
import pytest

from acg_numpy.interop import as_jax
from tests.interop.option_sets import PAIRWISE, gradients, make_batch, make_conditioner

jax = pytest.importorskip("jax", reason="JAX is not installed")


@pytest.fixture(scope="module", autouse=True)
def _double() -> Iterator[None]:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def test_outputs_and_gradients_are_those_of_the_conditioner():
    for options in PAIRWISE:
        conditioner = make_conditioner(options)
        params, function = as_jax(conditioner)
        users, ids = make_batch(17, conditioner.dtype)

        def loss(params, function=function, users=users, ids=ids):
            condition, attention = function(params, users, ids, return_attention=True)
            return (condition**2).mean() + 0.5 * (attention**2).mean(), (condition, attention)

        found, outputs = jax.jit(jax.grad(loss, has_aux=True))(params)
        close = dict.fromkeys(("rtol", "atol"), 1e-6 if conditioner.dtype == np.float64 else 1e-5)
        for ours, theirs in zip(conditioner(users, ids, return_attention=True), outputs, strict=True):
            np.testing.assert_allclose(theirs, ours.data, **close, err_msg=str(options))
        for name, expected in gradients(conditioner, users, ids).items():
            np.testing.assert_allclose(found[name], expected, **close, err_msg=f"{name} {options}")
        for name, array in conditioner.state_dict().items():
            assert np.asarray(params[name]).tobytes() == array.tobytes()


def test_users_and_domains_broadcast_as_here():
    conditioner = make_conditioner({"output_per_domain": True, "num_global_tokens": 2})
    params, function = as_jax(conditioner)
    users, _ = make_batch(7, np.float64)
    for rows, ids in [(users[:, None], np.arange(5)), (users[0], ["films", "books"])]:
        np.testing.assert_allclose(function(params, rows, ids), conditioner(rows, ids).data, rtol=1e-9)
    batched = jax.jit(jax.vmap(function, (None, 0, 0)))(params, users, np.arange(7) % 5)
    np.testing.assert_allclose(batched, conditioner(users, np.arange(7) % 5).data, rtol=1e-9)


def test_a_domain_out_of_range_is_never_read_as_another():
    params, function = as_jax(make_conditioner({"residual": True, "layer_norm": True}))
    users, ids = make_batch(3, np.float64)
    compiled = jax.jit(function)
    assert np.isfinite(compiled(params, users, ids)).all()
    for wrong in (-1, 5):
        ids[1] = wrong
        with pytest.raises(IndexError, match=f"domain_id holds {wrong}"):
            function(params, users, ids)
        np.testing.assert_array_equal(np.isnan(compiled(params, users, ids)).all(-1), [False, True, False])


def test_float64_is_not_made_float32_without_a_word():
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(ValueError, match="jax_enable_x64"):
            as_jax(make_conditioner({}))
    finally:
        jax.config.update("jax_enable_x64", True)


def test_users_of_another_width_are_refused():
    params, function = as_jax(make_conditioner({}))
    with pytest.raises(ValueError, match=r"user_emb has shape \(3, 7\); its last axis must be emb_dim, 8"):
        function(params, np.ones((3, 7)), 0)
