"""The words of the registration page: what is wrong with a card or a form, how far an order is. Knows no HTML."""

from xray_triage.language import N_
from xray_triage.orders.order import OrderState

CARD_PROBLEMS = {
    "empty": N_("Chưa có gì trong ô: hãy quét mã QR trên thẻ, hoặc điền biểu mẫu bằng tay."),
    "too_long": N_("Nội dung quá dài, không phải mã QR của một thẻ. Hãy xóa ô rồi quét lại."),
    "unknown": N_("Đây không phải mã QR của thẻ căn cước hay thẻ BHYT. Hãy quét lại, hoặc điền bằng tay."),
    "two_cards": N_(
        "Có mã QR của hai thẻ nối nhau. Hãy quét lại một thẻ, chờ biểu mẫu điền xong rồi mới quét thẻ khác."
    ),
    "cut_short": N_("Mã QR bị cắt giữa chừng hoặc thiếu mục. Hãy quét lại; nếu vẫn vậy, điền bằng tay."),
    "no_name": N_("Mã QR không có họ tên. Hãy điền bằng tay."),
    "bad_name": N_("Họ tên trong mã QR bị mất dấu hoặc mất chữ: đặt máy quét ở chế độ UTF-8, hoặc điền bằng tay."),
    "typed_keys": N_(
        "Bộ gõ tiếng Việt làm sai chữ (như Nguyeenx, Nguye64n). Hãy tắt bộ gõ, hoặc bật nếu đang tắt, rồi quét lại;"
        " nếu vẫn vậy, điền bằng tay."
    ),
    "bad_birth_date": N_("Ngày sinh trong mã QR không phải là một ngày có thật. Hãy quét lại, hoặc điền bằng tay."),
}
MISTAKES = {
    "required": N_("Cần điền ô này."),
    "card_text": N_("Mã QR của thẻ đã được quét vào ô này. Hãy xóa, rồi quét vào ô trên cùng."),
    "too_long": N_("Dài quá số ký tự cho phép."),
    "bad_character": N_("Có ký tự mà máy X-quang không nhận, như \\ ^ = hoặc ký tự điều khiển."),
    "no_letter": N_("Họ tên cần có ít nhất một chữ cái."),
    "bad_date": N_("Ngày này không có thật hoặc quá xa; viết như 31/01/1970."),
    "future_date": N_("Ngày sinh không thể ở sau hôm nay."),
    "bad_number": N_("Số này không đúng: căn cước có 12 chữ số; BHYT có 2 chữ cái và 13 chữ số, hoặc 10 chữ số."),
    "bad_choice": N_("Hãy chọn một trong các mục có sẵn."),
}
CLOSED = N_("Ca này không còn ở trạng thái chờ chụp nên không sửa hoặc hủy được nữa.")
USED_UP = N_("Hôm nay đã cấp hết số phiếu. Hãy nhập người bệnh trực tiếp trên máy X-quang.")
STATES = {
    OrderState.WAITING: (N_("chờ chụp"), "wait"),
    OrderState.IN_PROGRESS: (N_("đang chụp"), "wait"),
    OrderState.DONE: (N_("đã chụp"), "good"),
    OrderState.CANCELLED: (N_("đã hủy"), "none"),
}
