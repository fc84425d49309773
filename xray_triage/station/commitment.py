"""The workers that prove that every destination has what it acknowledged: a thread for each. Knows no protocol."""

from dicom_router.clock import Clock
from dicom_router.store.commitments import Commitments
from dicom_router.worker import Worker, stop_all
from xray_triage.config.station import Config
from xray_triage.station.peers import make_committer

POLL_SECONDS = 10.0  # what is acknowledged meanwhile is asked about at once: a film and its results


class CommitmentWorkers:
    """A thread for each destination with ``commitment = true``. The others prove nothing."""

    def __init__(self, config: Config, book: Commitments, *, clock: Clock) -> None:
        self._workers = [
            Worker(
                make_committer(each, config, book, clock=clock).run_once,
                name=f"commitment/{each.name}",
                poll_seconds=POLL_SECONDS,
            )
            for each in config.destination
            if each.commitment
        ]

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Let what is on the wire finish for some seconds; what does not is asked again after the next start."""
        stop_all(self._workers)


def reporting_destinations(config: Config) -> dict[str, list[str]]:
    """The names of the destinations that may report what they keep, by AE title."""
    found: dict[str, list[str]] = {}
    for each in config.destination:
        if each.commitment and each.kind == "dimse":
            found.setdefault(each.ae_title, []).append(each.name)
    return found
