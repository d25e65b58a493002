"""The line by which students install the package: no line is written that is not known to work."""

from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from acg_numpy.cli.handouts import install_line
from acg_numpy.cli.handouts.install_line import install_command


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (
            '{"url": "https://x.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "1"}}',
            'pip install "acg_numpy @ git+https://x.org/a.git@1"',
        ),
        ('{"url": "file:///a/a-1.whl", "archive_info": {}}', "pip install a-1.whl"),
        ('{"url": "https://x.org/a-1.whl", "archive_info": {}}', "pip install https://x.org/a-1.whl"),
        ('{"url": "file:///a", "dir_info": {"editable": true}}', ""),
        ('{"url": "file:///a", "vcs_info": {"vcs": "git", "commit_id": "1"}}', ""),
        (None, "pip install acg_numpy==1.0"),
    ],
)
def test_without_a_source_it_is_that_of_this_copy(
    record: str | None, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = SimpleNamespace(read_text=lambda name: record, version="1.0")
    monkeypatch.setattr(install_line, "distribution", lambda name: installed)
    assert install_command() == line
    assert install_command("mine.whl") == "pip install mine.whl"


def test_a_tree_that_is_not_installed_has_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(install_line, "distribution", missing)
    assert install_command() == ""
