"""Checks of whom the station sends to and asks: do they answer, take all, and keep what they took? Knows no store."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from dicom_router.clock import Clock
from dicom_router.errors import NotOffered, PeerRefused, PeerUnreachable, PeerUntrusted
from dicom_router.transport.archive import Archive
from dicom_router.transport.forwarder import SILENCE
from dicom_router.transport.protocol import Transport
from xray_triage.consultations.obstacles import OBSTACLES, PERSONS, Obstacle, obstacle_in
from xray_triage.health.checks import BAD, OK, WARNING, Check, CheckState, check
from xray_triage.language import N_

NOT_THERE = SILENCE | {"HTTP 200"}  # a login page stands before it
TOLD_FOR = timedelta(days=7)


def notice_check(name: str, problem: str) -> Check:
    """Whether a peer of ``[[notice]]`` took what it was told last; what it did not take is told again."""
    state, message = OK, N_("Không có tin nào chờ báo tới %(name)s.")
    if problem:
        state = WARNING
        message = N_(
            "Chưa báo tin được tới %(name)s; trạm sẽ tự báo lại. Hãy xem mạng và [[notice]] trong station.toml."
        )
    return check(f"notice:{name}", state, message, name=name, detail=problem)


def destination_check(name: str, transport: Transport, *, takes: bool = False) -> Check:
    """Whether a destination answers. Nothing is lost while it does not; BAD when only a person can mend it.

    ``takes``: it took what it was sent last. Many that store cannot be asked, by an echo or a search: that is no fault.
    """
    try:
        transport.echo()
    except (PeerUnreachable, PeerRefused) as error:
        state, message = _trouble(error, takes=takes)
        return check(f"destination:{name}", state, message, name=name, detail=str(error))
    return check(f"destination:{name}", OK, N_("%(name)s trả lời."), name=name)


def _trouble(error: PeerUnreachable | PeerRefused, *, takes: bool) -> tuple[CheckState, str]:
    if isinstance(error, PeerUntrusted):
        return BAD, OBSTACLES[Obstacle.UNTRUSTED]
    if takes and error.status and error.status not in NOT_THERE:
        return OK, N_("%(name)s nhận những gì được gửi tới; chỉ không trả lời lệnh thử.")
    if isinstance(error, NotOffered):
        return OK, N_("%(name)s cho trạm kết nối, nhưng không có lệnh thử (C-ECHO); chưa biết có nhận phim không.")
    if isinstance(error, PeerRefused):
        return BAD, N_("%(name)s từ chối kết nối. Hãy nhờ người quản trị PACS kiểm tra AE title và địa chỉ.")
    message = N_("Không liên lạc được %(name)s. Phim và kết quả được giữ lại, sẽ tự gửi khi có mạng.")
    if error.status:
        message = N_("%(name)s trả lời nhưng không cho phép: hãy xem mã lỗi, rồi nhờ người quản trị PACS.")
    return (BAD if error.slowly else WARNING), message


def answers_check(name: str, archive: Archive) -> Check:
    """Whether a destination can be asked for a specialist's answer; BAD when only a person can mend it."""
    try:
        archive.probe()
    except (PeerUnreachable, PeerRefused) as error:
        obstacle = obstacle_in(error)
        state = BAD if obstacle in PERSONS else WARNING
        return check(f"answers:{name}", state, OBSTACLES[obstacle], detail=str(error))
    return check(f"answers:{name}", OK, N_("Hỏi được %(name)s về trả lời hội chẩn."), name=name)


def asking_check(problems: Callable[[], Sequence[tuple[str, str]]]) -> Check:
    """What of a person's business stands in the way of answers.

    ``problems`` are those of the open questions: the code of the obstacle, and the engineer's words.
    """
    for obstacle, detail in problems():
        if obstacle in PERSONS:
            return check("answers", WARNING, OBSTACLES[obstacle], detail=detail)
    return check("answers", OK, N_("Không có trở ngại nào cần người xử lý."))


def commitment_check(standings: Callable[[], Sequence[tuple[str, int, int, str | None]]]) -> Check:
    """Whether what was acknowledged is proved to be there; says the worst that there is of any destination.

    ``standings``: destination, how much it lacks, how much it has not proved for days, and why not.
    """
    found = standings()
    for name, missing, _, _ in found:
        if missing:
            message = N_(
                "%(name)s đã báo nhận nhưng không có %(n)d tệp, kể cả sau khi gửi lại. Trạm giữ các tệp này; hãy nhờ "
                "người quản trị PACS tìm nguyên nhân rồi bấm gửi lại."
            )
            return check("commitment", WARNING, message, name=name, n=missing)
    for name, _, overdue, obstacle in found:
        if overdue:
            message = N_(
                "%(name)s chưa xác nhận là đang lưu %(n)d tệp nhận đã hơn 3 ngày. Trạm giữ các tệp này, không xóa; hãy "
                "nhờ người quản trị PACS bật Storage Commitment hoặc cho trạm tìm kiếm."
            )
            return check("commitment", WARNING, message, name=name, n=overdue, detail=obstacle or "")
    return check("commitment", OK, N_("Mọi tệp PACS nhận đã hơn 3 ngày đều chắc chắn đang ở đó."))


def left_out_check(declined: Callable[[], Sequence[tuple[str, str, datetime, str, str]]], clock: Clock) -> Check:
    """Which kinds of results are not sent, for a destination never takes them. A WARNING for a week, then as it is.

    ``declined``: destination, kind, since when, the destination's status and words.
    """
    found = declined()
    if not found:
        return check("left_out", OK, N_("PACS tuyến trên nào cũng lấy mọi loại tệp được gửi tới."))
    state = WARNING if any(abs(clock.now() - since) < TOLD_FOR for _, _, since, _, _ in found) else OK
    kinds = ", ".join(f"{what.upper()} ({name})" for name, what, *_ in found)
    message = N_(
        "PACS không nhận %(kinds)s, nên trạm không gửi các loại này nữa (mỗi tuần thử lại một lần); phim gốc vẫn được "
        "gửi. Nếu cần có ở PACS, hãy nhờ người quản trị PACS cho nhận rồi bấm gửi lại; nếu không, hãy bỏ khỏi send "
        "trong station.toml."
    )
    detail = "; ".join(f"{name}: {what}: {error}" for name, what, _, _, error in found)
    return check("left_out", state, message, kinds=kinds, detail=detail)


def collector_check(problem: str) -> Check:
    """Whether the collector of the audit trail takes it; nothing is lost while it does not."""
    state, message = OK, N_("Máy thu nhật ký trả lời.")
    if problem:
        state, message = WARNING, N_("Không gửi được nhật ký tới máy thu. Nhật ký được giữ lại và tự gửi lại.")
    return check("audit", state, message, detail=problem)
