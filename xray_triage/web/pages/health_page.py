"""How the station is, in words for a layman: what it knows, a self-check on demand, what waits to be sent."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dicom_router.store.refusals import number_of
from xray_triage import __version__
from xray_triage.accounts.audit import Action
from xray_triage.health.checks import Check, CheckState
from xray_triage.health.inspection import Inspection
from xray_triage.health.refusals import refusal_check
from xray_triage.language import N_
from xray_triage.stores import Stores
from xray_triage.web.pages.fragments import Banners, banners, unless_same
from xray_triage.web.pages.view import View
from xray_triage.web.security.forms import Form
from xray_triage.web.security.visitor import Visitor, Who
from xray_triage.web.surroundings import Surroundings

MOST_REFUSED = 50
LATELY = timedelta(hours=1)  # what a PACS answered before says little of now
DELIVERY_ID = re.compile(r"[0-9]{1,18}")
COUNT = re.compile(r"[0-9]{1,4}")
CHECKS = {
    "disk": N_("Ổ đĩa"),
    "days_left": N_("Ổ đĩa còn đủ"),
    "retention": N_("Xóa phim cũ"),
    "database": N_("Cơ sở dữ liệu"),
    "spool": N_("Kho phim"),
    "clock": N_("Đồng hồ"),
    "reader": N_("Chương trình đọc phim"),
    "model": N_("Mô hình AI"),
    "thresholds": N_("Ngưỡng"),
    "urgency": N_("Báo khẩn"),
    "drift": N_("Điểm số AI"),
    "machine": N_("Máy X-quang"),
    "certificates": N_("Chứng thư số"),
    "destination": N_("PACS tuyến trên"),
    "answers": N_("Trả lời hội chẩn"),
    "elsewhere": N_("Phim ở trạm khác"),
    "commitment": N_("Lưu chắc chắn ở PACS"),
    "left_out": N_("Loại tệp không gửi"),
    "refused": N_("Máy bị từ chối"),
    "stuck": N_("Gửi mãi không được"),
    "records": N_("Kết quả gửi HIS"),
    "record": N_("Nơi nhận kết quả"),
    "his": N_("Chỉ định của HIS"),
    "users": N_("Người dùng"),
    "backup": N_("Sao lưu"),
    "audit": N_("Máy thu nhật ký"),
    "notice": N_("Báo tin ra ngoài"),
}


def health_router(stores: Stores, surroundings: Surroundings, view: View) -> APIRouter:
    """The routes of the health page. Whoever may see cases may also try again what was refused: it harms nothing."""
    pages = APIRouter(default_response_class=HTMLResponse)
    inspection = Inspection(surroundings.self_check, clock=stores.clock)

    def render(name: str, who: Visitor) -> bytes:
        return view.render(name, who, inspected=inspection.last, **_context(stores, surroundings))

    @pages.get("/health")
    def show_health(who: Who) -> Response:
        return HTMLResponse(render("health.html", who))

    @pages.get("/fragments/health")
    def renew_health(request: Request, who: Who) -> Response:
        return unless_same(request, render("_health.html", who))

    @pages.post("/health/check")
    def inspect() -> Response:
        inspection.start()
        return RedirectResponse("/health#inspection", 303)

    @pages.post("/health/retry")
    def retry(form: Form) -> Response:
        chosen = form.get("delivery_id", "")
        if not chosen:
            stores.outbox.retry_all_refused()
        elif DELIVERY_ID.fullmatch(chosen):
            stores.outbox.retry(int(chosen))
        else:
            raise HTTPException(400, "delivery_id is no number")
        surroundings.wake_delivery()
        return RedirectResponse("/health#refused", 303)

    @pages.post("/health/refusals")
    def dismiss(form: Form) -> Response:
        stores.refusals.dismiss(form.get("number", ""))
        return RedirectResponse("/health#refused-machines", 303)

    return pages


def record_retry_router(stores: Stores, surroundings: Surroundings) -> APIRouter:
    """The buttons that send refused results again."""
    pages = APIRouter(default_response_class=HTMLResponse)

    @pages.post("/health/records")
    def retry_records(form: Form) -> Response:
        """``record_id``: one, else all that was refused; ``case_id``: of the page on which it was pressed, if any."""
        chosen, case_id = form.get("record_id", ""), form.get("case_id", "")
        if not chosen:
            stores.records.retry_all_refused()
        elif DELIVERY_ID.fullmatch(chosen):
            stores.records.retry(int(chosen))
        else:
            raise HTTPException(400, "record_id is no number")
        surroundings.wake_delivery()
        return RedirectResponse(f"/cases/{quote(case_id, safe='')}#delivered" if case_id else "/health#records", 303)

    return pages


def acknowledging_router(stores: Stores, surroundings: Surroundings) -> APIRouter:
    """The button by which a person says that they know what a lost database took with it."""
    pages = APIRouter(default_response_class=HTMLResponse)

    @pages.post("/health/acknowledge")
    def acknowledge(form: Form, who: Who) -> Response:
        """``count``: of how many rebuildings the page told."""
        count, rebuilt = form.get("count", ""), surroundings.rebuilt
        if not COUNT.fullmatch(count):
            raise HTTPException(400, "count is no number")
        if rebuilt is not None and (told := rebuilt.events()[: int(count)]):
            detail = "; ".join(f"{one.at:%Y-%m-%d %H:%M} {one.why}" for one in told)
            stores.audit.note(Action.LOSS_ACKNOWLEDGED, actor=who.name, detail=detail)
            rebuilt.acknowledge(len(told))
        return RedirectResponse("/health", 303)

    return pages


def _worst(report: Sequence[Check], told: Banners) -> CheckState:
    """BAD where a person must act; a file that was kept apart, or a PACS that will answer again, is none of that."""
    states = {check.state for check in report}
    if CheckState.BAD in states or told.refused:
        return CheckState.BAD
    is_worth_a_look = CheckState.WARNING in states or told.unreachable or told.quarantined
    return CheckState.WARNING if is_worth_a_look else CheckState.OK


def _context(stores: Stores, surroundings: Surroundings) -> dict[str, Any]:
    summary = stores.outbox.summary()
    refused = [
        (d, stores.casebook.case_of_study(d.instance.study_instance_uid)) for d in summary.refused[:MOST_REFUSED]
    ]
    report = surroundings.health.report()
    told = banners(stores, surroundings.health)
    return {
        "here": "/health",
        "report": report,
        "worst": _worst(report, told),
        "answered_lately": lambda at: at is not None and stores.clock.now() - at < LATELY,
        "summary": summary,
        "refused": refused,
        "banners": told,
        "record_peers": stores.records.summary(),
        "refused_records": [
            (one, stores.casebook.case(one.case_id)) for one in stores.records.refused()[-MOST_REFUSED:]
        ],
        "refusals": [
            (number_of(each), refusal_check(each.caller, each.reason, each.line)) for each in stores.refusals.standing()
        ],
        "apart": [stores.casebook.case_of_study(study) for study in told.quarantined],
        "rebuilt": len(surroundings.rebuilt.events()) if surroundings.rebuilt else 0,
        "unread": stores.inbox.unread(),
        "model": surroundings.model_in_use(),
        "version": __version__,
        "check_name": lambda name: CHECKS.get(name.partition(":")[0], name),
    }
