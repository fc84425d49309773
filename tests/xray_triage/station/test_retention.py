"""What is purged and when, what never is, what stays of it; and three years on a disk of thirty days."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import FrameType

import pytest
import sqlalchemy as sa
import structlog

from dicom_router.dicom.instance import Acknowledgement, read_header
from dicom_router.errors import SpoolFull
from dicom_router.store import tables as router
from dicom_router.store.database import open_database
from dicom_router.store.declined import ENOUGH_FILMS
from dicom_router.store.delivery import DeliveryState
from dicom_router.store.inbox import Outcome, record_file
from dicom_router.store.purges import Purges
from dicom_router.store.spool import Spool
from tests.factories import film, film_bytes
from tests.xray_triage.conftest import desk_in
from tests.xray_triage.desk import PACS, TestDesk, open_desk, reading, unread
from xray_triage.accounts.audit import Action, AuditTrail
from xray_triage.cases.case import Case, Place
from xray_triage.cases.shapes import CaseJson
from xray_triage.cases.tables import consultation
from xray_triage.config.sections import RetentionSection
from xray_triage.config.station import Config
from xray_triage.reader.policy import SitePolicy
from xray_triage.reader.reader import Reader
from xray_triage.reading.findings import Reading
from xray_triage.station.media import Exporter
from xray_triage.station.retention import Retention, near_bytes
from xray_triage.stores import READ_WORK

KEEP_DAYS = 90
SMALL = b"\xff\xd8 a small picture"


def retention(desk: TestDesk, keep_days: int = KEEP_DAYS) -> Retention:
    return Retention(desk, keep_days=keep_days, draw=lambda _image, _key: SMALL)


def finish_reading(desk: TestDesk) -> None:
    """What the reader does last with every film."""
    while (work := desk.ledger.claim(READ_WORK)) is not None:
        with desk.database.write() as connection:
            desk.ledger.finish(connection, work)


def a_proven_case(desk: TestDesk, seen: Reading | None = None, **attributes: object) -> Case:
    """A film that was read, sent, and that the PACS has taken responsibility for."""
    recorded = desk.add(seen or reading(), **attributes)
    finish_reading(desk)
    desk.deliver()
    desk.prove()
    return case_of(desk, recorded.case_id)


def case_of(desk: TestDesk, case_id: str) -> Case:
    case = desk.casebook.case(case_id)
    assert case is not None
    return case


def wait_days(desk: TestDesk, days: float) -> None:
    desk.clock.advance(days * 86400)


def place(desk: TestDesk, case: Case) -> Place:
    return case_of(desk, case.case_id).place


def keys(desk: TestDesk) -> set[str]:
    return set(desk.spool.keys())


def test_a_film_that_is_proved_and_old_goes_with_what_was_made_of_it(desk: TestDesk) -> None:
    case = a_proven_case(desk)
    wait_days(desk, KEEP_DAYS - 1)
    assert not retention(desk).run_once()
    assert place(desk, case) is Place.HERE
    wait_days(desk, 1)
    assert retention(desk).run_once()
    assert place(desk, case) is Place.PACS
    assert keys(desk) == set()
    assert not retention(desk).run_once()


def test_the_case_stays_with_its_small_picture_its_heat_map_and_its_words(desk: TestDesk) -> None:
    case = a_proven_case(desk)
    wait_days(desk, KEEP_DAYS)
    retention(desk).run_once()
    kept = case_of(desk, case.case_id)
    assert kept.images[0].findings == case.images[0].findings
    assert desk.casebook.cases()[0].case_id == case.case_id
    assert desk.small_pictures.of(case.images[0].sop_instance_uid) == SMALL
    assert CaseJson.of(kept, desk.outbox.of_study(kept.study_instance_uid), None).model_dump(mode="json")["film"] == (
        "at the PACS"
    )
    assert {one.state for one in desk.outbox.of_study(kept.study_instance_uid)} == {DeliveryState.ACKNOWLEDGED}


def test_every_purged_film_is_audited_logged_and_counted(desk: TestDesk) -> None:
    case = a_proven_case(desk)
    wait_days(desk, KEEP_DAYS)
    with structlog.testing.capture_logs() as lines:
        retention(desk).run_once()
    (entry,) = desk.audit.entries(subject=case.case_id)
    uid = case.images[0].sop_instance_uid
    assert (entry.action, entry.actor, entry.detail) == (Action.FILM_PURGED, "retention", uid)
    (line,) = [line for line in lines if line["event"] == "films purged"]
    assert (line["case_id"], line["films"]) == (case.case_id, [uid])
    assert retention(desk).outlook().purged == 1


@pytest.mark.parametrize("missing", ["unsent", "not proved", "refused", "a result not proved", "unread"])
def test_what_is_not_proved_everywhere_never_goes(desk: TestDesk, missing: str) -> None:
    case = desk.add(reading())
    if missing != "unread":
        finish_reading(desk)
    study = case_of(desk, case.case_id).study_instance_uid
    if missing == "refused":
        claimed = desk.outbox.claim(PACS, "bulk")
        assert claimed
        desk.outbox.refuse(claimed[0], status="0xA900", error="no")
    if missing != "unsent":
        desk.deliver()
    if missing not in ("unsent", "not proved"):
        desk.prove()
    if missing == "a result not proved":
        sr = sa.and_(router.delivery.c.study_instance_uid == study, router.delivery.c.what == "sr")
        with desk.database.write() as connection:
            connection.execute(router.delivery.update().where(sr).values(committed_at=None))
    wait_days(desk, 10 * KEEP_DAYS)
    assert not retention(desk, keep_days=0).run_once()
    assert len(keys(desk)) == 4
    assert place(desk, case_of(desk, case.case_id)) is Place.HERE


def send_without_outlines(desk: TestDesk) -> None:
    """To a PACS that takes everything else."""
    for lane in ("light", "bulk"):
        while claimed := desk.outbox.claim(PACS, lane):
            work, delivery = claimed
            if delivery.what == "gsps":
                desk.outbox.refuse(work, status="0x0122", error="no outlines here")
            else:
                said = Acknowledgement(status="0x0000", peer=PACS, at=desk.clock.now(), sent_bytes=1)
                desk.outbox.acknowledge(work, delivery, said)


def test_films_go_although_the_pacs_never_takes_their_outlines_and_those_with_them(desk: TestDesk) -> None:
    for number in range(ENOUGH_FILMS):
        desk.add(reading())
        finish_reading(desk)
        send_without_outlines(desk)
        desk.prove()
        wait_days(desk, KEEP_DAYS)
        assert retention(desk).run_once() == (number == ENOUGH_FILMS - 1), "refused is not left out: it waits"
    assert keys(desk) == set()
    assert desk.outbox.retry_all_refused() == 0


def test_a_film_with_a_twin_in_quarantine_stays_and_so_does_the_twin(desk: TestDesk) -> None:
    first = film(seed=1)
    case = desk.record(desk.receive(first), first, unread())
    other = film(seed=2, sop_instance_uid=first.SOPInstanceUID, study_instance_uid=first.StudyInstanceUID)
    desk.receive(other)
    finish_reading(desk)
    desk.deliver()
    desk.prove()
    wait_days(desk, 10 * KEEP_DAYS)
    before = keys(desk)
    assert not retention(desk).run_once()
    assert keys(desk) == before
    assert place(desk, case_of(desk, case.case_id)) is Place.HERE


def test_a_film_with_an_open_question_or_an_unread_answer_stays(desk: TestDesk) -> None:
    case = a_proven_case(desk)
    desk.consultations.request(case.case_id, question="?", priority="routine", requested_by="BS. Mai")
    desk.deliver()
    desk.prove()
    wait_days(desk, 10 * KEEP_DAYS)
    assert not retention(desk).run_once()
    with desk.database.write() as connection:
        connection.execute(consultation.update().values(state="answered", answered_at=desk.clock.now()))
    assert not retention(desk).run_once()
    desk.casebook.see(case.case_id, by="BS. Mai")
    assert retention(desk).run_once()
    assert place(desk, case) is Place.PACS


def test_a_question_that_comes_while_a_film_is_about_to_go_keeps_it(desk: TestDesk) -> None:
    case = a_proven_case(desk)
    wait_days(desk, KEEP_DAYS)

    def ask(*_: object) -> None:
        if case_of(desk, case.case_id).consultation is None:
            desk.consultations.request(case.case_id, question="?", priority="routine", requested_by="BS. Mai")

    assert not Retention(desk, keep_days=KEEP_DAYS, draw=ask).run_once()
    assert place(desk, case) is Place.HERE
    assert len(keys(desk)) == 6  # with the request and its page


def test_without_a_day_to_keep_a_film_goes_as_soon_as_it_is_proved(desk: TestDesk) -> None:
    case = a_proven_case(desk)
    assert retention(desk, keep_days=0).run_once()
    assert place(desk, case) is Place.PACS


def test_without_a_destination_for_originals_nothing_is_ever_purged(desk: TestDesk, tmp_path: Path) -> None:
    case = a_proven_case(desk)
    wait_days(desk, 10 * KEEP_DAYS)
    alone = open_desk(desk.database, tmp_path, originals=False)
    alone.clock.time = desk.clock.time
    assert not retention(alone, keep_days=0).run_once()
    assert place(desk, case) is Place.HERE


def test_a_destination_that_was_added_later_keeps_the_older_films(desk: TestDesk, tmp_path: Path) -> None:
    case = a_proven_case(desk)
    wait_days(desk, KEEP_DAYS)
    wider = open_desk(desk.database, tmp_path, second="archive")
    wider.clock.time = desk.clock.time
    assert not retention(wider).run_once()
    assert place(desk, case) is Place.HERE


def test_a_film_of_a_clock_that_ran_ahead_holds_up_no_other(desk: TestDesk) -> None:
    desk.clock.advance(10 * 365 * 86400)
    ahead = a_proven_case(desk)
    desk.clock.advance(-10 * 365 * 86400)
    other = a_proven_case(desk)
    wait_days(desk, KEEP_DAYS)
    assert retention(desk).run_once()
    assert (place(desk, ahead), place(desk, other)) == (Place.HERE, Place.PACS)


def test_a_film_sent_again_after_it_went_leaves_no_file_behind(desk: TestDesk) -> None:
    dataset = film(seed=3)
    desk.record(desk.receive(dataset), dataset, reading())
    finish_reading(desk)
    desk.deliver()
    desk.prove()
    retention(desk, keep_days=0).run_once()
    (arrival,) = desk.arrivals()
    with desk.spool.begin() as incoming:
        incoming.write(film_bytes(dataset))
        again = incoming.keep(arrival.spooled.sha256)
    names = {"instance": arrival.instance, "spooled": again}
    said = record_file(desk.inbox, desk.spool, calling_ae_title="DX1", peer_host="127.0.0.1", **names)
    assert said is Outcome.SAME
    assert keys(desk) == set()


def test_a_purged_film_is_asked_about_and_exported_for_what_it_is(desk: TestDesk) -> None:
    case = a_proven_case(desk, patient_name="Lê^Thị^Bình")
    retention(desk, keep_days=0).run_once()
    assert desk.preparer.header(case.study_instance_uid).PatientName == "Lê^Thị^Bình"
    assert Exporter(desk).parcels(case.case_id) == ([], 4)
    asked = desk.consultations.request(case.case_id, question="?", priority="routine", requested_by="BS. Mai")
    assert asked.is_open


def test_a_purged_film_is_not_read_again(desk: TestDesk) -> None:
    case = a_proven_case(desk, unread())
    retention(desk, keep_days=0).run_once()
    (arrival,) = desk.arrivals()
    with desk.database.write() as connection:
        desk.ledger.enqueue(connection, kind=READ_WORK, key=f"{arrival.arrival_id}/again")
    policy = SitePolicy.from_config(Config())
    reader = Reader(desk, classifier=None, policy=policy, result_destinations={}, clock=desk.clock)
    assert reader.run_once()
    assert desk.inbox.unread() == 0
    assert case_of(desk, case.case_id).images[0].reason == case.images[0].reason
    assert desk.casebook.arrivals_without_reading(["no_model"]) == []


def test_the_header_of_a_purged_film_says_all_but_its_pixels(desk: TestDesk) -> None:
    dataset = film(seed=4, character_set="ISO_IR 100", patient_name="Muller^Ä")
    desk.record(desk.receive(dataset), dataset, reading())
    finish_reading(desk)
    desk.deliver()
    desk.prove()
    retention(desk, keep_days=0).run_once()
    (arrival,) = desk.arrivals()
    stream = desk.inbox.purged_header(arrival.spooled.key)
    assert stream is not None
    header = read_header(stream)
    assert "PixelData" not in header
    del dataset.PixelData
    assert header == dataset


def test_a_film_whose_file_the_disk_lost_goes_without_its_header(desk: TestDesk) -> None:
    case = a_proven_case(desk)
    (arrival,) = desk.arrivals()
    desk.spool.delete(arrival.spooled.key)
    assert retention(desk, keep_days=0).run_once()
    assert place(desk, case) is Place.PACS
    assert desk.inbox.purged_header(arrival.spooled.key) is None


# --- broken off ---


def purge_and_die(folder: Path, url: str, at: str) -> None:
    """Purge in a process that is killed before the step ``at``."""
    keeper = retention(open_desk(open_database(url), folder), keep_days=0)

    def die(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is STEPS[at].__code__:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(die)
    keeper.run_once()


STEPS = {
    "the rows": Purges.mark,
    "the audit": AuditTrail.note_within,
    "the first file": Spool.erase,
    "the last row": Purges.note_erased,
}


@pytest.mark.parametrize("at", STEPS)
def test_a_purge_that_is_killed_is_whole_after_the_next_start(
    desk: TestDesk, tmp_path: Path, database_url: str, at: str
) -> None:
    case = a_proven_case(desk)
    context = multiprocessing.get_context("forkserver")
    victim = context.Process(target=purge_and_die, args=(tmp_path, database_url, at), daemon=True)
    victim.start()
    victim.join(300)
    assert victim.exitcode == -signal.SIGKILL
    gone = place(desk, case) is Place.PACS
    assert gone is (at in ("the first file", "the last row"))
    assert (keys(desk) == set()) is (at == "the last row")
    assert len(desk.audit.entries(subject=case.case_id)) == gone
    retention(desk, keep_days=0).run_once()
    assert place(desk, case) is Place.PACS
    assert keys(desk) == set()
    assert desk.purges.standing() == []
    assert len(desk.audit.entries(subject=case.case_id)) == 1


# --- a disk that gets full ---


@pytest.fixture
def a_small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 8 MB."""
    with a_disk_of("8M", tmp_path / "small") as folder:
        yield folder


@contextmanager
def a_disk_of(size: str, folder: Path) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes=20000", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, timeout=60).returncode != 0:
        pytest.skip("mounting a small filesystem needs root")
    yield folder
    subprocess.run(["umount", folder], check=True, timeout=60)


@pytest.fixture
def a_cramped_desk(tmp_path: Path, a_small_disk: Path) -> Iterator[TestDesk]:
    """A desk whose spool lies on the small disk, a quarter of it reserve, and whose database lies on another."""
    with (
        a_disk_of("100M", tmp_path / "other") as other,
        desk_in(other, spool=a_small_disk, reserve_bytes=2_000_000) as opened,
    ):
        yield opened


def come_in(desk: TestDesk, seed: int) -> Case:
    """A film of 200 kB that is no chest film: nothing is made of it."""
    dataset = film(rows=320, columns=320, seed=seed, PatientID=f"P{seed}")
    recorded = desk.record(desk.receive(dataset), dataset, unread("not_a_film"))
    finish_reading(desk)
    return case_of(desk, recorded.case_id)


def test_a_disk_that_gets_full_lets_the_oldest_go_and_no_more_than_needed(a_cramped_desk: TestDesk) -> None:
    desk, seed = a_cramped_desk, 0
    cases = []
    while desk.spool.free_bytes() >= near_bytes(desk.spool):
        cases.append(come_in(desk, seed := seed + 1))
    desk.deliver()
    assert not retention(desk).run_once()  # nothing is proved
    desk.prove()
    assert retention(desk).run_once()
    assert [place(desk, case) for case in cases[:2]] == [Place.PACS, Place.HERE]
    assert desk.spool.free_bytes() >= near_bytes(desk.spool)
    assert not retention(desk).run_once()


@pytest.mark.slow
def test_three_years_pass_on_a_disk_of_thirty_days(a_cramped_desk: TestDesk) -> None:
    """A film every sixth day here, a disk of thirty films; a PACS that is away for weeks, or takes and proves nothing.

    A disk that got full would end it by SpoolFull.
    """
    desk, days = a_cramped_desk, range(0, 3 * 365, 6)
    keeper = retention(desk)
    for day in days:
        come_in(desk, day)
        if day % 200 >= 42:
            desk.deliver()
            if not 100 <= day % 200 < 142:
                desk.prove()
        while keeper.run_once():
            pass
        wait_days(desk, 6)
    with desk.database.read() as connection:
        rows = connection.execute(sa.select(router.delivery)).all()
    gone = desk.inbox.purged(row.spool_key for row in rows)
    assert keys(desk) == {row.spool_key for row in rows} - gone
    assert all(row.committed_at for row in rows if row.spool_key in gone)
    originals = [row for row in rows if row.what == "original"]
    assert len(originals) == len(days)
    assert 10 < sum(row.spool_key not in gone for row in originals) < 30


# --- how long it lasts ---


def test_the_days_left_count_only_what_stays(desk: TestDesk) -> None:
    assert retention(desk).outlook().days_left is None
    a_proven_case(desk, rows=500, columns=500)
    wait_days(desk, 14)
    assert retention(desk).outlook().days_left is not None
    wait_days(desk, 1)
    assert retention(desk).outlook().days_left is None
    a_proven_case(desk, rows=500, columns=500)
    proved = retention(desk).outlook().days_left
    desk.add(reading(), rows=500, columns=500)  # half a megabyte that nobody has proved
    stuck = retention(desk).outlook().days_left
    assert proved is not None
    assert stuck is not None
    day = timedelta(days=1) / timedelta(days=14)
    assert desk.spool.free_bytes() / (stuck * day) == pytest.approx(500_000 + 2 * 130_000, rel=0.3)
    assert proved > 4 * stuck


def test_a_disk_that_is_full_and_takes_nothing_has_no_days_left(a_cramped_desk: TestDesk) -> None:
    desk = a_cramped_desk
    with suppress(SpoolFull):
        for seed in range(100):
            come_in(desk, seed)
    assert desk.spool.free_bytes() < near_bytes(desk.spool)
    wait_days(desk, 15)
    assert retention(desk).outlook().days_left == 0


def test_the_days_to_keep_may_be_none_and_no_less() -> None:
    assert RetentionSection(keep_days=0).keep_days == 0
    with pytest.raises(ValueError, match="keep_days"):
        RetentionSection(keep_days=-1)
