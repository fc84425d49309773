"""Which instance a dataset says it is, whatever a machine sends in its place."""

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, JPEGBaseline8Bit
from pynetdicom.dsutils import encode

from dicom_router.dicom.identity import MOST_ELEMENTS, read_identity
from dicom_router.dicom.instance import InstanceRef
from dicom_router.dicom.uids import is_uid
from dicom_router.errors import DamagedFile
from tests.factories import DX, ExplicitVRLittleEndian, ImplicitVRLittleEndian, film

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    result = encode(dataset, syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)
    assert result is not None
    return result


def identify(raw: bytes, syntax: str = ExplicitVRLittleEndian) -> InstanceRef:
    return read_identity(io.BytesIO(raw), start=0, end=len(raw), transfer_syntax_uid=syntax)


def undefined(tag: tuple[int, int], vr: bytes, content: bytes) -> bytes:
    """A sequence of undefined length; explicit with a VR, implicit without."""
    head = struct.pack("<HH", *tag) + (vr + b"\0\0" if vr else b"")
    return head + b"\xff\xff\xff\xff" + content + b"\xfe\xff\xdd\xe0\0\0\0\0"


def item(content: bytes, *, defined: bool = False) -> bytes:
    if defined:
        return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content
    return b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + content + b"\xfe\xff\x0d\xe0\0\0\0\0"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_film_tells_its_names_in_every_encoding(syntax: str) -> None:
    dataset = film(transfer_syntax_uid=syntax)
    assert identify(encoded(dataset, syntax), syntax) == InstanceRef(
        sop_class_uid=DX,
        sop_instance_uid=dataset.SOPInstanceUID,
        study_instance_uid=dataset.StudyInstanceUID,
        series_instance_uid=dataset.SeriesInstanceUID,
        transfer_syntax_uid=syntax,
    )


def test_the_names_in_a_nested_item_are_not_those_of_the_film() -> None:
    dataset = film()
    reference = Dataset()
    reference.SOPInstanceUID, reference.StudyInstanceUID = "1.2.3", "1.2.4"
    dataset.add_new(0x00081110, "SQ", Sequence([reference]))
    assert identify(encoded(dataset)).sop_instance_uid == dataset.SOPInstanceUID


def test_compressed_pixels_are_stepped_over() -> None:
    dataset = film(transfer_syntax_uid=JPEGBaseline8Bit)
    dataset.PixelData = encapsulate([b"\xff\xd8" + bytes(range(256)) * 10])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    assert identify(encoded(dataset)).sop_instance_uid == dataset.SOPInstanceUID


def test_a_sequence_of_unknown_representation_is_implicit_inside() -> None:
    raw = encoded(film(PixelData=None))
    inside = item(struct.pack("<HHI", 0x0009, 0x1001, 4) + b"ABCD")
    assert identify(undefined((0x0007, 0x1001), b"UN", inside) + raw)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_dataset_cut_within_an_element_is_damaged(syntax: str) -> None:
    dataset = film(rows=4, columns=4, transfer_syntax_uid=syntax)
    raw = encoded(dataset, syntax)
    names = raw.index(str(dataset.SeriesInstanceUID).encode())
    del dataset.PixelData
    without_pixels = len(encoded(dataset, syntax))
    for end in [*range(names), *range(without_pixels + 1, len(raw))]:
        with pytest.raises(DamagedFile):
            identify(raw[:end], syntax)


def nested(depth: int, *, explicit: bool, defined: bool) -> bytes:
    content = b""
    for _ in range(depth):
        inner = item(content, defined=defined)
        if defined:
            length = struct.pack("<I", len(inner))
            content = struct.pack("<HH", 0x0040, 0xA730) + (b"SQ\0\0" if explicit else b"") + length + inner
        else:
            content = undefined((0x0040, 0xA730), b"SQ" if explicit else b"", inner)
    return content


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("defined", [True, False])
def test_three_thousand_nested_sequences_are_refused_and_ten_are_not(explicit: bool, defined: bool) -> None:
    syntax = ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
    raw = encoded(film(PixelData=None), syntax)
    assert identify(raw + nested(10, explicit=explicit, defined=defined), syntax)
    with pytest.raises(DamagedFile, match="nested too deep"):
        identify(raw + nested(3000, explicit=explicit, defined=defined), syntax)


@pytest.mark.slow
def test_a_film_of_millions_of_elements_is_refused() -> None:
    """Whoever opens it would need a hundred times its bytes."""
    empty = struct.pack("<HH2sH", 0x0029, 0x1000, b"LO", 0)
    raw = encoded(film(PixelData=None))
    assert identify(raw + empty * 10_000)
    with pytest.raises(DamagedFile, match="elements"):
        identify(raw + empty * (MOST_ELEMENTS + 1))
    with pytest.raises(DamagedFile, match="elements"):
        identify(raw + undefined((0x7FE0, 0x0010), b"OB", b"\xfe\xff\x00\xe0\0\0\0\0" * (MOST_ELEMENTS + 1)))


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_a_film_without_a_name_is_refused_by_name(keyword: str) -> None:
    dataset = film()
    del dataset[keyword]
    with pytest.raises(DamagedFile, match="UID is missing"):
        identify(encoded(dataset))


@pytest.mark.parametrize("text", [b"../../etc", b"..", b"1.2.3\x00.4 ", b"1" * 66, b"1.2/3 ", b"      "])
def test_a_name_that_is_no_uid_is_refused(text: bytes) -> None:
    uid = b"2.25.111111111111"
    dataset = film(study_instance_uid=uid.decode())
    raw = encoded(dataset)
    element = b"\x20\x00\x0d\x00UI" + struct.pack("<H", 18) + uid + b"\0"
    assert element in raw
    wrong = b"\x20\x00\x0d\x00UI" + struct.pack("<H", len(text)) + text
    with pytest.raises(DamagedFile, match="Study Instance UID is no UID"):
        identify(raw.replace(element, wrong))


def test_an_element_without_representation_among_others_is_read() -> None:
    stray = struct.pack("<HHI", 0x0007, 0x1001, 4) + b"ABCD"
    assert identify(stray + encoded(film()))


def test_a_delimiter_of_nothing_is_damage_within_an_item_or_with_a_length() -> None:
    end = b"\xfe\xff\x0d\xe0"
    for stray in (undefined((0x0040, 0xA730), b"SQ", item(end + bytes(4), defined=True)), end + b"\xff" * 4):
        with pytest.raises(DamagedFile, match="delimiter"):
            identify(encoded(film(PixelData=None)) + stray)


def test_zeros_behind_are_looked_for_once_however_many_there_are() -> None:
    """Else a few megabytes that look like the end again and again would take hours."""
    raw = encoded(film(PixelData=None)) + bytes(8 * 50_000) + b"\x09\0\x01\0LO\0\0" + bytes(7)
    stream = CountedStream(raw)
    assert read_identity(stream, start=0, end=len(raw), transfer_syntax_uid=ExplicitVRLittleEndian)
    assert stream.read_bytes < 3 * len(raw)


class CountedStream(io.BytesIO):
    """Counts what is read of it."""

    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.read_bytes += len(piece)
        return piece


@settings(deadline=None)  # a busy machine is no fault of the walk
@given(st.binary(max_size=400), st.sampled_from(SYNTAXES))
def test_noise_is_damage_and_nothing_worse(raw: bytes, syntax: str) -> None:
    with pytest.raises(DamagedFile):
        identify(raw, syntax)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("1.2.840.10008.1.1", True),
        ("1.02.3", True),
        ("1" * 64, True),
        ("1" * 65, False),
        ("", False),
        ("1.2\n", False),
        ("..", False),
    ],
)
def test_a_uid_is_digits_and_dots(text: str, fits: bool) -> None:
    assert is_uid(text) is fits
