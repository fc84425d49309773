"""Takes the HIS's messages from a folder, as files ``*.hl7``, and puts them and the answers aside. Knows no segment.

A file is taken when it has not changed for a while, so that one being written is left alone; the order is committed
before the file is moved, and a file that was not moved any more is a message that comes again.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.clock import Clock
from dicom_router.files import write_whole
from xray_triage.hl7.message import MOST_BYTES
from xray_triage.orders.his import HisOrders

POLL_SECONDS, UNCHANGED_SECONDS = 0.5, 2.0
DONE, FAILED = "done", "failed"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Look:
    """A file as it was seen: its size and time, and by our clock since when it is so."""

    size: int
    changed_ns: int
    since: float


class OrderFolder:
    """``step`` it every POLL_SECONDS. ``problem``: why files cannot be taken or moved, or empty."""

    def __init__(self, his: HisOrders, folder: Path, *, clock: Clock) -> None:
        self._his = his
        self._folder = folder
        self._clock = clock
        self._seen: dict[Path, _Look] = {}
        self.problem = ""

    def step(self) -> bool:
        """Take what is complete, the oldest first. True: something was taken."""
        problem, taken = "", False
        try:
            complete = self._complete()
        except OSError as error:
            complete, problem = [], f"{self._folder}: {error.strerror}"
        for path in complete:
            try:
                self._take(path)
                taken = True
            except (OSError, SQLAlchemyError) as error:  # tried again after a while
                problem = f"{path.name}: {str(error).splitlines()[0]}"
                del self._seen[path]
        if problem and problem != self.problem:
            log.error("orders not taken from the folder", problem=problem)
        self.problem = problem
        return taken

    def _complete(self) -> list[Path]:
        """The files that have not changed for UNCHANGED_SECONDS by our own clock, whatever the writer's says."""
        now, seen = self._clock.monotonic(), {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.lower().endswith(".hl7") and entry.is_file(follow_symlinks=False):
                    status, path = entry.stat(follow_symlinks=False), Path(entry.path)
                    look = _Look(status.st_size, status.st_mtime_ns, now)
                    before = self._seen.get(path, look)
                    same = (before.size, before.changed_ns) == (look.size, look.changed_ns)
                    seen[path] = before if same else look
        self._seen = seen
        done = [path for path, look in seen.items() if now - look.since >= UNCHANGED_SECONDS]
        return sorted(done, key=lambda path: (seen[path].changed_ns, path.name))

    def _take(self, path: Path) -> None:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 2)
        answer = self._his.take(content, peer=str(self._folder))
        aside = self._folder / (DONE if b"\rMSA|AA|" in answer else FAILED)
        aside.mkdir(exist_ok=True)
        target = _free(aside / path.name)
        write_whole(target.with_name(f"{target.name}.ack"), answer)
        path.replace(target)


def _free(wished: Path) -> Path:
    """``wished``, or with a number before its ending, so that nothing of before is written over."""
    number, path = 1, wished
    while path.exists():
        number += 1
        path = wished.with_name(f"{wished.stem}.{number}{wished.suffix}")
    return path


def unusable(folder: Path) -> str:
    """Why a folder cannot serve, or empty."""
    if not folder.is_dir():
        return f"{folder}: there is no such folder"
    return "" if os.access(folder, os.R_OK | os.W_OK | os.X_OK) else f"{folder}: may not be read and written"
