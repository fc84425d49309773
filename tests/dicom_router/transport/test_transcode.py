"""Rewriting a film in another transfer syntax: nothing but the encoding changes, or the film goes as it is."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from dicom_router.clock import SystemClock
from dicom_router.codestream import ITEM, only_frame
from dicom_router.dicom.instance import Parcel, reference_to
from dicom_router.transport.compression import Economy, transcoded
from dicom_router.transport.transcode import CannotTranscodeError, transcode
from tests.factories import StoppedClock, film, film_bytes, shared_folder
from tests.peers import dcmtk

pytestmark = pytest.mark.slow  # a child process for each


def a_film(
    *, rows: int, columns: int, bits: int, signed: bool = False, photometric: str = "MONOCHROME2", seed: int = 0
) -> Dataset:
    """A film with every value that its bits allow, in noise: the hardest thing for a codec."""
    allocated = 8 if bits <= 8 else 16
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    pixels = np.random.default_rng(seed).integers(low, high, size=(rows, columns))
    pixels.flat[0], pixels.flat[-1] = low, high - 1
    stored = pixels.astype(f"<{'i' if signed else 'u'}{allocated // 8}").tobytes()
    return film(
        rows=rows,
        columns=columns,
        photometric=photometric,
        BitsAllocated=allocated,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=int(signed),
        PixelData=stored + b"\0" * (len(stored) % 2),
    )


def rewritten(dataset: Dataset, syntax: str) -> Dataset:
    return rewritten_bytes(film_bytes(dataset), syntax)


def rewritten_bytes(part10: bytes, syntax: str) -> Dataset:
    target = io.BytesIO()
    transcode(io.BytesIO(part10), target, syntax)
    target.seek(0)
    result = pydicom.dcmread(target)
    assert result.file_meta.TransferSyntaxUID == syntax
    return result


def parcel_of(dataset: Dataset) -> Parcel:
    part10 = film_bytes(dataset)
    return Parcel(instance=reference_to(dataset), size_bytes=len(part10), open=lambda: io.BytesIO(part10))


def values(dataset: Dataset) -> NDArray[np.generic]:
    return dataset.pixel_array


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.integers(32, 97),
    columns=st.integers(32, 97),
    kind=st.sampled_from([(8, False), (9, False), (10, False), (12, False), (16, False), (16, True), (8, True)]),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    syntax=st.sampled_from([JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1]),
    source=st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]),
    seed=st.integers(0, 1000),
)
def test_compression_gives_every_pixel_back(
    rows: int, columns: int, kind: tuple[int, bool], photometric: str, syntax: str, source: str, seed: int
) -> None:
    dataset = a_film(rows=rows, columns=columns, bits=kind[0], signed=kind[1], photometric=photometric, seed=seed)
    dataset.file_meta.TransferSyntaxUID = source
    result = rewritten(dataset, syntax)
    assert (values(result) == values(dataset)).all()
    back = rewritten(result, ExplicitVRLittleEndian)
    assert back.PixelData == dataset.PixelData


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1, ImplicitVRLittleEndian])
def test_nothing_but_the_encoding_changes(syntax: str) -> None:
    dataset = a_film(rows=41, columns=67, bits=12, photometric="MONOCHROME1")
    part10 = film_bytes(dataset).replace(b"ISO_IR 192", b"ISO_IR 100")  # mislabelled, as many are
    before, after = pydicom.dcmread(io.BytesIO(part10)), rewritten_bytes(part10, syntax)
    changed = {"PixelData"}
    assert [each.tag for each in after] == [each.tag for each in before]
    for element in before:
        if element.keyword not in changed:
            assert after[element.tag].value == element.value, element
    assert after.file_meta.MediaStorageSOPInstanceUID == before.SOPInstanceUID
    assert "Nguyễn^Văn^An".encode() in film_bytes(after)


@pytest.mark.parametrize(("bits", "signed"), [(8, False), (10, False), (12, False), (16, False), (16, True)])
def test_dcmtk_reads_our_jpeg_ls(tmp_path: Path, bits: int, signed: bool) -> None:
    dataset = a_film(rows=45, columns=33, bits=bits, signed=signed)
    compressed = tmp_path / "compressed.dcm"
    compressed.write_bytes(film_bytes(rewritten(dataset, JPEGLSLossless)))
    done = dcmtk.run("dcmdjpls", compressed, tmp_path / "plain.dcm")
    assert done.returncode == 0, done.stderr
    assert pydicom.dcmread(tmp_path / "plain.dcm").PixelData == dataset.PixelData


def in_unused_bits(dataset: Dataset) -> None:
    dataset.PixelData = (np.frombuffer(dataset.PixelData, "<u2") | 0x1000).tobytes()


def with_high_bit_elsewhere(dataset: Dataset) -> None:
    dataset.HighBit = 15


def in_colour(dataset: Dataset) -> None:
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"


def too_short(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:-10]


def too_long(dataset: Dataset) -> None:
    dataset.PixelData += b"\0" * 10


def few_bits_in_many(dataset: Dataset) -> None:
    dataset.BitsStored, dataset.HighBit = 7, 6


def signed_of_12_bits(dataset: Dataset) -> None:
    dataset.PixelRepresentation = 1


def without_pixels(dataset: Dataset) -> None:
    del dataset.PixelData


def a_bomb(dataset: Dataset) -> None:
    dataset.Rows = dataset.Columns = 65535


@pytest.mark.parametrize(
    "spoil",
    [
        in_unused_bits,
        with_high_bit_elsewhere,
        in_colour,
        too_short,
        too_long,
        few_bits_in_many,
        signed_of_12_bits,
        without_pixels,
        a_bomb,
    ],
)
def test_what_might_lose_something_is_not_compressed(spoil: object) -> None:
    dataset = a_film(rows=40, columns=40, bits=12)
    spoil(dataset)
    with pytest.raises(CannotTranscodeError):
        rewritten(dataset, JPEGLSLossless)
    assert transcoded(parcel_of(dataset), JPEGLSLossless) is None


@pytest.mark.parametrize(("bits", "signed"), [(8, False), (12, False), (16, True), (24, False)])
def test_dcmtk_reads_our_jpeg_lossless(tmp_path: Path, bits: int, signed: bool) -> None:
    dataset = a_colour_picture() if bits == 24 else a_film(rows=45, columns=33, bits=bits, signed=signed)
    compressed = tmp_path / "compressed.dcm"
    compressed.write_bytes(film_bytes(rewritten(dataset, JPEGLosslessSV1)))
    done = dcmtk.run("dcmdjpeg", "--conv-never", compressed, tmp_path / "plain.dcm")
    assert done.returncode == 0, done.stderr
    assert pydicom.dcmread(tmp_path / "plain.dcm").PixelData == dataset.PixelData


def a_colour_picture() -> Dataset:
    pixels = np.random.default_rng(0).integers(0, 256, (46, 33, 3), dtype=np.uint8)
    return film(
        rows=46,
        columns=33,
        photometric="RGB",
        SamplesPerPixel=3,
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelData=pixels.tobytes(),
    )


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_decompression_gives_every_pixel_and_the_uid_back(syntax: str) -> None:
    dataset = a_film(rows=50, columns=70, bits=12)
    original = values(dataset).copy()
    dataset.compress(syntax, generate_instance_uid=False)
    result = rewritten(dataset, ImplicitVRLittleEndian)
    assert (values(result) == original).all()
    assert result.SOPInstanceUID == dataset.SOPInstanceUID


def test_big_endian_goes_as_it_is() -> None:
    dataset = film(transfer_syntax_uid=ExplicitVRBigEndian)
    with pytest.raises(CannotTranscodeError, match="big endian"):
        rewritten(dataset, ExplicitVRLittleEndian)


@pytest.mark.parametrize("name", ["RG2_JLSL", "RG2_JPLL", "RG2_RLE", "RG3_JPLY"])
def test_real_compressed_films_are_decompressed(name: str) -> None:
    (path,) = (shared_folder() / "data" / "dicom").glob(f"*{name}.dcm")
    result = rewritten_bytes(path.read_bytes(), ExplicitVRLittleEndian)
    assert len(result.PixelData) == result.Rows * result.Columns * 2
    assert values(result).max() < 1 << result.BitsStored


def test_12_bit_jpeg_extended_shows_the_same_film_as_its_lossless_twin() -> None:
    folder = shared_folder() / "data" / "dicom"
    extended = rewritten_bytes((folder / "robyoung__RG3_JPLY.dcm").read_bytes(), ExplicitVRLittleEndian)
    lossless = rewritten_bytes((folder / "robyoung__RG3_JLSL.dcm").read_bytes(), ExplicitVRLittleEndian)
    difference = np.abs(values(extended).astype(int) - values(lossless).astype(int))
    assert difference.mean() < 5


def test_a_lossy_film_is_not_compressed_again() -> None:
    economy = Economy("jpeg-ls", clock=SystemClock())
    dataset = film(rows=600, columns=600)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    instance = reference_to(dataset)
    assert not economy.may_shrink(Parcel(instance=instance, size_bytes=9_000_000, open=io.BytesIO))


@pytest.mark.parametrize("noise", [b"", b"no DICOM at all", b"\0" * 200])
def test_noise_ends_the_child_with_a_reason(noise: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dicom_router.transport.transcode", JPEGLSLossless],
        input=noise,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert done.stdout == b""
    assert done.stderr
    assert b"Traceback" not in done.stderr


def test_the_child_keeps_to_its_memory() -> None:
    part10 = film_bytes(film(rows=3000, columns=3000))
    done = subprocess.run(
        [sys.executable, "-m", "dicom_router.transport.transcode", JPEGLSLossless, "--memory-mb", "250"],
        input=part10,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == b""


def large(size_bytes: int = 18_000_000) -> Parcel:
    return Parcel(instance=reference_to(film()), size_bytes=size_bytes, open=io.BytesIO)


@pytest.mark.parametrize(
    ("kbit_per_second", "is_worth_it"), [(256, True), (8_000, True), (50_000, True), (400_000, False), (10**7, False)]
)
def test_auto_compresses_where_it_saves_time(kbit_per_second: float, is_worth_it: bool) -> None:
    economy = Economy("auto", clock=StoppedClock())
    economy.learn(sent_bytes=8_000_000, seconds=8_000_000 * 8 / (kbit_per_second * 1000))
    assert economy.is_worth_it(large()) is is_worth_it


def test_auto_compresses_on_an_unknown_link_and_never_a_small_object() -> None:
    economy = Economy("auto", clock=StoppedClock())
    assert economy.is_worth_it(large())
    assert not economy.is_worth_it(large(size_bytes=100_000))


def test_auto_notices_a_link_that_became_slow_at_once_and_one_that_became_fast_in_time() -> None:
    economy = Economy("auto", clock=StoppedClock())
    economy.learn(sent_bytes=10_000_000, seconds=0.1)
    assert not economy.is_worth_it(large())
    economy.learn(sent_bytes=10_000_000, seconds=100)
    assert economy.is_worth_it(large())
    for _ in range(8):
        economy.learn(sent_bytes=10_000_000, seconds=0.1)
    assert not economy.is_worth_it(large())


def test_none_never_compresses() -> None:
    assert not Economy("none", clock=StoppedClock()).is_worth_it(large())


@pytest.mark.filterwarnings("ignore:The decoded RLE segment contains non-conformant padding:UserWarning")
@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless])
@pytest.mark.parametrize("fault", ["padded", "no end", "wrong table", "split"])
def test_what_the_reader_mends_is_decompressed_too(syntax: str, fault: str) -> None:
    plain = a_film(rows=64, columns=48, bits=16)
    dataset = rewritten(plain, JPEGLSLossless)
    if syntax == RLELossless:
        dataset = a_film(rows=64, columns=48, bits=16)
        dataset.compress(RLELossless, generate_instance_uid=False)
    stream = only_frame(dataset.PixelData)
    if fault == "padded":
        stream += bytes(600)
    if fault == "no end" and syntax == JPEGLSLossless:
        stream = stream[: stream.rindex(b"\xff\xd9")]
    cut = 100 if fault == "split" else len(stream)
    pieces = [b"\7\0\0\0" if fault == "wrong table" else b"", stream[:cut], stream[cut:]]
    dataset.PixelData = b"".join(ITEM + len(piece).to_bytes(4, "little") + piece for piece in pieces)
    assert np.array_equal(values(rewritten(dataset, ExplicitVRLittleEndian)), values(plain))


def test_a_cut_film_is_not_decompressed() -> None:
    dataset = rewritten(a_film(rows=64, columns=48, bits=16), JPEGLSLossless)
    dataset.PixelData = encapsulate([only_frame(dataset.PixelData)[:1000] + b"\xff\xd9"])
    with pytest.raises(RuntimeError):
        rewritten(dataset, ExplicitVRLittleEndian)
