"""Windows put back at other places than they were taken from: the stride left out, axes exchanged."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward

RNG = np.random.default_rng(0)
IMAGE, KERNEL = RNG.normal(size=(5, 5)), RNG.normal(size=(3, 3))


def forward(x, kernel):
    out = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            out[i, j] = np.sum(x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * kernel)
    return out, (x, kernel)


def backward_at(put, read):
    def backward(g, cache):
        x, kernel = cache
        dx, dkernel = np.zeros_like(x), np.zeros_like(kernel)
        for i in range(2):
            for j in range(2):
                (a, b), (c, d) = put(i, j), read(i, j)
                dx[a : a + 3, b : b + 3] += g[i, j] * kernel
                dkernel += g[i, j] * x[c : c + 3, d : d + 3]
        return dx, dkernel

    return backward


def right(i, j):
    return 2 * i, 2 * j


def dense(i, j):
    return i, j


def exchanged(i, j):
    return 2 * j, 2 * i


PLACES = {
    "put back without the stride": (dense, right, "stale-value", "the stride is left out where windows are put back"),
    "read without the stride": (right, dense, "stale-value", "the stride is left out where windows are read again"),
    "without the stride": (dense, dense, "stale-value", "windows are put back and read again"),
    "with axes exchanged": (exchanged, right, "transposed", "axes 0 and 1 are exchanged where windows are put back"),
}


@pytest.mark.parametrize(("put", "read", "mistake", "sentence"), PLACES.values(), ids=PLACES)
def test_windows_at_other_places_are_named_by_what_is_left_out(put, read, mistake, sentence):
    best = check_backward(forward, backward_at(put, read), IMAGE, KERNEL, raise_on_failure=False).diagnoses[0]
    assert best.mistake == mistake
    assert sentence in best.evidence


def test_the_right_backward_of_windows_passes():
    check_backward(forward, backward_at(right, right), IMAGE, KERNEL)


@pytest.mark.parametrize(("part", "where"), [(slice(0, 4), "end"), (slice(2, 6), "beginning")])
def test_a_border_cut_off_at_one_side_alone_is_named(part, where):
    report = check_backward(
        lambda x: (np.sin(np.pad(x, 1)), np.pad(x, 1)),
        lambda g, x: (g * np.cos(x))[part, part],
        IMAGE[:4, :4],
        raise_on_failure=False,
    )
    assert report.diagnoses[0].mistake == "stale-value"
    assert f"cut off at the {where} of each axis" in report.diagnoses[0].evidence


def test_windows_counted_as_if_height_and_width_were_exchanged_are_named():
    def places(height, width):
        rows, columns = (np.ravel(a) for a in np.meshgrid(range(0, height, 2), range(0, width, 2), indexing="ij"))
        inside = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
        return inside[0][:, None] + rows, inside[1][:, None] + columns

    def forward(x):
        i, j = places(*x.shape[1:])
        return x[:, i, j].mean(1), x

    def backward(g, x):
        height, width = x.shape[1:]
        image = np.zeros((len(x), width, height))
        i, j = places(width, height)
        np.add.at(image, (slice(None), i, j), np.repeat(g[:, None] / 4, 4, axis=1))
        return image.reshape(x.shape)

    image = np.random.default_rng(0).normal(size=(2, 4, 6))
    best = check_backward(forward, backward, image, raise_on_failure=False).diagnoses[0]
    assert best.mistake == "transposed"
    assert "the lengths of axes 1 and 2 are exchanged" in best.evidence
