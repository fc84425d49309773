"""The words for roles, for what the trail notes, and for what cannot be done to an account. Knows no HTML."""

from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role
from xray_triage.accounts.users import AccountError
from xray_triage.language import N_, Language
from xray_triage.records.signing.faults import NOT_SIGNED

ROLES = {
    Role.DOCTOR: N_("bác sĩ"),
    Role.TECHNICIAN: N_("kỹ thuật viên"),
    Role.ADMIN: N_("quản trị"),
}
ACTIONS = {
    Action.SIGNED_IN: N_("đăng nhập"),
    Action.SIGN_IN_FAILED: N_("đăng nhập sai"),
    Action.SIGNED_OUT: N_("đăng xuất"),
    Action.PASSWORD_CHANGED: N_("đổi mật khẩu"),
    Action.PASSWORD_RESET: N_("cấp lại mật khẩu"),
    Action.USER_ADDED: N_("thêm người dùng"),
    Action.USER_CHANGED: N_("đổi vai trò"),
    Action.USER_DISABLED: N_("khóa tài khoản"),
    Action.USER_ENABLED: N_("mở khóa tài khoản"),
    Action.TOKEN_MADE: N_("tạo mã truy cập"),
    Action.TOKEN_REVOKED: N_("thu hồi mã truy cập"),
    Action.SEARCHED: N_("tìm người bệnh"),
    Action.LISTED: N_("lấy danh sách ca"),
    Action.CASE_SEEN: N_("xem ca"),
    Action.CASE_PRINTED: N_("in phiếu"),
    Action.CASE_DONE: N_("xong ca"),
    Action.CASE_REOPENED: N_("mở lại ca"),
    Action.CONSULTATION_ASKED: N_("yêu cầu hội chẩn"),
    Action.CONSULTATION_CHANGED: N_("sửa câu hỏi hội chẩn"),
    Action.CONSULTATION_WITHDRAWN: N_("rút câu hỏi hội chẩn"),
    Action.ANSWER_OPENED: N_("mở trả lời hội chẩn"),
    Action.VERDICT_GIVEN: N_("đánh giá kết quả AI"),
    Action.RESULT_FINISHED: N_("hoàn tất kết quả"),
    Action.RESULT_AMENDED: N_("sửa kết quả"),
    Action.RESULT_CANCELLED: N_("hủy kết quả"),
    Action.RESULT_OPENED: N_("mở phiếu kết quả"),
    Action.RESULT_SIGNED: N_("ký số kết quả"),
    Action.NOT_SIGNED: N_("ký số không được"),
    Action.PINS_FORGIVEN: N_("cho thử lại mã PIN ký số"),
    Action.REREAD: N_("cho AI đọc lại phim"),
    Action.PATIENT_REGISTERED: N_("đăng ký chụp"),
    Action.ORDER_CHANGED: N_("sửa đăng ký chụp"),
    Action.ORDER_CANCELLED: N_("hủy đăng ký chụp"),
    Action.ORDER_REOPENED: N_("mở lại đăng ký chụp"),
    Action.ORDER_FINISHED: N_("đánh dấu đã chụp"),
    Action.EXPORTED: N_("xuất dữ liệu"),
    Action.CUT_OFFS_SET: N_("chấp nhận ngưỡng AI cho máy X-quang"),
    Action.CUT_OFFS_RESET: N_("trở về ngưỡng của mô hình"),
    Action.FILM_PURGED: N_("xóa phim mà PACS đã xác nhận lưu"),
    Action.CUT_OFFS_LOST: N_("máy X-quang thay đổi, bỏ ngưỡng đã đặt"),
    Action.IMPORTED: N_("nhập phim từ thư mục"),
    Action.RESTORED: N_("khôi phục trạm từ bản sao lưu"),
    Action.STARTED: N_("khởi động trạm"),
    Action.STOPPED: N_("dừng trạm"),
    Action.TRAIL_READ: N_("xem nhật ký"),
    Action.PATIENT_CORRECTED: N_("phim sửa tên hoặc mã người bệnh của ca"),
    Action.PATIENT_CONFLICT: N_("phim của ca mang tên nhiều người bệnh"),
    Action.LOSS_ACKNOWLEDGED: N_("biết cơ sở dữ liệu đã được dựng lại"),
}
DETAILS: dict[Action | str, dict[str, str]] = {  # what the trail keeps as a code
    Action.NOT_SIGNED: {fault.value: words for fault, words in NOT_SIGNED.items()},
    Action.VERDICT_GIVEN: {"agrees": N_("đồng ý"), "disagrees": N_("không đồng ý"), "concludes": N_("kết luận")},
    Action.USER_ADDED: {role.value: word for role, word in ROLES.items()},
    Action.USER_CHANGED: {role.value: word for role, word in ROLES.items()},
}
PROBLEMS = {
    "wrong_password": N_("Mật khẩu hiện tại không đúng."),
    "same_password": N_("Mật khẩu mới phải khác mật khẩu cũ."),
    "different_passwords": N_("Hai lần nhập mật khẩu mới không giống nhau."),
    "password_length": N_("Mật khẩu cần có từ 10 đến 200 ký tự."),
    "password_obvious": N_("Mật khẩu này quá dễ đoán."),
    "bad_name": N_("Tên đăng nhập gồm 1 đến 40 chữ, số hoặc . _ - @, không có dấu cách."),
    "bad_full_name": N_("Họ tên dài quá 100 ký tự hoặc có ký tự lạ."),
    "bad_licence": N_("Số GPHN/CCHN có nhiều nhất 40 chữ, trong một dòng."),
    "reserved_name": N_("“AI” là tên của chương trình; hãy ghi họ tên đầy đủ."),
    "bad_role": N_("Không có vai trò này."),
    "name_taken": N_("Đã có người dùng tên này."),
    "last_admin": N_("Đây là người quản trị cuối cùng; hãy thêm người quản trị khác trước."),
    "unknown_user": N_("Không có người dùng này."),
}


def problem_in(language: Language, error: AccountError) -> str:
    """What went wrong, for the doctor."""
    return language.say(PROBLEMS[error.code])


def action_in(language: Language, action: Action | str) -> str:
    """What was done; as it stands where another version of the program wrote it."""
    return language.say(ACTIONS[action]) if isinstance(action, Action) else action


def detail_in(language: Language, action: Action | str, detail: str) -> str:
    """What more the trail says of ``action``, in the visitor's words where it keeps a code."""
    codes = DETAILS.get(action, {})
    return language.translate(codes[detail]) if detail in codes else detail
