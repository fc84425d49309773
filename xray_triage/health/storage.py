"""Checks of what the station keeps: disk, films, database, backups. Opens none of them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from xray_triage.health.checks import BAD, OK, WARNING, Check, check
from xray_triage.health.rebuilt import Rebuilding, Why
from xray_triage.language import N_

MIB, GIB = 1024**2, 1024**3
WARN_DAYS, LONG_DAYS = 60, 3650
OLDEST_BACKUP = timedelta(days=2)


def disk_check(free_bytes: Callable[[], int], *, warn_bytes: int = 5 * GIB) -> Check:
    """Room above the reserve (``Spool.free_bytes``): without any no film is taken."""
    free = free_bytes()
    state, message = OK, N_("Ổ đĩa còn %(size)s GB trống.")
    if free <= 0:
        state = BAD
        message = N_("Hết chỗ lưu phim (còn %(size)s GB trống). Hãy giải phóng ổ đĩa; máy X-quang sẽ tự gửi lại.")
    elif free < warn_bytes:
        state, message = WARNING, N_("Ổ đĩa sắp đầy (còn %(size)s GB trống). Hãy giải phóng ổ đĩa.")
    return check("disk", state, message, size=free / GIB)


def days_left_check(days_left: float | None) -> Check:
    """Until the disk is full, if all goes on as in the last two weeks; None: nothing came, or it is too early."""
    state, message = OK, N_("Ổ đĩa đủ cho %(n)d ngày nữa, tính theo 14 ngày qua.")
    if days_left is None:
        message = N_("Chưa biết ổ đĩa đủ cho bao lâu: trạm tính theo phim của 14 ngày qua, mỗi phút một lần.")
    elif days_left > LONG_DAYS:
        message = N_("Ổ đĩa đủ cho hơn 10 năm nữa, tính theo 14 ngày qua.")
    elif days_left < WARN_DAYS:
        state = WARNING
        message = N_(
            "Ổ đĩa chỉ còn đủ cho %(n)d ngày: nhiều phim chưa xóa được, vì PACS chưa xác nhận đã lưu hoặc có ca "
            "đang chờ. Hãy xem các PACS tuyến trên và hàng đợi ở trang này, hoặc lắp ổ đĩa lớn hơn."
        )
    return check("days_left", state, message, n=int(days_left or 0))


def retention_check(keep_days: int, purged: int, *, unproved: Sequence[str], takers: Sequence[str]) -> Check:
    """Whether films are ever deleted. ``takers`` get the originals; of them the ``unproved`` prove nothing."""
    message = N_(
        "Phim được xóa khỏi trạm sau %(n)d ngày, hoặc sớm hơn khi ổ đĩa gần đầy, khi PACS đã xác nhận lưu; đến nay "
        "đã xóa %(purged)d phim."
    )
    if not takers:
        message = N_("Không phim nào bị xóa: không có PACS tuyến trên nào lấy phim gốc (send có originals).")
    elif unproved:
        message = N_("Không phim nào bị xóa: %(names)s không xác nhận đã lưu (commitment = false).")
    return check("retention", OK, message, n=keep_days, purged=purged, names=", ".join(unproved))


def database_check(rebuilt: Sequence[Rebuilding], damage: str | None) -> Check:
    """Whether the database is sound, and what of it was lost. ``damage``: what it said when somebody met some."""
    if damage is not None:
        message = N_(
            "Cơ sở dữ liệu hỏng hoặc đã mất. SQLite: trạm đang chạy tự cất bản hỏng và dựng lại từ bản sao lưu và kho "
            "phim; trạm chưa chạy thì hãy khởi động. PostgreSQL: hãy gọi người quản trị cơ sở dữ liệu."
        )
        return check("database", BAD, message, detail=damage)
    if not rebuilt:
        return check("database", OK, N_("Cơ sở dữ liệu tốt."))
    last = rebuilt[-1]
    message = NOT_GOT_BACK[last.why is Why.JOURNAL, last.backup_at is not None]
    told = [f"{one.at:%Y-%m-%d %H:%M} {one.why}: {one.detail}; kept: {one.kept or 'nothing'}" for one in rebuilt]
    day, backup = (f"{at.astimezone():%d/%m/%Y %H:%M}" if at else "" for at in (last.at, last.backup_at))
    return check("database", WARNING, message, detail=" | ".join(told), day=day, backup=backup, n=last.films)


_EMPTY = N_(
    "Cơ sở dữ liệu bị mất hoặc hỏng đã được dựng lại lúc %(day)s từ kho phim (lấy lại %(n)s phim), không có bản "
    "sao lưu. Không lấy lại được: tài khoản, phiếu đăng ký chụp, câu hỏi hội chẩn và trả lời, ý kiến của bác sĩ, nhật "
    "ký, ngưỡng của máy. Hãy thêm lại người dùng (xray-triage init), hỏi lại các ca chờ trả lời, rồi bấm Đã biết ở "
    "trang Tình trạng trạm."
)
_BACKUP = N_(
    "Cơ sở dữ liệu bị mất hoặc hỏng đã được dựng lại lúc %(day)s từ bản sao lưu lúc %(backup)s và kho phim (lấy lại "
    "%(n)s phim). Không lấy lại được những gì ghi sau bản sao lưu: tài khoản, mật khẩu mới, phiếu đăng ký chụp, "
    "câu hỏi hội chẩn và trả lời, ý kiến của bác sĩ, nhật ký. Hãy xem lại, rồi bấm Đã biết ở trang Tình trạng trạm."
)
_JOURNAL = N_(
    "Phần ghi mới nhất của cơ sở dữ liệu (WAL) bị hỏng, đã cất riêng lúc %(day)s; lấy lại %(n)s phim từ kho. Có "
    "thể mất những thay đổi cuối cùng trước đó: tài khoản, phiếu đăng ký chụp, câu hỏi hội chẩn và trả lời, ý kiến "
    "của bác sĩ. Hãy xem lại, rồi bấm Đã biết ở trang Tình trạng trạm."
)
# By: was it the journal alone, was there a backup.
NOT_GOT_BACK = {(False, False): _EMPTY, (False, True): _BACKUP, (True, False): _JOURNAL, (True, True): _BACKUP}


def spool_check(films: int, files: int, apart: tuple[int, int]) -> Check:
    """Whether every row has its file. ``films``, ``files``: which have none, of what came and of what was made here.

    ``apart``: files that nobody can use, kept for a person, and their bytes.
    """
    state, message = OK, N_("Kho phim khớp với cơ sở dữ liệu.")
    if films or files:
        state = WARNING
        message = N_(
            "%(films)s phim và %(files)s tệp kết quả không còn trên đĩa của trạm. Hãy kiểm tra ổ đĩa (smartctl, fsck), "
            "rồi gửi lại phim từ máy X-quang hoặc chép lại từ bản sao lưu; trang của ca nói thiếu mấy phim."
        )
    elif apart[0]:
        message = N_(
            "Kho phim khớp với cơ sở dữ liệu. %(apart)s tệp không dùng được (%(size)s MB) để riêng trong spool/apart."
        )
    return check(
        "spool",
        state,
        message,
        films=films,
        files=files,
        apart=apart[0],
        size=-(-apart[1] // MIB),
    )


def backup_check(made_at: datetime | None, problem: str, now: datetime) -> Check:
    """How it stands with the backups: when the newest was made, and why the last try failed, if it did."""
    state, message = OK, N_("Bản sao lưu mới nhất: %(day)s.")
    if problem:
        state = WARNING
        message = N_("Không sao lưu được; trạm sẽ tự thử lại. Hãy xem ổ đĩa sao lưu còn nối và còn chỗ không.")
    elif made_at is None:
        state, message = WARNING, N_("Chưa có bản sao lưu nào.")
    elif now - made_at > OLDEST_BACKUP:
        state = WARNING
        message = N_("Bản sao lưu mới nhất đã cũ (%(day)s). Hãy xem nhật ký máy của trạm.")
    return check("backup", state, message, day=f"{made_at:%d/%m/%Y}" if made_at else "", detail=problem)


def elsewhere_check(count: Callable[[], int]) -> Check:
    """Whether films wait whose files lie in another station's spool (``Ledger.elsewhere``): only that one can work."""
    number = count()
    if not number:
        return check("elsewhere", OK, N_("Mọi phim đang chờ đều nằm ở trạm này."))
    message = N_(
        "%(n)d việc đang chờ một trạm khác dùng chung cơ sở dữ liệu, vì tệp phim nằm ở trạm đó. Hãy bật trạm đó."
    )
    return check("elsewhere", WARNING, message, n=number)
