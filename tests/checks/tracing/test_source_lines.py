"""The expression that made a result, in a file, a cell or at a prompt."""

import linecache

import numpy as np
import pytest

from acg_numpy.checks.tracing import Line, trace

SOURCE = "def forward(x, y):\n    gate = np.tanh(x)\n    return gate[:, None] * (y @ x), (np.sin(x)\n        + 1)\n"


def lines_of(file):
    names = {"np": np}
    exec(compile(SOURCE, file, "exec"), names)
    graph = trace(names["forward"], [np.ones(3), np.ones((2, 3))], [True, False])
    return [str(operation.line) for operation in graph.operations if operation.line is not None]


@pytest.mark.parametrize("file", ["<python-input-0>", "<ipython-input-1-abc>", "/tmp/ipykernel_7/123456789.py"])
def test_an_expression_of_a_cell_or_a_prompt_is_shown(file, monkeypatch):
    monkeypatch.setitem(linecache.cache, file, (len(SOURCE), None, SOURCE.splitlines(keepends=True), file))
    assert (
        lines_of(file)
        == [
            "line 2: gate = np.tanh(x)",
            "line 3: y @ x",
            "line 3: gate[:, None]",
            "line 3: gate[:, None] * (y @ x)",
            "line 3: np.sin(x)",
            "line 3: (np.sin(x) + 1)",
        ]
        or lines_of(file)[-1] == "line 3: np.sin(x) + 1"
    )


def test_where_there_is_no_source_a_line_has_its_number():
    assert set(lines_of("<stdin>")) == {"line 2", "line 3"}


def test_a_line_of_a_notebook_has_no_file_name(monkeypatch):
    cell = "/tmp/ipykernel_7/123456789.py"
    monkeypatch.setitem(linecache.cache, cell, (20, None, ["x = 1\n", "y = np.exp(x)\n"], cell))
    assert str(Line(cell, 2)) == "line 2: y = np.exp(x)"
    assert str(Line(__file__, 3)) == "test_source_lines.py:3: import linecache"
