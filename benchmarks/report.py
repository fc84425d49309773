"""What every benchmark leaves behind: a table on the screen and one JSON file. Knows nothing of what is measured."""

import importlib.metadata
import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

Value = str | int | float | bool | None
Row = Mapping[str, Value]

RESULTS = Path(__file__).parent / "results"
_LIBRARIES = ("numpy", "onnxruntime", "pydicom", "pynetdicom", "sqlalchemy")
_PROGRAMS = {"dcmtk": ("storescp", "--version"), "orthanc": ("Orthanc", "--version")}


def summarise(values: Sequence[float], digits: int = 3) -> dict[str, float | int]:
    """n, median and p95 (nearest rank; the largest of fewer than twenty). Raises ValueError without values."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return {"n": len(ordered), "median": round(statistics.median(ordered), digits), "p95": round(p95, digits)}


def publish(name: str, *, rows: Sequence[Row], settings: Row, notes: Sequence[str] = ()) -> Path:
    """Print the rows as a table, write ``results/<name>.json``, and give its path back.

    The first row names the columns. ``settings`` is what was asked for: counts, sizes, options.
    """
    console = Console()
    table = Table(title=f"{name}: {', '.join(f'{key} {value}' for key, value in settings.items())}")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    console.print(table)
    for note in notes:
        console.print(note)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {
        "benchmark": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_revision": git_revision(),
        "machine": machine(),
        "versions": versions(),
        "settings": settings,
        "rows": rows,
        "notes": notes,
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path


def machine() -> dict[str, Value]:
    """What it ran on, and how busy that was."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_average_1_min": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Python, SQLite, the libraries that matter, and the peers that are installed."""
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    found |= {library: importlib.metadata.version(library) for library in _LIBRARIES}
    for name, command in _PROGRAMS.items():
        if shutil.which(command[0]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            found[name] = (done.stdout or done.stderr).splitlines()[0].strip()
    return found


def git_revision() -> str:
    """The commit, with ``+`` when the working tree differs from it."""
    command = ("git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+")
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, check=False)
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    with Path("/proc/cpuinfo").open() as lines:
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _shown(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
