"""An X-ray machine that never runs out of films, and sends each until it is answered with success."""

import hashlib
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
from pydicom import Dataset

from tests.factories import film_bytes
from tests.peers.machine import Machine, dataset_pdus, status_of, store_request
from tests.peers.station import AE_TITLE
from xray_triage.simulation import phantom

SUCCESS = 0x0000
AGAIN_SECONDS = 0.2  # as long as a machine waits that was refused or cut off


class FilmMachine:
    """Films of one study each, small, with their number in their pixels, so that none is another's copy.

    ``acknowledged`` has for each SOP Instance UID the SHA-256 of its pixel data, ``answered_at`` the monotonic second.
    """

    def __init__(self, port: int, *, every_seconds: float = 0.5) -> None:
        self.acknowledged: dict[str, str] = {}
        self.answered_at: dict[str, float] = {}
        self.refusals: list[int] = []
        self._port, self._every_seconds = port, every_seconds
        self._pictures = [phantom.dataset(phantom.render(seed=seed, rows=350, columns=300)) for seed in range(2)]
        self._numbers = itertools.count(1)
        self._stop = threading.Event()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send, one film after the other, until the block ends."""
        self._stop.clear()
        sender = threading.Thread(target=self._send_on, name="machine")
        sender.start()
        try:
            yield
        finally:
            self._stop.set()
            sender.join()

    def send(self) -> str:
        """One more film, sent until it is acknowledged or the machine is stopped; its SOP Instance UID."""
        film = self._next()
        uid, content = str(film.SOPInstanceUID), film_bytes(film)
        while not self._stop.is_set():
            with suppress(OSError):
                status = self._store(film, content)
                if status == SUCCESS:
                    self.acknowledged[uid] = hashlib.sha256(film.PixelData).hexdigest()
                    self.answered_at[uid] = time.monotonic()
                    break
                self.refusals.append(status)
            self._stop.wait(AGAIN_SECONDS)
        return uid

    def _send_on(self) -> None:
        while not self._stop.is_set():
            self.send()
            self._stop.wait(self._every_seconds)

    def _store(self, film: Dataset, content: bytes) -> int:
        """The status of the answer; -1 where the station hung up instead."""
        with Machine(self._port, seconds=20) as machine:
            contexts = ((str(film.SOPClassUID), str(film.file_meta.TransferSyntaxUID)),)
            if machine.associate(contexts, called=AE_TITLE)[:1] != b"\x02":
                return -1
            machine.say(store_request(film.SOPClassUID, film.SOPInstanceUID))
            machine.say(dataset_pdus(content[_end_of_meta(content) :]))
            answer = machine.hear()
            return status_of(answer)[0] if answer[:1] == b"\x04" else -1

    def _next(self) -> Dataset:
        number = next(self._numbers)
        film = self._pictures[number % len(self._pictures)]
        root = f"2.25.9{self._port}{number:06}"
        film.StudyInstanceUID, film.SeriesInstanceUID = f"{root}1", f"{root}2"
        film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = f"{root}3"
        film.AccessionNumber, film.PatientName = f"R{number:06}", f"Nguyễn^Thị^Số {number}"
        pixels = np.frombuffer(bytearray(film.PixelData), np.uint16)
        pixels[:4] = [number >> shift & 0xFF for shift in (24, 16, 8, 0)]
        film.PixelData = pixels.tobytes()
        return film


def _end_of_meta(part10: bytes) -> int:
    """Where the dataset begins: after preamble, prefix, the group's length (12 bytes with its header) and the group."""
    return 144 + int.from_bytes(part10[140:144], "little")
