"""One case, its question at a desk, a PACS, and the workers between: as the tests of answers need them."""

from pydicom.dataset import Dataset

from dicom_router.clock import SystemClock
from dicom_router.transport.archive import Archive, FoundInstance, FoundStudy, Write
from dicom_router.transport.dicomweb_archive import DicomwebArchive
from tests.factories import film_bytes
from tests.peers.orthanc import OrthancPeer
from tests.xray_triage.desk import TestDesk, reading
from tests.xray_triage.replies import KEY_OBJECTS
from xray_triage.cases.consultation import Consultation
from xray_triage.consultations.answers import Answers
from xray_triage.consultations.fetching import LARGEST_BYTES, Fetcher
from xray_triage.consultations.large_objects import LargeObjects
from xray_triage.consultations.obstacles import Obstacle
from xray_triage.consultations.polling import AnswerPolling
from xray_triage.results.content import evidence
from xray_triage.results.items import reference

POLL_SECONDS = 60.0
STUDY = "1.2.3.4"


class Passing:
    """An archive that hands on what another one says."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    def instances(self, study_instance_uid: str) -> list[FoundInstance]:
        return self.archive.instances(study_instance_uid)

    def studies(self, accession_number: str) -> list[FoundStudy]:
        return self.archive.studies(accession_number)

    def probe(self) -> None:
        self.archive.probe()

    def fetch(self, found: FoundInstance, write: Write) -> None:
        self.archive.fetch(found, write)

    def close(self) -> None:
        self.archive.close()


class Round:
    """One case at a desk, and the worker that asks Orthanc for its answers."""

    def __init__(self, desk: TestDesk, orthanc: OrthancPeer) -> None:
        self.desk = desk
        self.orthanc = orthanc
        self.archive: Archive = DicomwebArchive(orthanc.dicomweb_url, clock=SystemClock())
        self.worker = self.another_worker()
        self.case_id = desk.add(reading(), study_instance_uid=STUDY).case_id

    def another_worker(self, archive: Archive | None = None, *, largest_bytes: int = LARGEST_BYTES) -> AnswerPolling:
        """Who asks; who fetches what takes long is ``self.large``."""
        desk, archives = self.desk, {"pacs": archive or self.archive}
        book = Answers(desk.database, clock=desk.clock, notices=desk.notices)
        fetcher = Fetcher(
            book,
            clock=desk.clock,
            spool=desk.spool,
            poll_seconds=POLL_SECONDS,
            largest_bytes=largest_bytes,
            jitter=lambda: 0.0,
        )
        self.large = LargeObjects(fetcher, archives=archives)
        return AnswerPolling(
            desk.database,
            clock=desk.clock,
            inbox=desk.inbox,
            outbox=desk.outbox,
            book=book,
            fetcher=fetcher,
            large=self.large,
            archives=archives,
            poll_seconds=POLL_SECONDS,
            jitter=lambda: 0.0,
        )

    def ask(self, question: str = "Có tràn khí không?", priority: str = "routine", *, sent: bool = True) -> None:
        """The doctor asks; the study is looked at; the PACS takes the request."""
        self.desk.consultations.request(self.case_id, question=question, priority=priority, requested_by="BS. Lan")
        self.worker.run_once()
        if sent:
            self.desk.deliver()

    def write(self, made: Dataset) -> Dataset:
        """Somebody stores an object into the study at the PACS."""
        made.StudyInstanceUID = STUDY
        self.orthanc.upload(film_bytes(made))
        return made

    def poll(self, after_seconds: float = POLL_SECONDS + 1) -> Consultation:
        self.desk.clock.advance(after_seconds)
        self.worker.run_once()
        while self.large.run_once():
            pass
        return self.consultation

    @property
    def consultation(self) -> Consultation:
        case = self.desk.casebook.case(self.case_id)
        assert case is not None
        assert case.consultation is not None
        return case.consultation

    @property
    def obstacle(self) -> Obstacle | None:
        problem = self.consultation.problem
        return Obstacle(problem.obstacle) if problem else None

    @property
    def notes(self) -> list[str | None]:
        return [answer.note for answer in self.consultation.answers]

    @property
    def texts(self) -> list[str]:
        return [answer.text.removeprefix("Finding: ") for answer in self.consultation.answers]


def naming(*uids: str) -> list[Dataset]:
    """The evidence of a report made over these requests."""
    return [evidence(STUDY, [("1.2.3.9104", [reference(KEY_OBJECTS, uid) for uid in uids])])]
