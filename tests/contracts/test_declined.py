"""The contract of what is left out: what a destination never takes is learnt from several films, and tried again."""

from datetime import timedelta
from itertools import count

import pytest

from dicom_router.dicom.instance import Acknowledgement
from dicom_router.store.database import Database
from dicom_router.store.declined import ENOUGH_AFTER_ALL, ENOUGH_FILMS, TRIED_AGAIN
from dicom_router.store.delivery import DeliveryState
from dicom_router.store.history import waits
from dicom_router.store.ledger import Ledger
from dicom_router.store.outbox import Outbox
from dicom_router.store.tables import purged
from tests.contracts.test_outbox import enqueue
from tests.factories import StoppedClock

KINDS = ("original", "sr", "gsps")


class Pacs:
    """Gets films with all that is made of them. ``refuses``: by kind, the status that it answers."""

    def __init__(self, database: Database, clock: StoppedClock) -> None:
        self.database, self.clock = database, clock
        self.outbox = Outbox(database, Ledger(database, clock=clock, node="station/front"), clock=clock)
        self.refuses: dict[str, str] = {"gsps": "0x0122"}
        self.asked: list[str] = []
        self._films = count(1)

    def film(self, *, kinds: tuple[str, ...] = KINDS) -> str:
        """One comes in and is sent, as far as it is taken; its study."""
        study = f"1.2.{next(self._films)}"
        for number, what in enumerate(kinds):
            enqueue(self.outbox, self.database, f"{study}.{number}", what=what, study=study)
        self.send()
        return study

    def send(self) -> None:
        """Hand over all that is due."""
        for lane in ("light", "bulk"):
            while claimed := self.outbox.claim("pacs", lane):
                work, delivery = claimed
                self.asked.append(delivery.what)
                if status := self.refuses.get(delivery.what):
                    self.outbox.refuse(work, status=status, error=f"{status} (no)")
                else:
                    word = Acknowledgement(status="0x0000", peer="PACS", at=self.clock.now(), sent_bytes=9)
                    self.outbox.acknowledge(work, delivery, word)

    def states(self, study: str) -> dict[str, str]:
        return {each.what: each.state.value for each in self.outbox.of_study(study)}

    def learnt(self) -> list[tuple[str, str]]:
        return [(each.what, each.status) for each in self.outbox.summary().left_out]


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def pacs(database: Database, clock: StoppedClock) -> Pacs:
    return Pacs(database, clock)


@pytest.mark.parametrize("status", ["0x0122", "no common transfer syntax", "0xA900", "0xC000", "HTTP 415", "failed"])
def test_a_kind_that_is_never_taken_is_left_out_after_some_films(pacs: Pacs, status: str) -> None:
    pacs.refuses = {"gsps": status}
    studies = [pacs.film() for _ in range(ENOUGH_FILMS - 1)]
    assert (pacs.outbox.summary().refused_count, pacs.learnt()) == (ENOUGH_FILMS - 1, [])
    studies.append(pacs.film())
    assert (pacs.outbox.summary().refused_count, pacs.learnt()) == (0, [("gsps", status)])
    pacs.asked.clear()
    studies.append(pacs.film())
    assert "gsps" not in pacs.asked
    for study in studies:
        assert pacs.states(study) == dict.fromkeys(KINDS, "acknowledged") | {"gsps": "left_out"}
    summary = pacs.outbox.summary()
    assert (summary.waiting, summary.sending, summary.refused, summary.oldest_waiting_at) == (0, 0, [], None)
    assert pacs.outbox.unsent_studies(DeliveryState.REFUSED) == []


@pytest.mark.parametrize("what", ["original", "request"])
def test_films_and_questions_are_never_left_out(pacs: Pacs, what: str) -> None:
    pacs.refuses = {what: "0x0122"}
    for _ in range(ENOUGH_FILMS + 1):
        pacs.film(kinds=("sr", what))
    assert (pacs.outbox.summary().refused_count, pacs.learnt()) == (ENOUGH_FILMS + 1, [])


def test_who_refuses_everything_teaches_nothing(pacs: Pacs) -> None:
    pacs.film()
    pacs.refuses = dict.fromkeys(KINDS, "0xC000")
    for _ in range(ENOUGH_FILMS + 1):
        pacs.film()
    assert pacs.learnt() == []


@pytest.mark.parametrize("status", ["damaged", "0x0117", "HTTP 413"])
def test_what_lies_in_single_objects_teaches_nothing(pacs: Pacs, status: str) -> None:
    pacs.refuses = {"gsps": status}
    for _ in range(ENOUGH_FILMS + 1):
        pacs.film()
    assert (pacs.outbox.summary().refused_count, pacs.learnt()) == (ENOUGH_FILMS + 1, [])


def test_one_film_read_again_and_again_is_one_film(pacs: Pacs) -> None:
    pacs.film(kinds=("original", *["gsps"] * 9))
    assert pacs.learnt() == []


def test_a_kind_that_was_taken_once_needs_more_to_be_left_out(pacs: Pacs) -> None:
    pacs.refuses = {}
    pacs.film()
    pacs.refuses = {"sr": "0xA900"}
    for _ in range(ENOUGH_AFTER_ALL - 1):
        pacs.film()
    assert (pacs.outbox.summary().refused_count, pacs.learnt()) == (ENOUGH_AFTER_ALL - 1, [])
    pacs.film()
    assert pacs.learnt() == [("sr", "0xA900")]


def taught(pacs: Pacs) -> list[str]:
    return [pacs.film() for _ in range(ENOUGH_FILMS + 2)]


def test_once_a_week_one_is_tried_and_a_refusal_changes_nothing(pacs: Pacs, clock: StoppedClock) -> None:
    taught(pacs)
    for _ in range(2):
        clock.advance(TRIED_AGAIN.total_seconds() + 1)
        pacs.asked.clear()
        for _ in range(2):
            pacs.film()
        assert pacs.asked.count("gsps") == 1
        assert pacs.outbox.summary().refused_count == 0


def test_a_clock_that_was_set_back_does_not_silence_a_kind_for_ever(pacs: Pacs, clock: StoppedClock) -> None:
    taught(pacs)
    clock.advance(-400 * 86400)
    pacs.asked.clear()
    pacs.film()
    assert pacs.asked.count("gsps") == 1


def test_a_pacs_that_was_mended_gets_what_was_left_out(pacs: Pacs, clock: StoppedClock) -> None:
    studies = taught(pacs)
    pacs.refuses = {}
    clock.advance(TRIED_AGAIN.total_seconds() + 1)
    studies.append(pacs.film())
    pacs.send()
    assert pacs.learnt() == []
    assert [pacs.states(study)["gsps"] for study in studies] == ["acknowledged"] * len(studies)


def test_a_file_that_was_purged_meanwhile_is_not_sent(pacs: Pacs, database: Database, clock: StoppedClock) -> None:
    study = taught(pacs)[0]
    with database.write() as connection:  # every object of this contract lies in the same file
        row = {"spool_key": "0" * 32, "purged_at": clock.now(), "size_bytes": 1, "erased": True}
        connection.execute(purged.insert().values(row))
    assert pacs.outbox.retry_all_refused() == 0
    assert pacs.states(study)["gsps"] == "left_out"


def test_a_person_may_have_it_tried_now(pacs: Pacs) -> None:
    studies = taught(pacs)
    assert pacs.outbox.retry_all_refused() == len(studies)
    pacs.asked.clear()
    pacs.send()
    assert pacs.asked == ["gsps"] * ENOUGH_FILMS, "learnt again, and the rest left out again"
    (one,) = [each for each in pacs.outbox.of_study(studies[0]) if each.what == "gsps"]
    pacs.refuses = {}
    assert pacs.outbox.retry(one.delivery_id)
    pacs.send()
    assert pacs.states(studies[-1])["gsps"] == "acknowledged"


def test_another_configuration_is_another_destination(pacs: Pacs) -> None:
    pacs.outbox.declined.begin({"pacs": "a", "hub": "x"})
    studies = taught(pacs)
    pacs.outbox.declined.begin({"pacs": "a", "hub": "y"})
    assert pacs.learnt() == [("gsps", "0x0122")]
    assert [each.name for each in pacs.outbox.summary().destinations] == ["pacs"], "nobody has tried the hub"
    pacs.refuses = {}
    pacs.outbox.declined.begin({"pacs": "b", "hub": "y"})
    pacs.send()
    assert (pacs.learnt(), pacs.states(studies[0])["gsps"]) == ([], "acknowledged")


def test_what_is_left_out_waits_for_nobody(pacs: Pacs, database: Database, clock: StoppedClock) -> None:
    since = clock.now() - timedelta(days=1)
    taught(pacs)
    with database.read() as connection:
        assert [end for _, end in waits(connection, since, seconds=0)].count(None) == 0
