"""A report reads well in a terminal and in a notebook."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from tests.checks.pairs_to_check import attention_backward, attention_forward, attention_inputs, square_forward


@pytest.fixture(scope="module")
def failed():
    def wrong_backward(grad_out, cache):
        dQ, dK, dV, db = attention_backward(grad_out, cache)
        return dQ, -dK, dV, db[:3]

    inputs = (*attention_inputs(np.random.default_rng(0)), np.array([True, True, False, True, True]))
    return check_backward(attention_forward, wrong_backward, *inputs, raise_on_failure=False)


def test_the_first_line_says_what_is_wrong(failed):
    assert str(failed).splitlines()[0] == (
        "check_backward of wrong_backward: FAILED, key is wrong and not in the form expected"
    )
    assert "central differences in float64, rtol 1e-05, seed 0" in str(failed)


def test_every_input_has_a_line_in_the_table(failed):
    lines = str(failed).splitlines()
    (heading,) = [number for number, line in enumerate(lines) if line.split()[:2] == ["input", "shape"]]
    cells = [line.split() for line in lines[heading + 1 : heading + 6]]
    assert cells[0][:6] == ["query", "(2,", "3,", "4)", "24", "."]
    assert cells[1][:6] == ["x", "key", "(2,", "5,", "4)", "8"]  # the eight elements behind the masked key are 0 = -0
    assert lines[heading + 4].endswith("not compared, see below")
    assert lines[heading + 5].endswith("held fixed (bool)")


def test_the_worst_element_stands_in_its_row(failed):
    text, worst = str(failed), failed.worst
    i, j, k = worst.index
    assert f"worst element: key[{i}, {j}, {k}]" in text
    assert f"its row, key[{i}, {j}, :]" in text
    assert f"{worst.numeric: .8g}" in text


def test_a_long_row_is_cut_around_its_worst_element():
    def wrong_backward(grad_out, x):
        grad = 2 * grad_out * x
        grad[0, 70] = 0.0
        return grad

    report = check_backward(square_forward, wrong_backward, np.ones((2, 100)), raise_on_failure=False)
    assert "its row, x[0, 67:73]" in str(report)
    assert max(map(len, str(report).splitlines())) <= 100


def test_repr_and_str_are_the_same(failed):
    assert repr(failed) == str(failed)


def test_html_has_a_row_an_input_and_escapes_names():
    report = check_backward(
        square_forward, lambda grad_out, x: grad_out, np.ones(2), names=["<x>"], raise_on_failure=False
    )
    page = report._repr_html_()
    assert "<td>&lt;x&gt;</td>" in page
    assert "<x>" not in page
    assert page.count("<tr>") == 2
    assert "check_backward of &lt;lambda&gt;" in page


def test_html_shows_second_order_and_notes():
    inputs = attention_inputs(np.random.default_rng(0))
    page = check_backward(attention_forward, attention_backward, *inputs, second_order=True)._repr_html_()
    assert page.count("<table>") == 2
    assert "cannot learn" in page
