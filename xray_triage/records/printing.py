"""What stands on the paper of a result beside it: who, ordered by whom, which film. Joins case, film and order.

Made once, when the version is: what is called otherwise later is not called so on it. Decodes no pixel.
"""

from collections.abc import Callable
from datetime import datetime

from pydicom.dataset import Dataset

from dicom_router.store.inbox import Inbox
from xray_triage.cases.case import Case, Image
from xray_triage.cases.casebook import Casebook, UnknownCase
from xray_triage.cases.heat import SmallPictures
from xray_triage.reading.header import text
from xray_triage.records.paper import Sheet, make_paper
from xray_triage.records.result import Result
from xray_triage.results.wording import conflict_line

SEXES = {"M": "nam", "F": "nữ", "O": "khác"}

Draw = Callable[[str, bool], bytes | None]  # a spooled film, whether it is a negative -> JPEG, None where there is none
SentBy = Callable[[Case], tuple[str, str] | None]  # who ordered the film and why, as it was registered here


class Printer:
    """Makes the paper of a version."""

    def __init__(
        self,
        casebook: Casebook,
        inbox: Inbox,
        small_pictures: SmallPictures,
        *,
        draw: Draw,
        sent_by: SentBy,
        station_name: str,
    ) -> None:
        self._casebook, self._inbox, self._small_pictures = casebook, inbox, small_pictures
        self._draw, self._sent_by = draw, sent_by
        self._station_name = station_name

    def make(self, case_id: str, result: Result, header: Dataset) -> bytes:
        """The PDF; ``header``: of a film of the case, repaired. Raises UnknownCase."""
        case = self._casebook.case(case_id)
        if case is None:
            raise UnknownCase(case_id)
        sheet = Sheet(
            station=self._station_name,
            accession_number=case.accession_number,
            whose=" · ".join(part for part in (case.patient.name, case.patient.id, case.accession_number) if part),
            who=[(label, said) for label, said in self._who(case, header) if said],
            film=self._film(case),
            made_at=_in_words(result.made_at),
        )
        return make_paper(result, sheet)

    def _who(self, case: Case, header: Dataset) -> list[tuple[str, str]]:
        patient = case.patient
        age = "" if patient.age_years is None else f"{int(patient.age_years)} tuổi"
        physician, reason = self._sent_by(case) or _sent_by_film(header)
        films = [image for image in case.images if _is_film(image)]
        return [
            ("Họ và tên", patient.name),
            ("Giới tính, tuổi", ", ".join(part for part in (SEXES.get(patient.sex, ""), age) if part)),
            ("Ngày sinh", "/".join(reversed(patient.birth_date.split("-")))),
            ("Mã người bệnh", patient.id),
            ("Số phiếu chỉ định", case.accession_number),
            ("Bác sĩ chỉ định", physician),
            ("Lý do chụp", reason),
            ("Giờ chụp", _moment(case.exposed_at) if case.exposed_at else ""),
            ("Trạm nhận phim", _moment(case.received_at)),
            ("Số phim", str(len(films)) if len(films) > 1 else ""),
            ("Lưu ý", conflict_line(case.conflict.values) if case.conflict else ""),
        ]

    def _film(self, case: Case) -> bytes | None:
        """Of several films the most urgent that was read; a purged one as it was kept, small."""
        films = sorted(filter(_is_film, case.images), key=lambda image: (image.reason is not None, image.priority.rank))
        if not films:
            return None
        image = films[0]
        if image.purged_at is not None:
            return self._small_pictures.of(image.sop_instance_uid)
        arrivals = self._inbox.of_study(case.study_instance_uid)
        keys = (one.spooled.key for one in arrivals if one.instance.sop_instance_uid == image.sop_instance_uid)
        key = next(keys, None)
        return None if key is None else self._draw(key, "inverted" in image.flags)


def _sent_by_film(header: Dataset) -> tuple[str, str]:
    """As the worklist of another hospital told the machine."""
    reasons = (text(header, each) for each in ("ReasonForStudy", "RequestedProcedureDescription"))
    physician = text(header, "ReferringPhysicianName").replace("^", " ").strip()
    return physician, next(filter(None, reasons), "")


def _is_film(image: Image) -> bool:
    return image.reason is None or image.reason.code != "not_a_film"


def _moment(at: datetime) -> str:
    return f"{at.astimezone():%H:%M %d/%m/%Y}"


def _in_words(at: datetime) -> str:
    """As a Vietnamese paper is dated."""
    local = at.astimezone()
    return f"{local:%H} giờ {local:%M}, ngày {local:%d} tháng {local:%m} năm {local.year}"
