"""Small tables read whole: every cell of some columns, where nothing may be left out."""

from collections.abc import Sequence

import duckdb

from acg_numpy.recommender.data.interactions import DataError
from acg_numpy.recommender.data.sources.columns import find_column
from acg_numpy.recommender.data.sources.database import first_line
from acg_numpy.recommender.data.sources.lines import find_lines, line_of_byte
from acg_numpy.recommender.data.sources.opening import Source, open_source
from acg_numpy.text import counted


def read_cells(source: Source, names: Sequence[str], *, optional: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Read the cells of some columns, row by row.

    Parameters
    ----------
    source : as in `open_source`
        One table.
    names : sequence of str
        The columns, all of which must be there.
    optional : sequence of str
        Further columns, which are read where the table has all of them.

    Returns
    -------
    list of tuple of str

    Raises
    ------
    DataError
        If the table cannot be read, a column is missing, or any row is malformed or has an empty cell.
    """
    with open_source(source) as opened:
        table = opened.tables[0]
        if set(optional) <= set(table.columns):
            names = (*names, *optional)
        positions = [found[0] for name in names if (found := find_column(table.columns, name, name, where=table.name))]
        texts = ", ".join(table.text_of(position) for position in positions)
        try:
            rows: list[tuple[str, ...]] = opened.cursor.execute(f"SELECT {texts} FROM {table.relation}").fetchall()
        except duckdb.Error as error:
            raise DataError(f"{table.name} cannot be read: {first_line(error)}") from error
        table.refuse_other_encodings(opened.cursor)
        problems = [(line_of_byte(table, reject.byte), reject.reason) for reject in table.rejected(opened.cursor)[1]]
        bad = [n for n, row in enumerate(rows) if any(not cell or set(cell) & set("\n\r\0") for cell in row)]
        for row, line in zip(bad[:1], find_lines(table, bad[:1], opened.cursor), strict=True):
            name = next(n for n, cell in zip(names, rows[row], strict=True) if not cell or set(cell) & set("\n\r\0"))
            problems.append((line, f"the {name} is empty, or holds a line break or a null character"))
    if problems:
        line, reason = problems[0]
        place = f"{table.name}, line {line}" if line else table.name
        raise DataError(f"{place}: {reason}; {counted(len(problems) + len(bad[1:]), 'row')} cannot be read")
    return rows
