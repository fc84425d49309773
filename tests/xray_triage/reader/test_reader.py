"""The reader on real rooms, a real bundle and synthetic films: what one film leaves behind, and what a bad one does."""

import io
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from dicom_router.dicom.instance import read_header, reference_to
from dicom_router.store.inbox import Outcome
from dicom_router.store.ledger import Ledger
from dicom_router.store.reconciliation import Found
from dicom_router.store.spool import Spool
from tests.factories import StoppedClock, film_bytes, new_uid
from tests.xray_triage.bundles import make_bundle
from tests.xray_triage.orders.conftest import registration
from xray_triage.accounts.audit import Action
from xray_triage.cases import tables
from xray_triage.cases.case import Case
from xray_triage.cases.casebook import UnknownCase
from xray_triage.cases.notices import Notice
from xray_triage.cases.rereading import CannotReread
from xray_triage.config.station import Config
from xray_triage.consultations.preparing import Preparer
from xray_triage.model.acquaintance import Site
from xray_triage.model.site import FILMS_TO_LEARN, card_of
from xray_triage.reader.interpreting import LAST_TRY
from xray_triage.reader.policy import SitePolicy
from xray_triage.reader.reader import Reader
from xray_triage.reading.acquisition import is_ours
from xray_triage.reading.bundle import load_bundle
from xray_triage.reading.classifier import Classifier
from xray_triage.reading.findings import Findings, NotReadable, Priority
from xray_triage.reading.onnx_classifier import ModelFailed, OnnxClassifier
from xray_triage.reading.radiograph import Radiograph
from xray_triage.records.outbox import PRELIMINARY
from xray_triage.simulation import phantom
from xray_triage.stores import READ_WORK, Stores, open_stores

pytestmark = pytest.mark.slow

URGENT = {"pneumothorax": 3.0, "abnormal": 2.0}
NORMAL = {"pneumothorax": -6.0, "abnormal": -6.0}
EVERYTHING = ("results", "requests", "originals")
PACS = {"name": "pacs", "host": "127.0.0.1", "port": 104, "ae_title": "PACS"}


class BrokenClassifier:
    """A model that fails on every film: the only classifier here that is not the real one."""

    def __init__(self, real: Classifier) -> None:
        self.identity = real.identity

    def classify(self, radiograph: Radiograph, cut_offs: Mapping[str, float] | None = None) -> Findings | NotReadable:
        raise ModelFailed("the output is not a number")


class Bench:
    """A reading room with its rooms on a temporary folder."""

    def __init__(
        self, folder: Path, logits: dict[str, float] | None, *, send: Sequence[str] = EVERYTHING, **policy: object
    ) -> None:
        self.config = Config(
            station={"data_dir": folder / "data"},
            destination=[{**PACS, "send": send}],
            policy=policy,
            retention={"reserve_gb": 0},
            notice=[{"name": "phone", "kind": "ntfy", "url": "http://127.0.0.1:9/topic"}],
            record=[{"name": "ehr", "kind": "fhir", "url": "http://127.0.0.1:9", "send": ["final", "preliminary"]}],
        )  # type: ignore[arg-type]
        self.clock = StoppedClock()
        self.stores: Stores = open_stores(self.config, role="reader", clock=self.clock)
        bundle = make_bundle(folder / "bundle", logits=logits) if logits else None
        self.classifier: Classifier | None = OnnxClassifier(load_bundle(bundle)) if bundle else None
        self.card = card_of(load_bundle(bundle).manifest, {}) if bundle else None

    def reader(self) -> Reader:
        return Reader(
            self.stores,
            classifier=self.classifier,
            policy=SitePolicy.from_config(self.config),
            result_destinations=self.config.result_destinations,
            clock=self.clock,
            card=self.card,
        )

    def receive(self, dataset: Dataset) -> None:
        spooled = self.stores.spool.keep(io.BytesIO(film_bytes(dataset)))
        outcome = self.stores.inbox.record(
            instance=reference_to(dataset), spooled=spooled, calling_ae_title="DX1", peer_host="127.0.0.1"
        )
        assert outcome is Outcome.NEW

    def read(self, dataset: Dataset) -> Case:
        self.receive(dataset)
        assert self.reader().run_once()
        return self.case(dataset)

    def case(self, dataset: Dataset) -> Case:
        case = self.stores.casebook.case_of_study(dataset.StudyInstanceUID)
        assert case is not None
        return case

    def sent(self, dataset: Dataset) -> list[str]:
        return sorted(d.what for d in self.stores.outbox.of_study(dataset.StudyInstanceUID))

    def object(self, dataset: Dataset, what: str) -> Dataset:
        (only,) = self.objects(dataset, what)
        return only

    def objects(self, dataset: Dataset, what: str) -> list[Dataset]:
        deliveries = [d for d in self.stores.outbox.of_study(dataset.StudyInstanceUID) if d.what == what]
        return [self.parsed(each.spooled.key) for each in deliveries]

    def parsed(self, key: str) -> Dataset:
        with self.stores.spool.open(key) as stream:
            return pydicom.dcmread(stream, stop_before_pixels=True)


def test_an_urgent_case_is_told_once_in_the_commit_that_records_it(a_bench: Bench, a_film: Dataset) -> None:
    case, notices = a_bench.read(a_film), a_bench.stores.notices
    assert case.priority is Priority.URGENT
    assert notices.gather("phone")
    work = notices.next("phone")
    assert work
    assert Notice.of(work.key).urgent == 1
    notices.sent(work)
    second = deepcopy(a_film)
    second.SOPInstanceUID += ".2"
    a_bench.read(second)
    assert not notices.gather("phone")  # the same case


def test_what_the_ai_says_of_a_film_that_was_lost_here_goes_over_nobodys_result(
    a_bench: Bench, a_film: Dataset
) -> None:
    assert [one.version for one in a_bench.stores.records.of_case(a_bench.read(a_film).case_id)] == [PRELIMINARY]
    lost = deepcopy(a_film)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(lost, keyword, new_uid())
    key = a_bench.stores.spool.keep(io.BytesIO(film_bytes(lost))).key
    assert a_bench.stores.reconciliation.take_back(key, is_ours=is_ours) is Found.FILM
    assert a_bench.reader().run_once()
    assert a_bench.stores.records.of_case(a_bench.case(lost).case_id) == []


def test_a_positive_film_leaves_its_heat_and_its_size(a_bench: Bench, a_film: Dataset) -> None:
    (image,) = a_bench.read(a_film).images
    assert (image.rows, image.columns) == (512, 512)
    png = a_bench.stores.heat_maps.of(a_film.SOPInstanceUID)
    assert png is not None
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.mode == "RGBA"


def test_a_normal_film_leaves_no_heat(a_calm_bench: Bench, a_film: Dataset) -> None:
    a_calm_bench.read(a_film)
    assert a_calm_bench.stores.heat_maps.of(a_film.SOPInstanceUID) is None


@pytest.fixture
def a_film() -> Dataset:
    return phantom.dataset(phantom.render(seed=3, rows=512, columns=512))


@pytest.fixture
def a_bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, URGENT)
    yield bench
    bench.stores.database.close()


@pytest.fixture
def a_calm_bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, NORMAL)
    yield bench
    bench.stores.database.close()


@pytest.fixture
def a_bench_without_model(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, None)
    yield bench
    bench.stores.database.close()


def test_nothing_to_read_says_so(a_bench: Bench) -> None:
    assert not a_bench.reader().run_once()


def test_an_urgent_film_leaves_a_case_three_results_and_a_request(a_bench: Bench, a_film: Dataset) -> None:
    case = a_bench.read(a_film)
    assert case.priority is Priority.URGENT
    assert case.patient.name == str(a_film.PatientName).replace("^", " ")
    assert a_bench.sent(a_film) == ["gsps", "original", "request", "request_sc", "sc", "sr"]
    assert a_bench.stores.inbox.unread() == 0
    assert not a_bench.reader().run_once()


def test_the_automatic_request_refers_to_the_film_and_its_results(a_bench: Bench, a_film: Dataset) -> None:
    a_bench.read(a_film)
    request = a_bench.object(a_film, "request")
    referenced = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in request.ContentSequence
        if "ReferencedSOPSequence" in item
    }
    results = {a_bench.object(a_film, what).SOPInstanceUID for what in ("sr", "sc")}
    assert referenced == {a_film.SOPInstanceUID, *results}


def test_an_urgent_study_goes_before_the_others(a_bench: Bench, a_film: Dataset) -> None:
    a_bench.receive(phantom.dataset(phantom.render(seed=4, rows=256, columns=256)))  # smaller and older, not yet read
    a_bench.receive(a_film)
    reader = a_bench.reader()
    a_bench.stores.ledger.claim(READ_WORK)  # the older film is in other hands
    assert reader.run_once()
    first = a_bench.stores.outbox.claim("pacs", "bulk")
    assert first is not None
    assert first[1].instance.sop_instance_uid == a_film.SOPInstanceUID


def test_a_normal_film_asks_for_no_consultation(a_calm_bench: Bench, a_film: Dataset) -> None:
    assert a_calm_bench.read(a_film).priority is Priority.NORMAL
    assert a_calm_bench.sent(a_film) == ["gsps", "original", "sc", "sr"]


def test_our_own_picture_that_a_pacs_sends_back_gets_no_results_of_its_own(a_bench: Bench, a_film: Dataset) -> None:
    a_bench.read(a_film)
    (delivery,) = [d for d in a_bench.stores.outbox.of_study(a_film.StudyInstanceUID) if d.what == "request_sc"]
    with a_bench.stores.spool.open(delivery.spooled.key) as stream:
        page = pydicom.dcmread(stream)
    before = a_bench.sent(a_film)
    case = a_bench.read(page)
    assert [image.reason.code for image in case.images if image.reason] == ["not_a_film"]
    assert [what for what in a_bench.sent(a_film) if what != "original"] == [w for w in before if w != "original"]


def test_a_side_view_is_shown_in_the_picture_that_says_why_it_was_not_read(a_bench: Bench, a_film: Dataset) -> None:
    a_film.ViewPosition = "LL"
    a_bench.read(a_film)
    with_view = a_bench.object(a_film, "sc")
    broken = phantom.dataset(phantom.render(seed=4, rows=512, columns=512))
    broken.ViewPosition, broken.PixelData = "LL", broken.PixelData[:1000]
    a_bench.read(broken)
    assert with_view.Columns > a_bench.object(broken, "sc").Columns
    assert with_view.SeriesDescription == "AI: chưa đọc"


def test_a_site_may_ask_by_hand_only(tmp_path: Path, a_film: Dataset) -> None:
    bench = Bench(tmp_path, URGENT, auto_request="never")
    assert bench.read(a_film).consultation is None
    assert "request" not in bench.sent(a_film)
    bench.stores.database.close()


def test_without_a_model_a_film_is_not_read_and_never_normal(a_bench_without_model: Bench, a_film: Dataset) -> None:
    case = a_bench_without_model.read(a_film)
    assert case.priority is Priority.NOT_READ
    assert case.images[0].reason is not None
    assert case.images[0].reason.code == "no_model"
    assert a_bench_without_model.sent(a_film) == ["original", "sc", "sr"]


def test_films_that_missed_a_model_are_read_when_there_is_one(
    a_bench_without_model: Bench, a_film: Dataset, tmp_path: Path
) -> None:
    a_bench_without_model.read(a_film)
    assert a_bench_without_model.reader().look_again() == 0
    bundle = load_bundle(make_bundle(tmp_path / "later", logits=URGENT))
    a_bench_without_model.classifier = OnnxClassifier(bundle)
    reader = a_bench_without_model.reader()
    assert reader.look_again() == 1
    assert reader.look_again() == 0
    assert reader.run_once()
    assert a_bench_without_model.case(a_film).priority is Priority.URGENT
    assert a_bench_without_model.sent(a_film) == ["gsps", "original", "request", "request_sc", "sc", "sc", "sr", "sr"]
    assert reader.look_again() == 0
    made = [*a_bench_without_model.objects(a_film, "sr"), *a_bench_without_model.objects(a_film, "sc")]
    later, before = (
        [(9101, "AI: báo cáo"), (9102, "AI: hình ảnh")],
        [(9107, "AI: chưa đọc"), (9108, "AI: báo cáo, chưa đọc")],
    )
    series = sorted((int(each.SeriesNumber), each.SeriesDescription) for each in made)
    assert series == later + before, "viewers show the lower one first"


def test_a_model_that_fails_leaves_the_film_not_read(a_bench: Bench, a_film: Dataset) -> None:
    assert a_bench.classifier is not None
    a_bench.classifier = BrokenClassifier(a_bench.classifier)
    case = a_bench.read(a_film)
    assert case.images[0].reason is not None
    assert case.images[0].reason.code == "model_failed"


def test_films_that_come_in_go_before_those_that_are_read_again(
    a_bench_without_model: Bench, a_film: Dataset, tmp_path: Path
) -> None:
    a_bench_without_model.read(a_film)
    a_bench_without_model.classifier = OnnxClassifier(load_bundle(make_bundle(tmp_path / "later", logits=NORMAL)))
    reader = a_bench_without_model.reader()
    assert reader.look_again() == 1
    fresh = phantom.dataset(phantom.render(seed=4, rows=256, columns=256), seed=4)
    a_bench_without_model.receive(fresh)
    assert reader.run_once()
    assert a_bench_without_model.case(fresh).priority is Priority.NORMAL
    assert a_bench_without_model.case(a_film).priority is Priority.NOT_READ


def test_a_film_that_pydicom_cannot_open_is_not_read_and_never_stuck(a_bench: Bench, a_film: Dataset) -> None:
    a_film.SpecificCharacterSet = "ISO_IR 192"
    whole = film_bytes(a_film)
    number = whole.replace(b"\x08\0\x05\0CS\x0a\0ISO_IR 192", b"\x08\0\x05\0US\x0a\0ISO_IR 192")
    assert number != whole
    a_bench.stores.inbox.record(
        instance=reference_to(a_film),
        spooled=a_bench.stores.spool.keep(io.BytesIO(number)),
        calling_ae_title="DX1",
        peer_host="127.0.0.1",
    )
    assert a_bench.reader().run_once()
    reason = a_bench.case(a_film).images[0].reason
    assert reason is not None
    assert reason.code == "damaged_pixels"
    assert a_bench.sent(a_film) == ["original", "sc", "sr"]


def test_a_film_that_cannot_even_be_set_aside_by_its_header_is_known_by_its_names(
    a_bench: Bench, a_film: Dataset
) -> None:
    a_bench.receive(a_film)
    for _ in range(LAST_TRY):
        assert a_bench.stores.ledger.claim(READ_WORK)  # the last of them to set it aside
        a_bench.stores.ledger.free_leases(forgive=False)
    assert a_bench.reader().run_once()
    case = a_bench.case(a_film)
    assert case.images[0].reason is not None
    assert case.images[0].reason.code == "reader_died"
    assert case.patient.name == ""


def test_results_that_nobody_takes_leave_nothing_but_the_picture(tmp_path: Path, a_film: Dataset) -> None:
    bench = Bench(tmp_path, NORMAL, send=["originals"])
    case = bench.read(a_film)
    assert case.images[0].picture_key in set(bench.stores.spool.keys())
    assert len(list(bench.stores.spool.keys())) == 2
    bench.stores.database.close()


def test_a_film_that_kills_the_reader_is_set_aside_on_the_third_try(a_bench: Bench, a_film: Dataset) -> None:
    a_bench.receive(a_film)
    for _ in range(LAST_TRY - 1):
        assert a_bench.stores.ledger.claim(READ_WORK)  # and the process is gone
        a_bench.stores.ledger.free_leases(forgive=False)
    assert a_bench.reader().run_once()
    case = a_bench.case(a_film)
    assert case.images[0].reason is not None
    assert case.images[0].reason.code == "reader_died"
    assert a_bench.sent(a_film) == ["original", "sc", "sr"]


def test_a_film_that_was_set_aside_is_read_again_when_somebody_asks(a_bench: Bench, a_film: Dataset) -> None:
    a_bench.receive(a_film)
    for _ in range(LAST_TRY - 1):
        assert a_bench.stores.ledger.claim(READ_WORK)  # and the process is gone
        a_bench.stores.ledger.free_leases(forgive=False)
    reader = a_bench.reader()
    assert reader.run_once()
    case_id = a_bench.case(a_film).case_id
    assert a_bench.stores.rereading.reread(case_id) == 1
    assert reader.run_once()
    case = a_bench.case(a_film)
    assert (case.case_id, case.priority, case.images[0].reason) == (case_id, Priority.URGENT, None)
    reports = [one for one in a_bench.stores.outbox.of_study(a_film.StudyInstanceUID) if one.what == "sr"]
    assert len({report.instance.sop_instance_uid for report in reports}) == 2
    with a_bench.stores.spool.open(reports[1].spooled.key) as stream:
        (predecessor,) = pydicom.dcmread(stream).PredecessorDocumentsSequence
    (series,) = predecessor.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == reports[0].instance.series_instance_uid
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == reports[0].instance.sop_instance_uid
    assert not reader.run_once()


def test_a_film_that_is_read_again_to_no_avail_sends_nothing_twice(a_bench: Bench, a_film: Dataset) -> None:
    a_film.BodyPartExamined = "HIP"
    case = a_bench.read(a_film)
    kept = sorted(a_bench.stores.spool.keys())
    assert a_bench.stores.rereading.reread(case.case_id, reason="not_a_chest") == 1
    assert a_bench.reader().run_once()
    assert a_bench.sent(a_film) == ["original", "sc", "sr"]
    assert sorted(a_bench.stores.spool.keys()) == kept


def test_what_cannot_be_read_again_is_said_in_words(a_bench: Bench, a_film: Dataset) -> None:
    rereading = a_bench.stores.rereading
    read = a_bench.read(a_film)
    with pytest.raises(CannotReread, match="was read"):
        rereading.reread(read.case_id)
    hip = phantom.dataset(phantom.render(seed=5, rows=256, columns=256), seed=5)
    hip.BodyPartExamined = "HIP"
    unread = a_bench.read(hip)
    with pytest.raises(CannotReread, match="was read"):
        rereading.reread(unread.case_id, reason="reader_died")
    assert not rereading.is_under_way(unread)
    assert rereading.reread(unread.case_id) == 1
    assert rereading.is_under_way(unread)
    with pytest.raises(CannotReread, match="wait to be read"):
        rereading.reread(unread.case_id)
    assert a_bench.reader().run_once()
    a_bench.stores.spool.delete(a_bench.stores.inbox.get(unread.images[0].arrival_id).spooled.key)
    with pytest.raises(CannotReread, match="not at this station"):
        rereading.reread(unread.case_id)
    with pytest.raises(UnknownCase):
        rereading.reread("000000000000")
    assert not a_bench.reader().run_once()


def test_a_dose_report_is_read_again_only_when_it_is_named(a_bench: Bench, a_film: Dataset) -> None:
    a_bench.read(a_film)
    report = a_bench.object(a_film, "sr")
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    case = a_bench.read(report)
    with pytest.raises(CannotReread, match="was read"):
        a_bench.stores.rereading.reread(case.case_id)
    assert a_bench.stores.rereading.reread(case.case_id, reason="not_a_film") == 1


def test_power_cuts_are_not_the_films_fault(a_bench: Bench, a_film: Dataset) -> None:
    a_bench.receive(a_film)
    for _ in range(LAST_TRY + 2):
        assert a_bench.stores.ledger.claim(READ_WORK)
        a_bench.stores.ledger.free_leases(forgive=True)
    assert a_bench.reader().run_once()
    assert a_bench.case(a_film).priority is Priority.URGENT


def test_reading_waits_out_a_full_disk_and_leaves_nothing_half(a_bench: Bench, a_film: Dataset) -> None:
    a_bench.receive(a_film)
    kept = sorted(a_bench.stores.spool.keys())
    whole = a_bench.stores
    full = Spool(a_bench.config.station.data_dir / "spool", reserve_bytes=1 << 60)
    for _ in range(LAST_TRY + 1):
        a_bench.stores = Stores(
            **{name: getattr(whole, name) for name in Stores.__dataclass_fields__ if name != "spool"}, spool=full
        )
        assert a_bench.reader().run_once()
        a_bench.clock.advance(60)
    assert whole.casebook.case_of_study(a_film.StudyInstanceUID) is None
    assert sorted(whole.spool.keys()) == kept
    a_bench.stores = whole
    assert a_bench.reader().run_once()
    assert a_bench.case(a_film).priority is Priority.URGENT


def test_a_disk_that_fills_up_between_report_and_picture_keeps_neither(
    a_bench: Bench, a_film: Dataset, a_small_disk: Path
) -> None:
    spool, filler = Spool(a_small_disk / "spool"), a_small_disk / "somebody else"
    a_bench.stores = replace(a_bench.stores, spool=spool)
    a_bench.receive(a_film)
    kept = list(spool.keys())
    filler.write_bytes(bytes(spool.free_bytes() - 60_000))
    assert a_bench.reader().run_once()
    assert list(spool.keys()) == kept
    assert a_bench.stores.casebook.case_of_study(a_film.StudyInstanceUID) is None
    filler.unlink()
    a_bench.clock.advance(60)
    assert a_bench.reader().run_once()
    size = {each.what: each.spooled.size_bytes for each in a_bench.stores.outbox.of_study(a_film.StudyInstanceUID)}
    assert size["sr"] + size["gsps"] < 60_000 < size["sc"]


def test_without_room_for_the_request_no_result_is_left_behind(a_bench: Bench, a_film: Dataset) -> None:
    a_bench.receive(a_film)
    whole, kept = a_bench.stores, sorted(a_bench.stores.spool.keys())
    preparer = Preparer(
        whole.database,
        clock=a_bench.clock,
        inbox=whole.inbox,
        outbox=whole.outbox,
        spool=Spool(a_bench.config.station.data_dir / "spool", reserve_bytes=1 << 60),
        station_name="",
    )
    a_bench.stores = replace(whole, preparer=preparer)
    assert a_bench.reader().run_once()
    assert sorted(whole.spool.keys()) == kept
    assert whole.casebook.case_of_study(a_film.StudyInstanceUID) is None


def test_a_reader_that_lost_its_lease_leaves_nothing(a_bench: Bench, a_film: Dataset) -> None:
    a_bench.receive(a_film)
    kept = sorted(a_bench.stores.spool.keys())
    clock, other = (
        a_bench.clock,
        Ledger(a_bench.stores.database, clock=a_bench.clock, node="other", spool_id=a_bench.stores.spool.id),
    )

    class Slow:
        """Reads so long that another reader takes the film over."""

        def __init__(self, real: Classifier) -> None:
            self._real, self.identity = real, real.identity

        def classify(
            self, radiograph: Radiograph, cut_offs: Mapping[str, float] | None = None
        ) -> Findings | NotReadable:
            clock.advance(61)
            assert other.claim(READ_WORK)
            return self._real.classify(radiograph, cut_offs)

    assert a_bench.classifier is not None
    a_bench.classifier = Slow(a_bench.classifier)
    assert a_bench.reader().run_once()
    assert a_bench.stores.casebook.case_of_study(a_film.StudyInstanceUID) is None
    assert a_bench.sent(a_film) == ["original"]
    assert sorted(a_bench.stores.spool.keys()) == kept


def test_an_object_that_cannot_be_made_costs_itself_and_not_the_reading(a_bench: Bench, a_film: Dataset) -> None:
    class Odd:
        """The real model, but its heat map is no picture."""

        def __init__(self, real: Classifier) -> None:
            self._real, self.identity = real, real.identity

        def classify(
            self, radiograph: Radiograph, cut_offs: Mapping[str, float] | None = None
        ) -> Findings | NotReadable:
            found = self._real.classify(radiograph, cut_offs)
            assert isinstance(found, Findings)
            return replace(found, heat_map=np.zeros((2, 2, 2, 2), np.float32))

    assert a_bench.classifier is not None
    a_bench.classifier = Odd(a_bench.classifier)
    (image,) = a_bench.read(a_film).images
    assert (image.status, image.flags[-2:], image.picture_key) == ("read", ("no_sc", "no_heat"), None)
    assert a_bench.sent(a_film) == ["gsps", "original", "request", "request_sc", "sr"]


@pytest.mark.parametrize(("part", "reason"), [("HIP", "not_a_chest"), ("CHEST", None)])
def test_a_model_that_cannot_tell_a_chest_believes_the_header(
    a_bench: Bench, a_film: Dataset, part: str, reason: str | None
) -> None:
    a_film.BodyPartExamined = part
    (image,) = a_bench.read(a_film).images
    assert (image.reason.code if image.reason else None) == reason
    assert ("refused_by_header" in image.flags) == (reason is not None)


def test_an_object_that_is_no_film_is_forwarded_without_a_report(a_bench: Bench, a_film: Dataset) -> None:
    a_bench.read(a_film)
    report = a_bench.object(a_film, "sr")
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    a_bench.receive(report)
    assert a_bench.reader().run_once()
    case = a_bench.case(a_film)
    assert [image.reason.code if image.reason else None for image in case.images] == [None, "not_a_film"]
    assert a_bench.sent(a_film) == ["gsps", "original", "original", "request", "request_sc", "sc", "sr"]


def test_a_dose_report_beside_a_normal_film_does_not_make_the_case_unread(a_calm_bench: Bench, a_film: Dataset) -> None:
    a_calm_bench.read(a_film)
    report = a_calm_bench.object(a_film, "sr")
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    a_calm_bench.receive(report)
    a_calm_bench.reader().run_once()
    assert a_calm_bench.case(a_film).priority is Priority.NORMAL


def same_study(film: Dataset, **attributes: str) -> Dataset:
    """Another film of the study of ``film``, without a second look at its pixels."""
    other = deepcopy(film)
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    for keyword, value in attributes.items():
        setattr(other, keyword, value)
    return other


def test_a_second_patient_in_the_study_is_in_the_trail_and_in_the_request(a_bench: Bench, a_film: Dataset) -> None:
    other = same_study(a_film, PatientName="Lê^Thị^Hai", PatientID="TWO2")
    case = a_bench.read(a_film)
    a_bench.receive(other)
    assert a_bench.reader().run_once()
    conflict = a_bench.case(a_film).conflict
    assert conflict is not None
    (entry,) = [one for one in a_bench.stores.audit.entries() if one.action is Action.PATIENT_CONFLICT]
    assert (entry.actor, entry.subject, entry.detail) == ("DX1", case.case_id, "; ".join(conflict.values))


def test_the_automatic_request_warns_of_a_second_patient(a_bench: Bench, a_film: Dataset) -> None:
    calm = same_study(a_film, PatientName="Lê^Thị^Hai", PatientID="TWO2", BodyPartExamined="HAND")
    calm.AcquisitionDate = "20250101"  # filmed first
    a_bench.read(calm)
    a_bench.receive(a_film)
    assert a_bench.reader().run_once()
    request = a_bench.object(a_film, "request")
    said = " ".join(item.get("TextValue", "") for item in request.ContentSequence)
    assert "Lê Thị Hai (TWO2)" in said
    assert "mang tên nhiều người bệnh" in said
    assert request.PatientID == a_bench.case(a_film).patient.id == "TWO2"


def test_a_database_that_fails_while_the_request_is_made_costs_time_and_not_the_request(
    a_bench: Bench, a_film: Dataset
) -> None:
    calm = same_study(a_film, PatientName="Lê^Thị^Hai", PatientID="TWO2", BodyPartExamined="HAND")
    calm.AcquisitionDate = "20250101"  # filmed first: the request is made out to her, from the header of this film
    a_bench.read(calm)
    a_bench.receive(a_film)
    kept, sent = sorted(a_bench.stores.spool.keys()), a_bench.sent(a_film)
    with a_bench.stores.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE purged RENAME COLUMN header TO gone")
    assert a_bench.reader().run_once()
    assert (sorted(a_bench.stores.spool.keys()), a_bench.sent(a_film)) == (kept, sent), "nothing half done"
    with a_bench.stores.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE purged RENAME COLUMN gone TO header")
    a_bench.clock.advance(60)
    assert a_bench.reader().run_once()
    read = next(image for image in a_bench.case(a_film).images if image.reason is None)
    assert "no_request" not in read.flags
    assert a_bench.object(a_film, "request").PatientID == "TWO2"


def test_a_name_corrected_under_the_same_uid_is_taken_and_in_the_trail(a_calm_bench: Bench, a_film: Dataset) -> None:
    case = a_calm_bench.read(a_film)
    corrected = deepcopy(a_film)
    corrected.PatientName = "Trần^Văn^Dũng"
    spooled = a_calm_bench.stores.spool.keep(io.BytesIO(film_bytes(corrected)))
    outcome = a_calm_bench.stores.inbox.record(
        instance=reference_to(corrected), spooled=spooled, calling_ae_title="DX1", peer_host="127.0.0.1"
    )
    assert outcome is Outcome.CONFLICT
    reader = a_calm_bench.reader()
    assert reader.run_once()
    assert not reader.run_once()
    after = a_calm_bench.case(a_film)
    assert (after.patient.name, after.patient.id) == ("Trần Văn Dũng", case.patient.id)
    assert (after.images, after.conflict) == (case.images, None)
    (entry,) = [one for one in a_calm_bench.stores.audit.entries() if one.action is Action.PATIENT_CORRECTED]
    assert entry.detail == f"{case.patient.name} ({case.patient.id}) → Trần Văn Dũng ({case.patient.id})"
    assert len(a_calm_bench.sent(a_film)) == 4


def test_a_film_that_names_nobody_gets_its_patient_from_its_registration(a_calm_bench: Bench, a_film: Dataset) -> None:
    order = a_calm_bench.stores.orders.register(registration(), form_key="k", registered_by="technician")
    nobody = dict.fromkeys(("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge"), "")
    film = same_study(a_film, **nobody, StudyInstanceUID=order.study_instance_uid, AccessionNumber="")
    case = a_calm_bench.read(film)
    assert (case.patient.name, case.patient.id) == (order.registration.patient_name, order.patient_id)
    assert (case.accession_number, case.conflict) == (order.accession_number, None)


def test_a_film_under_the_number_of_another_patients_registration_is_a_conflict(
    a_calm_bench: Bench, a_film: Dataset
) -> None:
    order = a_calm_bench.stores.orders.register(registration(), form_key="k", registered_by="technician")
    case = a_calm_bench.read(same_study(a_film, AccessionNumber=order.accession_number))
    assert case.patient.id == a_film.PatientID
    assert case.conflict is not None
    assert case.conflict.values[1] == f"{order.registration.patient_name} ({order.patient_id})"


@pytest.mark.parametrize("born", ["20230301", "2023/03/01", "2023", "20230000", "01/03/2023"])
def test_a_child_is_not_read_as_an_adult_when_the_console_lost_its_clock(
    a_calm_bench: Bench, a_film: Dataset, born: str
) -> None:
    dates = dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"), "20000101")
    for keyword, vr, value in (("PatientBirthDate", "LO", born), *((name, "DA", day) for name, day in dates.items())):
        a_film[keyword] = pydicom.DataElement(keyword, vr, value)
    a_film.PatientAge = ""
    (image,) = a_calm_bench.read(a_film).images
    assert image.reason is not None
    assert image.reason.code == "child"


def test_a_film_that_tells_no_age_is_read_and_says_so_on_page_and_report(a_calm_bench: Bench, a_film: Dataset) -> None:
    a_film.PatientAge = a_film.PatientBirthDate = ""
    (image,) = a_calm_bench.read(a_film).images
    assert "age_unknown" in image.flags
    report = a_calm_bench.object(a_film, "sr")
    assert "không cho biết tuổi" in str(report.to_json_dict())


def test_a_film_whose_spool_file_is_lost_becomes_a_case_all_the_same(a_bench: Bench, a_film: Dataset) -> None:
    a_bench.receive(a_film)
    (key,) = a_bench.stores.spool.keys()
    a_bench.stores.spool.delete(key)
    assert a_bench.reader().run_once()
    case = a_bench.case(a_film)
    assert case.images[0].reason is not None
    assert case.images[0].reason.code == "damaged_pixels"


def test_two_films_of_a_study_are_one_case_of_the_higher_priority(a_calm_bench: Bench, a_film: Dataset) -> None:
    a_calm_bench.read(a_film)
    second = phantom.dataset(phantom.non_chest("blank", rows=512, columns=512), seed=9)
    second.StudyInstanceUID = a_film.StudyInstanceUID
    a_calm_bench.receive(second)
    a_calm_bench.reader().run_once()
    case = a_calm_bench.case(a_film)
    assert len(case.images) == 2
    assert case.priority is Priority.NOT_READ


def test_reading_again_gives_objects_of_the_same_names(tmp_path: Path, a_film: Dataset) -> None:
    made = []
    for name in ("one", "two"):
        bench = Bench(tmp_path / name, URGENT)
        bench.read(a_film)
        made.append({what: bench.object(a_film, what).SOPInstanceUID for what in ("sr", "sc", "gsps")})
        bench.stores.database.close()
    assert made[0] == made[1]


def test_the_kept_bytes_of_the_film_are_those_that_came(a_bench: Bench, a_film: Dataset) -> None:
    a_film.PatientName = "Trần^Thị^Bích"
    sent = film_bytes(a_film)
    a_bench.read(a_film)
    (original,) = [d for d in a_bench.stores.outbox.of_study(a_film.StudyInstanceUID) if d.what == "original"]
    with a_bench.stores.spool.open(original.spooled.key) as stream:
        assert stream.read() == sent
    with a_bench.stores.spool.open(original.spooled.key) as stream:
        assert str(read_header(stream).PatientName) == "Trần^Thị^Bích"


def learn(bench: Bench, film: Dataset) -> int:
    """The machine of ``film`` makes as many films as it takes, all like this one. Gives its number."""
    bench.read(film)
    (known,) = bench.stores.machines.known(bench.card.model_sha256)  # type: ignore[union-attr]
    with bench.stores.database.write() as connection:
        (row,) = connection.execute(tables.image.select()).mappings()
        more = [
            {**row, "image_id": row["image_id"] + n, "sop_instance_uid": f"1.2.{n}"} for n in range(1, FILMS_TO_LEARN)
        ]
        connection.execute(tables.image.insert(), more)
    return known.machine_id


def another(film: Dataset) -> Dataset:
    """The same film under numbers of its own."""
    copied = deepcopy(film)
    copied.StudyInstanceUID, copied.SeriesInstanceUID, copied.SOPInstanceUID = (
        pydicom.uid.generate_uid() for _ in range(3)
    )
    copied.file_meta.MediaStorageSOPInstanceUID = copied.SOPInstanceUID
    return copied


def test_a_calm_film_of_a_machine_that_nobody_knows_is_not_cleared(a_calm_bench: Bench, a_film: Dataset) -> None:
    case = a_calm_bench.read(a_film)
    (image,) = case.images
    assert case.priority is Priority.NORMAL
    assert image.machine is not None
    assert (image.machine.films, image.calibrated, case.unproven is None) == (1, False, False)


def test_what_was_accepted_holds_from_the_next_film_on_without_a_restart(a_calm_bench: Bench, a_film: Dataset) -> None:
    """Here every film has the same scores, so that the site's cut-offs, stopped at a bound, flag none of them."""
    bench, reader = a_calm_bench, a_calm_bench.reader()
    number = learn(bench, a_film)
    assert bench.card is not None
    site = Site(bench.stores.machines)
    accepted = site.accept(number, bench.card, by="admin")
    assert accepted.proposal().at_lower  # type: ignore[union-attr]
    bench.receive(later := another(a_film))
    assert reader.run_once()
    (image,) = bench.case(later).images
    assert image.calibrated
    assert bench.case(later).unproven is None
    assert {f.threshold for f in image.findings} == {accepted.cut_offs["pneumothorax"]} != {0.5}
    site.reset(number, bench.card, by="admin")
    bench.receive(last := another(a_film))
    assert reader.run_once()
    assert not bench.case(last).images[0].calibrated
    assert {f.threshold for f in bench.case(last).images[0].findings} == {0.5}


def test_films_are_counted_under_the_name_of_their_machine(a_calm_bench: Bench, a_film: Dataset) -> None:
    names = [("GE", "Definium", "DX1"), ("GE", "Definium", "DX2"), ("", "", "")]
    for manufacturer, model, station in names:
        a_film = another(a_film)
        a_film.Manufacturer, a_film.ManufacturerModelName, a_film.StationName = manufacturer, model, station
        a_calm_bench.read(a_film)
    known = a_calm_bench.stores.machines.known(a_calm_bench.card.model_sha256)  # type: ignore[union-attr]
    assert [(m.machine.manufacturer, m.machine.model, m.machine.station) for m in known] == names


def test_children_and_films_that_are_no_chest_count_for_no_machine(a_calm_bench: Bench, a_film: Dataset) -> None:
    child, hand = another(a_film), another(a_film)
    child.PatientAge, hand.BodyPartExamined = "009Y", "HAND"
    for one in (child, hand):
        assert a_calm_bench.read(one).priority is Priority.NOT_READ
    assert a_calm_bench.stores.machines.known(a_calm_bench.card.model_sha256) == []  # type: ignore[union-attr]


def test_the_gravest_film_of_a_known_machine_rings_and_its_request_says_why(
    a_calm_bench: Bench, a_film: Dataset
) -> None:
    """The machine's other films are a little darker, and so a little less grave."""
    bench = a_calm_bench
    assert bench.card is not None
    number = learn(bench, a_film)
    Site(bench.stores.machines).accept(number, bench.card, by="admin")
    brighter = another(a_film)
    brighter.PixelData = np.minimum(np.frombuffer(a_film.PixelData, "<u2") * 1.1, 4095).astype("<u2").tobytes()
    case = bench.read(brighter)
    assert case.priority is Priority.URGENT, case.reasons
    assert "severity" in case.reasons
    assert case.consultation is not None
    assert "điểm nặng" in case.consultation.question
