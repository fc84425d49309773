"""WADO-RS with somebody else's client: every byte as it was sent, and nothing under a strange name."""

import io
import resource
from email import message_from_bytes
from urllib.parse import urlsplit

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from dicom_router.dicom.instance import reference_to
from dicom_router.store.tables import delivery
from tests.factories import film, film_bytes
from tests.xray_triage.desk import TestDesk, reading
from tests.xray_triage.web.dicomweb.films import NATIVE, SYNTAXES, film_in, pages
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role

MEDIA_TYPES = {
    JPEGLSLossless: "image/jls",
    JPEG2000Lossless: "image/jp2",
    RLELossless: "image/dicom-rle",
}
OCTETS = "application/octet-stream"
EXPLICIT = "1.2.840.10008.1.2.1"

ACCEPTS = [
    ("", 200),
    ("*/*", 200),
    ("multipart/related", 200),
    ('multipart/related; type="application/octet-stream"', 200),
    ("multipart/related; type=image/jls; transfer-syntax=*", 200),
    (f"multipart/related;type=image/jls;transfer-syntax={JPEGLSLossless}", 200),
    ("image/*", 200),
    ("text/html, image/jls;q=0.5", 200),
    ("multipart/related; type=image/jls; transfer-syntax=1.2.840.10008.1.2.4.90", 406),
    ("image/jp2", 406),
    ("image/jls;q=0", 406),
    ("text/html", 406),
    (";;;,,=", 406),
]

STRANGE = [
    ("1.2.3", 404),
    ("1." + "2" * 63, 400),
    ("abc", 400),
    ("1.2%00", 400),
    ("%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404),
    ("..%5C..", 400),
    ("1.2'--", 400),
    ("%F0%9F%92%A9", 400),
]


def names(dataset: Dataset) -> tuple[str, str, str]:
    return str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID), str(dataset.SOPInstanceUID)


def path_of(dataset: Dataset) -> str:
    study, series, instance = names(dataset)
    return f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"


def bulk_uri(foreign: DICOMwebClient, described: dict) -> str:
    """Where the pixels are; the foreign client tells servers its host without the port."""
    return str(foreign.base_url).removesuffix("/dicom-web") + urlsplit(described["7FE00010"]["BulkDataURI"]).path


def receive_file(desk: TestDesk, dataset: Dataset, content: bytes) -> None:
    """A file comes in as it is."""
    spooled = desk.spool.keep(io.BytesIO(content))
    desk.inbox.record(instance=reference_to(dataset), spooled=spooled, calling_ae_title="DX1", peer_host="127.0.0.1")


def stored_frame(dataset: Dataset) -> bytes:
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    return bytes(dataset.PixelData)


def test_an_instance_comes_back_byte_for_byte(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    for syntax in SYNTAXES:
        dataset = film_in(syntax)
        sent = film_bytes(dataset)
        receive_file(sqlite_desk, dataset, sent)
        alone = client.get(path_of(dataset), headers={"Accept": "application/dicom"})
        assert alone.content == sent
        assert alone.headers["Content-Type"] == f"application/dicom; transfer-syntax={syntax}"
        assert client.get(path_of(dataset)).content.count(sent) == 1


def test_a_frame_comes_as_it_lies_and_says_how_it_is_encoded(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    for syntax in SYNTAXES:
        dataset = film_in(syntax)
        receive_file(sqlite_desk, dataset, film_bytes(dataset))
        anything = {"Accept": f'multipart/related; type="{OCTETS}"; transfer-syntax=*'}
        answer = client.get(f"{path_of(dataset)}/frames/1", headers=anything)
        expected = stored_frame(dataset)
        if syntax == ExplicitVRBigEndian:
            expected = np.frombuffer(expected, ">u2").astype("<u2").tobytes()
        said = EXPLICIT if syntax in (*NATIVE, ExplicitVRBigEndian) else syntax
        head, _, body = answer.content.partition(b"\r\n\r\n")
        assert f"Content-Type: {OCTETS}; transfer-syntax={said}".encode() in head
        assert body.startswith(expected)
        assert len(body) - len(expected) < 50  # the last boundary
        alone = client.get(f"{path_of(dataset)}/frames/1", headers={"Accept": OCTETS})
        assert (alone.content, alone.headers["Content-Type"]) == (expected, f"{OCTETS}; transfer-syntax={said}")
        assert "Access-Control-Allow-Origin" not in alone.headers
        assert alone.headers["Cache-Control"] == "no-store"


def test_the_foreign_client_gets_compressed_frames_under_their_own_media_type(
    foreign: DICOMwebClient, sqlite_desk: TestDesk
) -> None:
    for syntax, media_type in MEDIA_TYPES.items():
        dataset = film_in(syntax)
        receive_file(sqlite_desk, dataset, film_bytes(dataset))
        (frame,) = foreign.retrieve_instance_frames(*names(dataset), [1], media_types=((media_type, syntax),))
        assert frame == stored_frame(dataset)


def test_the_foreign_client_gets_instances_series_and_studies(foreign: DICOMwebClient, sqlite_desk: TestDesk) -> None:
    dataset = film_in(JPEGLSLossless)
    sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading())
    anything = (("application/dicom", "*"),)
    study, series, _ = names(dataset)
    assert foreign.retrieve_instance(*names(dataset), media_types=anything).PixelData == dataset.PixelData
    assert len(foreign.retrieve_series(study, series, media_types=anything)) == 1
    whole = foreign.retrieve_study(study, media_types=anything)
    assert [one.Modality for one in whole] == ["DX", "SR", "OT", "PR"]
    assert whole[1].PatientName == "Nguyễn^Văn^An"


def test_metadata_holds_everything_but_the_pixels_and_says_where_those_are(
    foreign: DICOMwebClient, sqlite_desk: TestDesk
) -> None:
    dataset = film(PatientComments="Đã khám")
    sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading())
    described = foreign.retrieve_instance_metadata(*names(dataset))
    header = Dataset.from_json({tag: one for tag, one in described.items() if tag != "7FE00010"})
    assert (header.PatientName, header.PatientComments, header.Rows) == ("Nguyễn^Văn^An", "Đã khám", 64)
    assert header.ViewCodeSequence[0].CodeMeaning == "Posteroanterior projection"
    assert described["00083002"]["Value"] == [EXPLICIT]
    (pixels,) = foreign.retrieve_bulkdata(bulk_uri(foreign, described))
    assert pixels == dataset.PixelData
    assert len(foreign.retrieve_study_metadata(str(dataset.StudyInstanceUID))) == 4
    assert len(foreign.retrieve_series_metadata(*names(dataset)[:2])) == 1


def test_a_large_value_in_the_header_stays_in_the_file(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    dataset.add_new("EncapsulatedDocument", "OB", b"%PDF" + b"x" * 200_000)
    sqlite_desk.receive(dataset)
    (described,) = client.get(f"{path_of(dataset)}/metadata").json()
    uri = described["00420011"]["BulkDataURI"]
    assert client.get(uri, headers={"Accept": OCTETS}).content == dataset.EncapsulatedDocument
    assert client.get(uri.replace("00420011", "00420012")).status_code == 404
    assert client.get(uri.replace("00420011", "pixels")).status_code == 404
    other = film(transfer_syntax_uid=ExplicitVRBigEndian, seed=1)
    del other.PixelData
    other.add_new("EncapsulatedDocument", "OB", b"%PDF" + b"y" * 200_000)
    sqlite_desk.receive(other)
    alone = client.get(f"{path_of(other)}/bulkdata/00420011", headers={"Accept": OCTETS})
    assert alone.content == other.EncapsulatedDocument


def test_every_frame_of_many_is_found(foreign: DICOMwebClient, sqlite_desk: TestDesk) -> None:
    for offsets, fragments in (("native", 1), ("basic", 1), ("basic", 3), ("extended", 1), ("none", 1), ("none", 3)):
        dataset, frames = pages(4, offsets=offsets, fragments=fragments)
        sqlite_desk.receive(dataset)
        kind = ((OCTETS, "*"),) if offsets == "native" else (("image/jls", JPEGLSLossless),)
        assert foreign.retrieve_instance_frames(*names(dataset), [3, 1], media_types=kind) == [frames[2], frames[0]]
        bulk = bulk_uri(foreign, foreign.retrieve_instance_metadata(*names(dataset)))
        assert b"".join(foreign.retrieve_bulkdata(bulk)) == b"".join(frames)


def test_what_a_client_will_not_take_is_not_acceptable(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film_in(JPEGLSLossless)
    sqlite_desk.receive(dataset)
    for accept, status in ACCEPTS:
        assert client.get(f"{path_of(dataset)}/frames/1", headers={"Accept": accept}).status_code == status, accept


def test_another_encoding_of_an_instance_is_not_made(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film_in(JPEGLSLossless)
    sqlite_desk.receive(dataset)
    accept = f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'
    assert client.get(path_of(dataset), headers={"Accept": accept}).status_code == 406


def test_a_frame_that_is_not_there_is_not_found(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    sqlite_desk.receive(dataset)
    for number in ("0", "2", "999999999"):
        assert client.get(f"{path_of(dataset)}/frames/{number}").status_code == 404, number
    for number in ("x", "1,", "-1", "1.5", "1,2,x", "٣", "1" * 30, "1," * 500 + "1"):
        assert client.get(f"{path_of(dataset)}/frames/{number}").status_code == 400, number


def test_a_strange_uid_gets_nothing(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    sqlite_desk.receive(dataset)
    study, series, instance = names(dataset)
    for uid, status in STRANGE:
        for path in (
            uid,
            f"{uid}/metadata",
            f"{study}/series/{uid}",
            f"{study}/series/{series}/instances/{uid}",
            f"{study}/series/{series}/instances/{uid}/frames/1",
            f"{uid}/rendered",
        ):
            assert client.get(f"/dicom-web/studies/{path}").status_code == status, path
        if status == 400:
            assert client.get(f"/dicom-web/studies/{uid}/series").status_code == 400
    assert client.get(f"/dicom-web/studies/{instance}/series/{series}/instances/{study}").status_code == 404


def test_an_instance_is_found_only_in_its_own_study(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    one, other = film(), film(seed=1)
    sqlite_desk.receive(one)
    sqlite_desk.receive(other)
    assert client.get(path_of(one).replace(one.StudyInstanceUID, other.StudyInstanceUID)).status_code == 404


def test_a_result_that_goes_to_no_pacs_is_handed_out_all_the_same(
    foreign: DICOMwebClient, sqlite_desk: TestDesk
) -> None:
    dataset = film()
    sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading())
    with sqlite_desk.database.write() as connection:
        connection.execute(delivery.delete())
    study = str(dataset.StudyInstanceUID)
    assert [one["00080060"]["Value"] for one in foreign.search_for_series(study)] == [["DX"], ["OT"]]
    assert len(foreign.retrieve_study_metadata(study)) == 2
    (image,) = sqlite_desk.casebook.cases()[0].images
    sqlite_desk.spool.delete(str(image.picture_key))
    assert len(foreign.retrieve_study_metadata(study)) == 1


def test_a_truncated_film_is_handed_out_as_it_is_but_has_no_frame(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film(rows=128)
    cut = film_bytes(dataset)[:-5000]
    receive_file(sqlite_desk, dataset, cut)
    assert client.get(path_of(dataset), headers={"Accept": "application/dicom"}).content == cut
    assert client.get(f"{path_of(dataset)}/metadata").json()[0]["00280010"]["Value"] == [128]
    answer = client.get(f"{path_of(dataset)}/frames/1")
    assert (answer.status_code, "ends before frame 1" in answer.text) == (422, True)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_damaged_headers_are_said_to_be_damaged(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    short = film(Columns=4000)
    sqlite_desk.receive(short)
    assert client.get(f"{path_of(short)}/frames/1").status_code == 422
    cut = film_in(JPEGLSLossless)
    receive_file(sqlite_desk, cut, film_bytes(cut)[:-400])
    assert client.get(f"{path_of(cut)}/frames/1").status_code == 422
    nonsense = film(seed=2)
    whole = film_bytes(nonsense)
    receive_file(sqlite_desk, nonsense, whole[:400] + b"\xff" * 200)
    for path in ("/metadata", "/frames/1", "/rendered"):
        assert client.get(path_of(nonsense) + path).status_code in (200, 404, 406, 422), path
    assert client.get("/dicom-web/studies").status_code == 200


def test_a_file_that_the_disk_lost_is_an_error_in_words(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    arrival = sqlite_desk.receive(dataset := film())
    sqlite_desk.spool.delete(arrival.spooled.key)
    for path in ("", "/metadata", "/frames/1", "/bulkdata/7FE00010"):
        answer = client.get(path_of(dataset) + path)
        assert (answer.status_code, "the spool has lost" in answer.text) == (422, True)


@pytest.mark.slow
def test_a_huge_film_is_never_in_memory(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    rows, columns = 12_000, 12_000  # 288 MB
    dataset = film(rows=64, columns=64)
    dataset.Rows, dataset.Columns, dataset.PixelData = rows, columns, b""
    header = film_bytes(dataset)
    with io.BytesIO() as content:
        content.write(header[:-4] + (2 * rows * columns).to_bytes(4, "little"))
        content.seek(2 * rows * columns - 1, io.SEEK_CUR)
        content.write(b"\x01")
        content.seek(0)
        spooled = sqlite_desk.spool.keep(content)
    sqlite_desk.inbox.record(
        instance=reference_to(dataset), spooled=spooled, calling_ae_title="DX1", peer_host="127.0.0.1"
    )
    before = _peak_bytes()
    assert client.get(f"{path_of(dataset)}/metadata").status_code == 200
    received = 0
    with client.stream("GET", f"{path_of(dataset)}/frames/1", headers={"Accept": OCTETS}) as answer:
        for chunk in answer.iter_raw():
            received += len(chunk)
    assert received == 2 * rows * columns
    assert _peak_bytes() - before < 60 << 20


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def test_nothing_can_be_stored_or_deleted(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    sqlite_desk.receive(dataset)
    kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}
    assert client.post("/dicom-web/studies", content=b"--x--", headers=kind).status_code == 405
    assert client.delete(path_of(dataset)).status_code == 405
    assert client.put(path_of(dataset)).status_code == 405


def test_a_stranger_gets_nothing(stranger: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    sqlite_desk.receive(dataset)
    for path in (
        "/dicom-web/studies",
        path_of(dataset),
        f"{path_of(dataset)}/frames/1",
        f"{path_of(dataset)}/thumbnail",
    ):
        assert stranger.get(path).status_code == 401, path


@pytest.mark.parametrize("part", ["/frames/1", "/rendered", "/thumbnail", "/metadata", "/bulkdata/7FE00010"])
def test_who_sees_any_part_of_a_study_is_noted_once_and_who_takes_films_away_each_time(
    client: httpx.Client, sqlite_desk: TestDesk, part: str
) -> None:
    case_id = sqlite_desk.record(sqlite_desk.receive(dataset := film()), dataset, reading()).case_id
    for path in (f"{path_of(dataset)}{part}", f"{path_of(dataset)}{part}", path_of(dataset), path_of(dataset)):
        client.get(path)
    noted = [entry for entry in sqlite_desk.accounts.audit.entries(subject=case_id) if entry.actor == Role.DOCTOR.value]
    assert [entry.action for entry in noted] == [Action.EXPORTED, Action.EXPORTED, Action.CASE_SEEN]
    assert noted[-1].address


def test_who_lists_the_series_of_a_study_is_noted(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.record(sqlite_desk.receive(dataset := film()), dataset, reading()).case_id
    client.get(f"/dicom-web/studies/{dataset.StudyInstanceUID}/series", params={"includefield": "PatientName"})
    assert [entry.action for entry in sqlite_desk.accounts.audit.entries(subject=case_id)] == [Action.CASE_SEEN]


def test_weasis_gets_a_study_in_whatever_encodings_it_lies(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film_in(JPEGLSLossless)
    sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading())
    study = f"/dicom-web/studies/{dataset.StudyInstanceUID}"
    asked = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    for path, syntaxes in (
        (study, [JPEGLSLossless, EXPLICIT, JPEGBaseline8Bit, EXPLICIT]),
        (path_of(dataset), [JPEGLSLossless]),
    ):
        answer = client.get(path, headers=asked)
        parts = message_from_bytes(f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode() + answer.content)
        assert [part.get_param("transfer-syntax") for part in parts.get_payload()] == syntaxes
    small = client.get(f"{path_of(dataset)}/thumbnail?viewport=256,256", headers={"Accept": "image/jpeg"})
    assert small.headers["Content-Type"] == "image/jpeg"
