"""Submissions as teachers, Canvas, Moodle and other platforms name them."""

import io
import zipfile
from pathlib import Path

import pytest

from acg_numpy.cli.grading.submissions import LARGEST_FILE, Submission, SubmissionError, read_submissions


def write_zip(files: dict[str, str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


NAMES = {  # the name of a file to student, id and notes
    "ann.py": ("ann", "", ()),
    "bob/softmax.py": ("bob", "", ()),
    "cy/ps1/softmax.py": ("cy", "", ()),
    "doejane_12345_678901_softmax.py": ("doejane", "12345", ()),
    "doejohn_LATE_12346_678902_softmax-2.py": ("doejohn", "12346", ("late",)),
    "o'hara-smith_12347_678903_my_file.py": ("o'hara-smith", "12347", ()),
    "Jürgen K_424242_assignsubmission_file_/softmax.py": ("Jürgen K", "424242", ()),
    "Jane van Doe_424243_assignsubmission_file_softmax.py": ("Jane van Doe", "424243", ()),
    "Participant_424244_assignsubmission_file_/softmax.py": ("Participant", "424244", ()),
    "日本/softmax (2).py": ("日本", "", ()),
    "kim.PY": ("kim", "", ()),
    "lee/Softmax.Py": ("lee", "", ()),
    "mia/softmax.PY": ("mia", "", ()),
}


@pytest.mark.parametrize("zipped", [False, True])
def test_students_are_told_by_the_names_of_their_files(tmp_path: Path, zipped: bool) -> None:
    files = {name: name for name in NAMES} | {
        "__MACOSX/._ann.py": "",
        "bob/.DS_Store": "",
        "bob/notes.txt": "",
        "mia/test_softmax.py": "",
    }
    source = tmp_path / "class"
    if zipped:
        source = tmp_path / "class.zip"
        source.write_bytes(write_zip({f"download/{name}": text for name, text in files.items()}))
    else:
        for name, text in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text, "utf-8")
    found = {one.source: (one.student, one.id, one.notes) for one in read_submissions(source, "softmax")}
    assert found == NAMES


def read_one(tmp_path: Path, files: dict[str, str | bytes]) -> Submission:
    """The only submission that these files are."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    (found,) = read_submissions(tmp_path, "softmax")
    return found


@pytest.mark.parametrize(
    ("files", "source", "problem"),
    [
        ({"a_LATE_1_text.html": "x"}, "", "there is no Python file, only 'text.html'"),
        ({"a_LATE_1_text.html": "x", "a_LATE_1_10_softmax.py": "0"}, "0", ""),
        ({"a_1_10_softmax.py": "0", "a_1_12_softmax-2.py": "2", "a_LATE_1_11_softmax-1.py": "1"}, "2", ""),
        ({"ann/softmax.py": "0", "ann/softmax (1).py": "1", "ann/helper.py": "x"}, "1", ""),
        ({"ann/mine.py": "0"}, "0", ""),
        ({"ann.zip": write_zip({"ps1/softmax.py": "0", "ps1/softmax.ipynb": "{}"})}, "0", ""),
        ({"ann/mine.py": "0", "ann/other.py": "1"}, "", "there are 2 files, 'mine.py', 'other.py': which counts"),
        ({"ann/softmax.ipynb": "{}"}, "", "there is no Python file, only 'softmax.ipynb'"),
        ({"ann.zip": "PK no zip"}, "", "there is no Python file, only 'ann.zip'"),
        ({"ann.py": "x" * (LARGEST_FILE + 1)}, "", "it is larger than 256 kB, which no backward needs"),
        (
            {"ann.zip": write_zip({"softmax.py": "x" * (1 << 24)})},
            "",
            "it is larger than 256 kB, which no backward needs",
        ),
        ({"ann.py": "\0"}, "", "it is not Python: it holds null bytes; is this the right file?"),
    ],
)
def test_the_file_that_counts_is_read_or_the_reason_given(
    tmp_path: Path, files: dict[str, str | bytes], source: str, problem: str
) -> None:
    found = read_one(tmp_path, files)
    assert (found.source, found.problem) == (source, problem)


def test_what_is_no_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="holds no submissions"):
        read_submissions(tmp_path, "softmax")
    damaged = tmp_path / "class.zip"
    damaged.write_bytes(b"PK\3\4 damaged")
    with pytest.raises(SubmissionError, match="neither a folder nor a zip"):
        read_submissions(damaged, "softmax")
