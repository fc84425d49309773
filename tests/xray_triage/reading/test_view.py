import pytest
from pydicom.dataset import Dataset

from tests.xray_triage.films import admitted, film
from xray_triage.reading.acquisition import view_of


def header(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def coded(meaning: str) -> list[Dataset]:
    return [header(CodeMeaning=meaning)]


@pytest.mark.parametrize(
    ("attributes", "view"),
    [
        ({"ViewPosition": "PA"}, "PA"),
        ({"ViewPosition": "AP"}, "AP"),
        ({"ViewCodeSequence": coded("postero-anterior")}, "PA"),
        ({"ViewCodeSequence": coded("antero-posterior")}, "AP"),
        ({"PatientPosition": "PA"}, "PA"),
        ({"SeriesDescription": "Chest PA"}, "PA"),
        ({"ProtocolName": "NGỰC THẲNG AP"}, "AP"),
        ({"ViewPosition": "PA", "SeriesDescription": "CHEST AP/LAT"}, "PA"),
        ({"ViewPosition": "PA", "SeriesDescription": "Chụp tại giường"}, "AP"),
        ({"ViewPosition": "", "SeriesDescription": "Chest portable"}, "AP"),
        ({"PatientOrientationCodeSequence": coded("recumbent"), "ViewPosition": "PA"}, "AP"),
        ({"PatientPosition": "HFS"}, "AP"),
        ({"SeriesDescription": "CHEST AP/PA"}, ""),
        ({"SeriesDescription": "Ngực thẳng", "StudyDescription": "Áp xe phổi"}, ""),
        ({"ViewPosition": "FRONTAL"}, ""),
        ({}, ""),
    ],
)
def test_the_view_is_what_the_header_says_of_it(attributes: dict[str, object], view: str) -> None:
    assert view_of(header(**attributes)) == view


def test_the_film_carries_its_view_and_its_age() -> None:
    taken = admitted(film(ViewPosition="AP", PatientAge="044Y", PatientBirthDate=""))
    assert (taken.view, taken.age_years) == ("AP", 44)
    silent = {"ViewPosition": None, "ViewCodeSequence": None, "SeriesDescription": None, "ProtocolName": None}
    assert admitted(film(**silent)).view == ""
