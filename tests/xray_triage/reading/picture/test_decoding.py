import io
from collections.abc import Callable

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from dicom_router.dicom.instance import read_dataset
from tests.xray_triage.films import POLICY, admitted, film, refused, stored, written
from xray_triage.reading.findings import NotReadable
from xray_triage.reading.picture.decoding import decode
from xray_triage.reading.radiograph import Radiograph, admit


def encapsulated(frame: bytes, syntax: uid.UID, **attributes: object) -> Dataset:
    dataset = film(**attributes)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    return written(dataset)


def lossless(dataset: Dataset, syntax: uid.UID) -> Dataset:
    dataset.compress(syntax)
    return written(dataset)


def uncompressed(dataset: Dataset, syntax: uid.UID, order: str) -> Dataset:
    plain = Dataset()  # a new one has no encoding of its own yet
    plain.update(dataset)
    plain.file_meta = dataset.file_meta
    plain.file_meta.TransferSyntaxUID = syntax
    plain.PixelData = stored(dataset).astype(order).tobytes()
    return written(plain)


LOSSLESS: dict[str, Callable[[], Dataset]] = {
    "implicit": lambda: uncompressed(film(), uid.ImplicitVRLittleEndian, "<u2"),
    "explicit": lambda: uncompressed(film(), uid.ExplicitVRLittleEndian, "<u2"),
    "big endian": lambda: uncompressed(film(), uid.ExplicitVRBigEndian, ">u2"),
    "RLE": lambda: lossless(film(), uid.RLELossless),
    "JPEG-LS": lambda: lossless(film(), uid.JPEGLSLossless),
    "JPEG 2000": lambda: lossless(film(), uid.JPEG2000Lossless),
    "HTJ2K": lambda: encapsulated(imagecodecs.htj2k_encode(stored(film())), uid.HTJ2KLossless),
    "JPEG lossless": lambda: encapsulated(
        imagecodecs.ljpeg_encode(stored(film()), bitspersample=12), uid.JPEGLosslessSV1
    ),
}


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_every_lossless_transfer_syntax_gives_the_same_picture(syntax: str) -> None:
    expected = admitted(film()).image
    assert np.array_equal(admitted(LOSSLESS[syntax]()).image, expected)


def test_lossy_jpeg_of_8_and_of_12_bits_gives_nearly_the_same_picture() -> None:
    expected = admitted(film()).image
    eight = (stored(film()) >> 4).astype(np.uint8)
    baseline = encapsulated(
        imagecodecs.jpeg8_encode(eight, level=95),
        uid.JPEGBaseline8Bit,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        WindowCenter="128",
        WindowWidth="256",
    )
    extended = encapsulated(imagecodecs.jpeg8_encode(stored(film()), level=95, bitspersample=12), uid.JPEGExtended12Bit)
    for dataset in (baseline, extended):
        assert np.abs(admitted(dataset).image - expected).mean() < 0.01


@pytest.mark.parametrize("syntax", ["RLE", "JPEG-LS", "JPEG 2000", "HTJ2K", "JPEG lossless"])
@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "bomb"])
def test_a_damaged_codestream_is_refused(syntax: str, damage: str) -> None:
    dataset = LOSSLESS[syntax]()
    frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    if damage == "bomb":
        dataset.Rows = 9000 if syntax == "RLE" else 511
    else:
        replaced = {"cut": frame[: len(frame) // 50], "noise": bytes(reversed(frame)), "empty": b"\0\0"}[damage]
        dataset.PixelData = encapsulate([replaced])
    assert refused(dataset) == "damaged_pixels"


@pytest.mark.parametrize("syntax", [uid.DeflatedExplicitVRLittleEndian, uid.MPEG2MPML, uid.UID("1.2.3.4")])
def test_a_compression_that_nobody_decodes_is_said_so(syntax: uid.UID) -> None:
    dataset = film()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([b"\1\2\3\4"])
    assert refused(dataset) == "undecodable"


def test_short_pixel_data_is_refused_and_long_pixel_data_read() -> None:
    data = film().PixelData
    assert refused(film(PixelData=data[:-2])) == "damaged_pixels"
    longer = admitted(film(PixelData=data + b"\xff" * 1000))
    assert np.array_equal(longer.image, admitted(film()).image)


def test_signed_pixels_are_read_with_their_sign() -> None:
    signed = (stored(film()).astype(np.int32) - 2048).astype("<i2")
    dataset = film(PixelRepresentation=1, PixelData=signed.tobytes(), RescaleIntercept="2048", RescaleSlope="1")
    assert np.allclose(admitted(dataset).image, admitted(film()).image, atol=1e-4)
    masked = film(
        PixelRepresentation=1, PixelData=(signed & 0x0FFF).tobytes(), RescaleIntercept="2048", RescaleSlope="1"
    )
    assert np.allclose(admitted(masked).image, admitted(film()).image, atol=1e-4)


def test_what_lies_in_the_unused_bits_is_not_seen() -> None:
    above = stored(film()) | np.uint16(0xF000)
    below = (stored(film()) << 4) | np.uint16(0x5)
    expected = admitted(film()).image
    assert np.array_equal(admitted(film(PixelData=above.tobytes())).image, expected)
    assert np.array_equal(admitted(film(PixelData=below.tobytes(), HighBit=15)).image, expected)


COMPRESSED: dict[str, Dataset] = {}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["RLE", "JPEG-LS", "JPEG 2000", "JPEG lossless"]),
    st.integers(0, 10**6),
    st.binary(min_size=1, max_size=40),
)
def test_no_flipped_bytes_in_a_codestream_make_it_raise(syntax: str, at: int, rubbish: bytes) -> None:
    dataset = COMPRESSED.setdefault(syntax, LOSSLESS[syntax]())
    good = dataset.PixelData
    at %= len(good) - len(rubbish)
    dataset.PixelData = good[:at] + rubbish + good[at + len(rubbish) :]
    try:
        assert isinstance(admit(dataset, POLICY), Radiograph | NotReadable)
    finally:
        dataset.PixelData = good


ABOVE = {
    "RLE": lambda words: lossless(film(PixelData=words.tobytes()), uid.RLELossless),
    "JPEG 2000": lambda words: wide(words, uid.JPEG2000Lossless),
    "JPEG 2000, reversible": lambda words: wide(words, uid.JPEG2000),
    "HTJ2K": lambda words: encapsulated(imagecodecs.htj2k_encode(words), uid.HTJ2KLossless),
    "JPEG lossless": lambda words: encapsulated(imagecodecs.ljpeg_encode(words, bitspersample=16), uid.JPEGLosslessSV1),
    "JPEG-LS": lambda words: encapsulated(imagecodecs.jpegls_encode(words), uid.JPEGLSLossless),
}


def wide(words: np.ndarray, syntax: uid.UID) -> Dataset:
    stream = imagecodecs.jpeg2k_encode(words, level=0, codecformat="j2k", reversible=True)
    return encapsulated(stream, syntax)


@pytest.mark.parametrize("syntax", ABOVE)
@pytest.mark.parametrize("signed", [False, True])
def test_what_lies_above_the_stored_bits_of_a_compressed_film_is_not_seen(syntax: str, signed: bool) -> None:
    values = stored(film())
    sign = {"PixelRepresentation": 1, "RescaleIntercept": "2048", "RescaleSlope": "1"} if signed else {}
    words = ((values.astype(np.int32) - 2048) & 0xFFF).astype(np.uint16) if signed else values.copy()
    words[100:200, 50:300] |= 0x1000
    words[300:320] |= 0x8000
    dataset = ABOVE[syntax](words)
    for keyword, value in sign.items():
        setattr(dataset, keyword, value)
    assert np.allclose(admitted(dataset).image, admitted(film()).image, atol=1e-4)


def test_a_lossy_codec_that_goes_over_the_top_makes_nothing_black() -> None:
    words = stored(film()).copy()
    words[100:140, 100:140] = 4200  # as a wavelet rings beside a marker
    stream = imagecodecs.jpeg2k_encode(words, level=60, codecformat="j2k", reversible=False)
    found = decode(encapsulated(stream, uid.JPEG2000))
    assert found[105:135, 105:135].min() > 4000
    assert found.max() == 4095


def test_a_cut_film_that_was_given_an_end_or_padding_is_damaged() -> None:
    dataset = LOSSLESS["JPEG-LS"]()
    frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    for end in (b"", b"\xff\xd9", bytes(400)):
        dataset.PixelData = encapsulate([frame[: len(frame) * 9 // 10] + end])
        assert refused(dataset) == "damaged_pixels"


@pytest.mark.filterwarnings("ignore:End of file reached:UserWarning")
@pytest.mark.filterwarnings("ignore:Expected sequence item:UserWarning")
@pytest.mark.parametrize("end", [b"", bytes(8)])
def test_a_file_whose_pixels_have_no_delimiter_is_read(end: bytes) -> None:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, LOSSLESS["JPEG-LS"](), enforce_file_format=True)
    cut = buffer.getvalue()
    assert cut[-8:-4] == b"\xfe\xff\xdd\xe0"
    dataset = read_dataset(io.BytesIO(cut[:-8] + end))
    assert np.array_equal(admitted(dataset).image, admitted(film()).image)
