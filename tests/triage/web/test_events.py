"""The stream that tells open pages of every commit."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from starlette.types import ASGIApp

from tests.factories import until
from tests.triage.desk import TestDesk, reading
from xray_triage.config import WebSection
from xray_triage.web.events import LOOK_SECONDS, MOST_LISTENERS
from xray_triage.web.server import WebServer

CHANGED = "event: changed"


@contextmanager
def stream(client: httpx.Client) -> Iterator[Iterator[str]]:
    """The lines of an open stream, the greeting taken off."""
    with client.stream("GET", "/events", timeout=10) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        yield lines


def the_next_change(lines: Iterator[str]) -> str:
    return next(line for line in lines if line == CHANGED)


def test_a_commit_is_told_within_a_second_to_every_page(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    with stream(client) as one, stream(client) as other:
        started = time.monotonic()
        sqlite_desk.add(reading())
        assert the_next_change(one) == the_next_change(other) == CHANGED
        assert time.monotonic() - started < 1


def test_every_database_tells(desk: TestDesk, serve: Callable[[ASGIApp], str]) -> None:
    with httpx.Client(base_url=serve(desk.app())) as client, stream(client) as lines:
        desk.add(reading())
        assert the_next_change(lines) == CHANGED


def test_many_commits_are_told_as_few_changes(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    with stream(client) as lines:
        started = time.monotonic()
        for _ in range(10):
            sqlite_desk.add(reading())
        took = time.monotonic() - started
        the_next_change(lines)
        heard: list[str] = []
        reader = threading.Thread(target=lambda: heard.extend(line for line in lines if line == CHANGED), daemon=True)
        reader.start()
        reader.join(2 * LOOK_SECONDS)
    assert len(heard) <= (took + 2 * LOOK_SECONDS) / LOOK_SECONDS + 1


def test_a_silent_station_is_not_written_to_by_those_who_listen(
    client: httpx.Client, sqlite_desk: TestDesk, tmp_path: Path
) -> None:
    sqlite_desk.add(reading())
    with stream(client) as lines:
        files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        reader = threading.Thread(target=lambda: next(lines), daemon=True)
        reader.start()
        reader.join(4 * LOOK_SECONDS)
        assert files == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_one_page_too_many_is_turned_away_and_one_that_leaves_makes_room(client: httpx.Client) -> None:
    limits = httpx.Limits(max_connections=MOST_LISTENERS + 5)
    with httpx.Client(base_url=client.base_url, limits=limits) as many, ExitStack() as pages:
        for _ in range(MOST_LISTENERS):
            pages.enter_context(stream(many))
        assert client.get("/events").status_code == 503
        pages.close()

        def there_is_room() -> bool:
            with client.stream("GET", "/events") as answer:
                return answer.status_code == 200

        until(there_is_room)


def test_open_streams_end_with_the_server_and_leave_no_thread(sqlite_desk: TestDesk) -> None:
    before = threading.active_count()
    server = WebServer(WebSection(port=0), sqlite_desk.app())
    server.start()
    with httpx.Client(base_url=server.url) as client, stream(client) as lines:
        started = time.monotonic()
        server.stop()
        assert list(lines)
        assert time.monotonic() - started < 2
    until(lambda: threading.active_count() <= before)
