"""Objects as strange machines send them: one list for the listener's tests and for the comparison with other receivers.

Made out of synthetic films, bytes and command apart. Knows nothing of ours.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pynetdicom.dsutils import encode

from tests.factories import CR, DX, film
from tests.peers.machine import EXPLICIT_LITTLE_ENDIAN

IMPLICIT_LITTLE_ENDIAN, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
JPEG_LS = "1.2.840.10008.1.2.4.80"
VERIFICATION = "1.2.840.10008.1.1"
ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
NAMES = {"class": 0x00080016, "instance": 0x00080018, "study": 0x0020000D, "series": 0x0020000E}


@dataclass(frozen=True, kw_only=True)
class OddObject:
    """One C-STORE. ``film`` is what the machine meant, ``encoded`` its dataset without the oddity."""

    film: Dataset
    encoded: bytes
    dataset: bytes
    syntax: str = EXPLICIT_LITTLE_ENDIAN
    context_class: str = DX
    command_class: str = DX
    command_uid: str = field(default="")

    @property
    def uid(self) -> str:
        """The SOP Instance UID that the command says."""
        return self.command_uid or str(self.film.get("SOPInstanceUID", "1.2.3"))


Make = Callable[[], OddObject]


def encoded(dataset: Dataset, syntax: str = EXPLICIT_LITTLE_ENDIAN) -> bytes:
    result = encode(dataset, syntax == IMPLICIT_LITTLE_ENDIAN, syntax != BIG_ENDIAN)
    assert result is not None
    return result


def _behind(tail: bytes, syntax: str = EXPLICIT_LITTLE_ENDIAN) -> Make:
    def make() -> OddObject:
        dataset = film(transfer_syntax_uid=syntax)
        plain = encoded(dataset, syntax)
        return OddObject(film=dataset, encoded=plain, dataset=plain + tail, syntax=syntax)

    return make


def _before(head: bytes, syntax: str = EXPLICIT_LITTLE_ENDIAN) -> Make:
    def make() -> OddObject:
        dataset = film(transfer_syntax_uid=syntax)
        plain = encoded(dataset, syntax)
        return OddObject(film=dataset, encoded=plain, dataset=head + plain, syntax=syntax)

    return make


def _amid(stray: bytes) -> Make:
    def make() -> OddObject:
        dataset = film()
        plain = encoded(dataset)
        patient = plain.index(b"\x10\x00\x10\x00PN")
        return OddObject(film=dataset, encoded=plain, dataset=plain[:patient] + stray + plain[patient:])

    return make


def _named(name: str, pad: Callable[[bytes], bytes]) -> Make:
    """With one of its UIDs written otherwise."""

    def make() -> OddObject:
        dataset, tag = film(), NAMES[name]
        plain, uid = encoded(dataset), str(dataset[tag].value).encode()
        strange = pad(uid)
        return OddObject(
            film=dataset,
            encoded=plain,
            dataset=plain.replace(element(tag, b"UI", uid + b"\0" * (len(uid) % 2)), element(tag, b"UI", strange)),
        )

    return make


def _announced(pad: Callable[[str], str]) -> Make:
    def make() -> OddObject:
        dataset = film()
        plain = encoded(dataset)
        return OddObject(film=dataset, encoded=plain, dataset=plain, command_uid=pad(str(dataset.SOPInstanceUID)))

    return make


def _of_classes(context: str, command: str, dataset_class: str) -> Make:
    def make() -> OddObject:
        dataset = film(sop_class_uid=dataset_class)
        plain = encoded(dataset)
        return OddObject(film=dataset, encoded=plain, dataset=plain, context_class=context, command_class=command)

    return make


def _changed(change: Callable[[bytes], bytes], **attributes: object) -> Make:
    def make() -> OddObject:
        dataset = film(**attributes)  # type: ignore[arg-type]
        plain = encoded(dataset)
        return OddObject(film=dataset, encoded=plain, dataset=change(plain))

    return make


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """An explicit element of a short VR, or an implicit one without."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    return head + (vr + struct.pack("<H", len(value)) if vr else struct.pack("<I", len(value))) + value


def _odd_pixels() -> OddObject:
    """Native pixels of an odd number of bytes, and no padding."""
    pixels = bytes(number % 256 for number in range(63 * 47))
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    dataset = film(rows=63, columns=47, **eight, PixelData=pixels + b"\0")  # type: ignore[arg-type]
    plain = encoded(dataset)
    begin = len(plain) - len(pixels) - 1
    odd = plain[: begin - 4] + struct.pack("<I", len(pixels)) + pixels
    return OddObject(film=dataset, encoded=plain, dataset=odd)


def _nul(count: int) -> Callable[[bytes], bytes]:
    return lambda uid: uid.ljust(count, b"\0")


_META = element(0x00020010, b"UI", EXPLICIT_LITTLE_ENDIAN.encode() + b"\0")
_WHOLE_META = element(0x00020000, b"UL", struct.pack("<I", len(_META))) + _META

# What is kept and read: none of it says anything of the film.
TRIFLES: dict[str, Make] = {
    **{f"{count} zeros behind": _behind(bytes(count)) for count in (1, 2, 3, 4, 7, 8, 9, 12, 513, 100_000)},
    "3 zeros behind, implicit": _behind(bytes(3), IMPLICIT_LITTLE_ENDIAN),
    "10 zeros behind, big endian": _behind(bytes(10), BIG_ENDIAN),
    "an item's end behind": _behind(ITEM_END),
    "an item's end behind, implicit": _behind(ITEM_END, IMPLICIT_LITTLE_ENDIAN),
    "a sequence's end behind": _behind(SEQUENCE_END),
    "both ends and zeros behind": _behind(ITEM_END + SEQUENCE_END + bytes(5)),
    "file meta information": _before(_META),
    "whole file meta information": _before(_WHOLE_META),
    "file meta information of another syntax": _before(element(0x00020010, b"UI", b"1.2.840.10008.1.2.4.90")),
    "implicit file meta information": _before(element(0x00020010, b"", b"1.2.840.10008.1.2\0"), IMPLICIT_LITTLE_ENDIAN),
    "file meta information as in a file, implicit": _before(_WHOLE_META, IMPLICIT_LITTLE_ENDIAN),
    "file meta information as in a file, big endian": _before(_WHOLE_META, BIG_ENDIAN),
    "file meta information amid": _amid(_META),
    "file meta information behind": _behind(_META),
    "file meta information before, end and zeros behind": _changed(lambda plain: _META + plain + ITEM_END + bytes(3)),
    **{f"{name} UID in 64 bytes": _named(name, _nul(64)) for name in NAMES},
    **{
        f"{name} UID behind a blank": _named(name, lambda uid: b" " + uid + b" " * ((len(uid) + 1) % 2))
        for name in NAMES
    },
    "study UID in 128 bytes": _named("study", _nul(128)),
    "series UID with blanks and NULs": _named("series", lambda uid: uid + b" \0 \0"),
    "instance UID with a line's end": _named("instance", lambda uid: uid + b"\r\n"),
    "announced in 64 bytes": _announced(lambda uid: uid.ljust(64, "\0")),
    "announced behind a blank": _announced(lambda uid: " " + uid),
    "announced with blanks": _announced(lambda uid: uid + "  "),
    "command of another class than the context": _of_classes(CR, DX, DX),
    "file of another class than context and command": _of_classes(CR, CR, DX),
    "command of another class than context and file": _of_classes(DX, CR, DX),
    "command of a class that is none": _of_classes(DX, "../../x", DX),
    "pixels of odd length": _odd_pixels,
}

# What is not kept, each for a reason.
REFUSED: dict[str, Make] = {
    "announced as a path": _announced(lambda _: "../../x"),
    "announced as nothing": _announced(lambda _: "\0\0"),
    "announced in 65 digits": _announced(lambda _: "1" * 65),
    "announced with a NUL in it": _announced(lambda _: "1.2\x00.3"),
    "announced as another": _announced(lambda _: "1.2.3.4"),
    "study UID a path": _named("study", lambda _: b"../../x "),
    "study UID empty": _named("study", lambda _: b""),
    "no study UID": _changed(bytes, StudyInstanceUID=None),
    "no series UID": _changed(bytes, SeriesInstanceUID=None),
    "no instance UID": _changed(bytes, SOPInstanceUID=None),
    "truncated": _changed(lambda plain: plain[:-100]),
    "truncated to less than an element": _changed(lambda plain: plain[: plain.index(b"\xe0\x7f\x10\x00") + 6]),
    "nothing": _changed(lambda _: b""),
    "text behind": _behind(b"\r\n"),
    "an item's end amid": _amid(ITEM_END),
    "of no storage class": _of_classes(DX, DX, VERIFICATION),
    "a sequence's end of no sequence, nested": _before(
        element(0x00081110, b"", b"")[:4]
        + b"SQ\0\0"
        + struct.pack("<I", 16)
        + b"\xfe\xff\0\xe0\x08\0\0\0"
        + SEQUENCE_END
    ),
}


def _jpeg_ls(change: Callable[[bytes], bytes]) -> Make:
    """Of one fragment that is changed."""

    def make() -> OddObject:
        dataset = film()
        dataset.compress(JPEG_LS, generate_instance_uid=False)
        (codestream,) = generate_frames(dataset.PixelData, number_of_frames=1)
        dataset.PixelData = encapsulate([change(codestream)])
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        plain = encoded(dataset)
        return OddObject(film=dataset, encoded=plain, dataset=plain, syntax=JPEG_LS)

    return make


# What is kept, and whose pixels may be found damaged.
PIXELS: dict[str, Make] = {
    "half a codestream": _jpeg_ls(lambda codestream: codestream[: len(codestream) // 2]),
    "no codestream": _jpeg_ls(lambda _: b"no picture"),
    "fewer pixels than rows and columns": _changed(bytes, Rows=128),
    "more bits stored than allocated": _changed(bytes, BitsStored=20, HighBit=19),
}
