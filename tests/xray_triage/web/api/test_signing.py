"""A doctor signs by the API: what is answered, what is noted, and what the PIN is told to nobody by."""

import dataclasses
from collections.abc import Callable, Iterator

import httpx
import pytest
from starlette.types import ASGIApp

from tests.peers.signers import DOCTOR
from tests.peers.signing_service import PIN, SigningService
from tests.xray_triage.desk import TestDesk, unread
from tests.xray_triage.signing import Section, signing
from tests.xray_triage.web.conftest import bearer
from xray_triage.accounts.audit import Action
from xray_triage.records.result import Author, Words

MAI = Author(account="doctor", name="BS. Trần Thị Mai")
NORMAL = Words(conclusion="Không thấy bất thường.")


@pytest.fixture
def desk(sqlite_desk: TestDesk, at_service: Section) -> TestDesk:
    """A desk whose results a service signs."""
    return dataclasses.replace(sqlite_desk, signing=signing(sqlite_desk, at_service()))


@pytest.fixture
def doctor(desk: TestDesk, serve: Callable[[ASGIApp], str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=serve(desk.app()), timeout=60, headers=bearer(desk)) as opened:
        yield opened


def test_a_doctor_signs_and_is_told_in_one_line_what_to_do_when_it_does_not_work(
    doctor: httpx.Client, desk: TestDesk, service: SigningService
) -> None:
    case_id = desk.add(unread()).case_id
    sign = f"/api/cases/{case_id}/result/sign"
    nothing = doctor.post(sign, json={"pin": PIN})
    assert (nothing.status_code, nothing.json()) == (409, {"detail": "Ca này chưa có kết quả hoàn tất để ký."})
    desk.results.finish(case_id, MAI, NORMAL, before_author="")
    wrong = doctor.post(sign, json={"pin": "11111"})
    assert (wrong.status_code, wrong.json()["detail"].split(":")[0]) == (409, "Sai mã PIN")
    signed = doctor.post(sign, json={"pin": PIN})
    assert signed.status_code == 200, signed.text
    assert (signed.json()["signed"], signed.json()["version"], signed.json()["signer"]) == (True, 1, DOCTOR)
    asked = len(service.asked)
    assert doctor.post(sign, json={"pin": PIN}).json() == signed.json()
    assert len(service.asked) == asked
    noted = [(one.action, one.actor, one.detail) for one in desk.audit.entries(subject=case_id)]
    assert noted.count((Action.NOT_SIGNED, "doctor", "wrong_pin")) == 1
    assert noted.count((Action.RESULT_SIGNED, "doctor", f"1 {DOCTOR} {signed.json()['serial']}")) == 1
    assert PIN not in repr(noted)


def test_what_is_no_pin_is_refused_without_being_repeated(doctor: httpx.Client, desk: TestDesk) -> None:
    assert doctor.post("/api/cases/000000000000/result/sign", json={"pin": PIN}).status_code == 404
    sign = f"/api/cases/{desk.add(unread()).case_id}/result/sign"
    for body in ({"pin": 7391739}, {"pin": "7391" * 20}, {"pin": None}, {"PIN": "7391"}, ["7391"]):
        answer = doctor.post(sign, json=body)
        assert answer.status_code == 422
        assert "7391" not in answer.text
