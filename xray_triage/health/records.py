"""What a person is told of the results on their way to HIS, FHIR server and folder. Joins nothing itself."""

from collections.abc import Sequence

from dicom_router.errors import PeerRefused, PeerUnreachable
from xray_triage.health.checks import Check, CheckState, check
from xray_triage.language import N_
from xray_triage.records.outbox import PeerSummary
from xray_triage.records.transport import RecordTransport

REFUSED = N_(
    "%(name)s từ chối %(number)d kết quả của bác sĩ. Hãy gọi người quản trị HIS, đọc cho họ dòng chữ nhỏ của từng kết "
    "quả ở mục Kết quả gửi HIS, rồi bấm gửi lại."
)
STUCK = N_(
    "%(name)s trả lời nhưng không nhận được %(number)d kết quả dù trạm đã gửi nhiều lần. Các kết quả khác vẫn được "
    "gửi; trạm sẽ còn thử lại. Hãy gọi người quản trị HIS, đọc cho họ dòng chữ nhỏ."
)
ALL_TAKEN = N_("Không kết quả nào của bác sĩ bị từ chối.")
AWAY = N_("Không liên lạc được %(name)s. Kết quả của bác sĩ được giữ lại, sẽ tự gửi khi có mạng.")
MUST_ACT = N_("%(name)s không nhận kết quả của bác sĩ cho tới khi có người sửa: %(problem)s")
ANSWERS = N_("%(name)s trả lời.")
NO_CODES = N_(
    "%(name)s trả lời. Các ô %(fields)s trong bảng XML4 để trống, vì [codes.chest_pa] trong station.toml chưa khai "
    "báo; HIS phải tự điền."
)


def records_check(peers: Sequence[PeerSummary]) -> Check:
    """Whether a person must look at a result that a peer refuses, or never takes; says the first of several."""
    for peer in peers:
        if peer.refused:
            return check("records", CheckState.WARNING, REFUSED, name=peer.name, number=peer.refused)
    for peer in peers:
        if peer.stuck:
            detail = peer.last_error or ""
            return check("records", CheckState.WARNING, STUCK, name=peer.name, number=peer.stuck, detail=detail)
    return check("records", CheckState.OK, ALL_TAKEN)


def record_peer_check(name: str, transport: RecordTransport, *, empty: Sequence[str] = ()) -> Check:
    """Whether a peer answers; nothing is lost while it does not. ``empty``: fields of XML4 without a code."""
    try:
        transport.echo()
    except (PeerUnreachable, PeerRefused) as error:
        must_act = isinstance(error, PeerRefused) or error.slowly
        state, message = CheckState.WARNING, MUST_ACT if must_act else AWAY
        return check(f"record:{name}", state, message, name=name, problem=str(error), detail=str(error))
    finally:
        transport.close()
    if empty:
        return check(f"record:{name}", CheckState.OK, NO_CODES, name=name, fields=", ".join(empty))
    return check(f"record:{name}", CheckState.OK, ANSWERS, name=name)
