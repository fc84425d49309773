"""Is the station well? Checks in plain words for the page, /readyz and the CLI's ``check``. Joins nothing itself.

A check is a callable without arguments that gives a Check and does not raise. station.py makes them from these
functions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from dicom_router.clock import Clock
from dicom_router.errors import PeerRefused, PeerUnreachable, PeerUntrusted
from dicom_router.transport.archive import Archive
from dicom_router.transport.protocol import Transport
from xray_triage.consultations.obstacles import EN, PERSONS, VI, Obstacle, obstacle_in, told

# No station of ours can have a clock before this program was written.
BUILT_AT = datetime(2025, 6, 1, tzinfo=UTC)
GIB = 1024**3


class CheckState(StrEnum):
    """OK; WARNING: work goes on, a person should look; BAD: a film could not be taken or read now."""

    OK = "ok"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One answer. ``vi`` and ``en`` say what is wrong and what to do; ``detail`` is for the engineer."""

    name: str
    state: CheckState
    vi: str
    en: str
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
    return sorted((c for c in report if c.state is not CheckState.OK), key=lambda c: c.state is not CheckState.BAD)


def ready(report: Sequence[Check]) -> bool:
    """Whether a film could be taken and read now."""
    return all(check.state is not CheckState.BAD for check in report)


def _ok(name: str, vi: str, en: str) -> Check:
    return Check(name=name, state=CheckState.OK, vi=vi, en=en)


def disk_check(free_bytes: Callable[[], int], *, warn_bytes: int = 5 * GIB) -> Check:
    """Room above the reserve (``Spool.free_bytes``): without any no film is taken."""
    free = free_bytes()
    size = f"{free / GIB:.1f}"
    vi, en = f"còn {size.replace('.', ',')} GB trống", f"{size} GB free"
    if free <= 0:
        return Check(
            name="disk",
            state=CheckState.BAD,
            vi=f"Hết chỗ lưu phim ({vi}). Hãy giải phóng ổ đĩa; máy X-quang sẽ tự gửi lại.",
            en=f"No room for films ({en}). Free some disk space; the X-ray machine will send again.",
        )
    if free < warn_bytes:
        return Check(
            name="disk",
            state=CheckState.WARNING,
            vi=f"Ổ đĩa sắp đầy ({vi}). Hãy giải phóng ổ đĩa.",
            en=f"The disk is nearly full ({en}). Free some disk space.",
        )
    return _ok("disk", f"Ổ đĩa {vi}.", f"The disk has {en}.")


def clock_check(clock: Clock, *, built_at: datetime = BUILT_AT) -> Check:
    """Whether the clock is after the day this program was made. A wrong one harms only the times shown."""
    now = clock.now()
    if now < built_at:
        return Check(
            name="clock",
            state=CheckState.WARNING,
            vi=f"Đồng hồ máy tính sai ({now:%d/%m/%Y}). Phim vẫn được nhận; hãy chỉnh lại ngày giờ.",
            en=f"The computer's clock is wrong ({now:%Y-%m-%d}). Films are still taken; set date and time.",
        )
    return _ok("clock", f"Đồng hồ: {now:%d/%m/%Y}.", f"The clock says {now:%Y-%m-%d}.")


def model_check(verify: Callable[[], str], error_type: type[Exception]) -> Check:
    """Whether the model's hash and golden film are right. ``verify`` gives its name or raises ``error_type``."""
    try:
        name = verify()
    except error_type as error:
        return Check(
            name="model",
            state=CheckState.BAD,
            vi="AI đang tắt: mô hình không dùng được. Phim vẫn được nhận và gửi đi, nhưng chưa được đọc. "
            "Hãy cài lại mô hình: xray-triage model verify.",
            en="AI is off: the model cannot be used. Films are still taken and forwarded, but not read. "
            "See: xray-triage model verify.",
            detail=str(error),
        )
    return _ok("model", f"Mô hình AI {name} đúng.", f"The AI model {name} is right.")


def thresholds_check(idle: Mapping[str, str]) -> Check:
    """Thresholds of station.toml that do nothing: ``idle`` says why, by label."""
    if not idle:
        return _ok("thresholds", "Các ngưỡng đều có hiệu lực.", "Every threshold is in use.")
    names = ", ".join(idle)
    return Check(
        name="thresholds",
        state=CheckState.WARNING,
        vi=f"Ngưỡng của {names} không có tác dụng: mô hình không báo các mục này. Hãy xóa khỏi [model] thresholds.",
        en=f"The model withholds {names}, so the threshold does nothing. Take it out of [model] thresholds.",
        detail="; ".join(f"{name} is withheld: {why}" for name, why in idle.items()),
    )


def drift_check(films: int, drifted: Sequence[str] | None) -> Check:
    """Whether the scores of the newest films lie as when the model was measured; not for ``drifted``. None: unknown."""
    if drifted is None:
        return _ok(
            "drift", f"Mới có {films} phim, chưa biết điểm AI có lệch không.", f"Not known yet after {films} films."
        )
    if not drifted:
        return _ok("drift", f"Điểm AI của {films} phim gần đây không lệch.", f"No drift on the last {films} films.")
    names = ", ".join(drifted)
    return Check(
        name="drift",
        state=CheckState.WARNING,
        vi=f"Điểm AI của {films} phim gần đây khác các phim đã dùng để đo mô hình ({names}); số liệu của mô hình có thể"
        " không đúng ở đây. Máy X-quang có thay hay đổi cài đặt không? Hãy đo lại: xray-triage model evaluate.",
        en=f"On the last {films} films the scores lie otherwise than when the model was measured ({names}); its figures"
        " may not hold here. Is the X-ray machine new, or set otherwise? Measure again: xray-triage model evaluate.",
    )


def machine_check(name: str, films: int, *, waits: bool, changed: bool, strange: bool) -> Check | None:
    """What a person should know of an X-ray machine, or None. ``waits``: its cut-offs are proposed, nobody took any."""
    if strange:
        vi = (
            "Phim của máy này khác phim mô hình biết; đừng dựa vào kết quả âm tính. Cài đặt xử lý ảnh có khác lạ không?"
        )
        en = "Its films are unlike those the model knows: trust no negative result. Is its image processing unusual?"
    elif waits:
        vi = "AI đã đề xuất ngưỡng cho máy này; hãy xem và chấp nhận ở trang Mô hình AI (hoặc xray-triage model site)."
        en = "Cut-offs are proposed for it: look and accept on the page of the model (or xray-triage model site)."
    elif changed:
        vi = f"Phim của máy này đã thay đổi; AI đang làm quen lại ({films} phim). Máy có đổi cài đặt không?"
        en = f"Its films have changed, so it is learned anew ({films} films). Was it set otherwise?"
    else:
        return None
    return Check(name=f"machine:{name}", state=CheckState.WARNING, vi=vi, en=en)


def destination_check(name: str, transport: Transport) -> Check:
    """Whether a destination answers. Nothing is lost while it does not; BAD when only a person can mend it."""
    try:
        transport.echo()
    except PeerUntrusted as error:
        return Check(
            name=f"destination:{name}",
            state=CheckState.BAD,
            vi=VI[Obstacle.UNTRUSTED],
            en=EN[Obstacle.UNTRUSTED],
            detail=str(error),
        )
    except PeerUnreachable as error:
        return Check(
            name=f"destination:{name}",
            state=CheckState.BAD if error.slowly else CheckState.WARNING,
            vi=f"Không liên lạc được {name}. Phim và kết quả được giữ lại, sẽ tự gửi khi có mạng.",
            en=f"{name} does not answer. Films and results are kept and sent when it does.",
            detail=str(error),
        )
    except PeerRefused as error:
        return Check(
            name=f"destination:{name}",
            state=CheckState.BAD,
            vi=f"{name} từ chối kết nối. Hãy nhờ người quản trị PACS kiểm tra AE title và địa chỉ.",
            en=f"{name} refuses us. Ask its administrator to check the AE titles and addresses.",
            detail=str(error),
        )
    return _ok(f"destination:{name}", f"{name} trả lời.", f"{name} answers.")


def answers_check(name: str, archive: Archive) -> Check:
    """Whether a destination can be asked for a specialist's answer; BAD when only a person can mend it."""
    try:
        archive.probe()
    except (PeerUnreachable, PeerRefused) as error:
        obstacle = obstacle_in(error)
        return Check(
            name=f"answers:{name}",
            state=CheckState.BAD if obstacle in PERSONS else CheckState.WARNING,
            vi=VI[obstacle],
            en=EN[obstacle],
            detail=str(error),
        )
    return _ok(f"answers:{name}", f"Hỏi được {name} về trả lời hội chẩn.", f"{name} can be asked for answers.")


def asking_check(problems: Callable[[], Sequence[str]]) -> Check:
    """What of a person's business stands in the way of answers; ``problems`` are those of the open questions."""
    for problem in problems():
        obstacle = told(problem)
        if obstacle in PERSONS:
            return Check(
                name="answers",
                state=CheckState.WARNING,
                vi=VI[obstacle],
                en=EN[obstacle],
                detail=problem.partition(": ")[2],
            )
    return _ok("answers", "Không có trở ngại nào cần người xử lý.", "No obstacle needs a person.")


def reader_check(is_alive: Callable[[], bool]) -> Check:
    """Whether the reader process is there. It is restarted by itself."""
    if is_alive():
        return _ok("reader", "Chương trình đọc phim đang chạy.", "The reader is running.")
    return Check(
        name="reader",
        state=CheckState.BAD,
        vi="Chương trình đọc phim đang khởi động lại; phim được đọc sau ít giây.",
        en="The reader is starting again; films are read in some seconds.",
    )
