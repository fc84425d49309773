"""Why a PACS cannot be asked for answers: as codes, and in words for the doctor.

Knows no PACS and no page.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from dicom_router.errors import NotOffered, PeerUnreachable, PeerUntrusted, RouterError, SpoolFull
from xray_triage.cases.consultation import Problem
from xray_triage.language import N_


class Obstacle(StrEnum):
    """By what a person can do about it."""

    UNREACHABLE = "unreachable"
    UNTRUSTED = "untrusted"
    FORBIDDEN = "forbidden"
    NOT_OFFERED = "not_offered"
    REFUSED = "refused"
    DISK = "disk"
    UNREADABLE = "unreadable"
    COMING = "coming"
    EARLIER = "earlier"


PERSONS = frozenset({Obstacle.UNTRUSTED, Obstacle.FORBIDDEN, Obstacle.NOT_OFFERED, Obstacle.REFUSED})  # must act
OBSTACLES: Mapping[str, str] = {
    Obstacle.UNREACHABLE: N_("Chưa liên lạc được PACS để hỏi trả lời; trạm tự hỏi lại khi có mạng."),
    Obstacle.UNTRUSTED: N_(
        "Chứng thư TLS giữa trạm và PACS không dùng được. Hãy nhờ kỹ thuật viên xem ngày hết hạn, và "
        "tls = {ca, cert, key} của PACS này trong station.toml."
    ),
    Obstacle.FORBIDDEN: N_(
        "PACS không cho trạm hỏi về trả lời. Hãy nhờ người quản trị PACS kiểm tra AE title và quyền "
        "truy vấn, hoặc url, tên và mật khẩu."
    ),
    Obstacle.NOT_OFFERED: N_(
        "PACS không cho trạm tìm và lấy trả lời (C-FIND, C-GET). Hãy nhờ người quản trị PACS cho "
        "phép, hoặc ghi url DICOMweb của PACS vào station.toml; trong lúc chờ, hãy xem trả lời trên PACS."
    ),
    Obstacle.REFUSED: N_(
        "PACS báo lỗi khi trạm hỏi về trả lời. Hãy gọi người quản trị PACS; trong lúc chờ, hãy xem trả lời trên PACS."
    ),
    Obstacle.DISK: N_("Trạm hết chỗ lưu nên chưa lấy được trả lời. Hãy giải phóng ổ đĩa."),
    Obstacle.UNREADABLE: N_("Ở PACS có một tệp mới mà trạm chưa lấy được; trạm tự thử lại, hoặc xem tệp đó trên PACS."),
    Obstacle.COMING: N_("Một tệp trả lời lớn đang được tải về; có thể xem ngay trên PACS."),
    Obstacle.EARLIER: N_(
        "Ở PACS có tài liệu ghi giờ ngay trước câu hỏi nên trạm không coi là trả lời. Hãy xem trên PACS."
    ),
}


def obstacle_in(error: RouterError) -> Obstacle:
    """What kind of obstacle an error in asking is."""
    if isinstance(error, PeerUntrusted):
        return Obstacle.UNTRUSTED
    if isinstance(error, PeerUnreachable):
        return Obstacle.FORBIDDEN if error.slowly else Obstacle.UNREACHABLE
    if isinstance(error, SpoolFull):
        return Obstacle.DISK
    return Obstacle.NOT_OFFERED if isinstance(error, NotOffered) else Obstacle.REFUSED


def problem_of(error: RouterError) -> Problem:
    """What is noted of an error in asking."""
    return Problem(obstacle_in(error), str(error))


def together(problems: Sequence[Problem]) -> Problem | None:
    """One problem of several: the obstacle that a person must remove, else the first; all words for the engineer."""
    telling = min(problems, key=lambda each: each.obstacle not in PERSONS, default=None)
    return telling and Problem(telling.obstacle, "; ".join(each.detail for each in problems))
