"""The picture: a Secondary Capture of the film with everything drawn into it, the one object that every viewer shows.

overlay.py draws; this module makes a DICOM object of it. PS3.3 A.8.1.
"""

import io

from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, SecondaryCaptureImageStorage

from xray_triage.reading.findings import Reading
from xray_triage.reading.radiograph import Radiograph
from xray_triage.results.codes import SOURCE_IMAGE
from xray_triage.results.items import add, coded, reference
from xray_triage.results.origin import Kind, Origin, begin
from xray_triage.results.overlay import draw
from xray_triage.results.wording import DISCLAIMER

CAPTURE = Kind(
    what="sc",
    sop_class_uid=SecondaryCaptureImageStorage,
    modality="OT",
    series_number=9102,
    description="AI: hình ảnh",
    transfer_syntax_uid=JPEGBaseline8Bit,
)
LARGEST_BYTES = 200_000
QUALITIES = (85, 75, 60, 45, 30, 15, 5)  # a clear film fits at the first; the last fits whatever noise comes


def make_capture(origin: Origin, reading: Reading, radiograph: Radiograph) -> Dataset:
    """The drawn film as JPEG baseline of at most 200 kB. ``reading`` must have findings."""
    picture = draw(reading, radiograph, station_name=origin.station_name, at=origin.local_time)
    jpeg = compress(picture)
    dataset = begin(origin, CAPTURE)
    film = reference(str(origin.source.SOPClassUID), str(origin.source.SOPInstanceUID))
    add(film, PurposeOfReferenceCodeSequence=coded(SOURCE_IMAGE))
    add(
        dataset,
        ImageType=["DERIVED", "SECONDARY"],
        ConversionType="WSD",
        PatientOrientation="",
        Laterality="",
        BurnedInAnnotation="YES",
        DerivationDescription="Film with the AI's findings drawn on it, smaller, lossy",
        SourceImageSequence=[film],
        ImageComments=DISCLAIMER,
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
