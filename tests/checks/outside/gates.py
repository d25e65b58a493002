"""Gates and attention: mixture of experts, squeeze-and-excite, additive attention, a memory that is read, dropout."""

import numpy as np

from tests.checks.outside.operations import Operation, sigmoid, sizes, softmax

# Mixture of experts: a softmax says how far each expert is heard


def experts_forward(x, gate, experts):  # (B, D), (D, E), (E, D, O) -> (B, O)
    p = softmax(x @ gate)
    heard = np.einsum("bd,edo->beo", x, experts)
    return np.einsum("be,beo->bo", p, heard), (x, gate, experts, p, heard)


def experts_from(dlogits, grad_out, cache):
    x, gate, experts, p, _ = cache
    dx = dlogits @ gate.T + np.einsum("be,bo,edo->bd", p, grad_out, experts)
    return dx, x.T @ dlogits, np.einsum("be,bd,bo->edo", p, x, grad_out)


def experts_backward(grad_out, cache):
    p, heard = cache[3:]
    dp = np.einsum("bo,beo->be", grad_out, heard)
    return experts_from(p * (dp - np.sum(p * dp, axis=1, keepdims=True)), grad_out, cache)


def experts_diagonal(grad_out, cache):
    p, heard = cache[3:]
    dp = np.einsum("bo,beo->be", grad_out, heard)
    return experts_from(p * (1 - p) * dp, grad_out, cache)


def experts_denominator_held(grad_out, cache):
    p, heard = cache[3:]
    dp = np.einsum("bo,beo->be", grad_out, heard)
    return experts_from(p * dp, grad_out, cache)


def experts_over_batch(grad_out, cache):
    p, heard = cache[3:]
    dp = np.einsum("bo,beo->be", grad_out, heard)
    return experts_from(p * (dp - np.sum(p * dp, axis=0)), grad_out, cache)


def experts_input_not_through_gate(grad_out, cache):
    p, experts = cache[3], cache[2]
    return np.einsum("be,bo,edo->bd", p, grad_out, experts), *experts_backward(grad_out, cache)[1:]


def draw_experts(rng, distinct):
    B, D, E, O = sizes(rng, distinct, 4)  # noqa: E741
    return rng.normal(size=(B, D)), 0.7 * rng.normal(size=(D, E)), 0.7 * rng.normal(size=(E, D, O))


EXPERTS = Operation("mixture of experts", experts_forward, experts_backward, draw_experts)


# Squeeze-and-excite with a way around: x + x * gate(mean of x over time)


def excite_forward(x, squeeze, excite):  # (B, T, C), (C, R), (R, C)
    m = np.mean(x, axis=1)
    a = np.tanh(m @ squeeze)
    s = sigmoid(a @ excite)
    return x + x * s[:, None, :], (x, squeeze, excite, m, a, s)


def excite_from(ds, dx, cache):
    x, squeeze, excite, m, a, s = cache
    dlogits = ds * s * (1 - s)
    dz = dlogits @ excite.T * (1 - a**2)
    return dx + (dz @ squeeze.T / x.shape[1])[:, None, :], m.T @ dz, a.T @ dlogits


def excite_backward(grad_out, cache):
    x, s = cache[0], cache[5]
    return excite_from(np.sum(grad_out * x, axis=1), grad_out + grad_out * s[:, None, :], cache)


def excite_direct_alone(grad_out, cache):
    s = cache[5]
    return grad_out + grad_out * s[:, None, :], *excite_backward(grad_out, cache)[1:]


def excite_skip_twice(grad_out, cache):
    dx, dsqueeze, dexcite = excite_backward(grad_out, cache)
    return dx + grad_out, dsqueeze, dexcite


def excite_no_skip(grad_out, cache):
    dx, dsqueeze, dexcite = excite_backward(grad_out, cache)
    return dx - grad_out, dsqueeze, dexcite


def excite_mean_over_time(grad_out, cache):
    x, s = cache[0], cache[5]
    return excite_from(np.mean(grad_out * x, axis=1), grad_out + grad_out * s[:, None, :], cache)


def excite_squeezed_whole(grad_out, cache):
    x, s = cache[0], cache[5]
    dx = grad_out + grad_out * s[:, None, :]
    dx_shared, dsqueeze, dexcite = excite_backward(grad_out, cache)
    return dx + (dx_shared - dx) * x.shape[1], dsqueeze, dexcite


def draw_excite(rng, distinct):
    B, T, C, R = sizes(rng, distinct, 4)
    return rng.normal(size=(B, T, C)), rng.normal(size=(C, R)), rng.normal(size=(R, C))


EXCITE = Operation("squeeze-and-excite", excite_forward, excite_backward, draw_excite)


# Additive attention (Bahdanau): scores v tanh(W q + U k) over the keys of a sequence, which are read as well


def additive_forward(query, keys, query_weight, key_weight, v, mask):  # (B,Q) (B,T,K) (Q,A) (K,A) (A,) (B,T)
    z = (query @ query_weight)[:, None, :] + keys @ key_weight
    u = np.tanh(z)
    scores = u @ v
    p = softmax(np.where(mask, scores, -1e9))
    return np.einsum("bt,btk->bk", p, keys), (query, keys, query_weight, key_weight, v, z, u, scores, p)


def additive_scores(grad_out, cache):
    keys, p = cache[1], cache[8]
    dp = np.einsum("bk,btk->bt", grad_out, keys)
    return p * (dp - np.sum(p * dp, axis=1, keepdims=True))


def additive_from(dscores, grad_out, cache):
    query, keys, query_weight, key_weight, v, _, u, _, p = cache
    dz = dscores[..., None] * v * (1 - u**2)
    dq = np.sum(dz, axis=1)
    dkeys = p[..., None] * grad_out[:, None, :] + dz @ key_weight.T
    dkey_weight = np.einsum("btk,bta->ka", keys, dz)
    return dq @ query_weight.T, dkeys, query.T @ dq, dkey_weight, np.einsum("bt,bta->a", dscores, u), None


def additive_backward(grad_out, cache):
    return additive_from(additive_scores(grad_out, cache), grad_out, cache)


def additive_keys_scored_alone(grad_out, cache):
    dquery, dkeys, *others = additive_backward(grad_out, cache)
    return dquery, dkeys - cache[8][..., None] * grad_out[:, None, :], *others


def additive_first_key(grad_out, cache):
    query, _, query_weight, _, v, _, u, _, _ = cache
    dq = (additive_scores(grad_out, cache)[..., None] * v * (1 - u**2))[:, 0]
    _, dkeys, _, *others = additive_backward(grad_out, cache)
    return dq @ query_weight.T, dkeys, query.T @ dq, *others


def additive_diagonal(grad_out, cache):
    keys, p = cache[1], cache[8]
    return additive_from(p * (1 - p) * np.einsum("bk,btk->bt", grad_out, keys), grad_out, cache)


def additive_v_before_tanh(grad_out, cache):
    *others, _, nothing = additive_backward(grad_out, cache)
    return *others, np.einsum("bt,bta->a", additive_scores(grad_out, cache), cache[5]), nothing


def additive_softmax_anew(grad_out, cache):
    *before, scores, _ = cache
    return additive_backward(grad_out, (*before, scores, softmax(scores)))


def draw_additive(rng, distinct):
    B, T, Q, K, A = sizes(rng, distinct, 5)
    mask = np.arange(T) < rng.integers(2, T, size=(B, 1))
    return (
        rng.normal(size=(B, Q)),
        rng.normal(size=(B, T, K)),
        0.5 * rng.normal(size=(Q, A)),
        0.5 * rng.normal(size=(K, A)),
        rng.normal(size=A),
        mask,
    )


ADDITIVE = Operation("additive attention", additive_forward, additive_backward, draw_additive)


# Reading a memory whose rows are keys and values at once


def memory_forward(query, memory):  # (B, D), (S, D) -> (B, D)
    p = softmax(query @ memory.T / np.sqrt(query.shape[-1]))
    return p @ memory, (query, memory, p)


def memory_scores(grad_out, cache):
    _, memory, p = cache
    dp = grad_out @ memory.T
    return p * (dp - np.sum(p * dp, axis=1, keepdims=True))


def memory_backward(grad_out, cache):
    query, memory, p = cache
    ds = memory_scores(grad_out, cache) / np.sqrt(query.shape[-1])
    return ds @ memory, ds.T @ query + p.T @ grad_out


def memory_not_scaled(grad_out, cache):
    query, memory, p = cache
    ds = memory_scores(grad_out, cache)
    return ds @ memory, ds.T @ query + p.T @ grad_out


def memory_as_values_alone(grad_out, cache):
    return memory_backward(grad_out, cache)[0], cache[2].T @ grad_out


def memory_as_keys_alone(grad_out, cache):
    dquery, dmemory = memory_backward(grad_out, cache)
    return dquery, dmemory - cache[2].T @ grad_out


def memory_mean_subtracted_wrongly(grad_out, cache):
    query, memory, p = cache
    dp = grad_out @ memory.T
    ds = p * (dp - np.sum(p * dp, axis=0)) / np.sqrt(query.shape[-1])
    return ds @ memory, ds.T @ query + p.T @ grad_out


def draw_memory(rng, distinct):
    B, S, D = sizes(rng, distinct, 3)
    return rng.normal(size=(B, D)), rng.normal(size=(S, D))


MEMORY = Operation("memory read", memory_forward, memory_backward, draw_memory)


# A layer with dropout: tanh(x W) with some of its units off

KEEP = 0.6


def dropout_layer_forward(x, weight, kept):  # (B, I), (I, H), (B, H) bool
    h = np.tanh(x @ weight)
    return h * kept / KEEP, (x, weight, kept, h)


def dropout_layer_backward(grad_out, cache):
    x, weight, kept, h = cache
    dz = grad_out * kept / KEEP * (1 - h**2)
    return dz @ weight.T, x.T @ dz, None


def dropout_layer_all_on(grad_out, cache):
    x, weight, kept, h = cache
    return dropout_layer_backward(grad_out * KEEP, (x, weight, np.ones_like(kept), h))


def dropout_layer_no_rate(grad_out, cache):
    return dropout_layer_backward(grad_out * KEEP, cache)


def dropout_layer_drawn_anew(grad_out, cache):
    x, weight, kept, h = cache
    return dropout_layer_backward(grad_out, (x, weight, np.random.default_rng().random(kept.shape) < KEEP, h))


def draw_dropout_layer(rng, distinct):
    B, I, H = sizes(rng, distinct, 3)  # noqa: E741
    kept = rng.random((B, H)) < KEEP
    kept[0, 0], kept[-1, -1] = False, True
    return rng.normal(size=(B, I)), 0.5 * rng.normal(size=(I, H)), kept


DROPOUT_LAYER = Operation("layer with dropout", dropout_layer_forward, dropout_layer_backward, draw_dropout_layer)


MISTAKES = (
    EXPERTS.mistake(
        "diagonal of the gate", "diagonal-softmax", "p (1 - p) is remembered from sigmoid.", experts_diagonal
    ),
    EXPERTS.mistake(
        "gate's denominator held",
        "held-constant",
        "exp is its own derivative, and the rest a scale.",
        experts_denominator_held,
    ),
    EXPERTS.mistake("gate's mean over the batch", "wrong-axis", "One axis is as good as another.", experts_over_batch),
    EXPERTS.mistake(
        "input not through the gate",
        "missing-path",
        "x goes to the experts and to the gate.",
        experts_input_not_through_gate,
    ),
    EXCITE.mistake(
        "direct ways alone", "missing-path", "The gate's input is a mean that seems far off.", excite_direct_alone
    ),
    EXCITE.mistake("skip twice", "double-counted", "The block adds it, and so does its caller.", excite_skip_twice),
    EXCITE.mistake("no skip", "missing-path", "The block leaves it to its caller, who does not.", excite_no_skip),
    EXCITE.mistake(
        "gate's mean over time", "mean-for-sum", "The squeeze was a mean, so this is too.", excite_mean_over_time
    ),
    EXCITE.mistake("squeezed whole", "mean-for-sum", "The 1 / T of the mean is left out.", excite_squeezed_whole),
    ADDITIVE.mistake(
        "keys as keys alone", "missing-path", "They have no second name as values.", additive_keys_scored_alone
    ),
    ADDITIVE.mistake(
        "query from the first key",
        "missing-broadcast-sum",
        "[:, None] in the forward becomes [:, 0].",
        additive_first_key,
    ),
    ADDITIVE.mistake("diagonal", "diagonal-softmax", "p (1 - p) is remembered from sigmoid.", additive_diagonal),
    ADDITIVE.mistake("v before tanh", "stale-value", "z and u have one shape.", additive_v_before_tanh),
    ADDITIVE.mistake(
        "softmax anew without the mask", "missing-mask", "The scores were kept, not the weights.", additive_softmax_anew
    ),
    MEMORY.mistake("not scaled", "missing-scale", "The root stands in the forward alone.", memory_not_scaled),
    MEMORY.mistake(
        "memory as values alone", "missing-path", "It is read, and that is what it is for.", memory_as_values_alone
    ),
    MEMORY.mistake(
        "memory as keys alone", "missing-path", "The later line overwrites the earlier.", memory_as_keys_alone
    ),
    MEMORY.mistake(
        "softmax's mean over the batch",
        "wrong-axis",
        "The keepdims are gone and axis=0 fits.",
        memory_mean_subtracted_wrongly,
    ),
    DROPOUT_LAYER.mistake("all units on", "missing-mask", "The mask is kept and not used.", dropout_layer_all_on),
    DROPOUT_LAYER.mistake(
        "no rate", "constant-factor", "The mask comes back and its rate does not.", dropout_layer_no_rate
    ),
    DROPOUT_LAYER.mistake(
        "drawn anew", "random-backward", "The mask was not kept, and is drawn a second time.", dropout_layer_drawn_anew
    ),
)
