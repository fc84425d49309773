"""The workers that prove that every destination has what it acknowledged: a thread for each. Knows no protocol."""

import threading

from dicom_router.clock import Bell, Clock
from dicom_router.store.commitments import Commitments
from dicom_router.worker import run_forever
from xray_triage.config import Config
from xray_triage.station.peers import make_committer

POLL_SECONDS = 10.0  # what is acknowledged meanwhile is asked about at once: a film and its results
STOP_SECONDS = 5.0


class CommitmentWorkers:
    """A thread for each destination with ``commitment = true``. The others prove nothing."""

    def __init__(self, config: Config, book: Commitments, *, clock: Clock) -> None:
        self._stop = threading.Event()
        self._bells: list[Bell] = []
        self._threads: list[threading.Thread] = []
        for each in config.destination:
            if each.commitment:
                committer = make_committer(each, config, book, clock=clock)
                name, bell = f"commitment/{each.name}", Bell()
                options = {"bell": bell, "poll_seconds": POLL_SECONDS, "stop": self._stop, "name": name}
                self._bells.append(bell)
                self._threads.append(
                    threading.Thread(
                        target=run_forever, args=(committer.run_once,), kwargs=options, name=name, daemon=True
                    )
                )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let what is on the wire finish for some seconds; what does not is asked again after the next start."""
        self._stop.set()
        for bell in self._bells:
            bell.ring()
        for thread in self._threads:
            thread.join(STOP_SECONDS)


def reporting_destinations(config: Config) -> dict[str, list[str]]:
    """The names of the destinations that may report what they keep, by AE title."""
    found: dict[str, list[str]] = {}
    for each in config.destination:
        if each.commitment and each.kind == "dimse":
            found.setdefault(each.ae_title, []).append(each.name)
    return found
