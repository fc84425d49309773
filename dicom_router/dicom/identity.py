"""Which instance an encoded dataset says it is. Walks its elements, PS3.5 7; reads four UIDs, and never a pixel.

Trifles that other receivers pass over are passed over here too: zeros behind the dataset, a delimiter to which nothing
was open, padding of UIDs, file meta information where none belongs (decision 0031).

Never recursive and bounded in memory, so that neither a bomb of nested sequences nor a dataset that stops in the middle
does more than raise DamagedFile: what comes from the network is looked at here before any library opens it.
"""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.datadict import dictionary_VR
from pydicom.filereader import read_partial
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_router.dicom.instance import InstanceRef
from dicom_router.dicom.part10 import seek_dataset
from dicom_router.dicom.text import decode_uid
from dicom_router.dicom.uids import TRANSFER_SYNTAXES, is_uid
from dicom_router.errors import DAMAGE, DamagedFile

_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ENDS = (_ITEM_END, _SEQUENCE_END)
_DEEPEST = 100  # sequences and items, open at once; real films have fewer than ten
_META_GROUP, _META_BYTES, _MOST_META_BYTES = 0x0002, b"\2\0", 1 << 16
_SHORTEST_ELEMENT = 8
_LONGEST_PADDED_UID = 1024
_BLOCK_BYTES = 1 << 16
MOST_ELEMENTS = 500_000  # and items; films have hundreds. Each would cost who opens the file hundreds of bytes
_NAMES = {
    0x00080016: "SOP Class UID",
    0x00080018: "SOP Instance UID",
    0x0020000D: "Study Instance UID",
    0x0020000E: "Series Instance UID",
}


def read_identity(stream: BinaryIO, *, start: int, end: int, transfer_syntax_uid: str) -> InstanceRef:
    """Walk the whole dataset between two positions of ``stream``. Raises DamagedFile with a short reason."""
    found = _Walk(stream, start, end, transfer_syntax_uid).run()
    for tag, name in _NAMES.items():
        if not is_uid(found.get(tag, "")):
            raise DamagedFile(f"{name} is {'no UID' if tag in found else 'missing'}")
    sop_class, sop_instance, study, series = (found[tag] for tag in _NAMES)
    return InstanceRef(
        sop_class_uid=sop_class,
        sop_instance_uid=sop_instance,
        study_instance_uid=study,
        series_instance_uid=series,
        transfer_syntax_uid=str(transfer_syntax_uid),
    )


def identify_file(stream: BinaryIO) -> InstanceRef:
    """The instance in a whole Part 10 file, looked at as the listener looks at one. Raises DamagedFile."""
    start = seek_dataset(stream)
    stream.seek(0)
    try:
        syntax = str(read_partial(stream, stop_when=lambda *_: True).file_meta.get("TransferSyntaxUID", ""))
    except DAMAGE as error:
        raise DamagedFile(f"its file meta information cannot be read: {error}") from error
    if syntax not in TRANSFER_SYNTAXES:
        raise DamagedFile(f"not taken in transfer syntax {syntax or 'without a name'}")
    end = stream.seek(0, os.SEEK_END)
    return read_identity(stream, start=start, end=end, transfer_syntax_uid=syntax)


def check_structure(stream: BinaryIO, *, end: int, transfer_syntax_uid: str) -> None:
    """Walk the dataset from the start of ``stream`` to ``end``. Raises DamagedFile: truncated, or nested too deep."""
    _Walk(stream, 0, end, transfer_syntax_uid).run()


def stray_meta(stream: BinaryIO, *, start: int, end: int, transfer_syntax_uid: str) -> int:
    """How many bytes at ``start`` are file meta information, PS3.10 7.1, which belongs in no dataset.

    Some machines send it with the dataset, as it stood in their file or encoded like the dataset. Raises DamagedFile.
    """
    stream.seek(start)
    syntax = ExplicitVRLittleEndian if stream.read(2) == _META_BYTES else transfer_syntax_uid
    return _Walk(stream, start, end, syntax).skip_meta() - start


@dataclass(slots=True)
class _Element:
    tag: int
    vr: bytes  # empty when implicit
    length: int


@dataclass(slots=True)
class _Container:
    """An open sequence or item. Without ``delimited`` it ends at ``end``; with it, at its delimiter before ``end``.

    In an ``encapsulated`` one, PS3.5 A.4, the items hold compressed pixels and no elements.
    """

    end: int
    delimited: bool
    implicit: bool
    encapsulated: bool = False


class _Walk:
    """One pass over the elements. ``_open`` holds the sequences and items that have begun and not ended."""

    def __init__(self, stream: BinaryIO, start: int, end: int, transfer_syntax_uid: str) -> None:
        self._stream = stream
        self._position = start
        self._order = ">" if transfer_syntax_uid == ExplicitVRBigEndian else "<"
        self._open = [_Container(end, False, transfer_syntax_uid == ImplicitVRLittleEndian)]
        self._zeros_from: int | None = None
        self._has_ended = False  # by a delimiter to which nothing was open

    def run(self) -> dict[int, str]:
        """The texts of the wanted elements of the outermost level."""
        found: dict[int, str] = {}
        seen = 0
        while self._open:
            container, begin, is_outermost = self._open[-1], self._position, len(self._open) == 1
            rest = container.end - begin
            if rest == 0 and not container.delimited:
                self._open.pop()
                continue
            if is_outermost and rest < _SHORTEST_ELEMENT and self._is_padding(begin):
                break
            element = self._read_element(container)
            if is_outermost and element.tag == 0 and self._is_padding(begin):
                break
            seen += 1
            if seen > MOST_ELEMENTS:
                raise DamagedFile(f"over {MOST_ELEMENTS} elements")
            if element.tag in _NAMES and is_outermost:
                found.setdefault(element.tag, self._peek_text(element.length))
            self._step(element, container)
        return found

    def skip_meta(self) -> int:
        """The first position at which no element of group 0002 stands."""
        explicit = _Container(self._open[0].end, False, False)  # and what has no VR is read as implicit
        most = min(self._position + _MOST_META_BYTES, explicit.end)
        while (begin := self._position) + _SHORTEST_ELEMENT <= explicit.end:
            element = self._read_element(explicit)
            if element.tag >> 16 != _META_GROUP:
                return begin
            self._position += element.length
            if self._position > most:
                raise DamagedFile("file meta information without end inside the dataset")
        return begin

    def _is_padding(self, start: int) -> bool:
        """Whether only zeros follow. Where they begin is looked for once, from the end."""
        if self._zeros_from is None:
            self._zeros_from = self._open[0].end
            while self._zeros_from > start:
                block_start = max(start, self._zeros_from - _BLOCK_BYTES)
                self._stream.seek(block_start)
                kept = self._stream.read(self._zeros_from - block_start).rstrip(b"\0")
                self._zeros_from = block_start + len(kept)
                if kept:
                    break
        return start >= self._zeros_from

    def _step(self, element: _Element, container: _Container) -> None:
        """Go into a sequence or item, out of one, or past a value."""
        if element.tag in _ENDS:
            if container.delimited:
                self._open.pop()
            elif len(self._open) > 1 or element.length:
                raise DamagedFile("a delimiter where nothing was open")
            else:
                self._has_ended = True
            return
        if self._has_ended:  # where pydicom would stop
            raise DamagedFile("elements behind a delimiter to which nothing was open")
        delimited = element.length == _UNDEFINED
        value_end = container.end if delimited else self._position + element.length
        if value_end > container.end:
            raise DamagedFile("the dataset is truncated")
        if delimited or (_is_sequence(element) and not container.encapsulated):
            # Inside a UN of undefined length all is implicit VR, PS3.5 6.2.2 note 2.
            implicit = container.implicit or element.vr == b"UN"
            self._open.append(_Container(value_end, delimited, implicit, element.vr in (b"OB", b"OW")))
            if len(self._open) > _DEEPEST:
                raise DamagedFile("sequences nested too deep")
        else:
            self._position = value_end

    def _read_element(self, container: _Container) -> _Element:
        group, element = struct.unpack(self._order + "HH", self._take(4, container))
        tag = group << 16 | element
        if group == 0xFFFE or container.implicit:
            return _Element(tag, b"", self._take_length("I", container))
        vr = self._take(2, container)
        if vr in _SHORT_VRS:
            return _Element(tag, vr, self._take_length("H", container))
        if not (vr.isalpha() and vr.isupper()):  # some machines write an element without VR among the others
            low = struct.unpack(self._order + "H", vr)[0]
            high = self._take_length("H", container)
            return _Element(tag, b"", low | high << 16 if self._order == "<" else low << 16 | high)
        self._take(2, container)
        return _Element(tag, vr, self._take_length("I", container))

    def _take_length(self, code: str, container: _Container) -> int:
        return int(struct.unpack(self._order + code, self._take(struct.calcsize(code), container))[0])

    def _take(self, count: int, container: _Container) -> bytes:
        if self._position + count > container.end:
            raise DamagedFile("the dataset is truncated")
        self._stream.seek(self._position)
        self._position += count
        return self._stream.read(count)

    def _peek_text(self, length: int) -> str:
        """The value that begins here, if it is short enough for a UID and its padding; else nothing that is one."""
        if length > _LONGEST_PADDED_UID:
            return ""
        self._stream.seek(self._position)
        return decode_uid(self._stream.read(length))


def _is_sequence(element: _Element) -> bool:
    """Whether the value holds elements: said by the VR or, where there is none, by the dictionary."""
    if element.vr or element.tag == _ITEM:
        return element.vr == b"SQ" or element.tag == _ITEM
    try:
        return dictionary_VR(element.tag) == "SQ"
    except KeyError:
        return False
