"""The line by which students install this package: what the teacher names, or what this copy itself was installed from.

A line that is not known to work is not written, because a student can do nothing about it.
"""

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import PurePosixPath

NAME = "acg_numpy"


def install_command(what: str = "", *beside: str) -> str:
    """Return the line by which students install this package; empty where none is known to work.

    Parameters
    ----------
    what : str
        A requirement, an address or a file, or the whole line; by default `known_source()`.
    *beside : str
        What they install beside it.

    Examples
    --------
    >>> install_command("acg_numpy-0.1.0-py3-none-any.whl", "pytest")
    'pip install pytest acg_numpy-0.1.0-py3-none-any.whl'
    >>> install_command("acg_numpy @ git+https://example.org/acg.git")
    'pip install "acg_numpy @ git+https://example.org/acg.git"'
    >>> install_command("acg_numpy>=0.1")  # > would write to a file
    'pip install "acg_numpy>=0.1"'
    >>> install_command("uv pip install acg_numpy pytest", "pytest")
    'uv pip install acg_numpy pytest'
    """
    what = what or known_source()
    if not what or " install " in what:
        return what
    quoted = f'"{what}"' if re.search(r"[\s\[\]@&<>|;()]", what) and not what.startswith(('"', "'")) else what
    return " ".join(["pip install", *beside, quoted])


def known_source() -> str:
    """Return what this copy was installed from, as pip takes it; empty if that is a folder of this machine."""
    try:
        found = distribution(NAME)
    except PackageNotFoundError:
        return ""
    record = found.read_text("direct_url.json")
    return source_of(json.loads(record)) if record else f"{NAME}=={found.version}"


def source_of(record: dict[str, object]) -> str:
    """Return what pip takes for a record of where a package came from, as PEP 610 describes it.

    Examples
    --------
    >>> git = {"url": "https://example.org/acg.git", "vcs_info": {"vcs": "git", "commit_id": "12ab"}}
    >>> source_of(git), source_of({"url": "file:///folder/acg", "dir_info": {"editable": True}})
    ('acg_numpy @ git+https://example.org/acg.git@12ab', '')
    >>> source_of({"url": "file:///folder/acg_numpy-0.1.0-py3-none-any.whl", "archive_info": {}})
    'acg_numpy-0.1.0-py3-none-any.whl'
    """
    url, vcs = str(record["url"]), record.get("vcs_info")
    if isinstance(vcs, dict) and not url.startswith("file:"):
        return f"{NAME} @ {vcs['vcs']}+{url}@{vcs['commit_id']}"
    if "archive_info" in record:
        return PurePosixPath(url).name if url.startswith("file:") else url
    return ""
