"""Rows as a CSV file (RFC 4180) that Excel opens with Vietnamese letters and runs nothing of. Knows no case."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from starlette.responses import Response, StreamingResponse

BOM = "\ufeff"  # without it Excel takes UTF-8 for the system's code page
FORMULA = "=+-@＝＋－＠"
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
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([_written(cell) for cell in cells])
    return buffer.getvalue()


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
    begins = text.lstrip()[:1]
    return f"'{text}" if (begins and begins in FORMULA) or text[:1] in ("\t", "\r", "\n") else text
