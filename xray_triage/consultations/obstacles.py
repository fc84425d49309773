"""Why a PACS cannot be asked for answers, in words for who reads them. Knows no PACS and no page."""

from enum import StrEnum

from dicom_router.errors import NotOffered, PeerUnreachable, PeerUntrusted, RouterError, SpoolFull


class Obstacle(StrEnum):
    """By what a person can do about it. The engineer's words stand behind it: ``refused: …``."""

    UNREACHABLE = "unreachable"
    UNTRUSTED = "untrusted"
    FORBIDDEN = "forbidden"
    NOT_OFFERED = "not_offered"
    REFUSED = "refused"
    DISK = "disk"
    UNREADABLE = "unreadable"
    COMING = "coming"


PERSONS = frozenset({Obstacle.UNTRUSTED, Obstacle.FORBIDDEN, Obstacle.NOT_OFFERED, Obstacle.REFUSED})  # must act
VI = {
    Obstacle.UNREACHABLE: "Chưa liên lạc được PACS để hỏi trả lời; trạm tự hỏi lại khi có mạng.",
    Obstacle.UNTRUSTED: "Chứng thư TLS giữa trạm và PACS không dùng được. Hãy nhờ kỹ thuật viên xem ngày hết hạn, và "
    "tls = {ca, cert, key} của nơi nhận này trong station.toml.",
    Obstacle.FORBIDDEN: "PACS không cho trạm hỏi về trả lời. Hãy nhờ người quản trị PACS kiểm tra AE title và quyền "
    "truy vấn, hoặc url, tên và mật khẩu.",
    Obstacle.NOT_OFFERED: "PACS không cho trạm tìm và lấy trả lời (C-FIND, C-GET). Hãy nhờ người quản trị PACS cho "
    "phép, hoặc ghi url DICOMweb của PACS vào station.toml; trong lúc chờ, hãy xem trả lời trên PACS.",
    Obstacle.REFUSED: "PACS báo lỗi khi trạm hỏi về trả lời. Hãy gọi người quản trị PACS; trong lúc chờ, hãy xem trả "
    "lời trên PACS.",
    Obstacle.DISK: "Trạm hết chỗ lưu nên chưa lấy được trả lời. Hãy giải phóng ổ đĩa.",
    Obstacle.UNREADABLE: "Ở PACS có một tệp mới mà trạm chưa lấy được; trạm tự thử lại, hoặc xem tệp đó trên PACS.",
    Obstacle.COMING: "Một tệp trả lời lớn đang được tải về; có thể xem ngay trên PACS.",
}
EN = {
    Obstacle.UNREACHABLE: "The PACS cannot be asked for answers now; the station asks again by itself.",
    Obstacle.UNTRUSTED: "The TLS certificates of the station and the PACS do not fit. Let a technician look at when "
    "they expire, and at tls = {ca, cert, key} of this destination in station.toml.",
    Obstacle.FORBIDDEN: "The PACS does not let the station ask for answers. Let its administrator check AE title and "
    "the right to query, or url, user name and password.",
    Obstacle.NOT_OFFERED: "The PACS does not let the station find and fetch answers (C-FIND, C-GET). Let its "
    "administrator allow them, or write its DICOMweb url into station.toml; meanwhile look for answers at the PACS.",
    Obstacle.REFUSED: "The PACS answers with an error when asked for answers. Call its administrator; meanwhile look "
    "for answers at the PACS.",
    Obstacle.DISK: "The station's disk is full, so the answer cannot be kept. Free some space.",
    Obstacle.UNREADABLE: "The PACS has a new object that could not be fetched yet; the station tries again, or see it "
    "at the PACS.",
    Obstacle.COMING: "A large answer is on its way; it can be seen at the PACS at once.",
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


def problem_of(error: RouterError) -> str:
    """What is noted of it: the obstacle, and the engineer's words."""
    return f"{obstacle_in(error)}: {error}"


def told(problem: str) -> Obstacle | None:
    """The obstacle that a noted problem begins with."""
    code = problem.partition(":")[0]
    return Obstacle(code) if code in set(Obstacle) else None
