"""The front's side of the renderer: a process that makes pictures of frames, started on first need. Decodes no pixel.

One picture at a time; who would wait too long, or behind too many, is told to come again. A frame that kills the
process costs its own request only. To it over a socket: one JSON object a picture, with the open file's descriptor;
from it: one byte "taken", then status, length and body (see rendering/process.py).
"""

import json
import socket
import struct
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import BinaryIO

import structlog

from dicom_router import child
from dicom_router.store.spool import Spool

TAKEN = b"T"
ANSWER = struct.Struct("<HQ")  # HTTP status, bytes of the body
PICTURE_SECONDS = 20.0
WAIT_SECONDS = 10.0
MOST_WAITING = 12
MOST_KEPT = 256
LARGEST_KEPT_BYTES = 64 << 10  # a thumbnail, not a film

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """A picture to be made: which frame, counted from 1, how large at most, in which window and format.

    ``viewport`` is width and height in pixels, into which the region fits; ``region`` x, y, width, height in pixels of
    the frame. ``window`` is center, width and function (``linear``, ``linear-exact`` or ``sigmoid``) as in PS3.18
    8.3.5.1.4; None: as the reader sees the film. ``inverted``: the film is a negative, whatever its header says.
    """

    frame: int = 1
    viewport: tuple[int, int] | None = None
    region: tuple[int, int, int, int] | None = None
    window: tuple[float, float, str] | None = None
    inverted: bool = False
    media_type: str = "image/jpeg"
    quality: int = 90


class NoPicture(Exception):
    """There is none. ``status`` is what HTTP calls it; 503 comes with a time after which to ask again."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Gone(Exception):
    """The process is not there any more. ``taken``: it had begun with the picture."""

    def __init__(self, *, taken: bool) -> None:
        super().__init__()
        self.taken = taken


class Renderer:
    """Makes pictures of spooled files. Threads may ask at the same time."""

    def __init__(self, spool: Spool, *, picture_seconds: float = PICTURE_SECONDS) -> None:
        self._spool = spool
        self._picture_seconds = picture_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._turn = threading.Lock()
        self._is_closed = False
        self._waiting = 0
        self._kept: OrderedDict[tuple[str, Rendering], bytes] = OrderedDict()
        self._lock = threading.Lock()  # over the two lines above

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process else None

    def render(self, key: str, exposure: Rendering) -> bytes:
        """The picture of a spooled file, encoded. Raises NoPicture, DamagedFile when the file is gone."""
        with self._lock:
            if (key, exposure) in self._kept:
                self._kept.move_to_end((key, exposure))
                return self._kept[key, exposure]
        with self._spool.open(key) as stream, self._next_turn():
            picture = self._ask(stream, exposure)
        if len(picture) <= LARGEST_KEPT_BYTES:
            with self._lock:
                self._kept[key, exposure] = picture
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
        return picture

    def close(self) -> None:
        """End the process, for good: a request that comes later starts no other. Harmless to repeat."""
        with self._turn:
            self._is_closed = True
            self._end()

    @contextmanager
    def _next_turn(self) -> Iterator[None]:
        with self._lock:
            if self._waiting >= MOST_WAITING:
                raise NoPicture(503, "too many pictures are waited for")
            self._waiting += 1
        try:
            if not self._turn.acquire(timeout=WAIT_SECONDS):
                raise NoPicture(503, "the renderer is busy")
        finally:
            with self._lock:
                self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    def _ask(self, stream: BinaryIO, exposure: Rendering, *, is_second: bool = False) -> bytes:
        try:
            status, body = self._exchange(stream, exposure)
        except _Gone as gone:
            if gone.taken or is_second:
                what = "the renderer died over this picture" if gone.taken else "the renderer cannot be used"
                raise NoPicture(500, what) from gone
            return self._ask(stream, exposure, is_second=True)  # it had gone home, idle
        if status != 200:
            raise NoPicture(status, body.decode(errors="replace"))
        return body

    def _exchange(self, stream: BinaryIO, exposure: Rendering) -> tuple[int, bytes]:
        link, taken = self._open(), False
        try:
            socket.send_fds(link, [json.dumps(asdict(exposure)).encode()], [stream.fileno()])
            taken = _received(link, 1) == TAKEN
            status, length = ANSWER.unpack(_received(link, ANSWER.size))
            return status, _received(link, length)
        except TimeoutError as error:
            self._end()
            log.error("picture took too long", limit_seconds=self._picture_seconds)
            raise NoPicture(500, "the picture took too long") from error
        except OSError as error:
            self._end()
            if taken:
                log.error("renderer died", error=str(error))
            raise _Gone(taken=taken) from error

    def _open(self) -> socket.socket:
        """The way to the process, which is started when there is none."""
        if self._link is not None:
            return self._link
        if self._is_closed:
            raise NoPicture(503, "the station is ending")
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = child.start(
                "xray_triage.rendering.process",
                str(theirs.fileno()),
                environment=child.ONE_THREAD,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        ours.settimeout(self._picture_seconds)
        self._link = ours
        return ours

    def _end(self) -> None:
        if self._link is not None:
            self._link.close()
        if self._process is not None:
            child.end(self._process)
        self._link = self._process = None


def _received(link: socket.socket, length: int) -> bytes:
    """Exactly so many bytes. Raises OSError when the other side is gone or silent."""
    pieces = bytearray()
    while len(pieces) < length:
        piece = link.recv(min(length - len(pieces), 1 << 20))
        if not piece:
            raise ConnectionResetError("the renderer is gone")
        pieces += piece
    return bytes(pieces)
