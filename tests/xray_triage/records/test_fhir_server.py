"""Two hundred results at a FHIR server that two validators guard: none is objected to, all come back as they went."""

import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from dicom_router.errors import PeerRefused
from tests.peers.fhir_server import FhirServer
from tests.xray_triage.records.samples import AT, a_record, a_result, records
from xray_triage.records.fhir_transport import FhirTransport
from xray_triage.records.record import Record
from xray_triage.records.result import ResultState


def sent(server: FhirServer, record: Record) -> None:
    transport = FhirTransport(server.url)
    transport.send(transport.compose(record, number="", at=AT), "")
    transport.close()


def test_two_hundred_results_are_valid_and_their_names_come_back(fhir_server: FhirServer) -> None:
    @seeded(1)
    @settings(max_examples=200, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(records())
    def all_are_taken(record: Record) -> None:
        fhir_server.clear()
        sent(fhir_server, record)
        (report,) = fhir_server.find("DiagnosticReport")
        assert report["status"] == record.standing.value
        if record.patient.name:
            patient = fhir_server.get(f"/{report['subject']['reference']}")
            assert patient["name"][0]["text"].encode() == record.patient.name.encode()

    all_are_taken()


def test_sending_it_again_or_amended_changes_it_and_makes_nothing_more(fhir_server: FhirServer) -> None:
    uid = f"2.25.{random.getrandbits(100)}"
    record = a_record(study_instance_uid=uid)
    before = {kind: len(fhir_server.find(kind)) for kind in ("Patient", "DiagnosticReport", "Observation")}
    for version, state in enumerate((ResultState.FINAL, ResultState.FINAL, ResultState.AMENDED), 1):
        sent(fhir_server, a_record(study_instance_uid=uid, result=a_result(state, version)))
        (report,) = fhir_server.find("DiagnosticReport", f"urn:xray-triage:report|{uid}")
        assert report["status"] == state.value
    after = {kind: len(fhir_server.find(kind)) for kind in before}
    assert after["DiagnosticReport"] == before["DiagnosticReport"] + 1
    assert after["Observation"] <= before["Observation"] + len(record.films[0].findings)
    assert after["Patient"] <= before["Patient"] + 1


def test_what_the_validators_object_to_is_refused_with_their_words(fhir_server: FhirServer) -> None:
    transport = FhirTransport(fhir_server.url)
    (content,) = transport.compose(a_record(), number="", at=AT)
    transport.echo()
    odd = [content.replace(b'"status": "final"', b'"status": "signed"')]
    with pytest.raises(PeerRefused, match=r"HTTP 422: .*status") as refused:
        transport.send(odd, "")
    assert refused.value.status == "HTTP 422"
    transport.close()
