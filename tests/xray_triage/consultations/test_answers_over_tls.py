"""Questions and answers over TLS, to a real Orthanc, and what the station says when TLS finds no common ground."""

import io
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from dicom_router.clock import SystemClock
from tests.factories import film
from tests.peers.certificates import Authority, a_tls_front
from tests.peers.orthanc import OrthancPeer, dicomweb_plugin
from xray_triage.config.station import Config
from xray_triage.consultations.obstacles import OBSTACLES, Obstacle
from xray_triage.consultations.report_parser import read_answer
from xray_triage.health.checks import Check, CheckState
from xray_triage.health.peers import answers_check, destination_check
from xray_triage.simulation.specialist import make_pdf_answer, make_text_answer, store
from xray_triage.station.peers import make_archives, make_transport

NAME = "pacs"


class Site:
    """A PACS that speaks TLS, the authority that its site trusts, and a stranger's."""

    def __init__(self, pacs: OrthancPeer, web_port: int, ours: Authority, theirs: Authority) -> None:
        self.pacs = pacs
        self.ours, self.theirs = ours, theirs
        self._web_port = web_port
        station = ours.sign("station")
        self._tls = {"ca": ours.ca, "cert": station.cert, "key": station.key}

    def config(self, kind: str, *, port: int = 0, **tls: object) -> Config:
        """One destination, as station.toml has it. "both": sends by DIMSE and asks by DICOMweb."""
        values: dict[str, Any] = {"name": NAME, "kind": kind, "tls": {**self._tls, **tls}}
        if kind != "dicomweb":
            values |= {
                "kind": "dimse",
                "host": "127.0.0.1",
                "port": port or self.pacs.dicom_port,
                "ae_title": "ORTHANC",
            }
        if kind != "dimse":
            values |= {"url": f"https://127.0.0.1:{port or self._web_port}/dicom-web"}
        return Config.model_validate({"destination": [values]})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if dicomweb_plugin() is None:
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    folder = tmp_path_factory.mktemp("tls")
    ours, theirs = Authority(folder / "ours"), Authority(folder / "theirs")
    own = ours.sign("pacs")
    settings = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(own.cert),
        "DicomTlsPrivateKey": str(own.key),
        "DicomTlsTrustedCertificates": str(ours.ca),
        "DicomTlsRemoteCertificateRequired": True,
    }
    orthanc = OrthancPeer.start(folder / "orthanc", dicomweb=True, settings=settings)
    with orthanc as pacs, a_tls_front(own, pacs.http_port) as web_port:
        yield Site(pacs, web_port, ours, theirs)


def checks(config: Config) -> tuple[Check, Check]:
    """Whether it takes what we send, and whether it can be asked for answers."""
    transport = make_transport(config.destination[0], config, clock=SystemClock())
    archive = make_archives(config, clock=SystemClock())[NAME]
    with closing(transport), closing(archive):
        return destination_check(NAME, transport), answers_check(NAME, archive)


@pytest.mark.parametrize("kind", ["dicomweb", "dimse", "both"])
def test_an_answer_goes_and_comes_over_tls(site: Site, kind: str) -> None:
    config = site.config(kind)
    source, at = film(), datetime(2025, 6, 1, 9, tzinfo=UTC)
    document = b"%PDF-1.7" + bytes(300_000)
    said = make_text_answer(source, "Không tràn khí.", author="BS Đức", verified=True, at=at)
    drawn = make_pdf_answer(source, document, title="Kết quả", verified=False, at=at)
    with closing(make_transport(config.destination[0], config, clock=SystemClock())) as transport:
        store([said, drawn], transport)
    with closing(make_archives(config, clock=SystemClock())[NAME]) as archive:
        found = {one.sop_instance_uid: one for one in archive.instances(source.StudyInstanceUID)}
        assert set(found) == {said.SOPInstanceUID, drawn.SOPInstanceUID}
        texts = []
        for uid in (said.SOPInstanceUID, drawn.SOPInstanceUID):
            target = io.BytesIO()
            archive.fetch(found[uid], target.write)
            texts.append(read_answer(target, sop_instance_uid=uid).text)
        assert texts == ["Kết luận\n  Không tràn khí.", ""]
        assert document in target.getvalue()
    assert {check.state for check in checks(config)} == {CheckState.OK}


@pytest.mark.parametrize("kind", ["dicomweb", "dimse"])
def test_a_pacs_of_a_strange_authority_is_refused_and_a_person_told(site: Site, kind: str) -> None:
    for check in checks(site.config(kind, ca=site.theirs.ca)):
        assert check.state is CheckState.BAD
        assert check.said["vi"] == OBSTACLES[Obstacle.UNTRUSTED]
        assert "certificate verify failed" in check.detail
        assert "check the certificates" in check.detail


def test_a_station_without_a_certificate_is_refused_where_the_pacs_wants_one(site: Site) -> None:
    for check in checks(site.config("dimse", cert=None, key=None)):
        assert check.state is CheckState.BAD
        assert check.said["vi"] == OBSTACLES[Obstacle.UNTRUSTED]


def test_plain_tcp_to_a_tls_port_is_no_answer(site: Site) -> None:
    config = Config.model_validate(
        {"destination": [{**site.config("dimse").destination[0].model_dump(exclude={"tls"}), "name": NAME}]}
    )
    assert {check.state for check in checks(config)} == {CheckState.WARNING}


@pytest.mark.parametrize("kind", ["dicomweb", "dimse"])
def test_an_expired_certificate_is_refused_and_said(site: Site, kind: str) -> None:
    with a_tls_front(site.ours.sign("expired", days=-1), site.pacs.http_port) as port:
        for check in checks(site.config(kind, port=port)):
            assert check.state is CheckState.BAD
            assert "expired" in check.detail
