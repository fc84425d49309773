"""The pictures: Secondary Captures of what is drawn, the one kind of object that every viewer shows.

overlay.py, unread.py and letter.py draw; this module makes a DICOM object of it. PS3.3 A.8.1.
"""

import io
from dataclasses import replace

from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, SecondaryCaptureImageStorage

from xray_triage.reading.findings import Reading
from xray_triage.reading.radiograph import Radiograph
from xray_triage.results.codes import SOURCE_IMAGE
from xray_triage.results.items import add, coded, reference
from xray_triage.results.letter import Letter, draw_pages, heading
from xray_triage.results.origin import Kind, Origin, begin
from xray_triage.results.overlay import draw
from xray_triage.results.unread import draw_unread
from xray_triage.results.wording import DISCLAIMER

CAPTURE = Kind(
    what="sc",
    sop_class_uid=SecondaryCaptureImageStorage,
    modality="OT",
    series_number=9102,
    description="AI: hình ảnh",
    transfer_syntax_uid=JPEGBaseline8Bit,
)
UNREAD = Kind(
    what="sc",
    sop_class_uid=SecondaryCaptureImageStorage,
    modality="OT",
    series_number=9107,  # behind the picture of a film that is read after all: viewers show the lower number first
    description="AI: chưa đọc",
    transfer_syntax_uid=JPEGBaseline8Bit,
)
REQUEST_PAGE = Kind(
    what="request_sc",
    sop_class_uid=SecondaryCaptureImageStorage,
    modality="OT",
    series_number=0,  # before the film: viewers open the first series, and a request is read before its film
    description="YÊU CẦU HỘI CHẨN",
    transfer_syntax_uid=JPEGBaseline8Bit,
)
LARGEST_BYTES = 200_000
QUALITIES = (85, 75, 60, 45, 30, 15, 5)  # a clear film fits at the first; the last fits whatever noise comes


def make_capture(origin: Origin, reading: Reading, radiograph: Radiograph | None) -> Dataset:
    """The drawn film, or why it was not read: then ``radiograph`` is what can be shown of it, if anything."""
    name, at = origin.station_name, origin.local_time
    if reading.not_readable is not None:
        picture = draw_unread(reading, radiograph, station_name=name, at=at)
        dataset = _picture(origin, UNREAD, picture, reading.not_readable.reason.code)
        derived = "Why the AI did not read the film, with a small view of it where it can be shown, lossy"
    else:
        assert radiograph is not None
        dataset = _picture(origin, CAPTURE, draw(reading, radiograph, station_name=name, at=at))
        derived = "Film with the AI's findings drawn on it, smaller, lossy"
    film = reference(str(origin.source.SOPClassUID), str(origin.source.SOPInstanceUID))
    add(film, PurposeOfReferenceCodeSequence=coded(SOURCE_IMAGE))
    add(dataset, DerivationDescription=derived, SourceImageSequence=[film], ImageComments=DISCLAIMER)
    return dataset


def make_request_pages(origin: Origin, letter: Letter, *parts: str, before: int = 0) -> list[Dataset]:
    """The pages of a request, one series; ``parts`` tell it from others on the same film.

    ``before``: how many such series the study has: each newer one has a lower number, so that viewers open the newest.
    """
    kind = replace(REQUEST_PAGE, series_number=REQUEST_PAGE.series_number - before, description=heading(letter))
    pages = [_picture(origin, kind, page, *parts) for page in draw_pages(letter)]
    for number, page in enumerate(pages[1:], 2):
        uid = origin.uid(REQUEST_PAGE.what, *parts, "page", str(number))
        add(page, SOPInstanceUID=uid, InstanceNumber=str(number))
    return pages


def _picture(origin: Origin, kind: Kind, picture: Image.Image, *parts: str) -> Dataset:
    """A Secondary Capture of at most 200 kB, JPEG baseline."""
    jpeg = compress(picture)
    dataset = begin(origin, kind, *parts)
    add(
        dataset,
        ImageType=["DERIVED", "SECONDARY"],
        ConversionType="WSD",
        PatientOrientation="",
        Laterality="",
        BurnedInAnnotation="YES",
        LossyImageCompression="01",
        LossyImageCompressionRatio=f"{picture.width * picture.height * 3 / len(jpeg):.1f}",
        LossyImageCompressionMethod="ISO_10918_1",
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL_422",
        PlanarConfiguration=0,
        Rows=picture.height,
        Columns=picture.width,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
    )
    dataset.add_new("PixelData", "OB", encapsulate([jpeg]))
    dataset["PixelData"].is_undefined_length = True
    return dataset


def compress(picture: Image.Image) -> bytes:
    """JPEG baseline, 4:2:2 as YBR_FULL_422 says, as good as 200 kB allow."""
    for quality in QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, subsampling="4:2:2")
        if buffer.tell() <= LARGEST_BYTES:
            break
    return buffer.getvalue()
