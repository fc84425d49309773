"""Files and datasets with bytes changed by chance: what reads their heads says that they are damaged, or reads them."""

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_router.dicom.frames import NoSuchFrame, locate_frame
from dicom_router.dicom.identity import identify_file, read_identity
from dicom_router.dicom.instance import read_dataset, read_header
from dicom_router.dicom.keys import decode_keys
from dicom_router.dicom.outline import read_outline
from dicom_router.dicom.part10 import dataset_sha256
from dicom_router.errors import DamagedFile
from tests.dicom_router.scp.conftest import encoded_dataset
from tests.factories import StoppedClock, film, film_bytes
from tests.fuzzing import changed, edits, fuzz
from xray_triage.reading.acquisition import exposed_at, is_ours, machine_of, view_of
from xray_triage.reading.patient import read_age, read_patient, repair_text
from xray_triage.web.dicomweb.attributes import attributes_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

FILMS = {
    "explicit": film_bytes(film(rows=8, columns=8)),
    "implicit": film_bytes(film(rows=8, columns=8, transfer_syntax_uid=ImplicitVRLittleEndian)),
}
films = st.builds(changed, st.sampled_from(sorted(FILMS.values())), edits())


@fuzz(150)
@given(part10=st.one_of(films, st.binary(max_size=300)))
def test_the_head_of_any_file_is_read_or_damaged(part10: bytes) -> None:
    stream = io.BytesIO(part10)
    for read in (identify_file, dataset_sha256, read_header, read_dataset):
        stream.seek(0)
        with suppress(DamagedFile):
            read(stream)
    with suppress(DamagedFile):
        outline = read_outline(stream)
        attributes_of(outline, bulk_url="http://x")
        for number in (1, 2):
            with suppress(NoSuchFrame):
                locate_frame(stream, outline, number)


@fuzz(150)
@given(part10=films)
def test_whatever_a_header_says_it_is_told(part10: bytes) -> None:
    try:
        header = read_header(io.BytesIO(part10))
    except DamagedFile:
        return
    repair_text(header)
    for tell in (read_patient, read_age, view_of, is_ours, machine_of):
        tell(header)  # type: ignore[operator]
    exposed_at(header, received_at=StoppedClock().now())


@fuzz(150)
@given(changes=edits(), syntax=st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]))
def test_any_dataset_of_a_message_is_read_or_damaged(changes: list[tuple[float, str, bytes]], syntax: str) -> None:
    dataset = changed(encoded_dataset(FILMS["explicit"]), changes)
    with suppress(DamagedFile):
        decode_keys(dataset, syntax)
    with suppress(DamagedFile):
        read_identity(io.BytesIO(dataset), start=0, end=len(dataset), transfer_syntax_uid=syntax)
