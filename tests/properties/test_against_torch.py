"""The same numbers as PyTorch's `nn.MultiheadAttention`: output, weights, every gradient."""

import numpy as np
import pytest

from acg_numpy import MultiHeadCrossAttention, tensor

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is only compared with")


def both(emb_dim, num_heads, bias, dtype, rng):
    """Our module and PyTorch's, with the same parameters."""
    ours = MultiHeadCrossAttention(emb_dim, num_heads, bias=bias, dtype=dtype, seed=0)
    for p in ours.parameters():
        p.data[...] = rng.normal(size=p.shape) / np.sqrt(emb_dim)
    theirs = torch.nn.MultiheadAttention(
        emb_dim, num_heads, bias=bias, batch_first=True, dtype=getattr(torch, np.dtype(dtype).name)
    )
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.tensor(np.concatenate([p.weight.data.T for p in parts])))
        theirs.out_proj.weight.copy_(torch.tensor(ours.output.weight.data.T))
        if bias:
            theirs.in_proj_bias.copy_(torch.tensor(np.concatenate([p.bias.data for p in parts])))
            theirs.out_proj.bias.copy_(torch.tensor(ours.output.bias.data))
    return ours, theirs


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("batch", "queries", "keys"), [(1, 1, 1), (5, 1, 8), (3, 6, 4)])
def test_output_weights_and_every_gradient_are_the_same(batch, queries, keys, masked, bias, dtype):
    rng = np.random.default_rng(batch)
    ours, theirs = both(12, 3, bias, dtype, rng)
    query, context = (
        rng.normal(size=(batch, queries, 12)).astype(dtype),
        rng.normal(size=(batch, keys, 12)).astype(dtype),
    )
    g, h = rng.normal(size=query.shape).astype(dtype), rng.normal(size=(batch, 3, queries, keys)).astype(dtype)
    mask = (rng.random((queries, keys)) < 0.6) | (np.arange(keys) == 0) if masked else None

    q, c = tensor(query, requires_grad=True), tensor(context, requires_grad=True)
    out, weights = ours(q, c, mask=mask, return_attention=True)
    (np.sum(out * g) + np.sum(weights * h)).backward()

    tq, tc = (torch.tensor(a, requires_grad=True) for a in (query, context))
    forbidden = None if mask is None else torch.tensor(~mask)  # PyTorch's module means the opposite by True
    tout, tweights = theirs(tq, tc, tc, attn_mask=forbidden, average_attn_weights=False)
    (torch.sum(tout * torch.tensor(g)) + torch.sum(tweights * torch.tensor(h))).backward()

    pairs = {
        "output": (out.data, tout),
        "weights": (weights.data, tweights),
        "query": (q.grad, tq.grad),
        "context": (c.grad, tc.grad),
    }
    rows = theirs.in_proj_weight.grad.split(12)
    for name, found in zip(("query", "key", "value"), rows, strict=True):
        pairs[f"{name}.weight"] = (getattr(ours, name).weight.grad, found.T)
    pairs["output.weight"] = (ours.output.weight.grad, theirs.out_proj.weight.grad.T)
    if bias:
        for name, found in zip(("query", "key", "value"), theirs.in_proj_bias.grad.split(12), strict=True):
            pairs[f"{name}.bias"] = (getattr(ours, name).bias.grad, found)
        pairs["output.bias"] = (ours.output.bias.grad, theirs.out_proj.bias.grad)

    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    for name, (a, b) in pairs.items():
        b = b.detach().numpy()
        assert a.shape == b.shape, name
        scale = max(1.0, float(np.max(np.abs(b))))
        assert np.max(np.abs(a - b)) <= tolerance * scale, name


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("output", [True, False])
def test_wide_heads_are_those_of_the_functional_attention(output, dropped):
    rng = np.random.default_rng(0)
    ours = MultiHeadCrossAttention(
        6, 4, inner_dim=20, head_dropout=0.3 if dropped else 0.0, output=output, dtype=np.float64, seed=0
    )
    drawn = ours.random_state()
    mask = ours.draw_head_dropout_mask((5, 3, 20))
    ours.load_random_state(drawn)
    query, context = rng.normal(size=(5, 3, 6)), rng.normal(size=(5, 7, 6))
    leaves = {"query": tensor(query, requires_grad=True), "context": tensor(context, requires_grad=True)}
    out = ours(leaves["query"], leaves["context"])
    g = rng.normal(size=out.shape)
    out.backward(g)

    theirs = {
        name: torch.tensor(t.numpy(), requires_grad=True) for name, t in (*leaves.items(), *ours.named_parameters())
    }

    def heads(rows, name):
        rows = rows @ theirs[f"{name}.weight"] + theirs[f"{name}.bias"]
        return rows.unflatten(-1, (4, 5)).transpose(-3, -2)

    q, k, v = heads(theirs["query"], "query"), heads(theirs["context"], "key"), heads(theirs["context"], "value")
    merged = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(-3, -2).flatten(-2)
    merged = merged if mask is None else merged * torch.tensor(mask)
    expected = merged @ theirs["output.weight"] + theirs["output.bias"] if output else merged
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(out.data, expected.detach().numpy(), rtol=1e-12, atol=1e-13)
    for name, leaf in (*leaves.items(), *ours.named_parameters()):
        np.testing.assert_allclose(leaf.grad, theirs[name].grad.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)
