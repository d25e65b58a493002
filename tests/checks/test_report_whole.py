"""A report as it is printed, whole: of results made up for it, so that every number is known."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from acg_numpy.checks.confusion import Confusion
from acg_numpy.checks.numeric.verdicts import InputComparison
from acg_numpy.checks.report.diagnosis import BlindSpot, Diagnosis
from acg_numpy.checks.report.report import GradientMismatch, GradientReport


def compared(name, analytic, numeric, *, wrong=(), undecided=(), zero=(), scale=4.0, **more):
    analytic, numeric = np.asarray(analytic, float), np.asarray(numeric, float)
    marks = {"wrong": wrong, "undecided": undecided, "zero": zero}
    flags = {key: np.zeros(analytic.shape, bool) for key in marks}
    for key, places in marks.items():
        for place in places:
            flags[key][place] = True
    shape = more.pop("shape", analytic.shape)
    return InputComparison(
        name,
        shape,
        analytic=analytic,
        numeric=numeric,
        error=np.full(analytic.shape, 1e-9),
        scale=scale,
        **flags,
        **more,
    )


WIDE = np.arange(20.0).reshape(2, 10)
OFF = WIDE + np.where(WIDE == 17, 0.5, 0.0)

FAILED = GradientReport(
    "check_backward of <b>",
    "central differences in float64, rtol 1e-05, seed 0",
    (
        compared("x", OFF, WIDE, wrong=[(1, 7)], undecided=[(0, 0)]),
        InputComparison("w", (3,), fault="the gradient of w has shape (2,): expected (3,), that of w"),
        InputComparison("ids", (4,), held="int64"),
        InputComparison("mask", (), held="None"),
        compared("b", [1.0, 2.0], [1.0, 4.0], wrong=[1]),
        compared("dead", [0.0], [1e-17], zero=[0]),
        InputComparison("skipped", (2,)),
    ),
    faults=("the gradient of w has shape (2,): expected (3,), that of w",),
    notes=("the first note",),
    diagnoses=(
        Diagnosis("wrong-sign", 0.9, "minus for plus in line 3", "all agree", "turn it round"),
        *(Diagnosis(f"other-{i}", 0.5 - i / 10, f"message {i}", f"evidence {i}", f"hint {i}") for i in range(5)),
    ),
    second_order=GradientReport(
        "second",
        "the same",
        (compared("x", [[1.0, 2.0]], [[1.0, 2.0]]),),
        faults=("a second fault",),
        notes=("a second note",),
        order=2,
    ),
)

TEXT = """\
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
    numeric derivative   4  (give or take 1e-09)
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

note: a second note"""

HEAD = "".join(
    f"<th>{cell}</th>" for cell in ("", "input", "shape", "right", "wrong", "undecided", "largest", "relative error")
)


def table(*rows):
    """Rows of full cells, or of three and a reason that takes the place of five."""
    lines = [
        "".join(
            f"<td colspan='5'>{cell}</td>" if len(row) == 4 and i == 3 else f"<td>{cell}</td>"
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
        ("✗", "x", "(2, 10)", "18", "1", "1", "19", "2.9e-02"),
        ("✗", "w", "(3,)", "not compared, see below"),
        ("", "ids", "(4,)", "held fixed (int64)"),
        ("", "mask", "", "held fixed (None)"),
        ("✗", "b", "(2,)", "1", "1", ".", "2", "5.0e-01"),
        ("", "dead", "(1,)", "1", ".", ".", "0", "2.5e-18"),
        ("", "skipped", "(2,)", "not compared"),
    ),
    "<p>gradient of the gradient, with respect to:</p>",
    table(("", "x", "(1, 2)", "2", ".", ".", "2", "0.0e+00")),
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
    "</ol></div>",
]


def test_a_report_that_failed_reads_so():
    assert str(FAILED) == TEXT
    assert repr(FAILED) == TEXT
    assert str(GradientMismatch(FAILED)) == TEXT


def test_the_worst_is_the_wrong_one_that_is_furthest_off_for_its_inputs_size():
    worst = FAILED.worst
    assert (worst.input, worst.index, worst.analytic, worst.numeric, worst.order) == ("b", (1,), 2.0, 4.0, 1)
    assert (worst.absolute_error, worst.relative_error) == (2.0, 0.5)


def test_a_notebook_shows_the_same():
    assert FAILED._repr_html_() == "".join(PAGE)


def passed(*comparisons, **more):
    return GradientReport("check_backward of f", "central", comparisons, **more)


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
        "passed; 2 elements undecided": passed(right, coarse),
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


def test_the_worst_direction_is_told_by_its_number():
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


def test_of_right_elements_the_worst_is_that_of_the_largest_relative_error_and_undecided_ones_do_not_count():
    report = passed(compared("x", [1.0, 10.0, 5.0], [1.1, 10.5, 50.0], undecided=[2]), compared("w", [4.0], [4.1]))
    assert report.passed
    assert (report.worst.input, report.worst.index) == ("x", (0,))
    assert report.worst.relative_error == pytest.approx(0.1 / 1.1)
    assert report.worst.absolute_error == pytest.approx(0.1)
    assert passed(compared("x", [1.0], [2.0], undecided=[0])).worst is None
    assert passed(InputComparison("x", (1,), held="int64")).worst is None


def test_a_wrong_element_goes_before_a_right_one_however_far_off():
    report = passed(
        compared("x", [0.0], [1e-17], zero=[0], scale=1e-17), compared("w", [1.0, np.nan], [1.1, 1.0], wrong=[0, 1])
    )
    assert report.worst.input == "w"
    assert report.worst.index == (1,)


def test_counts_are_those_of_the_elements():
    mixed = compared("x", np.ones(6), np.ones(6), wrong=[0], undecided=[1, 2], zero=[3])
    assert (mixed.num_right, mixed.num_wrong, mixed.num_undecided, mixed.num_kinks) == (3, 1, 2, 0)
    assert not mixed.dead
    assert not mixed.passed
    nothing = InputComparison("x", (6,))
    assert (nothing.num_right, nothing.num_wrong, nothing.num_undecided, nothing.num_kinks) == (0, 0, 0, 0)
    assert nothing.relative_error.size == 0
    assert nothing.passed
    assert not nothing.dead
    assert compared("x", [0.0], [1e-17], zero=[0]).dead
    report = passed(mixed, second_order=passed(mixed, order=2))
    assert report.undecided == 4
    assert not report.nothing_decided
    assert passed(compared("x", [1.0], [1.0], undecided=[0])).nothing_decided
    assert not passed(nothing).nothing_decided
    assert list(report.per_input) == ["x"]


def test_a_confusion_table_has_a_line_for_every_expected_mistake():
    cases = [("a", "wrong-sign", "wrong-sign")] * 3 + [("b", "wrong-sign", None), ("c", "last-only", "wrong-sign")] * 2
    confusion = Confusion(Counter(cases))
    assert str(confusion).splitlines() == [
        "expected    cases  right  named otherwise",
        "last-only       2      0  wrong-sign 2",
        "wrong-sign      5      3  (nothing) 2",
        "all             7      3  recall 42.9%, precision 60.0%",
    ]
    assert confusion.confused == [("b", "wrong-sign", None, 2), ("c", "last-only", "wrong-sign", 2)]
    assert (confusion.cases, confusion.named, confusion.rightly) == (7, 5, 3)
    assert (Confusion(Counter()).recall, Confusion(Counter()).precision) == (1.0, 1.0)
