"""Checks of the computer and its programs: clock, certificates, the reader process. Asks nobody."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from dicom_router.clock import Clock
from xray_triage.health.checks import BAD, OK, WARNING, Check, check
from xray_triage.language import N_

# No station of ours can have a clock before this program was written.
BUILT_AT = datetime(2025, 6, 1, tzinfo=UTC)
CERTIFICATE_WARNING = timedelta(days=30)
FORGIVEN_SECONDS = 600  # the clocks of X-ray machines are some minutes off


def clock_check(clock: Clock, *, zone: str, ahead_seconds: float = 0, built_at: datetime = BUILT_AT) -> Check:
    """Local time, and whether it can be right: wrong times are shown, and written into reports.

    ``zone``: what the site calls its own, or nothing. ``ahead_seconds``: a new film's exposure after its arrival.
    """
    now = clock.now()
    local = now.astimezone()
    offset = f"UTC{local:%z}"
    state, message = OK, N_("Đồng hồ: %(time)s, múi giờ %(zone)s.")
    if now < built_at:
        state = WARNING
        message = N_("Đồng hồ máy tính sai (%(time)s). Phim vẫn được nhận; hãy chỉnh lại ngày giờ.")
    elif not zone and not local.utcoffset():
        state = WARNING
        message = N_(
            "Đồng hồ: %(time)s, múi giờ UTC mà không ai chọn. Giờ trên trang và trong kết quả sai 7 giờ so với Việt "
            'Nam: hãy đặt timezone = "Asia/Ho_Chi_Minh" ở [station] trong station.toml rồi khởi động lại.'
        )
    elif ahead_seconds > FORGIVEN_SECONDS:
        state = WARNING
        message = N_(
            "Có phim ghi giờ chụp sau giờ nhận %(minutes)d phút. Hãy so đồng hồ máy X-quang với đồng hồ trạm "
            "(%(time)s, múi giờ %(zone)s) và xem [station] timezone."
        )
    named = f"{zone} ({offset})" if zone else offset
    return check("clock", state, message, time=f"{local:%d/%m/%Y %H:%M}", zone=named, minutes=int(ahead_seconds) // 60)


def certificates_check(ends: Sequence[tuple[datetime, str]], clock: Clock) -> Check:
    """Whether the station's own certificates are valid for a while. ``ends``: when and which file, the first first."""
    if not ends or ends[0][0] - clock.now() > CERTIFICATE_WARNING:
        return check("certificates", OK, N_("Chứng thư đọc được."))
    end, path = ends[0]
    state, message = WARNING, N_("Chứng thư %(path)s hết hạn ngày %(day)s. Hãy xin cấp chứng thư mới trước ngày đó.")
    if end <= clock.now():
        state = BAD
        message = N_("Chứng thư %(path)s đã hết hạn ngày %(day)s: máy khác không nối được nữa. Hãy thay chứng thư mới.")
    return check("certificates", state, message, path=path, day=f"{end.astimezone():%d/%m/%Y}")


def reader_check(is_alive: Callable[[], bool], *, is_held_up: Callable[[], bool] = lambda: False) -> Check:
    """Whether the reader process is there. It is restarted by itself, but for a damaged database (``is_held_up``)."""
    if is_alive():
        return check("reader", OK, N_("Chương trình đọc phim đang chạy."))
    if is_held_up():
        return check("reader", BAD, N_("Chương trình đọc phim chờ cơ sở dữ liệu được dựng lại."))
    return check("reader", BAD, N_("Chương trình đọc phim đang khởi động lại; phim được đọc sau ít giây."))
