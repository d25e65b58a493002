"""A prepared conditioner gives the numbers of the conditioner, until a parameter changes."""

import numpy as np
import pytest

from acg_numpy import AttentionConditioner, Parameter, no_grad
from acg_numpy.layers import Linear

OPTIONS = {
    "plain": {},
    "wide": {"inner_dim": 16, "residual": True, "layer_norm": True},
    "its own output": {"output_per_domain": True, "num_global_tokens": 1},
    "without biases": {"bias": False, "num_global_tokens": 2},
    "its own output without biases": {"bias": False, "output_per_domain": True},
    "in double precision": {"dtype": np.float64, "dropout": 0.5, "head_dropout": 0.5},
    "names": {"domain_names": [f"d{i}" for i in range(40)]},
}
FORMS = {
    "a user": ((), 3),
    "a handful": ((5,), [3, 0, 3, 39, 1]),
    "many in one domain": ((2100,), 39),
    "many": ((3000,), np.random.default_rng(0).integers(0, 40, 3000)),
    "many in a few": ((2000,), np.random.default_rng(0).integers(5, 9, 2000)),
    "some in each": ((200,), np.arange(200) % 40),
    "every domain": ((300, 1), np.arange(40)),
    "two axes": ((2, 3), [1, 2, 1]),
    "nobody": ((0,), []),
}


def conditioner_of(**options):
    return AttentionConditioner(8, 2, 40, tokens_per_domain=3, seed=0, **options)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
def test_its_numbers_are_those_of_the_conditioner(options):
    conditioner = conditioner_of(**options)
    prepared = conditioner.prepared()
    for shape, ids in FORMS.values():
        user_emb = np.random.default_rng(1).normal(size=(*shape, 8)).astype(np.float32)
        found = prepared(user_emb, ids, return_attention=True)
        with no_grad():
            expected = conditioner.eval()(user_emb, ids, return_attention=True)
        conditioner.train()  # dropout has no effect on what is prepared
        for mine, other in zip((*found, prepared(user_emb, ids)), (*expected, expected[0]), strict=True):
            assert (mine.shape, mine.dtype, mine.requires_grad) == (other.shape, other.dtype, False)
            np.testing.assert_allclose(mine.numpy(), other.numpy(), atol=2e-5)
    assert prepared.nbytes == 40 * 2 * (3 + options.get("num_global_tokens", 0)) * 17 * conditioner.dtype.itemsize
    assert "read-only" in repr(prepared)


def test_few_users_in_each_of_many_domains_get_the_same_numbers():
    conditioner = AttentionConditioner(8, 2, 300, tokens_per_domain=3, seed=0)
    rng = np.random.default_rng(0)
    user_emb, ids = rng.normal(size=(2000, 8)).astype(np.float32), rng.integers(0, 300, 2000)
    found, expected = (c(user_emb, ids, return_attention=True) for c in (conditioner.prepared(), conditioner))
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), atol=2e-5)


def test_domains_may_be_given_by_name():
    prepared = conditioner_of(**OPTIONS["names"]).prepared()
    np.testing.assert_array_equal(prepared(np.ones(8), "d7").numpy(), prepared(np.ones(8), 7).numpy())


@pytest.mark.parametrize("options", ["wide", "its own output"])
@pytest.mark.parametrize("ids", [39, np.arange(40)])
def test_a_call_after_a_parameter_has_changed_is_refused(options, ids):
    conditioner = conditioner_of(**OPTIONS[options])
    user_emb = np.ones(8, np.float32)
    for name, parameter in conditioner.named_parameters():
        prepared, value = conditioner.prepared(), parameter.numpy()
        prepared(user_emb, ids)
        parameter.data[..., -1] += 1e-3
        with pytest.raises(RuntimeError, match=rf"{name} has changed since .* call prepared"):
            prepared(user_emb, ids)
        parameter.data = value
        prepared(user_emb, ids)  # the same numbers as before


def test_a_change_of_domains_that_do_not_occur_is_none():
    conditioner = conditioner_of()
    prepared = conditioner.prepared()
    conditioner.domain_embedding.tokens.data[3] += 1
    prepared(np.ones(8), 2)
    with pytest.raises(RuntimeError, match=r"domain_embedding\.tokens has changed"):
        prepared(np.ones((2, 8)), [2, 3])


def test_a_replaced_module_is_noticed_before_and_after():
    conditioner = conditioner_of()
    prepared = conditioner.prepared()
    weight = conditioner.attention.key.weight
    conditioner.attention.key.weight = Parameter(weight.numpy())
    with pytest.raises(RuntimeError, match=r"attention\.key\.weight has changed"):
        prepared(np.ones(8), 2)
    conditioner.attention.key.weight = weight
    conditioner.attention.key = Linear(8, 8)
    with pytest.raises(RuntimeError, match=r"attention\.key has changed"):
        prepared(np.ones(8), 2)
    conditioner.attention.key = lambda context: context
    with pytest.raises(ValueError, match=r"attention\.key is not as the constructor made it, so there are no tables"):
        conditioner.prepared()


def test_a_parameter_in_another_order_of_memory_is_compared_by_its_numbers():
    conditioner = conditioner_of()
    prepared, weight = conditioner.prepared(), conditioner.attention.key.weight
    weight.data = np.asfortranarray(weight.numpy())
    prepared(np.ones(8), 2)
    weight.data[0, 1] += 1
    with pytest.raises(RuntimeError, match=r"attention\.key\.weight has changed"):
        prepared(np.ones(8), 2)
