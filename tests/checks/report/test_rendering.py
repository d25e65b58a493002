"""A report as it is printed, whole: of results made up for it, so that every number is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.numeric.verdicts import InputComparison
from acg_numpy.checks.report.diagnosis import BlindSpot
from acg_numpy.checks.report.rendering import GUIDE
from acg_numpy.checks.report.report import GradientMismatch
from tests.checks.pairs_to_check import attention_backward, attention_forward, attention_inputs, square_forward
from tests.checks.reports import FAILED, WIDE, compared, passed

TEXT = f"""\
check_backward of <b>: FAILED, x and b are wrong and not in the form expected; 1 element undecided
(central differences in float64, rtol 1e-05, seed 0)

   input    shape    right  wrong  undecided  largest  relative error
x  x        (2, 10)     18      1          1       19         2.9e-02
x  w        (3,)     not compared, see below
   ids      (4,)     held fixed (int64)
   mask              held fixed (None)
x  b        (2,)         1      1          .        2         5.0e-01
   dead     (1,)         1      .          .        0         2.5e-18
   skipped  (2,)     not compared

gradient of the gradient, <grads, random>, with respect to:
  input  shape   right  wrong  undecided  largest  relative error
  x      (1, 2)      2      .          .        2         0.0e+00

fault: the gradient of w has shape (2,): expected (3,), that of w

fault: a second fault

worst element: b[1]
    your gradient        2
    numeric derivative   4  (uncertain by 1e-09)
    absolute error 2, relative error 0.5
  its row, b[:]
    your gradient                 1           2
    numeric derivative            1           4

diagnosis: wrong-sign (confidence 0.90)
           minus for plus in line 3.
           Evidence: all agree.
       or: other-0 (0.50): message 0; evidence 0
       or: other-1 (0.40): message 1; evidence 1
       or: other-2 (0.30): message 2; evidence 2
           and 2 less likely explanations

note: the first note

note: a second note

how to read a report: {GUIDE}"""


HEAD = "".join(
    f"<th>{cell}</th>" for cell in ("input", "shape", "right", "wrong", "undecided", "largest", "relative error")
)


def table(*rows):
    """Rows of full cells, or of two and a reason that takes the place of five; the first cell names its row."""
    lines = [
        "".join(
            f"<td colspan='5'>{cell}</td>"
            if len(row) == 3 and i == 2
            else f"<td>{cell}</td>"
            if i
            else f"<th>{cell}</th>"
            for i, cell in enumerate(row)
        )
        for row in rows
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{HEAD}</tr></thead><tbody>{body}</tbody></table>"


PAGE = [
    "<div class='acg-gradient-report'><p><strong>check_backward of &lt;b&gt;: FAILED, x and b are wrong and not in the "
    "form expected; 1 element undecided</strong><br>"
    "<small>central differences in float64, rtol 1e-05, seed 0</small></p>",
    table(
        ("x (wrong)", "(2, 10)", "18", "1", "1", "19", "2.9e-02"),
        ("w (wrong)", "(3,)", "not compared, see below"),
        ("ids", "(4,)", "held fixed (int64)"),
        ("mask", "", "held fixed (None)"),
        ("b (wrong)", "(2,)", "1", "1", ".", "2", "5.0e-01"),
        ("dead", "(1,)", "1", ".", ".", "0", "2.5e-18"),
        ("skipped", "(2,)", "not compared"),
    ),
    "<p>gradient of the gradient, with respect to:</p>",
    table(("x", "(1, 2)", "2", ".", ".", "2", "0.0e+00")),
    "<p><strong>fault:</strong> the gradient of w has shape (2,): expected (3,), that of w</p>",
    "<p><strong>fault:</strong> a second fault</p>",
    f"<pre>{TEXT[TEXT.index('worst element') : TEXT.index(chr(10) * 2 + 'diagnosis')]}</pre>",
    "<p><em>note:</em> the first note</p><p><em>note:</em> a second note</p>",
    "<p><strong>diagnosis</strong></p><ol>",
    "<li><strong>wrong-sign</strong> (confidence 0.90): minus for plus in line 3. "
    "<small>Evidence: all agree.</small></li>",
    *(
        f"<li><strong>other-{i}</strong> (confidence 0.{5 - i}0): message {i}. "
        f"<small>Evidence: evidence {i}.</small></li>"
        for i in range(3)
    ),
    f'</ol><p><a href="{GUIDE}">How to read a report</a></p></div>',
]


def test_a_report_that_failed_reads_so():
    assert str(FAILED) == TEXT
    assert repr(FAILED) == TEXT
    assert str(GradientMismatch(FAILED)) == TEXT


def test_a_notebook_shows_the_same():
    assert FAILED._repr_html_() == "".join(PAGE)


def test_a_report_that_passed_says_what_it_could_not_have_seen():
    spot = BlindSpot("transposed", "x is square", "check at other lengths " * 4 + "too")
    report = passed(compared("x", [2.0], [2.0]), blind_spots=(spot, replace(spot, mistake="<i>")))
    lines = str(report).splitlines()
    assert lines[0] == "check_backward of f: passed"
    assert lines[-5] == "blind spots, mistakes that would have passed at these inputs:"
    assert lines[-4] == (
        "  - transposed: x is square; check at other lengths check at other lengths check at other lengths"
    )
    assert lines[-3] == "    check at other lengths too"
    page = report._repr_html_()
    assert page.endswith(
        "<p>blind spots, mistakes that would have passed at these inputs</p><ul>"
        f"<li><strong>transposed</strong>: x is square; {spot.remedy}</li>"
        f"<li><strong>&lt;i&gt;</strong>: x is square; {spot.remedy}</li></ul></div>"
    )


def test_the_first_line_says_how_it_failed():
    right, wrong = compared("x", [2.0], [2.0]), compared("w", [2.0], [1.0], wrong=[0])
    coarse = compared("x", [2.0, 1.0], [2.0, 1.0], undecided=[0, 1])
    heads = {
        "FAILED, w is wrong": passed(right, wrong),
        "FAILED, w, w and w are wrong": passed(wrong, wrong, wrong),
        "FAILED, not in the form expected": passed(right, faults=("it is not",)),
        "FAILED, w is wrong and not in the form expected": passed(wrong, faults=("it is not",)),
        "FAILED, nothing could be decided, the numeric derivative is too coarse here; 2 elements undecided": passed(
            coarse
        ),
        "FAILED, at second order w is wrong": passed(right, second_order=passed(wrong, order=2)),
        "FAILED, at second order": passed(right, second_order=passed(right, faults=("it is not",), order=2)),
        "passed, but most elements are undecided: 2 of 3": passed(right, coarse),
        "passed; 2 elements undecided": passed(right, right, coarse),
        "passed": passed(),
    }
    for head, report in heads.items():
        assert str(report).splitlines()[0] == f"check_backward of f: {head}"
        assert report.passed is head.startswith("passed")


def test_the_worst_at_second_order_is_named_as_such():
    right, wrong = compared("x", 2.0, 2.0), compared("w", [[1.0, 2.0]], [[1.0, 3.0]], wrong=[(0, 1)])
    report = passed(right, second_order=passed(wrong, order=2))
    assert report.worst.order == 2
    assert "worst element: w[0, 1] at second order\n    your gradient        2\n" in str(report)
    first = passed(compared("x", 2.0, 1.0, wrong=[()]), second_order=passed(wrong, order=2))
    assert first.worst.order == 1
    assert "worst element: x\n" in str(first)
    assert "its row" not in str(first)


def test_the_worst_direction_is_reported_by_its_number():
    along = compared("x", [1.0, 2.0], [1.0, 3.0], wrong=[1], shape=(3, 4), directions=np.ones((2, 3, 4)))
    report = passed(along)
    assert "x  x      (3, 4), 2 directions" in str(report)
    assert "worst direction of x: number 1\n    your gradient        2\n" in str(report)
    assert "its row" not in str(report)


@pytest.mark.parametrize(
    ("place", "columns"), [(0, "0:6"), (2, "0:6"), (3, "0:6"), (4, "1:7"), (7, "4:10"), (9, "4:10")]
)
def test_a_row_is_shown_around_its_worst_element(place, columns):
    off = WIDE.copy()
    off[1, place] = -1.0
    text = str(passed(compared("x", off, WIDE, wrong=[(1, place)])))
    assert f"its row, x[1, {columns}]" in text
    start = int(columns.split(":")[0])
    shown = text[text.index("its row") :].splitlines()
    assert [float(n) for n in shown[1].split()[2:]] == list(off[1, start : start + 6])
    assert [float(n) for n in shown[2].split()[2:]] == list(WIDE[1, start : start + 6])


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
    assert "<th>&lt;x&gt; (wrong)</th>" in page
    assert "<x>" not in page
    assert page.count("<tr>") == 2
    assert "check_backward of &lt;lambda&gt;" in page


def test_html_shows_second_order_and_notes():
    inputs = attention_inputs(np.random.default_rng(0))
    page = check_backward(attention_forward, attention_backward, *inputs, second_order=True)._repr_html_()
    assert page.count("<table>") == 2
    assert "cannot learn" in page


def test_a_report_that_failed_links_to_the_page_on_reading_it():
    report = check_backward(lambda x: (x * x, x), lambda g, x: g * x, np.ones(3), raise_on_failure=False)
    assert str(report).endswith(f"how to read a report: {GUIDE}")
    assert f'<a href="{GUIDE}">How to read a report</a>' in report._repr_html_()
    assert Path("docs", GUIDE.rpartition("/")[2]).read_text().startswith("# How to read a report")


def test_inputs_that_share_a_verdict_share_a_row_of_a_long_table():
    right = [compared(f"p[{i}]", [1.0, 2.0 + i], [1.0, 2.0 + i]) for i in range(8)]
    ids = [InputComparison(f"ids[{i}]", (i,), held="int64") for i in range(5)]
    wrong = compared("w", [[1.0, 2.0]], [[1.0, 4.0]], wrong=[(0, 1)])
    bad = [compared(f"b[{i}]", [1.0], [2.0], wrong=[0]) for i in range(4)]
    rows = [line.split("  ") for line in str(passed(*right[:4], wrong, *right[4:], *ids, *bad)).split("\n")[3:8]]
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["input", "shape", "right", "wrong", "undecided", "largest", "relative error"],
        ["p[0] and 7 more", "(2,)", "16", ".", ".", "9", "0.0e+00"],
        ["x", "w", "(1, 2)", "1", "1", ".", "2", "5.0e-01"],
        ["ids[0] and 4 more", "several", "held fixed (int64)"],
        ["x", "b[0] and 3 more", "(1,)", ".", "4", ".", "1", "5.0e-01"],
    ]
    # a table of eight has a row for each
    assert str(passed(*right)).count("(2,)") == 8


def test_all_but_a_few_are_said_by_what_they_are_not():
    many = [compared(f"p[{i}]", [1.0], [2.0], wrong=[0] if i != 3 else []) for i in range(12)]
    lines = str(passed(*many)).split("\n")
    assert lines[0] == "check_backward of f: FAILED, all but p[3] are wrong"
    assert [line.split("  ")[1].strip() for line in lines[4:6]] == ["all but p[3]", "p[3]"]
