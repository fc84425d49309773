"""Machines that were refused, as the health page and /metrics tell of them."""

from collections.abc import Callable

import httpx
import pytest
from starlette.types import ASGIApp

from dicom_router.store.refusals import Machine, Reason
from tests.xray_triage.desk import TestDesk
from tests.xray_triage.web.conftest import bearer
from xray_triage.health.checks import CheckState
from xray_triage.health.refusals import WORDS, refusal_check, refusals_check

SCRIPT = "<script>alert(1)</script>"


def test_a_machine_that_is_refused_is_shown_until_it_is_dealt_with(
    serve: Callable[[ASGIApp], str], sqlite_desk: TestDesk
) -> None:
    refusals = sqlite_desk.refusals
    url = serve(sqlite_desk.app(lambda: refusals_check(len(refusals.standing()))))
    with httpx.Client(base_url=url, timeout=60, headers=bearer(sqlite_desk)) as client:
        assert "Không máy nào bị từ chối" in client.get("/health").text
        assert "Trạm đang từ chối" not in client.get("/").text
        refusals.note(Machine(SCRIPT, "10.0.0.5"), Reason.UNKNOWN_CALLER, detail="called STATION")
        refusals.note(Machine("CR1", "10.0.0.6"), "0xC000", detail="the dataset is truncated")
        page = client.get("/health").text
        for told in (
            "Một phim của máy CR1 @ 10.0.0.6 bị cắt",
            "0xC000: the dataset is truncated (1 x, ",
            "không có trong danh sách được phép",
            "có việc nên xem",
        ):
            assert told in page, told
        assert SCRIPT not in page
        assert "Trạm đang từ chối 2 máy" in client.get("/").text
        metrics = client.get("/metrics").text
        assert 'xray_triage_refusals{reason="unknown_caller"} 1.0' in metrics
        assert "CR1" not in metrics
        for number in page.split('name="number" value="')[1:]:
            answer = client.post("/health/refusals", data={"number": number.partition('"')[0]})
            assert (answer.status_code, answer.headers["location"]) == (303, "/health#refused-machines")
        assert "Không máy nào bị từ chối" in client.get("/health").text
    refusals.flush()


@pytest.mark.parametrize("reason", [*WORDS, "0x0211"])
def test_every_reason_says_what_to_do(reason: str) -> None:
    told = refusal_check("CR1 @ 10.0.0.5", reason, "details")
    assert (told.name, told.state, told.detail) == ("refused:CR1 @ 10.0.0.5", CheckState.WARNING, "details")
    assert "CR1 @ 10.0.0.5" in told.said["vi"]
    assert "hãy" in told.said["vi"].lower()


def test_every_reason_has_words() -> None:
    assert {reason.value for reason in Reason} <= WORDS.keys()
