"""Text of any kind, from header to page, report and picture: nothing fails of it, and everything made can be read."""

import io

import pydicom
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.factories import StoppedClock, film, film_bytes
from tests.fuzzing import fuzz
from tests.xray_triage.desk import reading
from xray_triage.reading.patient import read_patient, repair_text
from xray_triage.results.make import make_results

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

KEYWORDS = (
    "PatientName",
    "PatientID",
    "StudyDescription",
    "Manufacturer",
    "StationName",
    "AccessionNumber",
    "InstitutionName",
)
SETS = ("ISO_IR 192", "ISO_IR 100", "ISO_IR 6", "", "GB18030", "ISO 2022 IR 87", "ISO_IR 166", "nonsense")


def film_with(texts: dict[str, bytes], character_set: str) -> bytes:
    """A film with these bytes in place of texts."""
    marks = {keyword: f"{number}" * 64 for number, keyword in enumerate(texts)}
    part10 = film_bytes(film(rows=8, columns=8, character_set=character_set or "ISO_IR 6", **marks))
    for keyword, value in texts.items():
        part10 = part10.replace(marks[keyword].encode(), value[:64].ljust(64), 1)
    return part10


@fuzz(30)
@given(
    texts=st.dictionaries(
        st.sampled_from(KEYWORDS),
        st.one_of(st.binary(max_size=64), st.text(max_size=30).map(lambda said: said.encode("utf-8", "replace"))),
        max_size=3,
    ),
    character_set=st.sampled_from(SETS),
)
@example(texts={"PatientName": b"\x1b$B^=\\\x1b"}, character_set="ISO 2022 IR 87")
def test_any_text_comes_through_into_results(texts: dict[str, bytes], character_set: str) -> None:
    header = pydicom.dcmread(io.BytesIO(film_with(texts, character_set)), stop_before_pixels=True)
    repair_text(header)
    patient = read_patient(header)
    f"{patient.name}{patient.id}".encode()
    for made in make_results(header, reading(), None, station_name="Trạm", at=StoppedClock().now()):
        again = pydicom.dcmread(io.BytesIO(film_bytes(made.dataset)))
        assert again.SOPInstanceUID == made.dataset.SOPInstanceUID
        f"{again.PatientName}{again.PatientID}".encode()
