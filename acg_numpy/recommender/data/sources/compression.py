"""Compressed files that are damaged or cut short, which the database may read without a word as if rows ended there."""

import gzip
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from acg_numpy.recommender.data.interactions import DataError
from acg_numpy.recommender.data.sources.formats import ZSTD, name_to_type

CHUNK = 1 << 20  # bytes


def refuse_damaged(
    path: Path, name: str, compression: str, observe: Callable[[bytes], None] = lambda chunk: None
) -> None:
    """Check that a compressed file is whole.

    Gzip has a checksum of its contents, and they are decompressed to compare it.  Of zstd, the frames are gone through;
    the database compares their checksum, where they have one.

    Parameters
    ----------
    observe : callable
        Is given all that gzip decompresses, in order, so that it is not decompressed again for other questions.

    Raises
    ------
    DataError
        If it ends too early or is damaged.
    """
    problem, test = "", ""
    if compression == "gzip":
        problem, test = _find_damage_of_gzip(path, observe), "gzip -t"
    elif compression == "zstd":
        with path.open("rb") as file:
            problem, test = _find_damage_of_zstd(file), "zstd -t"
    if problem:
        raise DataError(
            f"{name} is damaged, {problem}: copy or download it again ({test} {name_to_type(path, name)} tests it)"
        )


def _find_damage_of_gzip(path: Path, observe: Callable[[bytes], None]) -> str:
    try:
        with gzip.open(path) as file:
            while chunk := file.read(CHUNK):
                observe(chunk)
    except EOFError:
        return "it ends too early"
    except (OSError, zlib.error) as error:
        return str(error).lower()
    return ""


def _find_damage_of_zstd(file: IO[bytes]) -> str:
    """Go through the frames and their blocks, as RFC 8878 lays them out."""
    size = os.fstat(file.fileno()).st_size
    while file.tell() < size:
        magic = file.read(4)
        if magic[1:] == b"\x2a\x4d\x18" and magic[0] >> 4 == 5:  # a frame to skip
            file.seek(int.from_bytes(file.read(4), "little"), os.SEEK_CUR)
        elif magic == ZSTD:
            descriptor = int.from_bytes(file.read(1), "little")
            single_segment = descriptor >> 5 & 1
            content_size = (single_segment, 2, 4, 8)[descriptor >> 6]
            file.seek(1 - single_segment + (0, 1, 2, 4)[descriptor & 3] + content_size, os.SEEK_CUR)
            last = False
            while not last:
                header = file.read(3)
                if len(header) < 3:
                    return "it ends too early"
                block = int.from_bytes(header, "little")
                last, kind = bool(block & 1), block >> 1 & 3
                if kind == 3:
                    return "one of its blocks is of no kind that there is"
                file.seek(1 if kind == 1 else block >> 3, os.SEEK_CUR)
            file.seek(4 * (descriptor >> 2 & 1), os.SEEK_CUR)
        else:
            return "a frame does not begin as it should"
    return "it ends too early" if file.tell() > size else ""
