"""A model that was right on its golden film and goes wrong on films: AI is off and says so, no film is "normal"."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicom_router.clock import SystemClock
from dicom_router.dicom.instance import reference_to
from dicom_router.store.delivery import DeliveryState
from dicom_router.store.reconciliation import Missing
from dicom_router.transport.folder import FolderTransport
from dicom_router.transport.forwarder import Forwarder
from tests.factories import film_bytes, until
from tests.xray_triage.bundles import make_bundle, spoil_on_films
from xray_triage.cases.case import Case
from xray_triage.config.loading import load_config
from xray_triage.health.checks import CheckState, ready
from xray_triage.health.model import model_check
from xray_triage.health.rebuilt import Rebuilt
from xray_triage.reading.bundle import BundleError
from xray_triage.reading.findings import Priority
from xray_triage.simulation import phantom
from xray_triage.station.retention import Retention, RetentionWorker
from xray_triage.station.self_check import Serving, serving_probes
from xray_triage.station.supervisor import ReaderLimits, Supervisor
from xray_triage.stores import Stores, configured_stores

pytestmark = pytest.mark.slow

NORMAL = {"pneumothorax": -6.0, "abnormal": -6.0}


class Ward:
    """A station without its listener: the stores, the supervisor and the real reader process under it."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.folder = folder
        self.config_path = folder / "station.toml"
        (folder / "pacs").mkdir()
        self.config_path.write_text(
            f'[station]\ndata_dir = "data"\n[retention]\nreserve_gb = 0\n[model]\nbundle = {json.dumps(str(bundle))}\n'
            f'[[destination]]\nname = "pacs"\nkind = "folder"\npath = {json.dumps(str(folder / "pacs"))}\n',
            encoding="utf-8",
        )
        self.stores: Stores = configured_stores(self.config_path, role="front")
        self.sent = 0

    def send(self, supervisor: Supervisor, count: int) -> None:
        for _ in range(count):
            self.sent += 1
            dataset = phantom.dataset(phantom.render(seed=self.sent, rows=256, columns=256), seed=self.sent)
            self.stores.inbox.record(
                instance=reference_to(dataset),
                spooled=self.stores.spool.keep(io.BytesIO(film_bytes(dataset))),
                calling_ae_title="DX1",
                peer_host="127.0.0.1",
            )
        supervisor.ring()

    @contextmanager
    def supervised(self, **limits: float) -> Iterator[Supervisor]:
        told = ReaderLimits(**limits)  # type: ignore[arg-type]
        with Supervisor(self.config_path, clock=SystemClock(), limits=told) as supervisor:
            supervisor.open(lambda: None, lambda _: None)
            until(lambda: supervisor.state.ready)
            yield supervisor

    def cases(self) -> list[Case]:
        return self.stores.casebook.cases()

    def is_off(self, supervisor: Supervisor) -> bool:
        """Whether the page says so."""
        config = load_config(self.config_path)
        serving = Serving(
            supervisor=supervisor,
            retention=RetentionWorker(Retention(self.stores, keep_days=config.retention.keep_days)),
            backup=None,
            exporter=None,
            rebuilt=Rebuilt(config.station.data_dir),
            missing=Missing,
            his_problem=str,
        )
        probes = serving_probes(config, self.stores, serving, clock=SystemClock())
        checks = {check.name: check for check in (probe() for probe in probes)}
        return checks["model"].state is CheckState.BAD and not ready(list(checks.values()))

    def reasons(self) -> set[str | None]:
        return {image.reason.code if image.reason else None for case in self.cases() for image in case.images}

    def forward(self) -> list[str]:
        """Send what is due to the PACS; what it has then."""
        for lane in ("light", "bulk"):
            transport = FolderTransport(self.folder / "pacs", clock=SystemClock())
            forwarder = Forwarder(
                outbox=self.stores.outbox,
                spool=self.stores.spool,
                transport=transport,
                destination="pacs",
                lane=lane,
                clock=SystemClock(),
            )
            while forwarder.run_once():
                pass
        deliveries = (self.stores.outbox.of_study(case.study_instance_uid) for case in self.cases())
        return sorted(one.what for each in deliveries for one in each if one.state is DeliveryState.ACKNOWLEDGED)


@pytest.fixture
def make_ward(tmp_path: Path) -> Iterator[Callable[..., Ward]]:
    wards: list[Ward] = []

    def make(how: str) -> Ward:
        bundle = make_bundle(tmp_path / "bundle", logits=NORMAL)
        wards.append(Ward(tmp_path, spoil_on_films(bundle, how)))  # type: ignore[arg-type]
        return wards[-1]

    yield make
    for ward in wards:
        ward.stores.database.close()


def test_a_model_that_answers_no_numbers_reads_nothing_and_ai_is_said_to_be_off(
    make_ward: Callable[..., Ward],
) -> None:
    ward = make_ward("nan")
    with ward.supervised() as supervisor:
        assert not ward.is_off(supervisor)
        ward.send(supervisor, 3)
        until(lambda: len(ward.cases()) == 3)
        until(lambda: ward.is_off(supervisor))
    assert {case.priority for case in ward.cases()} == {Priority.NOT_READ}
    assert ward.reasons() == {"model_failed"}
    assert ward.forward() == ["original"] * 3 + ["sc"] * 3 + ["sr"] * 3


def test_a_model_that_comes_to_no_end_is_put_aside_and_tried_again_later(make_ward: Callable[..., Ward]) -> None:
    ward = make_ward("hang")
    with ward.supervised(film_seconds=2.0, most_deaths=1, rest_seconds=5.0) as supervisor:
        assert not ward.is_off(supervisor)
        ward.send(supervisor, 4)
        until(lambda: len(ward.cases()) == 4 and ward.is_off(supervisor))
        assert "no end" in str(supervisor.state.problem)
        ward.send(supervisor, 1)
        until(lambda: len(ward.cases()) == 5)
        assert Priority.NORMAL not in {case.priority for case in ward.cases()}
        assert ward.reasons() <= {"no_model", "reader_died"}
        assert ward.forward() == ["original"] * 5 + ["sc"] * 5 + ["sr"] * 5
        make_bundle(ward.folder / "bundle", logits=NORMAL)  # mended under the same name
        until(
            lambda: (
                {case.priority for case in ward.cases()} <= {Priority.NORMAL, Priority.NOT_READ}
                and None in ward.reasons()
            )
        )
        until(lambda: supervisor.state.problem is None)


def test_the_check_names_what_the_model_did() -> None:
    def verify() -> str:
        raise BundleError("the model failed on the last 2 films: logits: no number")

    assert "no number" in model_check(verify, BundleError).detail
