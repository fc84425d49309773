"""The contract of attribute matching (PS3.4 C.2.2.2): one suite over C-FIND by dcmtk's findscu and QIDO-RS by HTTP."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dicom_router.dicom.keys import Keys
from dicom_router.scp.listener import Listener
from dicom_router.scp.modality_worklist import Worklist
from dicom_router.upper_layer.gatekeeper import ListenerLimits
from tests.peers.dcmtk import run
from tests.xray_triage.conftest import desk_in
from tests.xray_triage.desk import reading
from tests.xray_triage.web.conftest import bearer
from xray_triage.config.sections import WebSection
from xray_triage.web.server import WebServer

PATIENTS = (
    {"PatientName": "NGUYỄN VĂN ĐỨC", "PatientBirthDate": "20261122", "StudyTime": "081500", "Modality": "DX"},
    {"PatientName": "Trần^Thị^Bưởi", "PatientBirthDate": "20261103", "StudyTime": "000000", "Modality": "CR"},
    {"PatientName": "Nguyễn", "PatientBirthDate": "", "StudyTime": "235959.5", "Modality": "DX"},
)  # fmt: skip
TAGS = {
    "PatientName": 0x00100010,
    "PatientBirthDate": 0x00100030,
    "PatientID": 0x00100020,
    "StudyTime": 0x00080030,
    "Modality": 0x00080060,
    "StudyInstanceUID": 0x0020000D,
}
ERROR = "error"
Ask = Callable[[str, str], str]  # keyword and key give the numbers of the patients found, or ERROR


def entries() -> Iterator[dict[str, str]]:
    for number, patient in enumerate(PATIENTS, 1):
        yield patient | {"PatientID": f"P{number}", "StudyInstanceUID": f"2.25.{number}"}


@contextmanager
def by_findscu(_folder: Path) -> Iterator[Ask]:
    found: list[Keys] = [{TAGS[keyword]: value for keyword, value in entry.items()} for entry in entries()]
    listener = Listener(
        limits=ListenerLimits(ae_title="XRAYTRIAGE"), host="127.0.0.1", port=0, providers=(Worklist(lambda *_: found),)
    )
    listener.start()

    def ask(keyword: str, wanted: str) -> str:
        keys = [f"0010,0020{'=' + wanted if keyword == 'PatientID' else ''}", "0008,0005=ISO_IR 192"]
        keys += [] if keyword == "PatientID" else [f"{keyword}={wanted}"]
        options = [word for key in keys for word in ("-k", key)]
        done = run("findscu", "-v", "-W", "-aec", "XRAYTRIAGE", "127.0.0.1", str(listener.port), *options)
        said = done.stdout + done.stderr
        if re.search(r"Final Find Response.*Error|DataSetDoesNotMatch|IdentifierDoesNotMatch", said):
            return ERROR
        assert "Success" in said, said
        return "".join(sorted(re.findall(r"\[P(\d) ?\]", said.partition("Find Response: 1")[2])))

    yield ask
    listener.stop()


@contextmanager
def by_http(folder: Path) -> Iterator[Ask]:
    with desk_in(folder) as desk:
        for entry in entries():
            names = {"patient_name": entry.pop("PatientName"), "patient_id": entry.pop("PatientID")}
            desk.add(reading(), **names, study_instance_uid=entry.pop("StudyInstanceUID"), **entry)
        server = WebServer(WebSection(port=0), desk.app())  # type: ignore[arg-type]
        server.start()
        with httpx.Client(base_url=f"{server.url}/dicom-web", headers=bearer(desk), timeout=60) as client:

            def ask(keyword: str, wanted: str) -> str:
                answer = client.get("/studies", params={keyword: wanted})
                if answer.status_code == 400:
                    return ERROR
                assert answer.status_code == 200, answer.text
                return "".join(sorted(one["00100020"]["Value"][0][1] for one in answer.json()))

            yield ask
        server.stop()


@pytest.fixture(scope="module", params=[by_findscu, by_http], ids=["C-FIND", "QIDO-RS"])
def ask(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    with request.param(tmp_path_factory.mktemp("face")) as asking:
        yield asking


@pytest.mark.parametrize(
    ("keyword", "wanted", "found"),
    [
        ("PatientBirthDate", "2026.11.22", "1"),
        ("PatientBirthDate", "2026-11-22", "1"),
        ("PatientBirthDate", "202611", "12"),
        ("PatientBirthDate", "-", "123"),
        ("PatientBirthDate", "*", "123"),
        ("PatientBirthDate", "20261101-20261110", "2"),
        ("PatientBirthDate", "2026-11-10-", "1"),
        ("PatientBirthDate", "-2026.11.10", "2"),
        ("PatientBirthDate", "00000000-99999999", "12"),
        ("PatientBirthDate", "20261103\\20261122", "12"),
        ("PatientName", "NGUYEN,VAN*", "1"),
        ("PatientName", "NGUYEN^*", "13"),
        ("PatientName", "NGUYEN^VAN^DUC^^", "1"),
        ("PatientName", "TR?N^THI^*", "2"),
        ("PatientName", "trần thị bưởi", "2"),
        ("PatientName", "Trần", ""),
        ("PatientName", "^", "123"),
        ("PatientName", "*\u0110\u1ee8c", "1"),
        ("PatientID", "", "123"),
        ("PatientID", "P1\\P3", "13"),
        ("PatientID", "p1", ""),
        ("StudyTime", "-", "123"),
        ("StudyTime", "08:15", "1"),
        ("StudyTime", "-081500", "12"),
        ("StudyTime", "2359-", "3"),
        ("Modality", "CR\\DX", "123"),
        ("Modality", "CR,MG", "2"),
        ("StudyInstanceUID", "2.25.1\\2.25.3", "13"),
        ("StudyInstanceUID", "*", "123"),
        ("StudyInstanceUID", "2.25", ""),
        # What cannot be a query.
        ("PatientBirthDate", "tomorrow", ERROR),
        ("PatientBirthDate", "22.11.2026", ERROR),
        ("StudyTime", "25h-", ERROR),
        ("PatientName", "*" + "a*" * 200, ERROR),
    ],
)
def test_a_key_finds_what_it_means_by_either_way(ask: Ask, keyword: str, wanted: str, found: str) -> None:
    assert ask(keyword, wanted) == found
