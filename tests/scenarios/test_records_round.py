"""One film's way through all systems: ordered by the HIS, filmed, written and signed while nobody can be reached.

Then HIS, FHIR server and PACS each hold the doctor's sentence byte for byte, and the signed PDF, each once. At last the
station is lost and brought back from a backup.
"""

import base64
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests.factories import free_port, until
from tests.peers.dcmtk import dsrdump
from tests.peers.fhir_server import FhirServer, running_fhir_server
from tests.peers.his import His, parsed
from tests.peers.ordering import order_once, placed
from tests.peers.orthanc import OrthancPeer
from tests.peers.signers import DOCTOR, Authority
from tests.peers.softhsm import PIN, Tokens, pdfsig
from tests.peers.station import StationPeer
from tests.scenarios.conftest import MakeStation
from tests.scenarios.machine import take_film, worklist
from tests.xray_triage.bundles import make_bundle
from tests.xray_triage.records.test_signing import is_valid

SENTENCE = "Mờ đồng nhất đáy phổi phải, nghĩ nhiều đến tràn dịch màng phổi lượng ít."
AMENDED = "Tràn dịch màng phổi phải lượng ít; không thấy tràn khí."
DESCRIPTION = "Màng phổi: mờ góc sườn hoành phải."
CITIZEN = "079170012345"
AGED = (("work", "due_at"), ("record_delivery", "queued_at"))


class Elsewhere:
    """HIS, FHIR server and PACS, at addresses that stay the same; nobody is there at first."""

    def __init__(self, pacs: OrthancPeer) -> None:
        self.pacs, self.his, self.fhir_port = pacs, His(port=free_port()), free_port()
        self.fhir: FhirServer | None = None
        self._open = ExitStack()

    def come(self) -> None:
        self.fhir = self._open.enter_context(running_fhir_server(self.fhir_port))
        self._open.enter_context(self.his)
        self.pacs.restart()

    def leave(self) -> None:
        self._open.close()


@pytest.fixture
def elsewhere(own_orthanc: OrthancPeer) -> Iterator[Elsewhere]:
    own_orthanc.kill()
    peers = Elsewhere(own_orthanc)
    yield peers
    peers.leave()


@pytest.fixture
def station(make_station: MakeStation, tmp_path: Path, elsewhere: Elsewhere, tokens: Tokens) -> StationPeer:
    """A station of all of them, with a doctor's token plugged in."""
    more = (
        f'[registration]\nprefix = "79012"\n[facility]\ncode = "79-001"\n[orders.hl7]\nport = {free_port()}\n'
        f'[signing]\nkind = "pkcs11"\nmodule = "{tokens.module}"\ntoken = "MAI"\n'
        f'[[record]]\nname = "his"\nkind = "hl7"\nhost = "127.0.0.1"\nport = {elsewhere.his.port}\n'
        f'[[record]]\nname = "fhir"\nkind = "fhir"\nurl = "http://127.0.0.1:{elsewhere.fhir_port}"\n'
    )
    bundle = make_bundle(tmp_path / "bundle", logits={"pleural_effusion": 3.0, "abnormal": 2.0})
    made: StationPeer = make_station(pacs=elsewhere.pacs, bundle=bundle, more=more)
    made.start()
    return made


def case_of(station: StationPeer) -> dict[str, Any]:
    (case,) = station.get("/api/cases")
    return dict(case)


def records_of(station: StationPeer) -> list[dict[str, Any]]:
    return list(case_of(station)["result"]["records"])


def let_three_days_pass(station: StationPeer) -> None:
    """For what waits in the database of a station that is off."""
    with closing(sqlite3.connect(station.folder / "data" / "station.db")) as database, database:
        for table, column in AGED:
            database.execute(f"UPDATE {table} SET {column} = strftime('%Y-%m-%d %H:%M:%f000', {column}, '-3 days')")


def everything_is_sent(station: StationPeer) -> bool:
    return station.is_done() and all(one["state"] == "acknowledged" for one in records_of(station))


def hl7_port(station: StationPeer) -> int:
    text = station.config_path.read_text("utf-8")
    return int(text.split("[orders.hl7]\nport = ")[1].split()[0])


def paper_in(message: str) -> bytes:
    (line,) = (line for line in message.split("\r") if line.startswith("OBX|") and "|ED|" in line)
    return base64.b64decode(line.split("^Base64^")[1].split("|")[0])


def orders_in(message: str) -> list[str]:
    """By which numbers the HIS finds whose result it is."""
    return ["|".join(line.split("|")[:5]) for line in message.split("\r") if line.startswith("OBR|")]


def assert_all_hold(elsewhere: Elsewhere, study: str, sentence: str, status: str, signed: bytes, folder: Path) -> None:
    """HIS, FHIR server and PACS have the sentence, byte for byte; the first two the signed PDF."""
    newest = elsewhere.his.messages[elsewhere.his.order[-1]]
    assert f"|IMP^Kết luận^L|2|{sentence}|".encode() in newest.encode()
    assert parsed(newest).msh.msh_9.to_er7() == "ORU^R01^ORU_R01"
    assert paper_in(newest) == signed
    assert elsewhere.fhir is not None
    (report,) = elsewhere.fhir.find("DiagnosticReport", f"urn:xray-triage:report|{study}")
    assert report["status"] == status
    assert sentence.encode() in report["conclusion"].encode()
    (form,) = report["presentedForm"]
    assert base64.b64decode(form["data"]) == signed
    found = [each for each in map(elsewhere.pacs.download, elsewhere.pacs.of_study(study)) if sentence.encode() in each]
    assert len(found) == 1
    path = folder / "report.dcm"
    path.write_bytes(found[0])
    assert sentence in dsrdump(path, "+Pl")
    assert pydicom.dcmread(BytesIO(found[0])).Modality == "SR"


def assert_valid(signed: bytes, authority: Authority, folder: Path) -> None:
    path = folder / "result.pdf"
    path.write_bytes(signed)
    said = pdfsig(path)
    assert "Signature is Valid" in said
    assert "Total document signed" in said
    assert DOCTOR in said
    assert is_valid(signed, authority)


def brought_back(station: StationPeer, stick: Path) -> None:
    """Its PC lost the database, and has it from a stick."""
    assert station.cli("backup", "--to", str(stick)).returncode == 0
    assert station.stop() == 0
    for path in (station.folder / "data").glob("station.db*"):
        path.unlink()
    done = station.cli("restore", str(stick))
    assert done.returncode == 0, done.stderr
    station.start()


def test_what_a_doctor_wrote_and_signed_without_a_link_is_the_same_everywhere_once(
    station: StationPeer, elsewhere: Elsewhere, authority: Authority, tmp_path: Path
) -> None:
    order = placed("CD-1", pid_19=CITIZEN)
    assert order_once(hl7_port(station), order).code == "AA"
    (item,) = worklist(station, tmp_path / "found", "0010,0020=BN-1")
    film = take_film(station, item, tmp_path)
    until(lambda: film.SOPInstanceUID in station.images())

    case, study, his = case_of(station)["case_id"], str(film.StudyInstanceUID), elsewhere.his
    result = f"/api/cases/{case}/result"
    station.post(result, description=DESCRIPTION, conclusion=SENTENCE)
    assert station.post(f"{result}/finish")["state"] == "final"
    until(lambda: all(one["last_error"] for one in records_of(station)))
    assert station.post(f"{result}/sign", pin=PIN)["signer"] == DOCTOR
    signed = station.fetch(f"{result}.pdf")[1]
    assert_valid(signed, authority, tmp_path)
    station.kill()
    let_three_days_pass(station)
    station.start()

    elsewhere.come()
    until(lambda: everything_is_sent(station))
    assert list(his.times.values()) == [1]
    assert_all_hold(elsewhere, study, SENTENCE, "final", signed, tmp_path)
    fhir = elsewhere.fhir
    assert fhir is not None
    assert fhir.posted == 1
    (only,) = his.messages.values()
    assert f"|CD-1|{item.AccessionNumber}|" in only
    assert f"{CITIZEN}^^^CCCD^NI" in only

    with his.away():
        station.post(f"{result}/amend", description=DESCRIPTION, conclusion=AMENDED, reason="Xem lại")
        until(lambda: [one["state"] for one in records_of(station)] == ["waiting", "acknowledged"])
        brought_back(station, tmp_path / "stick")
    assert station.fetch(f"{result}.pdf?version=1")[1] == signed
    until(lambda: everything_is_sent(station))
    assert list(his.times.values()) == [1, 1], "the first again, or the second not"
    assert fhir.posted == 2
    unsigned = station.fetch(f"{result}.pdf")[1]
    assert_all_hold(elsewhere, study, AMENDED, "amended", unsigned, tmp_path)

    assert station.post(f"{result}/sign", pin=PIN)["version"] == 2
    his.wait_for(3)
    until(lambda: everything_is_sent(station))
    signed = station.fetch(f"{result}.pdf")[1]
    assert signed.startswith(unsigned)
    assert_valid(signed, authority, tmp_path)
    assert_all_hold(elsewhere, study, AMENDED, "amended", signed, tmp_path)
    assert {line for number in his.order[1:] for line in orders_in(his.messages[number])} == set(orders_in(only))
    assert list(his.times.values()) == [1, 1, 1]
    assert station.stop() == 0
