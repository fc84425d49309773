"""Films that were not read go through reading again when a person asks for it. Reads no film itself.

The work that was done is made due again, so that a film is never queued twice; the reader writes its new result over
the old one in the case, and the report that it makes has another UID, as it has another reason or names a model.
"""

from dicom_router.errors import DamagedFile
from dicom_router.store.inbox import Inbox
from dicom_router.store.spool import Spool
from xray_triage.cases.case import Case, Image
from xray_triage.cases.casebook import Casebook, UnknownCase
from xray_triage.language import ENGLISH, N_

NO_FILM = "not_a_film"
OURS = frozenset({"no_model", "model_failed", "reader_died"})  # reasons that lay with the station, not with the film
READ = N_("Không có phim nào của ca này mà AI chưa đọc.")
UNDER_WAY = N_("Phim của ca này đang được đọc hoặc đang chờ đọc.")
GONE = N_("Tệp phim không còn ở trạm: hãy lấy phim từ PACS, hoặc gửi lại từ máy X-quang.")


class CannotReread(Exception):
    """No film of the case can be read again now. ``words`` say why, in Vietnamese; the message is English."""

    def __init__(self, words: str) -> None:
        super().__init__(ENGLISH.translate(words))
        self.words = words


class Rereading:
    """Queues films again. Whoever asks is noted by the caller."""

    def __init__(self, casebook: Casebook, *, inbox: Inbox, spool: Spool) -> None:
        self._casebook = casebook
        self._inbox = inbox
        self._spool = spool

    def reread(self, case_id: str, *, reason: str | None = None) -> int:
        """Queue the films of a case that were not read (for this reason); how many. Raises UnknownCase, CannotReread.

        What is no film at all is read again only when its reason is named.
        """
        case = self._casebook.case(case_id)
        if case is None:
            raise UnknownCase(case_id)
        wanted = unread_films(case, reason)
        if not wanted:
            raise CannotReread(READ)
        at_hand = [image.arrival_id for image in wanted if self._is_at_hand(image)]
        if not at_hand:
            raise CannotReread(GONE)
        queued = sum(self._inbox.read_again(arrival_id) for arrival_id in at_hand)
        if not queued:
            raise CannotReread(UNDER_WAY)
        return queued

    def is_under_way(self, case: Case) -> bool:
        """Whether a film of the case that was not read is in the queue."""
        return self._inbox.is_queued(image.arrival_id for image in unread_films(case))

    def _is_at_hand(self, image: Image) -> bool:
        try:
            arrival = self._inbox.get(image.arrival_id)
            if arrival.spool_id == self._spool.id:  # else the station that has it will look
                self._spool.open(arrival.spooled.key).close()
        except (DamagedFile, LookupError):
            return False
        return True


def unread_films(case: Case, reason: str | None = None) -> list[Image]:
    """The films of a case that were not read, for this reason (a code) or for any."""
    codes = {image.sop_instance_uid: image.reason.code for image in case.images if image.reason is not None}
    wanted = {uid for uid, code in codes.items() if (code != NO_FILM if reason is None else code == reason)}
    return [image for image in case.images if image.sop_instance_uid in wanted]


def may_differ(image: Image, sha256: str | None) -> bool:
    """Whether the model with this hash, None while AI is off, may say something else of a film that was not read."""
    if sha256 is None or image.reason is None:
        return False
    return image.reason.code in OURS or (image.model is not None and image.model.sha256 != sha256)
