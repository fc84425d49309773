"""Checks of the model: whether it is sound, and whether it fits this site's settings, films and machines. Runs none."""

from collections.abc import Callable, Mapping, Sequence

from xray_triage.health.checks import BAD, OK, WARNING, Check, check
from xray_triage.language import LANGUAGES, N_, Language


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


def thresholds_check(idle: Mapping[str, str], far: Mapping[str, tuple[float, float]]) -> Check:
    """Thresholds of station.toml: ``far`` from the bundle's (both of each label); ``idle`` ones, and why."""
    if far:
        message = N_(
            "Ngưỡng của %(names)s trong [model] thresholds quá xa ngưỡng của mô hình: AI có thể bỏ sót, hoặc đánh dấu "
            "gần hết các phim. Hãy xem lại, hoặc xóa đi để trở về ngưỡng của mô hình."
        )
        detail = "; ".join(f"{name} is {own:g}, the bundle's {bundles:.3g}" for name, (own, bundles) in far.items())
        return check("thresholds", WARNING, message, names=", ".join(far), detail=detail)
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
