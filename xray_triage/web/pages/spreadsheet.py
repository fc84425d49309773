"""Rows as a CSV file (RFC 4180) that Excel opens with Vietnamese letters and runs nothing of. Knows no case."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from starlette.responses import Response, StreamingResponse

BOM = "\ufeff"  # without it Excel takes UTF-8 for the system's code page
# Where a formula may begin: first, behind blanks and what nobody sees; and behind what a spreadsheet may split at,
# which is ``;`` where the comma is for decimals.
FORMULA = re.compile(r"(^|[;,\t\r\n])([\s\u00ad\u200b-\u200f\u2060\ufeff]*)(?=[=+\-@＝＋－＠])")
QUOTED = re.compile(r'[",;\t\r\n]|^\s|\s$')
Cell = str | int | float | datetime | None


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """The answer that a browser keeps as the file ``name``."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(csv_lines(header, rows), media_type="text/csv; charset=utf-8", headers=headers)


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """The file, piece by piece: numbers with a point, times in ISO 8601 with this computer's offset."""
    yield (BOM + _line(header)).encode()
    for row in rows:
        yield _line(row).encode("utf-8", "replace")


def _line(cells: Sequence[Cell]) -> str:
    return ",".join(map(_quoted, map(_written, cells))) + "\r\n"


def _quoted(text: str) -> str:
    """In quotes where anything in it could be taken for a separator, also by who splits at semicolons."""
    return '"' + text.replace('"', '""') + '"' if QUOTED.search(text) else text


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.astimezone().isoformat(timespec="milliseconds")
    if isinstance(cell, float):
        return f"{cell:.3f}"
    return _harmless(cell) if isinstance(cell, str) else str(cell)


def _harmless(text: str) -> str:
    """``text`` so that no spreadsheet takes it for a formula: an apostrophe before what begins like one."""
    marked = FORMULA.sub(r"\1'\2", text)
    return f"'{text}" if text[:1] in ("\t", "\r", "\n") else marked
