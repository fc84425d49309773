"""When and how a film is made smaller for a link: the policy, and the child process that does it. Decodes nothing."""

import os
import tempfile
from contextlib import ExitStack
from typing import BinaryIO, Literal

import structlog
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from dicom_router import child
from dicom_router.clock import Clock
from dicom_router.dicom.instance import Parcel
from dicom_router.dicom.uids import UNCOMPRESSED

log = structlog.get_logger()

SMALLEST_BYTES = 256 * 1024  # below, starting the child takes longer than the bytes on any link that carries DICOM
RELIABLE_BYTES = 64 * 1024  # smaller transfers measure the peer's thinking, not the link
MEMORY_MB = 1536
LONGEST_SECONDS = 120.0


Compression = Literal["auto", "jpeg-ls", "jpeg2000", "none"]  # the site's wish for one destination


class Economy:
    """Decides for one destination, from what its own transfers taught, whether a film goes smaller.

    ``auto`` compresses when codec time + time of the smaller bytes < time of the plain bytes, at the rate measured on
    the last large transfers. Codec speed and ratio start at what JPEG-LS does with a 12 to 14 bit film on one old core
    (0.08 s a megabyte with start and proof, 0.45) and follow what is measured here. While the rate is unknown it
    compresses: wrong on a fast link that costs a second, once; wrong on a slow one it would cost minutes. Shared by
    the lanes of a destination, it knows the rate from the results that go before the first film.
    """

    def __init__(self, compression: Compression, *, clock: Clock) -> None:
        self._compression = compression
        self._clock = clock
        self._link_seconds = 0.0  # each transfer counts by its bytes, and half as much after each later one
        self._link_bytes = 0.0
        self._codec_seconds_per_byte = 0.08e-6
        self._ratio = 0.45

    @property
    def transfer_syntax_uid(self) -> str:
        """What to offer beside the uncompressed film, when ``may_shrink``."""
        return JPEG2000Lossless if self._compression == "jpeg2000" else JPEGLSLossless

    def may_shrink(self, parcel: Parcel) -> bool:
        """True for a film big enough and not compressed yet. What came compressed is never compressed again."""
        return (
            self._compression != "none"
            and parcel.instance.transfer_syntax_uid in UNCOMPRESSED
            and parcel.size_bytes >= SMALLEST_BYTES
        )

    def is_worth_it(self, parcel: Parcel) -> bool:
        """The rule of the class docstring; the other modes say yes to every film that may be shrunk."""
        if not self.may_shrink(parcel):
            return False
        if self._compression != "auto" or not self._link_bytes:
            return True
        return self._codec_seconds_per_byte < (1 - self._ratio) * self._link_seconds / self._link_bytes

    def shrink(self, parcel: Parcel) -> BinaryIO | None:
        """The film in ``transfer_syntax_uid``, without loss, same SOP Instance UID; None when it must go as it is."""
        begun = self._clock.monotonic()
        smaller = transcoded(parcel, self.transfer_syntax_uid)
        if smaller is not None:
            seconds = self._clock.monotonic() - begun
            self._codec_seconds_per_byte = _follow(self._codec_seconds_per_byte, seconds / parcel.size_bytes)
            self._ratio = _follow(self._ratio, file_size(smaller) / parcel.size_bytes)
        return smaller

    def learn(self, *, sent_bytes: int, seconds: float) -> None:
        """One transfer, from its first byte to the peer's answer."""
        if sent_bytes >= RELIABLE_BYTES:
            self._link_seconds = self._link_seconds / 2 + seconds
            self._link_bytes = self._link_bytes / 2 + sent_bytes


def transcoded(parcel: Parcel, transfer_syntax_uid: str) -> BinaryIO | None:
    """The parcel's file in another transfer syntax, as an unnamed temporary file at its start; None when it cannot be.

    Done by ``python -m dicom_router.transport.transcode`` with a cap on memory and time. The caller closes the file.
    """
    with ExitStack() as stack:
        try:
            target = stack.enter_context(tempfile.TemporaryFile())
            with parcel.open() as source:
                done = child.run(
                    "dicom_router.transport.transcode",
                    transfer_syntax_uid,
                    "--memory-mb",
                    str(MEMORY_MB),
                    environment=child.ONE_THREAD,
                    source=source.read(),
                    target=target,
                    seconds=LONGEST_SECONDS,
                )
            how, why = child.meaning(done.returncode), done.stderr.decode(errors="replace").strip()[:500]
            problem = how and f"{how}: {why}"
        except OSError as error:
            problem = str(error)
        if problem:
            uid = parcel.instance.sop_instance_uid
            log.warning("not rewritten", sop_instance_uid=uid, transfer_syntax_uid=transfer_syntax_uid, error=problem)
            return None
        stack.pop_all()
    target.seek(0)
    return target


def file_size(stream: BinaryIO) -> int:
    """Bytes in an open file, leaving it at its start."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size


def _follow(old: float, new: float) -> float:
    return (old + new) / 2
