"""Is the station well? Checks in plain words for the page, /readyz and the CLI's ``check``. Joins nothing itself.

A check is a callable without arguments that gives a Check and does not raise. station/self_check.py makes them from
these functions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from dicom_router.clock import Clock
from dicom_router.errors import NotOffered, PeerRefused, PeerUnreachable, PeerUntrusted
from dicom_router.transport.archive import Archive
from dicom_router.transport.forwarder import SILENCE
from dicom_router.transport.protocol import Transport
from xray_triage.consultations.obstacles import OBSTACLES, PERSONS, Obstacle, obstacle_in
from xray_triage.health.rebuilt import Rebuilding, Why
from xray_triage.language import LANGUAGES, N_, Language

# No station of ours can have a clock before this program was written.
BUILT_AT = datetime(2025, 6, 1, tzinfo=UTC)
MIB, GIB = 1024**2, 1024**3
CERTIFICATE_WARNING = timedelta(days=30)
WARN_DAYS, LONG_DAYS = 60, 3650
OLDEST_BACKUP = timedelta(days=2)
NOT_THERE = SILENCE | {"HTTP 200"}  # a login page stands before it
TOLD_FOR = timedelta(days=7)
FORGIVEN_SECONDS = 600  # the clocks of X-ray machines are some minutes off


class CheckState(StrEnum):
    """OK; WARNING: work goes on, a person should look; BAD: a film could not be taken or read now."""

    OK = "ok"
    WARNING = "warning"
    BAD = "bad"


OK, WARNING, BAD = CheckState.OK, CheckState.WARNING, CheckState.BAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One answer. ``said``: by language, what is wrong and what to do; ``detail`` is for the engineer."""

    name: str
    state: CheckState
    said: Mapping[str, str] = field(hash=False)  # the page remembers answers by what the checks say
    detail: str = ""


Probe = Callable[[], Check]


class Health:
    """The checks of one station, in the order they were given."""

    def __init__(self, probes: Iterable[Probe]) -> None:
        self._probes = tuple(probes)

    def report(self) -> list[Check]:
        return [probe() for probe in self._probes]


def troubles(report: Sequence[Check]) -> list[Check]:
    """What is not OK, the worst first."""
    return sorted((check for check in report if check.state is not OK), key=lambda check: check.state is not BAD)


def ready(report: Sequence[Check]) -> bool:
    """Whether a film could be taken and read now."""
    return all(check.state is not BAD for check in report)


def check(name: str, state: CheckState, message: str, /, *, detail: str = "", **values: object) -> Check:
    """A check that says ``message`` (Vietnamese, of the catalogue) with its ``values``."""
    said = {code: Language(code).say(message, **values) for code in LANGUAGES}
    return Check(name=name, state=state, said=said, detail=detail)


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
    """Until the disk is full, if all goes on as in the last two weeks; None: nothing came, nothing can be told."""
    state, message = OK, N_("Ổ đĩa đủ cho %(n)d ngày nữa, tính theo 14 ngày qua.")
    if days_left is None:
        message = N_("14 ngày qua không có phim nào, nên chưa biết ổ đĩa đủ cho bao lâu.")
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


def model_check(verify: Callable[[], str], error_type: type[Exception]) -> Check:
    """Whether the model's hash and golden film are right. ``verify`` gives its name or raises ``error_type``."""
    try:
        return check("model", OK, N_("Mô hình AI %(name)s đã kiểm tra, hoạt động tốt."), name=verify())
    except error_type as error:
        message = N_(
            "AI đang tắt: mô hình không dùng được. Phim vẫn được nhận và gửi đi, nhưng chưa được đọc. "
            "Hãy cài lại mô hình: xray-triage model verify."
        )
        return check("model", BAD, message, detail=str(error))


def thresholds_check(idle: Mapping[str, str]) -> Check:
    """Thresholds of station.toml that do nothing: ``idle`` says why, by label."""
    if not idle:
        return check("thresholds", OK, N_("Các ngưỡng đều có hiệu lực."))
    message = N_(
        "Ngưỡng của %(names)s không có tác dụng: mô hình không báo các mục này. Hãy xóa khỏi [model] thresholds."
    )
    detail = "; ".join(f"{name} is withheld: {why}" for name, why in idle.items())
    return check("thresholds", WARNING, message, names=", ".join(idle), detail=detail)


def urgency_check(never: Sequence[str]) -> Check:
    """``never``: findings (in Vietnamese) that station.toml calls urgent and the model does not judge."""
    if not never:
        return check("urgency", OK, N_("Mô hình đánh giá mọi dấu hiệu mà trạm coi là khẩn cấp."))
    message = N_(
        "Không bao giờ báo khẩn vì %(names)s: mô hình không đánh giá. Bác sĩ cần tự xem, hoặc bỏ khỏi [policy] urgent."
    )
    said = {}
    for code in LANGUAGES:
        language = Language(code)
        said[code] = language.say(message, names=", ".join(language.translate(name) for name in never))
    return Check(name="urgency", state=WARNING, said=said)


def drift_check(films: int, drifted: Sequence[str] | None) -> Check:
    """Whether the scores of the newest films lie as when the model was measured; not for ``drifted``. None: unknown."""
    state, message = OK, N_("Điểm AI của %(n)s phim gần đây không lệch.")
    if drifted is None:
        message = N_("Mới có %(n)s phim, chưa biết điểm AI có lệch không.")
    elif drifted:
        state = WARNING
        message = N_(
            "Điểm AI của %(n)s phim gần đây khác các phim đã dùng để đo mô hình (%(names)s); số liệu của "
            "mô hình có thể không đúng ở đây. Máy X-quang có thay hay đổi cài đặt không? Hãy đo lại: "
            "xray-triage model evaluate."
        )
    return check("drift", state, message, n=films, names=", ".join(drifted or ()))


def machine_check(name: str, films: int, *, waits: bool, changed: bool, strange: bool) -> Check | None:
    """What a person should know of an X-ray machine, or None. ``waits``: its cut-offs are proposed, nobody took any."""
    if strange:
        told = N_(
            "Phim của máy này khác phim mô hình biết; đừng dựa vào kết quả âm tính. Cài đặt xử lý ảnh có lạ không?"
        )
    elif waits:
        told = N_("AI đã đề xuất ngưỡng cho máy này; hãy xem và chấp nhận ở trang Mô hình AI.")
    elif changed:
        told = N_("Phim của máy này đã thay đổi; AI đang làm quen lại (%(n)d phim). Máy có đổi cài đặt không?")
    else:
        return None
    return check(f"machine:{name}", WARNING, told, n=films)


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


def collector_check(problem: str) -> Check:
    """Whether the collector of the audit trail takes it; nothing is lost while it does not."""
    state, message = OK, N_("Máy thu nhật ký trả lời.")
    if problem:
        state, message = WARNING, N_("Không gửi được nhật ký tới máy thu. Nhật ký được giữ lại và tự gửi lại.")
    return check("audit", state, message, detail=problem)


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


def elsewhere_check(count: Callable[[], int]) -> Check:
    """Whether films wait whose files lie in another station's spool (``Ledger.elsewhere``): only that one can work."""
    number = count()
    if not number:
        return check("elsewhere", OK, N_("Mọi phim đang chờ đều nằm ở trạm này."))
    message = N_(
        "%(n)d việc đang chờ một trạm khác dùng chung cơ sở dữ liệu, vì tệp phim nằm ở trạm đó. Hãy bật trạm đó."
    )
    return check("elsewhere", WARNING, message, n=number)


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


def reader_check(is_alive: Callable[[], bool], *, is_held_up: Callable[[], bool] = lambda: False) -> Check:
    """Whether the reader process is there. It is restarted by itself, but for a damaged database (``is_held_up``)."""
    if is_alive():
        return check("reader", OK, N_("Chương trình đọc phim đang chạy."))
    if is_held_up():
        return check("reader", BAD, N_("Chương trình đọc phim chờ cơ sở dữ liệu được dựng lại."))
    return check("reader", BAD, N_("Chương trình đọc phim đang khởi động lại; phim được đọc sau ít giây."))
