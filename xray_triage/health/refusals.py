"""What a person is told of what is refused, here or by a destination: why, and what to do. Knows no store."""

from collections.abc import Mapping, Sequence

from xray_triage.health.checks import Check, CheckState, check
from xray_triage.language import N_

NONE_REFUSED = N_("Không máy nào bị trạm từ chối nhiều lần.")
SOME_REFUSED = N_(
    "Trạm đang từ chối %(n)d máy; phim của máy có thể chưa vào trạm. Hãy xem mục Máy bị trạm từ chối ở trang Tình "
    "trạng trạm."
)
NOTHING_STUCK = N_("Không tệp nào phải gửi đi gửi lại.")
STUCK = N_(
    "%(name)s trả lời nhưng không nhận được %(n)d tệp dù trạm đã gửi nhiều lần (ngắt kết nối, không trả lời hoặc "
    "báo bận). Các tệp khác vẫn được gửi; trạm sẽ còn thử lại. Hãy gọi người quản trị PACS, đọc cho họ dòng chữ nhỏ."
)
# By the reason, or the status of a single object.
WORDS: Mapping[str, str] = {
    "unknown_caller": N_(
        "Máy %(machine)s không có trong danh sách được phép. Nếu là máy của trạm, hãy thêm AE title và địa chỉ của máy "
        "vào [listener] allow trong station.toml rồi khởi động lại trạm; nếu không, hãy tìm xem máy nào đang gọi."
    ),
    "wrong_called_title": N_(
        "Máy %(machine)s gọi sai AE title của trạm. Hãy sửa AE title của nơi nhận trong máy cho đúng với [station] "
        "ae_title."
    ),
    "too_many": N_(
        "Máy %(machine)s mở quá nhiều kết nối cùng lúc. Hãy giảm số kết nối trong máy, hoặc tăng [listener] "
        "max_associations."
    ),
    "no_tls": N_(
        "Máy ở địa chỉ %(machine)s không nối được TLS với trạm. Hãy bật TLS trong máy và cài chứng thư mà trạm tin."
    ),
    "no_context": N_(
        "Máy %(machine)s chỉ đề nghị loại tệp hoặc kiểu nén mà trạm không nhận. Hãy chọn trong máy kiểu không nén "
        "(Implicit hoặc Explicit VR Little Endian), hoặc báo hãng máy."
    ),
    "query": N_(
        "Máy %(machine)s hỏi danh sách chụp bằng điều kiện mà trạm không hiểu, nên danh sách trong máy có thể trống. "
        "Hãy sửa điều kiện tìm trong máy, hoặc báo hãng máy."
    ),
    "aborted": N_(
        "Trạm phải ngắt kết nối của máy %(machine)s vì máy gửi sai chuẩn DICOM; phim đang gửi lúc đó chưa vào trạm. "
        "Hãy báo hãng máy và đọc cho họ dòng chữ nhỏ."
    ),
    "his_unknown": N_(
        "Máy %(machine)s muốn gửi chỉ định nhưng không có trong danh sách được phép. Nếu là HIS của trạm, "
        "hãy thêm địa chỉ vào [orders] hl7 allow trong station.toml rồi khởi động lại trạm; nếu không, hãy tìm xem máy "
        "nào đang gọi."
    ),
    "his_too_many": N_(
        "HIS %(machine)s mở quá nhiều kết nối cùng lúc. Hãy báo hãng HIS: gửi các chỉ định qua một kết nối, "
        "hoặc đóng kết nối sau mỗi tin nhắn."
    ),
    "his_message": N_(
        "Trạm không nhận được một chỉ định của %(machine)s nên người bệnh có thể chưa có trong danh sách chụp. Hãy "
        "đăng ký bằng tay, rồi báo hãng HIS và đọc cho họ dòng chữ nhỏ."
    ),
    "not_reached": N_(
        "Máy %(machine)s chờ trạm gọi lại để báo phim đã được lưu, nhưng trạm không gọi được. Hãy kiểm tra port của "
        "máy trong [listener] allow, tường lửa, và máy có cho phép AE title của trạm không."
    ),
    "0x0117": N_(
        "Một phim của máy %(machine)s có mã (UID) không hợp lệ nên chưa vào trạm. Hãy báo hãng máy; chụp hoặc gửi lại "
        "phim với mã mới."
    ),
    "0xA700": N_(
        "Trạm không lưu được một phim của máy %(machine)s: hết chỗ, hoặc phim quá lớn. Hãy xem ổ đĩa, rồi gửi lại phim."
    ),
    "0xA900": N_(
        "Một phim của máy %(machine)s ghi trong tệp một mã khác với mã máy báo khi gửi, nên chưa vào trạm. Hãy gửi "
        "lại; nếu vẫn bị, báo hãng máy."
    ),
    "0xC000": N_(
        "Một phim của máy %(machine)s bị cắt, hỏng hoặc thiếu mã nên chưa vào trạm. Hãy gửi lại từ máy; nếu vẫn bị, "
        "báo hãng máy và đọc cho họ dòng chữ nhỏ."
    ),
}
_OTHER = N_("Trạm từ chối điều máy %(machine)s yêu cầu. Hãy báo hãng máy và đọc cho họ dòng chữ nhỏ.")


def refusal_check(machine: str, reason: str, detail: str) -> Check:
    """One machine and reason; ``detail`` is for the engineer."""
    return check(f"refused:{machine}", CheckState.WARNING, WORDS.get(reason, _OTHER), machine=machine, detail=detail)


def stuck_check(stuck: Sequence[tuple[str, int, str]]) -> Check:
    """Whether a destination answers and does not take what it is given again and again; says the first of several."""
    for name, number, error in stuck:
        return check("stuck", CheckState.WARNING, STUCK, name=name, n=number, detail=error)
    return check("stuck", CheckState.OK, NOTHING_STUCK)


def refusals_check(told: int) -> Check:
    """How many machines a person must hear of."""
    if not told:
        return check("refused", CheckState.OK, NONE_REFUSED)
    return check("refused", CheckState.WARNING, SOME_REFUSED, n=told)
