"""The stream that tells open pages of every commit."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from tests.factories import until
from tests.xray_triage.desk import PASSWORD, TestDesk, reading
from tests.xray_triage.web.conftest import bearer
from xray_triage.accounts.roles import Role
from xray_triage.config.sections import WebSection
from xray_triage.web.api import events
from xray_triage.web.api.events import HELLO, LOOK_SECONDS, MOST_LISTENERS, Watcher
from xray_triage.web.server import WebServer

CHANGED = "event: changed"


@contextmanager
def stream(client: httpx.Client, *, seconds: float = 60) -> Iterator[Iterator[str]]:
    """The lines of an open stream, the greeting taken off; ReadTimeout after so many silent ``seconds``."""
    with client.stream("GET", "/events", timeout=httpx.Timeout(60, read=seconds)) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        yield lines


def the_next_change(lines: Iterator[str]) -> str:
    return next(line for line in lines if line == CHANGED)


def test_a_commit_is_told_within_a_second_to_every_page(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    with stream(client) as one, stream(client) as other:

        def seconds_until_told() -> float:
            started = time.monotonic()
            sqlite_desk.add(reading())
            assert the_next_change(one) == the_next_change(other) == CHANGED
            return time.monotonic() - started

        assert any(seconds_until_told() < 1 for _ in range(5))  # the machine may be busy, but not all the time


def test_every_database_tells(desk: TestDesk, serve: Callable[[ASGIApp], str]) -> None:
    with httpx.Client(base_url=serve(desk.app()), headers=bearer(desk)) as client, stream(client) as lines:
        desk.add(reading())
        assert the_next_change(lines) == CHANGED


def test_what_is_committed_right_after_the_greeting_is_told() -> None:
    commits, is_greeted = [0], threading.Event()

    def version() -> int:
        is_greeted.wait(0.2)
        return commits[0]

    async def hear() -> bytes:
        lines = Watcher(version).listen(lambda: False)
        assert await anext(lines) == HELLO
        commits[0] = 1
        is_greeted.set()
        return await asyncio.wait_for(anext(lines), 60)

    assert asyncio.run(hear()).startswith(CHANGED.encode())


def test_many_commits_are_told_as_few_changes(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    heard: list[str] = []
    with stream(client, seconds=12 * LOOK_SECONDS) as lines:
        started = time.monotonic()
        for _ in range(10):
            sqlite_desk.add(reading())
        took = time.monotonic() - started
        with pytest.raises(httpx.ReadTimeout):
            heard.extend(line for line in lines if line == CHANGED)
    assert 1 <= len(heard) <= took / LOOK_SECONDS + 2


def test_a_silent_station_is_not_written_to_by_those_who_listen(
    client: httpx.Client, sqlite_desk: TestDesk, tmp_path: Path
) -> None:
    sqlite_desk.add(reading())
    with stream(client, seconds=12 * LOOK_SECONDS) as lines:
        files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        with pytest.raises(httpx.ReadTimeout):
            next(line for line in lines if line == CHANGED)
        assert files == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_one_page_too_many_is_turned_away_and_one_that_leaves_makes_room(client: httpx.Client) -> None:
    limits = httpx.Limits(max_connections=MOST_LISTENERS + 5)
    with httpx.Client(base_url=client.base_url, headers=client.headers, limits=limits) as many, ExitStack() as pages:
        for _ in range(MOST_LISTENERS):
            pages.enter_context(stream(many))
        assert client.get("/events").status_code == 503
        pages.close()

        def there_is_room() -> bool:
            with client.stream("GET", "/events") as answer:
                return answer.status_code == 200

        until(there_is_room)


def test_the_stream_of_who_is_signed_out_ends_at_the_next_beat(
    enter: Callable[..., httpx.Client], sqlite_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "BEAT_SECONDS", 0.1)
    users = sqlite_desk.accounts.users
    ends: list[Callable[[httpx.Client], object]] = [
        lambda browser: browser.post("/sign-out", json={}),
        lambda _: sqlite_desk.clock.advance(30 * 60),
        lambda _: users.disable("technician"),
    ]
    for end in ends:
        leaving = enter(Role.TECHNICIAN)
        with stream(leaving) as lines:
            end(leaving)
            list(lines)  # comes to its end
        assert leaving.get("/events").status_code == 401
    changing, other, staying = enter(), enter(), enter(Role.ADMIN)
    with stream(changing) as lines, stream(other) as other_lines, stream(staying) as staying_lines:
        changing.post("/password", data={"old": PASSWORD, "new": "một mật khẩu mới", "again": "một mật khẩu mới"})
        list(lines), list(other_lines)  # also the one whose page has a new session: it comes again by itself
        assert [next(staying_lines) for _ in range(9)]


def test_the_stream_of_a_revoked_token_ends_too_and_listening_is_no_use_of_a_token(
    client: httpx.Client, sqlite_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "BEAT_SECONDS", 0.1)
    user = sqlite_desk.accounts.users.find("doctor")
    with stream(client) as lines:
        assert next(line for line in lines if line) == ": "  # a beat
        sqlite_desk.clock.advance(3600)
        assert next(line for line in lines if line) == ": "
        assert [token.used_at for token in sqlite_desk.accounts.tokens.of(user)] == [None]
        sqlite_desk.accounts.tokens.revoke(user)
        list(lines)


def test_open_streams_end_with_the_server_and_leave_no_thread(sqlite_desk: TestDesk) -> None:
    before = threading.active_count()

    def seconds_to_stop() -> float:
        server = WebServer(WebSection(port=0), sqlite_desk.app())
        server.start()
        with httpx.Client(base_url=server.url, headers=bearer(sqlite_desk)) as client, stream(client) as lines:
            started = time.monotonic()
            server.stop()
            assert list(lines)
            return time.monotonic() - started

    assert any(seconds_to_stop() < 2 for _ in range(3))  # then uvicorn would have cut them
    until(lambda: threading.active_count() <= before)
