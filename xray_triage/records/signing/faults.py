"""Why a result could not be signed, each with one sentence that says what to do. Knows no token and no network."""

from enum import StrEnum

from xray_triage.language import ENGLISH, N_


class Fault(StrEnum):
    """What stands in the way. The result stays final and unsigned, and can be signed later."""

    NOT_CONFIGURED = "not_configured"
    NOT_THE_AUTHOR = "not_the_author"
    NO_RESULT = "no_result"
    NO_DRIVER = "no_driver"
    NO_TOKEN = "no_token"  # noqa: S105
    SEVERAL_TOKENS = "several_tokens"
    NO_CERTIFICATE = "no_certificate"
    SEVERAL_CERTIFICATES = "several_certificates"
    NO_CHAIN = "no_chain"
    NO_PIN = "no_pin"
    WRONG_PIN = "wrong_pin"
    NO_MORE_PINS = "no_more_pins"
    PIN_LOCKED = "pin_locked"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"
    STATUS_UNKNOWN = "status_unknown"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    BAD_SIGNATURE = "bad_signature"
    NO_ANSWER = "no_answer"


NOT_SIGNED = {
    Fault.NOT_CONFIGURED: N_("Trạm chưa được thiết lập ký số: quản trị viên ghi bảng [signing] trong station.toml."),
    Fault.NOT_THE_AUTHOR: N_("Chỉ bác sĩ đã viết bản kết quả này ký được."),
    Fault.NO_RESULT: N_("Ca này chưa có kết quả hoàn tất để ký."),
    Fault.NO_DRIVER: N_("Không mở được trình điều khiển của USB ký số: hãy cài lại, rồi xem [signing] module."),
    Fault.NO_TOKEN: N_("Không thấy USB ký số: hãy cắm vào máy trạm rồi ký lại."),
    Fault.SEVERAL_TOKENS: N_("Có nhiều USB ký số: hãy rút bớt, chỉ để một chiếc, rồi ký lại."),
    Fault.NO_CERTIFICATE: N_("Không thấy chứng thư số để ký: hãy xem [signing] certificate, chain và doctor."),
    Fault.SEVERAL_CERTIFICATES: N_("USB có nhiều chứng thư số: hãy ghi nhãn của một chiếc vào [signing] certificate."),
    Fault.NO_CHAIN: N_("Không có chứng thư của nơi cấp để hỏi trạng thái: hãy ghi tệp vào [signing] chain."),
    Fault.NO_PIN: N_("Hãy gõ mã PIN rồi ký."),
    Fault.WRONG_PIN: N_("Sai mã PIN: hãy gõ lại. Sau ba lần sai, trạm không thử nữa để USB không bị khóa."),
    Fault.NO_MORE_PINS: N_(
        "Đã sai mã PIN ba lần: trạm không thử nữa. Kiểm tra PIN bằng phần mềm của nhà cung cấp, rồi nhờ quản trị viên "
        "chạy: xray-triage sign --forgive"
    ),
    Fault.PIN_LOCKED: N_("Mã PIN đã bị khóa: hãy nhờ nhà cung cấp chứng thư số mở khóa."),
    Fault.EXPIRED: N_("Chứng thư số đã hết hạn: hãy gia hạn với nhà cung cấp, rồi ký lại."),
    Fault.NOT_YET_VALID: N_("Chứng thư số chưa có hiệu lực: hãy kiểm tra ngày giờ của máy trạm, hoặc ký sau."),
    Fault.REVOKED: N_("Chứng thư số đã bị thu hồi: không ký được nữa, hãy xin chứng thư mới."),
    Fault.STATUS_UNKNOWN: N_("Không hỏi được trạng thái của chứng thư số: hãy kiểm tra mạng, rồi ký lại."),
    Fault.REFUSED: N_("Nơi ký số từ chối ký: hãy xem thông báo của nhà cung cấp, rồi ký lại."),
    Fault.UNREACHABLE: N_("Không kết nối được với dịch vụ ký số: hãy kiểm tra mạng, rồi ký lại."),
    Fault.BAD_SIGNATURE: N_("Chữ ký nhận về không khớp với chứng thư số, nên không dùng: hãy báo quản trị viên."),
    Fault.NO_ANSWER: N_("Ký số không xong, hoặc quá lâu: hãy rút USB ra cắm lại, rồi ký lại."),
}


class CannotSign(Exception):
    """Not signed. ``words`` say what to do, in Vietnamese; the message is English. ``detail`` is for the log."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(ENGLISH.translate(NOT_SIGNED[fault]))
        self.fault, self.detail = fault, " ".join(detail.split())[:300]

    @property
    def words(self) -> str:
        return NOT_SIGNED[self.fault]
