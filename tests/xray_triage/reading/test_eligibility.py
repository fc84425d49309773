import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from tests.xray_triage.films import POLICY, admitted, film, refused
from xray_triage.reading.acquisition import PRODUCT
from xray_triage.reading.findings import NotReadable
from xray_triage.reading.radiograph import Radiograph, admit


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"SOPClassUID": uid.CTImageStorage}, "not_a_film"),
        ({"SOPClassUID": None}, "not_a_film"),
        ({"Modality": "MG"}, "not_a_projection"),
        ({"Modality": "PX"}, "not_a_projection"),
        ({"Modality": "XC"}, "not_an_original"),
        ({"SOPClassUID": uid.SecondaryCaptureImageStorage, "Modality": "OT"}, "not_a_projection"),
        (
            {"SOPClassUID": uid.SecondaryCaptureImageStorage, "Modality": "OT", "ConversionType": "WSD"},
            "not_a_projection",
        ),
        ({"Manufacturer": PRODUCT, "ManufacturerModelName": PRODUCT}, "not_a_film"),
        ({"PatientSpeciesDescription": "Canine"}, "not_a_chest"),
        ({"ViewPosition": "LL"}, "not_frontal"),
        ({"ViewPosition": "RL"}, "not_frontal"),
        ({"ViewPosition": "LATERAL"}, "not_frontal"),
        ({"ViewPosition": "RAO"}, "not_frontal"),
        ({"ViewPosition": "Nghiêng trái"}, "not_frontal"),
        ({"ViewPosition": None, "SeriesDescription": "CHEST LAT", "ViewCodeSequence": None}, "not_frontal"),
        ({"ImageType": ["DERIVED", "SECONDARY", "DOSE_INFO"]}, "not_an_original"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "SCREEN SAVE"]}, "not_an_original"),
        ({"SOPClassUID": uid.SecondaryCaptureImageStorage, "BurnedInAnnotation": "YES"}, "not_an_original"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "not_an_original"),
        ({"PixelData": None}, "no_pixels"),
        ({"Rows": 65535, "Columns": 65535}, "too_large"),
        ({"NumberOfFrames": "2"}, "more_than_one_frame"),
        ({"Rows": 40}, "too_small"),
        ({"Rows": None}, "damaged_pixels"),
        ({"BitsStored": 17}, "damaged_pixels"),
        ({"BitsAllocated": 12}, "damaged_pixels"),
        ({"SamplesPerPixel": 7}, "damaged_pixels"),
        ({"PatientAge": "014Y"}, "child"),
        ({"PatientAge": None, "PatientBirthDate": "20200101"}, "child"),
    ],
)
def test_the_header_alone_can_refuse_a_film(attributes: dict[str, object], reason: str) -> None:
    assert refused(film(**attributes)) == reason


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"BodyPartExamined": "HIP"}, "not_a_chest"),
        ({"BodyPartExamined": "EXTREMITY"}, "not_a_chest"),
        ({"BodyPartExamined": "TSPINE"}, "not_a_chest"),
        ({"BodyPartExamined": "Khớp gối"}, "not_a_chest"),
        (
            {
                "BodyPartExamined": None,
                "SeriesDescription": "OPG - TEETH",
                "StudyDescription": None,
                "AnatomicRegionSequence": None,
            },
            "not_a_chest",
        ),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, "not_an_original"),
        ({"ImageType": ["DERIVED", "PRIMARY"], "BurnedInAnnotation": "YES"}, "not_an_original"),
        (
            {
                "SOPClassUID": uid.SecondaryCaptureImageStorage,
                "Modality": "OT",
                "ConversionType": "SI",
                "BurnedInAnnotation": "YES",
            },
            "not_an_original",
        ),
    ],
)
def test_what_is_often_typed_wrongly_is_a_doubt_and_the_pixels_decide(
    attributes: dict[str, object], reason: str
) -> None:
    doubted = admitted(film(**attributes)).doubt
    assert doubted is not None
    assert (doubted.reason.code, doubted.by) == (reason, "header")


@pytest.mark.parametrize(
    "attributes",
    [
        {"Modality": ["CR", "DX"]},
        {"SOPClassUID": uid.ComputedRadiographyImageStorage, "Modality": "OT"},
        {"SOPClassUID": uid.SecondaryCaptureImageStorage, "Modality": "OT", "ConversionType": "SI"},
        {"SOPClassUID": uid.SecondaryCaptureImageStorage, "Modality": "OT", "ConversionType": "DI"},
        {"PatientSpeciesDescription": "H. sapiens"},
        {"BodyPartExamined": None},
        {"BodyPartExamined": "THORAX"},
        {"BodyPartExamined": "RIBCAGE"},
        {"BodyPartExamined": "LUNG"},
        {"BodyPartExamined": "NGUC"},
        {"BodyPartExamined": "Ngực thẳng"},
        {"BodyPartExamined": "CHESTABDOMEN"},
        {"BodyPartExamined": "CHEST_TO_HIP"},
        {"BodyPartExamined": "???"},
        {"BodyPartExamined": None, "StudyDescription": "Chẩn đoán hình ảnh", "SeriesDescription": "Chest, arms up"},
        {"ViewPosition": "AP"},
        {"ViewPosition": None},
        {"ViewPosition": "POSTERO_ANTERIOR"},
        {"ViewPosition": None, "SeriesDescription": "Chest PA and LAT"},
        {"Modality": "DR"},
        {"Modality": None},
        {"ImageType": None},
        {"ImageType": ["DERIVED", "PRIMARY"]},
        {"SOPClassUID": uid.SecondaryCaptureImageStorage, "ImageType": ["DERIVED", "SECONDARY"]},
        {"SOPClassUID": uid.SecondaryCaptureImageStorage, "Modality": "OT", "ConversionType": "DF"},
        {"BurnedInAnnotation": "YES"},
        {"PatientAge": None, "PatientBirthDate": None},
        {"PatientAge": "015Y", "PatientBirthDate": ""},
        {"ImagerPixelSpacing": None},
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": ["2000", "100"], "WindowWidth": ["4000", "10"]},
        {"PhotometricInterpretation": None},
        {"NumberOfFrames": "1"},
    ],
)
def test_odd_and_missing_tags_do_not_keep_a_film_from_being_read(attributes: dict[str, object]) -> None:
    found = admitted(film(**attributes))
    assert (found.flags, found.doubt) == ((), None)


HEADER = (
    "Rows", "Columns", "BitsStored", "BitsAllocated", "HighBit", "PixelRepresentation", "SamplesPerPixel", "Modality",
    "BodyPartExamined", "ViewPosition", "ImageType", "PatientAge", "PatientBirthDate", "StudyDate", "WindowCenter",
    "WindowWidth", "RescaleSlope", "RescaleIntercept", "PixelSpacing", "NumberOfFrames", "PhotometricInterpretation",
    "VOILUTFunction", "SOPClassUID", "BurnedInAnnotation", "PatientSpeciesDescription", "SeriesDescription",
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(HEADER), st.binary(max_size=24), min_size=1, max_size=4))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_header_of_rubbish_makes_it_raise(rubbish: dict[str, bytes]) -> None:
    dataset = film()
    for keyword, value in rubbish.items():
        tag = Tag(tag_for_keyword(keyword))  # type: ignore[arg-type]
        dataset[tag] = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)
    assert isinstance(admit(dataset, POLICY), Radiograph | NotReadable)
