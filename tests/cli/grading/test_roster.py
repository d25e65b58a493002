"""The roster, joined to the submissions, and the table of the grades."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from acg_numpy.cli.grading.class_record import Graded
from acg_numpy.cli.grading.roster import RosterError, grades_csv, join_roster, read_roster, safe_cell
from acg_numpy.cli.grading.submissions import Submission


def graded(student: str, number: str = "", points: int = 1) -> Graded:
    """A student with so many points of 2."""
    entry = {"name": "x", "verdict": "right", "points": points}
    case = {"case": "rows", "inputs": [entry], "whole": {"points": 0}, "passed": False, "forward_unchanged": True}
    result: dict[str, Any] = {"cases": [case], "points": points, "out_of": 2, "passed": False, "seconds": 0.1}
    submission = Submission(student, number, "softmax.py", "", "", ())
    return Graded(submission, f"{student}{number}", "", {}, {**result, "mistakes": [], "looks": []}, "")


CANVAS = """\
Student,ID,SIS User ID,Section,Homework (77)
    Points Possible,,,,8
"Doe, Jane",12345,u1,A,
"Roe, Zoe",12346,u2,B,
"""
MOODLE = """\
Identifier;Full name;Grade
Participant 12345;Jane Doe;
Participant 12346;Zoe Roe;
"""


@pytest.mark.parametrize(
    ("text", "one", "column", "missing"),
    [
        (CANVAS, graded("doejane", "12345"), "ID", ["Roe, Zoe"]),
        (CANVAS, graded("Doe, Jane"), "Student", ["Roe, Zoe"]),
        (MOODLE, graded("Participant", "12345"), "Identifier", ["Zoe Roe"]),
        (MOODLE, graded("Jane Doe"), "Full name", ["Zoe Roe"]),
        ("\ufeffname\njane doe\nzoe\n", graded("Jane_Doe"), "name", ["zoe"]),
    ],
)
def test_a_roster_is_joined_by_ids_or_names(
    tmp_path: Path, text: str, one: Graded, column: str, missing: list[str]
) -> None:
    file = tmp_path / "roster.csv"
    file.write_text(text, "utf-8")
    roster = read_roster(file)
    joined = join_roster(roster, [one, graded("stranger")])
    assert (joined.column, joined.missing) == (column, missing)
    table = list(csv.DictReader(io.StringIO(grades_csv([], roster, joined, 2, ["rows: x"]))))
    assert [tuple(row[name] for name in roster.header) for row in table[:-1]] == [
        tuple(row[name] for name in roster.header) for row in roster.rows
    ]
    assert [row["points"] for row in table if row["points"]] == ["1", "0", "1"]
    assert table[-1]["note"] == "not in the roster"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "its first line should name each column"),
        (b"a,a\n1,2\n", "its first line should name each column"),
        (b"name\n\xff\n", "is not UTF-8"),
        (b"name\nzoe\n", "none of its columns, name, holds a submission such as 'ann'"),
        (b"name,mail\nann,a@x\nAnn,b@x\n", "'ann' stands in 2 rows of the column 'name'; give a roster with the ids"),
    ],
)
def test_a_roster_that_cannot_be_joined_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    file = tmp_path / "roster.csv"
    file.write_bytes(data)
    with pytest.raises(RosterError, match=message):
        join_roster(read_roster(file), [graded("ann")])


def test_no_cell_is_a_formula() -> None:
    assert safe_cell("=HYPERLINK(1)\n+x") == "'=HYPERLINK(1) +x"
    assert safe_cell("ann") == "ann"
