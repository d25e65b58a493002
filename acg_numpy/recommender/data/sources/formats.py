"""The format of a file, found by its first bytes and not by its name.

A format that is not read is refused with the one command that converts it.
"""

import codecs
import zlib
from pathlib import Path
from typing import NamedTuple

from acg_numpy.recommender.data.interactions import DataError

TEXT, JSON_LINES, PARQUET, ARROW = "text", "JSON lines", "Parquet", "Arrow"
BEGINNING = 1 << 16  # bytes


class FileFormat(NamedTuple):
    """The format of a file, and how it is compressed: "none", "gzip" or "zstd"."""

    name: str
    compression: str = "none"


UTF_16 = "pass encoding='utf-16' (--encoding utf-16), or: iconv -f UTF-16 -t UTF-8 FILE > converted.csv"
PYTHON_DICTS = 'python -c "import ast, json, sys; [print(json.dumps(ast.literal_eval(x))) for x in sys.stdin]"'
ARROW_STREAM = (
    'python -c "import pyarrow.ipc as i, pyarrow.feather as f; '
    "f.write_feather(i.open_stream('FILE').read_all(), 'converted.feather')\""
)
PICKLE = "it could run code and is not read: write the table with to_parquet or to_csv"
PANDAS = "python -c \"import pandas; pandas.READER('FILE').to_parquet('converted.parquet')\""

# fmt: off
REFUSED = (  # the first bytes, what they are, and how to get a file that is read
    (b"PK\x03\x04",             "a zip archive", "unzip FILE"),
    (b"\xd0\xcf\x11\xe0",       "an Excel 97 workbook", "save the sheet as CSV in UTF-8"),
    (b"SQLite format 3\x00",    "an SQLite database", "sqlite3 -header -csv FILE 'SELECT * FROM t' > converted.csv"),
    (b"\xff\xfe",               "text in UTF-16", UTF_16),
    (b"\xfe\xff",               "text in UTF-16", UTF_16),
    (b"BZh",                    "compressed by bzip2", "bunzip2 FILE"),
    (b"\xfd7zXZ\x00",           "compressed by xz", "unxz FILE"),
    (b"7z\xbc\xaf\x27\x1c",     "a 7z archive", "7z x FILE"),
    (b"\x04\x22\x4d\x18",       "compressed by lz4", "unlz4 FILE"),
    (b"\x93NUMPY",              "a NumPy array", "it holds numbers without ids; acg inspect FILE describes it"),
    (b"\x89HDF",                "an HDF5 file", PANDAS.replace("READER", "read_hdf")),
    (b"ORC",                    "an ORC file", PANDAS.replace("READER", "read_orc")),
    (b"Obj\x01",                "an Avro file", "convert it to Parquet or CSV"),
    (b"%PDF",                   "a PDF document", "save the table in it as CSV"),
    (b"\x89PNG",                "a picture", "a table was expected"),
    (b"<stata_dta",             "a Stata file", PANDAS.replace("READER", "read_stata")),
    (b"\xff\xff\xff\xff",       "a stream of Arrow", ARROW_STREAM),
    (b"<",                      "a page of HTML or XML", "download the file that it is about, or convert it to CSV"),
    (b"version https://git-lfs","a pointer of Git LFS, without the data", "git lfs pull"),
    (b"RDX",                    "an R workspace", "in R: load('FILE'); write.csv(x, 'converted.csv', row.names=FALSE)"),
    (b"\x80\x02",               "a Python pickle", PICKLE),
    (b"\x80\x03",               "a Python pickle", PICKLE),
    (b"\x80\x04",               "a Python pickle", PICKLE),
    (b"\x80\x05",               "a Python pickle", PICKLE),
)
# fmt: on
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
COMPRESSED = {GZIP: "gzip", ZSTD: "zstd"}


def find_format(path: Path, name: str, *, encoding: str = "utf-8") -> FileFormat:
    """Find what kind of file this is.

    Parameters
    ----------
    path : Path
    name : str
        What messages call it: of a copy of a pipe, the name of the pipe.
    encoding : str
        Of text; where another one than UTF-8 is named, what begins as UTF-16 is text.

    Raises
    ------
    DataError
        If it cannot be read, is empty, or is of a kind that is not read: then with the command that converts it.
    """
    try:
        with path.open("rb") as file:
            start = file.read(BEGINNING)
    except OSError as error:
        raise reading_error(path, error) from error
    if not start:
        raise DataError(f"{name} is empty")
    for magic, compression in COMPRESSED.items():
        if start.startswith(magic):
            inside = _decompress_beginning(start) if compression == "gzip" else b""
            found = _format_inside(path, name, inside, encoding)
            if found in (PARQUET, ARROW):
                command = f"gunzip {name_to_type(path, name)}"
                raise DataError(f"{name} is {found} that is compressed by gzip, which is not read: {command}")
            return FileFormat(found, compression)
    return FileFormat(_format_inside(path, name, start, encoding))


def _decompress_beginning(start: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(start, BEGINNING)
    except zlib.error:
        return b""  # the reader of the whole file says what is wrong with it


def _format_inside(path: Path, name: str, start: bytes, encoding: str) -> str:
    file = name_to_type(path, name)
    if start.startswith(b"PAR1"):
        return PARQUET
    if start.startswith((b"ARROW1", b"FEA1")):
        return ARROW
    if start.startswith(b"PK") and (b"[Content_Types].xml" in start or b"xl/" in start):
        excel = PANDAS.replace("READER", "read_excel").replace("FILE", file)
        raise DataError(f"{name} is an Excel workbook, which is not read: {excel}, or save the sheet as CSV in UTF-8")
    if start[257:262] == b"ustar":
        raise DataError(f"{name} is a tar archive, which is not read: tar xf {file}")
    if start[8:12] == b"DUCK":
        command = f"duckdb {file} \"COPY t TO 'converted.parquet'\""
        raise DataError(f"{name} is a database of DuckDB, which is not read: {command}")
    for magic, what, command in REFUSED:
        if start.startswith(magic) and not (what == "text in UTF-16" and encoding != "utf-8"):
            raise DataError(f"{name} is {what}, which is not read: {command.replace('FILE', file)}")
    if encoding == "utf-8" and (found := _utf_16_without_mark(start)):
        for_iconv = found.upper().replace("16-", "16")  # which writes UTF-16LE
        advice = UTF_16.replace("utf-16", found).replace("UTF-16", for_iconv).replace("FILE", file)
        raise DataError(f"{name} is text in UTF-16, which is not read: {advice}")
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith((b"{'", b"{u'")):
        raise DataError(
            f"{name} has a dict of Python a line, which is not read: {PYTHON_DICTS} < {file} > converted.jsonl"
        )
    if text.startswith(b"{"):
        return JSON_LINES
    if text.startswith(b"["):
        raise DataError(
            f"{name} is one JSON array, which is not read: write one object a line, with jq -c '.[]' {file}"
        )
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return JSON_LINES if not start and (".jsonl" in suffixes or ".ndjson" in suffixes) else TEXT


def _utf_16_without_mark(start: bytes) -> str:
    """Return the encoding of a text in which every other byte is zero, which is Latin in UTF-16; else nothing."""
    for name, zeros, others in (("utf-16-le", start[1:64:2], start[:64:2]), ("utf-16-be", start[:64:2], start[1:64:2])):
        if len(zeros) > 4 and not any(zeros) and all(others):
            return name
    return ""


def name_to_type(path: Path, name: str) -> str:
    """Return what a command calls a file: its name, and FILE for one that was copied from elsewhere.

    Examples
    --------
    >>> name_to_type(Path("/tmp/spooled_2"), "standard input"), name_to_type(Path("data/a.csv"), "data/a.csv")
    ('FILE', 'a.csv')
    """
    return path.name if Path(name).name == path.name else "FILE"


def reading_error(path: Path, error: OSError) -> DataError:
    """Make the error for a file that the operating system does not give."""
    return DataError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}")


def encoding_error(path: Path, name: str, compression: str) -> DataError:
    """Make the error for a text that is not UTF-8, with the line and the value of the first byte that is not."""
    found = _find_undecodable(path) if compression == "none" else None
    place = f" (a byte {found[1]:#04x} in line {found[0]} cannot be read)" if found else ""
    return DataError(
        f"{name} is not UTF-8 text{place}; if it is text, name its encoding (encoding='latin-1' or --encoding "
        "latin-1; of a table of items alone, items_encoding or --items-encoding), or save it as UTF-8"
    )


def _find_undecodable(path: Path) -> tuple[int, int] | None:
    decoder, line, chunk = codecs.getincrementaldecoder("utf-8")(), 1, b"-"
    with path.open("rb") as file:
        while chunk:
            chunk = file.read(BEGINNING)
            try:
                line += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].count(b"\n"), error.object[error.start]
    return None
