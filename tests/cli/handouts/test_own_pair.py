"""A teacher's own file without the body of its backward, of which no comment is left that could hold the answer."""

from pathlib import Path

import pytest

from acg_numpy.cli.handouts.own_pair import without_body

BODIES = [
    "    # SECRET\n    return 2 * grad_out\n",
    "    return 2 * grad_out  # SECRET\n",
    "    return 2 * grad_out\n    # SECRET\n\n\n# kept\n",
    '    """Say what it is for."""\n    # SECRET\n    return 2 * grad_out\n    # SECRET\n',
    "    return (\n        2 * grad_out  # SECRET\n    )\n",
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("head", ["(grad_out, cache):", "(\n    grad_out,  # of the output\n    cache,\n) -> object:"])
def test_no_comment_of_the_body_is_handed_out(head: str, body: str) -> None:
    source = f"def backward{head}\n{body}"
    found = without_body(source, Path("mine.py"), "backward", ["x"])
    assert "SECRET" not in found
    assert found.count("raise NotImplementedError") == 1
    assert all(kept in found for kept in ("# kept", "Say what it is for.", "# of the output") if kept in source)
