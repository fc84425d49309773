"""What the benchmarks share: films, a station in its own process, an X-ray machine, and eyes on a PACS.

The station is started by its command line and spoken to as everybody does. Only the machine and the eyes run in the
measuring process, and both are kept cheap: they share the processor with what they measure.
"""

import argparse
import contextlib
import struct
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom.filewriter import dcmwrite

from tests.factories import DX
from tests.peers.machine import EXPLICIT_LITTLE_ENDIAN, Machine, dataset_pdus, results_of, status_of, store_request
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import AE_TITLE, StationPeer
from xray_triage.config.station import Config
from xray_triage.model.selection import chosen_folder
from xray_triage.simulation import phantom

STATION_TITLE = AE_TITLE
POLL_SECONDS = 0.02
HEAD_BYTES = 4096
STUDY, SERIES, INSTANCE = (b"2.25." + digit * 39 for digit in (b"1", b"2", b"3"))
# Such that the shipped model reads each as square as it is here.
FINDINGS: tuple[tuple[str, ...], ...] = (
    ("edema",), ("pneumothorax",), (), ("pleural_effusion",), ("mass",), ("pleural_effusion",),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Film:
    """An encoded film: everything of a C-STORE that can be made ready before the clock starts."""

    study_instance_uid: str
    sop_instance_uid: str
    encoded: bytes


def options(description: str | None, *, films: int) -> argparse.ArgumentParser:
    """What every benchmark of a station can be told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--films", type=int, default=films)
    parser.add_argument("--pixels", type=int, default=3000, help="rows and columns of a film")
    parser.add_argument("--bundle", type=Path, default=chosen_folder(Config()), help="the model bundle to read with")
    return parser


class FilmRoll:
    """Films of some rendered phantoms, each time of a new study and instance, at no cost but a copy."""

    def __init__(self, pixels: int, pictures: int = len(FINDINGS)) -> None:
        self._prints = [self._encode(seed, pixels) for seed in range(pictures)]
        self._taken = 0

    def next(self) -> Film:
        """A film with UIDs that no PACS has seen."""
        head, body = self._prints[self._taken % len(self._prints)]
        self._taken += 1
        study, series, instance = _new_uid(), _new_uid(), _new_uid()
        for old, new in ((STUDY, study), (SERIES, series), (INSTANCE, instance)):
            head = head.replace(old, new.encode())
        return Film(study, instance, head + body)

    @staticmethod
    def _encode(seed: int, pixels: int) -> tuple[bytes, bytes]:
        made = phantom.render(seed=seed, findings=FINDINGS[seed % len(FINDINGS)], rows=pixels, columns=pixels)
        dataset = phantom.dataset(made)
        del dataset.file_meta
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY.decode(), SERIES.decode()
        dataset.SOPInstanceUID = INSTANCE.decode()
        buffer = BytesIO()
        dcmwrite(buffer, dataset, enforce_file_format=False, force_encoding=True, implicit_vr=False, little_endian=True)
        encoded = buffer.getvalue()
        return encoded[:HEAD_BYTES], encoded[HEAD_BYTES:]


def _new_uid() -> str:
    """A UID as long as the placeholders."""
    return f"2.25.1{uuid.uuid4().int % 10**38:038d}"


class Station(StationPeer):
    """A station that keeps the seconds from its start to /readyz."""

    ready_seconds: float = 0.0

    def wait_until_done(self, seconds: float) -> None:
        """Wait until nothing is left to read or to send. Raises SystemExit after so many seconds."""
        deadline = time.monotonic() + seconds
        while not self.is_done():
            if time.monotonic() > deadline:
                raise SystemExit(f"not everything was read and sent within {seconds} s: {self.get('/api/queue')}")
            time.sleep(0.2)


class XrayMachine:
    """An X-ray machine with one association; as fast as the listener takes it."""

    def __init__(self, port: int, called: str) -> None:
        self._machine = Machine(port, seconds=60)
        contexts = ((DX, EXPLICIT_LITTLE_ENDIAN),)
        answer = self._machine.associate(contexts, called=called, calling="MODALITY")
        if set(results_of(answer).values()) != {0}:
            raise SystemExit(f"port {port} does not take DX films")
        self._piece_bytes = maximum_length(answer) - 6

    def send(self, film: Film) -> tuple[float, float]:
        """Monotonic time of the first byte of the C-STORE and of its answer; SystemExit when it is not Success."""
        request = store_request(DX, film.sop_instance_uid)
        pieces = dataset_pdus(film.encoded, size=self._piece_bytes)
        started = time.monotonic()
        self._machine.say(request)
        self._machine.say(pieces)
        status, comment = status_of(self._machine.hear())
        if status != 0:
            raise SystemExit(f"the film was answered with 0x{status:04X} {comment}")
        return started, time.monotonic()

    def close(self) -> None:
        self._machine.close()


def maximum_length(accept: bytes) -> int:
    """The longest PDU that the listener wants (PS3.8 D.1), at most 128 KiB: 0 means any."""
    start = 74
    while start + 4 <= len(accept):
        kind, _, length = struct.unpack_from(">BBH", accept, start)
        if kind == 0x50:
            start += 4  # the user information holds the item we look for
        elif kind == 0x51:
            return min(int.from_bytes(accept[start + 4 : start + 8], "big") or 131_072, 131_072)
        else:
            start += 4 + length
    raise SystemExit("the listener names no maximum PDU length")


class Watch:
    """Eyes on an Orthanc: when each instance was first seen there, by polling its list of changes."""

    def __init__(self, pacs: OrthancPeer) -> None:
        self._pacs = pacs
        self._since = int(pacs.get_json("/changes?last")["Last"])
        self._seen: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> dict[tuple[str, str], float]:
        """By study and SOP class, the monotonic time when the last instance of that kind was first seen."""
        time.sleep(5 * POLL_SECONDS)  # what has just been acknowledged is not seen yet
        self._stop.set()
        self._thread.join()
        times: dict[tuple[str, str], float] = {}
        for instance, seen in self._seen.items():
            tags = self._pacs.tags(instance)
            key = (str(tags["StudyInstanceUID"]), str(tags["SOPClassUID"]))
            times[key] = max(seen, times.get(key, 0.0))
        return times

    def _look(self) -> None:
        with contextlib.suppress(OSError):  # the PACS has gone: whoever waits will say what is missing
            while not self._stop.wait(POLL_SECONDS):
                changes = self._pacs.get_json(f"/changes?since={self._since}&limit=1000")
                now = time.monotonic()
                self._since = int(changes["Last"])
                for change in changes["Changes"]:
                    if change["ChangeType"] == "NewInstance":
                        self._seen.setdefault(str(change["ID"]), now)


@contextlib.contextmanager
def a_station(folder: Path, bundle: Path) -> Iterator[tuple[Station, OrthancPeer]]:
    """A ready station and the Orthanc it sends to."""
    with OrthancPeer.start(folder / "pacs") as pacs:
        station = Station(folder / "station", pacs=pacs, bundle=bundle)
        station.ready_seconds = station.start()
        try:
            yield station, pacs
        finally:
            station.stop()
