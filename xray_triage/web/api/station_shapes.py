"""The JSON shapes of the station in the API: its queue, and the model in use. Times are ISO 8601 with zone."""

from collections.abc import Sequence
from datetime import datetime

# pydantic, which turns these types into the OpenAPI document, wants this TypedDict before Python 3.12.
from typing_extensions import TypedDict

from dicom_router.store.outbox import QueueSummary
from xray_triage.cases.shapes import ModelJson, model_json
from xray_triage.cases.tally import Agreement
from xray_triage.model.acquaintance import Standing
from xray_triage.model.drift import Drift, ModelInUse, Verdicts
from xray_triage.web.api.shapes import iso


class RefusedJson(TypedDict):
    """An object that a destination will not take: a person must look."""

    what: str
    sop_instance_uid: str
    destination: str
    status: str
    since: str


class DestinationJson(TypedDict):
    """A destination that was tried at least once. ``reachable``: it answered the last try."""

    name: str
    reachable: bool
    last_success_at: str | None
    last_error: str | None


class QueueJson(TypedDict):
    """What still has to be read and sent."""

    unread: int
    waiting: int
    sending: int
    refused: list[RefusedJson]
    oldest_waiting_seconds: float | None
    destinations: list[DestinationJson]


class DriftJson(TypedDict):
    """Population stability index by label over the newest ``films`` films; null: not known, too few films yet."""

    films: int
    labels: dict[str, float | None]


class AgreementJson(TypedDict):
    """Verdicts that agree with the AI and that do not; ``share`` is 0..1, null without a verdict."""

    agree: int
    disagree: int
    share: float | None


class VerdictsJson(TypedDict):
    """Agreement, in all and by the priority that the AI gave."""

    total: AgreementJson
    by_priority: dict[str, AgreementJson]


class AgreementsJson(TypedDict):
    """Over all verdicts, and over the newest 200."""

    all: VerdictsJson
    recent: VerdictsJson


class MachineJson(TypedDict):
    """An X-ray machine and how well its own cut-offs are known. ``state``: learning, proposed, set.

    ``films`` were read since it is learned; ``psi``: how far its scores lie from what the model should say of a
    station's films, null: too few; ``flagged_share`` of its newest films with the cut-offs in use, null: no film.
    """

    manufacturer: str
    model: str
    station: str
    films: int
    psi: float | None
    state: str
    changed: bool
    flagged_share: float | None
    cut_offs: dict[str, float]


class ModelInUseJson(TypedDict):
    """``model``, ``runtime`` and ``drift`` are null while AI is off, and no machine is known."""

    model: ModelJson | None
    runtime: str | None
    drift: DriftJson | None
    agreement: AgreementsJson
    machines: list[MachineJson]


def queue_json(summary: QueueSummary, *, unread: int, now: datetime) -> QueueJson:
    """The queue at ``now``."""
    oldest = summary.oldest_waiting_at
    return {
        "unread": unread,
        "waiting": summary.waiting,
        "sending": summary.sending,
        "refused": [
            {
                "what": delivery.what,
                "sop_instance_uid": delivery.instance.sop_instance_uid,
                "destination": delivery.destination,
                "status": delivery.status or delivery.last_error or "",
                "since": (delivery.refused_at or delivery.queued_at).isoformat(),
            }
            for delivery in summary.refused
        ],
        # A clock that was set back must not make an age negative.
        "oldest_waiting_seconds": max(0.0, (now - oldest).total_seconds()) if oldest else None,
        "destinations": [
            {
                "name": destination.name,
                "reachable": destination.reachable,
                "last_success_at": iso(destination.last_success_at),
                "last_error": destination.last_error,
            }
            for destination in summary.destinations
        ],
    }


def model_in_use_json(
    model: ModelInUse | None, drift: Drift | None, every: Verdicts, recent: Verdicts, machines: Sequence[Standing]
) -> ModelInUseJson:
    """What reads, and how well it does here."""
    return {
        "model": model_json(model.identity) if model else None,
        "runtime": model.runtime if model else None,
        "drift": {"films": drift.films, "labels": dict(drift.index)} if drift else None,
        "agreement": {"all": _verdicts_json(every), "recent": _verdicts_json(recent)},
        "machines": [machine_json(machine) for machine in machines],
    }


def machine_json(standing: Standing) -> MachineJson:
    """A machine, also for the command line."""
    machine = standing.machine
    return {
        "manufacturer": machine.manufacturer,
        "model": machine.model,
        "station": machine.station,
        "films": standing.films,
        "psi": standing.psi,
        "state": standing.state.value,
        "changed": standing.changed,
        "flagged_share": standing.flagged_share,
        "cut_offs": dict(standing.cut_offs),
    }


def _verdicts_json(verdicts: Verdicts) -> VerdictsJson:
    by_priority = {priority.value: _agreement_json(one) for priority, one in verdicts.by_priority.items()}
    return {"total": _agreement_json(verdicts.total), "by_priority": by_priority}


def _agreement_json(agreement: Agreement) -> AgreementJson:
    return {"agree": agreement.agree, "disagree": agreement.disagree, "share": agreement.share}
