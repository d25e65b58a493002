"""Windows and layouts: 1-D convolution, average pooling, image patches, a flattened sequence."""

import numpy as np

from tests.checks.outside.operations import Operation, sizes

# y_t = sum_k x_{t+k} W_k + b


def conv_forward(x, kernel, bias):  # (B, T, C), (K, C, O), (O,) -> (B, T - K + 1, O)
    K = kernel.shape[0]
    L = x.shape[1] - K + 1
    y = bias
    for k in range(K):
        y = y + x[:, k : k + L] @ kernel[k]
    return y, (x, kernel, L)


def conv_backward(grad_out, cache):
    x, kernel, L = cache
    dx, dkernel = np.zeros_like(x), np.zeros_like(kernel)
    for k in range(len(kernel)):
        dx[:, k : k + L] += grad_out @ kernel[k].T
        dkernel[k] = np.einsum("btc,bto->co", x[:, k : k + L], grad_out)
    return dx, dkernel, np.sum(grad_out, axis=(0, 1))


def conv_anew_each_turn(grad_out, cache):
    x, kernel, L = cache
    for k in range(len(kernel)):
        dx = np.zeros_like(x)
        dx[:, k : k + L] = grad_out @ kernel[k].T
    return dx, *conv_backward(grad_out, cache)[1:]


def conv_kernel_averaged(grad_out, cache):
    dx, dkernel, dbias = conv_backward(grad_out, cache)
    return dx, dkernel / len(cache[0]), dbias


def conv_bias_a_sequence(grad_out, cache):
    return *conv_backward(grad_out, cache)[:2], np.sum(grad_out, axis=1)


def conv_bias_other_axes(grad_out, cache):
    return *conv_backward(grad_out, cache)[:2], np.sum(grad_out, axis=(1, 2))


def conv_first_of_batch(grad_out, cache):
    x, kernel, L = cache
    dx, dkernel, dbias = conv_backward(grad_out, cache)
    dkernel = np.stack([x[0, k : k + L].T @ grad_out[0] for k in range(len(kernel))])
    return dx, dkernel, dbias


def draw_conv(rng, distinct):
    B, C, O = sizes(rng, distinct, 3, among=(3, 5, 7))  # noqa: E741
    T, K = (11, 4) if distinct else (6, 3)  # windows of 8
    return rng.normal(size=(B, T, C)), rng.normal(size=(K, C, O)), rng.normal(size=O)


CONV = Operation("1-D convolution", conv_forward, conv_backward, draw_conv)


# Average pooling over windows that do not overlap, with a scale for each channel


def pool_forward(x, scale):  # (B, N * 4, C), (C,) -> (B, N, C)
    B, T, C = x.shape
    pooled = np.mean(np.reshape(x, (B, T // 4, 4, C)), axis=2)
    return pooled * scale, (pooled, scale)


def pool_backward(grad_out, cache):
    pooled, scale = cache
    return np.repeat(grad_out * scale, 4, axis=1) / 4, np.sum(grad_out * pooled, axis=(0, 1))


def pool_not_shared(grad_out, cache):
    pooled, scale = cache
    return np.repeat(grad_out * scale, 4, axis=1), np.sum(grad_out * pooled, axis=(0, 1))


def pool_scale_by_output(grad_out, cache):
    pooled, scale = cache
    return pool_backward(grad_out, cache)[0], np.sum(grad_out * pooled * scale, axis=(0, 1))


def draw_pool(rng, distinct):
    B, N, C = sizes(rng, distinct, 3)
    return rng.normal(size=(B, 4 * N, C)), rng.uniform(0.5, 2, size=C)


POOL = Operation("average pooling", pool_forward, pool_backward, draw_pool)


# Patches of an image, each flattened and projected, as a vision transformer begins


def patches_forward(image, weight):  # (B, R * 3, Q * 3), (9, O) -> (B, R * Q, O)
    B, R, Q = image.shape[0], image.shape[1] // 3, image.shape[2] // 3
    blocks = np.transpose(np.reshape(image, (B, R, 3, Q, 3)), (0, 1, 3, 2, 4))
    patches = np.reshape(blocks, (B, R * Q, 9))
    return patches @ weight, (patches, weight, (B, R, Q))


def patches_backward(grad_out, cache):
    patches, weight, (B, R, Q) = cache
    blocks = np.reshape(grad_out @ weight.T, (B, R, Q, 3, 3))
    dimage = np.reshape(np.transpose(blocks, (0, 1, 3, 2, 4)), (B, R * 3, Q * 3))
    return dimage, np.einsum("bpk,bpo->ko", patches, grad_out)


def patches_reshaped(grad_out, cache):
    _, weight, (B, R, Q) = cache
    return np.reshape(grad_out @ weight.T, (B, R * 3, Q * 3)), patches_backward(grad_out, cache)[1]


def patches_weight_other_way(grad_out, cache):
    return patches_backward(grad_out, cache)[0], np.einsum("bpo,bpk->ok", grad_out, cache[0])


def draw_patches(rng, distinct):
    B, R, Q, O = (5, 2, 4, 7) if distinct else (2, 2, 2, 9)  # noqa: E741
    return rng.normal(size=(B, 3 * R, 3 * Q)), rng.normal(size=(9, O))


PATCHES = Operation("image patches", patches_forward, patches_backward, draw_patches)


# A sequence kept time first, flattened for each member of the batch and read out


def readout_forward(x, weight):  # (T, B, D), (T * D, O) -> (B, O)
    T, B, D = x.shape
    flat = np.reshape(np.swapaxes(x, 0, 1), (B, T * D))
    return flat @ weight, (flat, weight, (T, B, D))


def readout_backward(grad_out, cache):
    flat, weight, (T, B, D) = cache
    return np.swapaxes(np.reshape(grad_out @ weight.T, (B, T, D)), 0, 1), flat.T @ grad_out


def readout_reshaped(grad_out, cache):
    flat, weight, shape = cache
    return np.reshape(grad_out @ weight.T, shape), flat.T @ grad_out


def readout_batch_first(grad_out, cache):
    flat, weight, (T, B, D) = cache
    return np.reshape(grad_out @ weight.T, (B, T, D)), flat.T @ grad_out


def draw_readout(rng, distinct):
    T, B, D, O = sizes(rng, distinct, 4)  # noqa: E741
    return rng.normal(size=(T, B, D)), rng.normal(size=(T * D, O))


READOUT = Operation("sequence read-out", readout_forward, readout_backward, draw_readout)


MISTAKES = (
    CONV.mistake("input made anew each turn", "last-only", "The zeros stand inside the loop.", conv_anew_each_turn),
    CONV.mistake("kernel averaged", "mean-for-sum", "A batch is averaged, as a rule.", conv_kernel_averaged),
    CONV.mistake(
        "bias a sequence", "missing-broadcast-sum", "The windows are summed and the batch is not.", conv_bias_a_sequence
    ),
    CONV.mistake("bias over the other axes", "wrong-axis", "Channels come first elsewhere.", conv_bias_other_axes),
    CONV.mistake(
        "kernel from the first sequence",
        "missing-broadcast-sum",
        "It was tried with a batch of one.",
        conv_first_of_batch,
    ),
    POOL.mistake("not shared out", "mean-for-sum", "The gradient is handed to everyone whole.", pool_not_shared),
    POOL.mistake("scale by the output", "stale-value", "The pooled values are scaled in place.", pool_scale_by_output),
    PATCHES.mistake(
        "merged by reshape", "reshaped-not-transposed", "The shape is right after one reshape.", patches_reshaped
    ),
    PATCHES.mistake(
        "weight the other way",
        "transposed",
        "The letters of einsum are written as they come.",
        patches_weight_other_way,
    ),
    READOUT.mistake(
        "split by reshape", "reshaped-not-transposed", "x.shape is at hand and the sizes fit.", readout_reshaped
    ),
    READOUT.mistake(
        "left batch first", "transposed", "The flat rows are unfolded, and that seems all.", readout_batch_first
    ),
)
