"""What the page says of a signature: to the author, to others, and where nobody signs."""

import dataclasses

import pytest

from tests.xray_triage.desk import STATION, TestDesk, unread
from xray_triage.accounts.roles import Role
from xray_triage.records.result import Author, Words
from xray_triage.records.signing.signatures import Signature
from xray_triage.web.pages.view import View
from xray_triage.web.security.visitor import Visitor

MAI = Author(account="mai", name="BS. Trần Thị Mai")
MAI_READS = Visitor(name="mai", full_name=MAI.name, role=Role.DOCTOR, language="vi")
AN_READS = dataclasses.replace(MAI_READS, name="an", full_name="BS. An")


@pytest.mark.parametrize(
    ("who", "is_signed", "can_sign", "told"),
    [
        (MAI_READS, True, True, "TRẦN THỊ MAI"),
        (MAI_READS, False, True, 'data-dialog="sign"'),
        (AN_READS, False, True, "chờ bác sĩ viết kết quả ký"),
        (MAI_READS, False, False, ""),
    ],
)
def test_the_author_is_asked_and_everybody_sees_who_signed(
    sqlite_desk: TestDesk, who: Visitor, is_signed: bool, can_sign: bool, told: str
) -> None:
    case_id = sqlite_desk.add(unread()).case_id
    last = sqlite_desk.results.finish(case_id, MAI, Words(conclusion="Bình thường."), before_author="")
    at = sqlite_desk.clock.now()
    signature = Signature(version=1, signer="TRẦN THỊ MAI", serial="1f", signed_by="mai", signed_at=at)
    shown = {"last": last, "signature": signature if is_signed else None, "can_sign": can_sign}
    page = View(STATION, clock=sqlite_desk.clock).render("_signature.html", who, **shown).decode()
    assert told in page if told else not page.strip()
    assert ('data-dialog="sign"' in page) == (told == 'data-dialog="sign"')


def test_the_dialog_has_a_field_that_shows_and_keeps_nothing(sqlite_desk: TestDesk) -> None:
    case = sqlite_desk.casebook.case(sqlite_desk.add(unread()).case_id)
    page = View(STATION, clock=sqlite_desk.clock).render("_sign.html", MAI_READS, case=case).decode()
    assert case
    assert f'data-post="/api/cases/{case.case_id}/result/sign"' in page
    assert '<input type="password" name="pin" maxlength="64" autocomplete="off"' in page
