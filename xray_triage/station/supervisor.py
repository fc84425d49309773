"""The front's side of the reader process: starts it, wakes it, watches its time, starts it again when it dies.

The two processes share the database and a pair of pipes. To the reader: one byte is a ring (the first one says
"begin"), end of file is "stop". From the reader: one JSON object a line, {"event": "loaded" | "ready" | "busy" |
"done" | "idle" | "damaged", ...}; after the last one, of the database, it ends. Knows no DICOM and no model.

A film that ends the reader is set aside by the reader itself. Where film after film does, or the loading, it is the
model: the reader is then started without it for a while, so that the films are told to be unread, and AI to be off.
"""

import json
import os
import selectors
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import structlog

from dicom_router import child
from dicom_router.clock import Clock

WITHOUT_MODEL = "without-model"
LOADING_DEATH = 3  # films: no film is at fault where the model does not even load
# glibc gives large blocks back to the kernel and takes them again, zeroed page by page, for every film: a sixth of a
# film's reading. Kept, they cost some tens of megabytes.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
RESTART_SECONDS = (0.0, 1.0, 5.0, 15.0, 30.0)
STOP_SECONDS = 10.0
DAMAGED = "the database is damaged, and is made anew first"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderState:
    """What the front knows of the reader. ``problem`` says in one line why AI is off; None while it is on.

    ``damaged``: it met damage in the database, and does not begin again before the front has seen to that.
    """

    damaged: bool = False
    ready: bool = False
    problem: str | None = None
    model: dict[str, str] | None = None
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderLimits:
    """How long the reader may take, and how often it may die: two films are tried twice before the model is blamed.

    ``film_seconds`` is below the ledger's lease of a minute: a film under way is never given to another reader.
    ``most_deaths``: over films or while loading, and no film read in between. ``rest_seconds``: then so long without
    the model.
    """

    film_seconds: float = 40.0
    loading_seconds: float = 120.0
    most_deaths: int = 5
    rest_seconds: float = 600.0


class Supervisor:
    """Keeps one reader process running, from the ``with`` block's start to its end.

    The reader loads its model at once and touches nothing of the station before ``open``.
    """

    def __init__(self, config_path: Path, *, clock: Clock, limits: ReaderLimits | None = None) -> None:
        self.config_path = config_path
        self._limits = limits or ReaderLimits()
        self._deaths = 0
        self._busy_until: float | None = None
        self._is_resting = False
        self._rest_until: float | None = None
        self._on_done: Callable[[], None] | None = None
        self._on_damage: Callable[[str], None] = lambda _: None
        self._clock = clock
        self._state = ReaderState()
        self._process: subprocess.Popen[bytes] | None = None
        # Held to write to the bell's pipe and to close it: its number may be another file's a moment later.
        self._bell_lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_running, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def state(self) -> ReaderState:
        return self._state

    def open(self, on_done: Callable[[], None], on_damage: Callable[[str], None]) -> None:
        """Let the reader begin. Both are called from a thread of ours: ``on_done`` after every film, ``on_damage``
        with the database's words when the reader could not go on for damage in it."""
        self._on_done, self._on_damage = on_done, on_damage
        self.ring()

    def ring(self) -> None:
        """Wake the reader: there is work. Free when it is busy or not there; it looks by itself then."""
        with self._bell_lock:
            process = self._process
            if process is None or process.stdin is None or process.stdin.closed:
                return
            # Full of rings already, or dying: the next life starts by looking.
            with suppress(BlockingIOError, BrokenPipeError):
                os.write(process.stdin.fileno(), b"\n")

    def stop(self) -> None:
        """Let the reader finish its film, then end it; harmless to repeat."""
        self._stopping.set()
        self._hang_up(self._process)
        self._thread.join(STOP_SECONDS)
        process = self._process
        if process is not None:
            child.end(process)

    def _keep_running(self) -> None:
        lives_without_success = 0
        while not self._stopping.is_set():
            try:
                was_ready = self._live_once()
            except Exception:  # the top of the loop: no memory or descriptor left, or a line that is no message
                log.exception("reader cannot be supervised")
                was_ready = False
                if self._process is not None:
                    child.end(self._process)
            if self._stopping.is_set():
                return
            if self._state.damaged:  # the front ends this supervisor; if it does not, the reader looks again
                self._stopping.wait(RESTART_SECONDS[-1])
                continue
            lives_without_success = 0 if was_ready else lives_without_success + 1
            pause = RESTART_SECONDS[min(lives_without_success, len(RESTART_SECONDS) - 1)]
            self._state = ReaderState(
                problem="the reader stopped and is being started again", restarts=self._state.restarts + 1
            )
            how = child.meaning(self._process.poll() or 0) if self._process else ""
            log.error("reader stopped", how=how, restart_in_seconds=pause)
            self._stopping.wait(pause)

    def _live_once(self) -> bool:
        """One life of the reader process. True when it came as far as being ready."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
        words = [str(self.config_path), *self._begin_rest()]
        process = child.start("xray_triage.reader.process", *words, environment=KEEP_MEMORY, **pipes)
        assert process.stdin is not None
        assert process.stdout is not None
        os.set_blocking(process.stdin.fileno(), False)
        os.set_blocking(process.stdout.fileno(), False)
        self._process = process
        self._state = ReaderState(restarts=self._state.restarts)
        if self._stopping.is_set():  # ``stop`` may have hung up on the process before this one
            self._hang_up(process)
        elif self._on_done is not None:
            self.ring()
        with selectors.DefaultSelector() as selector, process.stdout:
            selector.register(process.stdout, selectors.EVENT_READ)
            self._listen(process, selector)
        process.wait()
        self._hang_up(process)
        if self._busy_until is not None:
            self._deaths += 1 if self._state.ready else LOADING_DEATH
        return self._state.ready

    def _begin_rest(self) -> list[str]:
        """What the next life is told: to do without the model, where too many in a row have died of it."""
        self._is_resting, self._rest_until = self._deaths >= self._limits.most_deaths, None
        if not self._is_resting:
            return []
        self._deaths = self._limits.most_deaths - 1  # one more after the rest, and it rests again
        log.error("AI is off", problem=f"the model is tried again in {self._limits.rest_seconds:.0f} s")
        return [WITHOUT_MODEL]

    def _hang_up(self, process: subprocess.Popen[bytes] | None) -> None:
        with self._bell_lock:
            if process is not None and process.stdin is not None:
                process.stdin.close()

    def _listen(self, process: subprocess.Popen[bytes], selector: selectors.BaseSelector) -> None:
        assert process.stdout is not None
        tail = b""
        self._busy_until = self._clock.monotonic() + self._limits.loading_seconds  # with its model
        while True:
            until = min((at for at in (self._busy_until, self._rest_until) if at is not None), default=None)
            left = None if until is None else until - self._clock.monotonic()
            if not selector.select(None if left is None else max(left, 0)):
                if until == self._busy_until:
                    log.error("reader took too long")
                    child.end(process)
                    return
                self._rest_until = None
                self._hang_up(process)  # it finishes its film
                continue
            chunk = process.stdout.read(65536)
            if not chunk:
                return
            *lines, tail = (tail + chunk).split(b"\n")
            for line in lines:
                self._hear(json.loads(line))

    def _hear(self, message: dict[str, object]) -> None:
        """Take in one message, and since when the reader has been busy with a film."""
        self._busy_until = None
        if message["event"] == "busy":
            self._busy_until = self._clock.monotonic() + self._limits.film_seconds
        problem = str(message.get("problem") or "") or None
        if message["event"] == "ready":
            model = message.get("model")
            self._rest_until = self._clock.monotonic() + self._limits.rest_seconds if self._is_resting else None
            self._state = ReaderState(
                ready=True,
                problem=problem,
                model={str(key): str(value) for key, value in model.items()} if isinstance(model, dict) else None,
                restarts=self._state.restarts,
            )
        if message["event"] == "damaged":
            self._state = ReaderState(damaged=True, problem=DAMAGED, restarts=self._state.restarts)
            self._on_damage(str(message.get("problem")))
        if message["event"] == "done":
            self._deaths = 0 if message.get("read") else self._deaths
            self._state = replace(self._state, problem=problem)
            if self._on_done is not None:
                self._on_done()
