"""The reader's own process: ``python -m xray_triage.reader.process station.toml``, started by supervisor.py.

Its memory is capped, so that a film that unpacks without end ends here and nowhere else. Standard input is the bell
(the first byte: begin; end of file: finish the film, then stop); standard output carries the messages of supervisor.py
and nothing else.
"""

import json
import os
import resource
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import structlog

from dicom_router.child import restrain
from dicom_router.clock import Bell, SystemClock
from dicom_router.errors import DatabaseDamaged
from dicom_router.worker import run_forever
from xray_triage.config.loading import load_config
from xray_triage.log import ignore_pydicom_warnings, log_to_stderr, print_surely
from xray_triage.model.loading import AiState, load_classifier
from xray_triage.model.site import card_of
from xray_triage.reader.policy import SitePolicy
from xray_triage.reader.reader import Reader
from xray_triage.stores import open_stores

MEMORY_BYTES = 2 << 30
POLL_SECONDS = 5.0
NEVER_DONE = (
    "the reader came to no end with this model over several films, or while loading it; it is tried again later"
)

log = structlog.get_logger()


def main(config_path: Path, *, with_model: bool = True) -> None:
    """Read films until standard input ends; without its model, tell them to be unread."""
    restrain(MEMORY_BYTES, limit=resource.RLIMIT_DATA)
    tell = _messages()
    print_surely()
    log_to_stderr()
    ignore_pydicom_warnings()
    config = load_config(config_path)
    ai = load_classifier(config) if with_model else AiState(problem=NEVER_DONE)
    tell({"event": "loaded"})
    if not os.read(0, 1):
        return  # the front never came so far as to let us begin
    bell, stop = Bell(), threading.Event()
    threading.Thread(target=_follow_stdin, args=(bell, stop), name="bell", daemon=True).start()
    clock = SystemClock()

    def give_up(problem: str) -> None:
        tell({"event": "damaged", "problem": problem})
        stop.set()
        bell.ring()

    try:
        stores = open_stores(config, role="reader", clock=clock)
    except DatabaseDamaged as error:
        give_up(str(error))
        return
    if stores.database.is_sqlite:  # else it is its administrator's, who mends it under us
        stores.database.tell_damage(give_up)
    stores.ledger.free_leases(forgive=False)
    reader = Reader(
        stores,
        classifier=ai.classifier,
        policy=SitePolicy.from_config(config),
        result_destinations=config.result_destinations,
        clock=clock,
        card=card_of(ai.classifier.manifest, config.model.thresholds) if ai.classifier else None,
    )
    if ai.classifier is not None:
        log.info("runtime chosen", runtime=ai.classifier.runtime)
    reader.look_again()
    tell({"event": "ready", **_describe(ai)})

    def step() -> bool:
        tell({"event": "busy"})
        before, worked = reader.films_read, False
        try:
            worked = reader.run_once()
        finally:
            said = {"read": reader.films_read > before, "problem": ai.problem or reader.problem}
            tell({"event": "done", **said} if worked else {"event": "idle"})
        return worked

    run_forever(step, bell=bell, poll_seconds=POLL_SECONDS, stop=stop, name="reader")


def _describe(ai: AiState) -> dict[str, object]:
    model = asdict(ai.classifier.identity) | {"runtime": ai.classifier.runtime} if ai.classifier else None
    return {"problem": ai.problem, "model": model}


def _messages() -> Callable[[dict[str, object]], None]:
    """Take standard output for messages; whatever a library prints goes to standard error from now on."""
    pipe = os.dup(1)
    os.dup2(2, 1)

    def tell(message: dict[str, object]) -> None:
        os.write(pipe, json.dumps(message).encode() + b"\n")

    return tell


def _follow_stdin(bell: Bell, stop: threading.Event) -> None:
    while os.read(0, 4096):
        bell.ring()
    stop.set()
    bell.ring()


if __name__ == "__main__":
    main(Path(sys.argv[1]), with_model=len(sys.argv) == 2)
