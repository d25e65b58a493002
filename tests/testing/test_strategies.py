"""What strategies for attention and conditioners draw, what they never draw, and what a failure shrinks to."""

import importlib
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import AttentionConditioner, OneKeyWarning
from acg_numpy.kernels.planning import KERNELS
from acg_numpy.passes import scaled_dot_product_forward, softmax_forward
from acg_numpy.testing import strategies
from acg_numpy.testing.strategies import (
    arrays,
    attention_inputs,
    conditioner_calls,
    conditioners,
    domain_ids,
    shapes,
)
from tests.testing.drawing import FLOATS, STARTS, drawn, layout, smallest

# Inputs of attention.


def batches(inputs):
    return [x.shape[:-2] for x in inputs if x is not None]


@given(attention_inputs(masked=True))
def test_inputs_of_attention_fit_together(inputs):
    query, key, value, mask = inputs
    batch = np.broadcast_shapes(*batches(inputs[:3]))
    assert query.shape[-1] == key.shape[-1] >= 1
    assert key.shape[-2] == value.shape[-2]
    assert mask.shape[-2:] == (query.shape[-2], key.shape[-2])
    assert mask.dtype == np.bool_
    assert np.broadcast_shapes(batch, mask.shape[:-2]) == batch, "a mask adds no batch axes"
    assert scaled_dot_product_forward(*inputs)[0].shape == (*batch, query.shape[-2], value.shape[-1])


@FLOATS
def test_inputs_of_attention_come_in_the_dtype_and_sizes_asked_for(dtype):
    examples = drawn(attention_inputs(max_side=3, dtype=dtype), 100)
    assert all(inputs.mask is None for inputs in examples)
    assert {x.dtype for inputs in examples for x in inputs[:3]} == {np.dtype(dtype)}
    assert {n for inputs in examples for x in inputs[:3] for n in x.shape} == {0, 1, 2, 3}


def test_among_inputs_of_attention_are_all_that_break_implementations():
    examples = drawn(attention_inputs(masked=True))
    found = {
        "no batch axes": any(not any(batches(i)) for i in examples),
        "two batch axes": any(len(b) == 2 for i in examples for b in batches(i)),
        "one batch for all": any(len({*batches(i)}) == 1 and len(batches(i)[0]) == 2 for i in examples),
        "a key shared by a batch of queries": any(
            len(i.key.shape) < len(i.query.shape) and i.query.shape[0] > 1 for i in examples
        ),
        "a query shared by a batch of keys": any(
            len(i.query.shape) < len(i.key.shape) and i.key.shape[0] > 1 for i in examples
        ),
        "values without the batch of their keys": any(
            i.value.ndim < i.key.ndim and i.key.shape[0] > 1 for i in examples
        ),
        "an axis of size 1 that broadcasts": any(
            i.query.ndim == i.key.ndim == 3 and i.query.shape[0] == 1 < i.key.shape[0] for i in examples
        ),
        "a mask shared by the batch": any(i.mask.ndim == 2 < i.query.ndim and i.query.shape[0] > 1 for i in examples),
        "an empty batch": any(0 in b for i in examples for b in batches(i)),
        "no queries": any(i.query.shape[-2] == 0 < i.key.shape[-2] for i in examples),
        "no keys": any(i.key.shape[-2] == 0 < i.query.shape[-2] for i in examples),
        "no features in the values": any(i.value.shape[-1] == 0 for i in examples),
        "one key": any(i.key.shape[-2] == 1 for i in examples),
        "a query that may attend to nothing": any(np.any(~i.mask.any(-1)) for i in examples if i.mask.size),
        "a mask that hides nothing": any(i.mask.all() for i in examples if i.mask.size),
        "as many keys as queries, features and values": any(
            len({*i.query.shape, *i.value.shape}) == 1 for i in examples
        ),
        "large scores": any(np.any(np.abs(i.query @ np.swapaxes(i.key, -1, -2)) > 100) for i in examples),
        "read-only queries": any(not i.query.flags.writeable for i in examples),
        "read-only masks": any(not i.mask.flags.writeable for i in examples),
        "negative strides": any(layout(x) == "negative strides" for i in examples for x in i),
        "Fortran order": any(layout(x) == "Fortran" for i in examples for x in i),
        "slices": any(layout(x) == "not contiguous" for i in examples for x in i),
    }
    assert not [what for what, was in found.items() if not was]


@FLOATS
def test_with_extremes_scores_stay_finite_and_values_go_to_the_bound(dtype):
    examples = drawn(attention_inputs(dtype=dtype, magnitude=1e30, smallest=1e-30))
    for query, key, _, _ in examples:
        scores = query @ np.swapaxes(key, -1, -2)
        assert np.all(np.isfinite(4 * scores))
    sizes = np.concatenate([np.abs(inputs.value).ravel() for inputs in examples])
    assert sizes.max() == pytest.approx(1e30)
    assert sizes[sizes > 0].min() == pytest.approx(1e-30)
    assert max(np.abs(i.query).max(initial=0) for i in examples) > 1e18


@FLOATS
def test_attention_survives_magnitudes_from_1e_30_to_1e30(dtype):
    @given(attention_inputs(masked=True, dtype=dtype, magnitude=1e30, smallest=1e-30))
    def survives(inputs):
        out = scaled_dot_product_forward(*inputs)[0]
        assert out.dtype == dtype
        bound = np.abs(inputs.value).max(initial=0) * (1 + 10 * np.finfo(dtype).eps)
        assert np.all(np.abs(out) <= bound)

    survives()


def unscaled(query, key, value):
    return softmax_forward(query @ np.swapaxes(key, -1, -2))[0] @ value


@STARTS
def test_attention_without_its_scale_is_refuted_by_single_digits(start):
    def differs(inputs):
        query, key, value, _ = inputs
        return not np.allclose(unscaled(query, key, value), scaled_dot_product_forward(query, key, value)[0])

    inputs = smallest(attention_inputs(), differs, start)
    assert inputs.query.ndim == 2, "no batch"
    assert inputs.query.shape[-2] == 1, "one query"
    assert inputs.key.shape[0] == 2, "two keys"
    assert all(x.size <= 6 and np.all(x == np.round(x)) and np.all(np.abs(x) < 10) for x in inputs[:3])


def test_a_mask_shrinks_to_one_that_hides_nothing():
    inputs = smallest(attention_inputs(masked=True), lambda inputs: inputs.key.shape[-2] > 2)
    assert inputs.mask.shape == (1, 3)
    assert inputs.mask.all()


# Ids.


@given(st.data(), st.integers(1, 9), shapes())
def test_ids_are_integers_of_this_shape_that_point_to_a_domain(data, num_domains, shape):
    ids = data.draw(domain_ids(num_domains, shape))
    assert ids.shape == shape
    assert ids.dtype.kind in "iu"
    assert np.all((ids >= 0) & (ids < num_domains))


def test_ids_repeat_and_every_domain_occurs_in_every_kind_of_integer():
    examples = drawn(domain_ids(5, (3, 2)))
    assert {int(i) for ids in examples for i in ids.flat} == {0, 1, 2, 3, 4}
    assert {ids.dtype.name for ids in examples} >= {"int64", "int32", "uint8", "int8"}
    assert {layout(ids) for ids in examples} == {"C", "Fortran", "negative strides", "not contiguous"}
    assert {ids.flags.writeable for ids in examples} == {True, False}
    distinct = [len(np.unique(ids)) for ids in examples]
    assert {1, 2, 3, 4, 5} == set(distinct)


def test_ids_of_many_domains_repeat_too_and_fit_their_dtype():
    examples = drawn(domain_ids(1000, (4,)))
    assert {ids.dtype.name for ids in examples} >= {"int64", "int32", "int16"}
    assert max(ids.max() for ids in examples) == 999
    assert np.mean([len(np.unique(ids)) < 4 for ids in examples]) > 0.2


def test_ids_shrink_to_zeros_and_ones():
    ids = smallest(domain_ids(9, shapes(min_dims=1)), lambda ids: len(np.unique(ids)) > 1)
    assert sorted(ids.tolist()) == [0, 1]


# Conditioners.


def options(conditioner):
    """What a conditioner was made with, as far as it can be seen."""
    own, attention = conditioner.domain_embedding, conditioner.attention
    return {
        "emb_dim": attention.emb_dim,
        "num_heads": attention.num_heads,
        "num_domains": own.num_domains,
        "dropout": attention.dropout,
        "tokens_per_domain": own.tokens_per_domain,
        "num_global_tokens": own.num_global_tokens,
        "residual": conditioner.residual,
        "layer_norm": conditioner.norm is not None,
        "bias": attention.query.bias is not None,
        "domain_names": conditioner.domain_names,
        "kernel": conditioner.kernel,
        "dtype": attention.dtype,
    }


def test_every_option_of_a_conditioner_is_drawn():
    found = [options(conditioner) for conditioner in drawn(conditioners())]
    seen = {name: {made[name] for made in found} for name in found[0]}
    assert seen["emb_dim"] <= set(range(1, 13))
    assert {1, 2, 12} <= seen["emb_dim"]
    assert seen["num_heads"] == seen["num_domains"] == seen["tokens_per_domain"] == {1, 2, 3, 4}
    assert seen["num_global_tokens"] == {0, 1, 2}
    assert seen["residual"] == seen["layer_norm"] == seen["bias"] == {False, True}
    assert seen["kernel"] == set(KERNELS)
    assert seen["dtype"] == {np.dtype(np.float32), np.dtype(np.float64)}
    assert seen["dropout"] == {0.0}
    assert seen["domain_names"] == {None}
    assert all(made["tokens_per_domain"] + made["num_global_tokens"] > 1 for made in found)


def test_conditioners_are_new_or_have_every_parameter_moved():
    moved = [c.attention.query.bias.data.all() for c in drawn(conditioners(bias=True), 100)]
    assert {bool(each) for each in moved} == {True, False}


@pytest.mark.parametrize(
    "fixed",
    [
        {"emb_dim": 6},
        {"emb_dim": 7, "num_heads": 7},
        {"num_heads": 3},
        {"num_heads": 16},
        {"num_domains": 9},
        {"dropout": 0.5},
        {"tokens_per_domain": 1},
        {"num_global_tokens": 0},
        {"residual": True, "layer_norm": True, "bias": False},
        {"domain_names": ("books", "films", "music")},
        {"kernel": "classroom", "dtype": np.dtype(np.float64)},
    ],
)
def test_what_is_fixed_is_kept_and_the_rest_fits(fixed):
    for conditioner in drawn(conditioners(**fixed), 30):
        made = options(conditioner)
        assert fixed.items() <= made.items()
        assert made["emb_dim"] % made["num_heads"] == 0
        assert made["tokens_per_domain"] + made["num_global_tokens"] > 1
        assert len(made["domain_names"] or range(made["num_domains"])) == made["num_domains"]


def test_what_is_fixed_may_be_a_strategy():
    found = drawn(conditioners(emb_dim=st.sampled_from([4, 8]), dropout=st.just(0.25)), 60)
    assert {c.attention.emb_dim for c in found} == {4, 8}
    assert {c.attention.num_heads for c in found} == {1, 2, 4, 8}
    assert {c.attention.dropout for c in found} == {0.25}


def test_a_strategy_for_global_tokens_does_not_ask_for_a_single_key():
    found = [options(c) for c in drawn(conditioners(num_global_tokens=st.integers(0, 1)), 60)]
    assert {made["num_global_tokens"] for made in found} == {0, 1}
    assert all(made["tokens_per_domain"] + made["num_global_tokens"] > 1 for made in found)


def test_a_fixed_seed_gives_the_numbers_of_that_seed():
    fixed = {"emb_dim": 4, "num_heads": 2, "num_domains": 2, "tokens_per_domain": 3, "num_global_tokens": 0}
    expected = AttentionConditioner(**fixed, seed=5).domain_embedding.tokens.data
    found = drawn(conditioners(**fixed, seed=5, dtype=np.float32), 20)
    assert any(np.array_equal(c.domain_embedding.tokens.data, expected) for c in found)


def test_a_single_key_that_was_asked_for_comes_without_its_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = drawn(conditioners(tokens_per_domain=1, num_global_tokens=0), 20)
        AttentionConditioner(4, 2, 2, tokens_per_domain=1)
    assert {c.domain_embedding.tokens.shape[1] for c in found} == {1}
    assert {c.domain_embedding.global_tokens for c in found} == {None}
    assert [warning.category for warning in caught] == [OneKeyWarning], "outside the strategy it is raised as ever"


# Calls.


@given(conditioner_calls())
def test_a_call_gives_a_condition_of_the_broadcast_batch(call):
    conditioner, user_emb, domain_id = call
    condition = conditioner(user_emb, domain_id)
    batch = np.broadcast_shapes(user_emb.shape[:-1], np.shape(domain_id))
    assert condition.shape == (*batch, conditioner.attention.emb_dim)
    assert condition.dtype == conditioner.attention.dtype
    assert np.all(np.isfinite(condition.numpy()))


def test_a_conditioner_is_called_in_every_form():
    calls = [(user_emb.shape[:-1], user_emb, ids, c) for c, user_emb, ids in drawn(conditioner_calls(), 600)]
    found = {
        "an int": any(type(ids) is int for _, _, ids, _ in calls),
        "an integer of NumPy's": any(isinstance(ids, np.integer) for _, _, ids, _ in calls),
        "one user": any(users == () == np.shape(ids) for users, _, ids, _ in calls),
        "(B,) users, one domain": any(len(users) == 1 and type(ids) is int for users, _, ids, _ in calls),
        "(B,) users, each in one": any(len(users) == 1 and np.shape(ids) == users for users, _, ids, _ in calls),
        "two batch axes": any(len(users) == 2 and np.shape(ids) == users for users, _, ids, _ in calls),
        "each user in every domain": any(
            len(users) == 2 and users[0] > 1 == users[1] and np.ndim(ids) == 1 and np.size(ids) > 1
            for users, _, ids, _ in calls
        ),
        "one user in several domains": any(users == () and np.size(ids) > 1 for users, _, ids, _ in calls),
        "a row of users in several rows of domains": any(
            len(users) == 1 and np.ndim(ids) == 2 for users, _, ids, _ in calls
        ),
        "rows of users in one row of domains": any(
            len(users) == 2 and users[-1] > 1 and np.ndim(ids) == 1 for users, _, ids, _ in calls
        ),
        "no users": any(0 in users for users, _, _, _ in calls),
        "repeated ids": any(0 < len(np.unique(ids)) < np.size(ids) for _, _, ids, _ in calls),
        "a domain that nobody is in": any(
            np.ndim(ids) and 0 < len(np.unique(ids)) < c.domain_embedding.num_domains for _, _, ids, c in calls
        ),
        "users in another dtype": any(user_emb.dtype != c.attention.dtype for _, user_emb, _, c in calls),
        "read-only users": any(not user_emb.flags.writeable for _, user_emb, _, _ in calls),
        "users out of order in memory": any(not user_emb.flags.c_contiguous for _, user_emb, _, _ in calls),
        "ids out of order in memory": any(not ids.flags.c_contiguous for _, _, ids, _ in calls if np.ndim(ids)),
        "read-only ids": any(not ids.flags.writeable for _, _, ids, _ in calls if np.ndim(ids)),
        "ids of 8 bits": any(ids.dtype == np.uint8 for _, _, ids, _ in calls if np.ndim(ids)),
    }
    assert not [what for what, was in found.items() if not was]


def test_domains_with_names_are_called_by_name_and_by_number():
    calls = drawn(conditioner_calls(domain_names=["books", "films", "music"]), 200)
    assert {np.asarray(call.domain_id).dtype.kind for call in calls} >= {"U", "i"}
    assert {type(call.domain_id) for call in calls} >= {int, str, np.ndarray}
    for conditioner, user_emb, domain_id in calls:
        conditioner(user_emb, domain_id)


def test_no_domains_may_be_named_too():
    conditioner = AttentionConditioner(4, 2, 2, domain_names=["books", "films"])
    nobody = np.zeros((0, 4), np.float32)
    assert conditioner(nobody, np.array([], "<U5")).shape == (0, 4)
    with pytest.raises(TypeError, match="expected integers"):
        AttentionConditioner(4, 2, 2)(nobody, np.array([], "<U5"))


@STARTS
def test_a_call_shrinks_to_one_user_of_one_feature_in_one_domain(start):
    conditioner, user_emb, domain_id = smallest(conditioner_calls(), lambda call: np.any(call.user_emb), start)
    assert user_emb.shape == (1,)
    assert user_emb == 1
    assert domain_id == 0
    made = options(conditioner)
    assert made["emb_dim"] == made["num_heads"] == made["num_domains"] == made["tokens_per_domain"] == 1
    assert not made["residual"]
    assert not made["layer_norm"]


def test_a_call_that_needs_two_domains_shrinks_to_two_of_them():
    call = smallest(conditioner_calls(), lambda call: len(np.unique(call.domain_id)) > 1)
    assert call.conditioner.attention.emb_dim == 1
    assert call.conditioner.domain_embedding.num_domains == 2
    assert sorted(np.ravel(call.domain_id)) == [0, 1]
    assert not call.user_emb.any()


# All of them.


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: domain_ids(0, (2,)), ValueError, "num_domains is 0"),
        (lambda: attention_inputs(max_side=0), ValueError, "max_side is 0"),
        (lambda: attention_inputs(dtype=np.float16, magnitude=1e30), ValueError, "which is what float16 can hold"),
        (lambda: conditioners(heads=2), TypeError, "'heads' is not an argument of AttentionConditioner"),
    ],
)
def test_what_cannot_be_drawn_is_refused_when_it_is_asked_for(make, error, says):
    with pytest.raises(error, match=says):
        make()


ALL = {
    "arrays": arrays(shapes()),
    "extreme arrays": arrays(shapes(), dtype=np.float32, smallest=1e-30, magnitude=1e30),
    "attention_inputs": attention_inputs(masked=True),
    "domain_ids": domain_ids(4, shapes()),
    "conditioners": conditioners(),
    "conditioner_calls": conditioner_calls(),
}


@pytest.mark.parametrize("strategy", ALL.values(), ids=ALL)
def test_no_more_than_one_draw_in_fifty_is_thrown_away(strategy):
    begun = []

    @st.composite
    def counted(draw):
        begun.append(draw(st.just(True)))
        return draw(strategy)

    used = len(drawn(counted(), 200))
    assert used == 200
    assert len(begun) <= used * 50 / 49


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("hypothesis", "which is not installed: pip install hypothesis"),
        ("acg_numpy.testing.violation", "acg_numpy.testing.violation"),
    ],
)
def test_what_cannot_be_imported_is_named_and_for_hypothesis_what_to_do(missing, says, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("acg_numpy.testing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError, match=says) as raised:
        importlib.import_module("acg_numpy.testing")
    assert raised.value.name == missing


def test_all_that_is_promised_is_public():
    promised = {"arrays", "attention_inputs", "conditioner_calls", "conditioners", "domain_ids", "shapes"}
    assert promised <= set(strategies.__all__)
