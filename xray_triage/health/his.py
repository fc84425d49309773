"""What a person is told of the orders of the HIS: where they come in, and when the last one did. Knows no store."""

from datetime import datetime

from xray_triage.health.checks import Check, CheckState, check
from xray_triage.language import N_

HEARD = N_("Trạm nhận chỉ định của HIS qua %(ways)s; tin nhắn gần nhất lúc %(at)s.")
NEVER_HEARD = N_("Trạm nhận chỉ định của HIS qua %(ways)s; chưa có tin nhắn nào.")
FOLDER_PROBLEM = N_(
    "Trạm không lấy được chỉ định của HIS từ thư mục. Hãy xem [orders] folder và quyền đọc, ghi của trạm ở đó; "
    "phim vẫn được nhận như thường."
)


def his_check(ways: str, last_at: datetime | None, problem: str) -> Check:
    """``ways``: addresses and folders; ``problem``: of the folder, for the engineer. Never bad: films come anyway."""
    if problem:
        return check("his", CheckState.WARNING, FOLDER_PROBLEM, detail=problem)
    if last_at is None:
        return check("his", CheckState.OK, NEVER_HEARD, ways=ways)
    return check("his", CheckState.OK, HEARD, ways=ways, at=f"{last_at.astimezone():%d/%m/%Y %H:%M}")
