import copy
import io
import pickle

import numpy as np
import pytest

from acg_numpy import AttentionConditioner, MultiHeadCrossAttention
from acg_numpy.interop import from_torch, to_torch
from tests.interop.option_sets import OPTION_SETS, assert_same_conditioner, gradients, make_batch, make_conditioner

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
MHA = torch.nn.MultiheadAttention


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tolerance(dtype):
    """1e-6 where rounding is finer than that."""
    return 1e-6 if dtype == np.float64 else 1e-5


def test_outputs_gradients_and_bits_are_the_same_both_ways():
    for options in OPTION_SETS:
        conditioner = make_conditioner(options)
        module = to_torch(conditioner)
        assert list(module.state_dict()) == list(conditioner.state_dict())
        for rows in (3, 17):  # fewer than domains, and more
            users, ids = make_batch(rows, conditioner.dtype)
            condition, attention = module(torch.from_numpy(users), torch.from_numpy(ids), return_attention=True)
            close = {"rtol": tolerance(conditioner.dtype), "atol": tolerance(conditioner.dtype)}
            for ours, theirs in zip(
                conditioner(users, ids, return_attention=True), (condition, attention), strict=True
            ):
                np.testing.assert_allclose(theirs.detach(), ours.data, **close, err_msg=str(options))
            module.zero_grad()
            ((condition**2).mean() + 0.5 * (attention**2).mean()).backward()
            expected = gradients(conditioner, users, ids)
            for name, parameter in module.named_parameters():
                np.testing.assert_allclose(parameter.grad, expected[name], **close, err_msg=f"{name} {options}")
        assert_same_conditioner(from_torch(module), conditioner)


def test_users_and_domains_broadcast_as_here():
    conditioner = make_conditioner({"output_per_domain": True, "num_global_tokens": 2})
    module = to_torch(conditioner)
    users, _ = make_batch(7, np.float64)
    for rows, ids in [(users, 3), (users[0], np.arange(5)), (users[:, None], np.arange(5)), (users[0], 1)]:
        expected = conditioner(rows, ids, return_attention=True)
        found = module(torch.from_numpy(rows), ids, return_attention=True)
        for ours, theirs in zip(expected, found, strict=True):
            np.testing.assert_allclose(theirs.detach(), ours.data, rtol=1e-9)


@pytest.mark.parametrize("wrong", [-1, 5])
def test_a_domain_out_of_range_is_refused(wrong):
    for rows in (1, 9):
        with pytest.raises(IndexError):
            to_torch(make_conditioner({}))(torch.ones(rows, 8, dtype=torch.float64), torch.full((rows,), wrong))


def test_dropout_drops_in_training_alone():
    module = to_torch(make_conditioner({"inner_dim": 12}).train())
    users = torch.ones(5, 8, dtype=torch.float64)
    assert module.training
    assert not torch.equal(module(users, 1), module(users, 1))
    assert torch.equal(module.eval()(users, 1), module(users, 1))


def test_a_module_is_copied_saved_and_made_like_any_other():
    conditioner = make_conditioner({})
    module = to_torch(conditioner)
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert_same_conditioner(from_torch(again), conditioner)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    fresh = type(module)(**conditioner.options()).eval()
    fresh.load_state_dict(torch.load(file))
    assert_same_conditioner(from_torch(fresh), conditioner)
    assert from_torch(module.float()).dtype == np.float32
    assert "num_heads=2" in repr(module)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_attention_of_pytorch_computes_the_same_here(bias, dtype):
    module = MHA(8, 2, dropout=0.25, bias=bias, batch_first=True, dtype=dtype).eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    query, context = torch.randn(3, 4, 8, dtype=dtype), torch.randn(3, 5, 8, dtype=dtype)
    attention = from_torch(module)
    assert isinstance(attention, MultiHeadCrossAttention)
    assert (attention.dropout, attention.training) == (0.25, False)
    expected = module(query, context, context, average_attn_weights=False)
    for ours, theirs in zip(attention(query.numpy(), context.numpy(), return_attention=True), expected, strict=True):
        np.testing.assert_allclose(ours.data, theirs.detach(), rtol=1e-5, atol=1e-6)


def test_attention_with_an_embedding_is_a_conditioner():
    module, embedding = MHA(8, 2, batch_first=True).eval(), torch.nn.Embedding(5, 3 * 8)
    users, ids = torch.randn(6, 8), torch.tensor([0, 4, 4, 2, 1, 3])
    context = embedding(ids).view(6, 3, 8)
    expected = module(users[:, None], context, context)[0][:, 0]
    tokens = embedding.weight.detach().view(5, 3, 8)
    for given in (embedding, embedding.weight, tokens, tokens.numpy()):
        conditioner = from_torch(module, given)
        assert isinstance(conditioner, AttentionConditioner)
        np.testing.assert_allclose(
            conditioner(users.numpy(), ids.numpy()).data, expected.detach(), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    ("module", "embedding", "error", "message"),
    [
        (lambda: MHA(8, 2, add_bias_kv=True), None, ValueError, "has bias_k and bias_v"),
        (lambda: MHA(8, 2, add_zero_attn=True), None, ValueError, "has add_zero_attn=True"),
        (lambda: MHA(8, 2, kdim=4), None, ValueError, "has kdim=4, other than embed_dim, 8"),
        (lambda: MHA(8, 2, vdim=4), None, ValueError, "has vdim=4, other than embed_dim, 8"),
        (lambda: torch.nn.Linear(8, 8), None, TypeError, "not a Linear"),
        (lambda: MHA(8, 2).half(), None, TypeError, "in_proj_weight has dtype float16"),
        (lambda: MHA(8, 2), torch.zeros(5, 9), ValueError, r"embedding has shape \(5, 9\)"),
        (lambda: MHA(8, 2), torch.zeros(5, 3, 16), ValueError, r"embedding has shape \(5, 3, 16\)"),
        (lambda: MHA(8, 2), torch.nn.Embedding(5, 8, max_norm=1.0), ValueError, "max_norm=1.0"),
        (lambda: MHA(8, 2), torch.zeros(5, 8, dtype=torch.float64), TypeError, "several dtypes"),
        (lambda: to_torch(make_conditioner({})), torch.zeros(5, 8), ValueError, "tokens of its own; leave it out"),
    ],
)
def test_what_has_no_counterpart_is_refused(module, embedding, error, message):
    with pytest.raises(error, match=message):
        from_torch(module(), embedding)
