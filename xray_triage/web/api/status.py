"""Health and metrics, for whoever watches over many stations. No patient data comes out of here."""

from collections import Counter
from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client import Counter as Rising
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import PlainTextResponse, Response

from xray_triage import __version__
from xray_triage.health.checks import CheckState, ready, troubles
from xray_triage.model.acquaintance import machines_under
from xray_triage.model.drift import VERDICTS, drift, verdicts
from xray_triage.reading.naming import TOLD
from xray_triage.stores import Stores
from xray_triage.web.surroundings import Surroundings

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS_BUCKETS = (0.1, 0.2, 0.4, 0.7, 1, 2, 5, 10, 30, 60, 300, 3600)


def status_router(stores: Stores, surroundings: Surroundings) -> APIRouter:
    """/healthz, /readyz and /metrics."""
    status = APIRouter()
    metrics = StationMetrics(stores, surroundings)

    @status.get("/healthz")
    def show_health() -> PlainTextResponse:
        """200 while the process serves."""
        return PlainTextResponse("ok\n")

    @status.get("/readyz", responses={503: {"description": "A film could not be taken or read now."}})
    def show_readiness() -> JSONResponse:
        """503, with the reasons, when a film could not be taken or read now."""
        report = surroundings.health.report()
        reasons = [{"name": c.name, "state": c.state.value, **c.said} for c in troubles(report)]
        is_ready = ready(report)
        return JSONResponse({"ready": is_ready, "reasons": reasons}, 200 if is_ready else 503)

    @status.get("/metrics")
    def show_metrics() -> Response:
        """Prometheus text format 0.0.4."""
        return Response(metrics.text(), media_type=METRICS_TYPE)

    return status


class StationMetrics(Collector):
    """Gauges counted in the database at each scrape; histogram and counter get the films read since the last one."""

    def __init__(self, stores: Stores, surroundings: Surroundings) -> None:
        self._stores, self._surroundings = stores, surroundings
        self._last_image = stores.gauges.last_image()
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "xray_triage_result_seconds",
            "From a film's arrival to its result on the page",
            buckets=SECONDS_BUCKETS,
            registry=self._registry,
        )
        self._findings = Rising(
            "xray_triage_findings_total",
            "Films on which the AI marked this, since the program started",
            labelnames=["name"],
            registry=self._registry,
        )
        for name in TOLD:
            self._findings.labels(name)
        self._registry.register(self)

    def text(self) -> bytes:
        for image, seconds, marked in self._stores.gauges.readings(after_image=self._last_image):
            self._seconds.observe(max(0.0, seconds))
            for name in TOLD.keys() & marked:
                self._findings.labels(name).inc()
            self._last_image = image
        return generate_latest(self._registry)

    def describe(self) -> list[GaugeMetricFamily]:
        return []  # so that registering does not collect

    def collect(self) -> Iterator[GaugeMetricFamily]:
        stores = self._stores
        summary = stores.outbox.summary()
        cases = GaugeMetricFamily("xray_triage_cases", "Cases by priority", labels=["priority"])
        for priority, count in stores.gauges.counts().items():
            cases.add_metric([priority.value], count)
        yield cases
        deliveries = GaugeMetricFamily(
            "xray_triage_deliveries", "Objects not yet at their destination", labels=["state"]
        )
        deliveries.add_metric(["waiting"], summary.waiting)
        deliveries.add_metric(["sending"], summary.sending)
        deliveries.add_metric(["refused"], summary.refused_count)
        yield deliveries
        yield self._refused()
        yield self._records()
        yield GaugeMetricFamily("xray_triage_unread", "Films taken and not yet read", value=stores.inbox.unread())
        oldest = summary.oldest_waiting_at
        age = max(0.0, (stores.clock.now() - oldest).total_seconds()) if oldest else 0.0
        yield GaugeMetricFamily("xray_triage_oldest_waiting_seconds", "Age of the oldest waiting delivery", value=age)
        yield from self._station()
        days_left = self._surroundings.days_left()
        if days_left is not None:
            yield GaugeMetricFamily("xray_triage_disk_days_left", "Days until the disk is full", value=days_left)
        yield GaugeMetricFamily("xray_triage_films_purged", "Films at the PACS alone", value=stores.gauges.purged())
        checks = GaugeMetricFamily("xray_triage_check", "1 when the check is not bad", labels=["name"])
        for check in self._surroundings.health.report():
            checks.add_metric([check.name], check.state is not CheckState.BAD)
        yield checks
        yield from self._watched()
        yield from self._machines()

    def _records(self) -> GaugeMetricFamily:
        records = GaugeMetricFamily(
            "xray_triage_records", "Results not yet at a HIS or another peer", labels=["record", "state"]
        )
        for peer in self._stores.records.summary():
            records.add_metric([peer.name, "waiting"], peer.waiting + peer.sending)
            records.add_metric([peer.name, "refused"], peer.refused)
        return records

    def _refused(self) -> GaugeMetricFamily:
        """How often machines were refused that were not served since, by reason: titles come from outside."""
        refused = GaugeMetricFamily(
            "xray_triage_refusals", "Refusals of machines that were not served since", labels=["reason"]
        )
        counts: Counter[str] = Counter()
        for each in self._stores.refusals.standing():
            counts[each.reason] += each.count
        for reason, count in counts.items():
            refused.add_metric([reason], count)
        return refused

    def _station(self) -> Iterator[GaugeMetricFamily]:
        """Which station and program this is, and what somebody who watches over many would call about."""
        stores, model = self._stores, self._surroundings.model_in_use()
        build = GaugeMetricFamily(
            "xray_triage_build_info", "1, for what runs here", labels=["version", "station", "model"]
        )
        build.add_metric([__version__, self._surroundings.station_name, model.identity.name if model else ""], 1)
        yield build
        last = stores.gauges.last_received_at()
        if last is not None:
            yield GaugeMetricFamily(
                "xray_triage_last_film_timestamp", "Unix time of the last film", value=last.timestamp()
            )
        ordered = stores.orders.last_message_at()
        if ordered is not None:
            yield GaugeMetricFamily(
                "xray_triage_last_order_timestamp",
                "Unix time of the last message of the HIS",
                value=ordered.timestamp(),
            )
        reachable = GaugeMetricFamily(
            "xray_triage_destination_reachable", "1 when it answered the last try", labels=["destination"]
        )
        for destination in stores.outbox.summary().destinations:
            reachable.add_metric([destination.name], destination.reachable)
        yield reachable
        asked = GaugeMetricFamily("xray_triage_consultations", "Questions to specialists", labels=["state"])
        for state, count in stores.gauges.consultations().items():
            asked.add_metric([state.value], count)
        yield asked
        yield GaugeMetricFamily("xray_triage_disk_free_bytes", "Above the reserve", value=stores.spool.free_bytes())

    def _machines(self) -> Iterator[GaugeMetricFamily]:
        """Every X-ray machine: its films since it is learned, by its state, and how strange its scores are."""
        films = GaugeMetricFamily(
            "xray_triage_machine_films", "Films read of a machine since it is learned", labels=["machine", "state"]
        )
        psi = GaugeMetricFamily(
            "xray_triage_machine_psi", "How far a machine's scores lie from the expected", labels=["machine"]
        )
        for standing in machines_under(self._stores.machines, self._surroundings.model_in_use()):
            films.add_metric([str(standing.machine), standing.state.value], standing.films)
            if standing.psi is not None:
                psi.add_metric([str(standing.machine)], standing.psi)
        yield films
        yield psi

    def _watched(self) -> Iterator[GaugeMetricFamily]:
        """The model's scores against those of its measurement, and the doctors' verdicts; nothing where unknown."""
        model = self._surroundings.model_in_use()
        if model is not None:
            seen = drift(self._stores.gauges, model.identity.sha256, model.references)
            psi = GaugeMetricFamily(
                "xray_triage_score_psi", "Population stability index of the newest films' scores", labels=["label"]
            )
            for label, index in seen.index.items():
                if index is not None:
                    psi.add_metric([label], index)
            yield psi
            yield GaugeMetricFamily("xray_triage_score_films", "Films behind that index", value=seen.films)
        counted = GaugeMetricFamily(
            "xray_triage_verdicts", "Doctors' last words, by the AI's priority", labels=["priority", "agrees"]
        )
        for priority, one in verdicts(self._stores.gauges).by_priority.items():
            counted.add_metric([priority.value, "true"], one.agree)
            counted.add_metric([priority.value, "false"], one.disagree)
        yield counted
        share = verdicts(self._stores.gauges, newest=VERDICTS).total.share
        if share is not None:
            yield GaugeMetricFamily("xray_triage_verdict_agreement", "Share of the newest verdicts", value=share)
